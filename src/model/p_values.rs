//! How the p-values of a model's test records are spread: evenly, where they are like the calibration
//! records. What comes from elsewhere piles up at the low end.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::encoder::Encoded;
use super::splits::Data;
use super::{Calibration, Reader};
use crate::eval::combination::Combined;
use crate::eval::detector::DetectorKind;

/// Bins of p-values: twentieths of (0, 1\].
pub const BINS: usize = 20;
/// Test records that are ranked at most, evenly chosen: the shape of a histogram needs no more.
const MOST: usize = 2_000;

/// Out-of-distribution p-values of the test records, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestPValues {
    /// Test records that were ranked: all of them, or 2,000, evenly chosen.
    pub records: u64,
    /// Records with a combined p-value in (0, 0.05\], (0.05, 0.1\] and so on up to 1. About as many in
    /// each where test and calibration records are alike; the first are those that are flagged at 0.05.
    pub combined: Vec<u64>,
    /// The same of each axis by itself.
    pub axes: Vec<AxisPValues>,
}

/// P-values of one axis, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AxisPValues {
    /// The axis.
    pub axis: DetectorKind,
    /// Records in each twentieth, as `combined`.
    pub counts: Vec<u64>,
}

impl TestPValues {
    /// Ranks test records among the calibration records; `None` where there are none of either, or no
    /// detector.
    pub(super) fn of(reader: &Reader, calibration: &Calibration, data: &Data<'_>) -> Option<Self> {
        let combination = calibration.combination.as_ref()?;
        let every = data.test.len().div_ceil(MOST).max(1);
        let chosen: Vec<_> = data.test.iter().step_by(every).collect();
        if chosen.is_empty() || combination.records() == 0 {
            return None;
        }
        let rank = |record: &&Encoded| combination.rank(&reader.read(Encoded::clone(record)).axes);
        let ranked: Vec<Combined> = chosen.par_iter().map(rank).collect();
        let kinds = reader.detectors.iter().enumerate();
        Some(Self {
            records: ranked.len() as u64,
            combined: counts(ranked.iter().map(|record| record.p_value)),
            axes: kinds
                .map(|(at, (kind, _))| AxisPValues {
                    axis: *kind,
                    counts: counts(ranked.iter().map(|record| record.axes[at])),
                })
                .collect(),
        })
    }
}

/// P-values in (0, 1\], by bin.
fn counts(p_values: impl Iterator<Item = f64>) -> Vec<u64> {
    let mut counts = vec![0; BINS];
    for p in p_values {
        counts[bin(p)] += 1;
    }
    counts
}

/// The bin of a p-value; its upper end belongs to it.
fn bin(p: f64) -> usize {
    // Ranks are k / (n + 1): less than any difference of two of them keeps a bin's end in the bin.
    ((p * BINS as f64 - 1e-9).ceil() as usize).clamp(1, BINS) - 1
}

/// The share of p-values in each bin where a record is like `calibration` records: k / (n + 1) for each k
/// from 1 to n + 1 is as likely as any other.
pub fn expected(calibration: usize) -> Vec<f64> {
    let all = calibration + 1;
    let ranks = (1..=all).map(|rank| rank as f64 / all as f64);
    counts(ranks).into_iter().map(|count| count as f64 / all as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_end_of_a_bin_belongs_to_it() {
        for rank in 1..=BINS {
            // 3 / 20 × 20 is more than 3 in floating-point numbers.
            assert_eq!(bin(rank as f64 / BINS as f64), rank - 1);
        }
        assert_eq!((bin(0.051), bin(1e-12), bin(1.0)), (1, 0, BINS - 1));
    }

    #[test]
    fn what_is_expected_follows_from_the_ranks_that_there_are() {
        assert_eq!(expected(19), [0.05; BINS]);
        // Ten calibration records give eleven p-values: nine bins have none.
        let few = expected(10);
        assert!((few.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(few.iter().filter(|share| **share == 0.0).count(), 9);
    }
}
