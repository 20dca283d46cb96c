//! The limitations of a model: submitting a diagnosis, reading its report.

pub mod compare;
mod page;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Failure;
use super::query::{Path, Query};
use super::sources;
use super::state::AppState;
use crate::data::profile::Profile;
use crate::diagnose::ALL;
use crate::diagnose::report::LimitationsReport;
use crate::diagnose::request::DiagnoseRequest;
use crate::job::Validated;
use crate::model::estimate;
use crate::model::resolve::train_records;
use crate::model::spec::{TrainSpec, Warning};
use crate::problem::{Code, FieldError, Problem, nearest};
use crate::store::StoreError;
use crate::store::idempotency::Keyed;

/// Which report of a model.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// The job of the diagnosis. Default: the newest of the model that has something to say.
    #[param(nullable = false)]
    pub job: Option<String>,
}

/// Submits a diagnosis.
pub(super) async fn submit(
    state: &AppState,
    request: &DiagnoseRequest,
    validate_only: bool,
    keyed: Option<&Keyed>,
) -> Result<Response, Failure> {
    let id = sources::model(state, &request.model, "model").await?;
    check_kinds(request.only.as_deref().unwrap_or_default())?;
    let model = state.store.model(&id).await?;
    let profile = profile_of(state, &model.spec).await?;
    check_slice(request.slice.as_deref(), &profile)?;
    let spec = request.resolve(id);
    let (train, mut warnings) = (model.spec, Vec::new());
    let card = state.store.model_card(&spec.model).await?;
    if card.records.validation == 0 || card.records.test == 0 {
        let message = "without validation and test records most limitations cannot be measured: \
                       train with a split that has them";
        warnings.push(Warning::new("little_to_measure_on", message));
    }
    if validate_only {
        let trained = train_records(&train.split, &profile) as u64;
        let mut estimate = estimate::estimate(&train, &profile, trained);
        estimate.seconds_at_most *= spec.budget.runs;
        let (sweep, evaluation, diagnosis) = (None, None, Some(spec));
        let (spec, estimate) = (Some(train), Some(estimate));
        let validated =
            Validated { valid: true, spec, estimate, warnings, sweep, evaluation, diagnosis };
        return Ok(Json(validated).into_response());
    }
    let limits = (state.config.max_attempts, i64::from(state.config.max_queued));
    let inserted = state.store.insert_diagnosis(&spec, &train, &warnings, limits, keyed).await;
    super::accepted(state, keyed, inserted).await
}

/// Refuses a slice column that the dataset does not have.
fn check_slice(slice: Option<&str>, profile: &Profile) -> Result<(), Problem> {
    let Some(slice) = slice.filter(|slice| profile.column(slice).is_none()) else { return Ok(()) };
    let names = || profile.columns.iter().map(|column| column.name.as_str());
    let hint = match nearest(slice, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("the columns are {}", names().collect::<Vec<_>>().join(", ")),
    };
    let detail = format!("the dataset has no column {slice:?}");
    let errors = vec![FieldError::new("slice".to_owned(), detail).hint(hint)];
    Err(Problem::fields(Code::InvalidRequest, errors))
}

/// Refuses limitations that nothing looks for.
fn check_kinds(kinds: &[String]) -> Result<(), Problem> {
    let known = || ALL.iter().map(|diagnosis| diagnosis.kind());
    let unknown = kinds.iter().enumerate().filter(|(_, kind)| !known().any(|k| k == *kind));
    let error = |(at, kind): (usize, &String)| {
        let hint = match nearest(kind, known()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "GET /v1/catalog lists them under limitations".to_owned(),
        };
        FieldError::new(format!("only[{at}]"), format!("{kind:?} is no limitation")).hint(hint)
    };
    let errors: Vec<FieldError> = unknown.map(error).collect();
    if errors.is_empty() { Ok(()) } else { Err(Problem::fields(Code::InvalidRequest, errors)) }
}

/// The profile of the dataset that a model was made from.
pub(super) async fn profile_of(state: &AppState, spec: &TrainSpec) -> Result<Profile, Failure> {
    match state.store.dataset(&spec.dataset).await {
        Err(StoreError::NotFound { .. }) => {
            let detail =
                format!("the dataset {:?} that the model was made from is gone", spec.dataset);
            let hint = "upload it again: the same records have the same id";
            Err(Problem::new(Code::Conflict, detail).hint(hint).into())
        }
        other => Ok(other?.profile()),
    }
}

/// Read the limitations of a model: what was found, the evidence, the remedy, and whether it helped.
///
/// The report of the newest diagnosis of the model, `POST /v1/jobs` with the kind `diagnose`. It grows
/// while the diagnosis runs; `complete` says whether more is to come. As JSON, as Markdown, or as an HTML
/// page that needs nothing else, by `Accept`; a page that is not complete renews itself.
#[utoipa::path(get, path = "/v1/models/{model}/limitations", tag = "models",
    params(ReportQuery, ("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    responses((status = 200, description = "The report, so far",
               content((LimitationsReport = "application/json"), (String = "text/markdown"), (String = "text/html"))),
              (status = 404, description = "No such model, or nothing has looked for its limitations", body = Problem),
              (status = 406, description = "`Accept` names none of the media types", body = Problem)))]
pub async fn limitations(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    Query(query): Query<ReportQuery>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let format = page::format(&headers)?;
    let (job, report) = report(&state, &reference, query.job.as_deref()).await?;
    if format == page::Format::Json {
        return Ok(page::json(report));
    }
    let model = state.store.model(&report.model).await?;
    let subject = page::subject(model, job, &state.config, &uri, &headers);
    // A page is made of at most some hundred kilobytes of text.
    Ok(page::answer(&report, &subject, format))
}

/// A report of a model, and its job.
pub(super) async fn report(
    state: &AppState,
    reference: &str,
    job: Option<&str>,
) -> Result<(String, LimitationsReport), Failure> {
    let model = state.store.resolve_model(reference).await?;
    let missing = |detail: String, hint: String| Problem::new(Code::NotFound, detail).hint(hint);
    let found = match job {
        Some(job) => {
            let of = state.store.diagnosis(job).await?.model;
            if of != model {
                let detail = format!("the diagnosis {job:?} is of the model {of:?}");
                return Err(missing(detail, "name that model, or leave job out".to_owned()).into());
            }
            Some((job.to_owned(), state.store.report_of_job(job).await?))
        }
        None => state.store.report_of_model(&model).await?,
    };
    match found {
        Some((job, Some(report))) => Ok((job, report)),
        Some((job, None)) => {
            let detail = format!("the diagnosis {job:?} has not come to a conclusion yet");
            Err(missing(detail, format!("follow it with GET /v1/jobs/{job}")).into())
        }
        None => {
            let detail = format!("nothing has looked for the limitations of {reference:?} yet");
            let hint =
                format!("POST /v1/jobs with {{\"kind\": \"diagnose\", \"model\": \"{model}\"}}");
            Err(missing(detail, hint).into())
        }
    }
}
