//! How columns become features.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a column is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A finite number, as a number or as text.
    Numeric,
    /// One of a set of texts.
    Categorical,
    /// A date, or a date with a time (`2026-11-23`, `2026-11-23 10:00:00`, RFC 3339).
    Date,
}

impl InputKind {
    /// What a value of this kind is, to end a sentence with.
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::Numeric => "a finite number",
            Self::Categorical => "one of the column's categories, as text",
            Self::Date => "a date (2026-11-23, 2026-11-23 10:00:00 or RFC 3339)",
        }
    }
}

/// How columns become features. Everything is fitted on the training records only.
///
/// A number is one feature. A category is one feature for each category (one-hot), and one for all
/// that are too rare for their own. A date is the days since 1970-01-01, and the sine and cosine of
/// its day of the week, its month and, where there are times, its hour. A column with missing
/// values in training has one more feature that says so; the missing number itself counts as the
/// mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TabularSpec {
    /// Whether numbers and days are shifted and scaled to mean 0 and standard deviation 1.
    pub standardize: bool,
    /// A number further than this many standard deviations from the mean counts as that far, so
    /// that one outlier cannot blow up the network. Coverage still reports it as it is.
    #[schema(minimum = 1.0, maximum = 1_000_000.0)]
    pub numeric_clip: f64,
    /// Categories of a column that have a feature of their own, the most frequent ones first.
    #[schema(minimum = 1, maximum = 10_000)]
    pub max_categories: usize,
    /// Training records that a category needs for a feature of its own. From 2 on, the single ones
    /// teach the network what to make of an unknown category.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub min_category_count: u64,
}

impl Default for TabularSpec {
    fn default() -> Self {
        Self { standardize: true, numeric_clip: 10.0, max_categories: 100, min_category_count: 2 }
    }
}
