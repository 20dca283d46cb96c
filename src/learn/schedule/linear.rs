//! f(s) = 1 − s / S over S steps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup, settings_are_the_course};

/// From the optimiser's rate down to zero over all epochs, in equal steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LinearSchedule {
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl ScheduleSettings for LinearSchedule {
    settings_are_the_course!();

    fn depends_on_length(&self) -> bool {
        true
    }
}

impl Shape for LinearSchedule {
    fn factor(&self, at: Position) -> f64 {
        1.0 - (at.step.min(at.steps) as f64 / at.steps.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_steps_down_to_zero() {
        let factor = |step| {
            LinearSchedule::default().factor(Position { step, steps: 10, steps_per_epoch: 5 })
        };
        assert_eq!([0, 5, 10, 11].map(factor), [1.0, 0.5, 0.0, 0.0]);
    }
}
