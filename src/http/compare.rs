//! `/v1/runs/compare`: runs beside one another.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Failure;
use super::query::Query;
use super::state::AppState;
use crate::job::compare::{Comparison, compare as compare_runs};
use crate::problem::{Code, FieldError, Problem};

/// Runs that are compared at most.
const MAX_RUNS: usize = 50;

/// Parameters of a comparison.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CompareQuery {
    /// Ids of 2 to 50 runs, separated by commas. The first is the baseline.
    #[param(required = true)]
    pub ids: Option<String>,
}

/// Compare runs: differences of their specs, metrics with intervals, paired tests, means over seeds.
///
/// A paired test is of two runs on the same test records: McNemar's for accuracies, permutation tests
/// for losses and errors. Where runs differ only by their seed, their means are compared too, which
/// tells how much of a difference is chance of the training. An interval of a run, or of a paired
/// difference, is about other records; one of a mean over seeds is about other seeds.
#[utoipa::path(get, path = "/v1/runs/compare", tag = "runs", params(CompareQuery),
    responses((status = 200, description = "The comparison", body = Comparison),
              (status = 400, description = "Not 2 to 50 different ids", body = Problem),
              (status = 404, description = "No such run", body = Problem)))]
pub async fn compare(
    State(state): State<AppState>,
    Query(query): Query<CompareQuery>,
) -> Result<Json<Comparison>, Failure> {
    let ids = ids(&query)?;
    let mut runs = Vec::with_capacity(ids.len());
    for id in ids {
        let run = state.store.run(&id).await?;
        let results = state.store.test_results(&run.id).await?;
        runs.push((run, results));
    }
    Ok(Json(state.files.run(move || compare_runs(&runs)).await?))
}

/// The runs that a query names.
pub(super) fn ids(query: &CompareQuery) -> Result<Vec<String>, Problem> {
    let ids = query.ids.as_deref().unwrap_or_default().split(',');
    let ids: Vec<&str> = ids.map(str::trim).filter(|id| !id.is_empty()).collect();
    let refuse = |message: String| {
        let hint = format!("send ids=run_…,run_… with 2 to {MAX_RUNS} different runs");
        let error = FieldError::new("ids", message).hint(hint);
        Err(Problem::fields(Code::InvalidQuery, vec![error]))
    };
    if !(2..=MAX_RUNS).contains(&ids.len()) {
        return refuse(format!("names {} runs", ids.len()));
    }
    if let Some((_, repeated)) = ids.iter().enumerate().find(|(i, id)| ids[..*i].contains(id)) {
        return refuse(format!("names {repeated:?} twice"));
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}
