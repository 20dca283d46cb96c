//! Reliability diagrams, and the calibration error before and after calibration with intervals.
//! Only records that fitted neither network nor calibrator tell the truth here: the test split.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::{CONFIDENCE, MIN_RECORDS, quantile, resamples};
use super::interval::wilson;
use super::metric::{bin_of, expected_calibration_error, reliability};
use crate::random::Quick;

/// Bins of equal width, as of the expected calibration error that is reported.
pub const BINS: usize = 15;
/// Standard errors from which the sign of a bin's gap counts as known.
const SURE: f64 = 3.0;

/// One bin of a diagram: confidences in (lower, upper\]; the lowest bin holds 0 as well.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReliabilityBin {
    /// Lower end of confidence, not in the bin.
    pub lower: f64,
    /// Upper end of confidence.
    pub upper: f64,
    /// Records in the bin, at least 1.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right. Below `confidence` is overconfident.
    pub accuracy: f64,
    /// The Wilson interval of the accuracy at 95 % confidence.
    pub accuracy_interval: [f64; 2],
}

/// How far confidences are from accuracy, bin by bin and in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReliabilityDiagram {
    /// By confidence, ascending. Bins without records are left out.
    pub bins: Vec<ReliabilityBin>,
    /// Expected calibration error over 15 bins, in \[0, 1\]; lower is better. Chance alone keeps it
    /// above 0 on few records.
    pub ece: f64,
    /// What the error would be on any number of records, at 95 % confidence; absent below ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ece_interval: Option<[f64; 2]>,
}

/// The same records before and after calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reliability {
    /// By the network's own confidence.
    pub before: ReliabilityDiagram,
    /// By the calibrated confidence; absent without a calibrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<ReliabilityDiagram>,
}

impl Reliability {
    /// From confidences in \[0, 1\] and whether the label is right; `None` without records.
    pub fn of(before: &[(f64, bool)], after: Option<&[(f64, bool)]>, seed: u64) -> Option<Self> {
        let before = diagram(before, seed)?;
        Some(Self { before, after: after.and_then(|records| diagram(records, seed)) })
    }
}

/// The diagram of confidences in \[0, 1\] and whether the label is right; `None` without records.
pub fn diagram(records: &[(f64, bool)], seed: u64) -> Option<ReliabilityDiagram> {
    if records.is_empty() {
        return None;
    }
    let bins = reliability(records.iter().copied(), BINS).into_iter().filter(|bin| bin.count > 0);
    let bin = |bin: super::metric::Bin| {
        let right = (bin.accuracy * bin.count as f64).round() as u64;
        let (low, high) = wilson(right, bin.count);
        ReliabilityBin {
            lower: bin.lower,
            upper: bin.upper,
            count: bin.count,
            confidence: bin.confidence,
            accuracy: bin.accuracy,
            accuracy_interval: [low, high],
        }
    };
    Some(ReliabilityDiagram {
        bins: bins.map(bin).collect(),
        ece: expected_calibration_error(records.iter().copied(), BINS),
        ece_interval: ece_interval(records, seed),
    })
}

