//! Optimisers. A new one is a file here and a line in the list of [`OptimizerSpec`].

mod adagrad;
mod adam;
mod elementwise;
mod rmsprop;
mod settings;
mod sgd;

pub use adagrad::AdagradSpec;
pub use adam::{AdamSpec, AdamWSpec};
pub use rmsprop::RmsPropSpec;
pub use sgd::SgdSpec;

use settings::OptimizerSettings;

use super::choices::choices;
use crate::arrays::{Arrays, ArraysError};

choices! {
    /// Which optimiser, with its settings.
    pub enum OptimizerSpec: dyn OptimizerSettings;
    /// Adam (Kingma and Ba 2015).
    Adam(AdamSpec) = "adam",
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    AdamW(AdamWSpec) = "adamw",
    /// Stochastic gradient descent, with momentum.
    Sgd(SgdSpec) = "sgd",
    /// RMSprop (Tieleman and Hinton 2012).
    RmsProp(RmsPropSpec) = "rmsprop",
    /// Adagrad (Duchi, Hazan and Singer 2011).
    Adagrad(AdagradSpec) = "adagrad",
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        Self::Adam(AdamSpec::default())
    }
}

impl OptimizerSpec {
    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f64 {
        self.common().learning_rate()
    }

    /// What a step takes away of a parameter besides its gradient, as a share, times the learning
    /// rate: weight decay that no division by the gradient's size rescales.
    pub fn shrinkage(&self) -> f64 {
        self.common().shrinkage()
    }

    /// Settings that 32-bit arithmetic cannot work with, by name: not finite, or rounded to an end of
    /// their range (a second moment that decays by 1 never moves from 0).
    pub fn unusable(&self) -> Vec<(&'static str, f64)> {
        let settings = self.common().settings().into_iter();
        settings.filter(|s| !s.usable).map(|s| (s.name, s.value)).collect()
    }

    /// Numbers that the optimiser keeps for every parameter.
    pub fn state_per_parameter(&self) -> usize {
        self.common().state_per_parameter()
    }

    /// An optimiser for parameters of these names and lengths.
    pub fn build(&self, lengths: &[(String, usize)]) -> Box<dyn Optimizer> {
        self.common().build(lengths)
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
