// A job by itself: a sweep with its settings, an evaluation with its report, or the way to what it made.

import { h, number, percent, interval, moment, words, short, capital, duration } from "./dom.js";
import { get, follow } from "./api.js";
import { head, badge, progress, card, facts, table, trouble, warnings, link, bar, shown, again } from "./parts.js";
import { chart } from "./chart.js";
import { endings, placeOf } from "./jobs.js";

export async function page({ into, signal, args: [id] }) {
  let job = await get(`/v1/jobs/${id}`, signal);
  const place = placeOf(job);
  if (!place.startsWith("#/jobs/")) { location.replace(place); return; }
  const top = h("div", {});
  const body = h("div", { class: "stack" });
  const show = { sweep, evaluate }[job.kind];
  const drawn = {};
  into.append(top, body);

  async function refresh() {
    job = await get(`/v1/jobs/${id}`, signal);
    top.replaceChildren(
      head(capital(words(job.kind)), { trail: [["Jobs", "#/jobs"]], actions: endings(job, refresh) }),
      h("div", { class: "status-line" }, badge(job.status), !job.finished_at && progress(job)),
      facts([["Job", short(job.id)], ["Dataset", link(short(job.dataset), `#/datasets/${job.dataset}`)],
        ["Model", job.model && link(short(job.model), `#/models/${job.model}`)],
        ["Accepted", moment(job.created_at)], ["Ended", job.finished_at && moment(job.finished_at)],
        ["Took", job.finished_at && job.started_at && duration((new Date(job.finished_at) - new Date(job.started_at)) / 1000)]]),
      ...[job.error && trouble({ message: job.error.detail, ...job.error }), warnings(job.warnings)].filter(Boolean));
    await show?.(job, body, drawn, signal);
  }
  await refresh();
  if (!job.finished_at) {
    let due = 0;
    follow(id, () => { if (Date.now() > due) { due = Date.now() + 800; refresh().catch(() => {}); } }, signal).then(() => !signal.aborted && refresh());
    again(async () => { if (!job.finished_at) await refresh(); }, () => 5000, signal);
  }
}

async function sweep(job, body, drawn, signal) {
  const [found, trials, importance] = await Promise.all([
    get(`/v1/jobs/${job.id}/sweep`, signal), get(`/v1/jobs/${job.id}/figures/trials`, signal), get(`/v1/jobs/${job.id}/figures/importance`, signal)]);
  if (!drawn.trials) {
    drawn.trials = chart(trials, { height: 340 });
    drawn.importance = chart(importance, {});
    drawn.table = h("div", {});
    body.append(card("Settings", h("p", { class: "soft" }, `A line for each setting, through what it had of each field, to its ${words(found.sweep.metric)} on the validation records. The strongest line is the best.`), drawn.trials.element),
      card("What mattered", drawn.importance.element), card("Best first", drawn.table));
  } else {
    drawn.trials.update(trials);
    drawn.importance.update(importance);
  }
  const fields = Object.keys(found.sweep.space);
  const runs = found.trials.filter((one) => one.runs.length > 0 && one.value != null).slice(0, 5).map((one) => one.runs[0].run);
  drawn.table.replaceChildren(
    runs.length > 1 ? h("p", {}, link(`Compare the best ${runs.length}`, `#/compare?ids=${runs.join(",")}`)) : "",
    table("Settings, best first", ["Rank", ...fields, words(found.sweep.metric), "Status", "Run"], found.trials.map((one) => [
      String(one.rank), ...fields.map((field) => (typeof one.parameters[field] === "number" ? number(one.parameters[field]) : shown(one.parameters[field]))),
      number(one.value), badge(one.status, one.status === "finished" ? "good" : one.status === "failed" ? "bad" : "mute"),
      one.runs[0] ? link(short(one.runs[0].run), `#/runs/${one.runs[0].run}`) : ""])));
}

async function evaluate(job, body, drawn, signal) {
  if (!job.finished_at || drawn.done || job.error) return;
  drawn.done = true;
  const report = await get(`/v1/jobs/${job.id}/evaluation`, signal);
  const metrics = report.metrics ?? report;
  const names = ["records", "accuracy", "macro_f1", "log_loss", "brier", "ece", "rmse", "mae", "r2"];
  body.append(card("What was measured", table("Metrics", ["Metric", "Value", "95 % interval"],
    names.filter((name) => typeof metrics[name] === "number").map((name) => [capital(words(name)), number(metrics[name]), interval(metrics[`${name}_interval`])]))));
  const coverage = report.coverage;
  if (coverage) {
    const shares = Object.entries(coverage).filter(([, value]) => typeof value === "number" && value >= 0 && value <= 1);
    if (shares.length > 0) {
      body.append(card("How much of it the model has seen", table("Coverage", ["Axis", "Mean", ""],
        shares.map(([name, value]) => [capital(words(name)), percent(value), bar(value)]))));
    }
  }
  body.append(card("The whole report", h("details", {}, h("summary", {}, "As JSON"), h("pre", { tabindex: "0" }, JSON.stringify(report, null, 2)))));
}
