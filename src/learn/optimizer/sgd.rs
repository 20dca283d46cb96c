//! Stochastic gradient descent: d = g + λθ; v ← μv + d; θ ← θ − η v, or with Nesterov's momentum
//! θ ← θ − η (d + μv). As PyTorch's `SGD` without dampening.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Optimizer;
use super::elementwise::{Elementwise, Rule};
use super::settings::{OptimizerSettings, Setting, non_negative, positive, share};
use crate::learn::kernels;

/// Settings of stochastic gradient descent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SgdSpec {
    /// Step size η before any schedule. Gradients are not rescaled, and those of an embedding that
    /// is pooled over a text are small, so it is far above what other optimisers take; behind hidden
    /// layers they are smaller still, and it may take many more epochs.
    #[schema(exclusive_minimum = 0.0, maximum = 1000.0)]
    pub learning_rate: f64,
    /// Share μ of the last step's velocity that goes on; 0 forgets it.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub momentum: f64,
    /// Whether the velocity is looked ahead by one step (Nesterov 1983); needs `momentum`.
    pub nesterov: bool,
    /// Coupled weight decay λ: this share of a parameter is added to its gradient. An n-gram's
    /// vector decays in the steps whose batch holds the n-gram. Its product with the learning rate
    /// stays below 1.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub weight_decay: f64,
}

impl Default for SgdSpec {
    fn default() -> Self {
        Self { learning_rate: 1.0, momentum: 0.9, nesterov: false, weight_decay: 0.0 }
    }
}

impl OptimizerSettings for SgdSpec {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn shrinkage(&self) -> f64 {
        self.weight_decay
    }

    fn settings(&self) -> Vec<Setting> {
        vec![
            positive("learning_rate", self.learning_rate),
            share("momentum", self.momentum),
            non_negative("weight_decay", self.weight_decay),
        ]
    }

    fn state_per_parameter(&self) -> usize {
        self.kept().len()
    }

    fn build(&self, lengths: &[(String, usize)]) -> Box<dyn Optimizer> {
        Box::new(Elementwise::new(self.clone(), lengths))
    }
}

impl Rule for SgdSpec {
    fn kept(&self) -> Vec<(&'static str, f32)> {
        if self.momentum > 0.0 { vec![("velocity", 0.0)] } else { Vec::new() }
    }

    fn weight_decay(&self) -> f32 {
        self.weight_decay as f32
    }

    fn direct(&self, kept: &mut [Vec<f32>], range: Range<usize>, direction: &mut [f32]) {
        let [velocity] = kept else { return };
        kernels::momentum(self.momentum as f32, self.nesterov, &mut velocity[range], direction);
    }
}
