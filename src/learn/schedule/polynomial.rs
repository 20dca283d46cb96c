//! f(s) = (1 − s / S)^p over S steps: PyTorch's `PolynomialLR`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup, settings_are_the_course};

/// From the optimiser's rate down to zero: the share of the steps that is left, to a power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PolynomialSchedule {
    /// The power; 1 falls in equal steps, more falls early and levels off.
    #[schema(exclusive_minimum = 0.0, maximum = 100.0)]
    pub power: f64,
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl Default for PolynomialSchedule {
    fn default() -> Self {
        Self { power: 2.0, warmup: None }
    }
}

impl ScheduleSettings for PolynomialSchedule {
    settings_are_the_course!();

    fn depends_on_length(&self) -> bool {
        true
    }
}

impl Shape for PolynomialSchedule {
    fn factor(&self, at: Position) -> f64 {
        let done = at.step.min(at.steps) as f64 / at.steps.max(1) as f64;
        (1.0 - done).powf(self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch's documentation: `PolynomialLR(total_iters=4, power=1.0)` at rate 0.05 gives 0.05,
    /// 0.0375, 0.025, 0.0125 and then 0.
    #[test]
    fn known_values() {
        let rate = |power: f64, step| {
            let schedule = PolynomialSchedule { power, warmup: None };
            0.05 * schedule.factor(Position { step, steps: 4, steps_per_epoch: 2 })
        };
        for (step, expected) in [0.05, 0.0375, 0.025, 0.0125, 0.0, 0.0].into_iter().enumerate() {
            assert!((rate(1.0, step as u64) - expected).abs() < 1e-15, "step {step}");
        }
        assert_eq!(rate(2.0, 2), 0.05 / 4.0);
    }
}
