//! The multilayer perceptron: dense layers on a vector. Without hidden layers it is linear.

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::layout::Slot;
use super::pass::Pass;
use super::{DenseSpec, Filters, InputShape, Stem};

/// Settings of the multilayer perceptron.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MlpSpec {
    /// Its layers.
    #[serde(flatten)]
    pub dense: DenseSpec,
}

impl Stem for MlpSpec {
    fn accepts(&self, input: InputShape) -> bool {
        matches!(input, InputShape::Vector { .. } | InputShape::Image { .. })
    }

    fn is_plain(&self) -> bool {
        true
    }

    fn dense(&self) -> &DenseSpec {
        &self.dense
    }

    fn width(&self, input: InputShape) -> usize {
        input.width()
    }

    fn slots(&self, _: InputShape) -> Vec<Slot> {
        Vec::new()
    }

    fn forward(&self, _: &[Var], x: Tensor, _: &mut Pass) -> candle_core::Result<Tensor> {
        x.flatten_from(1)
    }

    fn evaluate(&self, _: &[Vec<f32>], _: &[Filters], _: InputShape, x: Vec<f32>) -> Vec<f32> {
        x
    }
}
