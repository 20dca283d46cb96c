//! Cross-entropy of sigmoids with weights, smoothing and focus: the mean over all entries of
//! w · −(y (1 − p)^γ ln p + (1 − y) p^γ ln(1 − p)). In 64 bits within;
//! [`super::binary_cross_entropy`] is the fast path without any of them.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::contiguous;

pub(super) struct Sigmoid {
    /// Smoothed target of each entry, in \[0, 1\].
    pub wanted: Vec<f64>,
    /// Factor of each entry.
    pub weights: Vec<f64>,
    pub gamma: f64,
}

/// The loss of an entry and its derivative.
fn entry(z: f64, y: f64, gamma: f64) -> (f64, f64) {
    // One side for the label, with y and z; one against it, with 1 − y and −z.
    let side = |z: f64, y: f64| {
        if y == 0.0 {
            return (0.0, 0.0);
        }
        let tail = (-z.abs()).exp().ln_1p();
        // ln σ(z) and ln(1 − σ(z)).
        let (log_p, log_rest) = ((-z).max(0.0) + tail, z.max(0.0) + tail);
        let (log_p, p, rest) = (-log_p, (-log_p).exp(), (-log_rest).exp());
        let focus = rest.powf(gamma);
        let bend = if p == 0.0 { 0.0 } else { gamma * p * log_p };
        (-y * focus * log_p, -y * focus * (rest - bend))
    };
    let ((for_it, rise), (against, fall)) = (side(z, y), side(-z, 1.0 - y));
    (for_it + against, rise - fall)
}

impl CustomOp1 for Sigmoid {
    fn name(&self) -> &'static str {
        "weighted-focal-binary-cross-entropy"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = contiguous(storage, layout)?;
        let mut sum = 0.0;
        for ((&z, &y), weight) in logits.iter().zip(&self.wanted).zip(&self.weights) {
            sum += weight * entry(f64::from(z), y, self.gamma).0;
        }
        let mean = (sum / self.wanted.len() as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    /// −y (1 − p)^γ (1 − p − γ p ln p) + (1 − y) p^γ (p − γ (1 − p) ln(1 − p)), times weight / entries.
    fn bwd(&self, logits: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let mut values = logits.flatten_all()?.to_vec1::<f32>()?;
        let scale = f64::from(upstream.to_scalar::<f32>()?) / self.wanted.len() as f64;
        for ((z, &y), weight) in values.iter_mut().zip(&self.wanted).zip(&self.weights) {
            *z = (entry(f64::from(*z), y, self.gamma).1 * weight * scale) as f32;
        }
        Tensor::from_vec(values, logits.shape().clone(), logits.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences_in_64_bits() {
        for y in [0.0, 0.05, 0.5, 0.95, 1.0] {
            for gamma in [0.0, 0.5, 1.0, 2.0, 5.0] {
                for z in [-8.0, -1.5, 0.0, 0.4, 3.0, 9.0] {
                    let gradient = entry(z, y, gamma).1;
                    let loss = |by: f64| entry(z + by, y, gamma).0;
                    let difference = (loss(1e-5) - loss(-1e-5)) / 2e-5;
                    assert!((gradient - difference).abs() < 1e-8, "y {y} γ {gamma} z {z}");
                }
            }
        }
    }

    /// At p = 0.75, by hand.
    #[test]
    fn known_values() {
        let z = 3f64.ln();
        let (a, b) = (4f64.ln(), (4.0f64 / 3.0).ln());
        for (y, gamma, expected) in [
            (1.0, 0.0, b),
            (0.0, 0.0, a),
            (1.0, 2.0, b / 16.0),
            (0.0, 2.0, a * 9.0 / 16.0),
            (0.95, 2.0, 0.95 * b / 16.0 + 0.05 * a * 9.0 / 16.0),
        ] {
            assert!((entry(z, y, gamma).0 - expected).abs() < 1e-15, "y {y} γ {gamma}");
        }
    }

    #[test]
    fn certainty_has_a_gradient() {
        for (y, expected) in [(1.0, 0.0), (0.0, 800.0)] {
            for gamma in [0.0, 0.5, 2.0] {
                let (loss, gradient) = entry(800.0, y, gamma);
                assert!(loss == expected && gradient.is_finite(), "γ {gamma}: {gradient}");
            }
        }
    }
}
