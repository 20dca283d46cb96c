//! What a diagnosis knows so far: the model, its records, and the outcomes of the probes that ran.

use std::collections::BTreeMap;

use super::experiment::{Outcome, SharedOutcome};
use super::probe::{Change, Probe};
use super::request::DiagnoseSpec;
use super::workbench::Workbench;
use crate::eval::seeds::{
    NoSeedComparison, SeedComparison, SeedDesign, SeedRun, compare_over_seeds,
};
use crate::task::MetricsReport;

/// Standard errors by which a single training must do better to count as better.
const STANDARD_ERRORS: f64 = 2.0;

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
    /// Standard error of their difference, by the number of validation records; as if they were not
    /// the same records, which is cautious.
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
        let changed = self.of(probe)?;
        self.gain_between(self.original()?, |error| error(changed), false)
    }

    /// The same between an outcome and another error, which may be that of an outcome. Without
    /// validation records there is none, unless the training records may stand in for them.
    pub fn gain_between(
        &self,
        original: &Outcome,
        changed: impl FnOnce(&dyn Fn(&Outcome) -> Option<f64>) -> Option<f64>,
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
        let (original, changed) = (error(original)?, changed(&error)?);
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
        let standard_error = (variance(original) + variance(changed)).sqrt();
        Some(Gain { original, changed, standard_error })
    }

    /// The loss of each test record, in the order of the records. A training that failed is no better
    /// than knowing nothing: all labels wrong, or the mean of the numbers for every record.
    pub fn losses(&self, outcome: &Outcome) -> Vec<f64> {
        if outcome.failure.is_none() {
            return outcome.losses.iter().map(|(_, loss)| *loss).collect();
        }
        let test = &self.bench.parts.test;
        if self.bench.output.head().is_some() {
            return vec![1.0; test.len()];
        }
        let truths: Vec<&[f64]> =
            test.iter().map(|record| self.bench.outcomes.values_of(*record)).collect();
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

fn error_of(metrics: Option<&MetricsReport>) -> Option<f64> {
    metrics?.quality().map(|quality| 1.0 - quality).filter(|error| error.is_finite())
}
