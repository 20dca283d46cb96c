//! What was read of a model's records, and is not read twice.

use std::sync::OnceLock;

use crate::eval::vocabulary_growth::VocabularyGrowth;
use crate::model::coverage::RecordCoverage;
use crate::model::leaks::Leak;

/// What was read so far; the rest is read when it is asked for.
#[derive(Default)]
pub struct Readings {
    pub(super) tested: OnceLock<Result<Vec<Tested>, String>>,
    pub(super) misspelt: OnceLock<Option<Vec<f64>>>,
    pub(super) copies: OnceLock<Copies>,
    pub(super) leaks: OnceLock<Vec<Leak>>,
    pub(super) growth: OnceLock<Option<VocabularyGrowth>>,
}

/// What the model says of a test record.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// Its position in the dataset.
    pub record: usize,
    /// Of labels, 0 where all are right and 1 where any is wrong; of numbers, the squared error.
    pub loss: f64,
    /// The network's own confidence; `None` where numbers are predicted.
    pub raw_confidence: Option<f64>,
    /// Calibrated; `None` without a calibrator.
    pub confidence: Option<f64>,
    /// How much of it the model knows.
    pub coverage: RecordCoverage,
    /// Conformal p-value of coming from where the model was trained; `None` without calibration
    /// records.
    pub p_value: Option<f64>,
}

/// Records that stand in more than one part of the split.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Copies {
    /// Validation and test records.
    pub reporting: usize,
    /// Those of them that had an equal record in another part, which was left out.
    pub exact: usize,
    /// Those of them whose words are those of a training text, but for case, punctuation and spaces.
    pub near: usize,
    /// Records that were left out.
    pub left_out: usize,
    /// Positions of the copies: what was left out, and the training texts that are nearly equal.
    pub records: Vec<usize>,
}
