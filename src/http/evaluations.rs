//! Evaluations as jobs: their check at submission, their report and their results.

use std::io;

use axum::Json;
use axum::body::{Body as AxumBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Failure;
use super::query::{Path, Query};
use super::sources;
use super::state::AppState;
use crate::compute;
use crate::data::writer::{TableFormat, TableWriter};
use crate::job::evaluate::plan::Plan;
use crate::job::evaluate::results::columns;
use crate::job::evaluate::{EvaluateJobRequest, EvaluateResponse, EvaluationSpec};
use crate::job::{JobStatus, Validated};
use crate::problem::{Code, Problem};
use crate::store::idempotency::Keyed;
use crate::store::{Artifacts, Store};

/// Checks an evaluation against its model and dataset, and submits it.
pub async fn submit(
    state: &AppState,
    request: &EvaluateJobRequest,
    validate_only: bool,
    keyed: Option<&Keyed>,
) -> Result<Response, Failure> {
    let id = sources::model(state, &request.model, "model").await?;
    let of_request = &request.evaluate;
    let dataset = sources::dataset(state, &of_request.dataset, "dataset").await?;
    let model = state.scorer.model(&id).await?;
    let plan = Plan::new(of_request, &model, dataset.profile())?;
    let spec =
        EvaluationSpec { model: id, request: of_request.clone(), columns: columns(&plan, &model) };
    let warnings: Vec<_> = plan.absent.into_iter().collect();
    if validate_only {
        let EvaluationSpec { model, request: evaluate, .. } = spec;
        let evaluation = Some(EvaluateJobRequest { model, evaluate });
        let (spec, estimate, sweep) = (None, None, None);
        let diagnosis = None;
        let validated =
            Validated { valid: true, spec, estimate, warnings, sweep, evaluation, diagnosis };
        return Ok(Json(validated).into_response());
    }
    let limits = (state.config.max_attempts, i64::from(state.config.max_queued));
    let trained = &model.spec;
    let inserted = state.store.insert_evaluation(&spec, trained, &warnings, limits, keyed).await;
    super::accepted(state, keyed, inserted).await
}

/// Look at the report of an evaluation.
#[utoipa::path(get, path = "/v1/jobs/{id}/evaluation", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, description = "The report", body = EvaluateResponse),
              (status = 404, description = "No such job, or it is no evaluation", body = Problem),
              (status = 409, description = "It has not ended, or ended without a report", body = Problem)))]
pub async fn evaluation(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<EvaluateResponse>, Failure> {
    Ok(Json(reported(&state, &id).await?))
}

/// The report of a job, or why there is none.
pub(super) async fn reported(state: &AppState, id: &str) -> Result<EvaluateResponse, Failure> {
    let job = state.store.job(id).await?;
    if let Some(report) = state.store.evaluation_report(&job.id).await? {
        return Ok(report);
    }
    let detail = format!("the evaluation {id:?} has no report: it is {}", job.status.name());
    let hint = match job.status {
        JobStatus::Queued | JobStatus::Running | JobStatus::Cancelling => {
            "wait until the job has ended, with GET /v1/jobs/{id}?wait=30"
        }
        _ => "submit it again; stopping a job keeps what was evaluated, cancelling it does not",
    };
    Err(Problem::new(Code::Conflict, detail).hint(hint).into())
}

/// Parameters of a download.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResultsQuery {
    /// Default: what `Accept` asks for, else JSON Lines.
    #[param(inline, nullable = false)]
    pub format: Option<TableFormat>,
}

/// Download what an evaluation gave each record, as JSON Lines, CSV or Parquet.
///
/// A line for each record that was evaluated, in the order of the dataset: its row from 1, the true
/// label or number where it was read, the answer, confidence, coverage, out-of-distribution p-value,
/// whether it is flagged and accepted, and why. Lists are written as JSON where the format has none.
#[utoipa::path(get, path = "/v1/jobs/{id}/results", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job"), ResultsQuery),
    responses((status = 200, description = "The records", content(
                (String = "application/x-ndjson"), (String = "text/csv"),
                (String = "application/vnd.apache.parquet"))),
              (status = 404, description = "No such job, or it is no evaluation", body = Problem),
              (status = 409, description = "It has not ended, or ended without a report", body = Problem)))]
pub async fn results(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<ResultsQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    reported(&state, &id).await?;
    let evaluation = state.store.evaluation(&id).await?;
    let format = query.format.unwrap_or_else(|| accepted_format(&headers));
    let writer = TableWriter::new(format, evaluation.spec.columns)
        .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let disposition = format!("attachment; filename=\"{id}.{}\"", format.extension());
    let download = Download {
        store: state.store.clone(),
        job: id,
        writer: Some(writer),
        part: 0,
        parts: evaluation.parts,
    };
    let stream = try_unfold(download, Download::next);
    let mut response = AxumBody::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The format that `Accept` names first; JSON Lines where it names none.
fn accepted_format(headers: &HeaderMap) -> TableFormat {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut types = accept.split(',').map(|kind| kind.split(';').next().unwrap_or("").trim());
    let named = types.find_map(|kind| match kind {
        "application/x-ndjson" | "application/jsonl" => Some(TableFormat::Jsonl),
        "text/csv" => Some(TableFormat::Csv),
        "application/vnd.apache.parquet" | "application/parquet" => Some(TableFormat::Parquet),
        _ => None,
    });
    named.unwrap_or(TableFormat::Jsonl)
}

/// A download under way: one part of the results is in memory at a time.
struct Download {
    store: Store,
    job: String,
    /// `None` once the table has ended.
    writer: Option<TableWriter>,
    part: u64,
    parts: u64,
}

impl Download {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let Some(mut writer) = self.writer.take() else { return Ok(None) };
        if self.part == self.parts {
            let bytes = writer.finish().map_err(io::Error::other)?;
            return Ok(Some((bytes.into(), self)));
        }
        let key = Artifacts::evaluation_results_key(&self.job, self.part);
        let lines = self.store.artifacts.get(&key).await.map_err(io::Error::other)?;
        let write = move || writer.write(lines).map(|bytes| (bytes, writer));
        let written = compute::run_apart("results", 1, write).await.map_err(io::Error::other)?;
        let (bytes, writer) = written.map_err(io::Error::other)?;
        (self.writer, self.part) = (Some(writer), self.part + 1);
        Ok(Some((bytes.into(), self)))
    }
}
