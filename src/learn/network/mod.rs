//! Networks: what is trained ([`Network`]) and what remains of it for scoring ([`Frozen`]).
//!
//! A new kind of network is a file here and a variant of [`NetworkSpec`].

mod activation;
mod embedding_bag;
mod frozen;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use activation::Activation;
pub use embedding_bag::{EmbeddingBagSpec, Network, Pooling, StepOutcome};
pub use frozen::{Frozen, Layer, View};

/// Which network, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NetworkSpec {
    /// A vector for every n-gram, pooled over the text, then dense layers.
    EmbeddingBag(EmbeddingBagSpec),
}

impl Default for NetworkSpec {
    fn default() -> Self {
        Self::EmbeddingBag(EmbeddingBagSpec::default())
    }
}

impl NetworkSpec {
    /// The settings of the embedding bag.
    pub fn embedding_bag(&self) -> &EmbeddingBagSpec {
        match self {
            Self::EmbeddingBag(spec) => spec,
        }
    }

    /// Trainable numbers, for a vocabulary and a number of outputs; saturates instead of
    /// overflowing, so that absurd settings can be refused.
    pub fn parameters(&self, vocabulary: u64, outputs: u64) -> u64 {
        let spec = self.embedding_bag();
        let mut inputs = spec.dimension as u64;
        let mut sum = vocabulary.saturating_mul(inputs);
        for width in spec.hidden.iter().map(|&width| width as u64).chain([outputs]) {
            sum = sum.saturating_add(inputs.saturating_add(1).saturating_mul(width));
            inputs = width;
        }
        sum
    }
}
