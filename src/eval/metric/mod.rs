//! Metrics, a file each kind.

mod calibration_error;
mod confusion;
mod multi_label;
mod probability;
mod ranking;

pub use calibration_error::{Bin, bin_of, expected_calibration_error, reliability};
pub use confusion::{ClassScores, Confusion};
pub use multi_label::MultiLabelCounts;
pub use probability::{brier, log_loss, multi_label_brier, multi_label_log_loss};
pub use ranking::{auroc, average_precision, false_positive_rate_at_recall};
