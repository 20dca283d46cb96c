//! Evaluations: a model on records, at once or as a job over a dataset of any size, part by part. Both
//! ways choose, measure and report by the same code.

pub mod part;
pub mod plan;
pub mod recall;
pub mod report;
pub mod results;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::data::writer::TableColumn;
use crate::model::card::PartSizes;
use crate::model::evaluate::Evaluation;
use crate::model::spec::Warning;
use crate::problem::{Code, FieldError, Problem};

/// The kind of these jobs.
pub const KIND: &str = "evaluate";

/// Records to evaluate a model on, with or without labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvaluateRequest {
    /// Id of the dataset. `POST /v1/models/{model}/evaluate` reads 10,000 records at most, after
    /// `only`; a job of the kind `evaluate` any number.
    #[schema(min_length = 1, max_length = 200)]
    pub dataset: String,
    /// Column with the text or image, for models of those. Default: the one that the model was trained on.
    #[serde(default)]
    pub text: Option<String>,
    /// Column with the label, or the number. Default: what the model was trained on.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether the labels, or numbers, are read. `false` evaluates as if there were none: drift,
    /// estimated accuracy, what is new, and what to label first. Default: true where the dataset has
    /// the column; where it lacks the column that the model was trained on, and `label` names no
    /// other, false, with the warning `no_labels`.
    #[serde(default)]
    pub labels: Option<bool>,
    /// Column whose values are reported one by one, such as a product category; the first 10,000
    /// distinct ones.
    #[serde(default)]
    pub slice: Option<String>,
    /// Only records that hold a value in a column, such as `{"column": "split", "value": "test"}`.
    #[serde(default)]
    pub only: Option<Only>,
    /// As in scoring. Default: 0.05.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub max_false_alarm: Option<f64>,
    /// As in scoring. Default: 0.5.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(default)]
    pub min_confidence: Option<f64>,
    /// Level of the test for drift: the share of batches from where the model was trained that may be
    /// called shifted. Default: 0.05.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub drift_alpha: Option<f64>,
}

/// A condition on records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Only {
    /// The column.
    pub column: String,
    /// The value it holds.
    pub value: String,
}

/// An evaluation as a job: the fields of `POST /v1/models/{model}/evaluate`, and the model.
///
/// The dataset is read and scored part by part; what each record was given is written as it goes on.
/// `GET /v1/jobs/{id}/evaluation` has the report, `GET /v1/jobs/{id}/results` the records. The report
/// is made of some 200 bytes a record, 8 for each detector and, where a record may have several
/// labels, 16 for each label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvaluateJobRequest {
    /// Id, name or name@alias of the model.
    #[schema(min_length = 1, max_length = 200, example = "sentiment")]
    pub model: String,
    /// The records.
    #[serde(flatten)]
    pub evaluate: EvaluateRequest,
}

/// How a model does on records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvaluateResponse {
    /// Id of the model.
    pub model: String,
    /// Id of the dataset.
    pub dataset: String,
    /// Records left out because they lack what the task needs.
    pub left_out: u64,
    /// Where the dataset is the one that the model was trained on: how many of the records trained,
    /// validated and calibrated it, and how many it has not seen (`test`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<PartSizes>,
    /// What the user should know, such as that the model was trained on these records.
    pub warnings: Vec<Warning>,
    /// Whether labels, or numbers, were read; without them there are no metrics.
    pub labels: bool,
    /// Accuracy beside coverage, and drift.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// An evaluation as a job performs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSpec {
    /// Id of the model.
    pub model: String,
    /// As it was asked for.
    pub request: EvaluateRequest,
    /// What is written of each record.
    pub columns: Vec<TableColumn>,
}

/// Records in a part: as many as are scored between two writes of what came of them. Some 200 parts, of
/// 250 to 10,000 records each.
pub fn part_rows(rows: u64) -> u64 {
    (rows / 200).clamp(250, 10_000)
}

/// The parts of a dataset.
pub fn parts(rows: u64) -> u64 {
    rows.div_ceil(part_rows(rows))
}

/// A problem with a field of an evaluation.
fn invalid(field: &str, message: &str, hint: &str) -> Problem {
    Problem::fields(Code::InvalidRequest, vec![FieldError::new(field, message).hint(hint)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_all_records() {
        for (rows, size, count) in [
            (1, 250, 1),
            (250, 250, 1),
            (251, 250, 2),
            (50_000, 250, 200),
            (400_000, 2_000, 200),
            (50_000_000, 10_000, 5_000),
        ] {
            assert_eq!((part_rows(rows), parts(rows)), (size, count), "{rows}");
        }
    }
}
