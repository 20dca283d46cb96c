// Starting a training from a dataset.

import { h, add, number, duration, bytes, words } from "./dom.js";
import { get, post } from "./api.js";
import { head, card, field, select, facts, trouble, warnings } from "./parts.js";

const TASKS = { text_classification: "A label from a text", tabular_classification: "A label from columns", tabular_regression: "A number from columns", text_regression: "A number from a text", image_classification: "A label from an image" };
const NUMBERS = ["integer", "number"];

export async function page({ into, signal, args: [id] }) {
  const set = await get(`/v1/datasets/${id}`, signal);
  const of = (...kinds) => set.columns.filter((one) => kinds.includes(one.kind)).map((one) => one.name);
  const texts = of("text");
  const images = of("image");
  const splits = set.columns.filter((one) => one.values?.some((v) => v.value === "train") && one.values?.some((v) => v.value === "test")).map((one) => one.name);
  const few = set.columns.filter((one) => one.distinct <= Math.max(20, set.rows / 20) && !splits.includes(one.name));
  const labels = [...few.filter((one) => ["category", "boolean", "list"].includes(one.kind)), ...few.filter((one) => NUMBERS.includes(one.kind))].map((one) => one.name);
  const numbers = of(...NUMBERS);
  const possible = Object.keys(TASKS).filter((task) => ({
    text_classification: texts.length > 0, text_regression: texts.length > 0 && numbers.length > 0,
    image_classification: images.length > 0, tabular_classification: set.columns.length > 1 && images.length === 0, tabular_regression: numbers.length > 0 && set.columns.length > 1,
  })[task]);
  const start = images.length ? "image_classification" : texts.length && labels.length ? "text_classification" : labels.length ? "tabular_classification" : "tabular_regression";

  const job = select([["train", "Train one model"], ["sweep", "Try several settings, and keep the best"], ["range_test", "Find a learning rate first"]], "train", () => { trials.closest(".field").hidden = job.value !== "sweep"; write(); });
  const trials = h("input", { type: "number", min: "2", max: "1000", value: "12" });
  const task = select(possible.map((one) => [one, TASKS[one]]), start, () => { columns(); write(); });
  const read = h("div", {});
  const name = h("input", { maxlength: "100", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", placeholder: "such as sentiment", autocomplete: "off" });
  const epochs = h("input", { type: "number", min: "1", max: "1000000", placeholder: "chosen by the number of records" });
  const split = select([["", "at random: 70 % train, 10 % each to validate, calibrate, test"], ...splits.map((one) => [one, `by the column ${one}`])], splits[0] ?? "", () => write());
  const json = h("textarea", { rows: "14", spellcheck: "false", class: "code" });
  const told = h("div", { "aria-live": "polite" });
  let input = null;
  let target = null;

  function columns() {
    const kind = task.value;
    const all = set.columns.map((one) => one.name).filter((one) => !splits.includes(one));
    const reads = kind.startsWith("text") ? texts : kind.startsWith("image") ? images : null;
    const targets = kind.endsWith("regression") ? numbers : labels.length ? labels : all;
    input = reads && select(reads.map((one) => [one, one]), reads[0], () => write());
    target = select(targets.map((one) => [one, one]), kind.endsWith("regression") ? targets[targets.length - 1] : targets[0], () => write());
    read.replaceChildren(h("div", { class: "pair" }, input ? field("Reads the column", input) : h("div", { class: "field" }, h("span", { class: "label" }, "Reads"), h("p", {}, "all other columns")), field("Predicts the column", target)));
  }

  function request() {
    const kind = task.value;
    const made = { kind: "train", dataset: id, task: { type: kind } };
    if (input) made.task[kind.startsWith("text") ? "text" : "image"] = input.value;
    made.task[kind.endsWith("regression") ? "target" : "label"] = target.value;
    if (name.value.trim()) made.model_name = name.value.trim();
    if (epochs.value) made.training = { epochs: Number(epochs.value) };
    if (split.value) made.split = { column: split.value };
    if (job.value === "train") return made;
    made.kind = job.value;
    if (job.value === "range_test") return made;
    const { kind: _, ...base } = made;
    return { kind: "sweep", base, space: { "optimizer.learning_rate": { log: [0.0003, 0.1] }, "training.batch_size": { choice: [16, 32, 64] } },
      strategy: { type: "random", trials: Number(trials.value) || 12 } };
  }
  const write = () => { json.value = JSON.stringify(request(), null, 2); };
  const body = () => {
    try { return JSON.parse(json.value); } catch (error) { throw new Error(`The request is not JSON: ${error.message}`); }
  };

  const check = h("button", { type: "button", onclick: () => tell(async () => {
    const found = await post("/v1/jobs?validate_only=true", body(), signal);
    const cost = found.estimate;
    told.replaceChildren(...[card("It is valid", cost && facts([["Seconds at most", duration(cost.seconds_at_most)], ["Memory at most", bytes(cost.memory_bytes_at_most)], ["Parameters at most", number(cost.parameters_at_most)]]),
      found.spec && facts([["Network", words(found.spec.network.type)], ["Optimiser", `${words(found.spec.optimizer.type)}, rate ${number(found.spec.optimizer.learning_rate)}`], ["Epochs at most", found.spec.training.epochs], ["Batch", found.spec.training.batch_size]])), warnings(found.warnings)].filter(Boolean));
  }) }, "Check what it costs");
  const submit = h("button", { type: "submit", class: "primary" }, "Train");
  async function tell(action) {
    check.disabled = true;
    submit.disabled = true;
    try { await action(); } catch (error) { if (!signal.aborted) told.replaceChildren(trouble(error)); } finally { check.disabled = false; submit.disabled = false; }
  }
  const form = h("form", { class: "card", "aria-label": "The training", oninput: (event) => { if (event.target !== json) write(); }, onsubmit: (event) => {
    event.preventDefault();
    tell(async () => { const job = await post("/v1/jobs", body(), signal); location.hash = job.kind === "train" || job.kind === "range_test" ? `#/runs/${job.run}` : `#/jobs/${job.id}`; });
  } },
  h("div", { class: "pair" }, field("What to learn", task), field("How", job)), read,
  h("div", { class: "pair" }, field("Settings to try", trials, "Learning rates and batch sizes are drawn at random; what else may vary can be set in the request below.")),
  h("div", { class: "pair" }, field("Name of the model", name, "Under it the newest model is found."), field("Epochs at most", epochs, "Training ends earlier where it no longer gets better.")),
  field("Split of the records", split),
  h("details", {}, h("summary", {}, "Advanced: the request as JSON"), field("What is sent", json, "Network, optimiser, schedule and everything else of POST /v1/jobs can be set here; it may also be a sweep or a range test.")),
  h("div", { class: "actions" }, submit, check));
  columns();
  trials.closest(".field").hidden = true;
  write();
  add(into, head("Train a model", { trail: [["Datasets", "#/datasets"], [set.name, `#/datasets/${id}`]], about: `On ${set.name}: ${number(set.rows)} rows.` }), form, told);
}
