//! What can be wrong with values and with a stored encoder.

use super::InputKind;

/// Longest part of a value that a message shows, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// A value that its column cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?}: {value:?} is not {}", .expected.value())]
pub struct Unreadable {
    /// The column.
    pub column: String,
    /// The value, cut if long.
    pub value: String,
    /// What the column holds.
    pub expected: InputKind,
}

/// A training value that its column cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("training record {row}, {error}")]
pub struct FitError {
    /// The record's place among the rows that were handed in, from 0.
    pub row: usize,
    /// What is wrong.
    pub error: Unreadable,
}

/// Why a stored encoder is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncoderError {
    /// The parts of a column do not fit one another.
    #[error("the stored encoder's column {column:?} contradicts itself: {reason}")]
    Column {
        /// The column.
        column: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// No number can be clipped at its limit.
    #[error("the stored encoder clips numbers at a limit that cannot be")]
    Clip,
    /// The target scaler holds what cannot be a scale.
    #[error("the stored target scaler holds a mean or a scale that cannot be")]
    Scaler,
}

/// A value as messages show it.
pub(super) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARACTERS) {
        None => value.to_owned(),
        Some((end, _)) => format!("{}…", &value[..end]),
    }
}
