// The list of jobs, as it is now.

import { h, moment, words, short, capital } from "./dom.js";
import { get, act, follow, datasetName } from "./api.js";
import { resume } from "./resume.js";
import { head, badge, progress, doing, select, link, empty, confirm, again } from "./parts.js";

const STATUSES = ["queued", "running", "cancelling", "succeeded", "stopped", "cancelled", "failed"];
const KINDS = ["train", "diagnose", "evaluate", "sweep", "range_test"];
const active = (job) => ["queued", "running", "cancelling"].includes(job.status);

/** Where a job can be looked at. */
export const placeOf = (job) => {
  if (job.kind === "train" || job.kind === "range_test") return `#/runs/${job.run}`;
  if (job.kind === "diagnose" && job.model) return `#/models/${job.model}/limitations?job=${job.id}`;
  return `#/jobs/${job.id}`;
};

/** Buttons that end a job. */
export const endings = (job, then) => active(job) && job.status !== "cancelling" ? [
  job.status === "running" && job.end_requested !== "stop" && doing(["train", "sweep"].includes(job.kind) ? "Stop and keep the best" : "Stop and keep what it has", async () => { await act(`/v1/jobs/${job.id}/stop`); await then(); }),
  doing("Cancel", async () => {
    if (await confirm("Cancel this job? What it has done so far is lost.", "Cancel the job")) { await act(`/v1/jobs/${job.id}/cancel`); await then(); }
  }, "danger"),
] : [];

export async function list({ into, signal, query }) {
  const asked = { status: query.get("status") ?? "", kind: query.get("kind") ?? "" };
  const names = new Map();
  let extra = [];
  let next = null;
  const rows = h("ul", { class: "items", "aria-label": "Jobs, newest first" });
  const more = h("div", { class: "actions" });
  const path = (cursor) => {
    const wanted = new URLSearchParams({ limit: "30" });
    for (const [name, value] of Object.entries(asked)) if (value) wanted.set(name, value);
    if (cursor) wanted.set("cursor", cursor);
    return `/v1/jobs?${wanted}`;
  };
  const narrow = (name) => (event) => { asked[name] = event.target.value; extra = []; known.clear(); refresh(); };
  const options = (all, any) => [["", any], ...all.map((one) => [one, capital(words(one))])];
  const known = new Map();
  let following = null;

  const row = (job) => {
    const dataset = names.get(job.dataset);
    return h("li", { class: "item" },
      h("div", { class: "what" },
        h("a", { class: "title", href: placeOf(job) }, `${capital(words(job.kind))} `, h("span", { class: "soft" }, dataset ? `on ${dataset}` : "")),
        h("div", { class: "soft small" }, short(job.id), " · ", moment(job.created_at), job.attempt > 1 ? ` · attempt ${job.attempt} of ${job.max_attempts}` : "")),
      h("div", { class: "state" }, badge(job.end_requested === "stop" && job.status === "running" ? "stopping" : job.status, job.status === "running" ? "busy" : undefined),
        active(job) && progress(job),
        job.error && h("p", { class: "bad small" }, job.error.detail),
        job.warnings.length > 0 && h("span", { class: "soft small" }, `${job.warnings.length} warning${job.warnings.length > 1 ? "s" : ""}`)),
      h("div", { class: "actions" },
        endings(job, refresh),
        job.kind === "train" && ["stopped", "failed"].includes(job.status) && doing("Resume", () => resume(job.run), "small"),
        job.model && job.kind === "train" && link("Model", `#/models/${job.model}`, "button small"),
        job.model && job.kind === "train" && link("Try it", `#/models/${job.model}/try`, "button small")));
  };

  const draw = (jobs) => {
    if (jobs.length === 0) {
      rows.replaceChildren(h("li", {}, asked.status || asked.kind ? empty("No job is like that.") : empty("Nothing has been trained yet.",
        h("p", {}, "Upload your records, choose the column to predict, and Whereof trains a model and tells you where it cannot be trusted."),
        link("Start with a dataset", "#/datasets", "button primary"))));
      known.clear();
      return;
    }
    // Rows that did not change stay, so that nobody's focus is lost.
    const wanted = jobs.map((job) => {
      const version = JSON.stringify([job, names.get(job.dataset)]);
      const before = known.get(job.id);
      if (before?.version === version) return before.row;
      if (before?.row.contains(document.activeElement) && active(job)) {
        before.row.querySelector(".state").replaceWith(row(job).querySelector(".state"));
        return before.row;
      }
      const made = row(job);
      known.set(job.id, { version, row: made });
      return made;
    });
    if (wanted.length !== rows.childElementCount || wanted.some((one, at) => rows.children[at] !== one)) rows.replaceChildren(...wanted);
  };

  async function refresh() {
    const page = await get(path(), signal);
    if (extra.length === 0) next = page.next_cursor;
    const first = new Set(page.items.map((job) => job.id));
    const jobs = [...page.items, ...extra.filter((job) => !first.has(job.id))];
    draw(jobs);
    const unnamed = [...new Set(jobs.map((job) => job.dataset))].filter((id) => !names.has(id));
    Promise.all(unnamed.map(async (id) => names.set(id, await datasetName(id, signal)))).then(() => { if (unnamed.length > 0 && !signal.aborted) draw(jobs); });
    more.replaceChildren(...(next ? [doing("Show older jobs", async () => {
      const older = await get(path(next), signal);
      extra.push(...older.items);
      next = older.next_cursor ?? null;
      await refresh();
    })] : []));
    // The events of the job that runs tell at once what the list would tell later.
    const running = page.items.find((job) => job.status === "running");
    if (running && following !== running.id) {
      following = running.id;
      let due = 0;
      follow(running.id, () => { if (Date.now() > due) { due = Date.now() + 400; refresh().catch(() => {}); } }, signal);
    }
    busy = page.items.some(active);
  }
  let busy = false;

  into.append(
    head("Jobs", { about: "Everything that was asked for, newest first. The list keeps itself up to date.", actions: [link("New training", "#/datasets", "button primary")] }),
    h("div", { class: "filters" },
      h("label", {}, "Status ", select(options(STATUSES, "any"), asked.status, narrow("status"))),
      h("label", {}, "Kind ", select(options(KINDS, "any"), asked.kind, narrow("kind")))),
    rows, more);
  await refresh();
  again(refresh, () => (busy ? 2000 : 5000), signal);
}
