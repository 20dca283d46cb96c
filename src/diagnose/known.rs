//! What a diagnosis knows so far: the model, its records, and the outcomes of the probes that ran.

use std::collections::BTreeMap;

use super::experiment::{Outcome, SharedOutcome};
use super::probe::{Change, Probe, Selection};
use super::request::DiagnoseSpec;
use super::workbench::Workbench;
use crate::eval::seeds::{
    NoSeedComparison, SeedComparison, SeedDesign, SeedRun, compare_over_seeds,
};
use crate::task::MetricsReport;

/// Standard errors by which a single training must do better to count as better.
const STANDARD_ERRORS: f64 = 2.0;

/// Standard errors from which on more seeds may tell.
const PROMISING: f64 = 0.7;
/// Share of the errors that a change must take away for records to be judged with it.
const MENDS: f64 = 1.0 / 3.0;

/// What is known so far.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The model and its records.
    pub bench: &'a Workbench,
    /// What was asked for.
    pub request: &'a DiagnoseSpec,
    /// What came of each probe, by its key.
    pub outcomes: &'a BTreeMap<String, SharedOutcome>,
}

/// What one training with a change does on the validation records against the original one. Chosen by
/// validation, so that the test records stay untouched for what verifies it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    /// Error of the original: 1 − accuracy, or the unexplained share of the variance, 1 − R².
    pub original: f64,
    /// Error with the change.
    pub changed: f64,
    /// Standard error of their difference: over the validation records, which are the same for both, and
    /// over seeds where there are several.
    pub standard_error: f64,
}

impl Gain {
    /// Share of the original's error that the change takes away; negative where it adds to it.
    pub fn share(&self) -> f64 {
        let taken = self.original - self.changed;
        if self.original > 0.0 { taken / self.original } else { taken }
    }

    /// Whether the change does better by more than chance explains.
    pub fn helps(&self) -> bool {
        self.original - self.changed > STANDARD_ERRORS * self.standard_error
    }

    /// Whether it does better by so much that more seeds may show it.
    pub fn leans(&self) -> bool {
        self.original - self.changed > PROMISING * self.standard_error
    }

    /// Whether it does worse by more than chance explains.
    pub fn harms(&self) -> bool {
        self.changed - self.original > STANDARD_ERRORS * self.standard_error
    }

    /// The smallest difference that would have counted.
    pub fn smallest(&self) -> f64 {
        STANDARD_ERRORS * self.standard_error
    }
}

