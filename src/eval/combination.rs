//! One out-of-distribution p-value from several axes.
//!
//! Each axis ranks a record among the calibration records; Fisher's statistic T = −Σ ln p joins the
//! ranks. The axes depend on one another, so T has no known distribution and is calibrated itself.
//!
//! Splitting the calibration records in two, one half for the axes and one for T, would do. This
//! does without the split: every record, the new one included, is ranked among all n + 1, so each
//! T is the same symmetric function of the n + 1 records, T of the new record is exchangeable with
//! the others, and its rank among them is an exact p-value from all n records (full conformal
//! prediction, Vovk et al. 2005, applied to the step that combines). A new record moves the rank of
//! a calibration record by at most one, so that few records' statistics are open once the new one's is
//! known.

use super::conformal::CalibrationScores;

/// Fitted axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Combination {
    axes: Vec<Axis>,
    records: usize,
    /// −ln(k / (n + 1)) for k from 0 to n + 1.
    surprise: Vec<f64>,
    /// The calibration records, the highest `upper` first.
    bounds: Vec<Bounds>,
    /// Their scores in the same order, record by record.
    scores: Vec<f64>,
    /// All `lower`, highest first.
    lowest: Vec<f64>,
}

/// What the statistic of a calibration record can be.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    /// Where a new record moves none of its ranks.
    upper: f64,
    /// Where it moves all of them.
    lower: f64,
    record: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Axis {
    /// Score of each calibration record, in their common order.
    scores: Vec<f64>,
    /// How many calibration records score at least as much as each, itself included.
    ranks: Vec<u32>,
    sorted: CalibrationScores,
}

/// What the axes say of a new record.
#[derive(Debug, Clone, PartialEq)]
pub struct Combined {
    /// Conformal p-value of each axis, in order.
    pub axes: Vec<f64>,
    /// Fisher's statistic, at least 0; higher is more out-of-distribution.
    pub score: f64,
    /// Conformal p-value of the combination, in (0, 1\].
    pub p_value: f64,
}

impl Combination {
    /// From the scores of the calibration records, an axis each, all in the same order of records.
    pub fn new(axes: Vec<Vec<f64>>) -> Self {
        let records = axes.first().map_or(0, Vec::len);
        assert!(axes.iter().all(|axis| axis.len() == records));
        let axes = axes.into_iter().map(|scores| {
            let sorted = CalibrationScores::new(scores.clone());
            let ranks = scores.iter().map(|&score| sorted.at_least(score) as u32).collect();
            Axis { scores, ranks, sorted }
        });
        let surprise = |k: usize| -((k as f64) / (records + 1) as f64).ln();
        let mut fitted = Self {
            axes: axes.collect(),
            records,
            surprise: (0..=records + 1).map(surprise).collect(),
            bounds: Vec::new(),
            scores: Vec::new(),
            lowest: Vec::new(),
        };
        let bounds = |record| Bounds {
            upper: fitted.statistic(record, |_| false),
            lower: fitted.statistic(record, |_| true),
            record: record as u32,
        };
        let mut bounds: Vec<Bounds> = (0..records).map(bounds).collect();
        bounds.sort_by(|a, b| b.upper.total_cmp(&a.upper));
        let mut lowest: Vec<f64> = bounds.iter().map(|bounds| bounds.lower).collect();
        lowest.sort_by(|a, b| b.total_cmp(a));
        let of = |bounds: &Bounds| {
            let record = bounds.record as usize;
            fitted.axes.iter().map(move |axis| axis.scores[record])
        };
        fitted.scores = bounds.iter().flat_map(of).collect();
        (fitted.bounds, fitted.lowest) = (bounds, lowest);
        fitted
    }

