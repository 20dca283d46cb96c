//! f(s) = 1.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup, settings_are_the_course};

/// The optimiser's rate throughout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ConstantSchedule {
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl ScheduleSettings for ConstantSchedule {
    settings_are_the_course!();

    fn depends_on_length(&self) -> bool {
        false
    }
}

impl Shape for ConstantSchedule {
    fn factor(&self, _: Position) -> f64 {
        1.0
    }
}
