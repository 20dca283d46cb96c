//! Whether batches are too large: an epoch has hardly any steps, and smaller batches learn more in the
//! same epochs.

use serde_json::json;

use crate::diagnose::experiment::Outcome;
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

/// That an epoch has steps enough, with how large batches are worth while: the gradient noise scale.
fn unfounded(original: &Outcome, size: usize, steps: usize) -> Suspicion {
    let layers = original.trained.as_ref().map(|trained| &trained.layers);
    let noise = layers.and_then(|layers| layers.noise_after.or(layers.noise_before));
    let epoch = format!("an epoch of batches of {size} has {steps} steps");
    let sign = Measurement::new("steps of an epoch", steps as f64).threshold(STEPS as f64);
    let smallest = STEPS as f64;
    let Some(noise) = noise else {
        let statement = format!("Batches are not too large: {epoch}.");
        return Suspicion::unfounded(sign, smallest, statement);
    };
    let scale = noise.noise_scale;
    let worth = if size as f64 > scale {
        "larger ones would hardly make a step surer"
    } else {
        "up to about so many, larger batches make steps surer"
    };
    let statement = format!(
        "Batches are not too large: {epoch}. A step's direction is as much noise as signal at {scale:.0} \
         records a batch (gradient noise scale): {worth}."
    );
    let name = "records a batch at which noise is as large as the gradient (gradient noise scale)";
    let beside = Measurement::new(name, scale).interval(noise.interval).runs([&original.run]);
    Suspicion::unfounded(sign, smallest, statement).beside(Some(beside))
}

impl Suspect for BatchTooLarge {
    const KIND: &'static str = "batch_too_large";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether smaller batches do better in the same epochs";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let records = known.bench.parts.train.len();
        let training = &known.bench.spec().training;
        let size = training.batch_size.saturating_mul(training.accumulate).min(records);
        let steps = signs::steps_per_epoch(known);
        let few = steps < STEPS && records > 2 * STEPS_INSTEAD;
        if !few && size as f64 <= usual::BATCH[1] {
            let Some(original) = known.original() else { return Suspicion::needs_original(known) };
            return unfounded(original, size, steps);
        }
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
