//! Rows of values to dense features: numbers, categories and dates, fitted on training rows only.
//!
//! One rule for whatever training never saw (an unknown category, a value that is missing where none
//! was missing): it is encoded as the average of what training did see, and the row's [`RowCoverage`]
//! names it. A feature that training never switched on would carry a weight that nothing trained.

mod column;
mod coverage;
mod date;
mod encoder;
mod error;
mod fit;
mod keep;
mod leakage;
mod moments;
mod spec;
mod target;

pub use coverage::{ColumnRange, OutsideReason, OutsideValue, RowCoverage};
pub use encoder::{EncodedRow, FeatureKind, TabularEncoder};
pub use error::{EncoderError, FitError, Unreadable};
pub use leakage::{LEAKAGE_THRESHOLD, Leakage, Target, leakage};
pub use spec::{InputKind, TabularSpec};
pub use target::TargetScaler;

pub use fit::{ColumnFinding, ColumnFindingKind};

/// One value of a record, borrowed. Whoever calls decides what is missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Missing,
    /// A number.
    Number(f64),
    /// A text: a category, a date, or a number as CSV holds it.
    Text(&'a str),
}

/// One column of training values.
#[derive(Debug, Clone, PartialEq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is to be read as.
    pub kind: InputKind,
    /// A value for each training record.
    pub values: Vec<Value<'a>>,
}
