// Draws figures in Plotly's format as SVG: curves, bars, matrices and parallel coordinates. Plotly's own
// script writes styles inline, which the page's policy forbids, and is thirty times the rest of the page.

import { h, s, number } from "./dom.js";

const LOOKS = 6;
const ROOM = { left: 58, right: 14, top: 22, bottom: 30 };
const TABLE_ROWS = 200;

/** Round ticks over two ends. */
function ticks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((one) => one >= rough * 0.999);
  const out = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) out.push(at * step);
  return out;
}

/** An axis: where a value is, from 0 to 1, and its ticks. */
function axis(values, { log = false, ends = null, most = 6, tight = false } = {}) {
  const real = values.filter((v) => Number.isFinite(v) && (!log || v > 0));
  if (!ends && real.length === 0) return null;
  let low = ends ? ends[0] : Infinity;
  let high = ends ? ends[1] : -Infinity;
  if (!ends) for (const v of real) { if (v < low) low = v; if (v > high) high = v; }
  if (log) {
    if (low === high) { low /= 2; high *= 2; }
    const [from, to] = [Math.log10(low), Math.log10(high)];
    const marks = [];
    const decades = to - from;
    const steps = decades > 2.5 ? [1] : decades > 1 ? [1, 3] : [1, 2, 3, 5, 7];
    const every = Math.max(1, Math.ceil(decades / most));
    for (let e = Math.floor(from); e <= Math.ceil(to); e += every) {
      for (const f of steps) { const v = f * 10 ** e; if (v >= low * 0.999 && v <= high * 1.001) marks.push(v); }
    }
    return { place: (v) => (v > 0 ? (Math.log10(v) - from) / (to - from) : NaN), value: (t) => 10 ** (from + t * (to - from)), ticks: marks };
  }
  if (low === high) { const room = low === 0 ? 1 : Math.abs(low) * 0.1; low -= room; high += room; }
  if (!tight && !ends) {
    const marks = ticks(low, high, most);
    const step = marks.length > 1 ? marks[1] - marks[0] : high - low;
    low = Math.floor(low / step + 1e-9) * step;
    high = Math.ceil(high / step - 1e-9) * step;
  }
  return { place: (v) => (v - low) / (high - low), value: (t) => low + t * (high - low), ticks: ticks(low, high, most) };
}

/** A curve smoothed by a moving average that starts without a bias (as of Adam). */
function smooth(ys, weight) {
  let mean = 0;
  let left = 1;
  return ys.map((y) => {
    if (y === null) return null;
    mean = weight * mean + (1 - weight) * y;
    left *= weight;
    return mean / (1 - left);
  });
}

const ideal = (trace) => trace.line?.dash === "dot" && !trace.mode.includes("markers");

/** The look of each curve; what is no measurement, such as an ideal, takes none of the colours. */
function looks(traces) {
  let next = 0;
  return traces.map((trace) => (ideal(trace) ? "ideal" : `s${next++ % LOOKS}`));
}

const mark = (look, x, y) => {
  const c = `mark ${look}`;
  const shape = Number(look.slice(1)) % 3;
  if (shape === 0) return s("circle", { class: c, cx: x, cy: y, r: 3.6 });
  if (shape === 1) return s("rect", { class: c, x: x - 3.3, y: y - 3.3, width: 6.6, height: 6.6 });
  return s("path", { class: c, d: `M${x} ${y - 4.6}l4.4 8.2h-8.8Z` });
};

const tell = (template, x, y, custom) => template
  ? template.replace(/%\{(\w+)(?::[^}]*)?\}/g, (_, name) => number(name === "x" ? x : name === "y" ? y : custom))
  : `${number(x)}: ${number(y)}`;

/**
 * A figure: drawing, legend and table. `figure` is {data, layout}; `update` draws another one in its place.
 * With `tools`, logarithm and smoothing can be set.
 */
