//! When training ends before its last epoch, and why it ended.

use std::time::Duration;

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

/// A validation metric that can steer training: the last three of numbers, the others of labels.
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
    /// Unweighted mean of the labels' average precision; higher is better. Only of tasks with several
    /// labels a record.
    MeanAveragePrecision,
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
    pub const ALL: [Self; 10] = [
        Self::LogLoss,
        Self::Accuracy,
        Self::MacroF1,
        Self::MicroF1,
        Self::MeanAveragePrecision,
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
            Self::Accuracy
            | Self::MacroF1
            | Self::MicroF1
            | Self::MeanAveragePrecision
            | Self::R2 => false,
        }
    }

    /// A value as what to minimise.
    pub fn to_minimise(self, value: f64) -> f64 {
        if self.lower_is_better() { value } else { -value }
    }
}

/// A value of a validation metric that is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Target {
    /// The metric.
    pub metric: StoppingMetric,
    /// Its value: this much or less where less is better, this much or more where more is.
    #[schema(minimum = -1_000_000_000_000.0, maximum = 1_000_000_000_000.0)]
    pub value: f64,
}

impl Target {
    /// Whether a value of the metric is good enough.
    pub fn reached(&self, value: f64) -> bool {
        self.metric.to_minimise(value) <= self.metric.to_minimise(self.value)
    }
}

/// What ends training wherever it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Steps at most.
    pub max_steps: Option<u64>,
    /// Time at most, that before a resume included.
    pub max_time: Option<Duration>,
    /// How many times the loss before the first step the mean loss of an epoch may be.
    pub divergence_factor: Option<f64>,
}

impl Limits {
    /// The limit that training has come to. One step is always done.
    pub fn reached(&self, steps: u64, elapsed: Duration) -> Option<EndReason> {
        if steps == 0 {
            None
        } else if self.max_steps.is_some_and(|most| steps >= most) {
            Some(EndReason::MaxSteps)
        } else if self.max_time.is_some_and(|most| elapsed >= most) {
            Some(EndReason::MaxSeconds)
        } else {
            None
        }
    }

    /// Whether an epoch's mean `loss` is an explosion, of a training that began with `first`.
    pub fn exploded(&self, first: f64, loss: f64) -> bool {
        self.divergence_factor.is_some_and(|factor| first > 0.0 && loss > factor * first)
    }

    /// The share that is done of a training of `steps` steps, in \[0, 1\]: of its steps, or of its
    /// time where that is further.
    pub fn share(&self, step: u64, steps: u64, elapsed: Duration) -> f64 {
        let of_steps = step as f64 / steps.max(1) as f64;
        let of_time =
            self.max_time.map_or(0.0, |most| elapsed.as_secs_f64() / most.as_secs_f64().max(1e-9));
        of_steps.max(of_time).min(1.0)
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
    /// `training.target` was reached; that epoch was kept.
    Target,
    /// `training.max_steps` were done.
    MaxSteps,
    /// `training.max_seconds` were over.
    MaxSeconds,
    /// It was asked to stop and keep the best.
    Stopped,
    /// The loss became NaN, infinite or many times what it began with; the best epoch before that
    /// was kept.
    Diverged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_know_which_way_is_better() {
        let reached = |metric, wanted, value: f64| Target { metric, value: wanted }.reached(value);
        for metric in StoppingMetric::ALL {
            let lower = metric.lower_is_better();
            assert!(reached(metric, 0.5, 0.5), "{metric:?}");
            assert_eq!(reached(metric, 0.5, 0.4), lower, "{metric:?}");
            assert_eq!(reached(metric, 0.5, 0.6), !lower, "{metric:?}");
            assert!(!reached(metric, 0.5, f64::NAN), "{metric:?}");
        }
    }

    #[test]
    fn limits_by_a_table() {
        let seconds = Duration::from_secs;
        let both = Limits { max_steps: Some(5), max_time: Some(seconds(3)), ..Limits::default() };
        for (steps, elapsed, expected) in [
            (0, 9, None),
            (4, 2, None),
            (4, 3, Some(EndReason::MaxSeconds)),
            (5, 3, Some(EndReason::MaxSteps)),
        ] {
            assert_eq!(both.reached(steps, seconds(elapsed)), expected, "{steps} {elapsed}");
        }
        assert_eq!(Limits::default().reached(u64::MAX, Duration::MAX), None);
        assert_eq!(both.share(1, 4, seconds(0)), 0.25);
        assert_eq!(both.share(1, 4, seconds(2)), 2.0 / 3.0);
        assert_eq!(both.share(9, 4, seconds(9)), 1.0);
    }

    #[test]
    fn explosions_are_relative_to_the_beginning() {
        let limits = Limits { divergence_factor: Some(10.0), ..Limits::default() };
        assert!(!limits.exploded(0.7, 7.0) && limits.exploded(0.7, 7.1));
        assert!(!limits.exploded(0.0, 1e-9) && limits.exploded(1.0, f64::INFINITY));
        assert!(!Limits::default().exploded(0.7, 1e30));
    }
}
