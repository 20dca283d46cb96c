//! Two settings, each trained with several seeds and measured on the same test records: is the
//! difference more than the luck of seeds and records?
//!
//! A value of run s on record i is mean + seed effect + record effect + rest. The error of the
//! difference of two means has then two sources, the seeds' and the records', and the interval accounts
//! for both: it speaks of trainings with other seeds, on other records of the same kind.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::CONFIDENCE;
use super::uncertainty::{Crossed, Source, Uncertain, record_means, variance, welch};

/// Seeds of each setting that a comparison needs.
pub const MIN_SEEDS: usize = 2;
/// Test records that a comparison needs.
pub const MIN_RECORDS: usize = 20;

/// One training as measured on the test records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedRun<'a> {
    /// The seed that it was trained with.
    pub seed: u64,
    /// A loss, or 1 for right and 0 for wrong, a test record; in the same order in every run.
    pub values: &'a [f64],
}

/// How the runs of two settings belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeedDesign {
    /// Runs of one seed are compared with one another, seeds − 1 degrees of freedom. Better where a seed
    /// helps or harms both settings alike.
    Paired,
    /// Runs are compared whatever their seeds, with the degrees of freedom of Welch, up to
    /// 2·(seeds − 1). Holds for equal seeds too as long as they do not help one setting where they harm
    /// the other, and sees more at three seeds.
    Independent,
}

/// The difference between two settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeedComparison {
    /// Mean of the second setting minus mean of the first, in units of the values.
    pub difference: f64,
    /// Holds the true difference at 95 % confidence, over seeds and records.
    pub interval: [f64; 2],
    /// Two-sided p-value of no difference; at most 0.05 where the interval leaves out 0.
    pub p_value: f64,
    /// The true difference, of either sign, that 80 % of such comparisons would find.
    pub smallest_effect: f64,
    /// Runs of the first and of the second setting.
    pub seeds: [usize; 2],
    /// Test records.
    pub records: usize,
    /// How runs were compared.
    pub design: SeedDesign,
    /// Standard error that is due to the seeds.
    pub seed_error: f64,
    /// Degrees of freedom of that standard error.
    pub seed_degrees: f64,
    /// Standard error that is due to the test records.
    pub record_error: f64,
}

impl SeedComparison {
    /// The interval at another confidence in (0, 1), such as 1 − 0.05/m for m comparisons.
    pub fn interval_at(&self, confidence: f64) -> [f64; 2] {
        let records = self.records as f64 - 1.0;
        uncertain(self.difference, self.seed_error, self.seed_degrees, self.record_error, records)
            .interval(confidence)
    }
}

/// Why there is no comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSeedComparison {
    /// A setting has fewer than [`MIN_SEEDS`] runs.
    TooFewSeeds,
    /// There are fewer than [`MIN_RECORDS`] test records.
    TooFewRecords,
    /// A paired comparison of runs whose seeds differ, or of which one occurs twice.
    SeedsDiffer,
    /// Runs were measured on different numbers of records.
    LengthsDiffer,
    /// A value is not a number.
    NotFinite,
}

impl fmt::Display for NoSeedComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewSeeds => write!(f, "train each setting with at least {MIN_SEEDS} seeds"),
            Self::TooFewRecords => write!(f, "measure on at least {MIN_RECORDS} test records"),
            Self::SeedsDiffer => {
                f.write_str("a paired comparison needs the same seeds, each once, in both settings")
            }
            Self::LengthsDiffer => f.write_str("measure every run on the same test records"),
            Self::NotFinite => f.write_str("a run has a loss that is not a number: it diverged"),
        }
    }
}

