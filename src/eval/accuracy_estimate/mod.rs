//! How accurate a model is on records without labels.
//!
//! ATC, the average thresholded confidence (Garg et al. 2022): the threshold t is set so that as many
//! calibration records score below t as are wrong, P(s < t) = error; the estimate is the share of the
//! target that scores at least t. Under a shift no method without labels can be right in general, so the
//! interval widens with the distance of the target, and far from what was calibrated there is no estimate.

mod threshold;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::{CONFIDENCE, MIN_RECORDS, moments, quantile, resamples};
use super::drift::kolmogorov_smirnov;
use crate::random::Quick;
use threshold::Threshold;

/// Calibration records that an estimate needs.
pub const MIN_CALIBRATION: usize = 50;
/// Resamples at most; fewer for many records.
const RESAMPLES: usize = 1_000;
/// Of the calibration records' coverage: a batch that is covered worse on average than this share of
/// single records ...
const COVERAGE_QUANTILE: f64 = 0.05;
/// ... and by less than this share of their mean has no estimate.
const COVERAGE_SHARE: f64 = 0.9;

/// A calibration record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// Confidence of any scale; higher is more likely right.
    pub score: f64,
    /// How much of the record the model knows, in \[0, 1\].
    pub coverage: f64,
    /// Whether the prediction is right.
    pub right: bool,
}

/// A record of the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unlabelled {
    /// As of the calibration records.
    pub score: f64,
    /// As of the calibration records.
    pub coverage: f64,
}

/// An accuracy, estimated without labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccuracyEstimate {
    /// The estimate, in \[0, 1\].
    pub accuracy: f64,
    /// It holds the accuracy on these very records, and that on their distribution, at 95 % confidence
    /// where that is the calibration records' distribution; under a shift it is wider by `widening` on
    /// either side, which is no guarantee.
    pub interval: [f64; 2],
    /// Accuracy on the calibration records.
    pub calibration_accuracy: f64,
    /// What a shift may have hidden, in shares of records: the larger of `score_distance` and
    /// `coverage_drop`, each less what sampling alone gives.
    pub widening: f64,
    /// Kolmogorov-Smirnov distance of the scores of target and calibration records, in \[0, 1\].
    pub score_distance: f64,
    /// Mean coverage of the calibration records minus that of the target; below 0 where the target is
    /// covered better.
    pub coverage_drop: f64,
}

/// Why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum NoEstimate {
    /// Too few calibration records.
    TooFewCalibrationRecords {
        /// There are.
        records: usize,
        /// It takes.
        needed: usize,
    },
    /// Too few records to estimate for.
    TooFewRecords {
        /// There are.
        records: usize,
        /// It takes.
        needed: usize,
    },
    /// The model knows too little of these records.
    CoverageTooLow {
        /// Mean coverage of the records.
        coverage: f64,
        /// The least with which there is an estimate.
        least: f64,
    },
}

impl fmt::Display for NoEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewCalibrationRecords { records, needed } => write!(
                f,
                "the model has {records} calibration records; an estimate of accuracy needs {needed}"
            ),
            Self::TooFewRecords { records, needed } => {
                write!(f, "there are {records} records; an estimate of accuracy needs {needed}")
            }
            Self::CoverageTooLow { coverage, least } => write!(
                f,
                "the model knows {:.1} % of these records on average, and accuracy was calibrated down \
                 to {:.1} %: label some of them instead",
                100.0 * coverage,
                100.0 * least
            ),
        }
    }
}

/// The accuracy on the target, with a 95 % interval.
///
/// The interval is a bootstrap of what the estimate misses: the calibration records are drawn again, which
/// moves the threshold, and so are either the target's records (for the accuracy on their distribution) or
/// the calibration records' difference between passing the threshold and being right (for the accuracy on
/// these very records). It takes the outer ends of both. One right and one wrong pseudo-record keep it from
/// having no width where no record, or every one, is wrong.
///
/// The widening: a distance D between the scores' distributions says that up to a share D of the records may
/// have crossed any threshold; it is supposed that as many again may have changed without the score showing
/// it, and no fewer than coverage fell by. There is no estimate where mean coverage is below both the 5 %
/// quantile of single calibration records and 90 % of their mean, or where there are too few records.
pub fn estimate_accuracy(
    calibration: &[Labelled],
    target: &[Unlabelled],
    seed: u64,
) -> Result<AccuracyEstimate, NoEstimate> {
    let resamples = resamples(calibration.len() + 2 * target.len()).min(RESAMPLES);
    estimate(calibration, target, resamples, seed)
}

