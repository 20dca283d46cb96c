//! Binary cross-entropy of logits: max(z, 0) − zy + ln(1 + e^−|z|), averaged over all entries.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::contiguous;

pub(super) struct BinaryCrossEntropy {
    /// 0 or 1 for each logit.
    pub wanted: Vec<f32>,
}

/// The loss of a logit, which becomes (σ(z) − y) · scale / entries.
pub(super) fn entry(z: &mut f32, y: f32, entries: usize, scale: f32) -> f64 {
    let loss = loss_of(*z, y);
    *z = (1.0 / (1.0 + (-*z).exp()) - y) * (scale / entries as f32);
    loss
}

fn loss_of(z: f32, y: f32) -> f64 {
    f64::from(z.max(0.0) - z * y + (-z.abs()).exp().ln_1p())
}

impl CustomOp1 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = contiguous(storage, layout)?;
        let mut sum = 0.0f64;
        for (&z, &y) in logits.iter().zip(&self.wanted) {
            sum += loss_of(z, y);
        }
        let mean = (sum / self.wanted.len() as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    /// (σ(z) − y) / entries.
    fn bwd(&self, logits: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let shape = logits.shape().clone();
        let mut values = logits.flatten_all()?.to_vec1::<f32>()?;
        let scale = upstream.to_scalar::<f32>()? / self.wanted.len() as f32;
        for (z, &y) in values.iter_mut().zip(&self.wanted) {
            *z = (1.0 / (1.0 + (-*z).exp()) - y) * scale;
        }
        Tensor::from_vec(values, shape, logits.device()).map(Some)
    }
}
