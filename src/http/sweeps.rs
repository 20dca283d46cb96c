//! Sweeps: their planning at submission, and their table.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::extract::schemas;
use super::problem::Failure;
use super::query::Path;
use super::state::AppState;
use crate::data::profile::Profile;
use crate::job::sweep::SweepRequest;
use crate::job::sweep::plan::{Plan, plan as plan_sweep};
use crate::job::sweep::table::{SweepTable, table};
use crate::model::resolve::{Allowance, Source, resolve_from};
use crate::model::spec::{TrainRequest, TrainSpec};
use crate::problem::{Code, FieldError, Problem};

/// Plans a sweep: each of its trainings is checked as if it had been submitted by itself.
pub fn plan(
    sweep: &SweepRequest,
    base: &TrainSpec,
    source: Option<Source<'_>>,
    profile: &Profile,
    allowance: Allowance,
) -> Result<Plan, Problem> {
    let resolver = |request: Value| -> Result<TrainSpec, Vec<FieldError>> {
        let errors = schemas().check("TrainRequest", &request);
        if !errors.is_empty() {
            return Err(errors);
        }
        let request: TrainRequest = serde_path_to_error::deserialize(request).map_err(|error| {
            vec![FieldError::new(error.path().to_string(), error.inner().to_string())]
        })?;
        Ok(resolve_from(&request, source, profile, allowance)?.spec)
    };
    plan_sweep(sweep, base, profile, &resolver)
        .map_err(|errors| Problem::fields(Code::InvalidSpec, errors))
}

/// Look at a sweep: its settings, best first, and how much each field mattered.
#[utoipa::path(get, path = "/v1/jobs/{id}/sweep", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, description = "The table, so far", body = SweepTable),
              (status = 404, description = "No such job, or it is no sweep", body = Problem)))]
pub async fn sweep(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<SweepTable>, Failure> {
    let job = state.store.job(&id).await?;
    let spec = state.store.sweep(&id).await?;
    let runs = state.store.trial_runs(&id).await?;
    Ok(Json(state.files.run(move || table(&job, spec, &runs)).await?))
}
