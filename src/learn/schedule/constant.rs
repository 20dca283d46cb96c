//! f(s) = 1.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, Shape, Warmup};

/// The optimiser's rate throughout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ConstantSchedule {
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl Shape for ConstantSchedule {
    fn factor(&self, _: Position) -> f64 {
        1.0
    }

    fn warmup(&self) -> Option<Warmup> {
        self.warmup
    }
}
