//! Linear warm-up before any schedule: w(s) = a + (1 − a) · s / n for the first n steps, PyTorch's
//! `LinearLR` (Goyal et al. 2017 motivate it).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rise in equal steps from `start_factor` to where the schedule begins. The schedule begins after
/// it, in what steps are left. One of `steps` and `share` is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Warmup {
    /// Its length in steps.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub steps: Option<u64>,
    /// Its length as a share of all steps, in (0, 1).
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    pub share: Option<f64>,
    /// Factor of its first step, in (0, 1\].
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub start_factor: f64,
}

impl Default for Warmup {
    fn default() -> Self {
        Self { steps: None, share: None, start_factor: 0.01 }
    }
}

impl Warmup {
    /// Its steps in a training of `total`.
    pub fn length(&self, total: u64) -> u64 {
        let share = self.share.map(|share| (share * total as f64).round() as u64);
        self.steps.or(share).unwrap_or(0)
    }
}

/// The factor at `step` of `length`.
pub(super) fn factor(step: u64, length: u64, start: f64) -> f64 {
    start + (1.0 - start) * step as f64 / length as f64
}
