// Try it: score what is typed, and see why.

import { h, add, number, percent, words, capital, say } from "./dom.js";
import { get, post } from "./api.js";
import { head, badge, card, table, bar, field, trouble } from "./parts.js";
import { tabs, titleOf } from "./models.js";

const FINDS = {
  confidence: "the network is unsure", unknown_words: "words that it does not know", unseen_combinations: "words in combinations that it has not seen",
  representation: "nothing like it was seen", values: "values outside what it has seen",
};

export async function page({ into, signal, args: [reference] }) {
  const [model, found] = await Promise.all([get(`/v1/models/${reference}`, signal), get(`/v1/models/${reference}/card`, signal)]);
  const kind = model.task.startsWith("text") ? "text" : model.task.startsWith("image") ? "image" : "row";
  const input = { text: textInput, row: rowInput, image: imageInput }[kind](model, found);
  const alarm = h("input", { type: "number", min: "0", max: "0.99", step: "0.01", value: "0.05" });
  const confidence = h("input", { type: "number", min: "0", max: "1", step: "0.05", value: "0.5" });
  const labels = model.task.endsWith("classification");
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const submit = h("button", { type: "submit", class: "primary" }, "Score it");
  const score = async () => {
    submit.disabled = true;
    try {
      const body = await input.body();
      if (body === null) return;
      const explain = { contributions: kind !== "image", neighbors: 5 };
      const ask = { ...body, monitor: false, max_false_alarm: Number(alarm.value), explain };
      if (labels) ask.min_confidence = Number(confidence.value);
      let scored;
      try { scored = await post(`/v1/models/${model.id}/score`, ask, signal); } catch (error) {
        // A model or a server may keep its training records to itself.
        if (!(error.body?.errors ?? []).some((one) => one.field.startsWith("explain"))) throw error;
        scored = await post(`/v1/models/${model.id}/score`, { ...ask, explain: { contributions: kind !== "image" } }, signal);
      }
      answer.replaceChildren(...show(scored, input, { alarm: Number(alarm.value) }).filter(Boolean));
      say("Scored");
    } catch (error) {
      if (!signal.aborted) answer.replaceChildren(trouble(error));
    } finally { submit.disabled = false; }
  };
  const form = h("form", { class: "card", "aria-label": "What to score", onsubmit: (event) => { event.preventDefault(); score(); } },
    input.element,
    h("div", { class: "thresholds" },
      field("False alarms at most", alarm, "Share of familiar records that may be flagged as outside."),
      labels && field("Confidence at least", confidence, "Below it an answer is not accepted.")),
    h("div", { class: "actions" }, submit));
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) score(); });
  add(into, head(titleOf(model), { trail: [["Models", "#/models"]] }), tabs(model.id, "Try it"), h("div", { class: "try" }, form, answer));
  if (input.example) score();
  else answer.replaceChildren(h("p", { class: "soft nothing" }, "The answer comes here: what it is, how sure, and whether the model has any business saying so."));
}

function textInput(model) {
  const column = model.spec.task.text;
  const area = h("textarea", { rows: "5", maxlength: "100000", required: true, placeholder: "Type or paste a text" });
  return {
    element: field(column === "text" ? "Text" : `Text (${column})`, area, "Ctrl+Enter scores it."),
    body: async () => (area.value.trim() ? { texts: [area.value] } : null),
    text: () => area.value,
  };
}

function rowInput(model, found) {
  const ranges = new Map((found.intended_range.ranges ?? []).map((one) => [one.column, one]));
  const columns = found.intended_range.columns ?? [...ranges.keys()];
  const inputs = columns.map((column) => {
    const range = ranges.get(column);
    const list = range?.categories && h("datalist", { id: `values-${columns.indexOf(column)}` }, range.categories.slice(0, 200).map((value) => h("option", { value })));
    const numeric = range?.min != null && !range.categories;
    const start = numeric ? String(Number(((range.min + range.max) / 2).toPrecision(3))) : range?.categories?.[0] ?? "";
    const control = h("input", { type: "text", inputmode: numeric ? "decimal" : null, list: list ? list.id : null, value: start });
    const hint = numeric ? `${number(range.min)} to ${number(range.max)} in training` : range?.categories ? `${range.categories.length} values known` : range?.earliest ? `${range.earliest} to ${range.latest}` : null;
    return { column, control, list, numeric, hint };
  });
  return {
    example: true,
    element: h("fieldset", {}, h("legend", {}, "The row"), h("div", { class: "columns" }, inputs.map((one) => [field(one.column, one.control, one.hint), one.list]))),
    body: async () => ({ records: [Object.fromEntries(inputs.map(({ column, control, numeric }) => {
      const text = control.value.trim();
      return [column, text === "" ? null : numeric && Number.isFinite(Number(text)) ? Number(text) : text];
    }))] }),
  };
}

