//! `/v1/models/{model}/limitations/compare`: the limitations of two models beside one another.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::diagnose::report::LimitationsReport;
use crate::diagnose::report::compare::{LimitationsComparison, compare};
use crate::http::problem::Failure;
use crate::http::query::{Path, Query};
use crate::http::state::AppState;
use crate::problem::{Code, FieldError, Problem};
use crate::store::StoreError;

/// What to compare with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CompareQuery {
    /// The earlier model (its id, `name` or `name@alias`), whose newest report it is; or the job of a
    /// diagnosis, of this model or another.
    #[param(required = true, min_length = 1, max_length = 200, example = "sentiment@production")]
    pub with: Option<String>,
    /// The job of the diagnosis of the model in the path. Default: the newest that has something to say.
    #[param(nullable = false)]
    pub job: Option<String>,
}

/// Compare the limitations of a model with those of an earlier one: what was fixed, what remains, what is
/// new, and what cannot be compared because only one of the reports measured it.
#[utoipa::path(get, path = "/v1/models/{model}/limitations/compare", tag = "models",
    params(CompareQuery, ("model" = String, Path, description = "Id, name or name@alias of the newer model", example = "sentiment")),
    responses((status = 200, description = "The comparison", body = LimitationsComparison,
               example = json!({"model": "model_019ab3c1d2e37a4f8b6c5d4e3f2a1b0c", "with": "model_019ab3b0c1d27a4f8b6c5d4e3f2a1b0c",
                   "complete": true, "summary": "1 fixed, 0 remaining, 0 new.",
                   "fixed": [{"kind": "learning_rate_too_high", "area": "optimization",
                       "before": {"status": "found", "severity": 0.52, "statement": "The learning rate of 1.0e-1 is too high: 1.0e-3 makes 52 % fewer validation errors."},
                       "after": {"status": "not_found", "severity": 0.0, "statement": "The learning rate of 1.0e-3 is not too high: smaller ones do no better."}}],
                   "remaining": [], "new": [], "not_comparable": [], "in_neither": ["label_noise"]})),
              (status = 400, description = "`with` is missing, or means the same report", body = Problem),
              (status = 404, description = "No such model, or nothing has looked for its limitations", body = Problem)))]
pub async fn compare_limitations(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    Query(query): Query<CompareQuery>,
) -> Result<Json<LimitationsComparison>, Failure> {
    let refuse = |message: &str| -> Failure {
        let hint = "send with=…: an earlier model, or the job of another diagnosis";
        let error = FieldError::new("with", message).hint(hint);
        Problem::fields(Code::InvalidQuery, vec![error]).into()
    };
    let Some(with) = query.with.as_deref().map(str::trim).filter(|with| !with.is_empty()) else {
        return Err(refuse("is missing"));
    };
    let (job, after) = super::report(&state, &reference, query.job.as_deref()).await?;
    let (earlier, before) = earlier(&state, with).await.map_err(|failure| at_with(*failure.0))?;
    if job == earlier {
        return Err(refuse("means the report that it is compared with"));
    }
    Ok(Json(compare(&before, &after)))
}

/// The report that `with` means: of a diagnosis, or the newest of a model.
async fn earlier(state: &AppState, with: &str) -> Result<(String, LimitationsReport), Failure> {
    match state.store.diagnosis(with).await {
        Ok(spec) => super::report(state, &spec.model, Some(with)).await,
        Err(StoreError::NotFound { .. }) => super::report(state, with, None).await,
        Err(error) => Err(error.into()),
    }
}

/// A problem with what `with` means, with its place.
fn at_with(mut problem: Problem) -> Failure {
    if problem.errors.is_empty() && problem.status == 404 {
        let error = FieldError::new("with", problem.detail.clone());
        problem.errors = vec![match &problem.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        }];
    }
    problem.into()
}
