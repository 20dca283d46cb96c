//! Whether training ended too early: it ended by its number of epochs, steps or seconds while the loss
//! still fell, or had hardly any steps; and more epochs do better on the validation records.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

use crate::eval::trend::TrendDirection;
use crate::learn::stopping::EndReason;

/// Too few epochs.
pub struct TooFewEpochs;

/// Share of the loss that it would lose in half as many epochs again, from which on it still falls.
const FALLING: f64 = 0.05;
/// Share of the epochs at whose end the best one must be: where it is earlier, more of them only
/// memorise.
const LATE: f64 = 0.7;

/// How many times the epochs to try: as many as leave room in the budget to verify it with its seeds,
/// against the original and random changes.
pub(in crate::diagnose) fn longer(known: &Known<'_>) -> usize {
    let unit = known.bench.unit();
    let of_seeds = known.request.seeds as f64 * unit;
    let room = (known.request.budget.runs - 3.0 - of_seeds) / (2.0 * of_seeds);
    // Twice hardly any steps are hardly any.
    let (least, most) = if signs::few_epochs(known) { (3, (5.0 / unit) as usize) } else { (2, 5) };
    (room as usize).clamp(least, most.max(least))
}

/// Whether training ended while the loss still fell; `None` before that is known.
pub(in crate::diagnose) fn ended_early(known: &Known<'_>) -> Option<(bool, Measurement)> {
    let original = known.original()?;
    let name = "share of the training loss that half as many epochs again would take away";
    let Some(trained) = &original.trained else {
        return Some((false, Measurement::new(name, f64::NAN)));
    };
    let reason = trained.card.end_reason;
    let by_length = matches!(
        reason,
        EndReason::Epochs | EndReason::MaxSteps | EndReason::MaxSeconds | EndReason::Stopped
    );
    let ending = signs::ending(&signs::train_losses(trained));
    let falls =
        ending.is_some_and(|end| end.direction == TrendDirection::Falling && end.fall >= FALLING);
    let best =
        trained.card.best_epoch.map_or(1.0, |best| best as f64 / trained.card.epochs.max(1) as f64);
    let few = signs::few_epochs(known);
    let sign = Measurement::new(name, ending.map_or(f64::NAN, |end| end.fall)).threshold(FALLING);
    // Where there were hardly any, which of them was best says nothing.
    Some((by_length && (few || (best >= LATE && falls)), sign))
}

impl Suspect for TooFewEpochs {
    const KIND: &'static str = "too_few_epochs";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether more epochs do better";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let (Some((early, sign)), Some(original)) = (ended_early(known), known.original()) else {
            return Suspicion::needs_original(known);
        };
        let training = &known.bench.spec().training;
        let epochs = training.epochs;
        let steps = original.trained.as_ref().map_or(0, |trained| trained.steps);
        if !early {
            let statement = format!(
                "There were epochs enough: training had come to rest, or was stopped, within {epochs}."
            );
            return Suspicion::unfounded(sign, FALLING, statement);
        }
        let more = epochs * longer(known);
        let mut fields = vec![("training.epochs", json!(more))];
        if training.max_steps.is_some() {
            fields.push(("training.max_steps", json!(null)));
        }
        if training.max_seconds.is_some() {
            fields.push(("training.max_seconds", json!(null)));
        }
        let advice = format!("raise training.epochs to {more}");
        let (worth, short) = match signs::few_epochs(known) {
            true => (0.9, usual::decades_outside(steps as f64, [10.0 * usual::STEPS, f64::MAX])),
            false => (0.5, 0.0),
        };
        let cause =
            format!("Training ended too early, after {epochs} epochs of {steps} steps in all");
        let case = Case::new(cause, sign)
            .likely(worth, usual::weight(short))
            .trying(format!("{more} epochs"), Remedy::change(advice, fields));
        Suspicion::Case(case)
    }
}
