//! f(t) = m + (1 − m) · (1 + cos(π t / T)) / 2: PyTorch's `CosineAnnealingLR`, and with restarts its
//! `CosineAnnealingWarmRestarts` (SGDR, Loshchilov and Hutter 2017).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup, settings_are_the_course};

/// Down along half a cosine, step by step: min_factor + (1 − min_factor) · (1 + cos(π t / T)) / 2, t
/// of T steps into the cycle. Without `t_0`, one cycle lasts the whole training; with it, the rate
/// returns to its start after `t_0` epochs, then after `t_mult` times as many, and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CosineSchedule {
    /// Epochs of the first cycle, from the end of the warm-up. Default: all of them, without any
    /// restart.
    #[schema(minimum = 1, maximum = 100_000)]
    pub t_0: Option<u64>,
    /// How many times longer each cycle is than the one before.
    #[schema(minimum = 1, maximum = 1_000)]
    pub t_mult: u64,
    /// Factor at a cycle's end, in \[0, 1\].
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub min_factor: f64,
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl Default for CosineSchedule {
    fn default() -> Self {
        Self { t_0: None, t_mult: 1, min_factor: 0.0, warmup: None }
    }
}

impl CosineSchedule {
    /// Steps into the cycle, and the cycle's steps.
    fn cycle(&self, at: Position) -> (u64, u64) {
        let Some(epochs) = self.t_0 else {
            return (at.step.min(at.steps), at.steps.max(1));
        };
        let mut length = epochs.saturating_mul(at.steps_per_epoch).max(1);
        if self.t_mult <= 1 {
            return (at.step % length, length);
        }
        let mut step = at.step;
        while step >= length {
            step -= length;
            length = length.saturating_mul(self.t_mult);
        }
        (step, length)
    }
}

impl ScheduleSettings for CosineSchedule {
    settings_are_the_course!();

    fn depends_on_length(&self) -> bool {
        self.t_0.is_none()
    }
}

impl Shape for CosineSchedule {
    fn factor(&self, at: Position) -> f64 {
        let (step, length) = self.cycle(at);
        let angle = std::f64::consts::PI * step as f64 / length as f64;
        self.min_factor + (1.0 - self.min_factor) * (1.0 + angle.cos()) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64) -> Position {
        Position { step, steps: 100, steps_per_epoch: 10 }
    }

    #[test]
    fn half_a_cosine_over_the_training() {
        let schedule = CosineSchedule { min_factor: 0.2, ..CosineSchedule::default() };
        let expected = [(0, 1.0), (25, 0.882_842_712_474_619), (50, 0.6), (100, 0.2), (120, 0.2)];
        for (step, expected) in expected {
            assert!((schedule.factor(at(step)) - expected).abs() < 1e-12, "{step}");
        }
    }

    /// Cycles begin where PyTorch's closed form has them: at t_0 · (t_mult^n − 1) / (t_mult − 1).
    #[test]
    fn warm_restarts() {
        let twice = CosineSchedule { t_0: Some(2), t_mult: 2, ..CosineSchedule::default() };
        for start in [0, 20, 60, 140] {
            assert_eq!(twice.factor(at(start)), 1.0, "{start}");
        }
        // Halves of the cycles of 20, 40 and 80 steps.
        for half in [10, 40, 100] {
            assert!((twice.factor(at(half)) - 0.5).abs() < 1e-12, "{half}");
        }
        let last = (1.0 + (std::f64::consts::PI * 19.0 / 20.0).cos()) / 2.0;
        assert!((twice.factor(at(19)) - last).abs() < 1e-12);

        let even = CosineSchedule { t_0: Some(3), ..CosineSchedule::default() };
        assert_eq!([0, 30, 60, 90].map(|step| even.factor(at(step))), [1.0; 4]);
        assert!((even.factor(at(45)) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn endless_cycles_end() {
        let long = CosineSchedule { t_0: Some(u64::MAX), t_mult: 1_000, ..Default::default() };
        assert!(long.factor(at(5)) > 0.999);
    }
}
