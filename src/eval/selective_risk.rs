//! Which predictions to accept, so that few of the accepted are wrong (selective classification).
//!
//! The aim is that of Geifman and El-Yaniv (2017): the largest acceptance whose risk, the share of
//! errors among accepted records of the same distribution, is at most r with probability 1 − δ over
//! the records it was chosen by. Their binary search tests ⌈log₂ m⌉ thresholds at δ/⌈log₂ m⌉ each;
//! which ones it tests depends on earlier outcomes, so that the sum over its steps does not bound the
//! chance of an error, and each test is dear. Here the thresholds go by the confidences alone and are
//! tested from the smallest acceptance to the largest by the fallback procedure (Wiens 2003): each has
//! a share of δ, and what a test that succeeded was allowed passes on to the next one. The chance that
//! any threshold whose risk exceeds r succeeds is then at most δ, however the tests depend on one
//! another and whether or not risk falls with confidence. Along a curve that is passed in one go the
//! whole δ is at work (fixed-sequence testing). Over 60 simulated settings (easy, hard, flat and bumpy
//! curves, 100 to 5,000 records, r from 0.02 to 0.1) it accepted 36 % on average, an even split of δ over
//! ⌈log₂ m⌉ fixed thresholds 33 %, the binary search 31 %.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::distribution::{binomial_cdf, binomial_upper_bound};
use super::guarantee;

/// Thresholds that are tested at most.
const CANDIDATES: usize = 100;
/// Tests begin, with a quarter of δ each, where this share of r as the true risk would pass in nine
/// samples of ten ...
const STARTS: [f64; 3] = [0.2, 1.0 / 3.0, 0.5];
/// ... and the last quarter is spread over this many acceptances from the least to all.
const SPREAD: usize = 10;

/// A threshold whose risk is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Acceptance {
    /// Accept where confidence ≥ this.
    pub threshold: f64,
    /// Share of the records that it accepts, in (0, 1\].
    pub acceptance: f64,
    /// Records that it accepts.
    pub accepted: usize,
    /// Errors among them.
    pub errors: usize,
    /// Clopper and Pearson's upper bound on the risk, at the share of δ that the test was allowed; at
    /// most the r that was asked for.
    pub risk_bound: f64,
}

/// No threshold was shown to keep the risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoAcceptance {
    /// Records that there are.
    pub records: usize,
    /// The least number that could ever do, without a single error among them: ⌈ln δ / ln(1 − r)⌉.
    /// With at least as many, it is errors among the most confident that stand in the way. Absent
    /// where no number would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<usize>,
}

/// The largest acceptance whose risk is at most `max_risk` (r) with probability at least 1 − `delta`.
/// Records are pairs of a confidence in \[0, 1\] and whether the prediction is right; they must not be
/// those that the model or its calibrator was fitted on. Records of one confidence go together.
pub fn largest_acceptance(
    records: &[(f64, bool)],
    max_risk: f64,
    delta: f64,
) -> Result<Acceptance, NoAcceptance> {
    let needed = guarantee::records_needed(max_risk, Some(delta));
    let none = NoAcceptance { records: records.len(), needed };
    let least = needed.filter(|&needed| needed <= records.len()).ok_or(none)?;
    let sorted = by_confidence(records);
    let candidates = candidates(&sorted, least);
    let shares = shares(&candidates, least, max_risk, delta);
    let mut best = None;
    let (mut errors, mut counted, mut level) = (0, 0, 0.0);
    for (&accepted, share) in candidates.iter().zip(shares) {
        errors += sorted[counted..accepted].iter().filter(|(_, right)| !right).count();
        counted = accepted;
        level += delta * share;
        // A rounding error of the shares' sum must not decide. Any risk is at most 1.
        if binomial_cdf(errors, accepted, max_risk) <= level * (1.0 + 1e-12) || max_risk >= 1.0 {
            best = Some((accepted, errors, level));
        } else {
            level = 0.0;
        }
    }
    let (accepted, errors, level) = best.ok_or(none)?;
    // The records above the first that is left out are a sample of all that score above it, so the
    // threshold is a hair above that one. The last candidate accepts everything.
    let threshold = match sorted.get(accepted) {
        Some((left_out, _)) => left_out.next_up(),
        None => sorted.last().map_or(0.0, |(lowest, _)| lowest.min(0.0)),
    };
    Ok(Acceptance {
        threshold,
        acceptance: accepted as f64 / records.len() as f64,
        accepted,
        errors,
        risk_bound: binomial_upper_bound(errors, accepted, level).min(max_risk),
    })
}

