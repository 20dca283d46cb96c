// The dashboard in a browser, by clicking: upload, train, watch the curve, stop, score, look for limitations,
// train the remedy, compare. It fails on a console error, a failed request, a request to another host, a
// violation that axe finds, a page that is wider than its screen, or one that jumps while it loads.
// Usage: node dashboard.mjs [BINARY]; screenshots are written to target/browser/.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { start } from "./server.mjs";

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../..");
const binary = path.resolve(process.argv[2] ?? path.join(root, "target/release/whereof"));
const screenshots = path.join(root, "target/browser");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 120_000;
const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

/** Collects what a page does wrong; what `expected` says of a status and address is no fault. */
function faultsOf(page, base, expected = () => false) {
  const faults = [];
  const known = new Set();
  page.on("console", (message) => {
    // A refused request is told by its response; the console only repeats it.
    if (message.type() === "error" && !known.has(message.location().url)) faults.push(`console error: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`page error: ${error.message}`));
  page.on("requestfailed", (request) => {
    // Leaving a page ends what it asked for.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") faults.push(`failed request: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on("response", (response) => {
    if (response.status() < 400) return;
    if (expected(response.status(), response.url())) known.add(response.url());
    else faults.push(`failed request: ${response.status()} ${response.url()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${base}/`) && !/^(data|blob):/.test(request.url())) faults.push(`other host: ${request.url()}`);
  });
  return faults;
}

/** What axe finds on the page as it is, by the rules of WCAG 2.2 A and AA and its best practices. */
async function violations(page) {
  return page.evaluate(async () => {
    const { violations: found } = await window.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    const told = (node) => `${node.target.join(" ")} ${node.failureSummary.split("\n")[1] ?? ""}`;
    return found.map((one) => `${one.id} (${one.impact}): ${one.nodes.slice(0, 3).map(told).join("; ")}`);
  });
}

/** A window whose pages axe can look at; their policy would not let them load it. */
async function windowOf(browser) {
  const context = await browser.newContext();
  // A machine that builds and trains beside it is slow, not wrong.
  context.setDefaultTimeout(PATIENCE);
  await context.addInitScript({ content: axe });
  return context;
}

class Journey {
  constructor(page, base) {
    this.page = page;
    this.base = base;
    this.faults = faultsOf(page, base);
    this.looked = 0;
  }

  /** Looks at the page as it is: light and dark, on a desk and on a phone. */
  async look(name) {
    const { page } = this;
    await page.mouse.move(0, 0);
    for (const [size, what] of [[DESK, "desk"], [PHONE, "phone"]]) {
      await page.setViewportSize(size);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        const found = await violations(page);
        assert.deepEqual(found, [], `axe finds on ${name} (${what}, ${colorScheme}):\n${found.join("\n")}`);
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert(wide <= size.width, `${name} is ${wide} pixels wide on a screen of ${size.width}`);
      await page.emulateMedia({ colorScheme: "light" });
      await page.screenshot({ path: path.join(screenshots, `dashboard-${name}-${what}.png`), fullPage: true });
    }
    await page.setViewportSize(DESK);
    this.check(name);
    this.looked += 1;
    console.log(`ok    ${name}`);
  }

  check(where) {
    assert.deepEqual(this.faults, [], `${where} does something wrong`);
  }

  /** Loads a page afresh, and tells how much it jumped about while it loaded (CLS). */
  async jumps(hash) {
    const { page } = this;
    await page.goto("about:blank");
    await page.goto(`${this.base}/${hash}`);
    await page.locator("h1").first().waitFor();
    await page.waitForTimeout(800);
    const shift = await page.evaluate(() => new Promise((told) => {
      let sum = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => { if (!entry.hadRecentInput) sum += entry.value; }))
        .observe({ type: "layout-shift", buffered: true });
      setTimeout(() => told(sum), 100);
    }));
    assert(shift < 0.1, `${hash} jumps by ${shift} while it loads`);
  }

  async upload(name, text) {
    await this.page.getByRole("link", { name: "Datasets" }).first().click();
    await this.page.locator("#file").waitFor();
    await this.page.setInputFiles("#file", { name, mimeType: "text/csv", buffer: Buffer.from(text) });
    await this.page.getByRole("heading", { level: 1, name }).waitFor();
  }

  /** Fills in the form of a training; `more` goes into its request by way of the JSON. */
  async train(name, more) {
    const { page } = this;
    await page.getByRole("link", { name: "Train a model" }).first().click();
    await page.getByLabel("Name of the model").fill(name);
    await page.getByText("Advanced: the request as JSON").click();
    const json = page.getByLabel("What is sent");
    const request = JSON.parse(await json.inputValue());
    assert.equal(request.model_name, name, "the form is not what is sent");
    await json.fill(JSON.stringify({ ...request, ...more }));
    await page.getByRole("button", { name: "Check what it costs" }).click();
    await page.getByRole("heading", { name: "It is valid" }).waitFor();
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: `Training of ${name}` }).waitFor();
  }

  async ended(status) {
    await this.page.locator(".status-line .badge", { hasText: status }).waitFor({ timeout: PATIENCE });
  }
}

