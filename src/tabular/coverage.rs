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

/// What training saw in a column. A value within it does not lie outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnRange {
    /// The column.
    pub column: String,
    /// Smallest number; absent where the column holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// First moment, UTC, as `2026-11-23 00:00:00`; absent where the column holds no dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Last moment, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// Categories that the model knows, most frequent first; absent where the column holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// Whether a missing value is within it: some training record misses it.
    pub may_be_missing: bool,
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
