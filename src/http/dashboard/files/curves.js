// Curves and points: drawn, zoomed, read by pointer and keys.

import { h, s, number } from "./dom.js";
import { axis, round, smooth, told } from "./scale.js";

const LOOKS = 6;
const ROOM = { right: 14, top: 22, bottom: 30 };

const ideal = (trace) => trace.line?.dash === "dot" && !trace.mode.includes("markers");

/** The look of each curve; what is no measurement, such as an ideal, takes none of the colours. */
export function looks(traces) {
  let next = 0;
  return traces.map((trace) => (ideal(trace) ? "ideal" : `s${next++ % LOOKS}`));
}

export const mark = (look, x, y) => {
  const c = `mark ${look}`;
  const shape = Number(look.slice(1)) % 3;
  if (shape === 0) return s("circle", { class: c, cx: x, cy: y, r: 3.6 });
  if (shape === 1) return s("rect", { class: c, x: x - 3.3, y: y - 3.3, width: 6.6, height: 6.6 });
  return s("path", { class: c, d: `M${x} ${y - 4.6}l4.4 8.2h-8.8Z` });
};

const tell = (template, kind, x, y, custom) => template
  ? template.replace(/%\{(\w+)(?::[^}]*)?\}/g, (_, name) => (name === "x" ? told(kind, x) : number(name === "y" ? y : custom)))
  : `${told(kind, x)}: ${number(y)}`;

