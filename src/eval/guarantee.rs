//! A promise about the calibration set that one has, not about the average over sets.
//!
//! "Reject where p ≤ α" keeps false alarms at α on average over calibration sets; with one set of n
//! records, the false-alarm rate of "reject where p ≤ k/(n + 1)" is itself random and follows
//! Beta(k, n + 1 − k) (Vovk 2012), without ties; with ties it is stochastically smaller. This holds
//! for p-values of [`super::conformal::CalibrationScores`], whose scores do not depend on the record
//! that is ranked. In a combined p-value ([`super::combination`]) they do, by a rank at most: there the
//! law is not proved, but in simulation its rates spread as widely and no wider (tested below).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conformal;
use super::distribution::{beta_cdf, beta_quantile};

/// How small a p-value must be to reject.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Threshold {
    /// k: a record is rejected where fewer than k calibration records score as high.
    pub rank: usize,
    /// k / (n + 1), in (0, 1\]: reject where p ≤ this. The quotient is formed as the p-values are, so
    /// that the comparison is exact.
    pub p_value: f64,
}

/// The calibration set is too small for what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TooFewRecords {
    /// Calibration records that there are.
    pub records: usize,
    /// The least number with which anything could be rejected; absent where no number would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<usize>,
}

/// The largest threshold on a p-value from `records` calibration records with at most a share `alpha`
/// of false alarms: on average over calibration sets for `delta` = `None`, with probability at least
/// 1 − δ over them otherwise. Known: α = .05, δ = .1 → k = 2, 19, 41, 230 for 100, 500, 1,000, 5,000.
pub fn threshold(
    records: usize,
    alpha: f64,
    delta: Option<f64>,
) -> Result<Threshold, TooFewRecords> {
    let rank = match delta {
        // A hair more, so that 0.05 × 20 is 1 after rounding.
        None => ((alpha * (records + 1) as f64 + 1e-9).max(0.0) as usize).min(records + 1),
        Some(delta) => largest_rank(records, alpha, delta),
    };
    if rank == 0 {
        return Err(TooFewRecords { records, needed: records_needed(alpha, delta) });
    }
    Ok(Threshold { rank, p_value: rank as f64 / (records + 1) as f64 })
}

/// The least number of calibration records with which anything can be rejected: ⌈1/α⌉ − 1 on average
/// over sets, ⌈ln δ / ln(1 − α)⌉ with probability 1 − δ. `None` where no number would do.
pub fn records_needed(alpha: f64, delta: Option<f64>) -> Option<usize> {
    let Some(delta) = delta else { return conformal::records_needed(alpha) };
    if !(alpha > 0.0 && delta > 0.0) {
        return None;
    }
    if alpha >= 1.0 || delta >= 1.0 {
        return Some(1);
    }
    // The true number is within one of the quotient; the test itself decides.
    let near = (delta.ln() / (-alpha).ln_1p()).floor().max(1.0);
    if near >= u32::MAX as f64 {
        return None;
    }
    let near = near as usize;
    [near.saturating_sub(1).max(1), near, near + 1, near + 2]
        .into_iter()
        .find(|&n| largest_rank(n, alpha, delta) > 0)
}