/// An interval at 95 % confidence for the error that unlimited records would give, Σ |γ_b|, where
/// γ_b is the mean over all records of (right − confidence) within bin b. `None` below ten records.
///
/// The percentile bootstrap of the error does not do: |·| turns chance into error, again in each
/// resample, so that its interval stands above the truth wherever calibration is good. What is
/// resampled here are the signed gaps g_b. Where a gap is beyond three standard errors its sign is
/// known and |g_b| errs by ±(g*_b − g_b); elsewhere by |g*_b − g_b| at most. The 97.5 % points of
/// those sums are the ends' distances: too far where calibration is good, and never too near.
fn ece_interval(records: &[(f64, bool)], seed: u64) -> Option<[f64; 2]> {
    let n = records.len();
    if n < MIN_RECORDS || records.iter().any(|(confidence, _)| !confidence.is_finite()) {
        return None;
    }
    let gaps: Vec<(usize, f64)> = records
        .iter()
        .map(|(confidence, right)| {
            (bin_of(*confidence, BINS), f64::from(u8::from(*right)) - confidence)
        })
        .collect();
    let (mut sums, mut squares) = ([0.0; BINS], [0.0; BINS]);
    // Of few records alike the spread would be 0: at least that of right confidences, Σ c(1 − c).
    let mut least = [0.0; BINS];
    for ((bin, gap), (confidence, _)) in gaps.iter().zip(records) {
        sums[*bin] += gap;
        squares[*bin] += gap * gap;
        least[*bin] += confidence * (1.0 - confidence);
    }
    // 1, −1, or 0 where the sign is not known.
    let signs: [f64; BINS] = std::array::from_fn(|bin| {
        let variance = (squares[bin] - sums[bin] * sums[bin] / n as f64).max(least[bin]);
        if sums[bin].abs() > SURE * variance.sqrt() { sums[bin].signum() } else { 0.0 }
    });
    let mut rng = Quick::stream(seed, "reliability.ece");
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for _ in 0..resamples(n) {
        let mut drawn = [0.0; BINS];
        for _ in 0..n {
            let (bin, gap) = gaps[rng.below(n)];
            drawn[bin] += gap;
        }
        let (mut known, mut unknown) = (0.0, 0.0);
        for bin in 0..BINS {
            let noise = drawn[bin] - sums[bin];
            known += signs[bin] * noise;
            unknown += if signs[bin] == 0.0 { noise.abs() } else { 0.0 };
        }
        above.push(unknown + known);
        below.push(unknown - known);
    }
    let ece = sums.iter().map(|sum| sum.abs()).sum::<f64>() / n as f64;
    let end = |mut noise: Vec<f64>| {
        noise.sort_by(f64::total_cmp);
        quantile(&noise, (1.0 + CONFIDENCE) / 2.0) / n as f64
    };
    Some([(ece - end(above)).max(0.0), (ece + end(below)).min(1.0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::bootstrap::percentile_interval;
    use crate::random::{self, Rng};
    use rayon::prelude::*;

    const KNOWN: [(f64, bool); 8] = [
        (0.95, true),
        (0.9, true),
        (0.85, false),
        (0.6, true),
        (0.55, false),
        (0.7, true),
        (0.99, true),
        (0.4, false),
    ];

    #[test]
    fn known_values() {
        let found = diagram(&KNOWN, 1).unwrap();
        assert!((found.ece - 0.2325).abs() < 1e-9);
        assert_eq!(found.ece_interval, None);
        assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<u64>(), 8);
        // .55 and .6 share a bin, as do .95 and .99; empty bins are left out.
        assert_eq!(found.bins.len(), 6);
        let last = found.bins[5];
        assert!((last.lower - 14.0 / 15.0).abs() < 1e-12 && last.upper == 1.0);
        assert_eq!((last.count, last.accuracy), (2, 1.0));
        assert!((last.confidence - 0.97).abs() < 1e-12);
        let (low, high) = wilson(2, 2);
        assert_eq!(last.accuracy_interval, [low, high]);
        assert_eq!(diagram(&[], 1), None);
    }

    #[test]
    fn before_and_after_and_the_interval_holds_the_error() {
        let before: Vec<(f64, bool)> = (0..300).map(|i| (0.95, i % 10 < 7)).collect();
        let after: Vec<(f64, bool)> = (0..300).map(|i| (0.7, i % 10 < 7)).collect();
        let found = Reliability::of(&before, Some(&after), 1).unwrap();
        assert!((found.before.ece - 0.25).abs() < 1e-9);
        let [low, high] = found.before.ece_interval.unwrap();
        // One bin whose sign is known: ± 1.96 √(.7·.3/300) = 0.052.
        assert!((low - 0.198).abs() < 0.008 && (high - 0.302).abs() < 0.008, "{low} {high}");
        let after = found.after.clone().unwrap();
        assert!(after.ece < 1e-9 && after.ece_interval.unwrap()[0] == 0.0);
        assert_eq!(Reliability::of(&before, None, 1).unwrap().after, None);
        assert_eq!(
            Reliability::of(&before, Some(&KNOWN), 1),
            Reliability::of(&before, Some(&KNOWN), 1)
        );
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Reliability>(&text).unwrap(), found);
    }

    #[test]
    fn extremes_have_a_diagram() {
        for confidence in [0.0, 1.0, f64::MIN_POSITIVE] {
            for right in [true, false] {
                let found = diagram(&[(confidence, right); 12], 1).unwrap();
                let [low, high] = found.ece_interval.unwrap();
                assert!(low <= found.ece && found.ece <= high, "{found:?}");
            }
        }
    }

    type Interval = dyn Fn(&[(f64, bool)], u64) -> [f64; 2] + Sync;

    /// The interval holds the true error in at least 95 of 100 of 1,000 seeded draws, within three
    /// standard errors, whether confidence is right or too high. The percentile bootstrap fails the
    /// same check where confidence is right.
    #[test]
    fn coverage_over_many_draws() {
        let holds = |trials: u64, excess: f64, interval: &Interval| {
            let held = (0..trials).into_par_iter().filter(|&trial| {
                let mut rng = random::stream(trial, "ece");
                let draw = |_| {
                    let confidence = 0.4 + 0.6 * rng.random::<f64>();
                    (confidence, rng.random::<f64>() < confidence - excess)
                };
                let records: Vec<(f64, bool)> = (0..50).map(draw).collect();
                let [low, high] = interval(&records, trial);
                // Every bin is off by `excess`, and so is the whole.
                low <= excess && excess <= high
            });
            let tolerance = 3.0 * (CONFIDENCE * (1.0 - CONFIDENCE) / trials as f64).sqrt();
            held.count() as f64 / trials as f64 >= CONFIDENCE - tolerance
        };
        let ours = |records: &[(f64, bool)], seed| ece_interval(records, seed).unwrap();
        assert!(holds(1_000, 0.0, &ours) && holds(1_000, 0.2, &ours));
        let percentile = |records: &[(f64, bool)], seed| {
            let ece = |at: &[usize]| {
                Some(expected_calibration_error(at.iter().map(|&i| records[i]), BINS))
            };
            percentile_interval(records.len(), ece, seed).unwrap()
        };
        assert!(!holds(200, 0.0, &percentile));
    }
}
