// Bars, matrices and parallel coordinates.

import { h, s, number } from "./dom.js";
import { axis, round } from "./scale.js";

const ROW = 34;
const LABELS = 12;

/** How high a figure of bars is, in pixels. */
export const barsHeight = (count) => count * ROW + 40;

export function bars(figure, width) {
  const [trace] = figure.data;
  const longest = Math.max(...trace.y.map((name) => name.length));
  const left = Math.min(230, width * 0.42, 7.4 * longest + 20);
  const height = barsHeight(trace.x.length);
  const box = { left, right: width - 56, top: 8, bottom: height - 30 };
  const reach = trace.error_x ? trace.x.map((v, i) => v + trace.error_x.array[i]) : trace.x;
  const whole = figure.layout.xaxis.range?.[1];
  const most = Math.max(...reach, whole ? whole / 20 : 1e-12);
  // Small shares are drawn over the part of the range that they fill.
  const ends = whole && [0, most > whole / 3 ? whole : most];
  const x = axis([0, ...reach], { ends, most: width < 460 ? 3 : 5 });
  const px = (v) => box.left + x.place(Math.max(0, Math.min(ends ? ends[1] : most, v))) * (box.right - box.left);
  const letters = Math.floor((left - 14) / 7.2);
  const cut = (name) => (name.length > letters ? `${name.slice(0, letters - 1)}…` : name);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${figure.layout.title.text}: ${trace.y.map((name, i) => `${name} ${number(trace.x[i])}`).join(", ")}` });
  svg.append(s("g", { class: "grid" }, x.ticks.map((v) => [s("line", { x1: px(v), x2: px(v), y1: box.top, y2: box.bottom }), s("text", { x: px(v), y: box.bottom + 20, "text-anchor": "middle" }, x.name(v))])));
  trace.x.forEach((v, i) => {
    const y = box.top + i * ROW + ROW / 2;
    const end = trace.error_x ? reach[i] : v;
    const name = width < 560 && /^[\w.]+$/.test(trace.y[i]) ? trace.y[i].split(".").pop().replaceAll("_", " ") : trace.y[i];
    svg.append(s("rect", { class: "bar-fill", x: box.left, y: y - 9, width: Math.max(1, px(v) - box.left), height: 18, rx: 3 }),
      s("text", { class: "said", x: box.left - 10, y: y + 4, "text-anchor": "end" }, cut(name), s("title", {}, trace.y[i])));
    if (trace.error_x) svg.append(s("line", { class: "whisker", x1: px(v - trace.error_x.arrayminus[i]), x2: px(end), y1: y, y2: y }));
    svg.append(s("text", { class: "said", x: px(end) + 8, y: y + 4 }, number(v)));
  });
  return [svg];
}

/** A matrix too large for a table: only what is not empty. */
export function matrix(figure, width, picked) {
  const [trace] = figure.data;
  const size = Math.min(width, 560);
  const most = Math.max(1, ...trace.z.map((row) => Math.max(...row)));
  const step = size / trace.x.length;
  const svg = s("svg", { viewBox: `0 0 ${size} ${size}`, width: size, height: size, role: "img", "aria-label": `${figure.layout.title.text}, ${trace.x.length} labels` }, s("rect", { class: "cells", width: size, height: size }));
  trace.z.forEach((row, r) => row.forEach((n, c) => {
    if (n > 0) svg.append(s("rect", { class: `cell ${r === c ? "right" : "wrong"}${picked ? " pickable" : ""}`, x: c * step, y: r * step, width: step, height: step, "fill-opacity": 0.25 + 0.75 * (n / most),
      onclick: picked && (() => picked(trace.y[r], trace.x[c])) }, s("title", {}, `${trace.y[r]} taken for ${trace.x[c]}: ${n}`)));
  }));
  return [svg];
}

/** A confusion matrix as a table whose cells are coloured and can be chosen. */
export function confusionTable(figure, picked) {
  const [trace] = figure.data;
  const most = Math.max(1, ...trace.z.flat());
  const cell = (r) => (n, c) => h("td", { class: r === c ? "cell right" : n ? "cell wrong" : "cell", vars: { "--share": n / most } },
    picked && n > 0 ? h("button", { type: "button", "aria-label": `${n} of ${trace.y[r]} taken for ${trace.x[c]}: show the records`, onclick: () => picked(trace.y[r], trace.x[c]) }, String(n)) : String(n));
  return h("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": figure.layout.title.text },
    h("table", { class: "matrix" }, h("caption", {}, "A row for each true label, a column for each predicted one"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "true ↓ predicted →"), trace.x.map((label) => h("th", { scope: "col" }, label)))),
      h("tbody", {}, trace.z.map((row, r) => h("tr", {}, h("th", { scope: "row" }, trace.y[r]), row.map(cell(r)))))));
}

/** The confusions of a large matrix, the most frequent first. */
export function worstConfusions(figure, picked) {
  const [trace] = figure.data;
  const wrong = trace.z.flatMap((row, r) => row.map((n, c) => [n, r, c])).filter(([n, r, c]) => n > 0 && r !== c).sort((a, b) => b[0] - a[0]).slice(0, LABELS);
  return h("ul", { class: "worst" }, wrong.map(([n, r, c]) => h("li", {},
    picked ? h("button", { type: "button", class: "small", onclick: () => picked(trace.y[r], trace.x[c]) }, `${trace.y[r]} taken for ${trace.x[c]}`) : `${trace.y[r]} taken for ${trace.x[c]}`, ` ${number(n)}`)));
}

/** A value of an axis of parallel coordinates as text. */
export function settingText(one, v) {
  const at = one.tickvals?.indexOf(v) ?? -1;
  if (at >= 0) return one.ticktext[at];
  // Between ticks that are powers of ten stands a logarithm.
  const log = one.tickvals?.length && Math.abs(Number(one.ticktext[0].replaceAll(",", "")) / 10 ** one.tickvals[0] - 1) < 1e-9;
  return number(log ? 10 ** v : round(v));
}

/**
 * A line for each setting. The pointer or the arrow keys tell the values of one, a click or Enter opens it, and
 * dragging along an axis keeps only the lines that pass there.
 */
export function parallel(plot, figure, set, { width, height, changed, picked }) {
  const [trace] = figure.data;
  const count = trace.line.color.length;
  const box = { left: 62, right: width - 62, top: 44, bottom: height - 16 };
  const axes = trace.dimensions.map((one) => axis([...one.values, ...(one.tickvals ?? [])], { most: 5 }));
  const px = (at) => box.left + (axes.length > 1 ? at / (axes.length - 1) : 0.5) * (box.right - box.left);
  const py = (at, v) => box.bottom - (axes[at] ? axes[at].place(v) : 0.5) * (box.bottom - box.top);
  const low = Math.min(...trace.line.color);
  const high = Math.max(...trace.line.color);
  const good = trace.line.color.map((v) => (high > low ? (v - low) / (high - low) : 1)).map((share) => (trace.line.reversescale ? 1 - share : share));
  const order = good.map((_, i) => i).sort((a, b) => good[a] - good[b]);
  const kept = (i) => [...set.ranges].every(([at, [from, to]]) => { const v = trace.dimensions[at].values[i]; return v >= from && v <= to; });
  const told = (i) => trace.dimensions.map((one) => [one.label, settingText(one, one.values[i])]);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${figure.layout.title.text}: ${count} settings` });
  const lines = new Map();
  for (const i of order) {
    const points = trace.dimensions.map((one, at) => `${px(at).toFixed(1)},${py(at, one.values[i]).toFixed(1)}`).join(" ");
    const way = s("polyline", { class: `way${good[i] > 0.999 ? " best" : ""}${kept(i) ? "" : " out"}`, points, "stroke-opacity": 0.18 + 0.82 * good[i] });
    lines.set(i, way);
    svg.append(way);
  }
  trace.dimensions.forEach((one, at) => {
    const last = at > 0 && at === axes.length - 1;
    const anchor = at === 0 ? "start" : last ? "end" : "middle";
    const g = s("g", { class: "grid" }, s("line", { class: "axis", x1: px(at), x2: px(at), y1: box.top, y2: box.bottom }));
    g.append(s("text", { class: "said", x: at === 0 ? 4 : last ? width - 4 : px(at), y: width < 560 ? 14 + (at % 2) * 16 : 24, "text-anchor": anchor }, one.label.split(".").pop().replaceAll("_", " "), s("title", {}, one.label)));
    const marks = one.tickvals?.length ? one.tickvals : axes[at]?.ticks ?? [];
    const text = (v) => (one.tickvals?.length ? settingText(one, v) : axes[at].name(v));
    for (const v of marks) g.append(s("text", { x: px(at) + (last ? 7 : -7), y: py(at, v) + 4, "text-anchor": last ? "start" : "end" }, text(v)));
    const range = set.ranges.get(at);
    if (range) g.append(s("rect", { class: "pick", x: px(at) - 7, width: 14, y: py(at, range[1]), height: Math.max(2, py(at, range[0]) - py(at, range[1])) }));
    svg.append(g);
  });
  const tip = h("div", { class: "tip", hidden: true });
  const brush = s("rect", { class: "pick", width: 14, visibility: "hidden" });
  svg.append(brush);
  const ranked = [...order].reverse().filter(kept);
  let chosen = -1;
  const hide = () => { lines.get(chosen)?.classList.remove("chosen"); chosen = -1; tip.hidden = true; };
  const show = (i, x, y, aloud) => {
    hide();
    chosen = i;
    lines.get(i).classList.add("chosen");
    tip.replaceChildren(...told(i).map(([name, value]) => h("div", {}, h("b", {}, name), ` ${value}`)));
    tip.hidden = false;
    tip.style.left = `${Math.max(0, Math.min(x + 14, svg.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, Math.min(y, height - tip.offsetHeight))}px`;
    plot.setAttribute("aria-live", aloud ? "polite" : "off");
  };
  const at = (event) => { const frame = svg.getBoundingClientRect(); return [event.clientX - frame.left, event.clientY - frame.top]; };
  /** How far a line passes from a place, in pixels up or down. */
  const away = (i, x, y) => {
    const share = axes.length > 1 ? ((x - box.left) / (box.right - box.left)) * (axes.length - 1) : 0;
    const from = Math.max(0, Math.min(axes.length - 2, Math.floor(share)));
    const [a, b] = [from, Math.min(axes.length - 1, from + 1)].map((k) => py(k, trace.dimensions[k].values[i]));
    return Math.abs(a + (b - a) * Math.max(0, Math.min(1, share - from)) - y);
  };
  const open = () => { if (chosen >= 0 && trace.ids?.[chosen]) picked?.(trace.ids[chosen]); };
  let drag = null;
  svg.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event);
    const near = trace.dimensions.findIndex((_, k) => Math.abs(px(k) - x) < 12);
    if (near < 0 || !axes[near] || event.pointerType === "touch") return;
    drag = { near, y };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (drag) {
      hide();
      brush.setAttribute("x", px(drag.near) - 7);
      brush.setAttribute("y", Math.min(y, drag.y));
      brush.setAttribute("height", Math.abs(y - drag.y));
      brush.setAttribute("visibility", "visible");
      return;
    }
    const best = ranked.reduce((found, i) => { const far = away(i, x, y); return far < found[0] ? [far, i] : found; }, [14, -1])[1];
    if (best < 0) hide(); else show(best, x, y, false);
  });
  svg.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const [, y] = at(event);
    const value = (place) => axes[drag.near].value((box.bottom - place) / (box.bottom - box.top));
    const ends = [value(y), value(drag.y)].sort((a, b) => a - b);
    if (Math.abs(y - drag.y) > 6) set.ranges.set(drag.near, ends); else set.ranges.delete(drag.near);
    drag = null;
    changed();
  });
  svg.addEventListener("pointerleave", () => { if (!drag) hide(); });
  svg.addEventListener("click", (event) => { const [x] = at(event); if (trace.dimensions.every((_, k) => Math.abs(px(k) - x) >= 12)) open(); });
  svg.classList.toggle("pickable", Boolean(picked));
  plot.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") hide();
    else if (event.key === "Enter") open();
    else if (step && ranked.length > 0) {
      event.preventDefault();
      const next = ranked[Math.max(0, Math.min(ranked.length - 1, chosen < 0 ? 0 : ranked.indexOf(chosen) + step))];
      show(next, width / 2, box.top, true);
    }
  };
  plot.onblur = hide;
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", `${figure.layout.title.text}: the arrow keys go through the settings, best first${picked ? ", Enter opens one" : ""}`);
  const left = ranked.length < count ? h("p", { class: "soft small" }, `${ranked.length} of ${count} settings pass there.`) : null;
  return [svg, tip, left].filter(Boolean);
}