/** Points in and outside of a circle. */
function circle() {
  const rows = ["x,y,label"];
  for (let i = 0; i < 900; i += 1) {
    const [x, y] = [((i * 7) % 61) / 30 - 1, ((i * 13) % 57) / 28 - 1];
    rows.push(`${x},${y},${x * x + y * y < 0.5 ? "in" : "out"}`);
  }
  return `${rows.join("\n")}\n`;
}

async function journey(context, base) {
  const page = await context.newPage();
  const trip = new Journey(page, base);
  await page.setViewportSize(DESK);
  await page.goto(base);
  await page.getByText("Nothing has been trained yet.").waitFor();
  await trip.look("empty");

  await trip.upload("reviews.csv", readFileSync(path.join(root, "demo/reviews.csv")));
  await trip.look("dataset");

  // A training that goes on until it is stopped.
  await trip.train("sentiment", { training: { epochs: 100000, early_stopping: null } });
  const curve = page.locator("figure", { hasText: "Loss" }).first().locator("path.line").first();
  await curve.waitFor({ timeout: PATIENCE });
  const before = await curve.getAttribute("d");
  await page.waitForFunction((old) => document.querySelector("figure path.line")?.getAttribute("d") !== old, before, { timeout: PATIENCE });
  console.log("ok    the curve moves");
  await trip.look("training");
  await page.getByRole("link", { name: "Jobs" }).first().click();
  await page.locator(".item .badge", { hasText: "running" }).waitFor();
  await page.locator(".item a.title").first().click();
  await page.getByRole("button", { name: "Stop and keep the best" }).click();
  await trip.ended("stopped");
  await page.getByLabel("logarithmic").first().check();
  await page.locator(".plot").first().focus();
  await page.keyboard.press("ArrowRight");
  await page.locator(".tip:visible").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("summary", { hasText: "The same as a table" }).first().click();
  await page.locator("figure details[open] table").first().waitFor();
  await trip.look("run");

  await page.getByRole("link", { name: "Try the model" }).click();
  await page.getByLabel("Text").fill("I love this clunky backpack 👍, but the zipper vignettes.");
  await page.getByRole("button", { name: "Score it" }).click();
  await page.getByRole("heading", { name: "Word by word" }).waitFor();
  const unknown = await page.locator(".tokens mark.unknown").allTextContents();
  assert(unknown.some((word) => word.startsWith("vignettes")), `coloured as unknown: ${unknown}`);
  assert.equal(await page.locator(".tokens").evaluate((p) => { const copy = p.cloneNode(true); copy.querySelectorAll(".hidden").forEach((n) => n.remove()); return copy.textContent; }),
    "I love this clunky backpack 👍, but the zipper vignettes.", "the text is not the one that was typed");
  await page.getByLabel("what speaks for the answer").check();
  await page.locator(".tokens mark.for, .tokens mark.against").first().waitFor();
  await trip.look("try");
  await page.getByRole("link", { name: "Card", exact: true }).click();
  await page.locator("table.matrix").waitFor();
  await page.locator("[data-figure=reliability] svg").first().waitFor();
  await trip.look("model");

  // A training with a fault that a diagnosis finds: a learning rate that is far too high.
  await trip.upload("circle.csv", circle());
  await trip.train("circle", {
    network: { type: "mlp", hidden: [8] }, optimizer: { type: "adam", learning_rate: 1 }, schedule: { type: "constant" },
    training: { epochs: 12, batch_size: 16, early_stopping: null }, split: { train: 0.4, validation: 0.2, calibration: 0.1, test: 0.3 },
  });
  await trip.ended("succeeded");
  await page.getByRole("link", { name: "Its limitations" }).click();
  await page.getByText("Nobody has looked for its limitations yet.").waitFor();
  await trip.look("no-report");
  await page.getByLabel("Budget in trainings").fill("16");
  await page.getByRole("button", { name: "Look for limitations" }).click();
  await page.locator("#part-look-again").waitFor({ timeout: PATIENCE });
  const finding = page.locator("article.finding", { hasText: "Learning rate too high" });
  await finding.scrollIntoViewIfNeeded();
  await finding.locator("svg").first().waitFor();
  await trip.look("report");
  await finding.getByRole("button", { name: /Train (the remedy|it all the same)/ }).click();
  await page.getByRole("heading", { level: 1, name: "Training of circle" }).waitFor();
  await trip.ended("succeeded");

  await page.getByRole("link", { name: "Runs" }).first().click();
  const items = page.locator(".item", { hasText: "circle on circle.csv" });
  await items.first().getByRole("checkbox").check();
  await items.last().getByRole("checkbox").check();
  await trip.look("runs");
  await page.getByRole("button", { name: "Compare 2 runs" }).click();
  await page.getByRole("heading", { name: "2 runs compared" }).waitFor();
  await page.getByRole("rowheader", { name: "optimizer.learning_rate" }).waitFor();
  await trip.look("compare");

  // A sweep, sent by its JSON.
  const set = (await (await fetch(`${base}/v1/datasets`)).json()).items.find((one) => one.name === "circle.csv");
  const sweep = { kind: "sweep", base: { dataset: set.id, task: { type: "tabular_classification", label: "label" }, training: { epochs: 2 } },
    space: { "optimizer.learning_rate": { log: [0.001, 0.3] }, "network.hidden": { choice: [[4], [16]] } }, strategy: { type: "random", trials: 6 } };
  await page.goto(`${base}/#/datasets/${set.id}/train`);
  await page.getByText("Advanced: the request as JSON").click();
  await page.getByLabel("What is sent").fill(JSON.stringify(sweep));
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await trip.ended("succeeded");
  await page.locator("polyline.way").first().waitFor({ state: "attached" });
  await trip.look("sweep");

  await page.getByRole("link", { name: "Models" }).first().click();
  await page.getByText("the remedy of learning rate too high").waitFor();
  await trip.look("models");
  await page.getByRole("link", { name: "Jobs" }).first().click();
  await page.locator(".item").first().waitFor();
  await trip.look("jobs");
  await page.getByLabel("Kind").selectOption("diagnose");
  await page.waitForFunction(() => document.querySelectorAll(".item").length === 1);
  for (const hash of ["#/jobs", "#/datasets", "#/models", "#/runs", "#/models/sentiment", "#/models/circle/try", `#/datasets/${set.id}`]) await trip.jumps(hash);
  console.log("ok    no page jumps while it loads");
  trip.check("the journey");
  await page.close();
  return trip.looked;
}