export function chart(figure, { tools = false, height = 260, title = true } = {}) {
  const set = { log: false, weight: 0, zoom: null };
  let now = figure;
  const caption = h("figcaption", { class: title ? null : "hidden" });
  const unitY = h("span");
  const plot = h("div", { class: "plot", vars: { "--height": `${height}px` } });
  const legend = h("ul", { class: "legend" });
  const reset = h("button", { type: "button", class: "small", hidden: true, onclick: () => { set.zoom = null; draw(); } }, "Reset zoom");
  const data = h("details", { class: "data", ontoggle: () => { if (data.open) fillTable(); } }, h("summary", {}, "The same as a table"));
  const controls = tools && h("div", { class: "tools" },
    h("label", {}, h("input", { type: "checkbox", onchange: (e) => { set.log = e.target.checked; draw(); } }), " logarithmic"),
    h("label", {}, "smoothing ", h("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: "0", oninput: (e) => { set.weight = Number(e.target.value); draw(); } })));
  const element = h("figure", { class: "chart" }, h("div", { class: "row" }, caption, controls), h("p", { class: "axis-name" }, unitY, reset), plot, legend, data);

  const scatter = () => now.data.filter((trace) => trace.type === "scatter");

  function fillTable() {
    data.querySelector(".scroll")?.remove();
    data.append(asTable(now));
  }

  function draw() {
    const width = Math.max(240, plot.clientWidth || 600);
    caption.textContent = now.layout.title.text;
    unitY.textContent = scatter().length ? `${now.layout.yaxis.title.text} over ${now.layout.xaxis.title.text}` : now.data[0]?.type === "bar" ? now.layout.xaxis.title.text : "";
    reset.hidden = !set.zoom;
    const first = now.data[0]?.type;
    const drawn = first === "bar" ? bars(now, width) : first === "parcoords" ? parallel(now, width, height)
      : first === "heatmap" ? matrix(now, width) : curves(width);
    plot.replaceChildren(...(drawn ?? [h("p", { class: "nothing" }, "Nothing to show yet")]));
    const look = looks(scatter());
    legend.replaceChildren(...scatter().map((trace, at) => h("li", {},
      s("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" },
        s("line", { class: `line ${look[at]}${trace.opacity ? " faint" : ""}`, x1: 1, x2: 29, y1: 6, y2: 6 }), trace.mode.includes("markers") && mark(look[at], 15, 6)),
      trace.name)));
    legend.hidden = scatter().length < 2;
    if (data.open) fillTable();
  }

  function curves(width) {
    const traces = scatter();
    const inView = (x) => !set.zoom || (x >= set.zoom[0] && x <= set.zoom[1]);
    const xs = traces.flatMap((t) => t.x);
    const logX = now.layout.xaxis.type === "log";
    const x = axis(xs, { log: logX, ends: set.zoom ?? now.layout.xaxis.range, most: width < 460 ? 4 : 7, tight: true });
    const smoothed = traces.map((t) => (set.weight > 0 ? smooth(t.y, set.weight) : t.y));
    const seen = traces.flatMap((t, k) => t.y.flatMap((y, i) => (y === null || !inView(t.x[i]) ? []
      : t.error_y ? [y + t.error_y.array[i], y - t.error_y.arrayminus[i]] : set.weight > 0 ? [smoothed[k][i], y] : [y])));
    const log = set.log && seen.some((v) => v > 0);
    const y = axis(seen, { log, ends: log ? null : now.layout.yaxis.range, most: 5 });
    if (!x || !y) return null;
    const box = { left: ROOM.left, right: width - ROOM.right, top: ROOM.top, bottom: height - ROOM.bottom };
    const px = (v) => box.left + x.place(v) * (box.right - box.left);
    const py = (v) => box.bottom - y.place(v) * (box.bottom - box.top);
    const clip = `clip-${Math.random().toString(36).slice(2)}`;
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": described() },
      s("clipPath", { id: clip }, s("rect", { x: box.left - 5, y: box.top - 6, width: box.right - box.left + 10, height: box.bottom - box.top + 12 })),
      frame(box, x, y, px, py));
    const inner = s("g", { "clip-path": `url(#${clip})` });
    for (const shape of now.layout.shapes ?? []) inner.append(s("line", { class: "note", x1: px(shape.x0), x2: px(shape.x0), y1: box.top, y2: box.bottom }));
    const look = looks(traces);
    traces.forEach((trace, at) => {
      const path = (ys) => {
        let d = "";
        let pen = "M";
        ys.forEach((v, i) => {
          const place = v === null ? NaN : py(v);
          if (!Number.isFinite(place)) { pen = "M"; return; }
          d += `${pen}${px(trace.x[i]).toFixed(1)} ${place.toFixed(1)}`;
          pen = "L";
        });
        return d;
      };
      const faint = trace.opacity ? " faint" : "";
      if (trace.mode.includes("lines")) {
        if (set.weight > 0 && trace.y.length > 2) {
          inner.append(s("path", { class: `line ${look[at]} ghost`, d: path(trace.y) }), s("path", { class: `line ${look[at]}`, d: path(smoothed[at]) }));
        } else inner.append(s("path", { class: `line ${look[at]}${faint}`, d: path(trace.y) }));
      }
      trace.y.forEach((v, i) => {
        if (v === null) return;
        if (trace.error_y) inner.append(s("line", { class: `error ${look[at]}`, x1: px(trace.x[i]), x2: px(trace.x[i]), y1: py(v - trace.error_y.arrayminus[i]), y2: py(v + trace.error_y.array[i]) }));
        if (trace.mode.includes("markers") && set.weight === 0 && Number.isFinite(py(v))) inner.append(mark(look[at], px(trace.x[i]), py(v)));
      });
    });
    svg.append(inner);
    for (const note of now.layout.annotations ?? []) {
      // On a logarithmic axis Plotly's notes stand at logarithms.
      const at = logX ? 10 ** note.x : note.x;
      if (!inView(at)) continue;
      const place = px(at);
      svg.append(s("text", { class: "said", x: place, y: box.top - 8, "text-anchor": place > box.right - 50 ? "end" : "middle" }, note.text));
    }
    return [svg, ...reader(svg, box, { x, px, look, traces, smoothed, logX })];
  }

  /** Values under the pointer, or under a place that the arrow keys move. */
  function reader(svg, box, { x, px, look, traces, smoothed, logX }) {
    const all = [...new Set(traces.flatMap((t) => t.x))].sort((a, b) => a - b);
    const tip = h("div", { class: "tip", hidden: true });
    const cursor = s("line", { class: "cursor", y1: box.top, y2: box.bottom, visibility: "hidden" });
    const pick = s("rect", { class: "pick", y: box.top, height: box.bottom - box.top, visibility: "hidden" });
    svg.append(pick, cursor);
    let at = -1;
    const show = (value, aloud) => {
      const lines = traces.map((trace, k) => {
        if (ideal(trace)) return null;
        let best = -1;
        trace.x.forEach((v, i) => { if (trace.y[i] !== null && (best < 0 || Math.abs(px(v) - px(value)) < Math.abs(px(trace.x[best]) - px(value)))) best = i; });
        if (best < 0 || Math.abs(px(trace.x[best]) - px(value)) > 30) return null;
        return h("div", {}, h("span", { class: `dot ${look[k]}` }), h("b", {}, trace.name), " ", tell(trace.hovertemplate, trace.x[best], smoothed[k][best], trace.customdata?.[best]));
      }).filter(Boolean);
      if (lines.length === 0) return hide();
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
    const hide = () => { tip.hidden = true; cursor.setAttribute("visibility", "hidden"); };
    const valueAt = (event) => {
      const share = (event.clientX - svg.getBoundingClientRect().left - box.left) / (box.right - box.left);
      return x.value(Math.max(0, Math.min(1, share)));
    };
    const nearest = (value) => {
      let best = 0;
      all.forEach((v, i) => { if (Math.abs(px(v) - px(value)) < Math.abs(px(all[best]) - px(value))) best = i; });
      return best;
    };
    let from = null;
    svg.addEventListener("pointermove", (event) => {
      const value = valueAt(event);
      if (from !== null) {
        const [a, b] = [px(from), px(value)];
        pick.setAttribute("x", Math.min(a, b));
        pick.setAttribute("width", Math.abs(a - b));
        pick.setAttribute("visibility", "visible");
      }
      at = nearest(value);
      show(all[at], false);
    });
    svg.addEventListener("pointerleave", () => { if (from === null) hide(); });
    svg.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse" && !logX && tools) { from = valueAt(event); svg.setPointerCapture(event.pointerId); } });
    svg.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const ends = [from, valueAt(event)].sort((a, b) => a - b);
      const wide = px(ends[1]) - px(ends[0]) > 12;
      from = null;
      pick.setAttribute("visibility", "hidden");
      if (wide) { set.zoom = ends; draw(); }
    });
    svg.addEventListener("dblclick", () => { set.zoom = null; draw(); });
    plot.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step || all.length === 0) return;
      event.preventDefault();
      at = Math.max(0, Math.min(all.length - 1, at + step * (event.shiftKey ? 10 : 1)));
      show(all[at], true);
    };
    plot.onblur = hide;
    plot.tabIndex = 0;
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", `${now.layout.title.text}: the arrow keys read it`);
    return [tip];
  }

  function described() {
    const ends = scatter().map((trace) => {
      const known = trace.y.map((v, i) => [trace.x[i], v]).filter(([, v]) => v !== null);
      if (known.length === 0) return "";
      const [a, b] = [known[0], known[known.length - 1]];
      return `${trace.name}: from ${number(a[1])} at ${number(a[0])} to ${number(b[1])} at ${number(b[0])}.`;
    });
    return `${now.layout.title.text}. ${ends.join(" ")}`;
  }

  new ResizeObserver((entries) => { if (entries[0].contentRect.width !== draw.width) { draw.width = entries[0].contentRect.width; draw(); } }).observe(plot);
  draw();
  return { element, update(next) { now = next; draw(); } };
}

