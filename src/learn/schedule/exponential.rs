//! f(e) = γ^e after e epochs: PyTorch's `ExponentialLR`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup, settings_are_the_course};

/// Times `gamma` after every epoch: gamma^(epochs done).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ExponentialSchedule {
    /// Factor of an epoch, in (0, 1\]; smaller falls faster.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub gamma: f64,
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl Default for ExponentialSchedule {
    fn default() -> Self {
        Self { gamma: 0.9, warmup: None }
    }
}

impl ScheduleSettings for ExponentialSchedule {
    settings_are_the_course!();

    fn depends_on_length(&self) -> bool {
        false
    }
}

impl Shape for ExponentialSchedule {
    fn factor(&self, at: Position) -> f64 {
        self.gamma.powf(at.epoch() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let schedule = ExponentialSchedule { gamma: 0.5, warmup: None };
        let factor = |step| schedule.factor(Position { step, steps: 40, steps_per_epoch: 4 });
        assert_eq!([0, 3, 4, 7, 8, 39].map(factor), [1.0, 1.0, 0.5, 0.5, 0.25, 0.5f64.powi(9)]);
    }
}
