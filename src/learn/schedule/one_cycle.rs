//! Super-convergence (Smith and Topin 2018), as PyTorch's `OneCycleLR` has it with cosine annealing
//! and two phases.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup, settings_are_the_course};

/// Along half a cosine from 1 / initial_division up to the optimiser's rate, which is the peak, then
/// along another down to 1 / (initial_division · final_division) at the last step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OneCycleSchedule {
    /// Share of the steps that rise to the peak, in (0, 1).
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    pub peak_share: f64,
    /// The peak's rate over the first step's, at least 1.
    #[schema(minimum = 1.0, maximum = 1_000_000_000.0)]
    pub initial_division: f64,
    /// The first step's rate over the last one's, at least 1.
    #[schema(minimum = 1.0, maximum = 1_000_000_000.0)]
    pub final_division: f64,
    /// A rise from a small rate before it, up to the first step's.
    pub warmup: Option<Warmup>,
}

impl Default for OneCycleSchedule {
    fn default() -> Self {
        Self { peak_share: 0.3, initial_division: 25.0, final_division: 1e4, warmup: None }
    }
}

/// From `start` at 0 to `end` at 1 along half a cosine.
fn anneal(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
}

impl ScheduleSettings for OneCycleSchedule {
    settings_are_the_course!();

    fn depends_on_length(&self) -> bool {
        true
    }
}

impl Shape for OneCycleSchedule {
    fn factor(&self, at: Position) -> f64 {
        let first = 1.0 / self.initial_division;
        let last_step = at.steps.saturating_sub(1) as f64;
        // The steps of the peak may lie between two; few steps may leave none to rise.
        let peak = (self.peak_share * at.steps as f64 - 1.0).clamp(0.0, last_step);
        let step = (at.step as f64).min(last_step);
        if step < peak {
            return anneal(first, 1.0, step / peak);
        }
        let down = last_step - peak;
        let share = if down > 0.0 { (step - peak) / down } else { 0.0 };
        anneal(1.0, first / self.final_division, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(schedule: &OneCycleSchedule, step: u64, steps: u64) -> f64 {
        schedule.factor(Position { step, steps, steps_per_epoch: 1 })
    }

    /// OneCycleLR(max_lr=1, total_steps=100): the closed form puts the peak at step 0.3 · 100 − 1.
    #[test]
    fn known_values() {
        let schedule = OneCycleSchedule::default();
        let peak = |step: f64| {
            1.0 + (0.04 - 1.0) * (1.0 + (std::f64::consts::PI * step / 29.0).cos()) / 2.0
        };
        let expected = [
            (0, 0.04),
            (10, peak(10.0)),
            (29, 1.0),
            (64, (1.0 + 4e-6) / 2.0),
            (99, 4e-6),
            (150, 4e-6),
        ];
        for (step, expected) in expected {
            let found = factor(&schedule, step, 100);
            assert!((found - expected).abs() < 1e-12, "{step}: {found} {expected}");
        }
    }

    #[test]
    fn few_steps_have_a_rate_too() {
        let schedule = OneCycleSchedule::default();
        assert_eq!(factor(&schedule, 0, 1), 1.0);
        assert_eq!(factor(&schedule, 0, 0), 1.0);
        assert!((factor(&schedule, 1, 2) - 4e-6).abs() < 1e-15);
    }
}
