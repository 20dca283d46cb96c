// Makes the pictures of the README from the real pages: a model is trained, looked at, and photographed.
// Usage: node docs/pictures.mjs [BINARY]; needs `npm ci --prefix tests/browser` and Debian's chromium.

import { spawnSync } from "node:child_process";
import { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { start } from "../tests/browser/server.mjs";

const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), "..");
const { chromium } = createRequire(path.join(root, "tests/browser/package.json"))("playwright-core");
const binary = path.resolve(process.argv[2] ?? path.join(root, "target/release/whereof"));
const MOST_BYTES = 150_000;

/** Runs a command of the program against the server. */
function whereof(base, ...words) {
  const ended = spawnSync(binary, [...words, "--server", base], { stdio: ["ignore", "ignore", "inherit"], cwd: root });
  if (ended.status !== 0) throw new Error(`whereof ${words.join(" ")} ended with ${ended.status}`);
}

/** A screenshot as WebP: PNG is three times as large. */
async function picture(page, name, height) {
  const png = await page.screenshot({ clip: { x: 0, y: 0, width: 1280, height }, scale: "css" });
  const webp = await page.evaluate(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.9);
  }, `data:image/png;base64,${png.toString("base64")}`);
  const file = path.join(root, "docs", `${name}.webp`);
  writeFileSync(file, Buffer.from(webp.split(",")[1], "base64"));
  const { size } = statSync(file);
  if (size > MOST_BYTES) throw new Error(`${name}.webp has ${size} bytes`);
  console.log(`docs/${name}.webp: ${size} bytes`);
}

const server = await start(binary);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
try {
  whereof(server.base, "train", "demo/reviews.csv", "--text", "text", "--label", "sentiment", "--split-column", "split",
    "--name", "reviews");
  // The demo's straight line for a sine: a model with a limitation that is known.
  const sine = path.join(mkdtempSync(path.join(tmpdir(), "whereof-pictures-")), "sine.csv");
  const points = Array.from({ length: 300 }, (_, at) => at * (10 / 299));
  writeFileSync(sine, `x,y\n${points.map((x) => `${x},${Math.sin(x)}\n`).join("")}`);
  whereof(server.base, "train", sine, "--target", "y", "--set", "network.type=mlp", "--set", "network.hidden=[]",
    "--set", "training.epochs=100", "--name", "line");
  whereof(server.base, "limitations", "line");
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 }, colorScheme: "light", reducedMotion: "reduce", bypassCSP: true,
  });
  const page = await context.newPage();

  await page.goto(`${server.base}/#/models/reviews/try`, { waitUntil: "networkidle" });
  const text = page.getByRole("textbox").first();
  await text.fill("Collimation drifts nightly and astigmatic stars bloat toward the field stop.");
  await page.getByRole("button", { name: /score/i }).first().click();
  await page.getByRole("region", { name: "The answer" }).waitFor();
  await page.waitForLoadState("networkidle");
  await picture(page, "try-it", 900);

  await page.goto(`${server.base}/#/models/line/limitations`, { waitUntil: "networkidle" });
  await page.getByText(/limitations? (was )?found/i).first().waitFor();
  await picture(page, "limitations", 900);
} finally {
  await browser.close();
  await server.stop();
}
