//! Whether training diverged: its loss became no number, or many times what it began with. That is what
//! one sees; where the learning rate, the momentum or the initial parameters are the cause, they come
//! first.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

/// A training that diverged.
pub struct Diverged;

/// It is what a cause does, and no cause: one that is found comes first.
const WEIGHT: f64 = 0.5;

impl Suspect for Diverged {
    const KIND: &'static str = "diverged";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether training diverged";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let losses = original.trained.as_ref().map(signs::train_losses).unwrap_or_default();
        let first = losses.first().copied().unwrap_or(f64::NAN);
        let worst = losses.iter().copied().fold(first, f64::max) / first;
        let sign = Measurement::new("largest loss of an epoch as a multiple of the first", worst);
        let factor = known.bench.spec().training.divergence_factor.unwrap_or(10.0);
        if !original.diverged() {
            let statement = format!(
                "Training did not diverge: its loss was at most {worst:.2} times that of the first \
                 epoch."
            );
            return Suspicion::unfounded(sign, factor, statement);
        }
        let epochs = losses.len();
        let rate = known.bench.spec().optimizer.learning_rate();
        let advice = "set training.clip_norm to 1 and lower optimizer.learning_rate to a tenth";
        let fields =
            [("training.clip_norm", json!(1.0)), ("optimizer.learning_rate", json!(rate / 10.0))];
        let case = Case::new(format!("Training diverged after {epochs} epochs"), sign)
            .likely(0.6, WEIGHT.min(usual::weight(0.0)))
            .trying(
                "clipped gradients and a tenth of the learning rate",
                Remedy::change(advice, fields),
            );
        Suspicion::Case(case)
    }
}
