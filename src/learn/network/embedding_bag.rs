//! The embedding bag: h = Σ w·E over a text's known n-grams, then dense layers to the logits.

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::layout::Slot;
use super::pass::Pass;
use super::{DenseSpec, Filters, InputShape, Stem, TextForm};

/// How the vectors of a text become one. Unknown n-grams count as zero vectors, so that little
/// coverage shrinks the logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The weighted mean.
    #[default]
    Mean,
    /// The weighted mean times √n, for n n-grams: longer texts speak louder.
    SqrtN,
}

impl Pooling {
    /// What the weighted mean of a text of `size` n-grams is multiplied by.
    pub fn scale(self, size: u32) -> f32 {
        match self {
            Self::Mean => 1.0,
            Self::SqrtN => (size as f32).sqrt(),
        }
    }
}

/// Settings of the embedding bag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EmbeddingBagSpec {
    /// Length of an n-gram's vector.
    #[schema(minimum = 1, maximum = 4096)]
    pub dimension: usize,
    /// How the vectors of a text become one.
    pub pooling: Pooling,
    /// The layers between the pooled vector and the logits; no hidden ones by default.
    #[serde(flatten)]
    pub dense: DenseSpec,
}

impl Default for EmbeddingBagSpec {
    fn default() -> Self {
        Self { dimension: 64, pooling: Pooling::default(), dense: DenseSpec::default() }
    }
}

impl Stem for EmbeddingBagSpec {
    fn accepts(&self, input: InputShape) -> bool {
        matches!(input, InputShape::Bag { .. })
    }

    fn is_plain(&self) -> bool {
        true
    }

    fn dense(&self) -> &DenseSpec {
        &self.dense
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.dimension)
    }

    fn text_form(&self) -> TextForm {
        TextForm::Bag(self.pooling)
    }

    fn width(&self, _: InputShape) -> usize {
        self.dimension
    }

    fn slots(&self, _: InputShape) -> Vec<Slot> {
        Vec::new()
    }

    fn forward(&self, _: &[Var], x: Tensor, _: &mut Pass) -> candle_core::Result<Tensor> {
        Ok(x)
    }

    fn evaluate(&self, _: &[Vec<f32>], _: &[Filters], _: InputShape, x: Vec<f32>) -> Vec<f32> {
        x
    }
}
