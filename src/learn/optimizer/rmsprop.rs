//! RMSprop (Tieleman and Hinton 2012): d = g + λθ; s ← αs + (1 − α)d²; d ← d / (√s + ε);
//! v ← μv + d; θ ← θ − ηv. Centred (Graves 2013), √(s − m²) takes the place of √s, with
//! m ← αm + (1 − α)d. As PyTorch's `RMSprop`.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Optimizer;
use super::elementwise::{Elementwise, Rule};
use super::settings::{OptimizerSettings, Setting, non_negative, positive, share};
use crate::learn::kernels;

/// Settings of RMSprop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RmsPropSpec {
    /// Step size η before any schedule.
    #[schema(exclusive_minimum = 0.0, maximum = 1000.0)]
    pub learning_rate: f64,
    /// Decay α of the mean of the squared gradients.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub alpha: f64,
    /// Added (ε) to the root of the mean of the squared gradients.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub epsilon: f64,
    /// Share μ of the last step's velocity that goes on; 0 forgets it.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub momentum: f64,
    /// Whether gradients are divided by their standard deviation instead of their root mean square.
    pub centered: bool,
    /// Coupled weight decay λ: this share of a parameter is added to its gradient. An n-gram's
    /// vector decays in the steps whose batch holds the n-gram.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub weight_decay: f64,
}

impl Default for RmsPropSpec {
    fn default() -> Self {
        Self {
            learning_rate: 0.002,
            alpha: 0.99,
            epsilon: 1e-8,
            momentum: 0.0,
            centered: false,
            weight_decay: 0.0,
        }
    }
}

impl OptimizerSettings for RmsPropSpec {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn settings(&self) -> Vec<Setting> {
        vec![
            positive("learning_rate", self.learning_rate),
            share("alpha", self.alpha),
            positive("epsilon", self.epsilon),
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

impl Rule for RmsPropSpec {
    fn kept(&self) -> Vec<(&'static str, f32)> {
        let mean = self.centered.then_some(("mean", 0.0));
        let velocity = (self.momentum > 0.0).then_some(("velocity", 0.0));
        [Some(("square", 0.0)), mean, velocity].into_iter().flatten().collect()
    }

    fn weight_decay(&self) -> f32 {
        self.weight_decay as f32
    }

    fn direct(&self, kept: &mut [Vec<f32>], range: Range<usize>, direction: &mut [f32]) {
        let decay = (self.alpha as f32, (1.0 - self.alpha) as f32);
        let epsilon = self.epsilon as f32;
        let mut kept = kept.iter_mut().map(|values| &mut values[range.clone()]);
        let (square, mean) = (kept.next(), self.centered.then(|| kept.next()).flatten());
        match (square, mean) {
            (Some(square), Some(mean)) => {
                kernels::by_deviation(decay, epsilon, square, mean, direction);
            }
            (Some(square), None) => kernels::by_mean_square(decay, epsilon, square, direction),
            (None, _) => {}
        }
        if let Some(velocity) = kept.next() {
            kernels::momentum(self.momentum as f32, false, velocity, direction);
        }
    }
}