    /// The statistic of a calibration record, given on which axes a new record moves its rank. The
    /// sum always goes in the same order, so that equal ranks give equal statistics.
    fn statistic(&self, record: usize, moved: impl Fn(usize) -> bool) -> f64 {
        let mut sum = 0.0;
        for (position, axis) in self.axes.iter().enumerate() {
            sum += self.surprise[axis.ranks[record] as usize + usize::from(moved(position))];
        }
        sum
    }

    /// Calibration records.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The calibration scores of each axis, in the order they were given.
    pub fn scores(&self) -> impl Iterator<Item = &[f64]> {
        self.axes.iter().map(|axis| axis.scores.as_slice())
    }

    /// Ranks a new record, given its score on each axis.
    pub fn rank(&self, scores: &[f64]) -> Combined {
        let mut axes = Vec::with_capacity(self.axes.len());
        let mut total = 0.0;
        for (axis, &score) in self.axes.iter().zip(scores) {
            let rank = 1 + axis.sorted.at_least(score);
            axes.push(rank as f64 / (self.records + 1) as f64);
            total += self.surprise[rank];
        }
        // A moved rank only lowers a statistic, also in rounded sums: whichever is as extreme with all
        // ranks moved is so anyway, and whichever is less with none moved is not. Those between are
        // looked at one by one; they are few, and stand among the last of `bounds` that reach it.
        let certain = self.lowest.partition_point(|&sum| sum >= total);
        let reaching = self.bounds.partition_point(|bounds| bounds.upper >= total);
        let mut open = reaching - certain;
        let mut extreme = certain;
        for (place, bounds) in self.bounds[..reaching].iter().enumerate().rev() {
            if open == 0 {
                break;
            }
            if bounds.lower >= total {
                continue;
            }
            open -= 1;
            let own = &self.scores[place * self.axes.len()..];
            let moved = |axis: usize| scores[axis] >= own[axis];
            extreme += usize::from(self.statistic(bounds.record as usize, moved) >= total);
        }
        let p_value = (1 + extreme) as f64 / (self.records + 1) as f64;
        Combined { axes, score: total, p_value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    /// The shortcut counts what a look at every record counts.
    #[test]
    fn every_record_is_counted() {
        let mut rng = random::stream(11, "shortcut");
        for n in [1usize, 2, 7, 40, 300] {
            // Continuous scores, and such as are full of ties.
            for grain in [1e9, 5.0] {
                let mut draw = || -> Vec<f64> {
                    let common = rng.random::<f64>();
                    let axis = |own: f64| ((common + own) * grain).floor();
                    vec![axis(rng.random()), axis(-rng.random::<f64>()), axis(rng.random())]
                };
                let records: Vec<Vec<f64>> = (0..n).map(|_| draw()).collect();
                let axis = |axis: usize| records.iter().map(|r| r[axis]).collect();
                let combination = Combination::new((0..3).map(axis).collect());
                for _ in 0..200 {
                    let scores = draw();
                    let ranked = combination.rank(&scores);
                    let extreme = (0..n).filter(|&record| {
                        let moved = |axis: usize| scores[axis] >= records[record][axis];
                        combination.statistic(record, moved) >= ranked.score
                    });
                    let expected = (1 + extreme.count()) as f64 / (n + 1) as f64;
                    assert_eq!(ranked.p_value, expected, "n {n}, grain {grain}");
                }
            }
        }
    }

    #[test]
    fn one_axis_is_its_own_p_value() {
        let scores = vec![0.1, 0.5, 0.3, 0.9, 0.7];
        let combination = Combination::new(vec![scores.clone()]);
        for new in [0.0, 0.3, 0.6, 1.0] {
            let ranked = combination.rank(&[new]);
            let plain = CalibrationScores::new(scores.clone()).p_value(new);
            assert_eq!((ranked.p_value, ranked.axes[0]), (plain, plain));
        }
    }

    /// Fisher's statistic of the p-values 0.1, 0.2 and 0.3; twice it has a chi-square distribution of six
    /// degrees of freedom where axes are independent, whose upper tail is e^−T (1 + T + T² / 2).
    #[test]
    fn fishers_statistic_of_known_p_values() {
        let axis: Vec<f64> = (1..=9).map(f64::from).collect();
        let combination = Combination::new(vec![axis; 3]);
        let ranked = combination.rank(&[9.5, 8.5, 7.5]);
        for (found, expected) in ranked.axes.iter().zip([0.1, 0.2, 0.3]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        let t = ranked.score;
        let tail = (-t).exp() * (1.0 + t + t * t / 2.0);
        assert!((tail - 0.115_216).abs() < 1e-6, "{tail}");
    }

    /// A new record of the same distribution is flagged with probability at most α, although the
    /// axes depend on one another; Fisher's chi-square distribution, which ignores that, is not safe.
    #[test]
    fn false_alarms_stay_within_alpha_for_dependent_axes() {
        let mut rng = random::stream(8, "combination");
        let mut draw = || {
            let common = rng.random::<f64>();
            let mix = |own: f64| 0.8 * common + 0.2 * own;
            [mix(rng.random()), mix(rng.random()), mix(rng.random())]
        };
        let (trials, n, alpha) = (3_000, 59, 0.05);
        let (mut flagged, mut flagged_by_chi_square) = (0, 0);
        for _ in 0..trials {
            let mut axes = vec![Vec::new(); 3];
            for _ in 0..n {
                for (axis, score) in axes.iter_mut().zip(draw()) {
                    axis.push(score);
                }
            }
            let ranked = Combination::new(axes).rank(&draw());
            flagged += usize::from(ranked.p_value <= alpha);
            // Chi-square with 6 degrees of freedom: 2T > 12.59 at 5 %.
            flagged_by_chi_square += usize::from(2.0 * ranked.score > 12.5916);
        }
        let share = f64::from(flagged as u32) / f64::from(trials);
        assert!((share - 0.05).abs() < 0.012, "{share}");
        let chi_square = f64::from(flagged_by_chi_square as u32) / f64::from(trials);
        assert!(chi_square > 0.08, "{chi_square}");
    }

    /// The guarantee at any size and level, for axes that agree, that oppose one another and that
    /// are full of ties.
    #[test]
    fn false_alarms_at_any_size_and_level() {
        let mut rng = random::stream(10, "sizes");
        let trials = 1_500;
        for n in [1, 3, 9, 19, 40] {
            let mut p_values = Vec::new();
            for _ in 0..trials {
                let records: Vec<[f64; 3]> = (0..=n)
                    .map(|_| {
                        let common = rng.random::<f64>();
                        let own = rng.random::<f64>();
                        [common, 0.3 * own - common, ((common + own) * 2.0).floor()]
                    })
                    .collect();
                let axis = |axis: usize| records[1..].iter().map(|r| r[axis]).collect();
                let combination = Combination::new((0..3).map(axis).collect());
                p_values.push(combination.rank(&records[0]).p_value);
            }
            for alpha in [0.05, 0.1, 0.25, 0.5, 0.8] {
                let found = p_values.iter().filter(|&&p| p <= alpha).count() as f64 / trials as f64;
                let chance = 4.0 * (alpha * (1.0 - alpha) / f64::from(trials)).sqrt();
                assert!(found <= alpha + chance, "n {n}, alpha {alpha}: {found}");
            }
        }
    }

    #[test]
    fn a_shift_that_either_axis_sees_is_found() {
        let mut rng = random::stream(9, "power");
        let axes = vec![
            (0..500).map(|_| rng.random()).collect(),
            (0..500).map(|_| rng.random()).collect(),
        ];
        let combination = Combination::new(axes);
        assert!(combination.rank(&[1.5, 0.5]).p_value < 0.05);
        assert!(combination.rank(&[0.5, 1.5]).p_value < 0.05);
        assert!(combination.rank(&[0.5, 0.5]).p_value > 0.05);
    }
}
