//! The model card: what the model was made from, how well it did, and what it is meant for
//! (Mitchell et al. 2019).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::init_from::TransferReport;
use super::p_values::TestPValues;
use super::spec::Warning;
use crate::eval::calibrator::{Calibrator, CandidateLoss};
use crate::eval::reliability::Reliability;
use crate::eval::risk_coverage::RiskCoverage;
use crate::image::ImageSize;
use crate::learn::stopping::EndReason;
use crate::tabular::ColumnRange;
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
    /// Records left out because their text or row stands in another part too.
    pub excluded: usize,
    /// Records left out because they lack what the task needs.
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

/// A target among the training records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetRange {
    /// The column.
    pub target: String,
    /// Mean, in the target's unit.
    pub mean: f64,
    /// Standard deviation, in the target's unit; 1 where it does not vary.
    pub standard_deviation: f64,
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
    /// What it was chosen from, the simpler first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateLoss>,
    /// Scores of the network's own probabilities on the test records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_before: Option<CalibratedScores>,
    /// Scores of the calibrated probabilities on the test records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_after: Option<CalibratedScores>,
    /// Confidence against accuracy on the test records, before and after; where a record has one
    /// label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Reliability>,
    /// The errors among accepted test records as fewer are accepted, by confidence; where a record
    /// has one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_coverage: Option<RiskCoverage>,
    /// Intervals of predicted numbers, a target each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<IntervalReport>,
    /// How the out-of-distribution p-values of the test records are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_p_values: Option<TestPValues>,
}

/// Conformal intervals of a target at the miscoverage of 0.1: value ± half width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IntervalReport {
    /// The column.
    pub target: String,
    /// Half the width, in the target's unit; absent where the calibration split is too small.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_width: Option<f64>,
    /// Share of the test records whose value lies within, in \[0, 1\]; about 0.9 where test and
    /// calibration records are alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_coverage: Option<f64>,
}

/// The records that the model is meant for: like those it was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum IntendedRange {
    /// Texts.
    Texts(TextRange),
    /// Rows of a table.
    Rows(RowRange),
    /// Images: the size that they are brought to.
    Images(ImageSize),
}

/// The texts that the model is meant for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextRange {
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

/// The rows that the model is meant for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowRange {
    /// The columns that it takes, in order.
    pub columns: Vec<String>,
    /// What training saw in each column that is looked at; a value beyond it lies outside.
    #[serde(default)]
    pub ranges: Vec<ColumnRange>,
    /// The features that they become, in order.
    pub features: Vec<String>,
    /// 5 % quantile of the calibration rows' column coverage, in \[0, 1\].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column_coverage_p05: Option<f32>,
}

/// A model card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Card {
    /// The version of Whereof that made the model.
    pub whereof_version: String,
    /// Records of each part.
    pub records: PartSizes,
    /// The labels, in the order of their probabilities; none where numbers are predicted.
    pub labels: Vec<LabelCount>,
    /// The targets; none where labels are predicted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetRange>,
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
    /// The records that the model is meant for.
    pub intended_range: IntendedRange,
    /// What came along from another model, where training started from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferReport>,
    /// What could not be computed, and what it would take.
    pub unavailable: Vec<Unavailable>,
    /// What else the user should know.
    pub warnings: Vec<Warning>,
}
