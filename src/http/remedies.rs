//! Applying the remedy of a finding: a training of the model's spec with the finding's change.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, IdempotencyKey};
use super::jobs::SubmitQuery;
use super::limitations::{profile_of, report};
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use crate::diagnose::finding::Finding;
use crate::diagnose::probe::changed;
use crate::diagnose::report::LimitationsReport;
use crate::job::{Job, Validated};
use crate::model::estimate;
use crate::model::resolve::train_records;
use crate::model::spec::TrainSpec;
use crate::problem::{Code, FieldError, Problem};
use crate::store::remedies::RemedyOf;

/// Which remedy to apply.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ApplyRemedyRequest {
    /// The `kind` of the finding whose remedy it is.
    #[schema(min_length = 1, max_length = 200, example = "learning_rate_too_high")]
    pub finding: String,
    /// The job of the diagnosis. Default: the newest of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub job: Option<String>,
    /// Name under which the new model can be found. Default: that of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub model_name: Option<String>,
}

/// Train the remedy of a finding: the model's spec with the finding's change.
///
/// The new model says in `remedy_of` which finding of which model it comes from.
#[utoipa::path(post, path = "/v1/models/{model}/apply-remedy", tag = "models",
    params(SubmitQuery, ("model" = String, Path, description = "Id, name or name@alias", example = "sentiment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of a key are answered alike for a day")),
    request_body(content = ApplyRemedyRequest, example = json!({"finding": "learning_rate_too_high"})),
    responses((status = 202, description = "Accepted", body = Job),
              (status = 200, description = "Valid (`validate_only`)", body = Validated),
              (status = 404, description = "No such model or report, or no such finding in it", body = Problem),
              (status = 409, description = "The finding's remedy is no change of the spec, or the idempotency key was used with another request", body = Problem),
              (status = 422, description = "Not valid: every field at fault is listed", body = Problem),
              (status = 429, description = "The queue is full", body = Problem)))]
pub async fn apply_remedy(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    Query(query): Query<SubmitQuery>,
    key: IdempotencyKey,
    body: Body<ApplyRemedyRequest>,
) -> Result<Response, Failure> {
    let keyed = key.on(&format!("POST /v1/models/{reference}/apply-remedy"), body.hash());
    let keyed = keyed.as_ref().filter(|_| !query.validate_only);
    if let Some(before) = super::replayed(&state, keyed).await? {
        return Ok(before);
    }
    let request = &body.value;
    if let Some(name) = &request.model_name {
        super::aliases::check_name("model_name", name)?;
    }
    let (job, report) = report(&state, &reference, request.job.as_deref()).await?;
    let finding = finding_of(&report, &request.finding)?;
    let model = state.store.model(&report.model).await?;
    let profile = profile_of(&state, &model.spec).await?;
    let spec = spec_of(finding, &model.spec)?;
    let model_name = request.model_name.clone().or(model.name);
    let spec = TrainSpec { model_name, ..spec };
    let trained = train_records(&spec.split, &profile) as u64;
    let estimate = estimate::estimate(&spec, &profile, trained);
    if query.validate_only {
        let (spec, estimate, warnings) = (Some(spec), Some(estimate), Vec::new());
        let (sweep, evaluation, diagnosis) = (None, None, None);
        let validated =
            Validated { valid: true, spec, estimate, warnings, sweep, evaluation, diagnosis };
        return Ok(Json(validated).into_response());
    }
    let limits = (state.config.max_attempts, i64::from(state.config.max_queued));
    let of =
        RemedyOf { model: report.model.clone(), diagnosis: job, finding: finding.kind.clone() };
    let inserted = state.store.insert_remedy(&spec, &of, limits, keyed).await;
    super::accepted(&state, keyed, inserted).await
}

fn finding_of<'a>(report: &'a LimitationsReport, kind: &str) -> Result<&'a Finding, Problem> {
    report.findings.iter().find(|finding| finding.kind == kind).ok_or_else(|| {
        let detail = format!("the report has no finding {kind:?}");
        let found: Vec<&str> = report.found().map(|finding| finding.kind.as_str()).collect();
        let hint = match found.as_slice() {
            [] => "no limitation was found".to_owned(),
            found => format!("it found {}", found.join(", ")),
        };
        let error = FieldError::new("finding", detail.clone()).hint(hint);
        let mut problem = Problem::new(Code::NotFound, detail);
        problem.errors = vec![error];
        problem
    })
}

/// The spec that a finding's remedy gives.
fn spec_of(finding: &Finding, spec: &TrainSpec) -> Result<TrainSpec, Problem> {
    let refuse = |detail: String, hint: &str| Problem::new(Code::Conflict, detail).hint(hint);
    let remedy = finding.remedy.as_ref().filter(|remedy| !remedy.change.is_empty());
    let Some(remedy) = remedy else {
        let detail = format!("the remedy of {:?} is no change of the spec", finding.kind);
        let hint = match &finding.remedy {
            Some(remedy) => remedy.advice.as_str(),
            None => "it has no remedy",
        };
        return Err(refuse(detail, hint));
    };
    changed(spec, &remedy.change).ok_or_else(|| {
        let detail = format!("the change of {:?} does not fit the model's spec", finding.kind);
        refuse(detail, "run the diagnosis again with this version")
    })
}
