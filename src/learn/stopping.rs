//! When training ends before its last epoch, and why it ended.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When to stop for want of improvement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EarlyStopping {
    /// What must improve on the validation split.
    pub metric: StoppingMetric,
    /// Epochs without improvement after which training stops.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub patience: usize,
    /// Smallest change that counts as an improvement.
    #[schema(minimum = 0.0, maximum = 1_000_000.0)]
    pub min_delta: f64,
}

/// A validation metric that can steer training: the first six of labels, the others of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppingMetric {
    /// Mean negative log probability of the true labels; lower is better.
    LogLoss,
    /// Share of records whose labels are all right; higher is better.
    Accuracy,
    /// Unweighted mean of the classes' F1; higher is better.
    MacroF1,
    /// F1 of all decisions together; higher is better.
    MicroF1,
    /// Brier score of the probabilities before calibration; lower is better.
    Brier,
    /// Expected calibration error of the probabilities before calibration; lower is better. A model
    /// that knows nothing can have a small one.
    Ece,
    /// Mean squared error in the target's unit; lower is better. Of several targets, the mean of
    /// each one's share of its variance.
    Mse,
    /// Mean absolute error in the target's unit; lower is better. Of several targets, the mean.
    Mae,
    /// Share of the variance that is explained; higher is better. Of several targets, the mean.
    R2,
}

impl StoppingMetric {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::LogLoss,
        Self::Accuracy,
        Self::MacroF1,
        Self::MicroF1,
        Self::Brier,
        Self::Ece,
        Self::Mse,
        Self::Mae,
        Self::R2,
    ];

    /// Whether it is for targets that are numbers, not labels.
    pub fn is_of_numbers(self) -> bool {
        matches!(self, Self::Mse | Self::Mae | Self::R2)
    }

    /// Whether a smaller value is a better one.
    pub fn lower_is_better(self) -> bool {
        match self {
            Self::LogLoss | Self::Brier | Self::Ece | Self::Mse | Self::Mae => true,
            Self::Accuracy | Self::MacroF1 | Self::MicroF1 | Self::R2 => false,
        }
    }

    /// A value as what to minimise.
    pub fn to_minimise(self, value: f64) -> f64 {
        if self.lower_is_better() { value } else { -value }
    }
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// All epochs were done.
    Epochs,
    /// The validation metric stopped improving.
    EarlyStopping,
    /// It was asked to stop and keep the best.
    Stopped,
    /// The loss became NaN or infinite; the best epoch before that was kept.
    Diverged,
}
