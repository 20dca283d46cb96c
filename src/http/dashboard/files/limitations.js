// The limitations of a model: the report while it grows, and what can be done about what it found.

import { h, s, add, number, percent, interval, words, capital, short, duration } from "./dom.js";
import { get, post, follow, hasKey } from "./api.js";
import { head, badge, progress, card, table, link, doing, field, trouble, empty, shown, again } from "./parts.js";
import { later } from "./chart.js";
import { tabs, titleOf } from "./models.js";
import { endings } from "./jobs.js";

const AREAS = { generalization: "Records unlike those that trained", data: "The records themselves", capacity: "What the network can represent", optimization: "How training went", confidence: "How far its confidence can be trusted" };
const VERDICTS = { verified: ["It helped", "good"], refuted: ["It did not help", "bad"], inconclusive: ["It could not be told", "mute"] };
const level = (severity) => (severity >= 0.5 ? "severe" : severity >= 0.2 ? "moderate" : "mild");
const title = (kind) => capital(words(kind));

export async function page({ into, signal, query, args: [reference] }) {
  const model = await get(`/v1/models/${reference}`, signal);
  let id = query.get("job");
  let job = null;
  let last = "";
  const drawn = new Map();
  const running = h("div", {});
  const report = h("div", { class: "stack" });
  if (!id) {
    // The newest of this model; most are on the first page.
    for (let cursor = ""; id === null && cursor !== undefined;) {
      const jobs = await get(`/v1/jobs?kind=diagnose&dataset=${model.dataset}&limit=100${cursor && `&cursor=${cursor}`}`, signal);
      id = jobs.items.find((one) => one.model === model.id)?.id ?? null;
      cursor = jobs.next_cursor;
    }
  }

  async function refresh() {
    if (!id) { running.replaceChildren(); report.replaceChildren(nothing()); return; }
    job = await get(`/v1/jobs/${id}`, signal);
    const over = Boolean(job.finished_at);
    running.replaceChildren(...[
      !over && h("section", { class: "card", "aria-label": "The diagnosis" }, h("div", { class: "status-line" }, badge(job.status), progress(job)),
        h("p", { class: "soft" }, "It trains variations of the model, and tries what might help. The report below grows meanwhile."), h("div", { class: "actions" }, endings(job, refresh))),
      job.error && trouble({ message: job.error.detail, ...job.error }),
    ].filter(Boolean));
    // A diagnosis that has told its phase has concluded something before.
    if (!job.phase && !["succeeded", "stopped"].includes(job.status)) {
      report.replaceChildren(h("p", { class: "soft nothing" }, over ? "It came to no conclusion." : "No conclusion yet."));
      return;
    }
    const found = await get(`/v1/models/${model.id}/limitations?job=${id}`, signal);
    const text = JSON.stringify(found);
    if (text !== last) { last = text; draw(found); }
  }

  const start = async (runs) => {
    const made = await post("/v1/jobs", { kind: "diagnose", model: model.id, budget: { runs } });
    location.hash = `#/models/${model.id}/limitations?job=${made.id}`;
  };
  const starter = () => {
    const runs = h("input", { type: "number", min: "1", max: "1000", step: "1", value: "20", required: true });
    const begin = doing("Look for limitations", () => start(Number(runs.value) || 20), "primary");
    return h("div", { class: "starter" }, field("Budget in trainings", runs, "As many as the model's own training would cost. More finds more."), begin);
  };
  const nothing = () => empty("Nobody has looked for its limitations yet.",
    h("p", {}, "Whereof trains variations of the model (half the data, twice the width, other seeds), concludes where it fails and why, and tries the remedies against random changes of equal cost."), starter());

  function draw(found) {
    const of = (status) => found.findings.filter((one) => one.status === status);
    const [present, pending, absent, unmeasured] = ["found", "pending", "not_found", "not_measured"].map(of);
    const context = { model, found, id, signal, drawn };
    report.replaceChildren(...[
      h("section", { class: "card lead", "aria-label": "In short" },
        h("p", { class: "big" }, present.length === 0 ? (found.complete ? "No limitation was found." : "No limitation was found so far.") : `${present.length} limitation${present.length > 1 ? "s" : ""} found${found.complete ? "" : " so far"}, the most severe first.`),
        h("p", { class: "soft" }, `This rests on ${found.scope.probes.length} trainings with ${found.scope.seeds.length} seeds, and ${number(found.scope.records.test)} test records, of which the model has ${found.scope.metric === "accuracy" ? `${percent(found.scope.test)} right` : `a mean squared error of ${number(found.scope.test)}`}.`)),
      ...present.map((one) => finding(one, context)),
      pending.length > 0 && card("Still being looked at", h("ul", {}, pending.map((one) => h("li", {}, h("strong", {}, `${title(one.kind)}. `), tidy(one.statement))))),
      absent.length > 0 && card("Not found, and how hard it looked", absent.map((one) => absence(one, context))),
      (unmeasured.length > 0 || found.scope.not_looked_at.length > 0) && card("Not looked at", h("ul", {}, unmeasured.map((one) => h("li", {}, h("strong", {}, `${title(one.kind)}. `), tidy(one.statement))),
        found.scope.not_looked_at.filter((text) => !unmeasured.some((one) => text.startsWith(`${one.kind}:`))).map((text) => h("li", {}, capital(words(text)))))),
      card("What it rests on", h("p", {}, `It cost ${number(found.scope.spent.runs)} of ${number(found.scope.budget.runs)} trainings: ${number(found.scope.spent.epochs)} epochs, ${duration(found.scope.spent.seconds)}.`),
        h("details", {}, h("summary", {}, `The ${found.scope.probes.length} trainings`), table("Trainings", ["Run", "Change", "Records", "Seed", "Validation error", "Cost"],
          found.scope.probes.map((one) => [link(short(one.run), `#/runs/${one.run}`), Object.entries(one.change).map(([k, v]) => `${k} = ${shown(v)}`).join(", ") || "none", one.records, String(one.seed), one.failure ? "failed" : number(one.validation_error), number(one.cost)])))),
      found.complete && card("Look again", starter()),
    ].filter(Boolean));
  }

  add(into, head(titleOf(model), {
    trail: [["Models", "#/models"]],
    actions: [id && !hasKey() && h("a", { class: "button", href: `/v1/models/${model.id}/limitations?job=${id}` }, "As one page to print")].filter(Boolean),
  }), tabs(model.id, "Limitations"), running, report);
  await refresh();
  if (job && !job.finished_at) {
    let due = 0;
    follow(id, () => { if (Date.now() > due) { due = Date.now() + 1000; refresh().catch(() => {}); } }, signal).then(() => { if (!signal.aborted) refresh().catch(() => {}); });
    again(async () => { if (!job.finished_at) await refresh(); }, () => 4000, signal);
  }
}

