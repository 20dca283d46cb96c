// A run: what it did, live while it trains; its spec, its difference from another run, its environment.

import { h, add, number, percent, interval, moment, short, words, capital, duration, metricName } from "./dom.js";
import { get, follow, save } from "./api.js";
import { head, badge, progress, card, facts, table, trouble, warnings, link, doing, select, flat, shown, again } from "./parts.js";
import { chart } from "./chart.js";
import { endings } from "./jobs.js";
import { resume } from "./resume.js";

const FIGURES = ["loss", "metrics", "learning_rate", "gradient_norm"];
const METRICS = ["records", "accuracy", "macro_f1", "micro_f1", "log_loss", "brier", "ece", "mse", "rmse", "mae", "r2"];

export async function page({ into, signal, args: [id] }) {
  let run = await get(`/v1/runs/${id}`, signal);
  let job = null;
  /** Asks for the job first: of one that has ended, the run is then as it ended. */
  const look = async () => {
    const asked = await get(`/v1/jobs/${run.job}`, signal);
    const its = await get(`/v1/runs/${id}`, signal);
    [job, run] = [asked, its];
  };
  const [, dataset] = await Promise.all([look(), get(`/v1/datasets/${run.spec.dataset}`, signal).catch(() => null)]);
  const top = h("div", {});
  const ended = h("div", { class: "stack" });
  const range = job.kind === "range_test";
  const charts = {};
  const places = Object.fromEntries(FIGURES.map((name) => [name, h("div", { class: "place" })]));
  const own = run.trial == null;
  let original = null;
  let points = 600;

  const draw = () => {
    const title = run.spec.model_name ?? short(run.id);
    const model = run.model;
    top.replaceChildren(...[
      head(`${range ? "Range test" : "Training"} of ${title}`, {
        trail: [["Jobs", "#/jobs"]],
        actions: [
          own && endings(job, refresh),
          model && link("Try the model", `#/models/${model}/try`, "button primary"),
          model && link("Its limitations", `#/models/${model}/limitations`, "button"),
          own && run.checkpoint && job.finished_at && !range && doing("Resume", () => resume(run)),
          original && link("Compare with the original", `#/compare?ids=${original},${run.id}`, "button"),
        ].flat().filter(Boolean),
      }),
      h("div", { class: "status-line" }, badge(job.end_requested === "stop" && run.status === "running" ? "stopping" : run.status, run.status === "running" ? "busy" : undefined),
        own && !job.finished_at && progress(job)),
      facts([
        ["Dataset", dataset ? link(dataset.name, `#/datasets/${dataset.id}`) : short(run.spec.dataset)],
        ["Model", model && link(short(model), `#/models/${model}`)],
        ["Epochs", run.epochs != null && `${run.epochs} of ${run.spec.training.epochs} at most`],
        ["Best epoch", run.best_epoch],
        ["Ended", run.end_reason && words(run.end_reason)],
        ["Took", run.seconds && duration(run.seconds.total)],
        ["Started", job.started_at && moment(job.started_at)],
        ["Goes on from", run.continues && link(short(run.continues), `#/runs/${run.continues}`)],
      ]),
      job.error && trouble({ message: job.error.detail, ...job.error }),
      warnings(job.warnings),
    ].filter(Boolean));
  };

  /** Of the remedy of a finding, the run that it is to be better than. */
  async function findOriginal() {
    const model = run.model && await get(`/v1/models/${run.model}`, signal);
    const before = model?.remedy_of && await get(`/v1/models/${model.remedy_of.model}`, signal).catch(() => null);
    original = before?.run ?? null;
    if (original) draw();
  }

  const results = () => {
    const parts = ["test", "validation", "train"].filter((part) => run.metrics?.[part]);
    const kept = parts.length === 0 ? [] : [card("How well it does", h("p", { class: "soft" }, "Test records are those that nothing was fitted to or chosen by."),
      table("Metrics by part", ["Metric", ...parts], METRICS.filter((name) => parts.some((part) => run.metrics[part][name] != null)).map((name) => [
        metricName(name), ...parts.map((part) => {
          const of = run.metrics[part];
          return h("span", {}, number(of[name]), of[`${name}_interval`] && h("span", { class: "soft small" }, ` (${interval(of[`${name}_interval`])})`));
        })])))];
    if (range && run.range_test) {
      kept.unshift(card("What it says", h("p", { class: "big" }, run.range_test.suggestion ? `Train with a learning rate of ${number(run.range_test.suggestion)}.` : "It suggests no learning rate."), h("p", {}, capital(run.range_test.reason))));
    }
    ended.replaceChildren(...kept);
  };

  let asked = 0;
  const newest = {};
  async function figures() {
    const mine = ++asked;
    const names = range ? (run.range_test ? ["range_test"] : []) : FIGURES;
    await Promise.all(names.map(async (name) => {
      const figure = await get(`/v1/runs/${id}/figures/${name}?max_points=${points}`, signal);
      // Only what is older than what is shown is left out: on a slow server there is always a newer question.
      if (mine < (newest[name] ?? 0)) return;
      newest[name] = mine;
      if (charts[name]) charts[name].update(figure);
      else {
        // Who looks closer gets more of the points.
        const closer = () => { points = 6000; figures().catch(() => {}); };
        charts[name] = chart(figure, { tools: true, height: name === "loss" || range ? 320 : 240, source: `/v1/runs/${id}/figures/${name}`, closer });
        (places[name] ?? places.loss).replaceChildren(charts[name].element);
      }
    }));
  }

  async function refresh() {
    await look();
    draw();
    results();
    await figures();
    if (run.model && original === null) await findOriginal();
  }

  let under = null;
  /** One at a time: a slow server is not asked again before it has answered. */
  const once = () => (under ??= refresh().finally(() => { under = null; }));

  draw();
  results();
  add(into, top, card("Curves", h("div", { class: "place big-place" }, places.loss), !range && h("div", { class: "grid3" }, FIGURES.slice(1).map((name) => places[name])),
    !range && h("div", { class: "actions" }, doing("All steps as CSV", () => save(`/v1/runs/${id}/metrics?format=csv&max_points=100000`, `${id}.csv`), "small"))),
    ended, spec(run, signal), environment(run));
  figures().catch((error) => !signal.aborted && places.loss.replaceChildren(trouble(error)));
  findOriginal().catch(() => {});

  if (!job.finished_at) {
    let due = 0;
    let late = null;
    const heard = () => {
      const wait = due - Date.now();
      if (wait <= 0) { due = Date.now() + 700; once().catch(() => {}); } else late ??= setTimeout(() => { late = null; due = Date.now() + 700; if (!signal.aborted) once().catch(() => {}); }, wait);
    };
    follow(job.id, heard, signal).then(() => { if (!signal.aborted) refresh().catch(() => {}); });
    again(async () => { if (!job.finished_at) await once(); }, () => 4000, signal);
  }
}

