//! The models and datasets that a request names, found at submission.

use std::sync::Arc;

use super::problem::Failure;
use super::state::AppState;
use crate::data::profile::Profile;
use crate::model::Model;
use crate::model::resolve::Source;
use crate::model::spec::TrainRequest;
use crate::problem::{FieldError, Problem};
use crate::store::StoreError;
use crate::store::datasets::Dataset;

/// A loaded model, and how it is referred to.
pub struct Held {
    reference: String,
    id: String,
    sha256: String,
    model: Arc<Model>,
}

impl Held {
    /// As requests are resolved against it.
    pub fn source(&self) -> Source<'_> {
        let Self { reference, id, sha256, model } = self;
        Source { reference, id, sha256, model }
    }
}

/// The model that a request starts from, if it names one. `field` is where it does.
pub async fn find(
    state: &AppState,
    request: &TrainRequest,
    field: &str,
) -> Result<Option<Held>, Failure> {
    let Some(init) = &request.init_from else { return Ok(None) };
    let reference = init.model.clone();
    let id = model(state, &reference, field).await?;
    let sha256 = state.store.model(&id).await?.sha256;
    let model = state.scorer.model(&id).await.map_err(Problem::from)?;
    Ok(Some(Held { reference, id, sha256, model }))
}

/// The id of the model that a request names in `field`, by id, name or name@alias.
pub async fn model(state: &AppState, reference: &str, field: &str) -> Result<String, Failure> {
    match state.store.resolve_model(reference).await {
        Err(error @ (StoreError::NotFound { .. } | StoreError::NoModel { .. })) => {
            let hint = "name a model that GET /v1/models lists";
            let at = FieldError::new(field, error.to_string()).hint(hint);
            let mut problem: Problem = error.into();
            problem.errors = vec![at];
            Err(problem.into())
        }
        other => Ok(other?),
    }
}

/// The dataset that a request names in `field`.
pub async fn dataset(state: &AppState, id: &str, field: &str) -> Result<Dataset, Failure> {
    named(state.store.dataset(id).await, id, field)
}

/// The profile of the dataset that a request names in `field`.
pub async fn profile(state: &AppState, id: &str, field: &str) -> Result<Arc<Profile>, Failure> {
    named(state.store.profile(id).await.map(|(profile, _)| profile), id, field)
}

/// What is not found is the fault of the field.
fn named<T>(found: Result<T, StoreError>, id: &str, field: &str) -> Result<T, Failure> {
    match found {
        Err(StoreError::NotFound { .. }) => {
            let at = FieldError::new(field, "is not stored here")
                .hint("upload it with POST /v1/datasets, or list what is there");
            let mut problem = Problem::not_found("dataset", id);
            problem.errors = vec![at];
            Err(problem.into())
        }
        other => Ok(other?),
    }
}
