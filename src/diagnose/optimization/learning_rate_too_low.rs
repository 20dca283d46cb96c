//! Whether the learning rate is too low: it is below what is usual, or the loss still falls and a range
//! test suggests far more; and a higher one does better in the same epochs.

use crate::diagnose::finding::Area;
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{Wanted, signs, usual};
use crate::eval::trend::TrendDirection;

use super::learning_rate::{range, range_probe, to_rate};

/// A learning rate that is too low.
pub struct TooLow;

/// The range test's suggestion over this is still no suspect.
const TOLERANCE: f64 = 10.0;
/// Share of the loss that it would lose in half as many epochs again, from which on it still falls.
const FALLING: f64 = 0.05;

impl Suspect for TooLow {
    const KIND: &'static str = "learning_rate_too_low";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether a higher learning rate does better in the same epochs";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let (Some(original), Some(range)) = (known.original(), range(known)) else {
            return Suspicion::Unknown(vec![
                Wanted::new(known.original_probe(), 1.0),
                Wanted::new(range_probe(known), 0.3),
            ]);
        };
        let spec = known.bench.spec();
        let rate = spec.optimizer.learning_rate();
        let below = -usual::learning_rate(spec).min(0.0);
        let losses = original.trained.as_ref().map(signs::train_losses).unwrap_or_default();
        let falls = signs::ending(&losses)
            .is_some_and(|end| end.direction == TrendDirection::Falling && end.fall >= FALLING);
        let tested = range.ratio.is_some_and(|ratio| ratio <= 1.0 / TOLERANCE);
        // Where there were hardly any steps, that is why the loss still falls.
        let slow = (falls || tested) && !signs::few_epochs(known);
        if original.diverged() || (below == 0.0 && !slow) {
            let statement = format!(
                "The learning rate of {rate:.1e} is not too low: the loss had come to rest with it, \
                 and a range test does not suggest ten times as much."
            );
            return Suspicion::unfounded(range.measurement(), 1.0 / TOLERANCE, statement);
        }
        let worth = if below > 0.0 { 0.9 } else { 0.4 };
        let cause = format!("The learning rate of {rate:.1e} is too low");
        let sign = range.measurement().threshold(1.0 / TOLERANCE);
        let mut case = Case::new(cause, sign).likely(worth, usual::weight(below));
        let factors: &[f64] = if below > 0.5 { &[10.0, 100.0] } else { &[10.0] };
        for factor in factors {
            let (with, remedy) = to_rate(rate * factor);
            case = case.trying(with, remedy);
        }
        Suspicion::Case(case)
    }
}