/** The resolved spec; beside another run's, where one is chosen. */
function spec(run, signal) {
  const rows = h("div", {});
  const own = flat(run.spec);
  const whole = () => rows.replaceChildren(h("details", {}, h("summary", {}, `All ${own.length} settings`),
    table("Spec", ["Setting", "Value"], own.map(([path, value]) => [path, typeof value === "number" ? number(value) : shown(value)]))));
  const choose = select([["", "no other run"]], "", async (event) => {
    const other = event.target.value;
    if (!other) return whole();
    const that = new Map(flat((await get(`/v1/runs/${other}`, signal)).spec));
    const paths = [...new Set([...own.map(([path]) => path), ...that.keys()])];
    const mine = new Map(own);
    const different = paths.filter((path) => JSON.stringify(mine.get(path)) !== JSON.stringify(that.get(path)));
    rows.replaceChildren(h("p", {}, different.length === 0 ? "Both have the same settings." : "", " ", link("Compare their results", `#/compare?ids=${other},${run.id}`)),
      different.length > 0 ? table("Settings that differ", ["Setting", "This run", "The other run"], different.map((path) => [path, shown(mine.get(path)), shown(that.get(path))])) : "");
  });
  get("/v1/runs?limit=50", signal).then((page) => {
    for (const one of page.items) if (one.id !== run.id) choose.append(h("option", { value: one.id }, `${one.spec.model_name ?? "run"} ${short(one.id)}`));
  }).catch(() => {});
  whole();
  return card("Settings", h("p", {}, h("label", {}, "Difference from ", choose)), rows);
}

const environment = (run) => run.environment && card("Environment", facts([
  ["Whereof", run.environment.whereof_version], ["Commit", run.environment.commit], ["Platform", run.environment.platform], ["Device", run.environment.device],
  ["Threads", run.environment.threads], ["Processor", run.environment.cpu_features.join(", ")], ["Seed", run.environment.seed],
  ...Object.entries(run.seconds?.phases ?? {}).map(([phase, seconds]) => [capital(words(phase)), duration(seconds)]),
  ["Share training", run.seconds?.phases?.training && percent(run.seconds.phases.training / run.seconds.total, 0)]]));
