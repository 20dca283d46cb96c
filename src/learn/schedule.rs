//! Learning-rate schedules: a factor on the optimiser's rate for every step.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the learning rate changes over training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScheduleSpec {
    /// The same throughout.
    Constant,
    /// From the optimiser's rate down to zero over all epochs, in equal steps.
    #[default]
    Linear,
}

impl ScheduleSpec {
    /// The factor at `step` (from 0) of `total`, in \[0, 1\].
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - (step.min(total) as f64 / total.max(1) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors() {
        assert_eq!(ScheduleSpec::Constant.factor(9, 10), 1.0);
        assert_eq!(ScheduleSpec::Linear.factor(0, 10), 1.0);
        assert_eq!(ScheduleSpec::Linear.factor(5, 10), 0.5);
        assert_eq!(ScheduleSpec::Linear.factor(11, 10), 0.0);
    }
}