function imageInput() {
  let data = null;
  const picture = h("img", { class: "preview", alt: "The chosen image", hidden: true });
  const file = h("input", { type: "file", accept: "image/png,image/jpeg", required: true, onchange: () => {
    const reader = new FileReader();
    reader.onload = () => { data = reader.result; picture.src = data; picture.hidden = false; };
    if (file.files[0]) reader.readAsDataURL(file.files[0]);
  } });
  return { element: h("div", {}, field("Image", file, "PNG or JPEG"), picture), body: async () => (data ? { images: [data.slice(data.indexOf(",") + 1)] } : null) };
}

function show(scored, input, { alarm }) {
  const [item] = scored.results;
  if (item.error) return [trouble({ message: item.error.detail, ...item.error })];
  const value = item.value !== undefined;
  const said = value
    ? h("p", { class: "huge" }, number(item.value), item.interval && h("span", { class: "soft" }, ` ${number(item.interval[0])} to ${number(item.interval[1])}`))
    : h("p", { class: "huge" }, item.label ?? (item.labels?.join(", ") || "no label"), h("span", { class: "soft" }, item.confidence != null ? ` ${percent(item.confidence, 0)} sure` : ` ${percent(item.raw_confidence, 0)}, not calibrated`));
  return [
    h("section", { class: `card verdict ${item.accepted ? "good" : "bad"}`, "aria-label": "The answer" },
      badge(item.accepted ? "accepted" : "not accepted", item.accepted ? "good" : "bad"), said,
      h("p", {}, capital(item.reason.replace(/^(not )?accepted: /, ""))),
      item.prediction_set && h("p", {}, "Cannot be excluded at 10 % error: ", item.prediction_set.length ? item.prediction_set.map((one) => badge(one, "mute")) : "nothing: it is unlike every label")),
    input.text && tokens(item, input.text()),
    coverage(item),
    item.ood.p_value != null && axes(item, alarm),
    item.probabilities && probabilities(item),
    !input.text && item.explanation?.contributions && contributions(item),
    item.explanation?.neighbors?.length > 0 && neighbors(item),
    scored.unavailable.length > 0 && card("What cannot be told", h("ul", {}, scored.unavailable.map((one) => h("li", {}, capital(one.reason))))),
  ];
}

/** The text, coloured by what the model knows of it, or by what speaks for its label. */
function tokens(item, text) {
  const letters = [...text];
  const unknown = new Set((item.coverage.unknown ?? []).map((one) => `${one.start}-${one.end}`));
  const parts = item.explanation?.contributions ?? (item.coverage.unknown ?? []);
  const strength = (one) => one.log_odds ?? one.value ?? 0;
  const most = Math.max(1e-9, ...parts.map((one) => Math.abs(strength(one))));
  const shown = h("p", { class: "tokens", lang: "" });
  const draw = (by) => {
    const out = [];
    let at = 0;
    for (const one of parts) {
      if (one.start == null || one.start < at) continue;
      out.push(letters.slice(at, one.start).join(""));
      const word = letters.slice(one.start, one.end).join("");
      const foreign = unknown.has(`${one.start}-${one.end}`);
      if (by === "coverage") {
        out.push(foreign ? h("mark", { class: "unknown", title: "not known: no training text has it" }, word, h("span", { class: "hidden" }, " (unknown)")) : h("mark", { class: "known" }, word));
      } else {
        const force = strength(one);
        out.push(h("mark", { class: force >= 0 ? "for" : "against", vars: { "--share": Math.abs(force) / most }, title: `${force >= 0 ? "for" : "against"} it: ${number(force)}` }, word));
      }
      at = one.end;
    }
    out.push(letters.slice(at).join(""));
    shown.replaceChildren(...out);
    legend.replaceChildren(...(by === "coverage"
      ? [h("li", {}, h("mark", { class: "known" }, "known")), h("li", {}, h("mark", { class: "unknown" }, "never seen in training"))]
      : [h("li", {}, h("mark", { class: "for", vars: { "--share": 1 } }, `speaks for ${item.explanation.label ?? "it"}`)), h("li", {}, h("mark", { class: "against", vars: { "--share": 1 } }, "speaks against it"))]));
  };
  const legend = h("ul", { class: "legend" });
  const choice = (value, name, on) => h("label", {}, h("input", { type: "radio", name: "colour", value, checked: on, onchange: () => draw(value) }), ` ${name}`);
  draw("coverage");
  return card("Word by word", item.explanation?.contributions && h("fieldset", { class: "choices" }, h("legend", { class: "hidden" }, "Colour by"), choice("coverage", "what it knows", true), choice("contribution", "what speaks for the answer", false)),
    shown, legend);
}

