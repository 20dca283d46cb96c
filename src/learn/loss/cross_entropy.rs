//! Softmax cross-entropy: −ln softmax(z)_y, averaged over the batch.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::contiguous;

pub(super) struct CrossEntropy {
    pub wanted: Vec<u32>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = contiguous(storage, layout)?;
        let classes = logits.len() / self.wanted.len();
        let mut sum = 0.0f64;
        for (row, &wanted) in logits.chunks_exact(classes).zip(&self.wanted) {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = row.iter().map(|z| (z - max).exp()).sum();
            sum += f64::from(max + total.ln() - row[wanted as usize]);
        }
        let mean = (sum / self.wanted.len() as f64) as f32;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    /// (softmax(z) − onehot(y)) / batch.
    fn bwd(&self, logits: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let shape = logits.shape().clone();
        let mut rows = logits.flatten_all()?.to_vec1::<f32>()?;
        let classes = rows.len() / self.wanted.len();
        let scale = upstream.to_scalar::<f32>()? / self.wanted.len() as f32;
        for (row, &wanted) in rows.chunks_exact_mut(classes).zip(&self.wanted) {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut total = 0.0;
            for z in row.iter_mut() {
                *z = (*z - max).exp();
                total += *z;
            }
            let scale_row = scale / total;
            row.iter_mut().for_each(|z| *z *= scale_row);
            row[wanted as usize] -= scale;
        }
        Tensor::from_vec(rows, shape, logits.device()).map(Some)
    }
}
