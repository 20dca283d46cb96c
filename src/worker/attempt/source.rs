//! The model that a training starts from.

use std::sync::Arc;

use super::Failure;
use crate::compute;
use crate::model::Model;
use crate::model::spec::TrainSpec;
use crate::problem::{Code, FieldError, Problem};
use crate::store::{Artifacts, Store, StoreError};

/// The model that a spec starts from, if it names one.
pub(super) async fn load(store: &Store, spec: &TrainSpec) -> Result<Option<Arc<Model>>, Failure> {
    let Some(init) = &spec.init_from else { return Ok(None) };
    let bytes = match store.artifacts.get_hashed(&Artifacts::model_key(&init.sha256)).await {
        Err(StoreError::ArtifactMissing { .. }) => {
            let message = format!("the model {:?} has been deleted", init.model);
            let hint = "import it again, or name another one, and submit the job anew";
            let error = FieldError::new("init_from.model", message).hint(hint);
            return Err(Failure::Problem(Problem::fields(Code::InvalidSpec, vec![error])));
        }
        other => other?,
    };
    let (model, _) = parse(bytes).await?;
    Ok(Some(Arc::new(model)))
}

/// The model of an artifact, and the artifact again. Reading it is work for a thread of its own.
pub(super) async fn parse(bytes: Vec<u8>) -> Result<(Model, Vec<u8>), Failure> {
    let work = move || (Model::from_bytes(&bytes), bytes);
    let done = compute::run_apart("load", 1, work).await;
    let (model, bytes) = done.map_err(|error| Failure::Problem(error.into()))?;
    Ok((model.map_err(|error| Failure::Problem(error.into()))?, bytes))
}
