// The dashboard in a browser, by clicking: upload, train, watch the curve, stop, resume, cancel, read the
// figures, score, evaluate, look for limitations, train the remedy, compare, sweep. It fails on a console error, a failed request, a request to another host, a
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
const PATIENCE = 240_000;
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

  /** Uploads a file, by choosing it or by dropping it. */
  async upload(name, text, { drop = false } = {}) {
    const { page } = this;
    await page.getByRole("link", { name: "Datasets" }).first().click();
    await page.locator("#file").waitFor();
    if (drop) {
      const data = await page.evaluateHandle(([file, content]) => {
        const made = new DataTransfer();
        made.items.add(new File([content], file, { type: "text/csv" }));
        return made;
      }, [name, String(text)]);
      await page.locator(".drop").dispatchEvent("drop", { dataTransfer: data });
    } else await page.setInputFiles("#file", { name, mimeType: "text/csv", buffer: Buffer.from(text) });
    await page.getByRole("heading", { level: 1, name }).waitFor();
  }

  /** Clicks what saves a file, and gives back what it holds. */
  async saved(button) {
    const [download] = await Promise.all([this.page.waitForEvent("download"), button.click()]);
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
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
    try {
      await this.page.locator(".status-line .badge", { hasText: status }).waitFor({ timeout: PATIENCE });
    } catch (error) {
      throw new Error(`not ${status}: ${(await this.page.locator("main").innerText()).slice(0, 600)}`, { cause: error });
    }
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

/** A figure of curves: zoom by dragging, by keys and by buttons, values, legend, logarithm, smoothing, files. */
async function figures(trip) {
  const { page } = trip;
  const loss = page.locator("figure", { hasText: "Loss" }).first();
  const plot = loss.locator(".plot");
  const ticks = () => plot.locator(".grid text").allTextContents();
  const whole = await ticks();
  const frame = await plot.boundingBox();
  const at = (x, y) => [frame.x + frame.width * x, frame.y + frame.height * y];
  await page.mouse.move(...at(0.5, 0.5));
  await loss.locator(".tip:visible", { hasText: "epoch" }).waitFor();
  await page.mouse.down();
  await page.mouse.move(...at(0.8, 0.5), { steps: 4 });
  await page.mouse.up();
  await loss.getByRole("button", { name: "Show all" }).waitFor();
  assert.notDeepEqual(await ticks(), whole, "dragging does not zoom");
  await page.mouse.dblclick(...at(0.3, 0.5));
  assert.deepEqual(await ticks(), whole, "a double click does not show all");
  await loss.getByRole("button", { name: "Zoom in" }).click();
  assert.notDeepEqual(await ticks(), whole, "the button does not zoom");
  await plot.focus();
  await page.keyboard.press("0");
  assert.deepEqual(await ticks(), whole, "0 does not show all");
  await page.keyboard.press("ArrowRight");
  await loss.locator(".tip:visible").waitFor();
  await page.keyboard.press("Escape");
  const legend = loss.getByRole("button", { name: "validation" });
  const before = await plot.locator("path.line").count();
  await legend.click();
  assert.equal(await legend.getAttribute("aria-pressed"), "false");
  assert.equal(await plot.locator("path.line").count(), before - 1, "the legend does not hide a curve");
  await legend.click();
  await loss.getByLabel("logarithmic").check();
  await loss.getByLabel("smoothing").fill("0.6");
  await plot.locator("path.ghost").first().waitFor();
  await loss.locator("summary").click();
  await loss.locator("details[open] table").waitFor();
  const csv = await trip.saved(loss.getByRole("button", { name: "This figure as CSV" }));
  assert.equal(csv.name, "loss.csv");
  assert.match(csv.text, /^step,"?training/);
  const svg = await trip.saved(loss.getByRole("button", { name: "SVG" }));
  assert(svg.text.startsWith("<svg "), svg.text.slice(0, 80));
  const json = await trip.saved(loss.getByRole("button", { name: "Plotly JSON" }));
  assert.equal(JSON.parse(json.text).layout.title.text, "Loss");
  const steps = await trip.saved(page.getByRole("button", { name: "All steps as CSV" }));
  assert.match(steps.text, /train\.loss/);
  assert.deepEqual(await violations(page), [], "axe finds on a figure as a table");
  await loss.locator("summary").click();
}

/** A run that was stopped goes on, and is cancelled from the list. */
async function resume(trip) {
  const { page } = trip;
  await page.getByRole("button", { name: "Resume" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("More epochs").fill("50000");
  assert.deepEqual(await violations(page), [], "axe finds on the question how far to go on");
  await dialog.getByRole("button", { name: "Resume" }).click();
  await page.getByText("Goes on from").waitFor();
  await page.getByRole("link", { name: "Jobs" }).first().click();
  const item = page.locator(".item").first();
  await item.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the job" }).click();
  await item.locator(".badge", { hasText: "cancelled" }).waitFor();
  await page.locator(".item", { hasText: "stopped" }).first().locator("a.title").click();
  await page.getByRole("heading", { level: 1, name: "Training of sentiment" }).waitFor();
}

/** The card of a model: a cell of the confusion matrix, p-values, and how it does on other records. */
async function card(trip) {
  const { page } = trip;
  await page.getByRole("link", { name: "Card", exact: true }).click();
  const cell = page.locator("table.matrix td.wrong button").first();
  await cell.waitFor();
  await page.locator("[data-figure=reliability] svg").first().waitFor();
  const count = Number(await cell.textContent());
  await cell.click();
  await page.locator(".chosen tbody tr").first().waitFor();
  assert.equal(await page.locator(".chosen tbody tr").count(), Math.min(20, count), "not the records of the cell");
  await page.locator("[data-figure=p_values]").scrollIntoViewIfNeeded();
  await page.locator("[data-figure=p_values] path.line").first().waitFor();
  await trip.look("model");
  await page.getByRole("button", { name: "Evaluate" }).click();
  await trip.ended("succeeded");
  await page.locator("figure", { hasText: "Accuracy by coverage" }).locator("path.line").first().waitFor();
  await trip.look("evaluation");
}

/** What clients score is counted. */
async function inUse(trip) {
  const { page, base } = trip;
  const body = JSON.stringify({ texts: ["I love this backpack", "The ergonomics are poor", "vignettes"] });
  const answer = await fetch(`${base}/v1/models/sentiment/score`, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.equal(answer.status, 200);
  await page.goto(`${base}/#/models/sentiment/use`);
  await page.getByRole("heading", { name: "Window by window" }).waitFor();
  await page.locator("figure", { hasText: "Records scored" }).locator("svg").first().waitFor();
  await trip.look("use");
}

/** A sweep, by its form; its lines can be narrowed and opened. */
async function sweep(trip, set) {
  const { page, base } = trip;
  await page.goto(`${base}/#/datasets/${set.id}/train`);
  await page.getByLabel("How", { exact: true }).selectOption("sweep");
  await page.getByLabel("Settings to try").fill("4");
  await page.getByLabel("Epochs at most").fill("2");
  await trip.look("train");
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await trip.ended("succeeded");
  const lines = page.locator("polyline.way");
  await page.waitForFunction(() => document.querySelectorAll("polyline.way").length === 4);
  await trip.look("sweep");
  const plot = page.locator("figure", { hasText: "Settings and what came of them" }).locator(".plot");
  await plot.focus();
  await page.keyboard.press("ArrowDown");
  await plot.locator(".tip:visible", { hasText: "learning_rate" }).waitFor();
  const axis = await plot.locator("line.axis").last().boundingBox();
  await page.mouse.move(axis.x, axis.y - 3);
  await page.mouse.down();
  await page.mouse.move(axis.x, axis.y + axis.height * 0.4, { steps: 4 });
  await page.mouse.up();
  await plot.getByText("of 4 settings pass there").waitFor();
  assert(await lines.locator("xpath=self::*[contains(@class, 'out')]").count() > 0, "no line is narrowed away");
  await page.getByRole("button", { name: "Show all" }).click();
  await plot.focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: /^Training of run/ }).waitFor();
}

async function journey(context, base) {
  const page = await context.newPage();
  const trip = new Journey(page, base);
  await page.setViewportSize(DESK);
  await page.goto(base);
  await page.getByText("Nothing has been trained yet.").waitFor();
  await trip.look("empty");

  await trip.upload("reviews.csv", readFileSync(path.join(root, "demo/reviews.csv")));
  await page.locator("figure", { hasText: "Values of sentiment" }).locator("svg").waitFor();
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
  await figures(trip);
  await trip.look("run");
  await resume(trip);

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
  await page.getByRole("heading", { name: "The training records most like it" }).waitFor();
  await trip.look("try");
  await card(trip);
  await inUse(trip);

  // A training with a fault that a diagnosis finds: a learning rate that is far too high.
  await trip.upload("circle.csv", circle(), { drop: true });
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
  await page.getByRole("link", { name: "Compare with the original" }).waitFor();

  await page.getByRole("link", { name: "Runs" }).first().click();
  const items = page.locator(".item", { hasText: "circle on circle.csv" });
  await items.first().getByRole("checkbox").check();
  await items.last().getByRole("checkbox").check();
  await trip.look("runs");
  await page.getByRole("button", { name: "Compare 2 runs" }).click();
  await page.getByRole("heading", { name: "2 runs compared" }).waitFor();
  await page.getByRole("rowheader", { name: "optimizer.learning_rate" }).waitFor();
  await page.locator("figure", { hasText: "Loss on the validation records" }).locator("path.line").nth(1).waitFor();
  await trip.look("compare");

  const set = (await (await fetch(`${base}/v1/datasets`)).json()).items.find((one) => one.name === "circle.csv");
  await sweep(trip, set);

  await page.getByRole("link", { name: "Models" }).first().click();
  await page.getByText("the remedy of learning rate too high").waitFor();
  await trip.look("models");
  await page.getByRole("link", { name: "Jobs" }).first().click();
  await page.locator(".item").first().waitFor();
  await trip.look("jobs");
  await page.getByLabel("Kind").selectOption("diagnose");
  await page.waitForFunction(() => document.querySelectorAll(".item").length === 1);
  for (const hash of ["#/jobs", "#/datasets", "#/models", "#/runs", "#/models/sentiment", "#/models/sentiment/use", "#/models/circle/try", `#/datasets/${set.id}`]) await trip.jumps(hash);
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
