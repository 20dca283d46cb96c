//! Limits of where the model holds: records unlike those that trained.

pub mod missing_topics;
pub mod outside_coverage;
pub mod typos;
pub mod unlike_training;
pub mod unseen_topics;
pub mod vocabulary;

use super::known::Known;

/// p-value from which on a record counts as unlike those that trained.
const FLAGGED: f64 = 0.05;
/// Standard errors beyond which a share is no chance. Several shares are looked at, of every sound model.
const SURE: f64 = 3.0;

/// How many test records are flagged as unlike those that trained.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Flags {
    records: usize,
    flagged: usize,
    /// The share − 0.05, in standard errors of records that are like those that calibrated.
    z: f64,
    /// The smallest share that would have counted.
    smallest: f64,
}

/// Share of the test records from which on their being unlike matters.
const MANY: f64 = 0.1;

impl Flags {
    /// `None` without test records, or without calibration records to rank them among.
    fn of(known: &Known<'_>) -> Option<Self> {
        let tested = known.bench.tested().ok()?;
        let p_values: Option<Vec<f64>> = tested.iter().map(|record| record.p_value).collect();
        let p_values = p_values.filter(|p| !p.is_empty())?;
        // Half of the calibration records rank the combination.
        Some(Self::among(&p_values, known.bench.model.calibration.records() as f64 / 2.0))
    }

    /// From p-values among so many records that rank them.
    fn among(p_values: &[f64], ranked: f64) -> Self {
        let flagged = p_values.iter().filter(|p| **p <= FLAGGED).count();
        // The rate at which like records are flagged varies with the calibration records, as a beta
        // distribution.
        let variance = FLAGGED * (1.0 - FLAGGED);
        let error = (variance / p_values.len() as f64 + variance / (ranked + 2.0)).sqrt();
        let z = (flagged as f64 / p_values.len() as f64 - FLAGGED) / error;
        let smallest = (FLAGGED + SURE * error).max(MANY);
        Self { records: p_values.len(), flagged, z, smallest }
    }

    fn share(&self) -> f64 {
        self.flagged as f64 / self.records.max(1) as f64
    }

    /// Whether so many are no chance, and matter.
    fn are_many(&self) -> bool {
        self.z > SURE && self.share() >= MANY
    }
}

/// Whether each test record is flagged; none are where that cannot be told.
fn flags(known: &Known<'_>) -> Vec<bool> {
    let tested = known.bench.tested().unwrap_or_default();
    tested.iter().map(|record| record.p_value.is_some_and(|p| p <= FLAGGED)).collect()
}

/// The loss of each test record.
fn losses(known: &Known<'_>) -> Vec<f64> {
    known.bench.tested().unwrap_or_default().iter().map(|record| record.loss).collect()
}

/// The rows of those test records, the largest loss first and then the most unlike, from 1; at most 100.
fn rows(known: &Known<'_>, chosen: &[bool]) -> Vec<u64> {
    let tested = known.bench.tested().unwrap_or_default();
    let mut places: Vec<usize> = (0..tested.len()).filter(|place| chosen[*place]).collect();
    let p = |place: usize| tested[place].p_value.unwrap_or(1.0);
    places.sort_by(|a, b| {
        let by_loss = tested[*b].loss.total_cmp(&tested[*a].loss);
        by_loss.then(p(*a).total_cmp(&p(*b))).then(a.cmp(b))
    });
    places.into_iter().take(100).map(|place| tested[place].record as u64 + 1).collect()
}

/// What errors of the model are called: those of labels are a share of the records.
fn does(known: &Known<'_>, loss: f64) -> String {
    if known.bench.output.head().is_some() {
        format!("is wrong on {:.0} %", 100.0 * loss)
    } else {
        format!("has a mean squared error of {loss:.3e}")
    }
}

#[cfg(test)]
mod tests;