function frame(box, x, y, px, py) {
  const g = s("g", { class: "grid" });
  for (const v of y.ticks) g.append(s("line", { x1: box.left, x2: box.right, y1: py(v), y2: py(v) }), s("text", { x: box.left - 8, y: py(v) + 4, "text-anchor": "end" }, tickText(y.ticks, v)));
  for (const v of x.ticks) g.append(s("line", { class: "tick", x1: px(v), x2: px(v), y1: box.bottom, y2: box.bottom + 5 }), s("text", { x: px(v), y: box.bottom + 20, "text-anchor": x.place(v) > 0.97 ? "end" : "middle" }, tickText(x.ticks, v)));
  g.append(s("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  return g;
}

const round = (v) => Number(v.toPrecision(10));

/** What stands at a tick: the digits that tell it from its neighbours. */
function tickText(marks, v) {
  const step = Math.abs(marks[1] - marks[0]);
  const even = marks.length > 1 && Math.abs(marks[marks.length - 1] - marks[0] - step * (marks.length - 1)) < step * 1e-6;
  if (!even || step >= 1 || step < 1e-6 || Math.abs(v) >= 1e5) return number(round(v));
  return v.toFixed(Math.ceil(-Math.log10(step) - 1e-9)).replace(/^-0?\.?0*$|^0\.0*$/, "0").replace("-", "−");
}

function bars(figure, width) {
  const [trace] = figure.data;
  const row = 34;
  const left = Math.min(230, width * 0.42);
  const height = trace.x.length * row + 40;
  const box = { left, right: width - 18, top: 8, bottom: height - 30 };
  const x = axis([0, ...trace.x], { ends: figure.layout.xaxis.range, most: 5 });
  const px = (v) => box.left + x.place(Math.max(0, Math.min(1, v))) * (box.right - box.left);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${figure.layout.title.text}: ${trace.y.map((name, i) => `${name} ${number(trace.x[i])}`).join(", ")}` });
  svg.append(s("g", { class: "grid" }, x.ticks.map((v) => [s("line", { x1: px(v), x2: px(v), y1: box.top, y2: box.bottom }), s("text", { x: px(v), y: box.bottom + 20, "text-anchor": "middle" }, number(round(v)))])));
  trace.x.forEach((v, i) => {
    const y = box.top + i * row + row / 2;
    svg.append(s("rect", { class: "bar-fill", x: box.left, y: y - 9, width: Math.max(1, px(v) - box.left), height: 18, rx: 3 }),
      s("text", { class: "said", x: box.left - 10, y: y + 4, "text-anchor": "end" }, width < 560 ? trace.y[i].split(".").pop().replaceAll("_", " ") : trace.y[i], s("title", {}, trace.y[i])));
    if (trace.error_x) svg.append(s("line", { class: "whisker", x1: px(v - trace.error_x.arrayminus[i]), x2: px(v + trace.error_x.array[i]), y1: y, y2: y }));
  });
  return [svg];
}

/** A matrix too large for a table: only what is not empty. */
function matrix(figure, width) {
  const [trace] = figure.data;
  const size = Math.min(width, 560);
  const most = Math.max(1, ...trace.z.map((row) => Math.max(...row)));
  const step = size / trace.x.length;
  const svg = s("svg", { viewBox: `0 0 ${size} ${size}`, width: size, height: size, role: "img", "aria-label": `${figure.layout.title.text}, ${trace.x.length} labels` }, s("rect", { class: "cells", width: size, height: size }));
  trace.z.forEach((row, r) => row.forEach((n, c) => {
    if (n > 0) svg.append(s("rect", { class: r === c ? "cell right" : "cell wrong", x: c * step, y: r * step, width: step, height: step, "fill-opacity": 0.25 + 0.75 * (n / most) }, s("title", {}, `${trace.y[r]} taken for ${trace.x[c]}: ${n}`)));
  }));
  return [svg];
}

function parallel(figure, width, height) {
  const [trace] = figure.data;
  const box = { left: 62, right: width - 62, top: 44, bottom: height - 16 };
  const axes = trace.dimensions.map((one) => axis([...one.values, ...(one.tickvals ?? [])], { most: 5 }));
  const px = (at) => box.left + (axes.length > 1 ? at / (axes.length - 1) : 0.5) * (box.right - box.left);
  const py = (at, v) => box.bottom - (axes[at] ? axes[at].place(v) : 0.5) * (box.bottom - box.top);
  const low = Math.min(...trace.line.color);
  const high = Math.max(...trace.line.color);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${figure.layout.title.text}: ${trace.line.color.length} settings` });
  const order = trace.line.color.map((v, i) => [high > low ? (v - low) / (high - low) : 1, i])
    .map(([share, i]) => [trace.line.reversescale ? 1 - share : share, i]).sort((a, b) => a[0] - b[0]);
  for (const [good, i] of order) {
    const points = trace.dimensions.map((one, at) => `${px(at).toFixed(1)},${py(at, one.values[i]).toFixed(1)}`).join(" ");
    svg.append(s("polyline", { class: good > 0.999 ? "way best" : "way", points, "stroke-opacity": 0.18 + 0.82 * good },
      s("title", {}, trace.dimensions.map((one) => `${one.label} ${text(one, one.values[i])}`).join(", "))));
  }
  trace.dimensions.forEach((one, at) => {
    const anchor = at === 0 ? "start" : at === axes.length - 1 ? "end" : "middle";
    const g = s("g", { class: "grid" }, s("line", { class: "axis", x1: px(at), x2: px(at), y1: box.top, y2: box.bottom }));
    const label = one.label.split(".").pop().replaceAll("_", " ");
    g.append(s("text", { class: "said", x: at === 0 ? 4 : at === axes.length - 1 ? width - 4 : px(at), y: width < 560 ? 14 + (at % 2) * 16 : 24, "text-anchor": anchor }, label, s("title", {}, one.label)));
    const marks = one.tickvals?.length ? one.tickvals : axes[at]?.ticks ?? [];
    for (const v of marks) g.append(s("text", { x: px(at) - 7, y: py(at, v) + 4, "text-anchor": "end" }, text(one, v)));
    svg.append(g);
  });
  return [svg];
}

