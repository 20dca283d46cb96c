// Models: the list, and the card of one.

import { h, add, number, percent, interval, moment, short, words, capital, bytes, metricName } from "./dom.js";
import { get, post, put, patch, remove } from "./api.js";
import { head, badge, card, facts, table, warnings, link, empty, doing, button, field, confirm, select, trouble } from "./parts.js";
import { chart, later } from "./chart.js";
import { confusionTable, worstConfusions } from "./shapes.js";
import { testRecords } from "./records.js";

/** The pages of a model. */
export const tabs = (id, here) => h("nav", { class: "tabs", "aria-label": "The model's pages" },
  [["Card", ""], ["Try it", "/try"], ["Limitations", "/limitations"], ["In use", "/use"]].map(([name, end]) =>
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
  const cal = found.calibration;
  const drawn = (name, there) => {
    if (!there) return null;
    const place = later(`/v1/models/${id}/figures/${name}`, { get, signal, height: 280 });
    place.dataset.figure = name;
    return place;
  };
  const chosen = h("div", { class: "chosen", "aria-live": "polite" });
  const matrix = report?.confusion_matrix && taken(model, found, chosen, signal);
  const [reliability, risk, spread] = [["reliability", cal.reliability], ["risk_coverage", cal.risk_coverage], ["p_values", cal.test_p_values]].map(([name, there]) => drawn(name, there));
  const predictions = found.metrics.test && found.labels.length === 0 && model.run && drawn("predictions", true);

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
    chosen,
    predictions && card("What it predicts", predictions),
    found.metrics.test && model.run && worst(model, signal),
    (reliability || risk) && card("Can its confidence be trusted?", h("p", { class: "soft" },
      cal.test_after ? `On the test records the stated confidence is off by ${percent(cal.test_before.ece)} on average before calibration, and by ${percent(cal.test_after.ece)} after it.` : "It has no calibrator; the confidence is the network's own."),
    h("div", { class: "grid2" }, reliability, risk)),
    spread && card("Does it know what it has not seen?", h("p", { class: "soft" },
      `Of ${number(cal.test_p_values.records)} test records ${percent(cal.test_p_values.combined[0] / cal.test_p_values.records)} are flagged as outside at a false-alarm rate of 5 %. They are like the records it was calibrated on, so about as many lie in each bin; records from elsewhere pile up on the left.`), spread),
    cal.intervals?.length > 0 && card("Intervals", table("Intervals at 90 %", ["Target", "Half width", "Test records within"], cal.intervals.map((one) => [one.target, number(one.half_width), percent(one.test_coverage)]))),
    metricsOf(found),
    meant(found),
    found.unavailable.length > 0 && card("What could not be computed", h("ul", {}, found.unavailable.map((one) => h("li", {}, h("strong", {}, `${capital(words(one.statistic))}: `), one.reason, ".", one.need ? ` It takes ${number(one.need)} records.` : "")))),
    elsewhere(model, signal),
    aliases(model),
    card("Where it comes from", facts([
      ["Dataset", link(found.dataset.name ?? short(found.dataset.id), `#/datasets/${found.dataset.id}`)],
      ["Training", model.run && link(short(model.run), `#/runs/${model.run}`)],
      ["Made", moment(model.created_at)], ["Size", bytes(model.bytes)], ["Parameters", number(found.parameters)], ["Whereof", found.whereof_version],
      ["Remedy of", model.remedy_of && link(words(model.remedy_of.finding), `#/models/${model.remedy_of.model}/limitations?job=${model.remedy_of.diagnosis}`)],
      ["Id", h("code", {}, id)], ["SHA-256", h("code", {}, model.sha256)]])));
}

/** The confusion matrix; a cell shows its records in `chosen`. */
function taken(model, found, chosen, signal) {
  const place = h("div", { class: "place", "data-figure": "confusion" });
  const test = Boolean(found.metrics.test);
  const picked = model.run && test ? async (label, predicted) => {
    chosen.replaceChildren(h("p", { class: "soft" }, "Looking them up …"));
    try {
      const { total, element } = await testRecords(model.run, { label, predicted }, signal);
      chosen.replaceChildren(card(label === predicted ? `${label}, rightly: ${number(total)}` : `${label} taken for ${predicted}: ${number(total)}`, element, h("div", { class: "actions" }, button("Close", () => chosen.replaceChildren(), "small"))));
      chosen.scrollIntoView({ block: "start" });
    } catch (error) { if (!signal.aborted) chosen.replaceChildren(trouble(error)); }
  } : null;
  const source = `/v1/models/${model.id}/figures/confusion`;
  get(source, signal).then((figure) => {
    const small = figure.data[0].x.length <= 20;
    place.replaceChildren(...[picked && h("p", { class: "soft small" }, "A cell shows its records."), small && confusionTable(figure, picked),
      chart(figure, { title: !small, source, picked, drawing: !small }).element, !small && worstConfusions(figure, picked)].filter(Boolean));
  }).catch((error) => !signal.aborted && place.replaceChildren(trouble(error)));
  return place;
}

/** The test records that it is furthest from, when they are asked for. */
function worst(model, signal) {
  const place = h("div", {});
  const details = h("details", { ontoggle: async () => {
    if (!details.open || place.childElementCount > 0) return;
    try {
      const { total, element } = await testRecords(model.run, { wrong: "true" }, signal);
      place.replaceChildren(total === 0 ? h("p", {}, "It got none of them wrong.") : element);
    } catch (error) { if (!signal.aborted) place.replaceChildren(trouble(error)); }
  } }, h("summary", {}, "Show the test records that it got most wrong"), place);
  return card("Its worst errors", details);
}

/** Measuring it on another dataset. */
function elsewhere(model, signal) {
  const sets = select([], "");
  const labelled = h("input", { type: "checkbox", checked: true });
  const card_ = card("How does it do on other records?", h("p", { class: "soft" }, "Accuracy beside coverage, and whether they have shifted from what it was trained on; without labels, an estimate of its accuracy and what is new."),
    h("div", { class: "inline" }, h("label", {}, "Dataset ", sets), h("label", {}, labelled, " they have labels"),
      doing("Evaluate", async () => {
        const job = await post("/v1/jobs", { kind: "evaluate", model: model.id, dataset: sets.value, labels: labelled.checked });
        location.hash = `#/jobs/${job.id}`;
      })));
  get("/v1/datasets?limit=100", signal).then((page) => {
    sets.append(...page.items.map((set) => h("option", { value: set.id, selected: set.id !== model.dataset }, `${set.name} (${number(set.rows)} rows${set.id === model.dataset ? ", its own" : ""})`)));
  }).catch(() => {});
  return card_;
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
