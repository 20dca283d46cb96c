//! Out-of-distribution detectors. Scores rise with distance from the training data.
//!
//! A new detector is a file here, a variant of [`DetectorKind`] and a line in each `match`.

mod bigrams;
mod columns;
mod coverage_msp;
mod energy;
mod entropy;
mod gaussian;
mod kind;
mod kneser_ney;
mod logits;
mod mahalanobis;
mod max_logit;
mod msp;
mod naive_bayes;
mod nearest_neighbors;
mod prototypes;
mod relative_mahalanobis;
mod unknown_tokens;
mod unseen_bigrams;
mod vim;

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod test_data;

use super::{Link, Matrix};
use crate::arrays::Arrays;

pub use kind::{DetectorKind, Familiarity};
pub(super) use nearest_neighbors::square as square_distance;

/// What the records of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Texts: words and pooled vectors.
    Text,
    /// Rows of a table: their features.
    Row,
    /// Images: what the network makes of them.
    Image,
}

/// Stands for a word that the vocabulary does not hold.
pub const UNKNOWN_WORD: u32 = u32::MAX;

/// What detectors learn from.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// How logits become probabilities.
    pub link: Link,
    /// What the records are.
    pub kind: RecordKind,
    /// Classes or labels; 0 where numbers are predicted.
    pub labels: usize,
    /// Words in the vocabulary.
    pub words: usize,
    /// Word ids of each record.
    pub records: &'a [Vec<u32>],
    /// Classes of each record: one, or any number where records are multi-label, or none where
    /// numbers are predicted.
    pub truth: &'a [Vec<u32>],
    /// The records as vectors, of the same making as [`Sample::vector`].
    pub vectors: &'a Matrix,
    /// The records' logits, of the same making as [`Sample::logits`]; no rows where there are none.
    pub logits: &'a Matrix,
    /// Decides what is sampled.
    pub seed: u64,
}

/// What a detector sees of a record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample<'a> {
    /// Logits, one for each class or label. Of a text whose vectors are pooled, unknown n-grams
    /// count as zero vectors.
    pub logits: &'a [f32],
    /// The logits as they are where unknown n-grams do not count at all: the text is pooled over its
    /// known ones only. The same as `logits` where the input is not a text, or the network does not
    /// pool a text so.
    pub plain_logits: &'a [f32],
    /// Word ids in order, [`UNKNOWN_WORD`] for those that training never saw.
    pub words: &'a [u32],
    /// The record as a vector: the representation of a text or image, the features of a row.
    pub vector: &'a [f32],
    /// Values of a row such as its column never held in training, which its features do not show:
    /// missing where none was missing, or a category without a feature. 0 for texts and images.
    pub unseen_values: usize,
}

/// A fitted detector.
pub trait Detector: Send + Sync {
    /// Finite; higher is more out-of-distribution.
    fn score(&self, sample: &Sample<'_>) -> f64;

    /// What was fitted.
    fn save(&self) -> Arrays;
}