fn by_confidence(records: &[(f64, bool)]) -> Vec<(f64, bool)> {
    let mut sorted = records.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    sorted
}

/// Numbers of records to accept, ascending, at most [`CANDIDATES`], the last of them all; never a part
/// of those that are equally confident.
fn candidates(sorted: &[(f64, bool)], least: usize) -> Vec<usize> {
    let total = sorted.len();
    let mut candidates: Vec<usize> = (0..CANDIDATES)
        .map(|i| least + (total - least) * i / (CANDIDATES - 1))
        .filter_map(|count| match sorted.get(count) {
            Some((first_out, _)) => {
                let above = sorted.partition_point(|(confidence, _)| confidence > first_out);
                (above >= least).then_some(above)
            }
            None => Some(total),
        })
        .collect();
    candidates.sort_unstable();
    candidates.dedup();
    candidates
}

/// The share of δ that each candidate has of its own; they sum to 1. They depend on the numbers of
/// records only, never on which are right.
fn shares(candidates: &[usize], least: usize, max_risk: f64, delta: f64) -> Vec<f64> {
    let mut shares = vec![0.0; candidates.len()];
    let last = candidates.len() - 1;
    let part = 1.0 / (STARTS.len() + 1) as f64;
    for start in STARTS {
        let likely = |&accepted: &usize| {
            let errors = most_errors(accepted, max_risk, delta);
            errors.is_some_and(|errors| binomial_cdf(errors, accepted, start * max_risk) >= 0.9)
        };
        shares[candidates.iter().position(likely).unwrap_or(last)] += part;
    }
    let total = candidates[last];
    for i in 1..=SPREAD {
        let wanted = least + (total - least) * i / SPREAD;
        let place = candidates.partition_point(|&accepted| accepted < wanted);
        shares[place.min(last)] += part / SPREAD as f64;
    }
    shares
}

