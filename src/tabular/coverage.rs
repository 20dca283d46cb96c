//! How much of a row lies within what training saw.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a value lies outside the training data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutsideReason {
    /// Smaller, or earlier, than any training value.
    Below,
    /// Larger, or later, than any training value.
    Above,
    /// A category that training did not hold, or too rarely for a feature of its own.
    UnknownCategory,
    /// Missing, where no training record misses it.
    Missing,
}

/// A value outside the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutsideValue {
    /// The column.
    pub column: String,
    /// The value as text, cut if long; null where it is missing.
    pub value: Option<String>,
    /// Why it lies outside.
    pub reason: OutsideReason,
    /// The same as a sentence, with the limit that it passes.
    pub message: String,
}

/// How much of a row lies within the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowCoverage {
    /// Share of the columns whose value lies within what training saw, in [0, 1]: a number or date
    /// from the smallest to the largest, a known category, a missing value where training had some.
    /// 0 where no column says anything.
    pub columns: f64,
    /// The values that do not, in the order of the columns.
    pub outside: Vec<OutsideValue>,
}
