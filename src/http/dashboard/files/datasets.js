// Datasets: upload, look at, delete.

import { h, add, number, percent, bytes, moment, words, short, capital, say } from "./dom.js";
import { get, post, remove, upload } from "./api.js";
import { head, card, facts, table, warnings, link, empty, doing, confirm, trouble, shown } from "./parts.js";
import { later } from "./chart.js";
import { barsHeight } from "./shapes.js";

const SAMPLES = [["moons", "two interleaved half moons"], ["circles", "a circle within a circle"], ["sine", "a sine curve to predict"], ["shapes", "small images of shapes"]];

export async function list({ into, signal }) {
  const items = h("ul", { class: "items", "aria-label": "Datasets, newest first" });
  const more = h("div", { class: "actions" });
  const row = (set) => h("li", { class: "item" },
    h("div", { class: "what" }, h("a", { class: "title", href: `#/datasets/${set.id}` }, set.name),
      h("div", { class: "soft small" }, `${number(set.rows)} rows, ${set.columns.length} columns, ${bytes(set.bytes)} · `, moment(set.created_at))),
    h("div", { class: "actions" }, link("Train a model", `#/datasets/${set.id}/train`, "button small")));
  const load = async (cursor) => {
    const page = await get(`/v1/datasets?limit=30${cursor ? `&cursor=${cursor}` : ""}`, signal);
    items.append(...page.items.map(row));
    if (items.childElementCount === 0) items.append(h("li", {}, empty("No dataset yet.")));
    more.replaceChildren(...(page.next_cursor ? [doing("Show older datasets", () => load(page.next_cursor))] : []));
  };
  await load();
  add(into, head("Datasets", { about: "Records to train on. The same records are the same dataset, however often they are sent." }), dropZone(), items, more);
}

/** Takes a file, by dropping or choosing it. */
function dropZone() {
  const told = h("div", { class: "told", "aria-live": "polite" });
  const send = async (file) => {
    if (!file) return;
    const share = h("progress", { max: "1", value: 0, "aria-label": `Upload of ${file.name}` });
    const text = h("span", { class: "soft" }, `${file.name}, ${bytes(file.size)}`);
    told.replaceChildren(h("div", { class: "progress" }, share, text));
    try {
      const set = await upload(file, (sent) => { share.value = sent; if (sent >= 1) text.textContent = `${file.name} is here; looking at its columns …`; });
      say(`${file.name} was uploaded`);
      location.hash = `#/datasets/${set.id}`;
    } catch (error) {
      told.replaceChildren(trouble(error));
    } finally { input.value = ""; }
  };
  const input = h("input", { type: "file", id: "file", accept: ".csv,.tsv,.jsonl,.ndjson,.json,.parquet,.zip", onchange: () => send(input.files[0]) });
  const over = (on) => (event) => { event.preventDefault(); zone.classList.toggle("over", on); };
  const zone = h("div", { class: "drop", ondragenter: over(true), ondragover: over(true), ondragleave: over(false),
    ondrop: (event) => { over(false)(event); send(event.dataTransfer.files[0]); } },
  h("p", { class: "big" }, h("label", { for: "file" }, "Drop a file here, or choose one")), input,
  h("p", { class: "soft small" }, "CSV, JSON Lines, JSON, Parquet, or a zip archive of images in folders named after their labels"), told);
  const samples = h("details", {}, h("summary", {}, "No data at hand? Make some"), h("div", { class: "samples" }, SAMPLES.map(([type, about]) =>
    h("div", {}, doing(capital(type), async () => { location.hash = `#/datasets/${(await post("/v1/datasets", { generator: { type } })).id}`; }), h("span", { class: "soft small" }, about)))));
  return h("section", { class: "card", "aria-label": "Upload" }, zone, samples);
}