const frame = (box, x, y, px, py) => {
  const g = s("g", { class: "grid" });
  for (const v of y.ticks) g.append(s("line", { x1: box.left, x2: box.right, y1: py(v), y2: py(v) }), s("text", { x: box.left - 8, y: py(v) + 4, "text-anchor": "end" }, y.name(v)));
  for (const v of x.ticks) g.append(s("line", { class: "tick", x1: px(v), x2: px(v), y1: box.bottom, y2: box.bottom + 5 }), s("text", { x: px(v), y: box.bottom + 20, "text-anchor": x.place(v) > 0.97 ? "end" : "middle" }, x.name(v)));
  g.append(s("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  return g;
};

/** What those hear who do not see it. */
function described(figure) {
  const kind = figure.layout.xaxis.type;
  const ends = figure.data.map((trace) => {
    const known = trace.y.map((v, i) => [trace.x[i], v]).filter(([, v]) => v !== null);
    if (known.length === 0) return "";
    const [a, b] = [known[0], known[known.length - 1]];
    return `${trace.name}: from ${number(a[1])} at ${told(kind, a[0])} to ${number(b[1])} at ${told(kind, b[0])}.`;
  });
  return `${figure.layout.title.text}. ${ends.join(" ")}`;
}

/** The path of a curve between the places of its points. */
function path(xs, ys, steps, px, py) {
  let d = "";
  let before = null;
  ys.forEach((v, i) => {
    const y = v === null ? NaN : py(v);
    if (!Number.isFinite(y)) { before = null; return; }
    const x = px(xs[i]).toFixed(1);
    const at = y.toFixed(1);
    d += before === null ? `M${x} ${at}` : steps ? `L${x} ${before}L${x} ${at}` : `L${x} ${at}`;
    before = at;
  });
  return d;
}

/**
 * Draws curves into `plot`. `set` has what the reader chose: `log`, `weight` of the smoothing, `zoom` (two
 * ends, or null), `hidden` names of curves, `at` the value that is read, and whether a zoom is being `dragged`:
 * what is drawn meanwhile takes neither away, and what was `missed` is drawn after it; `changed` is called when it is changed here.
 */
export function curves(plot, figure, set, { width, height, zooms, changed }) {
  const all = figure.data.filter((trace) => trace.type === "scatter");
  const look = looks(all);
  const shown = all.map((trace, at) => ({ trace, look: look[at], ys: set.weight > 0 ? smooth(trace.y, set.weight) : trace.y })).filter(({ trace }) => !set.hidden.has(trace.name));
  const kind = figure.layout.xaxis.type;
  const inView = (v) => !set.zoom || (v >= set.zoom[0] && v <= set.zoom[1]);
  const x = axis(all.flatMap((trace) => trace.x), { kind, ends: set.zoom ?? (kind === "log" ? null : figure.layout.xaxis.range), most: width < 460 ? 4 : 7, tight: true });
  const seen = shown.flatMap(({ trace, ys }) => trace.y.flatMap((v, i) => (v === null || !inView(trace.x[i]) ? []
    : trace.error_y ? [v + trace.error_y.array[i], v - trace.error_y.arrayminus[i]] : set.weight > 0 ? [ys[i], v] : [v])));
  const log = set.log && seen.some((v) => v > 0);
  const y = axis(seen.length ? seen : [0, 1], { kind: log ? "log" : "linear", ends: log ? null : figure.layout.yaxis.range, most: 5 });
  if (!x || all.every((trace) => trace.y.every((v) => v === null))) return null;
  const left = Math.max(38, 16 + 7.4 * Math.max(...y.ticks.map((v) => y.name(v).length)));
  const box = { left, right: width - ROOM.right, top: ROOM.top, bottom: height - ROOM.bottom };
  const px = (v) => box.left + x.place(v) * (box.right - box.left);
  const py = (v) => box.bottom - y.place(v) * (box.bottom - box.top);
  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": described(figure) },
    s("clipPath", { id: clip }, s("rect", { x: box.left - 5, y: box.top - 6, width: box.right - box.left + 10, height: box.bottom - box.top + 12 })),
    frame(box, x, y, px, py));
  const inner = s("g", { "clip-path": `url(#${clip})` });
  for (const shape of figure.layout.shapes ?? []) inner.append(s("line", { class: "note", x1: px(shape.x0), x2: px(shape.x0), y1: box.top, y2: box.bottom }));
  for (const { trace, look: its, ys } of shown) {
    const faint = trace.opacity ? " faint" : "";
    const steps = trace.line?.shape === "hv";
    if (trace.mode.includes("lines")) {
      const smoothed = set.weight > 0 && trace.y.length > 2;
      if (smoothed) inner.append(s("path", { class: `line ${its} ghost`, d: path(trace.x, trace.y, steps, px, py) }));
      inner.append(s("path", { class: `line ${its}${smoothed ? "" : faint}`, d: path(trace.x, ys, steps, px, py) }));
    }
    trace.y.forEach((v, i) => {
      if (v === null) return;
      if (trace.error_y) inner.append(s("line", { class: `error ${its}`, x1: px(trace.x[i]), x2: px(trace.x[i]), y1: py(v - trace.error_y.arrayminus[i]), y2: py(v + trace.error_y.array[i]) }));
      if (trace.mode.includes("markers") && set.weight === 0 && Number.isFinite(py(v))) inner.append(mark(its, px(trace.x[i]), py(v)));
    });
  }
  svg.append(inner);
  for (const note of figure.layout.annotations ?? []) {
    // On a logarithmic axis Plotly's notes stand at logarithms.
    const at = kind === "log" ? 10 ** note.x : note.x;
    if (!inView(at)) continue;
    const place = px(at);
    svg.append(s("text", { class: "said", x: place, y: box.top - 8, "text-anchor": place > box.right - 50 ? "end" : "middle" }, note.text));
  }
  return [svg, reader(plot, svg, { figure, kind, box, x, px, shown, set, zooms, changed })];
}

/** The ends that a zoom by `factor` around a value has; null where that is the whole. */
export function zoomed(figure, ends, factor, around) {
  const log = figure.layout.xaxis.type === "log";
  const to = log ? Math.log10 : (v) => v;
  const from = log ? (v) => 10 ** v : (v) => v;
  const xs = figure.data.flatMap((trace) => trace.x ?? []).filter((v) => Number.isFinite(v) && (!log || v > 0)).map(to);
  const whole = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = (ends ?? whole.map(from)).map(to);
  const centre = around === undefined ? (low + high) / 2 : to(around);
  const half = (high - low) / 2 / factor;
  if (2 * half >= whole[1] - whole[0]) return null;
  const start = Math.min(Math.max(whole[0], centre - half), whole[1] - 2 * half);
  return [from(start), from(start + 2 * half)];
}

/** Values under the pointer, or under a place that the arrow keys move; zoom by dragging and by keys. */
function reader(plot, svg, { figure, kind, box, x, px, shown, set, zooms, changed }) {
  const inside = (v) => px(v) >= box.left - 1 && px(v) <= box.right + 1;
  const all = [...new Set(shown.flatMap(({ trace }) => trace.x))].filter(inside).sort((a, b) => a - b);
  const tip = h("div", { class: "tip", hidden: true });
  const cursor = s("line", { class: "cursor", y1: box.top, y2: box.bottom, visibility: "hidden" });
  const pick = s("rect", { class: "pick", y: box.top, height: box.bottom - box.top, visibility: "hidden" });
  svg.append(pick, cursor);
  let at = -1;
  const show = (value, aloud) => {
    const near = (xs, ys) => {
      let best = -1;
      xs.forEach((v, i) => { if (ys[i] !== null && (best < 0 || Math.abs(px(v) - px(value)) < Math.abs(px(xs[best]) - px(value)))) best = i; });
      return best >= 0 && Math.abs(px(xs[best]) - px(value)) <= 30 ? best : -1;
    };
    const lines = shown.flatMap(({ trace, look, ys }) => {
      const best = ideal(trace) ? -1 : near(trace.x, trace.y);
      return best < 0 ? [] : [h("div", {}, h("span", { class: `dot ${look}` }), h("b", {}, trace.name), " ", tell(trace.hovertemplate, kind, trace.x[best], ys[best], trace.customdata?.[best]))];
    });
    if (lines.length === 0) return hide();
    set.at = value;
    const place = px(value);
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    cursor.setAttribute("visibility", "visible");
    tip.replaceChildren(...lines);
    tip.hidden = false;
    const left = place > (box.left + box.right) / 2 ? place - tip.offsetWidth - 12 : place + 12;
    tip.style.left = `${Math.max(0, Math.min(left, svg.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${box.top}px`;
    plot.setAttribute("aria-live", aloud ? "polite" : "off");
  };
  const hide = () => { set.at = null; tip.hidden = true; cursor.setAttribute("visibility", "hidden"); };
  const valueAt = (event) => {
    const share = (event.clientX - svg.getBoundingClientRect().left - box.left) / (box.right - box.left);
    return x.value(Math.max(0, Math.min(1, share)));
  };
  const nearest = (value) => {
    let best = 0;
    all.forEach((v, i) => { if (Math.abs(px(v) - px(value)) < Math.abs(px(all[best]) - px(value))) best = i; });
    return best;
  };
  const zoom = (ends) => { set.zoom = ends; changed(); };
  // What stood under the pointer before it was drawn anew still does.
  if (set.at !== null && all.length > 0) { at = nearest(set.at); queueMicrotask(() => show(all[at], false)); }
  let from = null;
  svg.addEventListener("pointermove", (event) => {
    const value = valueAt(event);
    if (from !== null) {
      const [a, b] = [px(from), px(value)];
      pick.setAttribute("x", Math.min(a, b));
      pick.setAttribute("width", Math.abs(a - b));
      pick.setAttribute("visibility", "visible");
    }
    if (all.length === 0) return;
    at = nearest(value);
    show(all[at], false);
  });
  svg.addEventListener("pointerleave", () => { if (from === null) hide(); });
  if (zooms) {
    svg.addEventListener("pointerdown", (event) => { if (event.pointerType !== "touch" && event.button === 0) { from = valueAt(event); set.dragged = true; svg.setPointerCapture(event.pointerId); } });
    svg.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const ends = [from, valueAt(event)].sort((a, b) => a - b);
      const wide = px(ends[1]) - px(ends[0]) > 12;
      from = null;
      set.dragged = false;
      pick.setAttribute("visibility", "hidden");
      if (wide) zoom(ends); else if (set.missed) changed();
    });
    svg.addEventListener("dblclick", () => zoom(null));
  }
  plot.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") hide();
    else if (zooms && (event.key === "+" || event.key === "-")) zoom(zoomed(figure, set.zoom, event.key === "+" ? 2 : 0.5, all[at]));
    else if (zooms && event.key === "0") zoom(null);
    else if (step && all.length > 0) {
      event.preventDefault();
      at = Math.max(0, Math.min(all.length - 1, at + step * (event.shiftKey ? 10 : 1)));
      show(all[at], true);
    }
  };
  plot.onblur = hide;
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", `${figure.layout.title.text}: the arrow keys read it${zooms ? ", plus and minus zoom, 0 shows all" : ""}`);
  return tip;
}
