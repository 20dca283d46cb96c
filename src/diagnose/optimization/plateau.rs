//! Whether training sits on a plateau: its loss has come to rest while the network has learnt little,
//! and another course of the learning rate gets it off.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

use crate::eval::trend::TrendDirection;

/// A loss that rests too high.
pub struct Plateau;

/// Training error, as a share of that of who knows nothing, above which little was learnt.
const UNLEARNT: f64 = 0.5;
/// What is found here is mostly what another cause does: one that is found comes first.
const WEIGHT: f64 = 0.6;

impl Suspect for Plateau {
    const KIND: &'static str = "plateau";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether training is stuck on a plateau";

    fn possible(&self, known: &Known<'_>) -> bool {
        known.bench.spec().training.epochs >= 10
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let losses = original.trained.as_ref().map(signs::train_losses).unwrap_or_default();
        let flat = signs::ending(&losses).is_some_and(|end| end.direction == TrendDirection::Flat);
        let unlearnt = signs::unlearnt(known, original);
        let name = "training error as a share of that of who knows nothing";
        let sign = Measurement::new(name, unlearnt);
        if !flat || unlearnt < UNLEARNT || original.diverged() {
            let statement = format!(
                "Training is not stuck on a plateau: it ended with {:.0} % of the training error of \
                 who knows nothing{}.",
                100.0 * unlearnt,
                if flat { "" } else { ", and its loss was still moving" }
            );
            return Suspicion::unfounded(sign, UNLEARNT, statement);
        }
        let rate = known.bench.spec().optimizer.learning_rate();
        let schedule = json!({"type": "one_cycle"});
        let advice = "set schedule to one_cycle, which rises to the learning rate and falls again";
        let cause = format!("Training sits on a plateau at a learning rate of {rate:.1e}");
        let case = Case::new(cause, sign.threshold(UNLEARNT))
            .likely(0.15, WEIGHT.min(usual::weight(0.0)))
            .trying("a one_cycle schedule", Remedy::change(advice, [("schedule", schedule)]));
        Suspicion::Case(case)
    }
}
