//! Normalisation of a layer's sums, made of operations whose gradients are right: candle's own layer
//! norm has none for its bias.

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::layout::{Role, Slot};
use super::pass::Pass;

/// What is added to a variance, so that its root can be divided by.
const EPSILON: f64 = 1e-5;
/// Share that a batch has in the running statistics.
pub(super) const MOMENTUM: f64 = 0.1;

/// What is done to a layer's sums before its activation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Nothing.
    #[default]
    None,
    /// Mean 0 and variance 1 over the batch, unit by unit, then a learnt gain and shift (Ioffe and
    /// Szegedy 2015). Scoring takes running averages of the batches' means and variances, which a
    /// batch of one record takes in training too. In images, over all positions too.
    Batch,
    /// Mean 0 and variance 1 over the units of a record, then a learnt gain and shift (Ba, Kiros and
    /// Hinton 2016). In images, over the filters of each position.
    Layer,
}

impl Normalization {
    /// Parameters that it has.
    pub fn parameters(self) -> usize {
        match self {
            Self::None => 0,
            Self::Layer => 2,
            Self::Batch => 4,
        }
    }

    /// Its parameters for a number of units.
    pub fn slots(self, prefix: &str, units: usize) -> Vec<Slot> {
        let roles = [
            ("norm.gain", Role::Gain),
            ("norm.shift", Role::Shift),
            ("norm.mean", Role::Mean),
            ("norm.variance", Role::Variance),
        ];
        let slot = |(name, role)| Slot::new(format!("{prefix}{name}"), vec![units], role);
        roles.into_iter().take(self.parameters()).map(slot).collect()
    }

    /// On a batch of records × units; in images, a row for each position.
    pub(super) fn forward(
        self,
        parameters: &[Var],
        at: usize,
        x: &Tensor,
        pass: &mut Pass,
    ) -> candle_core::Result<Tensor> {
        let over = match self {
            Self::None => return Ok(x.clone()),
            Self::Layer => 1,
            Self::Batch => 0,
        };
        let by_unit = |v: &Tensor| v.reshape((1, v.elem_count()));
        let averaged = x.dim(over)?;
        // What stays as it is has to mean in training what it means in scoring.
        let held = pass.held.get(at).is_some_and(|held| *held);
        let (mean, variance) = if self == Self::Batch && (averaged < 2 || held) {
            (by_unit(&parameters[at + 2].detach())?, by_unit(&parameters[at + 3].detach())?)
        } else {
            let mean = x.mean_keepdim(over)?;
            let variance = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(over)?;
            if self == Self::Batch {
                for (offset, batch, scale) in [
                    (2, &mean, 1.0),
                    // The running variance is the unbiased one, as PyTorch has it.
                    (3, &variance, averaged as f64 / (averaged - 1) as f64),
                ] {
                    let batch = batch.detach().flatten_all()?.affine(MOMENTUM * scale, 0.0)?;
                    let kept = parameters[at + offset].affine(1.0 - MOMENTUM, 0.0)?;
                    pass.statistics.push((at + offset, (kept.detach() + batch)?));
                }
            }
            (mean, variance)
        };
        let root = variance.affine(1.0, EPSILON)?.sqrt()?;
        x.broadcast_sub(&mean)?
            .broadcast_div(&root)?
            .broadcast_mul(&by_unit(&parameters[at])?)?
            .broadcast_add(&by_unit(&parameters[at + 1])?)
    }
}

/// What scoring multiplies a layer's sums without bias by, and then adds, unit by unit: those of a batch
/// normalisation, if the layer has one. `parameters` are weight, bias and those of a normalisation.
pub(super) fn affine(parameters: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let bias = &parameters[1];
    let [_, _, gain, shift, mean, variance] = parameters else {
        return (vec![1.0; bias.len()], bias.clone());
    };
    let scale = gain.iter().zip(variance).map(|(gain, variance)| gain * root(*variance));
    let scale: Vec<f32> = scale.collect();
    let shifts = bias.iter().zip(mean).zip(&scale).zip(shift);
    let shift = shifts.map(|(((bias, mean), scale), shift)| (bias - mean) * scale + shift);
    let shift = shift.collect();
    (scale, shift)
}

/// 1 / σ.
pub(super) fn root(variance: f32) -> f32 {
    1.0 / (variance + EPSILON as f32).sqrt()
}

/// On the units of one record, or of one position of an image, in place.
pub(super) fn apply(kind: Normalization, parameters: &[Vec<f32>], values: &mut [f32]) {
    let (mean, of_record) = match kind {
        Normalization::None => return,
        Normalization::Batch => (0.0, 1.0),
        Normalization::Layer => {
            let n = values.len() as f32;
            let mean = values.iter().sum::<f32>() / n;
            let squares = values.iter().map(|value| (value - mean) * (value - mean));
            (mean, root(squares.sum::<f32>() / n))
        }
    };
    for (unit, value) in values.iter_mut().enumerate() {
        let (mean, root) = match kind {
            Normalization::Batch => (parameters[2][unit], root(parameters[3][unit])),
            _ => (mean, of_record),
        };
        *value = (*value - mean) * root * parameters[0][unit] + parameters[1][unit];
    }
}