impl<'a> Known<'a> {
    /// What came of a probe, if it ran.
    pub fn of(&self, probe: &Probe) -> Option<&'a Outcome> {
        self.outcomes.get(&probe.key()).map(AsRef::as_ref)
    }

    /// The seed of the model.
    pub fn seed(&self) -> u64 {
        self.bench.spec().training.seed
    }

    /// So many seeds, the model's own first.
    pub fn seeds(&self, count: usize) -> Vec<u64> {
        (0..count as u64).map(|i| self.seed().wrapping_add(i)).collect()
    }

    /// The original training, once more.
    pub fn original_probe(&self) -> Probe {
        Probe::original(self.seed())
    }

    /// What came of the original training, once more.
    pub fn original(&self) -> Option<&'a Outcome> {
        self.of(&self.original_probe())
    }

    /// The outcomes of a change over so many seeds, if all of them ran.
    pub fn over_seeds(
        &self,
        count: usize,
        change: impl Fn(u64) -> Change,
    ) -> Option<Vec<(u64, &'a Outcome)>> {
        let probe =
            |seed: u64| Some((seed, self.of(&Probe::original(seed).changed(&change(seed)))?));
        self.seeds(count).into_iter().map(probe).collect()
    }

    /// The error of an outcome on the validation records: 1 − accuracy, or 1 − R².
    pub fn validation_error(&self, outcome: &Outcome) -> Option<f64> {
        let trained = outcome.trained.as_ref()?;
        error_of(trained.card.metrics.validation.as_ref())
    }

    /// The same on the training records.
    pub fn training_error(&self, outcome: &Outcome) -> Option<f64> {
        error_of(outcome.trained.as_ref()?.card.metrics.train.as_ref())
    }

    /// What a change does on the validation records; `None` before both have run, or without such
    /// records. A training that failed has lost all: an error of 1.
    pub fn gain(&self, probe: &Probe) -> Option<Gain> {
        self.gain_between(self.original()?, Some(self.of(probe)?), false)
    }

    /// The same between two outcomes, or between one and a model without errors. Without validation
    /// records there is none, unless the training records may stand in for them. No error is above 1:
    /// worse than knowing nothing is of no use either.
    pub fn gain_between(
        &self,
        original: &Outcome,
        changed: Option<&Outcome>,
        by_training: bool,
    ) -> Option<Gain> {
        let parts = &self.bench.parts;
        let of_training = parts.validation.is_empty() && by_training;
        let records = if of_training { parts.train.len() } else { parts.validation.len() };
        if records == 0 {
            return None;
        }
        let error = |outcome: &Outcome| match &outcome.failure {
            Some(_) => Some(1.0),
            None if of_training => self.training_error(outcome),
            None => self.validation_error(outcome),
        };
        let error = |outcome: &Outcome| error(outcome).map(|error| error.min(1.0));
        let before = error(original)?;
        let after = changed.map_or(Some(0.0), error)?;
        let paired = match of_training {
            true => None,
            false => self.paired_error(original, changed),
        };
        let variance = |error: f64| {
            if self.bench.output.head().is_some() {
                // Laplace's estimate, so that no mistake among few records is not certainty.
                let n = records as f64;
                let p = (error * n + 1.0) / (n + 2.0);
                p * (1.0 - p) / n
            } else {
                // Of a mean of squares of normal errors.
                2.0 * error.powi(2) / records as f64
            }
        };
        let apart = || (variance(before) + variance(after)).sqrt();
        let standard_error = paired.unwrap_or_else(apart);
        Some(Gain { original: before, changed: after, standard_error })
    }

    /// What a change does over so many seeds, the model's own first; `None` before all have run. Seeds
    /// and records both count: the standard error is a quarter of the width of the 95 % interval.
    pub fn gain_over_seeds(
        &self,
        count: usize,
        change: &Change,
        by_training: bool,
    ) -> Option<Gain> {
        let original = self.over_seeds(count, |_| Change::new())?;
        let changed = self.over_seeds(count, |_| change.clone())?;
        let pairs = original.iter().zip(&changed);
        let gains: Vec<Gain> = pairs
            .map(|((_, a), (_, b))| self.gain_between(a, Some(b), by_training))
            .collect::<Option<_>>()?;
        let [first, _, ..] = gains.as_slice() else { return gains.first().copied() };
        let n = gains.len() as f64;
        let mean = |of: &dyn Fn(&Gain) -> f64| gains.iter().map(of).sum::<f64>() / n;
        let values = |arm: &[(u64, &Outcome)]| -> Option<Vec<(u64, Vec<f64>)>> {
            arm.iter().map(|(seed, outcome)| Some((*seed, self.validated(outcome)?))).collect()
        };
        let compared = match (values(&original), values(&changed)) {
            (Some(a), Some(b)) => {
                compare_over_seeds(&runs(&a), &runs(&b), SeedDesign::Independent).ok()
            }
            _ => None,
        };
        let standard_error = match compared {
            Some(compared) => (compared.interval[1] - compared.interval[0]) / 4.0,
            None => {
                let spread = |of: &dyn Fn(&Gain) -> f64| {
                    let centre = mean(of);
                    gains.iter().map(|g| (of(g) - centre).powi(2)).sum::<f64>() / (n - 1.0) / n
                };
                let of_seeds = spread(&|gain| gain.original) + spread(&|gain| gain.changed);
                // Records are the same for all, and their difficulty is shared by all trainings.
                (of_seeds + (first.standard_error / 2.0).powi(2)).sqrt()
            }
        };
        let (original, changed) = (mean(&|gain| gain.original), mean(&|gain| gain.changed));
        Some(Gain { original, changed, standard_error })
    }

    /// Standard error of the difference of two errors on the same validation records; what is hard for
    /// both cancels. `None` where they are not known record by record.
    fn paired_error(&self, original: &Outcome, changed: Option<&Outcome>) -> Option<f64> {
        let before = self.validated(original)?;
        let after = match changed {
            Some(changed) => self.validated(changed)?,
            None => vec![0.0; before.len()],
        };
        let n = before.len() as f64;
        let differences = before.iter().zip(&after).map(|(a, b)| a - b);
        let mean = differences.clone().sum::<f64>() / n;
        // One record more that either gets right and the other wrong, so that none among few is not
        // certainty (after Bonett and Price 2012).
        let more = if self.bench.output.head().is_some() { 2.0 } else { 0.0 };
        let squares = differences.map(|d| (d - mean).powi(2)).sum::<f64>() + more;
        Some(squares.sqrt() / n)
    }

    /// The loss of each validation record in units of which their mean is an error: 1 for a wrong label,
    /// squared errors over the variance.
    fn validated(&self, outcome: &Outcome) -> Option<Vec<f64>> {
        let validation = &self.bench.parts.validation;
        let none = self.unknowing(validation);
        let labels = self.bench.output.head().is_some();
        let unit = match (labels, self.bench.output.names().len()) {
            (false, 1) => none.iter().sum::<f64>() / none.len().max(1) as f64,
            _ => 1.0,
        };
        let losses = match &outcome.failure {
            Some(_) => &none,
            None => &outcome.validated,
        };
        let known = !losses.is_empty() && losses.len() == validation.len() && unit > 0.0;
        known.then(|| bounded(losses, &none).map(|loss| loss / unit).collect())
    }

    /// The loss of each test record, in the order of the records. A training that failed is no better
    /// than knowing nothing: all labels wrong, or the mean of the numbers for every record. Of numbers,
    /// no loss is above the largest of who knows nothing, so that a few that explode are not all that
    /// counts.
    pub fn losses(&self, outcome: &Outcome) -> Vec<f64> {
        let none = self.unknowing(&self.bench.parts.test);
        if outcome.failure.is_some() {
            return none;
        }
        let losses: Vec<f64> = outcome.losses.iter().map(|(_, loss)| *loss).collect();
        bounded(&losses, &none).collect()
    }

    /// Mean loss on the test records that an error of 1 is: all labels wrong, or the variance.
    pub fn unit_of_loss(&self) -> f64 {
        let none = self.unknowing(&self.bench.parts.test);
        none.iter().sum::<f64>() / none.len().max(1) as f64
    }

    /// The loss of each of these records for who knows nothing.
    fn unknowing(&self, records: &[usize]) -> Vec<f64> {
        if self.bench.output.head().is_some() {
            return vec![1.0; records.len()];
        }
        let truths: Vec<&[f64]> =
            records.iter().map(|record| self.bench.outcomes.values_of(*record)).collect();
        let targets = self.bench.output.names().len();
        let moments: Vec<(f64, f64)> = (0..targets)
            .map(|target| {
                let n = truths.len().max(1) as f64;
                let mean = truths.iter().map(|truth| truth[target]).sum::<f64>() / n;
                let squares = truths.iter().map(|truth| (truth[target] - mean).powi(2));
                let variance = squares.sum::<f64>() / n;
                (mean, if targets == 1 || variance <= 0.0 { 1.0 } else { variance })
            })
            .collect();
        let loss = |truth: &&[f64]| {
            let errors =
                truth.iter().zip(&moments).map(|(t, (mean, unit))| (t - mean).powi(2) / unit);
            errors.sum::<f64>() / targets.max(1) as f64
        };
        truths.iter().map(loss).collect()
    }

    /// The change that a training needs before its records can be judged by it: of those that take away
    /// at least a third of the errors, the best one; nothing where none does. Once records are judged by a
    /// change it stays.
    pub fn mended(&self) -> Change {
        let probes = || self.outcomes.keys().filter_map(|key| serde_json::from_str(key).ok());
        let own = |probe: &Probe| probe.seed == self.seed() && !probe.change.is_empty();
        let judges = |probe: &Probe| matches!(probe.records, Selection::Fold { .. });
        if let Some(probe) = probes().find(|probe: &Probe| own(probe) && judges(probe)) {
            return probe.change;
        }
        let tried = |probe: &Probe| {
            let other_columns = probe.change.keys().any(|path| path.starts_with("task."));
            own(probe) && probe.records == Selection::All && !probe.range_test && !other_columns
        };
        let helps = |probe: Probe| {
            let gain = self.gain(&probe)?;
            (gain.helps() && gain.share() >= MENDS).then_some((gain.changed, probe.change))
        };
        let mends = probes().filter(tried).filter_map(helps);
        mends.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, change)| change).unwrap_or_default()
    }

    /// Compares outcomes over seeds on the same test records: loss of the second − loss of the first,
    /// so that below 0 the second is better.
    pub fn compare(
        &self,
        first: &[(u64, &Outcome)],
        second: &[(u64, &Outcome)],
    ) -> Result<SeedComparison, NoSeedComparison> {
        let values = |arm: &[(u64, &Outcome)]| -> Vec<(u64, Vec<f64>)> {
            arm.iter().map(|(seed, outcome)| (*seed, self.losses(outcome))).collect()
        };
        let (first, second) = (values(first), values(second));
        compare_over_seeds(&runs(&first), &runs(&second), SeedDesign::Independent)
    }
}

fn runs(arm: &[(u64, Vec<f64>)]) -> Vec<SeedRun<'_>> {
    arm.iter().map(|(seed, values)| SeedRun { seed: *seed, values }).collect()
}

/// Losses, none above the largest of who knows nothing.
fn bounded<'a>(losses: &'a [f64], unknowing: &[f64]) -> impl Iterator<Item = f64> + use<'a> {
    let most = unknowing.iter().copied().fold(0.0, f64::max);
    // What is no number is no better.
    losses.iter().map(move |loss| if *loss <= most { *loss } else { most })
}

fn error_of(metrics: Option<&MetricsReport>) -> Option<f64> {
    metrics?.quality().map(|quality| 1.0 - quality).filter(|error| error.is_finite())
}
