//! Do two samples come from one distribution?

use super::Direction;

/// Up to this product of the sample sizes p-values are exact: about 30 ms at the most.
pub const EXACT_UP_TO: usize = 10_000_000;

/// The outcome of a Kolmogorov-Smirnov test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// D, the largest difference of the two shares of values up to x, in \[0, 1\].
    pub statistic: f64,
    /// Two-sided: the chance of a D as large if both samples come from one distribution.
    pub p_value: f64,
    /// On which side of the reference the batch lies where they differ most; `None` for D = 0.
    pub direction: Option<Direction>,
}

/// The two-sample test of a batch against reference values.
///
/// For n·m ≤ [`EXACT_UP_TO`] the p-value is that of the permutation test: given all values, every
/// choice of which are the batch's is as likely, and the share with a D as large is counted over paths
/// of a lattice (Hodges 1957). With ties D is only looked at between different values (Schröer and
/// Trenkler 1995), so that the level is kept for discrete values too. Beyond, p is Kolmogorov's limit
/// at D·√(nm/(n + m)), which is too large rather than too small at finite sizes and with ties. An empty
/// sample gives D = 0 and p = 1.
pub fn kolmogorov_smirnov(reference: &[f64], batch: &[f64]) -> KolmogorovSmirnov {
    let (n, m) = (reference.len(), batch.len());
    let mut pooled: Vec<(f64, bool)> = reference.iter().map(|&value| (value, false)).collect();
    pooled.extend(batch.iter().map(|&value| (value, true)));
    pooled.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Where the values up to a position are all the values up to some x.
    let mut ends = vec![false; n + m + 1];
    let (mut at_reference, mut at_batch) = (0, 0);
    let (mut largest, mut direction) = (0, None);
    for group in pooled.chunk_by(|a, b| a.0 == b.0) {
        let of_batch = group.iter().filter(|(_, batch)| *batch).count();
        at_batch += of_batch;
        at_reference += group.len() - of_batch;
        ends[at_batch + at_reference] = true;
        let distance = gap(at_reference, at_batch, n, m);
        if distance > largest {
            let lower = at_batch as u128 * n as u128 > at_reference as u128 * m as u128;
            direction = Some(if lower { Direction::Lower } else { Direction::Higher });
            largest = distance;
        }
    }
    if largest == 0 {
        return KolmogorovSmirnov { statistic: 0.0, p_value: 1.0, direction: None };
    }
    let statistic = largest as f64 / (n as f64 * m as f64);
    let p_value = if n.saturating_mul(m) <= EXACT_UP_TO {
        exact(n, m, largest, &ends)
    } else {
        limit(statistic * (n as f64 * m as f64 / (n as f64 + m as f64)).sqrt())
    };
    KolmogorovSmirnov { statistic, p_value, direction }
}

/// |i/n − j/m| · nm, in whole numbers.
fn gap(i: usize, j: usize, n: usize, m: usize) -> u128 {
    (i as u128 * m as u128).abs_diff(j as u128 * n as u128)
}

/// The chance that a random path from (0, 0) to (n, m) is somewhere `largest` or more away from the
/// diagonal. Going back from (i, j), the last step came from the left with chance i/(i + j). Only sums
/// of positive terms: small p-values keep their digits.
fn exact(n: usize, m: usize, largest: u128, ends: &[bool]) -> f64 {
    // n·m is small here, so that 64 bits hold every product.
    let (rows, columns) = (n.max(m), n.min(m));
    let largest = largest as i64;
    let mut above = vec![0.0f64; columns + 1];
    for i in 0..=rows {
        for j in 0..=columns {
            let away = (i * columns) as i64 - (j * rows) as i64;
            above[j] = if away.abs() >= largest && ends[i + j] {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                let left = if j > 0 { above[j - 1] } else { 0.0 };
                (above[j] * i as f64 + left * j as f64) / (i + j) as f64
            };
        }
    }
    above[columns].min(1.0)
}

