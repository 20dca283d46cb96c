//! What a diagnosis knows so far: the model, its records, and the outcomes of the probes that ran.

use std::collections::BTreeMap;

use super::experiment::{Outcome, SharedOutcome};
use super::gain::{Gain, paired_error};
use super::probe::{Change, Probe, Selection};
use super::request::DiagnoseSpec;
use super::workbench::Workbench;
use crate::eval::seeds::{
    NoSeedComparison, SeedComparison, SeedDesign, SeedRun, compare_over_seeds,
};
use crate::task::MetricsReport;

/// Share of the errors that a change must take away for the model without it to be another model, ...
const MENDS: f64 = 1.0 / 3.0;
/// ... and for labels to be judged with it: where many of them are wrong, no change takes away much.
const JUDGES: f64 = 0.1;

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
        let before = self.error(original, by_training)?;
        let after = changed.map_or(Some(0.0), |changed| self.error(changed, by_training))?;
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
        Some(Gain::of_normal([before, after], standard_error))
    }

    /// The error of an outcome on the validation records, at most 1; or on the training records, where
    /// there are no others and they may stand in for them.
    pub fn error(&self, outcome: &Outcome, by_training: bool) -> Option<f64> {
        let of_training = self.bench.parts.validation.is_empty() && by_training;
        let error = match &outcome.failure {
            Some(_) => Some(1.0),
            None if of_training => self.training_error(outcome),
            None => self.validation_error(outcome),
        };
        error.map(|error| error.min(1.0))
    }

    /// Seeds with which a change was trained, from the model's own on without a gap, `most` at most.
    pub fn at_hand(&self, change: &Change, most: usize) -> usize {
        let ran = |seed: &u64| self.of(&Probe::original(*seed).changed(change)).is_some();
        self.seeds(most).iter().take_while(|seed| ran(seed)).count()
    }

    /// What a change does over so many seeds of the original and so many with the change, the model's own
    /// first; `None` before all have run. Seeds and records both count. Of a single training with the
    /// change, what its own seed adds is not known and does not count.
    pub fn gain_over_seeds(
        &self,
        (originals, changes): (usize, usize),
        change: &Change,
        by_training: bool,
    ) -> Option<Gain> {
        let original = self.over_seeds(originals, |_| Change::new())?;
        let changed = self.over_seeds(changes, |_| change.clone())?;
        let single =
            self.gain_between(original.first()?.1, Some(changed.first()?.1), by_training)?;
        let errors = |arm: &[(u64, &Outcome)]| -> Option<Vec<f64>> {
            arm.iter().map(|(_, outcome)| self.error(outcome, by_training)).collect()
        };
        let errors = [errors(&original)?, errors(&changed)?];
        let values = |arm: &[(u64, &Outcome)]| -> Vec<Vec<f64>> {
            arm.iter().filter_map(|(_, outcome)| self.validated(outcome)).collect()
        };
        Some(Gain::over_seeds(&single, &errors, [&values(&original), &values(&changed)]))
    }

    /// Standard error of the difference of two errors on the same validation records; what is hard for
    /// both cancels. `None` where they are not known record by record.
    fn paired_error(&self, original: &Outcome, changed: Option<&Outcome>) -> Option<f64> {
        let before = self.validated(original)?;
        let after = match changed {
            Some(changed) => self.validated(changed)?,
            None => vec![0.0; before.len()],
        };
        Some(paired_error(&before, &after, self.bench.output.head().is_some()))
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

    /// The change that a training needs before its records say anything: of those that take away at least
    /// a third of the errors, the best one; nothing where none does.
    pub fn mended(&self) -> Change {
        self.best_change(MENDS)
    }

    /// The change that labels are judged with: the best one that takes away some of the errors, nothing
    /// where none does. Once they are judged by a change it stays.
    pub fn judging(&self) -> Change {
        let judges = |probe: &Probe| matches!(probe.records, Selection::Fold { .. });
        let changes = || self.own_probes().filter(judges).map(|probe| probe.change);
        match changes().find(|change| !change.is_empty()) {
            Some(change) => change,
            None if changes().next().is_some() => self.mended(),
            None => self.best_change(JUDGES),
        }
    }

    /// The probes that ran with the model's own seed.
    pub fn own_probes(&self) -> impl Iterator<Item = Probe> {
        let probes = self.outcomes.keys().filter_map(|key| serde_json::from_str::<Probe>(key).ok());
        probes.filter(|probe| probe.seed == self.seed())
    }

    /// Of the changes that do better on the validation records, and take away at least this share of the
    /// errors, the best one.
    fn best_change(&self, least: f64) -> Change {
        let tried = |probe: &Probe| {
            let other_columns = probe.change.keys().any(|path| path.starts_with("task."));
            probe.records == Selection::All && !probe.range_test && !other_columns
        };
        let helps = |probe: Probe| {
            let gain = self.gain(&probe).filter(|_| !probe.change.is_empty())?;
            (gain.helps() && gain.share() >= least).then_some((gain.changed, probe.change))
        };
        let mends = self.own_probes().filter(tried).filter_map(helps);
        mends.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, change)| change).unwrap_or_default()
    }

    /// The losses of these records alone, or of all test records without a list.
    pub fn losses_of(&self, outcome: &Outcome, records: Option<&[usize]>) -> Vec<f64> {
        let Some(records) = records else { return self.losses(outcome) };
        if outcome.failure.is_some() {
            return self.unknowing(records);
        }
        let chosen = |record: &u64| records.binary_search(&(*record as usize)).is_ok();
        let losses = outcome.losses.iter().filter(|(record, _)| chosen(record));
        let losses: Vec<f64> = losses.map(|(_, loss)| *loss).collect();
        bounded(&losses, &self.unknowing(records)).collect()
    }

    /// Compares outcomes over seeds on the same test records: loss of the second − loss of the first,
    /// so that below 0 the second is better.
    pub fn compare(
        &self,
        first: &[(u64, &Outcome)],
        second: &[(u64, &Outcome)],
    ) -> Result<SeedComparison, NoSeedComparison> {
        self.compare_on(first, second, None)
    }

    /// The same on these records alone.
    pub fn compare_on(
        &self,
        first: &[(u64, &Outcome)],
        second: &[(u64, &Outcome)],
        records: Option<&[usize]>,
    ) -> Result<SeedComparison, NoSeedComparison> {
        let values = |arm: &[(u64, &Outcome)]| -> Vec<(u64, Vec<f64>)> {
            arm.iter().map(|(seed, outcome)| (*seed, self.losses_of(outcome, records))).collect()
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
