//! Whether gradients explode: they are huge before the first step, or grow towards the first layer; and
//! clipping them does better.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

/// Gradients that explode.
pub struct Exploding;

/// Norm of a layer's gradient above which it is huge, for targets and inputs of unit scale.
const NORM: f64 = 100.0;
/// Ratio of the first layer's gradient to the last one's above which it explodes (Zhang et al. 2021).
const RATIO: f64 = 70.0;
/// What makes gradients explode, such as initial parameters or inputs that are too large, comes first
/// where it is found.
const WEIGHT: f64 = 0.75;

impl Suspect for Exploding {
    const KIND: &'static str = "exploding_gradients";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether gradients explode";

    fn possible(&self, known: &Known<'_>) -> bool {
        known.bench.spec().training.clip_norm.is_none()
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let trained = original.trained.as_ref();
        let before = trained.map_or(&[][..], |trained| &trained.layers.before);
        let norm = signs::largest(before, |layer| layer.gradient_norm);
        let ratio = signs::gradient_ratio(before);
        // Of the epochs too: the rate may make them so, and is then the cause.
        let later = trained.map_or(f64::NAN, |trained| {
            trained.curve.iter().map(|point| point.gradient_norm).fold(0.0, f64::max)
        });
        let early = norm.is_some_and(|norm| norm > NORM) || ratio.is_some_and(|r| r > RATIO);
        let largest = norm.unwrap_or(0.0).max(later);
        let sign = Measurement::new("largest norm of a gradient", largest).threshold(NORM);
        if !early && largest <= NORM && !original.diverged() {
            let statement = format!(
                "Gradients do not explode: their norm was at most {largest:.2}, where {NORM:.0} would \
                 be much."
            );
            return Suspicion::unfounded(sign, NORM, statement);
        }
        let weight = if early { WEIGHT } else { WEIGHT * usual::weight(0.0) };
        let cause = format!("Gradients explode: their norm reached {largest:.1e}");
        let advice = "set training.clip_norm to 1";
        let remedy = Remedy::change(advice, [("training.clip_norm", json!(1.0))]);
        let case = Case::new(cause, sign)
            .likely(if early { 0.5 } else { 0.3 }, weight)
            .trying("gradients clipped to a norm of 1", remedy);
        Suspicion::Case(case)
    }
}
