//! Models: the checked spec, the fit of data to a model, the model itself, its card, its artifact,
//! and the one code path by which it scores.

pub mod artifact;
pub mod augmentation;
pub mod batch_report;
mod calibrate;
pub mod card;
mod changed_texts;
mod comparison;
pub mod content;
pub mod coverage;
pub mod criteria;
mod describe;
pub mod drift;
pub mod encoder;
pub mod error;
pub mod estimate;
pub mod evaluate;
pub mod explain;
pub mod explanation;
pub mod fit;
pub mod init_from;
pub mod inspect;
pub mod leaks;
pub mod measured;
pub mod membership;
pub mod monitor;
pub mod monitoring;
pub mod p_values;
pub mod prediction;
pub mod range_test;
pub mod resolve;
pub mod score;
pub mod spec;
pub mod splits;
mod steering;
pub mod test_results;
pub mod training_records;
mod transfer;
mod uncovered;
pub mod watch;

use std::borrow::Cow;

use crate::eval::calibrator::{Calibrator, Choice};
use crate::eval::combination::{Combination, Combined};
use crate::eval::conformal::CalibrationScores;
use crate::eval::detector::{Detector, DetectorKind, Sample};
use crate::eval::interval_conformal::NormalizedIntervals;
use crate::eval::prediction_set::PredictionSets;
use crate::eval::prototypes::Prototypes;
use crate::learn::network::{Frozen, TextForm};
use crate::task::Output;

use content::Content;
use coverage::RecordCoverage;
use encoder::{Encoded, Encoder};
pub use error::FitError;
use training_records::TrainingRecords;

/// What reads a record: everything that is fitted to the training split.
pub struct Reader {
    /// What the network's outputs stand for.
    pub output: Output,
    /// Records to features.
    pub encoder: Encoder,
    /// Features to outputs.
    pub network: Frozen,
    /// Typical training vectors.
    pub prototypes: Prototypes,
    /// Out-of-distribution detectors, in the order in which they are combined.
    pub detectors: Vec<(DetectorKind, Box<dyn Detector>)>,
    /// Training records to show what a record is like; `None` where none may be kept.
    pub training_records: Option<TrainingRecords>,
}

/// What is fitted to the calibration split. Without calibration records there is none of it.
#[derive(Default)]
pub struct Calibration {
    /// Logits to calibrated probabilities, and what else was tried.
    pub calibrator: Option<Choice>,
    /// Detector scores to one p-value.
    pub combination: Option<Combination>,
    /// The labels that cannot be excluded; where a record has one label.
    pub sets: Option<PredictionSets>,
    /// Confidence of the network itself, and whether its label is right (all labels are, where a
    /// record may have several), of each record; where labels are predicted.
    pub decisions: Vec<(f64, bool)>,
    /// Coverage of each record, in the order of the decisions and of the combination's scores.
    pub coverage: Vec<RecordCoverage>,
    /// Absolute errors of each target in its unit, for intervals; where numbers are predicted.
    pub errors: Vec<CalibrationScores>,
    /// Intervals that are wider where records are harder; where numbers are predicted.
    pub normalized: Option<NormalizedIntervals>,
    /// Calibration records to compare batches with; `None` where none may be kept.
    pub content: Option<Content>,
    /// Records of the calibration split.
    pub records: usize,
}

/// A fitted model.
pub struct Model {
    /// What it was asked to be.
    pub spec: spec::TrainSpec,
    /// What reads a record.
    pub reader: Reader,
    /// What tells how far to trust it.
    pub calibration: Calibration,
    /// What it is, for people.
    pub card: card::Card,
    /// A number for each record that trained it, or the models that it started from: those of
    /// [`encoder::Records::groups`], ascending, none twice.
    pub trained_on: Vec<u64>,
}

impl Model {
    /// Whether a record with this number trained it.
    pub fn was_trained_on(&self, group: u64) -> bool {
        self.trained_on.binary_search(&group).is_ok()
    }
}

/// A record, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Features and their coverage.
    pub encoded: Encoded,
    /// A logit for each label; where numbers are predicted, the network's own outputs.
    pub logits: Vec<f32>,
    /// What the network makes of a text or an image; empty for a row. See [`Reading::vector`].
    embedding: Vec<f32>,
    /// Cosine to the nearest typical training vector, in \[0, 1\].
    pub representation: f64,
    /// The score of each detector.
    pub axes: Vec<f64>,
}

impl Reading {
    /// The vector that distances are measured by: a row's features, and what the network makes of a
    /// text or an image.
    pub fn vector(&self) -> &[f32] {
        vector(&self.encoded, &self.embedding)
    }
}

