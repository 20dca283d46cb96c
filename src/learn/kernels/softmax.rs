//! Softmax cross-entropy and its gradient in one pass.

use super::dispatched;

dispatched! {
    /// −ln softmax(z)_wanted of one record; `z` becomes its gradient times `scale`:
    /// (softmax(z) − onehot(wanted)) · scale.
    pub fn cross_entropy(z: &mut [f32], wanted: usize, scale: f32) -> f32 {
        let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let of_wanted = z[wanted];
        let mut lanes = [0.0f32; LANES];
        let (chunks, rest) = z.as_chunks_mut::<LANES>();
        for chunk in chunks.iter_mut() {
            for (z, lane) in chunk.iter_mut().zip(&mut lanes) {
                *z = exp(*z - max);
                *lane += *z;
            }
        }
        let mut total: f32 = lanes.iter().sum();
        for z in rest.iter_mut() {
            *z = exp(*z - max);
            total += *z;
        }
        let scale_row = scale / total;
        z.iter_mut().for_each(|z| *z *= scale_row);
        z[wanted] -= scale;
        max + total.ln() - of_wanted
    }
}

/// Sums side by side.
const LANES: usize = 8;
/// Below this, the exponential is 0 here: what is left out is less than 1e-37.
const LEAST: f32 = -87.0;

/// eˣ for x ≤ 0, within 2 · 10⁻⁷ of it, relative: 2ⁿ · eʳ with |r| ≤ ½ ln 2 and a polynomial for eʳ
/// (the coefficients of Cephes). NaN stays NaN.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Rounds to the nearest whole number: the sum has no digits below 1.
    const SHIFT: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    // ln 2 in two parts, so that the difference is exact.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut y = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        y = y * r + coefficient;
    }
    let y = y * r * r + r + 1.0;
    // The last digits of `shifted` are those of n, and all others are shifted out.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < LEAST { 0.0 } else { y * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_its_bound() {
        for i in 0..87_000 {
            let x = -(i as f32) / 1e3;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 2e-7, "{x}: {found} {expected}");
        }
        assert_eq!((exp(0.0), exp(-1e30), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn loss_and_gradient_are_those_of_the_definition() {
        for classes in [2, 7, 8, 21, 150] {
            let z: Vec<f32> = (0..classes).map(|i| (i as f32 * 1.7).sin() * 6.0).collect();
            let total: f64 = z.iter().map(|z| f64::from(*z).exp()).sum();
            for wanted in [0, classes - 1] {
                let mut gradient = z.clone();
                let loss = f64::from(cross_entropy(&mut gradient, wanted, 0.25));
                assert!((loss - (total.ln() - f64::from(z[wanted]))).abs() < 1e-5);
                for (k, (gradient, z)) in gradient.iter().zip(&z).enumerate() {
                    let p = f64::from(*z).exp() / total - f64::from(u8::from(k == wanted));
                    assert!((f64::from(*gradient) - 0.25 * p).abs() < 1e-7, "{classes} {k}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_shows() {
        assert!(cross_entropy(&mut [f32::NAN, 1.0], 1, 1.0).is_nan());
        assert!(!cross_entropy(&mut [f32::INFINITY, 1.0], 1, 1.0).is_finite());
        assert_eq!(cross_entropy(&mut [-200.0, 200.0], 0, 1.0), 400.0);
    }
}
