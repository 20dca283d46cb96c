//! Why no model came of it.

use crate::learn::LearnError;
use crate::learn::loss::UnknownLabel;
use crate::problem::{Code, FieldError, Problem};
use crate::task::LabelError;

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
    /// Too many records have no text or no label.
    #[error("{count} records lack a text or a label; row {row} is the first")]
    Lacking {
        /// The first of them, from 1.
        row: u64,
        /// How many there are.
        count: u64,
    },
    /// The loss weighs a label that no record has.
    #[error(transparent)]
    Loss(#[from] UnknownLabel),
    /// Training failed.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// Training was told to drop everything.
    #[error("the training was interrupted")]
    Interrupted,
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
            FitError::Loss(UnknownLabel { label }) => {
                let field = format!("loss.class_weights.{label}");
                let hint = "name labels as they stand in the label column, or leave this one out";
                Problem::fields(Code::InvalidSpec, vec![FieldError::new(field, message).hint(hint)])
            }
            FitError::Learn(LearnError::Diverged { .. }) => {
                Problem::new(Code::TrainingDiverged, message)
                    .hint("lower optimizer.learning_rate by a factor of ten")
            }
            FitError::Interrupted | FitError::Learn(LearnError::Interrupted) => {
                Problem::new(Code::Conflict, message)
            }
            FitError::Learn(_) => Problem::new(Code::Internal, message),
        }
    }
}
