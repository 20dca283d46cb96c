//! Cross-entropy of a softmax with weights, smoothing and focus: the batch's mean of
//! w_y · −Σ_k q_k (1 − p_k)^γ ln p_k. In 64 bits within; [`super::cross_entropy`] is the fast path
//! without any of them.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::contiguous;

pub(super) struct Softmax {
    /// The class of each record.
    pub wanted: Vec<u32>,
    /// Factor of each record.
    pub weights: Vec<f64>,
    pub smoothing: f64,
    pub gamma: f64,
}

impl Softmax {
    /// The loss of a record and, in place of its logits, its gradient.
    fn record(&self, z: &mut [f64], wanted: usize) -> f64 {
        let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = max + z.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
        let spread = self.smoothing / z.len() as f64;
        let target = |k: usize| spread + if k == wanted { 1.0 - self.smoothing } else { 0.0 };
        let (mut loss, mut sum) = (0.0, 0.0);
        for (k, &z) in z.iter().enumerate() {
            let (q, log_p) = (target(k), z - total);
            if q > 0.0 {
                loss -= q * (-log_p.exp_m1()).powf(self.gamma) * log_p;
                sum += q * self.slope(log_p);
            }
        }
        for (k, z) in z.iter_mut().enumerate() {
            let (q, log_p) = (target(k), *z - total);
            let own = if q > 0.0 { q * self.slope(log_p) } else { 0.0 };
            *z = own - log_p.exp() * sum;
        }
        loss
    }

    /// p · d/dp of −(1 − p)^γ ln p: γ p (1 − p)^(γ − 1) ln p − (1 − p)^γ.
    fn slope(&self, log_p: f64) -> f64 {
        let (p, rest) = (log_p.exp(), -log_p.exp_m1());
        let focus = self.gamma * p * rest.powf(self.gamma - 1.0) * log_p;
        // At p = 0 and p = 1 its limit is 0, and its factors may be infinite.
        let focus = if p == 0.0 || rest == 0.0 || self.gamma == 0.0 { 0.0 } else { focus };
        focus - rest.powf(self.gamma)
    }

    fn rows<'a>(&self, logits: &'a [f32]) -> impl Iterator<Item = Vec<f64>> + use<'a> {
        let classes = logits.len() / self.wanted.len();
        logits.chunks_exact(classes).map(|row| row.iter().map(|&z| f64::from(z)).collect())
    }
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "weighted-focal-cross-entropy"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = contiguous(storage, layout)?;
        let mut sum = 0.0;
        for ((mut row, &wanted), weight) in self.rows(logits).zip(&self.wanted).zip(&self.weights) {
            sum += weight * self.record(&mut row, wanted as usize);
        }
        let mean = (sum / self.wanted.len() as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    /// With h_k = q_k · slope(p_k): (h − p Σh) · weight / batch.
    fn bwd(&self, logits: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let values = logits.flatten_all()?.to_vec1::<f32>()?;
        let scale = f64::from(upstream.to_scalar::<f32>()?) / self.wanted.len() as f64;
        let mut gradient = Vec::with_capacity(values.len());
        for ((mut row, &wanted), weight) in self.rows(&values).zip(&self.wanted).zip(&self.weights)
        {
            self.record(&mut row, wanted as usize);
            gradient.extend(row.iter().map(|g| (g * weight * scale) as f32));
        }
        Tensor::from_vec(gradient, logits.shape().clone(), logits.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softmax(smoothing: f64, gamma: f64) -> Softmax {
        Softmax { wanted: vec![0], weights: vec![1.0], smoothing, gamma }
    }

    #[test]
    fn gradients_agree_with_finite_differences_in_64_bits() {
        for smoothing in [0.0, 0.1, 0.7] {
            for gamma in [0.0, 0.5, 1.0, 2.0, 5.0] {
                let op = softmax(smoothing, gamma);
                for logits in [[0.3, -1.2, 2.0, 0.0], [5.0, -6.0, 1.0, 2.5], [0.0; 4]] {
                    for wanted in 0..4 {
                        let mut gradient = logits;
                        op.record(&mut gradient, wanted);
                        for (i, gradient) in gradient.iter().enumerate() {
                            let shifted = |by: f64| {
                                let mut z = logits;
                                z[i] += by;
                                op.record(&mut z, wanted)
                            };
                            let difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                            assert!(
                                (gradient - difference).abs() < 1e-8,
                                "ε {smoothing} γ {gamma}: {gradient} {difference}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Of p = (0.25, 0.75): −ln p, and by hand with ε = 0.1 and γ = 2.
    #[test]
    fn known_values() {
        let logits = [0.0, 3f64.ln()];
        let loss = |smoothing, gamma, wanted| {
            softmax(smoothing, gamma).record(&mut logits.clone(), wanted)
        };
        let (a, b) = (4f64.ln(), (4.0f64 / 3.0).ln());
        assert!((loss(0.0, 0.0, 1) - b).abs() < 1e-15);
        assert!((loss(0.1, 0.0, 1) - (0.95 * b + 0.05 * a)).abs() < 1e-15);
        assert!((loss(0.0, 2.0, 1) - b / 16.0).abs() < 1e-15);
        assert!((loss(0.0, 2.0, 0) - a * 9.0 / 16.0).abs() < 1e-15);
        let both = 0.95 * b / 16.0 + 0.05 * a * 9.0 / 16.0;
        assert!((loss(0.1, 2.0, 1) - both).abs() < 1e-15);
    }

    #[test]
    fn certainty_has_a_gradient() {
        for gamma in [0.0, 0.5, 1.0, 2.0] {
            for wanted in 0..2 {
                let mut gradient = [800.0, 0.0];
                let loss = softmax(0.0, gamma).record(&mut gradient, wanted);
                assert_eq!(loss, if wanted == 0 { 0.0 } else { 800.0 });
                assert!(gradient.iter().all(|g| g.is_finite()), "γ {gamma}: {gradient:?}");
            }
        }
    }
}
