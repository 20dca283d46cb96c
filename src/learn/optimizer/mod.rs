//! Optimisers. A new one is a file here, a variant of [`OptimizerSpec`] and a line in each `match`.

mod adagrad;
mod adam;
mod elementwise;
mod rmsprop;
mod settings;
mod sgd;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use adagrad::AdagradSpec;
pub use adam::{AdamSpec, AdamWSpec};
pub use rmsprop::RmsPropSpec;
pub use sgd::SgdSpec;

use elementwise::{Elementwise, Rule};

use crate::arrays::{Arrays, ArraysError};

/// Which optimiser, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum OptimizerSpec {
    /// Adam (Kingma and Ba 2015).
    Adam(AdamSpec),
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    AdamW(AdamWSpec),
    /// Stochastic gradient descent, with momentum.
    Sgd(SgdSpec),
    /// RMSprop (Tieleman and Hinton 2012).
    RmsProp(RmsPropSpec),
    /// Adagrad (Duchi, Hazan and Singer 2011).
    Adagrad(AdagradSpec),
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
            Self::Sgd(spec) => spec.learning_rate,
            Self::RmsProp(spec) => spec.learning_rate,
            Self::Adagrad(spec) => spec.learning_rate,
        }
    }

    /// What a step takes away of a parameter besides its gradient, as a share, times the learning
    /// rate: weight decay that no division by the gradient's size rescales.
    pub fn shrinkage(&self) -> f64 {
        match self {
            Self::AdamW(spec) => spec.weight_decay,
            Self::Sgd(spec) => spec.weight_decay,
            Self::Adam(_) | Self::RmsProp(_) | Self::Adagrad(_) => 0.0,
        }
    }

    /// Settings that 32-bit arithmetic cannot work with, by name: not finite, or rounded to an end of
    /// their range (a second moment that decays by 1 never moves from 0).
    pub fn unusable(&self) -> Vec<(&'static str, f64)> {
        let settings = match self {
            Self::Adam(spec) => spec.with_decay(0.0).settings(),
            Self::AdamW(spec) => spec.settings(),
            Self::Sgd(spec) => spec.settings(),
            Self::RmsProp(spec) => spec.settings(),
            Self::Adagrad(spec) => spec.settings(),
        };
        settings.into_iter().filter(|s| !s.usable).map(|s| (s.name, s.value)).collect()
    }

    /// Numbers that the optimiser keeps for every parameter.
    pub fn state_per_parameter(&self) -> usize {
        match self {
            Self::Adam(_) | Self::AdamW(_) => 2,
            Self::Sgd(spec) => spec.kept().len(),
            Self::RmsProp(spec) => spec.kept().len(),
            Self::Adagrad(spec) => spec.kept().len(),
        }
    }

    /// An optimiser for parameters of these names and lengths.
    pub fn build(&self, lengths: &[(String, usize)]) -> Box<dyn Optimizer> {
        match self {
            Self::Adam(spec) => Box::new(adam::Adam::new(&spec.with_decay(0.0), lengths)),
            Self::AdamW(spec) => Box::new(adam::Adam::new(spec, lengths)),
            Self::Sgd(spec) => Box::new(Elementwise::new(spec.clone(), lengths)),
            Self::RmsProp(spec) => Box::new(Elementwise::new(spec.clone(), lengths)),
            Self::Adagrad(spec) => Box::new(Elementwise::new(spec.clone(), lengths)),
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
pub(super) mod tests;
