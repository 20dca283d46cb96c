//! Models: the checked spec, the fit of data to a model, the model itself, its card, its artifact,
//! and the one code path by which it scores.

pub mod artifact;
pub mod card;
mod describe;
pub mod error;
pub mod estimate;
pub mod evaluate;
pub mod fit;
pub mod resolve;
pub mod score;
pub mod spec;
mod splits;

use crate::eval::calibrator::Calibrator;
use crate::eval::combination::Combination;
use crate::eval::conformal::CalibrationScores;
use crate::eval::detector::{Detector, DetectorKind, Sample};
use crate::eval::prototypes::Prototypes;
use crate::learn::network::Frozen;
use crate::learn::rows::SparseRow;
use crate::task::{Head, LabelSet};
use crate::text::{Encoded, Vectorizer};

pub use error::FitError;

/// What reads a text: everything that is fitted to the training split.
pub struct Reader {
    /// The labels, in the order of probabilities.
    pub labels: LabelSet,
    /// What the network's outputs stand for.
    pub head: Head,
    /// Text to features.
    pub vectorizer: Vectorizer,
    /// Features to logits.
    pub network: Frozen,
    /// Typical training vectors.
    pub prototypes: Prototypes,
    /// Out-of-distribution detectors, in the order in which they are combined.
    pub detectors: Vec<(DetectorKind, Box<dyn Detector>)>,
}

/// What is fitted to the calibration split. Without calibration records there is none of it.
#[derive(Default)]
pub struct Calibration {
    /// Logits to calibrated probabilities.
    pub calibrator: Option<Calibrator>,
    /// Detector scores to one p-value.
    pub combination: Option<Combination>,
    /// 1 − p of the true label, for prediction sets; not for multi-label tasks.
    pub label_scores: Option<CalibrationScores>,
}

/// A fitted model.
pub struct Model {
    /// What it was asked to be.
    pub spec: spec::TrainSpec,
    /// What reads a text.
    pub reader: Reader,
    /// What tells how far to trust it.
    pub calibration: Calibration,
    /// What it is, for people.
    pub card: card::Card,
}

/// A text, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Features and token coverage.
    pub encoded: Encoded,
    /// A logit for each label.
    pub logits: Vec<f32>,
    /// Cosine to the nearest typical training vector, in \[0, 1\].
    pub representation: f64,
    /// The score of each detector.
    pub axes: Vec<f64>,
}

impl Reader {
    /// Reads a text. The same text gives the same bits, alone or among others.
    pub fn read(&self, text: &str) -> Reading {
        self.read_encoded(self.vectorizer.encode(text))
    }

    /// Reads a text that is features already.
    pub fn read_encoded(&self, encoded: Encoded) -> Reading {
        let (pooled, logits) = self.logits(&encoded);
        let sample = Sample { logits: &logits, words: &encoded.words };
        let axes = self.detectors.iter().map(|(_, detector)| detector.score(&sample)).collect();
        let representation = self.prototypes.coverage(&pooled);
        Reading { encoded, logits, representation, axes }
    }

    /// The pooled vector of a text, and a logit for each label.
    pub fn logits(&self, encoded: &Encoded) -> (Vec<f32>, Vec<f32>) {
        let Encoded { ids, weights, ngrams, .. } = encoded;
        let (pooled, outputs) =
            self.network.view().evaluate(SparseRow { ids, weights, size: *ngrams });
        (pooled, self.head.label_logits(outputs))
    }

    /// The network's own probability of each label.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        self.head.link().probabilities(logits, 1.0)
    }
}

impl Calibration {
    /// The calibrated probability of each label, if there is a calibrator.
    pub fn probabilities(&self, head: Head, logits: &[f32]) -> Option<Vec<f64>> {
        self.calibrator.map(|c| c.probabilities(head.link(), logits))
    }

    /// Records of the calibration split that thresholds rest on.
    pub fn records(&self) -> usize {
        self.combination.as_ref().map_or(0, Combination::records)
    }
}
