// The test records behind a number: what they hold, and what the model gave.

import { h, number, percent } from "./dom.js";
import { get } from "./api.js";
import { doing, shown, table } from "./parts.js";

/** Test records of a run that a query names, the worst first; a page at a time. */
export async function testRecords(run, query, signal) {
  const path = (cursor) => `/v1/runs/${run}/test-records?${new URLSearchParams({ ...query, limit: "20", ...(cursor ? { cursor } : {}) })}`;
  const first = await get(path(), signal);
  const names = [...new Set(first.items.flatMap((one) => Object.keys(one.record ?? {})))];
  const cell = (value) => { const text = typeof value === "number" ? number(value) : shown(value); return text.length > 300 ? `${text.slice(0, 300)}…` : text; };
  const values = (of) => Object.values(of).map(number).join(", ");
  const columns = ["Row", ...names, ...(first.items[0]?.label !== undefined ? ["True", "Predicted", "Its chance"] : []), ...(first.items[0]?.true_values ? ["True", "Predicted"] : []),
    ...(first.items[0]?.wrong_labels !== undefined ? ["Right labels", "Wrong", "Missed"] : [])];
  const row = (one) => [String(one.row), ...names.map((name) => cell(one.record?.[name])),
    ...(one.label !== undefined ? [one.label, one.predicted, one.log_loss == null ? "–" : percent(Math.exp(-one.log_loss))] : []),
    ...(one.true_values ? [values(one.true_values), values(one.predicted_values)] : []),
    ...(one.wrong_labels !== undefined ? [number(one.right_labels), number(one.wrong_labels), number(one.missed_labels)] : [])];
  const made = table("Test records, the worst first", columns, first.items.map(row), { stacked: true });
  const more = h("div", { class: "actions" });
  const next = (cursor) => more.replaceChildren(...(cursor ? [doing("Show more", async () => {
    const page = await get(path(cursor), signal);
    const cells = (one) => row(one).map((value, at) => (at ? h("td", { "data-label": columns[at] }, value) : h("th", { scope: "row" }, value)));
    made.querySelector("tbody").append(...page.items.map((one) => h("tr", {}, cells(one))));
    next(page.next_cursor);
  }, "small")] : []));
  next(first.next_cursor);
  return { total: first.total, element: h("div", {}, made, more) };
}
