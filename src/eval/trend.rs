//! Whether a series still falls, or rises, or has come to rest: a slope that single outliers do not
//! move, with its interval.
//!
//! The interval supposes that what is left beside the slope is independent from point to point. The
//! losses of neighbouring epochs are not: where one epoch is high the next tends to be, and the
//! interval of the raw points is then too narrow. [`block_means`] is the way out: means of blocks that
//! are longer than such runs are nearly independent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::distribution::normal_quantile;

/// Points up to which the exact distribution of Kendall's statistic is used.
const EXACT_UP_TO: usize = 25;

/// Which way a series goes, at the confidence of its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrendDirection {
    /// The whole interval of the slope is below 0. A loss that ends so was stopped too early.
    Falling,
    /// The whole interval of the slope is above 0.
    Rising,
    /// The interval holds 0: a plateau, as far as these points can tell.
    Flat,
}

/// The slope of a series, robust against outliers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trend {
    /// Median of the slopes of all pairs of points, in units of y for one unit of x.
    pub slope: f64,
    /// Holds the slope at the confidence that was asked for.
    pub interval: [f64; 2],
    /// Points.
    pub points: usize,
}

impl Trend {
    /// Falling or rising where the interval leaves 0 out, otherwise flat. How small a slope these
    /// points could have shown is half the width of the interval.
    pub fn direction(&self) -> TrendDirection {
        if self.interval[1] < 0.0 {
            TrendDirection::Falling
        } else if self.interval[0] > 0.0 {
            TrendDirection::Rising
        } else {
            TrendDirection::Flat
        }
    }
}

/// The Theil-Sen slope of points (x, y), the median of (yⱼ − yᵢ)/(xⱼ − xᵢ), with the interval of Sen
/// (1968): all slopes β at which Kendall's statistic of (x, y − βx) is not extreme. The statistic's
/// distribution is exact up to 25 points without ties, otherwise normal with the variance that Kendall
/// corrected for ties; pairs of equal x have no slope and are left out. Takes time and memory in the
/// square of the points: give a few thousand at most.
///
/// `None` where a number is not finite, `confidence` is not in (0, 1), all x are alike, or there are too
/// few points to bound a slope at that confidence: 5 are needed for 95 %.
pub fn theil_sen(points: &[(f64, f64)], confidence: f64) -> Option<Trend> {
    let finite = points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
    let possible = confidence > 0.0 && confidence < 1.0;
    if !finite || !possible {
        return None;
    }
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (i, a) in points.iter().enumerate() {
        slopes.extend(points[..i].iter().filter(|b| a.0 != b.0).map(|b| (a.1 - b.1) / (a.0 - b.0)));
    }
    slopes.sort_by(f64::total_cmp);
    let pairs = slopes.len();
    let middle = (slopes.get(pairs.checked_sub(1)? / 2)? + slopes.get(pairs / 2)?) / 2.0;
    // With k slopes below β the statistic is pairs − 2k.
    let extreme = largest_ordinary(points, 1.0 - confidence)?;
    let below = ((pairs as f64 - extreme) / 2.0).ceil().max(0.0) as usize;
    let interval = [*slopes.get(below.checked_sub(1)?)?, *slopes.get(pairs.checked_sub(below)?)?];
    Some(Trend { slope: middle, interval, points: points.len() })
}

/// The largest value of Kendall's |S| that is not yet extreme: P(|S| > it) ≤ `alpha` without a trend.
fn largest_ordinary(points: &[(f64, f64)], alpha: f64) -> Option<f64> {
    let n = points.len();
    let ties = [ties(points.iter().map(|p| p.0)), ties(points.iter().map(|p| p.1))];
    if ties.iter().all(Vec::is_empty) && n <= EXACT_UP_TO {
        return exact_ordinary(n, alpha);
    }
    let size = n as f64;
    let [x, y] = ties.map(|groups| {
        let sum = |term: fn(f64) -> f64| groups.iter().map(|&size| term(size)).sum::<f64>();
        [
            sum(|t| t * (t - 1.0) * (2.0 * t + 5.0)),
            sum(|t| t * (t - 1.0) * (t - 2.0)),
            sum(|t| t * (t - 1.0)),
        ]
    });
    let variance = (size * (size - 1.0) * (2.0 * size + 5.0) - x[0] - y[0]) / 18.0
        + x[1] * y[1] / (9.0 * size * (size - 1.0) * (size - 2.0)).max(1.0)
        + x[2] * y[2] / (2.0 * size * (size - 1.0)).max(1.0);
    let extreme = normal_quantile(1.0 - alpha / 2.0) * variance.max(0.0).sqrt();
    // Two of all orders are the most extreme. With ties no fewer points would do than without them.
    let orders: f64 = (1..=n.min(EXACT_UP_TO)).map(|points| points as f64).product();
    (2.0 <= alpha * orders).then_some(extreme)
}

