// A model in use: what was scored, over time, and whether it has drifted.

import { h, add, number, percent, moment, capital, duration } from "./dom.js";
import { get, remove } from "./api.js";
import { head, badge, card, confirm, doing, empty, facts, table } from "./parts.js";
import { later } from "./chart.js";
import { tabs, titleOf } from "./models.js";

const FIGURES = ["volume", "shares", "coverage", "p_values"];
const WINDOWS = 24;

export async function page({ into, signal, args: [reference] }) {
  const model = await get(`/v1/models/${reference}`, signal);
  const since = new Date(Date.now() - 30 * 864e5).toISOString();
  const found = await get(`/v1/models/${model.id}/monitoring?limit=1000&since=${encodeURIComponent(since)}`, signal);
  const { stream } = found;
  const forget = doing("Forget what was counted", async () => {
    if (await confirm("Forget all counts of this model? Its windows and its alarm begin anew.", "Forget them")) {
      await remove(`/v1/models/${model.id}/monitoring`);
      window.dispatchEvent(new Event("hashchange"));
    }
  }, "danger");
  const verdict = stream && card("Has what it scores drifted?",
    h("p", {}, badge(stream.drift ? "drift" : "no drift found", stream.drift ? "bad" : "good"), " ",
      stream.drift
        ? h("span", {}, "The records no longer come from where the model was trained", stream.first_found && [": found at record ", number(stream.first_found.record), ", ", moment(stream.first_found.at)], ".")
        : `None of the ${number(stream.records)} records so far shows it.`),
    facts([["Records since", moment(stream.started_at)], ["Records", number(stream.records)], ["p-value, at any time", number(stream.anytime_p_value)], ["Alarm at", number(stream.alpha)]]),
    h("p", { class: "soft small" }, `Without drift the chance of an alarm is at most ${percent(stream.alpha)}, however often one looks, for records that are independent of one another.`));
  const windows = found.items.slice(-WINDOWS).reverse();
  add(into, head(titleOf(model), { trail: [["Models", "#/models"]], actions: [found.items.length > 0 && forget].filter(Boolean) }), tabs(model.id, "In use"),
    verdict,
    found.items.length === 0 && empty("Nothing was scored in the last 30 days.", h("p", {}, found.window_seconds === null ? "This server counts nothing." : "What clients score is counted here, hour by hour, and never stored. What you try on this dashboard is not counted.")),
    found.items.length > 0 && card("The last 30 days", h("div", { class: "grid2" }, FIGURES.map((name) => later(`/v1/models/${model.id}/figures/monitoring_${name}`, { get, signal, height: 240, tools: name !== "p_values" })))),
    windows.length > 0 && card("Window by window", h("p", { class: "soft small" }, `The newest first; each is ${duration(found.window_seconds)} long.`),
      table("Windows", ["From", "Records", "Accepted", "Flagged", "Mean confidence", "Drift of this window, p"], windows.map((one) => [
        moment(one.starts_at), number(one.records), percent(one.accepted_share, 0), percent(one.flagged_share, 0), percent(one.mean_confidence, 0), number(one.drift?.p_value)]), { stacked: true })),
    found.unavailable.length > 0 && card("What cannot be told", h("ul", {}, found.unavailable.map((one) => h("li", {}, `${capital(one.reason)}${one.need ? `; it takes ${number(one.need)}` : ""}.`)))));
}