function coverage(item) {
  const all = [["tokens", "Words it knows"], ["ngrams", "Pieces of text it knows"], ["columns", "Columns within what it has seen"], ["representation", "Likeness to typical training records"]];
  return card("How much of it lies within the training data",
    h("dl", { class: "bars" }, all.filter(([name]) => item.coverage[name] != null).map(([name, text]) => h("div", {}, h("dt", {}, text), h("dd", {}, bar(item.coverage[name]), h("span", { class: "num" }, percent(item.coverage[name], 0)))))),
    item.coverage.outside?.length > 0 && h("ul", {}, item.coverage.outside.map((one) => h("li", {}, one.message))));
}

function axes(item, alarm) {
  const rows = Object.entries(item.ood.axes).map(([name, one]) => [capital(words(name)), FINDS[one.finds] ?? words(one.finds ?? ""), h("span", { class: "value" }, h("span", { class: "num" }, number(one.p_value)), bar(one.p_value, one.p_value != null && one.p_value <= alarm ? "bad" : ""))]);
  return card("Does it come from where the model was trained?",
    h("p", {}, h("strong", {}, `p = ${number(item.ood.p_value)}. `), item.ood.p_value <= alarm
      ? `Of records like those of the training at most ${percent(item.ood.p_value)} look as foreign as this one.` : "Records like those of the training look as foreign as this one often enough."),
    table("Each axis by itself", ["Axis", "Finds", "p-value"], rows, { stacked: true }));
}

function probabilities(item) {
  const all = Object.entries(item.probabilities).sort((a, b) => b[1] - a[1]);
  return card("Probability of each label", h("p", { class: "soft small" }, "The network's own, before calibration."),
    h("dl", { class: "bars" }, all.slice(0, 10).map(([label, p]) => h("div", {}, h("dt", {}, label), h("dd", {}, bar(p), h("span", { class: "num" }, percent(p)))))),
    all.length > 10 && h("p", { class: "soft small" }, `and ${all.length - 10} more labels`));
}

function contributions(item) {
  const strength = (one) => one.log_odds ?? one.value ?? 0;
  const rows = [...item.explanation.contributions].sort((a, b) => Math.abs(strength(b)) - Math.abs(strength(a)));
  return card("What each column contributes", h("p", { class: "soft small" }, "What the model says of the row minus what it says without the column. It explains the model, not the world."),
    table("Contributions", ["Column", "Contribution", "Makes it more foreign"], rows.map((one) => [one.column ?? one.text, number(strength(one)), number(one.ood)])));
}

function neighbors(item) {
  const content = (one) => one.text ?? (one.record ? Object.entries(one.record).map(([k, v]) => `${k} ${typeof v === "number" ? number(v) : v ?? "missing"}`).join(", ").slice(0, 300) : "the dataset is gone");
  return card("The training records most like it", table("Nearest training records", ["Record", "Label", "Likeness", "Row"],
    item.explanation.neighbors.map((one) => [content(one), one.label ?? one.labels?.join(", ") ?? (one.values ? Object.values(one.values).map(number).join(", ") : ""), percent(one.similarity, 0), String(one.row)]), { stacked: true }));
}
