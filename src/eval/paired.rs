//! Two models on the same records: is the difference more than chance? What both get alike cancels,
//! so that a paired test sees smaller differences than two intervals beside each other.

use super::bootstrap::{self, quantile, resamples};
use super::distribution::ln_gamma;
use crate::random::Quick;

/// Random sign flips of a permutation test where there are too many to try all.
const FLIPS: usize = 10_000;
/// Records flipped at most for one test; beyond 10,000 records there are fewer flips.
const MAX_DRAWS: usize = 100_000_000;
/// Differences up to which every one of the 2ⁿ flips is tried.
const EXACT_UP_TO: usize = 13;

/// McNemar's test in its mid-p form (Fagerland, Lydersen and Laake 2013): two-sided p-value, given how
/// many records only the first got right and how many only the second. Exact binomial tail, minus half
/// the probability of what was observed: closer to the nominal level than the exact test, which is too
/// cautious, and almost never above it. 1 without any such record.
pub fn mcnemar_mid_p(only_first: u64, only_second: u64) -> f64 {
    let n = only_first + only_second;
    if n == 0 {
        return 1.0;
    }
    let ln_half = n as f64 * 0.5f64.ln();
    let probability = |k: u64| {
        let (n, k) = (n as f64, k as f64);
        (ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0) + ln_half).exp()
    };
    let least = only_first.min(only_second);
    if only_first == only_second {
        return 1.0 - 0.5 * probability(least);
    }
    let tail: f64 = (0..=least).map(probability).sum();
    (2.0 * tail - probability(least)).clamp(0.0, 1.0)
}

/// The interval of a difference of two shares on the same records, by a paired bootstrap with one
/// pseudo-record in favour of each (after Bonett and Price 2012): without those, few records on which
/// two models differ would give an interval that is too narrow. `differences` are −1, 0 or 1. `None`
/// below [`bootstrap::MIN_RECORDS`].
pub fn share_difference_interval(differences: &[f64], seed: u64) -> Option<[f64; 2]> {
    if differences.len() < bootstrap::MIN_RECORDS {
        return None;
    }
    let smoothed = [differences, &[1.0, -1.0]].concat();
    let n = smoothed.len();
    let mut rng = Quick::stream(seed, "bootstrap.shares");
    let mean = |_| (0..n).map(|_| smoothed[rng.below(n)]).sum::<f64>();
    let mut means: Vec<f64> = (0..resamples(n)).map(mean).map(|sum| sum / n as f64).collect();
    means.sort_by(f64::total_cmp);
    let tail = (1.0 - bootstrap::CONFIDENCE) / 2.0;
    Some([quantile(&means, tail), quantile(&means, 1.0 - tail)])
}

/// The paired permutation test of a mean difference (Fisher 1935): two-sided p-value, the share of
/// sign flips whose mean is as far from 0. All 2ⁿ flips up to 13 records; beyond, 10,000 drawn ones
/// and the observed one, (1 + #{…}) / (1 + flips), which keeps the level exactly. 1 without
/// differences.
pub fn sign_flip_p(differences: &[f64], seed: u64) -> f64 {
    let differences: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let n = differences.len();
    if n == 0 {
        return 1.0;
    }
    let observed = differences.iter().sum::<f64>().abs();
    // Sums of the same numbers in another order differ by rounding.
    let least = observed * (1.0 - 1e-12);
    if n <= EXACT_UP_TO {
        let sum = |flips: usize| -> f64 {
            let signed = |(i, d): (usize, &f64)| if flips >> i & 1 == 1 { -d } else { *d };
            differences.iter().enumerate().map(signed).sum()
        };
        let extreme = (0..1usize << n).filter(|flips| sum(*flips).abs() >= least).count();
        return extreme as f64 / (1usize << n) as f64;
    }
    let mut rng = Quick::stream(seed, "sign flips");
    let flips = drawn(n);
    let mut extreme = 0;
    for _ in 0..flips {
        let mut sum = 0.0;
        for chunk in differences.chunks(64) {
            let mut bits = rng.bits();
            for difference in chunk {
                sum += if bits & 1 == 1 { -difference } else { *difference };
                bits >>= 1;
            }
        }
        extreme += usize::from(sum.abs() >= least);
    }
    (1 + extreme) as f64 / (1 + flips) as f64
}

/// The same for any statistic of two models: what each gave for a record is swapped at random
/// (approximate randomisation; Noreen 1989). `difference` is told which records to swap.
pub fn swap_p(records: usize, difference: impl Fn(&[bool]) -> f64, seed: u64) -> f64 {
    let mut swapped = vec![false; records];
    let observed = difference(&swapped).abs();
    if records == 0 || observed == 0.0 {
        return 1.0;
    }
    let least = observed * (1.0 - 1e-12);
    let mut rng = Quick::stream(seed, "swaps");
    let swaps = drawn(records);
    let mut extreme = 0;
    for _ in 0..swaps {
        swapped.iter_mut().for_each(|swap| *swap = rng.bits() >> 63 == 1);
        extreme += usize::from(difference(&swapped).abs() >= least);
    }
    (1 + extreme) as f64 / (1 + swaps) as f64
}

