//! Whether batches are too small: steps of few records go where chance sends them, and larger batches do
//! better.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::usual;

/// Batches of too few records.
pub struct BatchTooSmall;

/// Records a batch to try instead.
const INSTEAD: usize = 32;

impl Suspect for BatchTooSmall {
    const KIND: &'static str = "batch_too_small";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether larger batches do better";

    fn possible(&self, known: &Known<'_>) -> bool {
        let training = &known.bench.spec().training;
        let per_step = training.batch_size.saturating_mul(training.accumulate);
        (per_step as f64) < usual::BATCH[0] && known.bench.parts.train.len() >= 8 * INSTEAD
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let training = &known.bench.spec().training;
        let size = training.batch_size.saturating_mul(training.accumulate);
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let layers = original.trained.as_ref().map(|trained| &trained.layers);
        let noise = layers.and_then(|layers| layers.noise_before);
        let sign = Measurement::new("records a step", size as f64).threshold(usual::BATCH[0]);
        let decades = usual::decades_outside(size as f64, usual::BATCH);
        let advice = format!("set training.batch_size to {INSTEAD}");
        let fields = [("training.batch_size", json!(INSTEAD)), ("training.accumulate", json!(1))];
        let cause = match noise {
            Some(noise) => format!(
                "Steps of {size} records are too noisy (noise is as large as the gradient at {:.0} \
                 records, where training begins)",
                noise.noise_scale
            ),
            None => format!("Steps of {size} records are too noisy"),
        };
        let case = Case::new(cause, sign)
            .likely(0.6, usual::weight(decades))
            .trying(format!("batches of {INSTEAD}"), Remedy::change(advice, fields));
        Suspicion::Case(case)
    }
}
