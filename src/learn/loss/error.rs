//! Losses of numbers: the mean over records and outputs of what an error costs.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{ErrorLoss, contiguous};

pub(super) struct OfNumbers {
    /// What each output should be.
    pub wanted: Vec<f32>,
    /// Factor of each.
    pub weights: Vec<f64>,
    pub error: ErrorLoss,
}

/// The loss of an error and its derivative.
pub(super) fn entry(e: f64, loss: ErrorLoss) -> (f64, f64) {
    match loss {
        ErrorLoss::Squared => (e * e, 2.0 * e),
        // 0 at 0, which is as good as any slope there.
        ErrorLoss::Absolute => (e.abs(), if e == 0.0 { 0.0 } else { e.signum() }),
        ErrorLoss::Huber(delta) if e.abs() <= delta => (0.5 * e * e, e),
        ErrorLoss::Huber(delta) => (delta * (e.abs() - 0.5 * delta), delta * e.signum()),
    }
}

impl CustomOp1 for OfNumbers {
    fn name(&self) -> &'static str {
        "error-loss"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let outputs = contiguous(storage, layout)?;
        let mut sum = 0.0;
        for ((&z, &y), weight) in outputs.iter().zip(&self.wanted).zip(&self.weights) {
            sum += weight * entry(f64::from(z) - f64::from(y), self.error).0;
        }
        let mean = (sum / self.wanted.len() as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    fn bwd(&self, outputs: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let mut values = outputs.flatten_all()?.to_vec1::<f32>()?;
        let scale = f64::from(upstream.to_scalar::<f32>()?) / self.wanted.len() as f64;
        for ((z, &y), weight) in values.iter_mut().zip(&self.wanted).zip(&self.weights) {
            *z = (entry(f64::from(*z) - f64::from(y), self.error).1 * weight * scale) as f32;
        }
        Tensor::from_vec(values, outputs.shape().clone(), outputs.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSES: [ErrorLoss; 4] =
        [ErrorLoss::Squared, ErrorLoss::Absolute, ErrorLoss::Huber(1.0), ErrorLoss::Huber(0.3)];

    #[test]
    fn gradients_agree_with_finite_differences() {
        for loss in LOSSES {
            for e in [-4.0, -1.5, -0.2, 0.1, 0.7, 3.0] {
                let difference = (entry(e + 1e-6, loss).0 - entry(e - 1e-6, loss).0) / 2e-6;
                assert!((entry(e, loss).1 - difference).abs() < 1e-6, "{loss:?} {e}");
            }
            assert_eq!(entry(0.0, loss), (0.0, 0.0), "{loss:?}");
        }
    }

    /// By hand; PyTorch's huber_loss and l1_loss give the same.
    #[test]
    fn known_values() {
        assert_eq!(entry(-3.0, ErrorLoss::Squared).0, 9.0);
        assert_eq!(entry(-3.0, ErrorLoss::Absolute).0, 3.0);
        assert_eq!(entry(0.5, ErrorLoss::Huber(1.0)).0, 0.125);
        assert_eq!(entry(-3.0, ErrorLoss::Huber(1.0)).0, 2.5);
        assert_eq!(entry(2.0, ErrorLoss::Huber(0.5)).0, 0.875);
    }
}
