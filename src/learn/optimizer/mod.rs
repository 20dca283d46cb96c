//! Optimisers. A new one is a file here, a variant of [`OptimizerSpec`] and a line in each `match`.

mod adam;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use adam::{AdamSpec, AdamWSpec};

use crate::arrays::{Arrays, ArraysError};

/// Which optimiser, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum OptimizerSpec {
    /// Adam (Kingma and Ba 2015).
    Adam(AdamSpec),
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    AdamW(AdamWSpec),
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        Self::Adam(AdamSpec::default())
    }
}

impl OptimizerSpec {
    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(spec) => spec.learning_rate,
            Self::AdamW(spec) => spec.learning_rate,
        }
    }

    /// Decoupled weight decay.
    pub fn weight_decay(&self) -> f64 {
        match self {
            Self::Adam(_) => 0.0,
            Self::AdamW(spec) => spec.weight_decay,
        }
    }

    /// Settings that 32-bit arithmetic cannot work with, by name: not finite, or rounded to an end of
    /// their range (a second moment that decays by 1 never moves from 0).
    pub fn unusable(&self) -> Vec<(&'static str, f64)> {
        let spec = match self {
            Self::Adam(spec) => spec.with_decay(0.0),
            Self::AdamW(spec) => spec.clone(),
        };
        let positive = |value: f64| value as f32 > 0.0 && (value as f32).is_finite();
        let share = |value: f64| (0.0..1.0).contains(&(value as f32));
        let settings = [
            ("learning_rate", spec.learning_rate, positive(spec.learning_rate)),
            ("beta1", spec.beta1, share(spec.beta1)),
            ("beta2", spec.beta2, share(spec.beta2)),
            ("epsilon", spec.epsilon, positive(spec.epsilon)),
            ("weight_decay", spec.weight_decay, (0.0..=f64::MAX).contains(&spec.weight_decay)),
        ];
        settings.into_iter().filter(|s| !s.2).map(|(name, value, _)| (name, value)).collect()
    }

    /// Numbers that the optimiser keeps for every parameter.
    pub fn state_per_parameter(&self) -> usize {
        match self {
            Self::Adam(_) | Self::AdamW(_) => 2,
        }
    }

    /// An optimiser for parameters of these lengths.
    pub fn build(&self, lengths: &[(String, usize)]) -> Box<dyn Optimizer> {
        match self {
            Self::Adam(spec) => Box::new(adam::Adam::new(&spec.with_decay(0.0), lengths)),
            Self::AdamW(spec) => Box::new(adam::Adam::new(spec, lengths)),
        }
    }
}

/// Changes parameters by their gradients. Parameters are named by their position in the list that
/// the optimiser was built with.
pub trait Optimizer: Send {
    /// Starts a step at a learning rate; every update until the next call belongs to it.
    fn begin_step(&mut self, learning_rate: f32);

    /// Updates a whole parameter.
    fn update(&mut self, parameter: usize, values: &mut [f32], gradient: &[f32]);

    /// Updates only `rows` of a table with `dimension` columns; `gradient` holds those rows, in
    /// order. Rows that are not named have a gradient of zero and are left for later: see the
    /// optimiser for what that means.
    fn update_rows(
        &mut self,
        parameter: usize,
        table: &mut [f32],
        dimension: usize,
        rows: &[u32],
        gradient: &[f32],
    );

    /// Everything that a resumed run needs.
    fn save(&self, into: &mut Arrays);

    /// Takes up the state that [`Optimizer::save`] gave.
    fn restore(&mut self, from: &Arrays) -> Result<(), ArraysError>;
}

#[cfg(test)]
#[path = "conformance_tests.rs"]
mod tests;
