//! Activation functions of hidden layers.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a hidden layer applies to its sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0), with derivative 0 at 0.
    #[default]
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// On a tensor, with a gradient.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            // candle's ReLU has derivative 1 at 0.
            Self::Relu => x.contiguous()?.apply_op1(Relu),
            Self::Tanh => x.tanh(),
        }
    }

    /// In place.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Self::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
            Self::Tanh => values.iter_mut().for_each(|x| *x = x.tanh()),
        }
    }
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("relu takes contiguous 32-bit values")
        };
        let out = values[start..end].iter().map(|x| x.max(0.0)).collect();
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, result: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let open = result.gt(0f32)?.to_dtype(upstream.dtype())?;
        upstream.mul(&open).map(Some)
    }
}