/// 2 Σ (−1)ᵏ⁻¹ exp(−2k²λ²), by its other form where that converges faster.
fn limit(lambda: f64) -> f64 {
    if lambda < 1.0 {
        let power = -std::f64::consts::PI.powi(2) / (8.0 * lambda * lambda);
        let sum: f64 = (1..=5).map(|k| (f64::from(2 * k - 1).powi(2) * power).exp()).sum();
        return (1.0 - (2.0 * std::f64::consts::PI).sqrt() / lambda * sum).clamp(0.0, 1.0);
    }
    let term = |k: i32| (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    let sum: f64 = (1..=10).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum();
    (2.0 * sum).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        let (a, b) = ([0.1, 0.2, 0.3, 0.4, 0.5], [0.35, 0.45, 0.55, 0.65]);
        let found = kolmogorov_smirnov(&a, &b);
        assert!((found.statistic - 0.6).abs() < 1e-12);
        assert!((found.p_value - 0.285_714_285_714).abs() < 1e-9, "{}", found.p_value);
        assert_eq!(found.direction, Some(Direction::Higher));
        let turned = kolmogorov_smirnov(&b, &a);
        assert_eq!(turned.direction, Some(Direction::Lower));
        assert!((turned.p_value - found.p_value).abs() < 1e-12);
        // Wholly apart: two of C(9, 4) = 126 arrangements.
        let apart = kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0, 9.0]);
        assert!((apart.statistic, apart.p_value * 63.0) == (1.0, 1.0), "{apart:?}");
        // 1 − Q at the 95 % and 99 % points of Kolmogorov's distribution.
        assert!((limit(1.358_099) - 0.05).abs() < 1e-6 && (limit(1.627_624) - 0.01).abs() < 1e-6);
        assert!((limit(1.0 - 1e-12) - limit(1.0)).abs() < 1e-10);
        assert!((limit(0.5) - 0.963_945).abs() < 1e-6 && limit(1e-9) == 1.0);
    }

    #[test]
    fn edges() {
        for (a, b) in [(&[][..], &[1.0][..]), (&[1.0], &[]), (&[], &[]), (&[2.0; 5], &[2.0; 9])] {
            let found = kolmogorov_smirnov(a, b);
            assert_eq!((found.statistic, found.p_value, found.direction), (0.0, 1.0, None));
        }
        let large = kolmogorov_smirnov(&[-f64::MAX, f64::INFINITY], &[f64::MIN_POSITIVE, 0.0]);
        assert!(large.p_value > 0.5);
        // A large D keeps its digits: 2 / C(60, 30).
        let count = |from: i32| (from..from + 30).map(f64::from).collect::<Vec<_>>();
        let p = kolmogorov_smirnov(&count(0), &count(100)).p_value;
        assert!((p / 1.691_123_389e-17 - 1.0).abs() < 1e-6, "{p}");
    }

    /// With ties: the share of all 70 ways to name four of eight values the batch.
    #[test]
    fn ties_are_those_of_the_permutation_test() {
        let values = [1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0];
        let split = |chosen: u32| -> (Vec<f64>, Vec<f64>) {
            let of = |batch: bool| {
                let mine = |i: &usize| (chosen >> i & 1 == 1) == batch;
                (0..8).filter(mine).map(|i| values[i]).collect()
            };
            (of(false), of(true))
        };
        let ways: Vec<u32> = (0..256).filter(|chosen: &u32| chosen.count_ones() == 4).collect();
        for &observed in &ways {
            let (a, b) = split(observed);
            let found = kolmogorov_smirnov(&a, &b);
            let extreme = ways.iter().filter(|&&way| {
                let (a, b) = split(way);
                kolmogorov_smirnov(&a, &b).statistic >= found.statistic - 1e-12
            });
            let expected = extreme.count() as f64 / 70.0;
            assert!((found.p_value - expected).abs() < 1e-12, "{observed} {found:?} {expected}");
        }
    }

    #[test]
    fn the_limit_is_near_the_exact_value_and_not_below_it() {
        let mut rng = random::stream(1, "limit");
        for shift in [0.0, 0.1, 0.2] {
            let a: Vec<f64> = (0..400).map(|_| rng.random()).collect();
            let b: Vec<f64> = (0..150).map(|_| rng.random::<f64>() + shift).collect();
            let found = kolmogorov_smirnov(&a, &b);
            let far = limit(found.statistic * (400.0 * 150.0 / 550.0f64).sqrt());
            assert!(far >= found.p_value && far < found.p_value * 1.25 + 1e-3, "{far} {found:?}");
        }
    }
}
