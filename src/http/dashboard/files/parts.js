// What several pages show: heads, badges, bars, tables, problems, dialogs.

import { h, say, number, percent, duration, capital, words } from "./dom.js";
import { Problem } from "./api.js";

const TONES = { queued: "wait", running: "busy", cancelling: "busy", succeeded: "good", stopped: "good", cancelled: "mute", failed: "bad" };

export const badge = (status, tone) => h("span", { class: `badge ${tone ?? TONES[status] ?? "mute"}` }, words(status));

/** The head of a page: where it stands, its title, what can be done. */
export function head(title, { trail = [], actions = [], about } = {}) {
  document.title = `${title} · Whereof`;
  return h("div", { class: "head" },
    trail.length > 0 && h("nav", { class: "trail", "aria-label": "Breadcrumb" },
      h("ol", {}, trail.map(([name, to]) => h("li", {}, h("a", { href: to }, name))))),
    h("div", { class: "row" }, h("h1", { class: "name" }, title), h("div", { class: "actions" }, actions)),
    about && h("p", { class: "soft" }, about));
}

export const button = (text, onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, text);
export const link = (text, href, kind = "") => h("a", { href, class: kind }, text);

export const card = (title, ...kids) => {
  const id = `part-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), kids);
};

/** Names and values in a row. */
export const facts = (pairs) => h("dl", { class: "facts" },
  pairs.filter(([, value]) => value !== undefined && value !== null && value !== false)
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

/** A table; a cell is text, an element, or {number}. Wide ones scroll by themselves. */
export function table(label, columns, rows, { stacked = false } = {}) {
  const cell = (value, at) => {
    const name = columns[at];
    const right = typeof value === "number";
    const shown = right ? number(value) : value;
    return at === 0
      ? h("th", { scope: "row" }, shown)
      : h("td", { class: right ? "num" : null, "data-label": name }, shown ?? "");
  };
  const body = h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))));
  const made = h("table", { class: stacked ? "stacked" : null }, h("caption", {}, label),
    h("thead", {}, h("tr", {}, columns.map((name, at) => h("th", { scope: "col", class: typeof rows[0]?.[at] === "number" ? "num" : null }, name)))), body);
  return stacked ? made : h("div", { class: "scroll", role: "group", "aria-label": label, tabindex: "0" }, made);
}

/** How far a job is, and how long it takes. */
export function progress(job) {
  const share = Math.max(0, Math.min(1, job.progress ?? 0));
  const label = job.status === "queued"
    ? (job.queue_position ? `${job.queue_position} before it` : "next in the queue")
    : [job.phase && words(job.phase), percent(share, 0), job.eta_seconds != null && `${duration(job.eta_seconds)} left`].filter(Boolean).join(", ");
  return h("div", { class: "progress" },
    h("progress", { max: "1", value: share, "aria-label": `Progress of the ${words(job.kind)} job` }),
    h("span", { class: "soft" }, label));
}

/** A problem, with every field or row that is at fault. */
export function trouble(error) {
  const body = error instanceof Problem ? error.body : { detail: error.message };
  const fields = body.errors ?? [];
  const rows = fields.some((one) => one.row != null || one.column != null);
  return h("div", { class: "trouble", role: "alert" },
    h("p", {}, h("strong", {}, body.title ? `${body.title}. ` : ""), capital(body.detail ?? "Something went wrong.")),
    body.hint && h("p", {}, capital(body.hint)),
    fields.length > 0 && table("What is at fault", rows ? ["Row", "Column", "What", "What to do"] : ["Field", "What", "What to do"],
      fields.map((one) => rows
        ? [one.row != null ? String(one.row) : "–", one.column ?? "–", one.message, one.hint ?? ""]
        : [one.field, one.message, one.hint ?? ""]), { stacked: true }),
    body.request_id && h("p", { class: "soft small" }, `Request ${body.request_id}`));
}

export const warnings = (list) => list?.length > 0 && h("section", { class: "card warn", "aria-label": "Warnings" },
  h("h2", {}, list.length === 1 ? "A warning" : `${list.length} warnings`),
  h("ul", {}, list.map((one) => h("li", {}, capital(one.message ?? one.code ?? String(one))))));

/** Asks before something is done that cannot be undone. */
export function confirm(question, yes) {
  return new Promise((resolve) => {
    const done = (answer) => { dialog.close(); dialog.remove(); resolve(answer); };
    const dialog = h("dialog", { "aria-labelledby": "asked", oncancel: () => done(false) },
      h("p", { id: "asked" }, question),
      h("div", { class: "actions" }, button("Keep it", () => done(false)), button(yes, () => done(true), "danger")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A button that is busy while what it does is under way, and shows what went wrong beside it. */
export function doing(text, action, kind = "") {
  const made = h("button", { type: "button", class: kind, onclick: async () => {
    made.disabled = true;
    made.parentElement?.querySelector(":scope > .trouble")?.remove();
    try { await action(); } catch (error) {
      made.after(trouble(error));
    } finally { made.disabled = false; }
  } }, text);
  return made;
}

/** A field of a form with its label and what it is about. */
export function field(label, control, hint) {
  const id = control.id || `field-${label.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: "field" }, h("label", { for: id }, label), control, hint && h("p", { id: `${id}-hint`, class: "soft small" }, hint));
}

export const select = (options, chosen, onchange) => h("select", { onchange },
  options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));

/** What stands where nothing is yet. */
export const empty = (title, ...kids) => h("div", { class: "empty" }, h("p", { class: "big" }, title), kids);

export const bar = (share, tone = "") => h("span", { class: `meter ${tone}`, "aria-hidden": "true", vars: { "--share": Math.max(0, Math.min(1, share || 0)) } });

/** Every setting of a spec by its path. */
export function flat(value, path = "", out = []) {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    for (const [name, inner] of Object.entries(value)) flat(inner, path ? `${path}.${name}` : name, out);
  } else out.push([path, value]);
  return out;
}

export const shown = (value) => (typeof value === "string" ? value : value === null || value === undefined ? "–" : JSON.stringify(value));

/** Does `action` now and then again while the page is looked at; `every` gives the pause in milliseconds. */
export async function again(action, every, signal) {
  while (!signal.aborted) {
    if (!document.hidden) {
      try { await action(); } catch (error) { if (!signal.aborted) say(error.message); }
    }
    await new Promise((wake) => setTimeout(wake, every()));
  }
}
