// A job by itself: a sweep with its settings, an evaluation with its report, or the way to what it made.

import { h, number, percent, interval, moment, words, short, capital, duration, metricName } from "./dom.js";
import { get, follow, save } from "./api.js";
import { head, badge, progress, card, doing, facts, table, trouble, warnings, link, bar, shown, again } from "./parts.js";
import { chart, later } from "./chart.js";
import { barsHeight } from "./shapes.js";
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
  const found = await get(`/v1/jobs/${job.id}/sweep`, signal);
  const figures = `/v1/jobs/${job.id}/figures`;
  if (!drawn.table) {
    drawn.table = h("div", {});
    drawn.places = { trials: h("div", { class: "place big-room" }), importance: h("div", { class: "place" }) };
    body.append(card("Settings", h("p", { class: "soft" }, `A line for each setting, through what it had of each field, to its ${words(found.sweep.metric)} on the validation records. The strongest line is the best; a click opens its run, and dragging along an axis keeps the lines that pass there.`), drawn.places.trials),
      card("What mattered", drawn.places.importance), card("Best first", drawn.table));
  }
  const options = { trials: { height: 340, picked: (run) => { location.hash = `#/runs/${run}`; } }, importance: { height: 140 } };
  for (const [name, place] of Object.entries(drawn.places)) {
    get(`${figures}/${name}`, signal).then((figure) => {
      if (drawn[name]) return drawn[name].update(figure);
      drawn[name] = chart(figure, { source: `${figures}/${name}`, ...options[name] });
      place.replaceChildren(drawn[name].element);
    }).catch((error) => !signal.aborted && !drawn[name] && place.replaceChildren(trouble(error)));
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
  const { metrics, coverage, flagged, accepted, accuracy_of_accepted: right } = report.overall ?? {};
  const there = [["coverage", report.coverage_bins?.some((bin) => bin.accuracy != null)], ["reliability", report.reliability], ["slices", report.slices?.some((slice) => slice.metrics?.accuracy != null)]].filter(([, is]) => is);
  if (metrics) {
    const names = ["records", "accuracy", "macro_f1", "log_loss", "brier", "ece", "rmse", "mae", "r2"];
    body.append(card("What was measured", table("Metrics", ["Metric", "Value", "95 % interval"],
      names.filter((name) => typeof metrics[name] === "number").map((name) => [metricName(name), h("span", {}, number(metrics[name])), interval(metrics[`${name}_interval`])]))));
  }
  const shares = [...Object.entries(coverage ?? {}), ["flagged as outside", flagged], ["accepted", accepted], ["right among the accepted", right]].filter(([, value]) => typeof value === "number");
  if (shares.length > 0) {
    body.append(card("What the model knows of it", h("dl", { class: "bars" }, shares.map(([name, value]) => h("div", {}, h("dt", {}, capital(words(name))), h("dd", {}, bar(value), h("span", { class: "num" }, percent(value, 0))))))));
  }
  if (report.unlabelled) body.append(...unlabelled(report.unlabelled));
  if (there.length > 0) body.append(card("Where it does well", h("div", { class: "grid2" }, there.map(([name]) => later(`/v1/jobs/${job.id}/figures/${name}`, { get, signal, height: name === "slices" ? barsHeight(report.slices.length) : 260 })))));
  const drift = report.drift;
  if (drift?.axes) {
    body.append(card("Is it like the training data?", h("p", {}, badge(drift.shifted ? "shifted" : "no shift found", drift.shifted ? "bad" : "good"), ` p = ${number(drift.p_value)}, told at ${number(drift.alpha)}.`),
      table("Drift by axis", ["Axis", "Calibration records", "These records", "p-value, corrected"], drift.axes.map((one) => [capital(words(one.axis)), h("span", {}, number(one.reference)), h("span", {}, number(one.batch)), h("span", {}, number(one.adjusted_p_value))]), { stacked: true }),
      later(`/v1/jobs/${job.id}/figures/drift`, { get, signal, height: barsHeight(drift.axes.length) })));
  }
  body.append(card("The whole report", h("div", { class: "actions" }, ["csv", "jsonl", "parquet"].map((format) => doing(`Each record as ${format.toUpperCase()}`, () => save(`/v1/jobs/${job.id}/results?format=${format}`, `${job.id}.${format}`), "small"))), h("details", {}, h("summary", {}, "As JSON"), h("pre", { tabindex: "0" }, JSON.stringify(report, null, 2)))));
}

/** What can be said of records without labels. */
function unlabelled({ estimated_accuracy: guess, uncovered_terms: terms, label_first: first }) {
  return [
    guess && card("How well it does, as far as that can be told without labels", h("p", { class: "big" }, `About ${percent(guess.accuracy)} right, ${percent(guess.interval[0])} to ${percent(guess.interval[1])}.`)),
    terms.length > 0 && card("What it does not know of them", table("Unknown words, or columns with values outside", ["Word or column", "Records"], terms.map((one) => [one.term, number(one.records)]))),
    first.length > 0 && card("Label these first", h("p", { class: "soft" }, `${first.length} records whose labels would teach it most, by row: `, first.map((one) => one.row).join(", "), ".")),
  ].filter(Boolean);
}
