//! Out-of-distribution detectors. Scores rise with distance from the training data.
//!
//! A new detector is a file here, a variant of [`DetectorKind`] and a line in each `match`.

mod coverage_msp;
mod naive_bayes;
mod nearest_neighbors;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Link, Matrix};
use crate::arrays::{Arrays, ArraysError};

/// Which detector.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// 1 − the largest probability, where unknown n-grams count as zero vectors. In \[0, 1\].
    CoverageMsp,
    /// The least surprising class's mean surprise at the tokens, in nats (naive Bayes).
    NaiveBayes,
    /// The Euclidean distance to the fifth nearest training record, in the records' own features.
    NearestNeighbors,
}

impl DetectorKind {
    /// All of them, in the order in which they are combined.
    pub const ALL: &[DetectorKind] =
        &[DetectorKind::CoverageMsp, DetectorKind::NaiveBayes, DetectorKind::NearestNeighbors];

    /// Whether it can judge records that are texts (or else vectors), and have labels (or else
    /// numbers).
    pub fn applies(self, texts: bool, labels: bool) -> bool {
        match self {
            Self::CoverageMsp => labels,
            Self::NaiveBayes => texts && labels,
            Self::NearestNeighbors => !texts,
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::CoverageMsp => "coverage_msp",
            Self::NaiveBayes => "naive_bayes",
            Self::NearestNeighbors => "nearest_neighbors",
        }
    }

    /// Fits the detector to training records.
    pub fn fit(self, training: &Training<'_>) -> Box<dyn Detector> {
        match self {
            Self::CoverageMsp => Box::new(coverage_msp::CoverageMsp { link: training.link }),
            Self::NaiveBayes => Box::new(naive_bayes::NaiveBayes::fit(training)),
            Self::NearestNeighbors => Box::new(nearest_neighbors::NearestNeighbors::fit(training)),
        }
    }

    /// Takes up what [`Detector::save`] gave.
    pub fn load(self, link: Link, arrays: &Arrays) -> Result<Box<dyn Detector>, ArraysError> {
        Ok(match self {
            Self::CoverageMsp => Box::new(coverage_msp::CoverageMsp { link }),
            Self::NaiveBayes => Box::new(naive_bayes::NaiveBayes::load(arrays)?),
            Self::NearestNeighbors => Box::new(nearest_neighbors::NearestNeighbors::load(arrays)?),
        })
    }
}

/// Stands for a word that the vocabulary does not hold.
pub const UNKNOWN_WORD: u32 = u32::MAX;

/// What detectors learn from.
pub struct Training<'a> {
    /// How logits become probabilities.
    pub link: Link,
    /// Classes or labels.
    pub labels: usize,
    /// Words in the vocabulary.
    pub words: usize,
    /// Word ids of each record.
    pub records: &'a [Vec<u32>],
    /// Classes of each record: one, or any number where records are multi-label.
    pub truth: &'a [Vec<u32>],
    /// The records as vectors.
    pub vectors: &'a Matrix,
    /// Decides what is sampled.
    pub seed: u64,
}

/// What a detector sees of a record.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Logits, one for each class or label.
    pub logits: &'a [f32],
    /// Word ids in order, [`UNKNOWN_WORD`] for those that training never saw.
    pub words: &'a [u32],
    /// The record as a vector.
    pub vector: &'a [f32],
}

/// A fitted detector.
pub trait Detector: Send + Sync {
    /// Finite; higher is more out-of-distribution.
    fn score(&self, sample: &Sample<'_>) -> f64;

    /// What was fitted.
    fn save(&self) -> Arrays;
}