/// Random flips for a number of records: fewer where there are many.
fn drawn(records: usize) -> usize {
    (MAX_DRAWS / records.max(1)).clamp(999, FLIPS)
}

/// Holm's adjustment (1979): p-values that keep the chance of any false discovery among them.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max((p_values.len() - rank) as f64 * p_values[i]).min(1.0);
        adjusted[i] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        // Fagerland, Lydersen and Laake (2013), table 1: 1 and 7 discordant pairs, mid-p 0.039.
        assert!((mcnemar_mid_p(1, 7) - 0.039_062_5).abs() < 1e-12);
        assert!((mcnemar_mid_p(7, 1) - 0.039_062_5).abs() < 1e-12);
        // 2 · P(X ≤ 5 of 20) − P(X = 5)
        let expected = 2.0 * 0.020_694_732_666 - 0.014_785_766_602;
        assert!((mcnemar_mid_p(5, 15) - expected).abs() < 1e-10);
        assert_eq!(mcnemar_mid_p(0, 0), 1.0);
        assert!((mcnemar_mid_p(1, 1) - 0.75).abs() < 1e-12);
        assert!(mcnemar_mid_p(40_000, 42_000) < 1e-10);
        // All three of one sign: 2 of 8 flips are as extreme.
        assert_eq!(sign_flip_p(&[1.0, 2.0, 3.0], 1), 0.25);
        assert_eq!(sign_flip_p(&[0.0; 30], 1), 1.0);
        assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
    }

    #[test]
    fn drawn_flips_agree_with_all_flips() {
        let few: Vec<f64> = (0..13).map(|i| f64::from(i) - 3.5).collect();
        let exact = sign_flip_p(&few, 1);
        // A difference too small to matter makes the test draw its flips.
        let drawn = sign_flip_p(&[few.as_slice(), &[1e-15]].concat(), 1);
        assert!((exact - drawn).abs() < 0.02, "{exact} {drawn}");
    }

    /// Draws of two models of equal skill that agree on `agree` of the records.
    fn draw(trial: u64, n: usize, agree: f64, better: f64) -> Vec<f64> {
        let mut rng = random::stream(trial, "paired");
        let one = |_| match rng.random::<f64>() {
            u if u < agree => 0.0,
            _ if rng.random::<f64>() < 0.5 + better => 1.0,
            _ => -1.0,
        };
        (0..n).map(one).collect()
    }

    /// What tests and intervals promise, over many draws: at most 5 % false alarms, at least 95 %
    /// coverage, each within three standard errors.
    #[test]
    fn false_alarms_and_coverage_over_many_draws() {
        let trials = 2_000u64;
        let error = 3.0 * (0.05 * 0.95 / trials as f64).sqrt();
        for (n, agree) in [(100, 0.9), (300, 0.7), (40, 0.5)] {
            let (mut mcnemar, mut flips, mut covered) = (0, 0, 0);
            for trial in 0..trials {
                let equal = draw(trial, n, agree, 0.0);
                let count = |sign: f64| equal.iter().filter(|d| **d == sign).count() as u64;
                mcnemar += usize::from(mcnemar_mid_p(count(1.0), count(-1.0)) <= 0.05);
                if trial % 20 == 0 {
                    let skewed: Vec<f64> = equal.iter().map(|d| d * (1.0 + d.abs())).collect();
                    flips += usize::from(sign_flip_p(&skewed, trial) <= 0.05);
                }
                if trial % 8 == 0 {
                    let unequal = draw(trial, n, agree, 0.2);
                    let [low, high] = share_difference_interval(&unequal, trial).unwrap();
                    let truth = (1.0 - agree) * 0.4;
                    covered += usize::from(low <= truth && truth <= high);
                }
            }
            let share = |count: usize, of: u64| count as f64 / of as f64;
            assert!(share(mcnemar, trials) <= 0.05 + error, "{n}: {mcnemar} of {trials}");
            let few = 3.0 * (0.05 * 0.95 / (trials / 20) as f64).sqrt();
            assert!(share(flips, trials / 20) <= 0.05 + few, "{n}: {flips}");
            let some = 3.0 * (0.05 * 0.95 / (trials / 8) as f64).sqrt();
            let covered = share(covered, trials / 8);
            assert!((0.95 - some..0.995).contains(&covered), "{n}: {covered}");
        }
    }

    #[test]
    fn swapping_is_flipping_where_the_statistic_is_a_mean() {
        let differences = draw(5, 60, 0.5, 0.1);
        let difference = |swapped: &[bool]| -> f64 {
            let signed = differences.iter().zip(swapped);
            signed.map(|(d, swap)| if *swap { -d } else { *d }).sum()
        };
        let (swaps, flips) = (swap_p(60, difference, 1), sign_flip_p(&differences, 1));
        assert!((swaps - flips).abs() < 0.03, "{swaps} {flips}");
        assert_eq!(swap_p(3, |_| 0.0, 1), 1.0);
    }

    #[test]
    fn a_real_difference_is_found() {
        let differences = draw(1, 400, 0.6, 0.3);
        assert!(sign_flip_p(&differences, 1) < 0.001);
        let [low, _] = share_difference_interval(&differences, 1).unwrap();
        assert!(low > 0.0);
    }
}
