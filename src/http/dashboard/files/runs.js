// Runs in a list, and beside one another.

import { h, add, number, percent, interval, moment, short, words, capital, metricName } from "./dom.js";
import { get, datasetName } from "./api.js";
import { head, badge, card, table, link, empty, doing, select, shown, again } from "./parts.js";
import { later } from "./chart.js";
import { barsHeight } from "./shapes.js";

/** The number that says most of how well a run does. */
export function result(run) {
  const of = run.metrics?.test ?? run.metrics?.validation;
  if (!of) return "";
  const part = run.metrics.test ? "test" : "validation";
  if (of.accuracy !== undefined) return `${percent(of.accuracy)} right (${part})`;
  return of.r2 != null ? `R² ${number(of.r2)} (${part})` : `error ${number(of.rmse)} (${part})`;
}

const STATUSES = ["queued", "running", "succeeded", "stopped", "cancelled", "failed"];

export async function list({ into, signal, query }) {
  const chosen = new Set();
  let status = query.get("status") ?? "";
  let pages = 1;
  const shown = new Map();
  const items = h("ul", { class: "items", "aria-label": "Runs, newest first" });
  const compare = h("button", { type: "button", class: "primary", disabled: true, onclick: () => { location.hash = `#/compare?ids=${[...chosen].join(",")}`; } }, "Compare");
  const more = h("div", { class: "actions" });
  const count = () => { compare.disabled = chosen.size < 2; compare.textContent = chosen.size > 1 ? `Compare ${chosen.size} runs` : "Compare"; };
  const on = (dataset) => {
    const shown = h("span", { class: "soft" }, ` on ${short(dataset)}`);
    datasetName(dataset, signal).then((name) => { if (name) shown.textContent = ` on ${name}`; });
    return shown;
  };
  const state = (run) => h("div", { class: "state" }, badge(run.status), h("span", {}, result(run)));
  const row = (run) => h("li", { class: "item" },
    h("label", { class: "tick" }, h("input", { type: "checkbox", "aria-label": `Choose ${short(run.id)}`, checked: chosen.has(run.id), onchange: (e) => { if (e.target.checked) chosen.add(run.id); else chosen.delete(run.id); count(); } })),
    h("div", { class: "what" },
      h("a", { class: "title", href: `#/runs/${run.id}` }, run.spec.model_name ?? short(run.id), on(run.spec.dataset)),
      h("div", { class: "soft small" }, `${words(run.spec.network.type)}, ${words(run.spec.optimizer.type)} ${number(run.spec.optimizer.learning_rate)}, seed ${run.spec.training.seed}`, run.trial ? `, trial ${run.trial}` : "", " · ", moment(run.created_at))),
    state(run));
  const path = (cursor) => `/v1/runs?${new URLSearchParams({ limit: "30", ...(status ? { status } : {}), ...(cursor ? { cursor } : {}) })}`;
  /** Puts a page's runs in their rows; what stands there already stays, so that nobody's focus is lost. */
  const put = (runs) => runs.map((run) => {
    const version = JSON.stringify([run.status, run.metrics]);
    const before = shown.get(run.id);
    if (!before) shown.set(run.id, { version, row: row(run) });
    else if (before.version !== version) { before.row.querySelector(".state").replaceWith(state(run)); before.version = version; }
    return shown.get(run.id).row;
  });
  const older = (cursor) => more.replaceChildren(...(cursor ? [doing("Show older runs", async () => {
    const page = await get(path(cursor), signal);
    pages += 1;
    items.append(...put(page.items));
    older(page.next_cursor);
  })] : []));
  let busy = false;
  const refresh = async () => {
    const page = await get(path(), signal);
    busy = page.items.some((run) => ["queued", "running", "cancelling"].includes(run.status));
    const rows = put(page.items);
    // Only what is new goes on top: further pages stay where they are.
    const fresh = rows.filter((one) => one.parentElement !== items);
    items.querySelector(":scope > .none")?.remove();
    items.prepend(...fresh);
    if (items.childElementCount === 0) items.append(h("li", { class: "none" }, status ? empty("No run is like that.") : empty("No run yet.", link("Start with a dataset", "#/datasets", "button primary"))));
    if (pages === 1) older(page.next_cursor);
  };
  const narrow = (event) => { status = event.target.value; pages = 1; shown.clear(); items.replaceChildren(); refresh().catch(() => {}); };
  await refresh();
  into.append(head("Runs", { about: "One training each. Choose two or more to see them beside one another.", actions: [compare] }),
    h("div", { class: "filters" }, h("label", {}, "Status ", select([["", "any"], ...STATUSES.map((one) => [one, capital(one)])], status, narrow))), items, more);
  again(refresh, () => (busy ? 2500 : 10000), signal);
}

