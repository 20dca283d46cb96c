//! Dense layers of one record, for scoring.

use super::dispatched;

dispatched! {
    /// The dot product, summed in eight lanes, then across them: the same order every time.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0.0f32; 8];
        let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
        let mut rest = 0.0;
        for (a, b) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
            rest += a * b;
        }
        for (a, b) in a_chunks.zip(b_chunks) {
            for lane in 0..8 {
                lanes[lane] += a[lane] * b[lane];
            }
        }
        lanes.iter().sum::<f32>() + rest
    }
}

/// out = weight · x + bias, with `weight` of outputs × inputs.
pub fn dense(weight: &[f32], bias: &[f32], x: &[f32], out: &mut [f32]) {
    for ((out, row), bias) in out.iter_mut().zip(weight.chunks_exact(x.len())).zip(bias) {
        *out = dot(row, x) + bias;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_and_dense_agree_with_plain_sums() {
        let a: Vec<f32> = (0..37).map(|i| i as f32 * 0.25 - 3.0).collect();
        let b: Vec<f32> = (0..37).map(|i| 1.5 - i as f32 * 0.125).collect();
        let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-3);
        let mut out = [0.0; 2];
        dense(&[1.0, 2.0, 3.0, 4.0], &[0.5, -0.5], &[1.0, 1.0], &mut out);
        assert_eq!(out, [3.5, 6.5]);
    }
}
