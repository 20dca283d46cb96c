//! The model that a training starts from, found and loaded at submission.

use std::sync::Arc;

use super::problem::Failure;
use super::state::AppState;
use crate::model::Model;
use crate::model::resolve::Source;
use crate::model::spec::TrainRequest;
use crate::problem::{FieldError, Problem};
use crate::store::StoreError;

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
    let id = match state.store.resolve_model(&reference).await {
        Err(error @ (StoreError::NotFound { .. } | StoreError::NoModel { .. })) => {
            let hint = "name a model that GET /v1/models lists";
            let error_at = FieldError::new(field, error.to_string()).hint(hint);
            let mut problem: Problem = error.into();
            problem.errors = vec![error_at];
            return Err(problem.into());
        }
        other => other?,
    };
    let sha256 = state.store.model(&id).await?.sha256;
    let model = state.scorer.model(&id).await.map_err(Problem::from)?;
    Ok(Some(Held { reference, id, sha256, model }))
}
