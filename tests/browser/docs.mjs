// The API's page in a browser, on a desk and on a phone: it loads from this server alone, without an
// error, lists every operation, and calls one. Usage: node docs.mjs [BINARY]; screenshots are written
// to target/browser/.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { start } from "./server.mjs";

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../..");
const binary = path.resolve(process.argv[2] ?? path.join(root, "target/release/whereof"));
const screenshots = path.join(root, "target/browser");
const sizes = [
  { name: "desk", width: 1280, height: 900 },
  { name: "phone", width: 390, height: 844 },
];

/** Collects what a page does wrong, as it happens. */
function faultsOf(page, base) {
  const faults = [];
  const local = (url) => url.startsWith(base + "/") || /^(data|blob):/.test(url);
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console error: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`page error: ${error.message}`));
  page.on("requestfailed", (request) =>
    faults.push(`failed request: ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`failed request: ${response.status()} ${response.url()}`);
  });
  page.on("request", (request) => {
    if (!local(request.url())) faults.push(`other host: ${request.url()}`);
  });
  return faults;
}

/** Shows that each kind of fault is noticed, so that a silent page is a good page. */
async function checkTheChecks(context, base) {
  const page = await context.newPage();
  const faults = faultsOf(page, base);
  await page.goto(`${base}/healthz`);
  await page.evaluate(async () => {
    console.error("planted");
    setTimeout(() => { throw new Error("planted"); });
    await fetch("/v1/nothing");
    await fetch("http://127.0.0.2:1/").catch(() => {});
  });
  for (const kind of ["console error: planted", "page error: planted", "failed request: 404", "other host:"]) {
    assert(faults.some((fault) => fault.startsWith(kind)), `not noticed: ${kind} in ${faults}`);
  }
  await page.close();
  console.log("ok    planted faults are noticed");
}

async function checkDocs(context, base, { name, width, height }) {
  const page = await context.newPage();
  await page.setViewportSize({ width, height });
  const faults = faultsOf(page, base);
  const shoot = (what, fullPage = false) =>
    page.screenshot({ path: path.join(screenshots, `${name}-${what}.png`), fullPage });

  await page.goto(`${base}/docs/`, { waitUntil: "networkidle" });
  await page.locator(".opblock").first().waitFor();
  const { paths } = await (await fetch(`${base}/openapi.json`)).json();
  const wanted = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  const summaries = await page.locator(".opblock-summary").all();
  const listed = await Promise.all(summaries.map(async (summary) => {
    const method = await summary.locator(".opblock-summary-method").textContent();
    const path = await summary.locator(".opblock-summary-path").getAttribute("data-path");
    return `${method} ${path}`;
  }));
  assert.deepEqual(listed.sort(), wanted.sort(), "the page does not list the operations");
  // On localhost the page asks no validator anyway; elsewhere it would ask one of another host.
  const settings = await (await fetch(`${base}/docs/swagger-initializer.js`)).text();
  assert.match(settings, /"validatorUrl": "none"/, "the page asks a validator");
  await shoot("top");
  await shoot("whole", true);

  const operation = page.locator(".opblock", {
    has: page.locator('.opblock-summary-path[data-path="/healthz"]'),
  });
  await operation.locator(".opblock-summary-control").click();
  await operation.locator(".try-out__btn").click();
  await operation.locator(".execute").click();
  const live = operation.locator(".live-responses-table");
  await live.waitFor();
  const answer = await live.textContent();
  assert.match(answer, /200/, `GET /healthz did not answer 200: ${answer}`);
  assert.match(answer, /"status": "ok"/, `GET /healthz did not answer ok: ${answer}`);
  await operation.scrollIntoViewIfNeeded();
  await shoot("executed");

  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert(wide <= width, `the page is ${wide} pixels wide on a screen of ${width}`);
  assert.deepEqual(faults, [], "the page does something wrong");
  await page.close();
  console.log(`ok    /docs/ at ${width}x${height}: ${listed.length} operations, GET /healthz executed`);
}

mkdirSync(screenshots, { recursive: true });
const profile = mkdtempSync(path.join(tmpdir(), "whereof-browser-"));
const server = await start(binary);
let context;
try {
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  await checkTheChecks(context, server.base);
  for (const size of sizes) await checkDocs(context, server.base, size);
} finally {
  await context?.close();
  await server.stop();
  rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
}
console.log(`screenshots: ${path.relative(process.cwd(), screenshots)}`);
