//! f(s) = 1.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup};

/// The optimiser's rate throughout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ConstantSchedule {
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl ScheduleSettings for ConstantSchedule {
    fn warmup(&self) -> Option<Warmup> {
        self.warmup
    }

    fn depends_on_length(&self) -> bool {
        false
    }

    fn shape(&self) -> Box<dyn Shape> {
        Box::new(self.clone())
    }
}

impl Shape for ConstantSchedule {
    fn factor(&self, _: Position) -> f64 {
        1.0
    }
}