export async function compare({ into, signal, query }) {
  const ids = query.get("ids") ?? "";
  const found = await get(`/v1/runs/compare?ids=${encodeURIComponent(ids)}`, signal);
  const names = found.runs.map((run, at) => String.fromCharCode(65 + (at % 26)) + (at >= 26 ? Math.floor(at / 26) + 1 : ""));
  const of = Object.fromEntries(found.runs.map((run, at) => [run.run, names[at]]));
  const figure = (name, options) => later(`/v1/runs/compare/figures/${name}?ids=${encodeURIComponent(ids)}`, { get, signal, tools: true, ...options });
  const value = (one) => (one ? h("span", {}, number(one.value), one.interval && h("span", { class: "soft small" }, ` (${interval(one.interval)})`)) : "–");
  const parts = [...new Set(found.metrics.map((row) => row.part))];
  add(into,
    head(`${found.runs.length} runs compared`, { trail: [["Runs", "#/runs"]], about: "The first is the baseline. Intervals are at 95 %." }),
    card("The runs", table("The runs", ["Run", "Id", "Status", "Model", "Seed", "Epochs", "Seconds"], found.runs.map((run, at) => [
      names[at], link(short(run.run), `#/runs/${run.run}`), badge(run.status), run.model ? link(short(run.model), `#/models/${run.model}`) : "–", number(run.seed), number(run.epochs), number(run.seconds)]), { stacked: true })),
    card("Curves", h("div", { class: "grid2" }, figure("validation_loss"), figure("training_loss"))),
    found.metrics.some((row) => row.part === "test") && card("How well they do", figure("test", { tools: false, height: barsHeight(found.runs.length) })),
    card("What differs", found.differences.length === 0 ? h("p", {}, "Nothing: the specs are the same.")
      : table("What differs", ["Setting", ...names], found.differences.map((one) => [one.field, ...one.values.map((v) => (typeof v === "number" ? number(v) : shown(v)))]))),
    found.paired.length > 0 && card("On the same test records", h("p", { class: "soft" }, "Each run against the baseline, record by record: which differences are more than chance."),
      table("Paired differences", ["Run", "Metric", "Difference", "95 % interval", "p-value", "Verdict"], found.paired.map((one) => {
        const better = one.lower_is_better ? one.difference < 0 : one.difference > 0;
        const p = one.p_value_adjusted ?? one.p_value;
        return [`${of[one.run]} against ${of[one.baseline]}`, metricName(one.metric), number(one.difference), interval(one.interval), number(p),
          p != null && p < 0.05 ? badge(better ? "better" : "worse", better ? "good" : "bad") : badge("not told apart", "mute")];
      }), { stacked: true })),
    ...parts.map((part) => card(`Metrics, ${part} records`, table(`Metrics on the ${part} records`, ["Metric", ...names],
      found.metrics.filter((row) => row.part === part).map((row) => [`${metricName(row.metric)} ${row.lower_is_better ? "↓" : "↑"}`, ...row.values.map(value)])))),
    found.unavailable.length > 0 && card("What could not be told", h("ul", {}, found.unavailable.map((one) => h("li", {}, capital(one.reason))))));
}
