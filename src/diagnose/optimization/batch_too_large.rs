//! Whether batches are too large: an epoch has hardly any steps, and smaller batches learn more in the
//! same epochs.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

/// Batches of too many records.
pub struct BatchTooLarge;

/// Steps of an epoch below which they are few.
const STEPS: usize = 4;
/// Records a batch to try instead, at most, ...
const INSTEAD: usize = 32;
/// ... and steps of an epoch to have with them at least.
const STEPS_INSTEAD: usize = 16;

impl Suspect for BatchTooLarge {
    const KIND: &'static str = "batch_too_large";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether smaller batches do better in the same epochs";

    fn possible(&self, known: &Known<'_>) -> bool {
        let training = &known.bench.spec().training;
        let per_step = training.batch_size.saturating_mul(training.accumulate);
        let few = signs::steps_per_epoch(known) < STEPS;
        (few || per_step as f64 > usual::BATCH[1])
            && known.bench.parts.train.len() > 2 * STEPS_INSTEAD
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let records = known.bench.parts.train.len();
        let training = &known.bench.spec().training;
        let size = training.batch_size.saturating_mul(training.accumulate).min(records);
        let steps = signs::steps_per_epoch(known);
        let sign = Measurement::new("steps of an epoch", steps as f64).threshold(STEPS as f64);
        let instead = (records / STEPS_INSTEAD).clamp(1, INSTEAD);
        let advice = format!("set training.batch_size to {instead}");
        let fields = [("training.batch_size", json!(instead)), ("training.accumulate", json!(1))];
        let few = usual::decades_outside(steps as f64, [2.0 * STEPS as f64, f64::MAX]);
        let large = usual::decades_outside(size as f64, usual::BATCH);
        let cause = format!(
            "Batches of {size} records are too large: an epoch has {steps} step{}",
            if steps == 1 { "" } else { "s" }
        );
        let case = Case::new(cause, sign)
            .likely(0.8, usual::weight(2.0 * large.max(-few)))
            .trying(format!("batches of {instead}"), Remedy::change(advice, fields));
        Suspicion::Case(case)
    }
}
