//! The model card: what the model was made from, how well it did, and what it is meant for
//! (Mitchell et al. 2019).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::spec::Warning;
use crate::eval::calibrator::Calibrator;
use crate::learn::trainer::EndReason;
use crate::task::{CalibratedScores, MetricsReport};

/// A statistic that could not be computed, and what it would take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Unavailable {
    /// Which statistic.
    #[schema(example = "confidence")]
    pub statistic: String,
    /// Why it is not there.
    pub reason: String,
    /// Records there are.
    pub have: usize,
    /// Records it would take, if any number would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<usize>,
}

/// Records of each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartSizes {
    /// Records that trained.
    pub train: usize,
    /// Records that steered training.
    pub validation: usize,
    /// Records that calibrated.
    pub calibration: usize,
    /// Records that were tested on.
    pub test: usize,
    /// Records left out because their text stands in another part too.
    pub excluded: usize,
    /// Records left out because they lack a text or a label.
    #[serde(default)]
    pub lacking: usize,
}

/// A label and how many training records have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LabelCount {
    /// The label.
    pub label: String,
    /// Training records that have it.
    pub train_records: usize,
}

/// Metrics of each part; a part without records has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartMetrics {
    /// On the records that trained: how well they were learnt, not how well the model does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<MetricsReport>,
    /// On the records that chose the best epoch: slightly too good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<MetricsReport>,
    /// On records that nothing was fitted to or chosen by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<MetricsReport>,
}

/// How probabilities were calibrated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CalibrationReport {
    /// Records that it rests on.
    pub records: usize,
    /// What was chosen, if there were enough records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibrator: Option<Calibrator>,
    /// Scores of the network's own probabilities on the test records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_before: Option<CalibratedScores>,
    /// Scores of the calibrated probabilities on the test records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_after: Option<CalibratedScores>,
}

/// The texts that the model is meant for: like those it was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IntendedRange {
    /// 5 %, 50 % and 95 % quantile of the words of a training text.
    pub words: [usize; 3],
    /// Single words that the model knows.
    pub known_words: usize,
    /// All n-grams that the model knows, words included.
    pub known_ngrams: usize,
    /// 5 % quantile of the calibration texts' token coverage, in \[0, 1\]: below this a text is less
    /// covered than 19 of 20 texts of the training distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_coverage_p05: Option<f32>,
}

/// A model card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Card {
    /// The version of Whereof that made the model.
    pub whereof_version: String,
    /// Records of each part.
    pub records: PartSizes,
    /// The labels, in the order of their probabilities.
    pub labels: Vec<LabelCount>,
    /// Trainable numbers.
    pub parameters: usize,
    /// The epoch whose parameters were kept; absent where nothing was validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<usize>,
    /// Epochs trained.
    pub epochs: usize,
    /// Why training ended.
    pub end_reason: EndReason,
    /// Metrics of each part.
    pub metrics: PartMetrics,
    /// How probabilities were calibrated.
    pub calibration: CalibrationReport,
    /// The texts that the model is meant for.
    pub intended_range: IntendedRange,
    /// What could not be computed, and what it would take.
    pub unavailable: Vec<Unavailable>,
    /// What else the user should know.
    pub warnings: Vec<Warning>,
}