/// The vector that distances are measured by, of a record and of what the network makes of it.
fn vector<'a>(encoded: &'a Encoded, embedding: &'a [f32]) -> &'a [f32] {
    match encoded {
        Encoded::Row(row) => &row.features,
        Encoded::Text(_) | Encoded::Image(_) => embedding,
    }
}

/// A record, read and ranked among the calibration records.
pub struct Weighed {
    /// What was read.
    pub reading: Reading,
    /// Its ranks; `None` without calibration records.
    pub combined: Option<Combined>,
}

impl Reader {
    /// Reads a record that is features already. The same one gives the same bits, alone or among
    /// others.
    pub fn read(&self, encoded: Encoded) -> Reading {
        let (representation, logits) = self.evaluate(&encoded);
        let vector = vector(&encoded, &representation);
        let plain_logits = self.plain_logits(&encoded, &representation);
        let sample = Sample {
            logits: &logits,
            plain_logits: plain_logits.as_deref().unwrap_or(&logits),
            words: encoded.words(),
            vector,
            unseen_values: encoded.unseen_values(),
        };
        let axes: Vec<f64> =
            self.detectors.iter().map(|(_, detector)| detector.score(&sample)).collect();
        let of_axis = self.detectors.iter().position(|(kind, _)| *kind == DetectorKind::Prototypes);
        let coverage = match of_axis {
            // The axis has looked at every prototype of the same vectors already.
            Some(axis) if encoded.is_represented() => (1.0 - axes[axis]).clamp(0.0, 1.0),
            _ => self.prototypes.coverage(&representation),
        };
        let embedding = match encoded {
            Encoded::Row(_) => Vec::new(),
            Encoded::Text(_) | Encoded::Image(_) => representation,
        };
        Reading { encoded, logits, embedding, representation: coverage, axes }
    }

    /// The representation of a record, and a logit for each label or the network's own outputs.
    pub fn evaluate(&self, encoded: &Encoded) -> (Vec<f32>, Vec<f32>) {
        let (representation, outputs) = self.encoder.evaluate(self.network.view(), encoded);
        (representation, self.logits(outputs))
    }

    /// A logit for each label, from the network's outputs; where numbers are predicted, the outputs.
    fn logits(&self, outputs: Vec<f32>) -> Vec<f32> {
        match &self.output {
            Output::Labels { head, .. } => head.label_logits(outputs),
            Output::Values { .. } => outputs,
        }
    }

    /// The logits of a text pooled over its known n-grams alone, for detectors that read them, from
    /// the vector that is pooled over all. `None` where they are the same as the coverage-aware ones.
    /// Where the pooled vector grows with the length of the text, all n-grams make up the length in
    /// both.
    fn plain_logits(&self, encoded: &Encoded, pooled: &[f32]) -> Option<Vec<f32>> {
        let known = encoded.text()?.ngram_coverage;
        let is_pooled = matches!(self.network.spec().text_form(), TextForm::Bag(_));
        let read = self.detectors.iter().any(|(kind, _)| kind.reads_plain_logits());
        if !(is_pooled && read && known > 0.0 && known < 1.0) {
            return None;
        }
        let of_known = pooled.iter().map(|value| value / known).collect();
        Some(self.logits(self.network.view().outputs(of_known)))
    }

    /// The network's own probability of each label; none where numbers are predicted.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        self.output.head().map_or_else(Vec::new, |head| head.link().probabilities(logits, 1.0))
    }

    /// The predicted numbers in their own units; none where labels are predicted.
    pub fn values(&self, outputs: &[f32]) -> Vec<f64> {
        match &self.output {
            Output::Labels { .. } => Vec::new(),
            Output::Values { scaler, .. } => scaler.restore(outputs),
        }
    }
}

impl Calibration {
    /// The calibrated probability of each label, if there is a calibrator.
    pub fn probabilities(&self, output: &Output, logits: &[f32]) -> Option<Vec<f64>> {
        let (choice, head) = (self.calibrator.as_ref()?, output.head()?);
        Some(choice.calibrator.probabilities(head.link(), logits))
    }

    /// The same beside the network's own probabilities of these logits, which an identity leaves as they
    /// are.
    pub fn calibrated<'a>(
        &self,
        output: &Output,
        logits: &[f32],
        raw: &'a [f64],
    ) -> Option<Cow<'a, [f64]>> {
        match self.calibrator.as_ref()?.calibrator {
            Calibrator::Identity => Some(Cow::Borrowed(raw)),
            _ => self.probabilities(output, logits).map(Cow::Owned),
        }
    }

    /// Records of the calibration split that thresholds rest on.
    pub fn records(&self) -> usize {
        self.records
    }
}