const tidy = (statement) => { const text = capital(statement.replace(/\s+/g, " ").trim()); return /[.!?]$/.test(text) ? text : `${text}.`; };

/** A figure of a finding, fetched when it comes into view. */
function figureOf(one, { model, id, signal, drawn }) {
  if (!one.figure) return null;
  const key = `${id} ${one.kind}`;
  const text = JSON.stringify(one.figure);
  if (drawn.get(key)?.text === text) return drawn.get(key).place;
  const place = later(`/v1/models/${model.id}/figures/${one.kind}?job=${id}`, { get, signal });
  drawn.set(key, { text, place });
  return place;
}

const evidence = (one) => one.evidence.length > 0 && table("What was measured", ["What", "Value", "95 % interval", "Counts from"],
  one.evidence.map((m) => [capital(m.name), number(m.value), interval(m.interval), m.threshold != null ? number(m.threshold) : ""]), { stacked: true });

function finding(one, context) {
  const grade = level(one.severity);
  const id = `finding-${one.kind}`;
  return h("article", { class: `card finding ${grade}`, "aria-labelledby": id },
    h("p", { class: "soft small" }, AREAS[one.area] ?? words(one.area)),
    h("h2", { id }, title(one.kind)),
    h("p", { class: "statement" }, tidy(one.statement)),
    h("div", { class: "severity" }, h("span", { class: "meter", "aria-hidden": "true", vars: { "--share": Math.max(0.02, one.severity) } }),
      h("p", {}, h("strong", {}, `${capital(grade)}. `), one.severity >= 1 ? "It makes the measured errors themselves untrue, or accounts for all of them." : `It accounts for about ${percent(one.severity, 0)} of the model's errors.`)),
    figureOf(one, context),
    one.evidence.length > 0 && h("h3", {}, "What was measured"), evidence(one),
    one.remedy && remedy(one, context),
    one.verification && verification(one.verification));
}

