// A figure in Plotly's format: drawing, legend, tools, the same as a table and as a file. Why it is not
// plotly.js that draws: ARCHITECTURE.md, the dashboard.

import { h, s } from "./dom.js";
import { curves, looks, mark, zoomed } from "./curves.js";
import { bars, matrix, parallel } from "./shapes.js";
import { asTable, csv } from "./figuretable.js";
import { save } from "./api.js";
import { doing } from "./parts.js";

/**
 * A figure: {data, layout}. `update` draws another one in its place. With `tools`, logarithm and smoothing can
 * be set and it can be zoomed; `source` is its address, for files; `picked` is told which cell or line was
 * chosen; `closer` is called when the reader first zooms, for whoever can fetch more points. Without `drawing`
 * something else beside it shows what it shows.
 */
export function chart(figure, { tools = false, height = 260, title = true, source, picked, closer, drawing = true } = {}) {
  const set = { log: false, weight: 0, zoom: null, hidden: new Set(figure.data.filter((trace) => trace.visible === "legendonly").map((trace) => trace.name)), ranges: new Map(), at: null, dragged: false, missed: false };
  let named = "";
  let now = figure;
  let asked = false;
  const caption = h("figcaption", { class: title ? null : "hidden" });
  const unit = h("span");
  const plot = h("div", { class: "plot", vars: { "--height": `${height}px` } });
  const legend = h("ul", { class: "legend" });
  const small = (text, label, onclick) => h("button", { type: "button", class: "small", "aria-label": label, onclick }, text);
  const reset = h("button", { type: "button", class: "small", hidden: true, onclick: () => { set.zoom = null; set.ranges.clear(); draw(); } }, "Show all");
  const zoom = (factor) => () => { set.zoom = zoomed(now, set.zoom, factor); changed(); };
  const data = h("details", { class: "data", ontoggle: () => { if (data.open) fillTable(); } }, h("summary", {}, "The same as a table or a file"));
  const files = h("div", { class: "actions" },
    small("CSV", "This figure as CSV", () => save(new Blob([csv(now)], { type: "text/csv" }), `${fileName()}.csv`)),
    source && doing("SVG", () => save(source, `${fileName()}.svg`, "image/svg+xml"), "small"),
    source && doing("Plotly JSON", () => save(source, `${fileName()}.json`), "small"));
  data.append(files);
  const controls = tools && h("div", { class: "tools" },
    h("label", {}, h("input", { type: "checkbox", onchange: (e) => { set.log = e.target.checked; draw(); } }), " logarithmic"),
    h("label", {}, "smoothing ", h("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: "0", oninput: (e) => { set.weight = Number(e.target.value); draw(); } })),
    h("span", { class: "zoom" }, small("+", "Zoom in", zoom(2)), small("−", "Zoom out", zoom(0.5))));
  const element = h("figure", { class: "chart" }, h("div", { class: "row" }, caption, controls), ...(drawing ? [h("p", { class: "axis-name" }, unit, reset), plot, legend] : []), data);

  const fileName = () => now.layout.title.text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

  function fillTable() {
    data.querySelector(".scroll")?.remove();
    data.append(asTable(now));
  }

  function changed() {
    draw();
    if (set.zoom && !asked) { asked = true; closer?.(); }
  }

  /** A name in the legend hides its curve; twice in a row it leaves only that one. */
  function entry(trace, look) {
    const name = trace.name;
    const others = () => now.data.map((one) => one.name).filter((one) => one !== name);
    return h("li", {}, h("button", { type: "button", "aria-pressed": String(!set.hidden.has(name)),
      onclick: () => { if (!set.hidden.delete(name)) set.hidden.add(name); draw(); legend.querySelectorAll("button")[now.data.findIndex((one) => one.name === name)]?.focus(); },
      ondblclick: () => { const alone = others().every((one) => set.hidden.has(one)); set.hidden.clear(); if (!alone) others().forEach((one) => set.hidden.add(one)); draw(); } },
    s("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" },
      trace.mode.includes("lines") && s("line", { class: `line ${look}${trace.opacity ? " faint" : ""}`, x1: 1, x2: 29, y1: 6, y2: 6 }), trace.mode.includes("markers") && mark(look, 15, 6)),
    name));
  }

  function draw() {
    const width = Math.max(240, plot.clientWidth || 600);
    const first = now.data[0]?.type;
    set.missed = false;
    const scatter = first === "scatter" ? now.data : [];
    const room = { width, height, zooms: tools, changed, picked };
    caption.textContent = now.layout.title.text;
    unit.textContent = scatter.length ? `${now.layout.yaxis.title.text} over ${now.layout.xaxis.title.text}` : first === "bar" ? now.layout.xaxis.title.text : "";
    reset.hidden = !set.zoom && set.ranges.size === 0;
    const drawn = first === "bar" ? bars(now, width) : first === "parcoords" ? parallel(plot, now, set, room)
      : first === "heatmap" ? matrix(now, width, picked) : first ? curves(plot, now, set, room) : null;
    plot.replaceChildren(...(drawn ?? [h("p", { class: "nothing" }, "Nothing to show yet")]));
    const look = looks(scatter);
    const names = JSON.stringify(scatter.map((trace) => [trace.name, trace.mode, set.hidden.has(trace.name)]));
    if (names !== named) { named = names; legend.replaceChildren(...scatter.map((trace, at) => entry(trace, look[at]))); }
    legend.hidden = scatter.length < 2;
    if (data.open) fillTable();
  }

  if (!drawing) { caption.textContent = now.layout.title.text; return { element, update(next) { now = next; if (data.open) fillTable(); } }; }
  let seen = 0;
  new ResizeObserver((entries) => { const { width } = entries[0].contentRect; if (width !== seen) { seen = width; draw(); } }).observe(plot);
  draw();
  return { element, update(next) { now = next; if (set.dragged) set.missed = true; else draw(); } };
}

/** A place whose figure is fetched when it comes into view; the page does not wait for it. */
export function later(address, { get, signal, height = 260, room = height + 110, ...options }) {
  const place = h("div", { class: "place", vars: { "--room": `${room}px` } });
  const seen = new IntersectionObserver(async (entries) => {
    if (!entries.some((one) => one.isIntersecting)) return;
    seen.disconnect();
    try {
      place.replaceChildren(chart(await get(address, signal), { height, source: address, ...options }).element);
    } catch (error) {
      if (!signal.aborted) place.replaceChildren(h("p", { class: "bad" }, error.message));
    }
  }, { rootMargin: "600px" });
  seen.observe(place);
  return place;
}