/** A value of an axis of parallel coordinates as text. */
function text(one, v) {
  const at = one.tickvals?.indexOf(v) ?? -1;
  if (at >= 0) return one.ticktext[at];
  // Between ticks that are powers of ten stands a logarithm.
  const log = one.tickvals?.length && Math.abs(Number(one.ticktext[0].replaceAll(",", "")) / 10 ** one.tickvals[0] - 1) < 1e-9;
  return number(log ? 10 ** v : round(v));
}

/** The data of a figure, at most 200 rows of it, evenly chosen. */
function asTable(figure) {
  const [first] = figure.data;
  let columns = [];
  let rows = [];
  if (first?.type === "bar") {
    columns = [figure.layout.yaxis.title.text, figure.layout.xaxis.title.text, "95 % interval"];
    rows = first.x.map((v, i) => [first.y[i], number(v), first.error_x ? `${number(v - first.error_x.arrayminus[i])} to ${number(v + first.error_x.array[i])}` : ""]);
  } else if (first?.type === "parcoords") {
    columns = first.dimensions.map((one) => one.label);
    rows = first.line.color.map((_, i) => first.dimensions.map((one) => text(one, one.values[i])));
  } else if (first?.type === "heatmap") {
    columns = ["true label", "taken for", first.name];
    rows = first.z.flatMap((row, r) => row.map((n, c) => [first.y[r], first.x[c], n])).filter((one) => one[2] > 0 && one[0] !== one[1]).sort((a, b) => b[2] - a[2]).map((one) => [one[0], one[1], number(one[2])]);
  } else {
    const traces = figure.data;
    columns = [figure.layout.xaxis.title.text, ...traces.map((t) => t.name)];
    const byX = traces.map((t) => new Map(t.x.map((x, i) => [x, t.y[i]])));
    const xs = [...new Set(traces.flatMap((t) => t.x))].sort((a, b) => a - b);
    rows = xs.map((x) => [number(round(x)), ...byX.map((m) => (m.has(x) ? number(m.get(x)) : ""))]);
  }
  const all = rows.length;
  if (all > TABLE_ROWS) rows = Array.from({ length: TABLE_ROWS }, (_, i) => rows[Math.round((i * (all - 1)) / (TABLE_ROWS - 1))]);
  return h("div", { class: "scroll tall", role: "group", tabindex: "0", "aria-label": `${figure.layout.title.text} as a table` },
    h("table", {}, h("caption", {}, figure.layout.title.text), h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col" }, c)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((c, at) => (at ? h("td", { class: "num" }, c) : h("th", { scope: "row" }, c))))))),
    all > rows.length && h("p", { class: "soft small" }, `${rows.length} of ${all} rows, evenly chosen.`));
}

/** A confusion matrix as a table whose cells are coloured; large ones are drawn, with their worst confusions. */
export function confusion(figure) {
  const [trace] = figure.data;
  if (trace.x.length > 20) {
    const made = chart(figure, { title: false }).element;
    made.querySelector("details").open = true;
    return made;
  }
  const most = Math.max(1, ...trace.z.flat());
  const cell = (r) => (n, c) => h("td", { class: r === c ? "cell right" : n ? "cell wrong" : "cell", vars: { "--share": n / most } }, String(n));
  return h("figure", { class: "chart" }, h("figcaption", {}, figure.layout.title.text),
    h("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": figure.layout.title.text },
      h("table", { class: "matrix" }, h("caption", {}, "A row for each true label, a column for each predicted one"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "true ↓ predicted →"), trace.x.map((label) => h("th", { scope: "col" }, label)))),
        h("tbody", {}, trace.z.map((row, r) => h("tr", {}, h("th", { scope: "row" }, trace.y[r]), row.map(cell(r))))))));
}