/// The most errors among `accepted` with which the risk is shown to be at most r at level δ.
fn most_errors(accepted: usize, max_risk: f64, delta: f64) -> Option<usize> {
    let shown = |errors: usize| binomial_cdf(errors, accepted, max_risk) <= delta;
    if !shown(0) {
        return None;
    }
    let (mut low, mut high) = (0, accepted);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if shown(middle) { low = middle } else { high = middle }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        // 45 right answers are the fewest that show a risk of 5 % with confidence 90 %.
        let right = |n: usize| vec![(0.9, true); n];
        let found = largest_acceptance(&right(45), 0.05, 0.1).unwrap();
        assert_eq!((found.accepted, found.errors, found.acceptance), (45, 0, 1.0));
        assert!((found.risk_bound - (1.0 - 0.1f64.powf(1.0 / 45.0))).abs() < 1e-9);
        assert_eq!(
            largest_acceptance(&right(44), 0.05, 0.1),
            Err(NoAcceptance { records: 44, needed: Some(45) })
        );
        let wrong = vec![(0.9, false); 400];
        assert_eq!(
            largest_acceptance(&wrong, 0.05, 0.1),
            Err(NoAcceptance { records: 400, needed: Some(45) })
        );
        assert_eq!(largest_acceptance(&right(400), 0.0, 0.1).unwrap_err().needed, None);
        assert_eq!(largest_acceptance(&[], 0.1, 0.1).unwrap_err().records, 0);
        assert_eq!(largest_acceptance(&wrong, 1.0, 0.1).unwrap().accepted, 400);
    }

    #[test]
    fn the_shares_are_one_and_ties_stay_together() {
        let records: Vec<(f64, bool)> =
            (0..900).map(|i| (f64::from(i / 90) / 10.0, i > 200)).collect();
        let sorted = by_confidence(&records);
        let candidates = candidates(&sorted, 45);
        assert!(candidates.iter().all(|count| count % 90 == 0), "{candidates:?}");
        assert_eq!(candidates.last(), Some(&900));
        let sum: f64 = shares(&candidates, 45, 0.05, 0.1).iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
        let found = largest_acceptance(&records, 0.05, 0.1).unwrap();
        let accepted = records.iter().filter(|(confidence, _)| *confidence >= found.threshold);
        assert_eq!(accepted.count(), found.accepted);
        assert!(found.accepted >= 630 && found.risk_bound <= 0.05, "{found:?}");
    }

    /// Records whose confidence is even on \[0, 1\] and whose chance of an error is `error(1 − c)`.
    fn draw(trial: u64, n: usize, error: impl Fn(f64) -> f64) -> Vec<(f64, bool)> {
        let mut rng = random::stream(trial, "selective");
        let mut one = || {
            let rest: f64 = rng.random();
            (1.0 - rest, rng.random::<f64>() >= error(rest))
        };
        (0..n).map(|_| one()).collect()
    }

    /// The largest acceptance whose errors look few enough at level `delta`, each threshold by itself.
    fn unshared(records: &[(f64, bool)], few: impl Fn(usize, usize) -> bool) -> Option<f64> {
        let mut errors = 0;
        let mut best = None;
        for (i, (confidence, right)) in by_confidence(records).into_iter().enumerate() {
            errors += usize::from(!right);
            best = few(errors, i + 1).then_some(confidence).or(best);
        }
        best
    }

    /// The true risk exceeds r in at most a share δ of 2,000 trials (three standard errors: 0.02),
    /// where risk rises as confidence falls and where it is everywhere a hair above r. The plain
    /// empirical risk, and bounds that do not share δ, fail the same test.
    #[test]
    fn the_risk_exceeds_its_bound_in_few_trials() {
        let (trials, n, r, delta) = (2_000, 200, 0.1, 0.1);
        // Risk among the most confident share c: the mean of 0.45 u² or of 0.1001 below c.
        let rising = (|u: f64| 0.45 * u * u, |c: f64| 0.15 * c * c);
        let flat = (|_: f64| 0.1001, |_: f64| 0.1001);
        let mut failed = [[0; 3]; 2];
        let mut acceptance = 0.0;
        for trial in 0..trials {
            let cases = [
                (draw(trial, n, rising.0), &rising.1 as &dyn Fn(f64) -> f64),
                (draw(trial, n, flat.0), &flat.1),
            ];
            for (case, (records, risk)) in cases.iter().enumerate() {
                let found = largest_acceptance(records, r, delta).ok();
                if case == 0 {
                    acceptance += found.map_or(0.0, |found| found.acceptance);
                }
                let thresholds = [
                    found.map(|found| found.threshold),
                    unshared(records, |errors, of| errors as f64 <= r * of as f64),
                    // Dear to compute, so in one case only.
                    (case == 1)
                        .then(|| unshared(records, |e, of| binomial_cdf(e, of, r) <= delta))
                        .flatten(),
                ];
                for (count, threshold) in failed[case].iter_mut().zip(thresholds) {
                    *count += usize::from(threshold.is_some_and(|t| risk(1.0 - t) > r));
                }
            }
        }
        let share = |count: usize| count as f64 / trials as f64;
        for [bounded, empirical, _] in failed {
            assert!(share(bounded) <= delta + 0.02, "{}", share(bounded));
            assert!(share(empirical) > delta + 0.02, "{}", share(empirical));
        }
        assert!(share(failed[1][2]) > delta + 0.02, "{}", share(failed[1][2]));
        // The ideal acceptance is √(0.1 / 0.15) = 0.816; the promise must not cost most of it.
        assert!(acceptance / trials as f64 > 0.4, "{}", acceptance / trials as f64);
    }
}
