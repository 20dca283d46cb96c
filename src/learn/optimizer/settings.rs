//! What the settings of every optimiser tell, and which of them 32-bit arithmetic can work with.

use super::Optimizer;

/// The settings of an optimiser.
pub(in crate::learn) trait OptimizerSettings {
    /// The learning rate before any schedule.
    fn learning_rate(&self) -> f64;

    /// Share of a parameter, times the learning rate, that a step takes away besides its gradient.
    fn shrinkage(&self) -> f64 {
        0.0
    }

    /// Every number.
    fn settings(&self) -> Vec<Setting>;

    /// Numbers kept for every parameter.
    fn state_per_parameter(&self) -> usize;

    /// The optimiser, for parameters of these names and lengths.
    fn build(&self, lengths: &[(String, usize)]) -> Box<dyn Optimizer>;
}

/// A number that an optimiser is set to.
pub(in crate::learn) struct Setting {
    pub name: &'static str,
    pub value: f64,
    pub usable: bool,
}

/// Above 0 and finite.
pub(super) fn positive(name: &'static str, value: f64) -> Setting {
    let usable = value as f32 > 0.0 && (value as f32).is_finite();
    Setting { name, value, usable }
}

/// From 0 on, and finite.
pub(super) fn non_negative(name: &'static str, value: f64) -> Setting {
    Setting { name, value, usable: (0.0..=f32::MAX).contains(&(value as f32)) }
}

/// From 0 on, below 1.
pub(super) fn share(name: &'static str, value: f64) -> Setting {
    Setting { name, value, usable: (0.0..1.0).contains(&(value as f32)) }
}
