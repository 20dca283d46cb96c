// Elements, and numbers and times as text.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, kids) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else if (name === "vars") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...kids.flat(Infinity).filter((kid) => kid !== undefined && kid !== null && kid !== false));
  return node;
}

/** An element with attributes (`on…`: listeners, `vars`: CSS variables) and children. */
export const h = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);

/** The same of SVG. */
export const s = (tag, props, ...kids) => fill(document.createElementNS(SVG, tag), props, kids);

/** Says something to those who do not see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

const MINUS = "−";
const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number with the digits that matter; a dash where there is none. */
export function number(value) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  let text;
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) text = value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  else if (Number.isInteger(value) || size >= 1000) text = grouped.format(value);
  else text = plain.format(value);
  return text.replace("-", MINUS);
}

export const percent = (share, digits = 1) =>
  share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`.replace("-", MINUS);

export const interval = (ends) => (ends ? `${number(ends[0])} to ${number(ends[1])}` : "");

export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; count >= 1000 && at < units.length - 1; at += 1) count /= 1000;
  return `${at ? count.toFixed(count < 10 ? 1 : 0) : count} ${units[at]}`;
}

/** Seconds as a person says them. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** A moment in the reader's own zone. */
export function moment(text) {
  if (!text) return "–";
  const at = new Date(text);
  return h("time", { datetime: text, title: exact.format(at) }, clock.format(at));
}

/** What is told apart within an id, to read aloud and to compare. */
export const short = (id) => (id ? `${id.split("_")[0]}_…${id.slice(-6)}` : "–");

/** A name of the API as words. */
export const words = (name) => String(name).replaceAll("_", " ");

const METRICS = { ece: "Calibration error (ECE)", brier: "Brier score", macro_f1: "Macro F1", micro_f1: "Micro F1", r2: "R²", mse: "Mean squared error", rmse: "Root mean squared error", mae: "Mean absolute error" };

/** What a metric is called. */
export const metricName = (name) => METRICS[name] ?? capital(words(name));

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Adds children, leaving out what is not there. */
export const add = (node, ...kids) => fill(node, null, kids);