function remedy(one, { model, id }) {
  const change = Object.entries(one.remedy.change ?? {});
  const refuted = one.verification?.verdict === "refuted";
  return h("div", { class: "remedy" }, h("h3", {}, "What to do"), h("p", {}, tidy(one.remedy.advice)),
    change.length > 0 && h("dl", { class: "change" }, change.map(([path, value]) => h("div", {}, h("dt", {}, h("code", {}, path)), h("dd", {}, h("code", {}, shown(value)))))),
    one.remedy.rows?.length > 0 && h("details", {}, h("summary", {}, `${one.remedy.rows.length} rows of the dataset to look at`), h("p", {}, one.remedy.rows.join(", "))),
    change.length > 0 && h("div", { class: "actions" }, doing(refuted ? "Train it all the same" : "Train the remedy", async () => {
      const job = await post(`/v1/models/${model.id}/apply-remedy`, { finding: one.kind, job: id });
      location.hash = `#/runs/${job.run}`;
    }, refuted ? "" : "primary")));
}

/** What the remedy did when it was tried: differences with their intervals, drawn and in numbers. */
function verification(tried) {
  const [said, tone] = VERDICTS[tried.verdict];
  const name = tried.metric === "mse" ? "mean squared error" : tried.metric;
  const rows = [["against the original", tried.against_original], ["against random changes", tried.against_random]];
  const most = Math.max(...rows.flatMap(([, d]) => d.interval.map(Math.abs)), 1e-12) * 1.1;
  const px = (v) => 150 + (v / most) * 140;
  const svg = s("svg", { class: "differences", viewBox: "0 0 300 74", role: "img", "aria-label": rows.map(([text, d]) => `${text}: ${number(d.difference)}, from ${number(d.interval[0])} to ${number(d.interval[1])}`).join("; ") },
    s("line", { class: "zero", x1: 150, x2: 150, y1: 2, y2: 72 }),
    rows.map(([text, d], at) => [s("text", { class: "said", x: 4, y: 14 + at * 36 }, text), s("line", { class: "whisker", x1: px(d.interval[0]), x2: px(d.interval[1]), y1: 26 + at * 36, y2: 26 + at * 36 }), s("circle", { class: "point", cx: px(d.difference), cy: 26 + at * 36, r: 5 })]));
  return h("div", { class: `tried ${tone}` }, h("h3", {}, "Was it tried? ", badge(said, tone)),
    h("p", {}, `${capital(name)} (${tried.lower_is_better ? "lower" : "higher"} is better): ${number(tried.original)} originally, ${number(tried.remedy)} with the remedy, ${number(tried.random_change)} with random changes of equal cost; means of ${tried.seeds.length} seeds on ${number(tried.records)} test records.`),
    svg,
    table("Differences", ["Comparison", "Difference", "95 % interval", "p-value, corrected"], rows.map(([text, d]) => [capital(text), number(d.difference), interval(d.interval), number(d.p_value_adjusted)]), { stacked: true }));
}

function absence(one, context) {
  const more = one.evidence.length > 0 || one.figure;
  const details = more && h("details", { ontoggle: () => { if (details.open && details.childElementCount === 1) add(details, figureOf(one, context), evidence(one)); } }, h("summary", {}, "What was measured"));
  return h("div", { class: "absent" }, h("h3", {}, title(one.kind)), h("p", {}, tidy(one.statement)), details);
}