/** What cannot be read is told by its row. */
async function badFile(context, base) {
  const page = await context.newPage();
  const faults = faultsOf(page, base, (status, url) => status === 422 && url.endsWith("/v1/datasets"));
  await page.goto(`${base}/#/datasets`);
  await page.locator("#file").waitFor();
  await page.setInputFiles("#file", { name: "bad.csv", mimeType: "text/csv", buffer: Buffer.from("a,b\n1,2\n3\n") });
  const row = page.locator(".trouble tbody th");
  await row.waitFor();
  assert.equal(await row.textContent(), "2", "the row at fault is not told");
  assert.deepEqual(await violations(page), [], "axe finds on a refused upload");
  assert.deepEqual(faults, [], "a refused upload");
  await page.close();
  console.log("ok    a file that cannot be read is told by its row");
}

/** A server with keys asks for one, and serves the page without. */
async function signIn(browser) {
  const key = "a-key-for-the-browser-test";
  const server = await start(binary, ["--api-key", key]);
  const context = await windowOf(browser);
  try {
    const page = await context.newPage();
    const faults = faultsOf(page, server.base, (status) => status === 401);
    await page.goto(server.base);
    await page.getByLabel("API key").fill("a-key-that-is-not-known-here");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("The server does not know this key.").waitFor();
    assert.deepEqual(await violations(page), [], "axe finds on the sign-in");
    await page.getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Nothing has been trained yet.").waitFor();
    await page.reload();
    await page.getByText("Nothing has been trained yet.").waitFor();
    assert.deepEqual(faults, [], "the sign-in");
    console.log("ok    sign-in with a key");
  } finally {
    await context.close();
    await server.stop();
  }
}

/** Shows that faults and violations are noticed. */
async function checkTheChecks(context, base) {
  const page = await context.newPage();
  const faults = faultsOf(page, base);
  await page.goto(`${base}/#/jobs`);
  await page.locator("h1").waitFor();
  await page.evaluate(async () => {
    console.error("planted");
    setTimeout(() => { throw new Error("planted"); });
    await fetch("/v1/nothing");
    const picture = document.createElement("img");
    picture.src = "/assets/icon.svg";
    document.querySelector("main").append(picture);
    const script = document.createElement("script");
    script.textContent = "window.inline = true";
    document.body.append(script);
  });
  await page.waitForTimeout(200);
  for (const kind of ["console error: planted", "page error: planted", "failed request: 404"]) {
    assert(faults.some((fault) => fault.startsWith(kind)), `not noticed: ${kind} in ${faults}`);
  }
  assert.equal(await page.evaluate(() => window.inline), undefined, "an inline script ran");
  assert((await violations(page)).some((found) => found.startsWith("image-alt")), "axe does not notice a picture without a text");
  await page.close();
  console.log("ok    planted faults are noticed, and the policy holds");
}

mkdirSync(screenshots, { recursive: true });
const server = await start(binary);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
try {
  const context = await windowOf(browser);
  await checkTheChecks(context, server.base);
  const looked = await journey(context, server.base);
  await badFile(context, server.base);
  await signIn(browser);
  console.log(`ok    the dashboard: ${looked} pages, light and dark, at ${DESK.width} and ${PHONE.width} pixels`);
} finally {
  await browser.close();
  await server.stop();
}
