// Models: the list, and the card of one.

import { h, add, number, percent, interval, moment, short, words, capital, bytes, metricName } from "./dom.js";
import { get, put, patch, remove } from "./api.js";
import { head, badge, card, facts, table, warnings, link, empty, doing, button, field, confirm, trouble } from "./parts.js";
import { chart, confusion } from "./chart.js";

/** The pages of a model. */
export const tabs = (id, here) => h("nav", { class: "tabs", "aria-label": "The model's pages" },
  [["Card", ""], ["Try it", "/try"], ["Limitations", "/limitations"]].map(([name, end]) =>
    h("a", { href: `#/models/${id}${end}`, "aria-current": name === here ? "page" : null }, name)));

export const titleOf = (model) => model.name ?? short(model.id);

export async function list({ into, signal }) {
  const items = h("ul", { class: "items", "aria-label": "Models, newest first" });
  const more = h("div", { class: "actions" });
  const row = (model) => h("li", { class: "item" },
    h("div", { class: "what" },
      h("a", { class: "title", href: `#/models/${model.id}` }, titleOf(model)), " ",
      model.aliases.map((alias) => badge(alias.split("@").pop(), "good")),
      h("div", { class: "soft small" }, `${capital(words(model.task))}, ${bytes(model.bytes)} · ${short(model.id)} · `, moment(model.created_at),
        model.remedy_of && ` · the remedy of ${words(model.remedy_of.finding)}`)),
    h("div", { class: "actions" }, link("Try it", `#/models/${model.id}/try`, "button small"), link("Limitations", `#/models/${model.id}/limitations`, "button small")));
  const load = async (cursor) => {
    const page = await get(`/v1/models?limit=30${cursor ? `&cursor=${cursor}` : ""}`, signal);
    items.append(...page.items.map(row));
    if (items.childElementCount === 0) items.append(h("li", {}, empty("No model yet.", link("Start with a dataset", "#/datasets", "button primary"))));
    more.replaceChildren(...(page.next_cursor ? [doing("Show older models", () => load(page.next_cursor))] : []));
  };
  await load();
  add(into, head("Models", { about: "What training made, newest first." }), items, more);
}