/// The largest k with P(Beta(k, n + 1 − k) ≤ α) ≥ 1 − δ; 0 where none has. The probability falls in k.
fn largest_rank(records: usize, alpha: f64, delta: f64) -> usize {
    let holds = |k: usize| {
        // 1 − δ, for a rounding error of the two sides.
        beta_cdf(alpha, k as f64, (records + 1 - k) as f64) >= 1.0 - delta - 1e-12
    };
    let (mut low, mut high) = (0, records + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// What p-values of one calibration set are worth as p-values of *that* set: an upper bound on
/// P(p ≤ x | calibration set) that holds for every x at once with probability at least 1 − δ over
/// calibration sets. Where it holds, the adjusted p-values of independent new records are independent
/// and valid, for as many records as one likes (Bates et al. 2021, section 3, whose bands these are in
/// kind; here the exact Beta quantile at about log₁.₂₅ n ranks with δ shared among them).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConditionalBound {
    records: usize,
    delta: f64,
    /// Ranks k with a bound, ascending, the last of them n.
    ranks: Vec<usize>,
    /// The bound on P(p ≤ k/(n + 1)) at each.
    bounds: Vec<f64>,
}

impl ConditionalBound {
    /// For p-values from `records` calibration records; δ in (0, 1).
    pub fn new(records: usize, delta: f64) -> Self {
        let mut ranks = Vec::new();
        let mut rank = 1;
        while rank < records {
            ranks.push(rank);
            rank = (rank + 1).max(rank * 5 / 4);
        }
        ranks.extend((records > 0).then_some(records));
        let share = delta / ranks.len().max(1) as f64;
        let bound = |&k: &usize| beta_quantile(1.0 - share, k as f64, (records + 1 - k) as f64);
        let bounds = ranks.iter().map(bound).collect();
        Self { records, delta, ranks, bounds }
    }

    /// The chance, over calibration sets, that the bound fails.
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// The adjusted p-value of a conformal p-value k/(n + 1): the bound at the next rank that has
    /// one; at least p, at most 1.
    pub fn adjust(&self, p: f64) -> f64 {
        let rank = (p * (self.records + 1) as f64).round().max(1.0) as usize;
        let place = self.ranks.partition_point(|&bounded| bounded < rank);
        self.bounds.get(place).map_or(1.0, |bound| bound.max(p).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::combination::Combination;
    use crate::eval::conformal::CalibrationScores;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        for (records, rank) in [(100, 2), (500, 19), (1_000, 41), (5_000, 230)] {
            let found = threshold(records, 0.05, Some(0.1)).unwrap();
            assert_eq!(found.rank, rank, "{records}");
            assert_eq!(found.p_value, rank as f64 / (records + 1) as f64);
        }
        assert_eq!(threshold(19, 0.05, None).unwrap(), Threshold { rank: 1, p_value: 0.05 });
        assert_eq!(threshold(18, 0.05, None), Err(TooFewRecords { records: 18, needed: Some(19) }));
        // .95^45 < .1 < .95^44
        assert!(threshold(45, 0.05, Some(0.1)).is_ok());
        assert_eq!(threshold(44, 0.05, Some(0.1)).unwrap_err().needed, Some(45));
    }

    #[test]
    fn how_many_records_are_needed() {
        for alpha in [0.001, 0.01, 0.05, 0.1, 0.37, 0.5, 0.9] {
            for delta in [1e-6, 0.01, 0.1, 0.5, 0.9] {
                let n = records_needed(alpha, Some(delta)).unwrap();
                assert!(threshold(n, alpha, Some(delta)).is_ok(), "{alpha} {delta}: {n}");
                if n > 1 {
                    assert!(threshold(n - 1, alpha, Some(delta)).is_err(), "{alpha} {delta}: {n}");
                }
            }
        }
        for (alpha, delta) in [(0.0, 0.1), (0.05, 0.0), (f64::NAN, 0.1), (1e-300, 0.1)] {
            let failed = threshold(100, alpha, Some(delta)).unwrap_err();
            assert_eq!(failed.needed, None, "{alpha} {delta}");
        }
        assert_eq!(threshold(0, 0.05, Some(0.1)).unwrap_err().needed, Some(45));
        assert_eq!(threshold(3, 2.0, None).unwrap().p_value, 1.0);
    }

    /// The shares of 20,000 calibration sets of 100 whose false-alarm rate exceeds α: at most δ. By a
    /// rank one too large, and by the rank that holds on average, they are more. Three standard
    /// errors are 0.0064.
    #[test]
    fn most_calibration_sets_keep_the_rate() {
        let (trials, records, alpha, delta) = (20_000, 100, 0.05, 0.1);
        let kept = threshold(records, alpha, Some(delta)).unwrap().rank;
        let average = threshold(records, alpha, None).unwrap().rank;
        let mut rng = random::stream(1, "guarantee");
        let mut exceed = [0; 3];
        for _ in 0..trials {
            let mut scores: Vec<f64> = (0..records).map(|_| rng.random()).collect();
            scores.sort_by(f64::total_cmp);
            for (count, k) in exceed.iter_mut().zip([kept, kept + 1, average]) {
                // p ≤ k/(n + 1) where fewer than k scores are as high: above the k-th largest.
                *count += usize::from(1.0 - scores[records - k] > alpha);
            }
        }
        let [kept, one_more, average] = exceed.map(|count| count as f64 / f64::from(trials));
        assert!(kept <= delta + 0.0064, "{kept}");
        assert!(one_more > delta + 0.0064, "{one_more}");
        assert!(average > 0.3, "{average}");
    }

    /// Rates above α of p-values combined from three axes are no more frequent than those of one axis, over
    /// 1,000 calibration sets of 45, each rate from 1,000 records (three standard errors of the difference:
    /// 0.041). The least p-value of the axes fails the same test.
    #[test]
    fn rates_of_combined_p_values_spread_alike() {
        let (trials, records, alpha, delta) = (1_000, 45, 0.05, 0.1);
        let threshold = threshold(records, alpha, Some(delta)).unwrap().p_value;
        let mut exceed = [0; 3];
        for trial in 0..trials {
            let mut rng = random::stream(trial, "combined");
            let mut record = || {
                let first = random::normal(&mut rng);
                [first, 0.6 * first + random::normal(&mut rng), random::normal(&mut rng)]
            };
            let calibration: Vec<[f64; 3]> = (0..records).map(|_| record()).collect();
            let axis = |i: usize| calibration.iter().map(|scores| scores[i]).collect::<Vec<f64>>();
            let one = CalibrationScores::new(axis(0));
            let combined = Combination::new((0..3).map(axis).collect());
            let mut rejected = [0; 3];
            for _ in 0..1_000 {
                let scores = record();
                let found = combined.rank(&scores);
                let least = found.axes.iter().copied().fold(1.0, f64::min);
                let p = [one.p_value(scores[0]), found.p_value, least];
                rejected.iter_mut().zip(p).for_each(|(n, p)| *n += usize::from(p <= threshold));
            }
            let high = rejected.map(|rejected| f64::from(rejected as u32) / 1_000.0 > alpha);
            exceed.iter_mut().zip(high).for_each(|(count, high)| *count += usize::from(high));
        }
        let [one, combined, least] = exceed.map(|count| count as f64 / trials as f64);
        assert!(combined <= one + 0.041, "{combined} {one}");
        assert!(least > one + 0.041, "{least} {one}");
    }

    /// The bound holds at every rank at once but for a share δ of 2,000 calibration sets (three
    /// standard errors: 0.02), and is no bound at all where δ is not shared among the ranks.
    #[test]
    fn the_bound_holds_at_every_rank_at_once() {
        let (trials, records, delta) = (2_000, 200, 0.1);
        let bound = ConditionalBound::new(records, delta);
        let unshared = ConditionalBound::new(records, delta * bound.ranks.len() as f64);
        let mut rng = random::stream(2, "bound");
        let mut failed = [0; 2];
        for _ in 0..trials {
            let mut rates: Vec<f64> = (0..records).map(|_| rng.random()).collect();
            rates.sort_by(f64::total_cmp);
            for (count, bound) in failed.iter_mut().zip([&bound, &unshared]) {
                let p = |rank: usize| rank as f64 / (records + 1) as f64;
                *count += usize::from((1..=records).any(|k| rates[k - 1] > bound.adjust(p(k))));
            }
        }
        let [shared, unshared] = failed.map(|count| count as f64 / f64::from(trials));
        assert!(shared <= delta + 0.02, "{shared}");
        assert!(unshared > delta + 0.02, "{unshared}");
    }

    #[test]
    fn adjusted_values_rise_and_are_never_smaller() {
        for records in [0, 1, 2, 19, 500, 10_000] {
            let bound = ConditionalBound::new(records, 0.01);
            let mut last = 0.0;
            for rank in (1..=records + 1).step_by(1 + records / 300) {
                let p = rank as f64 / (records + 1) as f64;
                let adjusted = bound.adjust(p);
                assert!(adjusted >= p.max(last) && adjusted <= 1.0, "{records} {rank}");
                last = adjusted;
            }
            assert_eq!(bound.adjust(1.0), 1.0);
        }
    }
}
