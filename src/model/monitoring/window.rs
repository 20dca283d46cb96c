//! What was scored in a window of time, as the API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::counts::{Counts, P_VALUE_BINS};
use crate::clock::Timestamp;
use crate::eval::conformal;
use crate::eval::drift::{Share, fisher_exact};
use crate::eval::guarantee;
use crate::model::coverage::MeanCoverage;

/// P-values up to this are counted for a window's drift: the first bin.
const LOW: f64 = 1.0 / P_VALUE_BINS as f64;

/// What was scored in a window of time. The last window may still be filling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Window {
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends; this moment belongs to the next one.
    pub ends_at: Timestamp,
    /// Records, failed ones included.
    pub records: u64,
    /// Records that could not be scored.
    pub failed: u64,
    /// Share of the scored records whose answer was accepted by the thresholds of its request, in
    /// \[0, 1\]; `null` where none was scored.
    pub accepted_share: Option<f64>,
    /// Share of the records that were flagged as outside by the thresholds of their request, of
    /// those where that could be told, in \[0, 1\]; `null` without such records.
    pub flagged_share: Option<f64>,
    /// Mean calibrated confidence, in \[0, 1\]; `null` where nothing is calibrated.
    pub mean_confidence: Option<f64>,
    /// Mean coverage of the scored records; `null` where none was scored.
    pub mean_coverage: Option<MeanCoverage>,
    /// Records with a combined p-value in (0, 0.1\], (0.1, 0.2\] and so on up to 1. Without drift about
    /// as many in each; more in the first ones where records come from elsewhere. `null` without
    /// p-values.
    pub p_values: Option<[u64; P_VALUE_BINS]>,
    /// Whether the window's records come from elsewhere than the calibration records; `null` without
    /// p-values, or where the calibration split is too small.
    pub drift: Option<WindowDrift>,
}

/// Whether more of a window's records look unlike the calibration records than of the calibration
/// records themselves: Fisher's exact test, one-sided, of the records with a combined p-value of at
/// most 0.1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WindowDrift {
    /// The chance that independent records like those of the calibration split have as many low
    /// p-values, over both the records and the split. For one look at one window: of windows without
    /// drift, a share α has a value of α or less. `stream` keeps its error rate however often one looks.
    pub p_value: f64,
    /// Share of the window's p-values of at most 0.1, in \[0, 1\].
    pub low_share: f64,
    /// What that share is on average without drift: the largest k/(n + 1) of n calibration records that is
    /// at most 0.1.
    pub expected_low_share: f64,
}

impl Window {
    /// From counts, for a model of so many calibration records.
    pub fn new(
        starts_at: Timestamp,
        ends_at: Timestamp,
        counts: &Counts,
        calibration_records: usize,
    ) -> Self {
        let ranked = counts.p_values.iter().sum::<u64>() > 0;
        Self {
            starts_at,
            ends_at,
            records: counts.records,
            failed: counts.failed,
            accepted_share: counts.accepted.value(),
            flagged_share: counts.flagged.value(),
            mean_confidence: counts.confidence.value(),
            mean_coverage: counts.representation.value().map(|representation| MeanCoverage {
                tokens: counts.tokens.value(),
                ngrams: counts.ngrams.value(),
                columns: counts.columns.value(),
                representation,
                texts_with_unknown: counts.unknown_words.value(),
                rows_with_outside: counts.outside_values.value(),
            }),
            p_values: ranked.then_some(counts.p_values),
            drift: drift(&counts.p_values, calibration_records),
        }
    }
}

/// The test of a window.
///
/// A p-value is at most 0.1 where fewer than k calibration records score as high, k = ⌊0.1 (n + 1)⌋. Such
/// a threshold is itself one of the scores, so the calibration split's share above it is no chance but
/// k − 1 of n. Of n + m exchangeable records, b or more of the window's m lie above the k-th highest
/// calibration score exactly where the highest b + k − 1 of all hold b or more of the window's: the
/// hypergeometric tail of Fisher's test with k − 1 of n beside b of m. Exact for one axis without ties,
/// cautious with ties; for combined p-values, whose scores depend on the record by a rank, it holds
/// in simulation (tested below).
fn drift(p_values: &[u64; P_VALUE_BINS], calibration_records: usize) -> Option<WindowDrift> {
    let of: u64 = p_values.iter().sum();
    let threshold = guarantee::threshold(calibration_records, LOW, None).ok()?;
    if of == 0 {
        return None;
    }
    let batch = Share { count: p_values[0], of };
    let above = Share { count: threshold.rank as u64 - 1, of: calibration_records as u64 };
    Some(WindowDrift {
        p_value: fisher_exact(above, batch).higher,
        low_share: batch.value(),
        expected_low_share: threshold.p_value,
    })
}