/// The mean of `second` minus the mean of `first`, with an interval and a p-value for other seeds and
/// other records (see [`SeedDesign`]). The seeds' variance of the difference comes from the runs' means,
/// the records' from the record's means over seeds, less the part of it that seeds cause
/// (Searle, Casella and McCulloch 1992, 4.5; crossed random effects); each has the t of its own degrees
/// of freedom. Where values are 0 and 1 one pseudo-record in favour of each setting is added to the
/// records' variance (after Bonett and Price 2012), as few differences would make it too small.
pub fn compare_over_seeds(
    first: &[SeedRun<'_>],
    second: &[SeedRun<'_>],
    design: SeedDesign,
) -> Result<SeedComparison, NoSeedComparison> {
    let records = first.first().map_or(0, |run| run.values.len());
    let runs = || first.iter().chain(second);
    if first.len().min(second.len()) < MIN_SEEDS {
        return Err(NoSeedComparison::TooFewSeeds);
    }
    if runs().any(|run| run.values.len() != records) {
        return Err(NoSeedComparison::LengthsDiffer);
    }
    if records < MIN_RECORDS {
        return Err(NoSeedComparison::TooFewRecords);
    }
    if runs().any(|run| run.values.iter().any(|value| !value.is_finite())) {
        return Err(NoSeedComparison::NotFinite);
    }
    let (uncertain, seed_degrees) = difference(first, second, design)?;
    let [seeds, of_records] = [uncertain.sources[0].variance, uncertain.sources[1].variance];
    Ok(SeedComparison {
        difference: uncertain.value,
        interval: uncertain.interval(CONFIDENCE),
        p_value: uncertain.p_value(),
        smallest_effect: uncertain.smallest_effect(CONFIDENCE),
        seeds: [first.len(), second.len()],
        records,
        design,
        seed_error: seeds.sqrt(),
        seed_degrees,
        record_error: of_records.sqrt(),
    })
}

fn uncertain(value: f64, seeds: f64, seed_degrees: f64, records: f64, degrees: f64) -> Uncertain {
    let source = |error: f64, degrees| Source { variance: error * error, degrees };
    Uncertain { value, sources: vec![source(seeds, seed_degrees), source(records, degrees)] }
}

/// The difference with its two sources of error, seeds first, and the seeds' degrees of freedom.
fn difference(
    first: &[SeedRun<'_>],
    second: &[SeedRun<'_>],
    design: SeedDesign,
) -> Result<(Uncertain, f64), NoSeedComparison> {
    let values = |runs: &[SeedRun<'_>]| runs.iter().all(|run| run.values.iter().all(is_binary));
    let binary = values(first) && values(second);
    let (value, seeds, degrees, by_record, within) = match design {
        SeedDesign::Paired => {
            let differences = paired(first, second)?;
            let runs: Vec<&[f64]> = differences.iter().map(Vec::as_slice).collect();
            let crossed = Crossed::of(&runs);
            let count = runs.len();
            let seeds = crossed.between_runs / count as f64;
            let within = crossed.within_records(count);
            (crossed.mean, seeds, (count - 1) as f64, record_means(&runs), within)
        }
        SeedDesign::Independent => {
            let of = |runs: &[SeedRun<'_>]| {
                let runs: Vec<&[f64]> = runs.iter().map(|run| run.values).collect();
                (Crossed::of(&runs), record_means(&runs), runs.len())
            };
            let ((a, a_records, a_count), (b, b_records, b_count)) = (of(first), of(second));
            let (a_seeds, b_seeds) =
                (a.between_runs / a_count as f64, b.between_runs / b_count as f64);
            let by_record = b_records.iter().zip(&a_records).map(|(b, a)| b - a).collect();
            let within = a.within_records(a_count) + b.within_records(b_count);
            let degrees = welch(a_seeds, a_count, b_seeds, b_count);
            (b.mean - a.mean, a_seeds + b_seeds, degrees, by_record, within)
        }
    };
    let records = by_record.len() as f64;
    let spread = if binary {
        variance(&[by_record.as_slice(), &[1.0, -1.0]].concat())
    } else {
        variance(&by_record)
    };
    let of_records = (spread - within).max(0.0) / records;
    let uncertain = uncertain(value, seeds.sqrt(), degrees, of_records.sqrt(), records - 1.0);
    Ok((uncertain, degrees))
}

fn is_binary(value: &f64) -> bool {
    *value == 0.0 || *value == 1.0
}

/// Second minus first, record by record, a seed after the other.
fn paired(
    first: &[SeedRun<'_>],
    second: &[SeedRun<'_>],
) -> Result<Vec<Vec<f64>>, NoSeedComparison> {
    let by_seed = |runs: &[SeedRun<'_>]| {
        let mut order: Vec<usize> = (0..runs.len()).collect();
        order.sort_by_key(|&run| runs[run].seed);
        order
    };
    let (a, b) = (by_seed(first), by_seed(second));
    let same = a.iter().map(|&i| first[i].seed).eq(b.iter().map(|&i| second[i].seed));
    if !same || a.windows(2).any(|two| first[two[0]].seed == first[two[1]].seed) {
        return Err(NoSeedComparison::SeedsDiffer);
    }
    let minus = |(&i, &j): (&usize, &usize)| {
        second[j].values.iter().zip(first[i].values).map(|(b, a)| b - a).collect()
    };
    Ok(a.iter().zip(&b).map(minus).collect())
}

#[cfg(test)]
#[path = "seeds_tests.rs"]
mod tests;
