// A figure's data as a table, and as CSV.

import { h, number } from "./dom.js";
import { told, round } from "./scale.js";
import { settingText } from "./shapes.js";

const ROWS = 200;

/** Names of columns, and rows of raw values: numbers, texts, or null where there is none. */
function rowsOf(figure) {
  const [first] = figure.data;
  if (!first) return { columns: [], rows: [] };
  const { xaxis, yaxis } = figure.layout;
  if (first.type === "bar") {
    const ends = first.error_x;
    return { columns: [yaxis.title.text || "name", xaxis.title.text, ...(ends ? ["from", "to"] : [])],
      rows: first.x.map((v, i) => [first.y[i], v, ...(ends ? [v - ends.arrayminus[i], v + ends.array[i]] : [])]) };
  }
  if (first.type === "parcoords") {
    return { columns: first.dimensions.map((one) => one.label), rows: first.line.color.map((_, i) => first.dimensions.map((one) => settingText(one, one.values[i]))) };
  }
  if (first.type === "heatmap") {
    return { columns: [yaxis.title.text, xaxis.title.text, first.name],
      rows: first.z.flatMap((row, r) => row.map((n, c) => [first.y[r], first.x[c], n])).filter((one) => one[2] > 0).sort((a, b) => (a[0] === a[1]) - (b[0] === b[1]) || b[2] - a[2]) };
  }
  const date = xaxis.type === "date";
  const points = figure.data.every((trace) => !trace.mode.includes("lines") || trace.line?.dash === "dot");
  if (points) {
    // Points that are no curve may share a place: each is a row of its own.
    const own = figure.data.filter((trace) => trace.line?.dash !== "dot");
    return { columns: [xaxis.title.text, ...own.map((trace) => trace.name)], rows: own.flatMap((trace, at) => trace.x.map((x, i) => [x, ...own.map((_, other) => (other === at ? trace.y[i] : null))])) };
  }
  const columns = figure.data.flatMap((trace) => [trace.name, ...(trace.error_y ? [`${trace.name}, from`, `${trace.name}, to`] : [])]);
  const byX = figure.data.map((trace) => new Map(trace.x.map((x, i) => [x, i])));
  const xs = [...new Set(figure.data.flatMap((trace) => trace.x))].sort((a, b) => a - b);
  const cells = (x) => figure.data.flatMap((trace, at) => {
    const i = byX[at].get(x);
    const y = i === undefined ? null : trace.y[i];
    return [y, ...(trace.error_y ? (y === null ? [null, null] : [y - trace.error_y.arrayminus[i], y + trace.error_y.array[i]]) : [])];
  });
  return { columns: [xaxis.title.text, ...columns], rows: xs.map((x) => [x, ...cells(x)]), date };
}

/** The data of a figure, at most 200 rows of it, evenly chosen. */
export function asTable(figure) {
  const { columns, rows, date } = rowsOf(figure);
  const all = rows.length;
  const shown = all > ROWS ? Array.from({ length: ROWS }, (_, i) => rows[Math.round((i * (all - 1)) / (ROWS - 1))]) : rows;
  const numeric = columns.map((_, at) => at > 0 && rows.every((row) => typeof row[at] !== "string"));
  const cell = (value, at) => {
    const text = value === null ? "" : date && at === 0 ? told("date", value) : typeof value === "number" ? number(round(value)) : value;
    return at ? h("td", { class: numeric[at] ? "num" : null }, text) : h("th", { scope: "row" }, text);
  };
  return h("div", { class: "scroll tall", role: "group", tabindex: "0", "aria-label": `${figure.layout.title.text} as a table` },
    h("table", {}, h("caption", {}, figure.layout.title.text), h("thead", {}, h("tr", {}, columns.map((name, at) => h("th", { scope: "col", class: numeric[at] ? "num" : null }, name)))),
      h("tbody", {}, shown.map((row) => h("tr", {}, row.map(cell))))),
    all > shown.length && h("p", { class: "soft small" }, `${shown.length} of ${all} rows, evenly chosen; the file has all of them.`));
}

/** The data of a figure as CSV (RFC 4180); moments as RFC 3339. */
export function csv(figure) {
  const { columns, rows, date } = rowsOf(figure);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const cell = (value, at) => (value === null ? "" : date && at === 0 ? new Date(value).toISOString() : quoted(String(value)));
  return [columns.map((name) => quoted(name)), ...rows.map((row) => row.map(cell))].map((row) => `${row.join(",")}\r\n`).join("");
}
