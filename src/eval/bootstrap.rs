//! Bootstrap intervals (Efron 1979): what a statistic would have been on other records of the same
//! kind. Records are drawn with replacement; the draws belong to a seed, so that the same records
//! give the same interval.

use crate::random::Quick;

/// Confidence of every interval here.
pub const CONFIDENCE: f64 = 0.95;
/// Fewer records than this tell nothing of what other records would have given.
pub const MIN_RECORDS: usize = 10;
/// Records drawn at most for one interval; beyond 10,000 records there are fewer resamples.
const MAX_DRAWS: usize = 20_000_000;

/// Resamples for a number of records: 2,000, and fewer, but at least 400, where there are many.
pub fn resamples(records: usize) -> usize {
    (MAX_DRAWS / records.max(1)).clamp(400, 2_000)
}

/// The interval of a mean by the studentised bootstrap ("bootstrap-t"; Efron and Tibshirani 1993,
/// 12.5): mean − t*·se, where t* are quantiles of (mean* − mean) / se*. It follows the skew of errors
/// and losses, which percentile intervals do not. `None` below [`MIN_RECORDS`] or where a value is
/// not finite. Values that are all alike give an interval of no width.
pub fn mean_interval(values: &[f64], seed: u64) -> Option<[f64; 2]> {
    let n = values.len();
    if n < MIN_RECORDS || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    // Centred first: the sums of squares then lose no digits.
    let (mean, _) = moments(values.iter().copied(), n);
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let (_, error) = moments(centred.iter().copied(), n);
    if error == 0.0 {
        return Some([mean, mean]);
    }
    let mut rng = Quick::stream(seed, "bootstrap.mean");
    let resamples = resamples(n);
    let mut ratios = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let value = centred[rng.below(n)];
            sum += value;
            squares += value * value;
        }
        let mean = sum / n as f64;
        let variance = (squares / n as f64 - mean * mean).max(0.0) / (n - 1) as f64;
        if variance > 0.0 {
            ratios.push(mean / variance.sqrt());
        }
    }
    if ratios.is_empty() {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let (low, high) = (quantile(&ratios, 1.0 - tail), quantile(&ratios, tail));
    Some([mean - low * error, mean - high * error])
}

/// The percentile interval of any statistic of records, which is handed the positions of a resample.
/// Resamples for which it is `None` are left out; where that is one in five, so is the interval.
pub fn percentile_interval(
    records: usize,
    statistic: impl Fn(&[usize]) -> Option<f64>,
    seed: u64,
) -> Option<[f64; 2]> {
    if records < MIN_RECORDS {
        return None;
    }
    let mut rng = Quick::stream(seed, "bootstrap.percentile");
    let resamples = resamples(records);
    let mut positions = vec![0; records];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for position in &mut positions {
            *position = rng.below(records);
        }
        values.extend(statistic(&positions).filter(|value| value.is_finite()));
    }
    if values.len() * 5 < resamples * 4 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some([quantile(&values, tail), quantile(&values, 1.0 - tail)])
}

/// The quantile of values in ascending order, between two where it falls between them.
pub(super) fn quantile(ascending: &[f64], p: f64) -> f64 {
    let place = (ascending.len() - 1) as f64 * p;
    let (low, share) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(ascending.len() - 1);
    ascending[low] + (ascending[high] - ascending[low]) * share
}

/// Mean, and the standard error of the mean.
pub(super) fn moments(values: impl Iterator<Item = f64> + Clone, n: usize) -> (f64, f64) {
    let mean = values.clone().sum::<f64>() / n as f64;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n.max(2) - 1) as f64 / n as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(moments([1.0, 2.0, 3.0].into_iter(), 3), (2.0, (1.0f64 / 3.0).sqrt()));
        assert_eq!(mean_interval(&[4.0; 12], 1), Some([4.0, 4.0]));
        assert_eq!(mean_interval(&[1.0; MIN_RECORDS - 1], 1), None);
        assert_eq!(mean_interval(&[[1.0; 11].as_slice(), &[f64::NAN]].concat(), 1), None);
        assert_eq!((resamples(50), resamples(20_000), resamples(1 << 30)), (2_000, 1_000, 400));
    }

    #[test]
    fn the_same_records_give_the_same_interval() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i % 7)).collect();
        assert_eq!(mean_interval(&values, 3), mean_interval(&values, 3));
        assert_ne!(mean_interval(&values, 3), mean_interval(&values, 4));
        let moved: Vec<f64> = values.iter().map(|value| value + 1e6).collect();
        let ([a, b], [c, d]) =
            (mean_interval(&values, 3).unwrap(), mean_interval(&moved, 3).unwrap());
        assert!((c - a - 1e6).abs() < 1e-6 && (d - b - 1e6).abs() < 1e-6);
    }

    #[test]
    fn a_statistic_that_is_seldom_defined_has_no_interval() {
        assert_eq!(percentile_interval(20, |_| None, 1), None);
        let mean = |at: &[usize]| Some(at.iter().sum::<usize>() as f64 / at.len() as f64);
        let [low, high] = percentile_interval(101, mean, 1).unwrap();
        assert!(low > 40.0 && low < 50.0 && high > 50.0 && high < 60.0, "{low} {high}");
    }

    /// An interval's claim is its coverage, here of the mean of squared errors, whose distribution is
    /// far from symmetric: χ² with one degree of freedom, mean 1.
    #[test]
    fn coverage_over_many_draws() {
        let trials = 400;
        let n = 60;
        let held = (0..trials)
            .filter(|&trial| {
                let mut rng = random::stream(trial, "coverage");
                let mut normal = || {
                    let (u, v): (f64, f64) = (rng.random(), rng.random());
                    (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
                };
                let squares: Vec<f64> = (0..n).map(|_| normal().powi(2)).collect();
                let [low, high] = mean_interval(&squares, trial).unwrap();
                low <= 1.0 && 1.0 <= high
            })
            .count();
        let share = held as f64 / trials as f64;
        let error = (CONFIDENCE * (1.0 - CONFIDENCE) / trials as f64).sqrt();
        assert!(share >= CONFIDENCE - 3.0 * error, "n = {n}: {share}");
        assert!(share < 0.99, "n = {n}: wider than it need be: {share}");
    }
}
