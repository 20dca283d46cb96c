//! Why no model came of it.

use super::encoder::RecordError;
use crate::learn::LearnError;
use crate::learn::loss::UnknownLabel;
use crate::problem::{Code, FieldError, Problem};
use crate::task::{LabelError, OutcomeError, ValueError};

/// Why a training did not end with a model.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The label column cannot be learnt.
    #[error("the labels cannot be learnt: {0}")]
    Labels(#[from] LabelError),
    /// The records cannot be split as asked.
    #[error("{message}")]
    Split {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: String,
        /// The record at fault, from 1.
        row: Option<u64>,
    },
    /// Too many records lack what the task needs.
    #[error("{count} records lack a value that the task needs; row {row} is the first")]
    Lacking {
        /// The first of them, from 1.
        row: u64,
        /// How many there are.
        count: u64,
    },
    /// A target or a weight is no number that can be used.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A record cannot be turned into features.
    #[error("row {row}, {error}")]
    Record {
        /// The record, from 1.
        row: u64,
        /// What is wrong.
        error: Box<RecordError>,
    },
    /// No column tells one training record from another.
    #[error("no column tells one training record from another")]
    NoFeature,
    /// The loss weighs a label that no record has.
    #[error(transparent)]
    Loss(#[from] UnknownLabel),
    /// The network that training is to start from does not fit.
    #[error("{message}")]
    Transfer {
        /// The field of the request.
        field: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// Training failed.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// Training was told to drop everything.
    #[error("the training was interrupted")]
    Interrupted,
}

impl FitError {
    /// Whether the training was interrupted, and did not fail.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Learn(LearnError::Interrupted))
    }

    /// The record at `index` cannot be turned into features.
    pub fn unreadable(index: usize, error: RecordError) -> Self {
        Self::Record { row: index as u64 + 1, error: Box::new(error) }
    }
}

impl From<OutcomeError> for FitError {
    fn from(error: OutcomeError) -> Self {
        match error {
            OutcomeError::Labels(labels) => labels.into(),
            OutcomeError::Value(value) => value.into(),
        }
    }
}

impl From<FitError> for Problem {
    fn from(error: FitError) -> Self {
        let message = error.to_string();
        match error {
            FitError::Labels(labels) => {
                let row = match &labels {
                    LabelError::Missing { row }
                    | LabelError::Several { row }
                    | LabelError::Single { row, .. } => Some(*row),
                    _ => None,
                };
                let hint = match &labels {
                    LabelError::Missing { .. } => "label the record or leave it out",
                    LabelError::Several { .. } => "set task.multi_label to true",
                    LabelError::Constant { .. } | LabelError::None => {
                        "add records with other labels"
                    }
                    LabelError::Single { .. } => "add examples of this label, or leave it out",
                    LabelError::TooMany { .. } => "choose a column with fewer distinct labels",
                };
                let field = FieldError::new("task.label", labels.to_string()).hint(hint);
                Problem::fields(Code::InvalidSpec, vec![field.at(row, None)])
            }
            FitError::Split { message, hint, row } => {
                let field = FieldError::new("split", message).hint(hint).at(row, None);
                Problem::fields(Code::InvalidSpec, vec![field])
            }
            FitError::Lacking { row, .. } => {
                let hint = "complete these records or leave them out, or raise task.max_missing";
                let field = FieldError::new("task.max_missing", message).hint(hint);
                Problem::fields(Code::InvalidSpec, vec![field.at(Some(row), None)])
            }
            FitError::Value(ValueError { row, column, above, .. }) => {
                let (name, hint) = match above {
                    None => {
                        ("task.target", "write a number in another unit, or leave the record out")
                    }
                    Some(_) => (
                        "task.weight",
                        "write a number above 0, up to 1e30, or leave the record out",
                    ),
                };
                let field = FieldError::new(name, message).hint(hint).at(Some(row), Some(&column));
                Problem::fields(Code::InvalidSpec, vec![field])
            }
            FitError::Record { row, error } => {
                let (name, column, hint) = match &*error {
                    RecordError::Cells(cells) => {
                        let column = cells.first().map(|cell| cell.column.as_str());
                        let hint = "mend the cell, or leave its column out of task.features";
                        ("task.features", column, hint)
                    }
                    RecordError::Image(_) => {
                        ("task.image", None, "send PNG or JPEG as base64, or leave the record out")
                    }
                };
                let field = FieldError::new(name, message).hint(hint).at(Some(row), column);
                Problem::fields(Code::InvalidSpec, vec![field])
            }
            FitError::NoFeature => {
                let hint = "name columns in task.features that differ between records";
                let field = FieldError::new("task.features", message).hint(hint);
                Problem::fields(Code::InvalidSpec, vec![field])
            }
            FitError::Loss(UnknownLabel { label }) => {
                let field = format!("loss.class_weights.{label}");
                let hint = "name labels as they stand in the label column, or leave this one out";
                Problem::fields(Code::InvalidSpec, vec![FieldError::new(field, message).hint(hint)])
            }
            FitError::Transfer { field, message, hint } => {
                let field = FieldError::new(field, message).hint(hint);
                Problem::fields(Code::InvalidSpec, vec![field])
            }
            FitError::Learn(LearnError::Diverged { .. }) => {
                Problem::new(Code::TrainingDiverged, message)
                    .hint("lower optimizer.learning_rate by a factor of ten")
            }
            FitError::Learn(LearnError::OutOfMemory(_)) => {
                let hint = "make training.batch_size or the network smaller, or set device to cpu";
                Problem::new(Code::DeviceMemory, message).hint(hint)
            }
            FitError::Interrupted | FitError::Learn(LearnError::Interrupted) => {
                Problem::new(Code::Conflict, message)
            }
            FitError::Learn(_) => Problem::new(Code::Internal, message),
        }
    }
}
