//! A training that starts from another model's network: what is asked for, and what came of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Another model, from whose network training starts (fine-tuning, transfer learning).
///
/// The network is of the same kind and sizes; `network`, `vectorizer`, `tabular` and `image` that are
/// left at their defaults are the other model's. What fits comes along by name: rows of words and
/// n-grams, weights of a table's features, outputs of labels; everything else starts fresh. The
/// vocabulary grows: what the other model knew stays known. Columns of numbers and dates that both
/// have keep the other model's scale, and so do targets, where they are the same ones. Between two
/// labels, which share one output, and more of them the outputs start fresh.
///
/// Records that trained the other model train again, wherever a split would put them, so that no test
/// record was learnt before; a warning (`seen_by_source`) says how many. The card tells what came
/// along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InitFromRequest {
    /// Id of the model, its name (the newest of it) or name@alias.
    #[schema(min_length = 1, max_length = 200, example = "sentiment")]
    pub model: String,
    /// Layers that stay as they came, bit for bit: names such as `embedding`, `layers.0` or
    /// `blocks.0`. Of `embedding`, the rows of new words still learn. A batch normalisation in a
    /// layer that stays takes its running averages in training too.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub freeze: Vec<String>,
    /// Times this, the learning rate of the layers that came along whole and of the rows of known
    /// words; what is new has the full rate.
    #[serde(default = "whole")]
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub learning_rate_factor: f64,
    /// Whether the output layer starts fresh even where labels or targets have the same names.
    #[serde(default)]
    pub new_head: bool,
}

fn whole() -> f64 {
    1.0
}

/// A model from whose network training starts, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InitFrom {
    /// Id of the model.
    pub model: String,
    /// SHA-256 of its artifact, by which it is found.
    pub sha256: String,
    /// Layers that stay as they came.
    pub freeze: Vec<String>,
    /// Times this, the learning rate of what came along.
    pub learning_rate_factor: f64,
    /// Whether the output layer starts fresh.
    pub new_head: bool,
}

/// What came along from another model, and what was new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TransferReport {
    /// Id of the model.
    pub model: String,
    /// The layers of the network, in order.
    pub layers: Vec<LayerTransfer>,
    /// Words and other n-grams; of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<VocabularyTransfer>,
    /// Features of a table that came along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried_features: Vec<String>,
    /// Features of a table that are new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_features: Vec<String>,
    /// Labels or targets whose outputs came along.
    pub carried_outputs: Vec<String>,
    /// Labels or targets whose outputs are new.
    pub new_outputs: Vec<String>,
}

/// What came along of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LayerTransfer {
    /// Its name.
    #[schema(example = "layers.0")]
    pub name: String,
    /// Numbers that came along.
    pub carried: usize,
    /// Numbers that started fresh.
    pub new: usize,
    /// Whether what came along stayed as it was.
    pub frozen: bool,
}

/// What came along of a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VocabularyTransfer {
    /// Words whose rows came along.
    pub carried_words: usize,
    /// Words whose rows started fresh.
    pub new_words: usize,
    /// Other n-grams, or buckets of them, whose rows came along.
    pub carried_ngrams: usize,
    /// Other n-grams, or buckets of them, whose rows started fresh.
    pub new_ngrams: usize,
}
