//! e^x of many numbers at a time, without branches, so that the compiler computes several side by
//! side; and what else is asked of all logits of a record.
//!
//! x = n ln 2 + r with |r| ≤ ½ ln 2, and e^x = 2ⁿ e^r (Cody and Waite 1980), with e^r by its Taylor
//! series up to r¹³, which leaves out less than 10⁻¹⁷. Within two units of the last of 53 bits; the
//! same bits on every processor.

use crate::dispatch::dispatched;

/// Numbers that are summed side by side, always in the same order.
const LANES: usize = 8;
/// Below this, e^x is not a normal number, and counts as 0.
const LOWEST: f64 = -708.0;
/// 1.5 · 2⁵²: what is added to it loses its fraction.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has zeros at its end, so that n times it is exact.
const LN_2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
/// 1 / k! for k from 13 down to 2.
const TAYLOR: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// e^x for x ≤ 700; 0 where it is below 10⁻³⁰⁷, and for −∞.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let bounded = if x < LOWEST { LOWEST } else { x };
    let shifted = bounded * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = bounded - n * LN_2.0 - n * LN_2.1;
    let mut series = TAYLOR[0];
    for term in &TAYLOR[1..] {
        series = series * r + term;
    }
    let value = series * r * r + r + 1.0;
    // The last bits of the shifted number are n; 2ⁿ is n added to the exponent.
    let value = f64::from_bits(value.to_bits().wrapping_add(shifted.to_bits() << 52));
    if x < LOWEST { 0.0 } else { value }
}

dispatched! {
    /// Σ e^(z − shift); no z is above the shift by more than 700.
    pub(super) fn sum(logits: &[f32], shift: f64) -> f64 {
        let mut lanes = [0.0; LANES];
        let chunks = logits.chunks_exact(LANES);
        let rest: f64 = chunks.remainder().iter().map(|&z| exp(f64::from(z) - shift)).sum();
        for chunk in chunks {
            for (lane, &z) in lanes.iter_mut().zip(chunk) {
                *lane += exp(f64::from(z) - shift);
            }
        }
        lanes.iter().sum::<f64>() + rest
    }
}

dispatched! {
    /// Makes numbers z their e^(z − shift); gives the sum. No z is above the shift by more than 700.
    pub(super) fn apply(values: &mut [f64], shift: f64) -> f64 {
        let mut lanes = [0.0; LANES];
        let mut chunks = values.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (lane, z) in lanes.iter_mut().zip(chunk) {
                *z = exp(*z - shift);
                *lane += *z;
            }
        }
        let mut rest = 0.0;
        for z in chunks.into_remainder() {
            *z = exp(*z - shift);
            rest += *z;
        }
        lanes.iter().sum::<f64>() + rest
    }
}

/// The largest number; −∞ of none.
pub(super) fn largest<T: Copy + PartialOrd>(values: &[T], least: T) -> T {
    let mut lanes = [least; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    let larger = |a: T, &b: &T| if b > a { b } else { a };
    rest.iter().fold(lanes.iter().fold(least, larger), larger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn it_is_the_exponential() {
        let mut rng = random::stream(1, "exponential");
        for scale in [1e-9, 1e-3, 1.0, 50.0, 700.0] {
            for _ in 0..20_000 {
                let x = -scale * rng.random::<f64>();
                let error = (exp(x) / x.exp() - 1.0).abs();
                assert!(error < 4.5e-16, "{x}: {error}");
            }
        }
        assert!((exp(700.0) / 700f64.exp() - 1.0).abs() < 4.5e-16);
        assert_eq!((exp(0.0), exp(-0.0), exp(-800.0)), (1.0, 1.0, 0.0));
        assert_eq!((exp(f64::NEG_INFINITY), exp(f64::MIN)), (0.0, 0.0));
    }

    #[test]
    fn sums_and_largest_numbers_of_any_length() {
        let mut rng = random::stream(2, "exponential");
        for length in [0, 1, 7, 8, 9, 150, 1_001] {
            let logits: Vec<f32> = (0..length).map(|_| 20.0 * rng.random::<f32>() - 10.0).collect();
            let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&logits, f32::NEG_INFINITY), max);
            let expected: f64 = logits.iter().map(|&z| (f64::from(z) - 3.0).exp()).sum();
            let near = |found: f64| (found - expected).abs() <= 1e-13 * expected;
            assert!(near(sum(&logits, 3.0)), "{length}");
            let mut values: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
            let found = apply(&mut values, 3.0);
            assert!(near(found) && near(values.iter().sum()), "{length}");
        }
    }
}