fn estimate(
    calibration: &[Labelled],
    target: &[Unlabelled],
    resamples: usize,
    seed: u64,
) -> Result<AccuracyEstimate, NoEstimate> {
    let (n, m) = (calibration.len(), target.len());
    if n < MIN_CALIBRATION {
        return Err(NoEstimate::TooFewCalibrationRecords { records: n, needed: MIN_CALIBRATION });
    }
    if m < MIN_RECORDS {
        return Err(NoEstimate::TooFewRecords { records: m, needed: MIN_RECORDS });
    }
    let coverage_drop = coverage_drop(calibration, target)?;
    let mut sorted = calibration.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let mut scores: Vec<f64> = target.iter().map(|record| record.score).collect();
    scores.sort_by(f64::total_cmp);
    let errors = sorted.iter().filter(|record| !record.right).count();
    let threshold = Threshold::at(sorted.iter().map(|record| (record.score, 1)), errors);
    let accuracy = threshold.share_at_least(&scores);
    let sampled = sampled_interval(&sorted, &scores, threshold, (resamples, seed));
    let reference: Vec<f64> = sorted.iter().map(|record| record.score).collect();
    let score_distance = kolmogorov_smirnov(&reference, &scores).statistic;
    // The median of Kolmogorov's distribution: what half of the unshifted targets exceed.
    let chance = 0.827_574 * (1.0 / n as f64 + 1.0 / m as f64).sqrt();
    let widening = (score_distance - chance).max(coverage_drop.1).max(0.0);
    Ok(AccuracyEstimate {
        accuracy,
        interval: [(sampled[0] - widening).max(0.0), (sampled[1] + widening).min(1.0)],
        calibration_accuracy: 1.0 - errors as f64 / n as f64,
        widening,
        score_distance,
        coverage_drop: coverage_drop.0,
    })
}

/// By how much mean coverage fell, and the same less its standard error.
fn coverage_drop(
    calibration: &[Labelled],
    target: &[Unlabelled],
) -> Result<(f64, f64), NoEstimate> {
    let mut covered: Vec<f64> = calibration.iter().map(|record| record.coverage).collect();
    covered.sort_by(f64::total_cmp);
    let (calibrated, error) = moments(covered.iter().copied(), covered.len());
    let (coverage, _) = moments(target.iter().map(|record| record.coverage), target.len());
    let least = quantile(&covered, COVERAGE_QUANTILE).min(COVERAGE_SHARE * calibrated);
    if coverage < least {
        return Err(NoEstimate::CoverageTooLow { coverage, least });
    }
    let drop = calibrated - coverage;
    // The spread of a calibration record, over the smaller target too.
    let error = error * (1.0 + covered.len() as f64 / target.len() as f64).sqrt();
    Ok((drop, drop - error))
}