export async function page({ into, signal, args: [reference] }) {
  const [model, found] = await Promise.all([get(`/v1/models/${reference}`, signal), get(`/v1/models/${reference}/card`, signal)]);
  const id = model.id;
  const report = found.metrics.test ?? found.metrics.validation ?? found.metrics.train;
  const part = found.metrics.test ? "test" : found.metrics.validation ? "validation" : "training";
  const place = (name) => h("div", { class: "place", "data-figure": name });
  const cal = found.calibration;
  const figures = [];
  const matrix = report?.confusion_matrix && place("confusion");
  if (matrix) figures.push(["confusion", matrix]);
  const reliability = cal.reliability && place("reliability");
  if (reliability) figures.push(["reliability", reliability]);
  const risk = cal.risk_coverage && place("risk_coverage");
  if (risk) figures.push(["risk_coverage", risk]);

  add(into,
    head(titleOf(model), {
      trail: [["Models", "#/models"]],
      actions: [button("Rename", () => rename(model)), doing("Delete", async () => {
        if (await confirm(`Delete the model ${titleOf(model)}? This cannot be undone.`, "Delete it")) { await remove(`/v1/models/${id}`); location.hash = "#/models"; }
      }, "danger")],
    }),
    tabs(id, "Card"),
    summary(found, report, part),
    warnings(found.warnings),
    (matrix || report?.per_class) && h("div", { class: found.labels.length > 5 ? "stack" : "grid2 sections" }, matrix && card("What is taken for what", matrix), report?.per_class && byLabel(found, report, part)),
    (reliability || risk) && card("Can its confidence be trusted?", h("p", { class: "soft" },
      cal.test_after ? `On the test records the stated confidence is off by ${percent(cal.test_before.ece)} on average before calibration, and by ${percent(cal.test_after.ece)} after it.` : "It has no calibrator; the confidence is the network's own."),
    h("div", { class: "grid2" }, reliability, risk)),
    cal.intervals?.length > 0 && card("Intervals", table("Intervals at 90 %", ["Target", "Half width", "Test records within"], cal.intervals.map((one) => [one.target, number(one.half_width), percent(one.test_coverage)]))),
    metricsOf(found),
    meant(found),
    found.unavailable.length > 0 && card("What could not be computed", h("ul", {}, found.unavailable.map((one) => h("li", {}, h("strong", {}, `${capital(words(one.statistic))}: `), one.reason, one.need ? ` It takes ${number(one.need)} records.` : "")))),
    aliases(model),
    card("Where it comes from", facts([
      ["Dataset", link(found.dataset.name ?? short(found.dataset.id), `#/datasets/${found.dataset.id}`)],
      ["Training", model.run && link(short(model.run), `#/runs/${model.run}`)],
      ["Made", moment(model.created_at)], ["Size", bytes(model.bytes)], ["Parameters", number(found.parameters)], ["Whereof", found.whereof_version],
      ["Remedy of", model.remedy_of && link(words(model.remedy_of.finding), `#/models/${model.remedy_of.model}/limitations?job=${model.remedy_of.diagnosis}`)],
      ["Id", h("code", {}, id)], ["SHA-256", h("code", {}, model.sha256)]])));

  for (const [name, at] of figures) {
    get(`/v1/models/${id}/figures/${name}`, signal).then((figure) => {
      at.replaceChildren(name === "confusion" ? confusion(figure) : chart(figure, { height: 280 }).element);
    }).catch((error) => !signal.aborted && at.replaceChildren(trouble(error)));
  }
}

/** The model in numbers that matter, and one sentence. */
function summary(found, report, part) {
  const tile = (name, value, more) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, h("span", { class: "large" }, value), more && h("span", { class: "soft small" }, more)));
  const tiles = [];
  if (report?.accuracy !== undefined) {
    tiles.push(tile("Accuracy", percent(report.accuracy), `${percent(report.accuracy_interval[0], 0)} to ${percent(report.accuracy_interval[1], 0)} on ${number(report.records)} ${part} records`));
    tiles.push(tile("Macro F1", number(report.macro_f1), "mean over the labels"));
    const ece = found.calibration.test_after?.ece ?? report.ece;
    tiles.push(tile("Calibration error", percent(ece), found.calibration.calibrator ? `${words(found.calibration.calibrator.type)} scaling` : "not calibrated"));
  } else if (report) {
    tiles.push(tile("Typical error", number(report.rmse), `root mean square, ${number(report.records)} ${part} records`));
    if (report.r2 != null) tiles.push(tile("Explained variance", percent(report.r2), "R²"));
    tiles.push(tile("Mean absolute error", number(report.mae), "in the target's unit"));
  }
  tiles.push(tile("Trained on", number(found.records.train), `records, ${found.labels.length || found.targets?.length || 0} ${found.labels.length ? "labels" : "target"}`));
  return h("dl", { class: "tiles" }, tiles);
}

const metricsOf = (found) => {
  const parts = ["test", "validation", "train"].filter((part) => found.metrics[part]);
  const names = ["records", "accuracy", "macro_f1", "micro_f1", "log_loss", "brier", "ece", "mse", "rmse", "mae", "r2"].filter((name) => parts.some((part) => found.metrics[part][name] != null));
  return parts.length > 0 && card("Metrics", table("Metrics by part", ["Metric", ...parts], names.map((name) => [metricName(name), ...parts.map((part) => {
    const of = found.metrics[part];
    return h("span", {}, number(of[name]), of[`${name}_interval`] && h("span", { class: "soft small" }, ` (${interval(of[`${name}_interval`])})`));
  })])));
};

