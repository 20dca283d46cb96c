//! From a run that has ended to the spec that goes on from it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Resolved, parts};
use crate::data::profile::Profile;
use crate::learn::stopping::EndReason;
use crate::model::estimate::{self, Estimate};
use crate::model::spec::{TrainSpec, Warning};
use crate::problem::FieldError;

/// Epochs that a run may have in all, as in a request.
const MAX_EPOCHS: usize = 100_000;

/// How far a run is to go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ResumeRequest {
    /// Epochs to train beyond the whole ones that are done (`checkpoint.epochs` of the run). Default:
    /// up to those that the run was to have, if it ended before.
    #[schema(minimum = 1, maximum = 100_000, example = 20)]
    pub epochs: Option<usize>,
}

/// Where a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Whole epochs done.
    pub epochs: usize,
    /// Why training ended; `None` where the job failed.
    pub reason: Option<EndReason>,
}

/// The spec that goes on from a run: the same with more epochs, and without the limit that ended it.
pub fn extend(
    of: &TrainSpec,
    reached: Reached,
    request: &ResumeRequest,
    profile: &Profile,
) -> Result<Resolved, Vec<FieldError>> {
    let refuse = |message: String, hint: &str| vec![FieldError::new("epochs", message).hint(hint)];
    let epochs = match request.epochs {
        Some(more) => reached.epochs + more,
        None => of.training.epochs,
    };
    if epochs <= reached.epochs {
        let message = format!("is missing, and all {} epochs of the run are done", reached.epochs);
        return Err(refuse(message, "say how many more, as {\"epochs\": 20}"));
    }
    if epochs > MAX_EPOCHS {
        let message = format!("the run would have {epochs} epochs, more than {MAX_EPOCHS}");
        return Err(refuse(message, "ask for fewer"));
    }
    let mut spec = of.clone();
    spec.training.epochs = epochs;
    let mut warnings = Vec::new();
    let lifted = match reached.reason {
        Some(EndReason::MaxSteps) => spec.training.max_steps.take().map(|_| "training.max_steps"),
        Some(EndReason::MaxSeconds) => {
            spec.training.max_seconds.take().map(|_| "training.max_seconds")
        }
        Some(EndReason::Target) => spec.training.target.take().map(|_| "training.target"),
        _ => None,
    };
    if let Some(field) = lifted {
        let message = format!("{field} ended the run, and holds no longer");
        warnings.push(Warning::new("limit_lifted", message));
    }
    let longer = epochs != of.training.epochs || spec.training.max_steps != of.training.max_steps;
    if longer && spec.schedule.depends_on_length() {
        let message = "the schedule is spread over all epochs: from here on the learning rate is that \
                       of a training of the new length, which is not where the run left off, and the \
                       model is not that of one training of this length";
        warnings.push(Warning::new("schedule_stretched", message));
    }
    let whole =
        estimate::estimate(&spec, profile, parts::train_records(&spec.split, profile) as u64);
    let rest = (epochs - reached.epochs) as f64 / epochs as f64;
    let estimate = Estimate { seconds_at_most: whole.seconds_at_most * rest, ..whole };
    Ok(Resolved { spec, estimate, warnings })
}