/// What sampling alone leaves open, at 95 % confidence.
fn sampled_interval(
    sorted: &[Labelled],
    target: &[f64],
    threshold: Threshold,
    (resamples, seed): (usize, u64),
) -> [f64; 2] {
    let (n, m) = (sorted.len(), target.len());
    let accuracy = threshold.share_at_least(target);
    // 1 and −1 are the pseudo-records.
    let mut missed: Vec<f64> = vec![1.0, -1.0];
    missed.extend(sorted.iter().map(|r| threshold.counts(r.score) - f64::from(u8::from(r.right))));
    let mut rng = Quick::stream(seed, "accuracy_estimate");
    let mut counts = vec![0usize; n];
    let (mut here, mut everywhere) = (Vec::new(), Vec::new());
    for _ in 0..resamples {
        counts.fill(0);
        let mut errors = 0;
        for _ in 0..n {
            let drawn = rng.below(n + 2);
            match sorted.get(drawn) {
                Some(record) => {
                    counts[drawn] += 1;
                    errors += usize::from(!record.right);
                }
                // The first pseudo-record is wrong, the second right.
                None => errors += usize::from(drawn == n),
            }
        }
        let scores = sorted.iter().zip(&counts).map(|(record, &count)| (record.score, count));
        let drawn = Threshold::at(scores, errors);
        let noise = (0..m).map(|_| missed[rng.below(n + 2)]).sum::<f64>() / m as f64;
        here.push(accuracy - (drawn.share_at_least(target) - accuracy + noise));
        let again = (0..m).map(|_| drawn.counts(target[rng.below(m)])).sum::<f64>() / m as f64;
        everywhere.push(again);
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let mut ends = [1.0f64, 0.0];
    for mut values in [here, everywhere] {
        values.sort_by(f64::total_cmp);
        ends = [ends[0].min(quantile(&values, tail)), ends[1].max(quantile(&values, 1.0 - tail))];
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    /// Records whose score is their chance to be right, or misses it by `unseen`.
    fn draw(rng: &mut impl Rng, n: usize, moved: f64, unseen: f64, step: f64) -> Vec<Labelled> {
        let mut one = || {
            let score = (1.0 - 0.6 * rng.random::<f64>().powi(2) - moved).clamp(0.0, 1.0);
            let coverage = (0.9 + 0.1 * rng.random::<f64>() - moved).clamp(0.0, 1.0);
            let right = rng.random::<f64>() < score - unseen;
            Labelled { score: (score / step).floor() * step, coverage, right }
        };
        (0..n).map(|_| one()).collect()
    }

    fn without_labels(records: &[Labelled]) -> Vec<Unlabelled> {
        records.iter().map(|r| Unlabelled { score: r.score, coverage: r.coverage }).collect()
    }

    fn accuracy(records: &[Labelled]) -> f64 {
        records.iter().filter(|record| record.right).count() as f64 / records.len() as f64
    }

    #[test]
    fn known_values() {
        // 12 of 60 are wrong, so t is the 13th score; 7 of 10 of the target are at least that.
        let calibration: Vec<Labelled> = (0..60)
            .map(|i| Labelled { score: f64::from(i), coverage: 1.0, right: i % 5 != 0 })
            .collect();
        let target: Vec<Unlabelled> = [0.0, 5.0, 11.5, 12.0, 20.0, 30.0, 40.0, 50.0, 55.0, 59.0]
            .map(|score| Unlabelled { score, coverage: 1.0 })
            .to_vec();
        let found = estimate_accuracy(&calibration, &target, 1).unwrap();
        assert!(
            (found.accuracy - 0.7).abs() < 1e-12
                && (found.calibration_accuracy - 0.8).abs() < 1e-12
        );
        assert!(found.interval[0] < 0.7 && found.interval[1] > 0.7);
        assert_eq!(estimate_accuracy(&calibration, &target, 1).unwrap(), found);
        // The calibration records themselves: the estimate is their accuracy, with any ties.
        for step in [1.0, 7.0, 1e9] {
            let mut tied = calibration.clone();
            tied.iter_mut().for_each(|r| r.score = (r.score / step).floor());
            let found = estimate_accuracy(&tied, &without_labels(&tied), 1).unwrap();
            assert!((found.accuracy - 0.8).abs() < 1e-12, "{step}: {found:?}");
        }
    }

    #[test]
    fn all_right_or_all_wrong_still_has_a_width() {
        for right in [true, false] {
            let records = vec![Labelled { score: 0.5, coverage: 0.0, right }; 80];
            let found = estimate_accuracy(&records, &without_labels(&records), 1).unwrap();
            assert_eq!(found.accuracy, f64::from(u8::from(right)));
            assert!(found.interval[1] - found.interval[0] > 0.01, "{found:?}");
        }
    }

    #[test]
    fn there_is_no_estimate_of_too_little() {
        let mut rng = random::stream(1, "refusal");
        let calibration = draw(&mut rng, 100, 0.0, 0.0, 1e-9);
        let target = without_labels(&draw(&mut rng, 30, 0.0, 0.0, 1e-9));
        let uncovered = without_labels(&draw(&mut rng, 30, 0.3, 0.0, 1e-9));
        let reason = |calibration: &[Labelled], target: &[Unlabelled]| {
            estimate_accuracy(calibration, target, 1).unwrap_err()
        };
        assert_eq!(
            reason(&calibration[..49], &target),
            NoEstimate::TooFewCalibrationRecords { records: 49, needed: 50 }
        );
        assert_eq!(
            reason(&calibration, &target[..9]),
            NoEstimate::TooFewRecords { records: 9, needed: 10 }
        );
        let refused = reason(&calibration, &uncovered);
        assert!(matches!(refused, NoEstimate::CoverageTooLow { .. }), "{refused:?}");
        assert!(refused.to_string().contains("calibrated down to 8"), "{refused}");
        assert!(estimate_accuracy(&calibration, &target, 1).is_ok());
    }

    /// Without a shift the interval holds the accuracy of the very target, and of its distribution, in at
    /// least 95 % of 1,000 trials (three standard errors: 0.021), at several sizes and with ties. One that
    /// takes the threshold as known, and the target for its distribution, fails.
    #[test]
    fn the_interval_holds_the_truth_without_a_shift() {
        let trials = 1_000;
        let mut rng = random::stream(2, "no shift");
        // The mean of 1 − 0.6 u².
        let truth = 0.8;
        for (n, m, step) in [(50, 10, 1e-9), (100, 30, 1e-9), (50, 60, 0.05)] {
            let (mut here, mut everywhere, mut broken) = (0, 0, 0);
            for trial in 0..trials {
                let calibration = draw(&mut rng, n, 0.0, 0.0, step);
                let target = draw(&mut rng, m, 0.0, 0.0, step);
                let found = estimate(&calibration, &without_labels(&target), 400, trial).unwrap();
                let [low, high] = found.interval;
                let holds = |accuracy: f64| low <= accuracy && accuracy <= high;
                here += usize::from(holds(accuracy(&target)));
                everywhere += usize::from(holds(truth));
                let p = found.accuracy;
                let half = 1.96 * (p * (1.0 - p) / (n + m) as f64).sqrt();
                broken += usize::from((accuracy(&target) - p).abs() <= half);
            }
            let share = |count: usize| count as f64 / trials as f64;
            assert!(share(here) >= 0.95 - 0.021, "{n} {m}: {}", share(here));
            assert!(share(everywhere) >= 0.95 - 0.021, "{n} {m}: {}", share(everywhere));
            assert!(share(broken) < 0.95 - 0.021, "{n} {m}: {}", share(broken));
        }
    }

    /// A shift of which the scores show but half: the interval holds the truth in 95 % of 1,000 trials,
    /// and without its widening in few.
    #[test]
    fn the_widening_holds_what_scores_do_not_show() {
        let trials = 1_000;
        let mut rng = random::stream(3, "shift");
        let (mut held, mut narrow) = (0, 0);
        for trial in 0..trials {
            let calibration = draw(&mut rng, 100, 0.0, 0.0, 1e-9);
            let target = draw(&mut rng, 60, 0.08, 0.08, 1e-9);
            let found = estimate(&calibration, &without_labels(&target), 400, trial).unwrap();
            let [low, high] = found.interval;
            let truth = accuracy(&target);
            held += usize::from(low <= truth && truth <= high);
            narrow += usize::from(low + found.widening <= truth && truth <= high - found.widening);
        }
        let share = |count: usize| count as f64 / trials as f64;
        assert!(share(held) >= 0.95 - 0.021, "{}", share(held));
        assert!(share(narrow) < 0.95 - 0.021, "{}", share(narrow));
    }
}
