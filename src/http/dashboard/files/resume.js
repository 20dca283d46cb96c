// Going on from where a run ended.

import { h, number } from "./dom.js";
import { get, post } from "./api.js";
import { button, doing, field } from "./parts.js";

/** Asks for how many more epochs a run is to train, and trains it on; `run` may be its id alone. */
export async function resume(run) {
  const known = typeof run === "string" ? await get(`/v1/runs/${run}`) : run;
  const done = known.checkpoint?.epochs ?? known.epochs ?? 0;
  const rest = known.spec.training.epochs - done;
  const more = h("input", { type: "number", min: "1", max: "100000", step: "1", required: true, value: String(Math.min(rest > 0 ? rest : known.spec.training.epochs, 100000)) });
  const close = () => { dialog.close(); dialog.remove(); };
  const dialog = h("dialog", { "aria-label": "Train it on", oncancel: close },
    h("p", {}, `${number(done)} epochs are done. It goes on from its last state as a run of its own; this one and its model stay as they are.`),
    field("More epochs", more),
    h("div", { class: "actions" }, button("Leave it", close), doing("Resume", async () => {
      const job = await post(`/v1/runs/${known.id}/resume`, { epochs: Number(more.value) });
      close();
      location.hash = `#/runs/${job.run}`;
    }, "primary")));
  document.body.append(dialog);
  dialog.showModal();
}
