//! Adagrad (Duchi, Hazan and Singer 2011): d = g + λθ; s ← s + d²;
//! θ ← θ − η / (1 + (t − 1)γ) · d / (√s + ε), at step t. As PyTorch's `Adagrad`.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Optimizer;
use super::elementwise::{Elementwise, Rule};
use super::settings::{OptimizerSettings, Setting, non_negative, positive};
use crate::learn::kernels;

/// Settings of Adagrad.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AdagradSpec {
    /// Step size η before any schedule.
    #[schema(exclusive_minimum = 0.0, maximum = 1000.0)]
    pub learning_rate: f64,
    /// Decay γ of the learning rate, beside any schedule: step t takes η / (1 + (t − 1)γ).
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub lr_decay: f64,
    /// What the sum s of the squared gradients starts at.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub initial_accumulator: f64,
    /// Added (ε) to the root of the sum of the squared gradients.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub epsilon: f64,
    /// Coupled weight decay λ: this share of a parameter is added to its gradient. An n-gram's
    /// vector decays in the steps whose batch holds the n-gram.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub weight_decay: f64,
}

impl Default for AdagradSpec {
    fn default() -> Self {
        Self {
            learning_rate: 0.02,
            lr_decay: 0.0,
            initial_accumulator: 0.0,
            epsilon: 1e-10,
            weight_decay: 0.0,
        }
    }
}

impl OptimizerSettings for AdagradSpec {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn settings(&self) -> Vec<Setting> {
        vec![
            positive("learning_rate", self.learning_rate),
            non_negative("lr_decay", self.lr_decay),
            non_negative("initial_accumulator", self.initial_accumulator),
            positive("epsilon", self.epsilon),
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

impl Rule for AdagradSpec {
    fn kept(&self) -> Vec<(&'static str, f32)> {
        vec![("sum", self.initial_accumulator as f32)]
    }

    fn weight_decay(&self) -> f32 {
        self.weight_decay as f32
    }

    fn rate(&self, learning_rate: f32, step: u64) -> f32 {
        (f64::from(learning_rate) / (1.0 + (step - 1) as f64 * self.lr_decay)) as f32
    }

    fn direct(&self, kept: &mut [Vec<f32>], range: Range<usize>, direction: &mut [f32]) {
        let [sum] = kept else { return };
        kernels::by_sum_of_squares(self.epsilon as f32, &mut sum[range], direction);
    }
}