export async function page({ into, signal, args: [id] }) {
  const [set, records, models] = await Promise.all([get(`/v1/datasets/${id}`, signal), get(`/v1/datasets/${id}/records?limit=20`, signal), get(`/v1/jobs?dataset=${id}&limit=10`, signal)]);
  const figure = (name, bars) => later(`/v1/datasets/${id}/figures/${name}`, { get, signal, height: barsHeight(bars) });
  const balanced = set.columns.filter((one) => ["category", "boolean"].includes(one.kind) && one.values?.length > 0 && one.distinct <= 200).slice(0, 6);
  add(into,
    head(set.name, {
      trail: [["Datasets", "#/datasets"]],
      actions: [link("Train a model", `#/datasets/${id}/train`, "button primary"), doing("Delete", async () => {
        if (await confirm(`Delete the dataset ${set.name}? Its models stay, but cannot be diagnosed without it.`, "Delete it")) { await remove(`/v1/datasets/${id}`); location.hash = "#/datasets"; }
      }, "danger")],
    }),
    facts([["Rows", number(set.rows)], ["Columns", set.columns.length], ["Size", bytes(set.bytes)], ["Format", set.format ? words(set.format) : "generated"],
      ["Repeated rows", set.duplicate_rows > 0 && number(set.duplicate_rows)], ["Stored", moment(set.created_at)], ["Id", h("code", {}, set.id)]]),
    warnings(set.warnings),
    card("Columns", table("Columns", ["Column", "Kind", "Missing", "Different values", "Holds"], set.columns.map((one) => [
      one.name, words(one.kind), one.missing ? `${number(one.missing)} (${percent(one.missing / set.rows)})` : "none", `${one.distinct_exact ? "" : "about "}${number(one.distinct)}`, holds(one)]), { stacked: true })),
    balanced.length > 0 && card("Balance", h("div", { class: "grid2" }, balanced.map((one) => figure(`balance?column=${encodeURIComponent(one.name)}`, Math.min(31, one.values.length) + (one.missing > 0 ? 1 : 0))))),
    set.columns.some((one) => one.missing > 0) && card("Missing values", figure("missing", set.columns.length)),
    card("Records", samplesOf(set, records, signal)),
    models.items.length > 0 && card("Trained on it", h("ul", {}, models.items.filter((job) => job.kind === "train").map((job) => h("li", {}, link(`Training ${short(job.id)}`, `#/runs/${job.run}`), ` ${words(job.status)}, `, moment(job.created_at))))));
}

function holds(one) {
  if (one.range) return `${number(one.range.min)} to ${number(one.range.max)}, mean ${number(one.range.mean)}`;
  if (one.images) return `${number(one.images.png + one.images.jpeg)} images, ${one.images.width[0]} to ${one.images.width[1]} pixels wide`;
  if (one.kind === "text" && one.characters) return `${number(one.characters.min)} to ${number(one.characters.max)} letters, mean ${number(Math.round(one.characters.mean))}`;
  if (one.values) return one.values.slice(0, 6).map((v) => v.value).join(", ") + (one.values.length > 6 ? ", …" : "");
  return "";
}

function samplesOf(set, first, signal) {
  const columns = set.columns.map((one) => one.name);
  const kinds = new Map(set.columns.map((one) => [one.name, one.kind]));
  const cell = (record, name) => {
    const value = record[name];
    if (kinds.get(name) === "image" && typeof value === "string") return h("img", { class: "thumb", loading: "lazy", alt: "", src: `data:image/${value.startsWith("/9j") ? "jpeg" : "png"};base64,${value}` });
    const text = shown(value);
    return text.length > 300 ? `${text.slice(0, 300)}…` : text;
  };
  const row = (record, number) => h("tr", {}, h("th", { scope: "row" }, String(number)), columns.map((name) => h("td", {}, cell(record, name))));
  const body = h("tbody", {}, first.items.map((record, at) => row(record, first.first_row + at)));
  const more = h("div", { class: "actions" });
  const page = (next) => more.replaceChildren(...(next ? [doing("Show more", async () => {
    const found = await get(`/v1/datasets/${set.id}/records?limit=20&cursor=${next}`, signal);
    body.append(...found.items.map((record, at) => row(record, found.first_row + at)));
    page(found.next_cursor);
  })] : []));
  page(first.next_cursor);
  return [h("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": "Records" }, h("table", { class: "records" }, h("caption", {}, "Records"), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Row"), columns.map((name) => h("th", { scope: "col" }, name)))), body)), more];
}
