//! `/v1/jobs`: submit, validate, list, look up, cancel, stop. Following a job stands in
//! [`super::follow`].

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Body, IdempotencyKey};
use super::page::{self, Listed};
use super::problem::Failure;
use super::query::{Path, Query};
use super::sources;
use super::state::AppState;
use crate::job::{EndRequest, Job, JobRequest, JobStatus, Validated};
use crate::model::resolve::{Allowance, Resolved, resolve_from, resolve_range_test};
use crate::problem::{Code, Problem};
use crate::store::jobs::JobFilter;

/// Parameters of a submission.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SubmitQuery {
    /// Check and resolve the request, estimate its cost, and create nothing.
    #[serde(default)]
    pub validate_only: bool,
}

/// Submit a job.
///
/// Answers 202 once the job is on disk: from then on it survives restarts and ends exactly once.
/// A job of the kind `train` makes a model; one of the kind `range_test` finds a learning rate for
/// it, which its run then tells. With `validate_only=true` it answers 200 with the resolved spec, the
/// number of parameters, memory and time, and creates nothing.
///
/// With `init_from` a training starts from another model's network: with more data, or for a related
/// task with other labels. Layers can stay as they are, and what came along can learn more slowly.
///
/// A job of the kind `sweep` trains `base` many times, each time with other values of the fields that
/// `space` names, and keeps the best model; `GET /v1/jobs/{id}/sweep` has the table.
///
/// A job of the kind `diagnose` looks for the limitations of a model by training variations of it, and
/// tries what helps; `GET /v1/models/{model}/limitations` has the report, which grows while it runs.
///
/// A job of the kind `evaluate` evaluates a model on a dataset of any size: `GET
/// /v1/jobs/{id}/evaluation` has the report, `GET /v1/jobs/{id}/results` what each record was given.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", params(SubmitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of a key are answered alike for a day")),
    request_body(content = JobRequest, example = json!({"kind": "train",
        "dataset": "ds_74f25f4a1c310ee85af434388a95b276",
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "model_name": "sentiment"})),
    responses((status = 202, description = "Accepted", body = Job),
              (status = 200, description = "Valid (`validate_only`)", body = Validated),
              (status = 404, description = "No such dataset", body = Problem),
              (status = 409, description = "The idempotency key was used with another request", body = Problem),
              (status = 422, description = "Not valid: every field at fault is listed", body = Problem),
              (status = 429, description = "The queue is full", body = Problem)))]
pub async fn submit(
    State(state): State<AppState>,
    Query(query): Query<SubmitQuery>,
    key: IdempotencyKey,
    body: Body<JobRequest>,
) -> Result<Response, Failure> {
    let keyed = key.on("POST /v1/jobs", body.hash());
    let keyed = keyed.as_ref().filter(|_| !query.validate_only);
    if let Some(before) = super::replayed(&state, keyed).await? {
        return Ok(before);
    }
    let request = match &body.value {
        JobRequest::Train(request) => request,
        JobRequest::RangeTest(request) => &request.train,
        JobRequest::Sweep(sweep) => &sweep.base,
        JobRequest::Diagnose(request) => {
            return super::limitations::submit(&state, request, query.validate_only, keyed).await;
        }
        JobRequest::Evaluate(request) => {
            return super::evaluations::submit(&state, request, query.validate_only, keyed).await;
        }
    };
    let within = |field: &str| match &body.value {
        JobRequest::Sweep(_) => format!("base.{field}"),
        _ => field.to_owned(),
    };
    if let Some(name) = &request.model_name {
        super::aliases::check_name(&within("model_name"), name)?;
    }
    let profile = sources::profile(&state, &request.dataset, &within("dataset")).await?;
    let allowance = Allowance { memory_bytes: state.config.job_memory_bytes };
    let held = sources::find(&state, request, &within("init_from.model")).await?;
    let source = held.as_ref().map(|held| held.source());
    let resolved = match &body.value {
        JobRequest::RangeTest(request) => resolve_range_test(request, source, &profile, allowance),
        JobRequest::Train(_)
        | JobRequest::Sweep(_)
        | JobRequest::Evaluate(_)
        | JobRequest::Diagnose(_) => resolve_from(request, source, &profile, allowance),
    };
    let resolved = resolved.map_err(|mut errors| {
        errors.iter_mut().for_each(|error| error.field = within(&error.field));
        Problem::fields(Code::InvalidSpec, errors)
    })?;
    let Resolved { spec, estimate, mut warnings } = resolved;
    let plan = match &body.value {
        JobRequest::Sweep(sweep) => {
            Some(super::sweeps::plan(sweep, &spec, source, &profile, allowance)?)
        }
        _ => None,
    };
    warnings.extend(plan.iter().flat_map(|plan| plan.warnings.clone()));
    if query.validate_only {
        let sweep = plan.map(|plan| plan.spec);
        let (spec, estimate) = (Some(spec), Some(estimate));
        let (evaluation, diagnosis) = (None, None);
        let validated =
            Validated { valid: true, spec, estimate, warnings, sweep, evaluation, diagnosis };
        return Ok(Json(validated).into_response());
    }
    let limits = (state.config.max_attempts, i64::from(state.config.max_queued));
    let inserted = match &plan {
        None => state.store.insert_job(&spec, &warnings, limits, keyed).await,
        Some(plan) => state.store.insert_sweep(plan, &spec, &warnings, limits, keyed).await,
    };
    super::accepted(&state, keyed, inserted).await
}

/// Parameters of a list of jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Only jobs in this status.
    #[param(nullable = false)]
    pub status: Option<JobStatus>,
    /// Only jobs of this kind.
    #[param(nullable = false)]
    pub kind: Option<String>,
    /// Only jobs on this dataset.
    #[param(nullable = false)]
    pub dataset: Option<String>,
    /// Items at most. Default: 50.
    #[param(minimum = 1, maximum = 1_000, nullable = false)]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

/// List jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, description = "A page of jobs", body = Listed<Job>)))]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<JobsQuery>,
) -> Result<Json<Listed<Job>>, Failure> {
    let filter = JobFilter { status: query.status, kind: query.kind, dataset: query.dataset };
    let after = page::decode(query.cursor.as_deref())?;
    let page = state.store.jobs(&filter, page::limit(query.limit), after.as_ref()).await?;
    let next_cursor = page.next.as_ref().map(page::encode);
    Ok(Json(Listed { items: page.items, next_cursor }))
}

/// Cancel a job and keep nothing of it.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 202, description = "Cancelled, or about to be", body = Job),
              (status = 404, description = "No such job", body = Problem),
              (status = 409, description = "It has ended otherwise", body = Problem)))]
pub async fn cancel(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Job>), Failure> {
    let job = state.store.request_end(&id, EndRequest::Cancel).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Stop a running job and keep the best model it has, the curve of a range test so far, or the report on
/// the records that were evaluated.
#[utoipa::path(post, path = "/v1/jobs/{id}/stop", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 202, description = "Stopped, or about to be", body = Job),
              (status = 404, description = "No such job", body = Problem),
              (status = 409, description = "It is queued, or has ended", body = Problem)))]
pub async fn stop(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Job>), Failure> {
    let job = state.store.request_end(&id, EndRequest::Stop).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}
