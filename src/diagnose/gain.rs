//! What a change does to the error of a model, and how sure that is.

use crate::eval::distribution::normal_cdf;
use crate::eval::seeds::{SeedDesign, SeedRun, compare_over_seeds};

/// One-sided p-value up to which a change counts as better.
const BETTER: f64 = 0.025;
/// One-sided p-value up to which more seeds may tell.
const PROMISING: f64 = 0.25;
/// Standard errors of the smallest difference that counts.
const STANDARD_ERRORS: f64 = 2.0;

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
    /// The chance of so large a difference, or a larger one, if the change did nothing: one-sided.
    pub p_value: f64,
}

impl Gain {
    /// Share of the original's error that the change takes away; negative where it adds to it.
    pub fn share(&self) -> f64 {
        let taken = self.original - self.changed;
        if self.original > 0.0 { taken / self.original } else { taken }
    }

    /// Whether the change does better by more than chance explains.
    pub fn helps(&self) -> bool {
        self.p_value <= BETTER
    }

    /// Whether it does better by so much that more seeds may show it.
    pub fn leans(&self) -> bool {
        self.p_value <= PROMISING
    }

    /// Whether it does worse by more than chance explains.
    pub fn harms(&self) -> bool {
        self.p_value >= 1.0 - BETTER
    }

    /// The smallest difference that would have counted.
    pub fn smallest(&self) -> f64 {
        STANDARD_ERRORS * self.standard_error
    }

    /// From errors and the standard error of their difference, which is that of normal numbers.
    pub fn of_normal([original, changed]: [f64; 2], standard_error: f64) -> Self {
        let taken = original - changed;
        let p_value = match taken {
            0.0 => 0.5,
            _ => normal_cdf(-taken / standard_error.max(f64::MIN_POSITIVE)),
        };
        Self { original, changed, standard_error, p_value }
    }

    /// Over seeds: from what a single training of each says, the errors of all of both arms, and what is
    /// known of them record by record, in the same unit. Where records are not known, what they add is
    /// taken from the single trainings; of a single training with the change, what its own seed adds is
    /// not known and does not count.
    pub fn over_seeds(
        single: &Self,
        [before, after]: &[Vec<f64>; 2],
        [original, changed]: [&[Vec<f64>]; 2],
    ) -> Self {
        if before.len() + after.len() == 2 {
            return *single;
        }
        let means = [mean(before), mean(after)];
        let known = original.len() == before.len() && changed.len() == after.len();
        let compared = compare_over_seeds(&runs(original), &runs(changed), SeedDesign::Independent);
        if let (true, Ok(compared)) = (known, compared) {
            // A quarter of the width, so that two of them are the interval.
            let standard_error = (compared.interval[1] - compared.interval[0]) / 4.0;
            let half = compared.p_value / 2.0;
            let p_value = if compared.difference < 0.0 { half } else { 1.0 - half };
            return Self { original: means[0], changed: means[1], standard_error, p_value };
        }
        let of_seeds = |errors: &[f64]| {
            let squares = errors.iter().map(|error| (error - mean(errors)).powi(2)).sum::<f64>();
            squares / (errors.len().max(2) - 1) as f64 / errors.len() as f64
        };
        // Records are the same for all, and their difficulty is shared by all trainings.
        let of_records = match after.len() {
            1 => single.standard_error,
            _ => single.standard_error / 2.0,
        };
        let variance = of_seeds(before) + of_seeds(after) + of_records.powi(2);
        Self::of_normal(means, variance.sqrt())
    }
}

/// Standard error of the difference of the mean losses of two trainings on the same records; what is hard
/// for both cancels. `binary` losses are 0 or 1.
pub fn paired_error(before: &[f64], after: &[f64], binary: bool) -> f64 {
    let n = before.len() as f64;
    let differences = before.iter().zip(after).map(|(a, b)| a - b);
    let mean = differences.clone().sum::<f64>() / n;
    // One record more that either gets right and the other wrong, so that none among few is not
    // certainty (after Bonett and Price 2012).
    let more = if binary { 2.0 } else { 0.0 };
    let squares = differences.map(|d| (d - mean).powi(2)).sum::<f64>() + more;
    squares.sqrt() / n
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn runs(arm: &[Vec<f64>]) -> Vec<SeedRun<'_>> {
    arm.iter().zip(0..).map(|(values, seed)| SeedRun { seed, values }).collect()
}
