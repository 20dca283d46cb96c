//! f(e) = γ^⌊e / n⌋ after e epochs: PyTorch's `StepLR`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup, settings_are_the_course};

/// Times `gamma` after every `every` epochs: gamma^⌊epochs done / every⌋.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StepSchedule {
    /// Epochs between two cuts, from the end of the warm-up.
    #[schema(minimum = 1, maximum = 100_000)]
    pub every: u64,
    /// Factor of a cut, in (0, 1\]; smaller cuts more.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub gamma: f64,
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl Default for StepSchedule {
    fn default() -> Self {
        Self { every: 10, gamma: 0.1, warmup: None }
    }
}

impl ScheduleSettings for StepSchedule {
    settings_are_the_course!();

    fn depends_on_length(&self) -> bool {
        false
    }
}

impl Shape for StepSchedule {
    fn factor(&self, at: Position) -> f64 {
        self.gamma.powf((at.epoch() / self.every.max(1)) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch's documentation: StepLR(step_size=30, gamma=0.1) at rate 0.05 gives 0.05 below epoch
    /// 30, 0.005 below 60, 0.0005 below 90.
    #[test]
    fn known_values() {
        let schedule = StepSchedule { every: 30, ..StepSchedule::default() };
        let rate = |epoch: u64, step: u64| {
            let step = epoch * 7 + step;
            0.05 * schedule.factor(Position { step, steps: 700, steps_per_epoch: 7 })
        };
        for (epoch, expected) in [(0, 0.05), (29, 0.05), (30, 0.005), (59, 0.005), (60, 0.0005)] {
            for step in [0, 6] {
                assert!((rate(epoch, step) - expected).abs() < 1e-15, "epoch {epoch}");
            }
        }
    }
}