/// The least number of calibration records with which a window's drift can be tested.
pub fn drift_records_needed() -> Option<usize> {
    conformal::records_needed(LOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::combination::Combination;
    use crate::random;

    fn low(count: u64, of: u64) -> [u64; P_VALUE_BINS] {
        let mut bins = [0; P_VALUE_BINS];
        (bins[0], bins[9]) = (count, of - count);
        bins
    }

    #[test]
    fn means_of_what_was_scored() {
        let moment = Timestamp::from_millis;
        let window = |counts| Window::new(moment(0), moment(1_000), &counts, 0);
        let failed = window(Counts { records: 1, failed: 1, ..Counts::default() });
        assert_eq!((failed.records, failed.failed, failed.mean_coverage), (1, 1, None));
    }

    /// One calibration score decides (k = 1 of 9): all of m new ones lie above the highest of nine with
    /// chance 1/C(9 + m, m).
    #[test]
    fn known_values() {
        let found = drift(&low(2, 2), 9).unwrap();
        assert!((found.p_value - 1.0 / 55.0).abs() < 1e-12, "{found:?}");
        assert_eq!((found.low_share, found.expected_low_share), (1.0, 0.1));
        assert!((drift(&low(0, 5), 9).unwrap().p_value - 1.0).abs() < 1e-12);
        assert_eq!((drift(&low(1, 2), 8), drift(&low(0, 0), 9)), (None, None));
        assert_eq!(drift_records_needed(), Some(9));
        assert!(drift(&low(90_000, 100_000), 500).unwrap().p_value < 1e-100);
    }

    /// Of 1,000 windows without drift, each with a calibration set of its own, at most a share α has a
    /// p-value of α or less (three standard errors: 0.021), for one axis and for three combined; windows
    /// with drift are found. A test that takes the expected share for known, as if the calibration set
    /// were endless, fails.
    #[test]
    fn false_alarms_stay_within_alpha() {
        let (trials, records, window, alpha) = (1_000, 60, 90, 0.05);
        let (mut alarms, mut careless, mut power) = ([0; 2], 0, 0);
        for trial in 0..trials {
            let mut rng = random::stream(trial, "window");
            let mut record = |moved: f64| {
                let first = random::normal(&mut rng) + moved;
                [first, 0.6 * first + random::normal(&mut rng), random::normal(&mut rng)]
            };
            let calibration: Vec<[f64; 3]> = (0..records).map(|_| record(0.0)).collect();
            let axis = |i: usize| calibration.iter().map(|scores| scores[i]).collect::<Vec<f64>>();
            let one = Combination::new(vec![axis(0)]);
            let three = Combination::new((0..3).map(axis).collect());
            let count = |ranks: &Combination, scores: &[[f64; 3]], axes: usize| {
                let low = |scores: &&[f64; 3]| ranks.rank(&scores[..axes]).p_value <= LOW;
                scores.iter().filter(low).count() as u64
            };
            let alarm = |low_records| {
                drift(&low(low_records, window as u64), records).unwrap().p_value <= alpha
            };
            let calm: Vec<[f64; 3]> = (0..window).map(|_| record(0.0)).collect();
            let counts = [count(&one, &calm, 1), count(&three, &calm, 3)];
            alarms.iter_mut().zip(counts).for_each(|(n, count)| *n += usize::from(alarm(count)));
            let known = Share { count: 100_000, of: 1_000_000 };
            let batch = Share { count: counts[0], of: window as u64 };
            careless += usize::from(fisher_exact(known, batch).higher <= alpha);
            if trial % 10 == 0 {
                let moved: Vec<[f64; 3]> = (0..window).map(|_| record(1.5)).collect();
                power += usize::from(alarm(count(&one, &moved, 1)));
            }
        }
        let share = |count: usize| count as f64 / trials as f64;
        let [one, three] = alarms.map(share);
        assert!(one <= alpha + 0.021 && three <= alpha + 0.021, "{one} {three}");
        assert!(share(careless) > alpha + 0.021, "{}", share(careless));
        assert!(power >= 95, "{power}");
    }
}
