// Axes of figures: where a value stands, and which ticks stand beside it.

import { number } from "./dom.js";

const MINUS = "−";
const [MINUTE, HOUR, DAY] = [60e3, 36e5, 864e5];
const TIME_STEPS = [1e3, 5e3, 15e3, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 364 * DAY];
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const both = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A value without what floating-point numbers add to it. */
export const round = (v) => Number(v.toPrecision(10));

/** A value of an axis as text; a moment in the reader's own zone. */
export const told = (kind, v) => (kind === "date" ? both.format(new Date(v)) : number(round(v)));

/** Round ticks over two ends. */
function ticks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((one) => one >= rough * 0.999);
  const out = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) out.push(at * step);
  return out;
}

/** Whole minutes, hours or days of the reader's own zone. */
function moments(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const step = TIME_STEPS.find((one) => one >= rough) ?? 364 * DAY * Math.ceil(rough / (364 * DAY));
  const zone = new Date(low).getTimezoneOffset() * MINUTE;
  const marks = [];
  for (let at = Math.ceil((low - zone) / step) * step + zone; at <= high; at += step) marks.push(at);
  const name = (v) => {
    const at = new Date(v);
    const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
    return midnight || step >= DAY ? day.format(at) : step < MINUTE ? seconds.format(at) : clock.format(at);
  };
  return { marks, name };
}

/** What stands at a tick: the digits that tell it from its neighbours. */
function name(marks) {
  const step = Math.abs(marks[1] - marks[0]);
  if (!(step > 0)) return (v) => number(round(v));
  const even = Math.abs(marks[marks.length - 1] - marks[0] - step * (marks.length - 1)) < step * 1e-6;
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const plain = new Intl.NumberFormat("en", { minimumFractionDigits: decimals > 4 ? 0 : decimals, maximumFractionDigits: decimals > 4 ? 0 : decimals });
  return (v) => {
    if (!even || v === 0) return number(round(v));
    const size = Math.abs(round(v));
    if (size < step * 1e-6) return "0";
    if (decimals <= 4 && size < 1e7) return plain.format(v).replace("-", MINUS);
    const digits = Math.max(0, Math.min(9, Math.floor(Math.log10(size)) - Math.floor(Math.log10(step) + 1e-9)));
    return v.toExponential(digits).replace("e+", "e").replaceAll("-", MINUS);
  };
}

/**
 * An axis over values: `place` tells where one is, from 0 to 1, `value` what stands there. `kind` is as in
 * Plotly; `ends` are those of the values where there are none; with `tight` it ends where the values do.
 */
export function axis(values, { kind = "linear", ends = null, most = 6, tight = false } = {}) {
  const log = kind === "log";
  let [low, high] = ends ?? [Infinity, -Infinity];
  if (!ends) for (const v of values) if (Number.isFinite(v) && (!log || v > 0)) { if (v < low) low = v; if (v > high) high = v; }
  if (low > high) return null;
  if (log) {
    if (low === high) { low /= 2; high *= 2; }
    const [from, to] = [Math.log10(low), Math.log10(high)];
    const decades = to - from;
    const steps = decades > 2.5 ? [1] : decades > 1 ? [1, 3] : decades > 0.3 ? [1, 2, 3, 5, 7] : [1, 1.2, 1.5, 1.7, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
    const every = Math.max(1, Math.ceil(decades / most));
    const marks = [];
    for (let e = Math.floor(from); e <= Math.ceil(to); e += every) {
      for (const f of steps) { const v = f * 10 ** e; if (v >= low * 0.999 && v <= high * 1.001) marks.push(v); }
    }
    const few = marks.length > 1 ? marks : ticks(low, high, most);
    return { place: (v) => (v > 0 ? (Math.log10(v) - from) / decades : NaN), value: (t) => 10 ** (from + t * decades), ticks: few, name: few === marks ? (v) => number(round(v)) : name(few) };
  }
  if (low === high) { const room = kind === "date" ? HOUR : low === 0 ? 1 : Math.abs(low) * 0.1; low -= room; high += room; }
  if (!tight && !ends) {
    const marks = ticks(low, high, most);
    const step = marks.length > 1 ? marks[1] - marks[0] : high - low;
    low = Math.floor(low / step + 1e-9) * step;
    high = Math.ceil(high / step - 1e-9) * step;
  }
  const found = kind === "date" ? moments(low, high, most) : { marks: ticks(low, high, most) };
  return { place: (v) => (v - low) / (high - low), value: (t) => low + t * (high - low), ticks: found.marks, name: found.name ?? name(found.marks) };
}

/** A curve smoothed by a moving average that starts without a bias (as of Adam). */
export function smooth(ys, weight) {
  let mean = 0;
  let left = 1;
  return ys.map((y) => {
    if (y === null) return null;
    mean = weight * mean + (1 - weight) * y;
    left *= weight;
    return mean / (1 - left);
  });
}