const byLabel = (found, report, part) => card("Label by label", table(`Labels on the ${part} records`, ["Label", "Precision", "Recall", "Interval", "F1", "Records"],
  report.per_class.map((one) => [one.label, percent(one.precision, 0), percent(one.recall, 0), one.recall_interval ? `${percent(one.recall_interval[0], 0)} to ${percent(one.recall_interval[1], 0)}` : "", number(one.f1), one.support])),
h("p", { class: "soft small" }, `Of the ${part} records; the interval is that of the recall, at 95 %.`));

/** The records that it is meant for. */
function meant(found) {
  const range = found.intended_range;
  if (range.words) {
    return card("What it is meant for", h("p", {}, `Texts like those it was trained on: of ${range.words[0]} to ${range.words[2]} words, half of them below ${range.words[1]}. It knows ${number(range.known_words)} words and ${number(range.known_ngrams)} pieces of text in all.`),
      range.token_coverage_p05 != null && h("p", { class: "soft" }, `19 of 20 texts like these have at least ${percent(range.token_coverage_p05, 0)} of their words among the known ones.`));
  }
  if (range.ranges?.length > 0) {
    return card("What it is meant for", table("What training saw in each column", ["Column", "Range"], range.ranges.map((one) => [one.column,
      one.categories ? one.categories.slice(0, 12).join(", ") + (one.categories.length > 12 ? ", …" : "") : one.min != null ? `${number(one.min)} to ${number(one.max)}` : `${one.earliest ?? ""} to ${one.latest ?? ""}`])));
  }
  if (range.height) return card("What it is meant for", h("p", {}, `Images like those it was trained on, brought to ${range.width} by ${range.height} pixels.`));
  return null;
}

function aliases(model) {
  const listed = h("ul", { class: "chips" });
  const input = h("input", { placeholder: "production", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", required: true, maxlength: "100" });
  const draw = (names) => listed.replaceChildren(...names.map((alias) => h("li", {}, h("code", {}, alias), " ",
    h("button", { type: "button", class: "small", "aria-label": `Remove the alias ${alias}`, onclick: async () => { await remove(`/v1/aliases/${encodeURIComponent(alias)}`); draw(names.filter((one) => one !== alias)); } }, "Remove"))));
  draw(model.aliases);
  const form = h("form", { class: "inline", onsubmit: async (event) => {
    event.preventDefault();
    form.querySelector(".trouble")?.remove();
    const alias = `${model.name}@${input.value.trim()}`;
    try {
      await put(`/v1/aliases/${encodeURIComponent(alias)}`, { model: model.id });
      draw([...new Set([...[...listed.querySelectorAll("code")].map((one) => one.textContent), alias])]);
      input.value = "";
    } catch (error) { form.append(trouble(error)); }
  } }, h("label", {}, `New alias: ${model.name}@ `, input), " ", h("button", { type: "submit" }, "Point it here"));
  return card("Aliases", h("p", { class: "soft" }, "A name that clients use, and that you can move from one model to another."), listed, model.name ? form : h("p", {}, "A model needs a name before it can have an alias."));
}

function rename(model) {
  const input = h("input", { value: model.name ?? "", maxlength: "100" });
  const dialog = h("dialog", { "aria-label": "Rename the model" }, h("form", { onsubmit: async (event) => {
    event.preventDefault();
    try { await patch(`/v1/models/${model.id}`, { name: input.value.trim() || null }); dialog.close(); dialog.remove(); window.dispatchEvent(new Event("hashchange")); } catch (error) {
      dialog.querySelector(".trouble")?.remove();
      dialog.append(trouble(error));
    }
  } }, field("Name", input), h("div", { class: "actions" }, button("Leave it", () => { dialog.close(); dialog.remove(); }), h("button", { type: "submit", class: "primary" }, "Rename"))));
  document.body.append(dialog);
  dialog.showModal();
}