/// [`largest_ordinary`] of `n` points without ties: S = n(n − 1)/2 − 2·(inversions of a random order).
fn exact_ordinary(n: usize, alpha: f64) -> Option<f64> {
    let pairs = n * n.saturating_sub(1) / 2;
    // Chances of each number of inversions, one more point at a time.
    let mut chances = vec![1.0];
    for points in 2..=n {
        let mut next = vec![0.0; chances.len() + points - 1];
        for (inversions, chance) in chances.iter().enumerate() {
            for more in 0..points {
                next[inversions + more] += chance / points as f64;
            }
        }
        chances = next;
    }
    let mut tail = 0.0;
    let extreme = chances.iter().take_while(|&&chance| {
        tail += 2.0 * chance;
        tail <= alpha
    });
    let extreme = extreme.count();
    // Without an extreme order there is nothing that could speak for a slope.
    (extreme > 0 && n > 1).then_some(pairs as f64 - 2.0 * extreme as f64)
}

/// The sizes of groups of equal values, of two and more.
fn ties(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let groups = values.chunk_by(|a, b| a == b);
    groups.filter(|group| group.len() > 1).map(|group| group.len() as f64).collect()
}

/// Means of consecutive blocks of a series of equal steps, with the mean position, from 0, as x: at
/// most `blocks` points for [`theil_sen`], of equal length but for the first, which takes what is left
/// over. The block should be longer than the runs in which the series stays above or below its course:
/// with five to ten blocks a plateau of autocorrelation ½ is taken for a slope about as seldom as the
/// confidence says.
pub fn block_means(values: &[f64], blocks: usize) -> Vec<(f64, f64)> {
    let length = (values.len() / blocks.max(1)).max(1);
    let first = values.len() - length * (values.len() / length).min(blocks).saturating_sub(1);
    let mean = |from: usize, block: &[f64]| {
        let size = block.len() as f64;
        (from as f64 + (size - 1.0) / 2.0, block.iter().sum::<f64>() / size)
    };
    if values.is_empty() || blocks == 0 {
        return Vec::new();
    }
    let (head, rest) = values.split_at(first);
    let later = rest.chunks(length).enumerate();
    let mut means = vec![mean(0, head)];
    means.extend(later.map(|(place, block)| mean(first + place * length, block)));
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    fn series(values: &[f64]) -> Vec<(f64, f64)> {
        values.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect()
    }

    #[test]
    fn known_values() {
        let line = theil_sen(&series(&[1.0, 3.0, 5.0, 7.0, 9.0]), 0.95).unwrap();
        assert_eq!(line, Trend { slope: 2.0, interval: [2.0, 2.0], points: 5 });
        // The slopes of 5 points, sorted: −3 … 4; |S| = 10 alone is extreme at 5 % (2 of 120 orders),
        // so that the interval reaches from the smallest slope to the largest.
        let points = [(0.0, 0.0), (1.0, 1.0), (2.0, 5.0), (3.0, 2.0), (4.0, 4.0)];
        let found = theil_sen(&points, 0.95).unwrap();
        assert_eq!((found.slope, found.interval), (1.0, [-3.0, 4.0]));
        assert_eq!(found.direction(), TrendDirection::Flat);
        // Critical values of Kendall's S at 5 %, two-sided (Hollander and Wolfe, table A.30).
        for (n, extreme) in [(5, 10.0), (6, 13.0), (7, 15.0), (8, 18.0), (9, 20.0), (10, 23.0)] {
            assert_eq!(exact_ordinary(n, 0.05), Some(extreme - 2.0), "{n}");
        }
        assert_eq!(theil_sen(&points[..4], 0.95), None);
        assert!(theil_sen(&points[..4], 0.9).is_some());
        assert_eq!(theil_sen(&[(1.0, 2.0); 9], 0.95), None);
        assert_eq!(theil_sen(&series(&[0.0, 1.0, f64::NAN, 2.0, 3.0, 4.0]), 0.95), None);
        assert_eq!(theil_sen(&[], 0.95), None);
        assert_eq!(theil_sen(&series(&[1.0; 6]), 1.0), None);
    }

    #[test]
    fn an_outlier_does_not_turn_the_slope_and_a_constant_is_flat() {
        let mut values: Vec<f64> = (0..20).map(|epoch| 2.0 - 0.05 * f64::from(epoch)).collect();
        values[19] = 50.0;
        let trend = theil_sen(&series(&values), 0.95).unwrap();
        assert!((trend.slope + 0.05).abs() < 1e-9, "{trend:?}");
        assert_eq!(trend.direction(), TrendDirection::Falling);
        let constant = theil_sen(&series(&[0.7; 12]), 0.95).unwrap();
        assert_eq!((constant.slope, constant.direction()), (0.0, TrendDirection::Flat));
        let rising = theil_sen(&series(&[1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 5.0]), 0.95).unwrap();
        assert_eq!(rising.direction(), TrendDirection::Rising);
    }

    #[test]
    fn blocks_hold_every_value() {
        assert_eq!(block_means(&[1.0, 2.0, 3.0, 4.0, 5.0], 2), [(1.0, 2.0), (3.5, 4.5)]);
        assert_eq!(block_means(&[4.0, 6.0], 9), [(0.0, 4.0), (1.0, 6.0)]);
        assert_eq!(block_means(&[4.0, 6.0], 1), [(0.5, 5.0)]);
        assert!(block_means(&[], 3).is_empty() && block_means(&[1.0], 0).is_empty());
        for (length, blocks) in [(17, 5), (100, 7), (9, 9), (10, 4), (11, 6)] {
            let values: Vec<f64> = (0..length).map(f64::from).collect();
            let means = block_means(&values, blocks);
            assert_eq!(means.len(), blocks);
            assert!(means.iter().all(|(x, y)| (x - y).abs() < 1e-12));
        }
    }

    /// Shares of 2,000 draws in which the interval misses the slope, for the interval at 95 %
    /// and for one with a tail of 5 % on either side.
    fn misses(draw: impl Fn(&mut dyn FnMut() -> f64) -> Vec<(f64, f64)>, slope: f64) -> (f64, f64) {
        let trials = 2_000;
        let (mut missed, mut broken) = (0, 0);
        for trial in 0..trials {
            let mut rng = random::stream(trial, "trend");
            let points = draw(&mut || random::normal(&mut rng));
            let outside = |confidence: f64| {
                let interval = theil_sen(&points, confidence).unwrap().interval;
                slope < interval[0] || slope > interval[1]
            };
            missed += usize::from(outside(0.95));
            // A one-sided tail on either side.
            broken += usize::from(outside(0.9));
        }
        (missed as f64 / trials as f64, broken as f64 / trials as f64)
    }

    /// The claim of an interval at 95 %: it misses the slope in at most 5 % of draws, within three
    /// standard errors of 2,000 (0.0146). With a wrong tail it misses more often.
    #[test]
    fn coverage_over_many_draws() {
        for n in [6, 10, 25, 60] {
            let line = |normal: &mut dyn FnMut() -> f64| {
                (0..n).map(|x| (f64::from(x), 0.3 * f64::from(x) + normal())).collect()
            };
            let (missed, broken) = misses(line, 0.3);
            assert!(missed <= 0.05 + 0.0146, "{n}: {missed}");
            if n > 6 {
                assert!(missed >= 0.02, "{n}: wider than it need be: {missed}");
                assert!(broken > 0.05 + 0.0146, "{n}: {broken}");
            }
        }
        // Ties in y, as accuracies on few records have them, and in x, as several seeds give them.
        let coarse = |normal: &mut dyn FnMut() -> f64| {
            (0..30).map(|x| (f64::from(x), (normal() * 2.0).round())).collect()
        };
        let (missed, _) = misses(coarse, 0.0);
        assert!(missed <= 0.05 + 0.0146, "ties in y: {missed}");
        let seeds = |normal: &mut dyn FnMut() -> f64| {
            (0..30).map(|x| (f64::from(x / 3), f64::from(x / 3) + normal())).collect()
        };
        let (missed, _) = misses(seeds, 1.0);
        assert!(missed <= 0.05 + 0.0146, "ties in x: {missed}");
    }

    /// What autocorrelation does to a plateau, and that blocks mend it.
    #[test]
    fn neighbouring_epochs_that_are_alike_need_blocks() {
        let trials = 1_000;
        let (mut raw, mut blocked) = (0, 0);
        for trial in 0..trials {
            let mut rng = random::stream(trial, "autocorrelation");
            let mut value = 0.0;
            let values: Vec<f64> = (0..80)
                .map(|_| {
                    value = 0.5 * value + random::normal(&mut rng);
                    value + 0.1 * rng.random::<f64>()
                })
                .collect();
            let sloped = |points: &[(f64, f64)]| {
                theil_sen(points, 0.95).unwrap().direction() != TrendDirection::Flat
            };
            raw += usize::from(sloped(&series(&values)));
            blocked += usize::from(sloped(&block_means(&values, 8)));
        }
        let share = |count: usize| count as f64 / trials as f64;
        assert!(share(raw) > 0.15, "{}", share(raw));
        // Three standard errors of 1,000 draws are 0.021.
        assert!(share(blocked) <= 0.05 + 0.021, "{}", share(blocked));
    }
}
