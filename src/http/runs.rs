//! `/v1/runs`: trainings and their metric histories.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::{self, Listed};
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use crate::clock::Timestamp;
use crate::job::history::thin;
use crate::job::{JobStatus, MetricPoint, Run};
use crate::problem::{FieldError, Problem, known_names};

/// Parameters of a list of runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsQuery {
    /// Only runs in this status.
    #[param(nullable = false)]
    pub status: Option<JobStatus>,
    /// Items at most. Default: 50.
    #[param(minimum = 1, maximum = 1_000, nullable = false)]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

/// List runs, newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, description = "A page of runs", body = Listed<Run>)))]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<RunsQuery>,
) -> Result<Json<Listed<Run>>, Failure> {
    let after = page::decode(query.cursor.as_deref())?;
    let page = state.store.runs(query.status, page::limit(query.limit), after.as_ref()).await?;
    let next_cursor = page.next.as_ref().map(page::encode);
    Ok(Json(Listed { items: page.items, next_cursor }))
}

/// Look up a run: spec, environment, metrics, time.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs",
    params(("id" = String, Path, description = "Id of the run")),
    responses((status = 200, description = "The run", body = Run),
              (status = 404, description = "No such run", body = Problem)))]
pub async fn get(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Run>, Failure> {
    Ok(Json(state.store.run(&id).await?))
}

/// Parameters of a look at histories.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MetricsQuery {
    /// Names of metrics, separated by commas. Default: all.
    #[param(nullable = false)]
    pub name: Option<String>,
    /// Only points from this step on.
    #[param(minimum = 0, nullable = false)]
    pub from_step: Option<u64>,
    /// Points of a metric at most. Default: 1,000. Beyond that, each run of points keeps its first,
    /// last, smallest and largest.
    #[param(minimum = 1, maximum = 100_000, nullable = false)]
    pub max_points: Option<usize>,
    /// Default: what `Accept` asks for, else JSON.
    #[param(inline, nullable = false)]
    pub format: Option<HistoryFormat>,
}

/// How histories are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryFormat {
    /// An object with the points of each metric.
    Json,
    /// A line for each point.
    Csv,
}

/// Histories of a run's metrics.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Histories {
    /// Id of the run.
    pub run: String,
    /// One for each metric.
    pub metrics: Vec<History>,
}

/// The history of one metric.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// Its name: `train.…` by step, `epoch.…` and `validation.…` by epoch.
    #[schema(example = "train.loss")]
    pub name: String,
    /// Points recorded, before any were left out.
    pub recorded: u64,
    /// The points, in order of step.
    pub points: Vec<Point>,
}

/// A value at a step.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Epoch, from 1.
    pub epoch: u32,
    /// The value; `"NaN"`, `"Infinity"` or `"-Infinity"` where it is not finite.
    #[schema(value_type = f64)]
    pub value: serde_json::Value,
    /// When.
    pub time: Timestamp,
}

fn point(point: &MetricPoint) -> Point {
    Point { step: point.step, epoch: point.epoch, value: number(point.value), time: point.time }
}

/// A number of JSON; one that is not finite is a text.
pub fn number(value: f64) -> serde_json::Value {
    match value {
        _ if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        finite => finite.into(),
    }
}

/// Read the metric histories of a run, as JSON or CSV.
#[utoipa::path(get, path = "/v1/runs/{id}/metrics", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"), MetricsQuery),
    responses((status = 200, description = "The histories",
               content((Histories = "application/json"), (String = "text/csv"))),
              (status = 404, description = "No such run or metric", body = Problem)))]
pub async fn metrics(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<MetricsQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let run = state.store.run(&id).await?;
    let most = query.max_points.unwrap_or(1_000);
    let accepts_csv = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.starts_with("text/csv"));
    let csv = query.format.map_or(accepts_csv, |format| format == HistoryFormat::Csv);
    let recorded = state.store.metric_names(&run.id).await?;
    let known: Vec<&str> = recorded.iter().map(|metric| metric.name.as_str()).collect();
    let wanted: Vec<&str> = match &query.name {
        Some(names) => names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        None => known.clone(),
    };
    let mut curves = Vec::with_capacity(wanted.len());
    for name in wanted {
        let Some(metric) = recorded.iter().find(|metric| metric.name == name) else {
            return Err(unknown_metric(name, &known).into());
        };
        let from = query.from_step.unwrap_or(0);
        let points = state.store.metric_points(&run.id, name, from).await?;
        curves.push((name.to_owned(), metric.points, points));
    }
    // A long history is work for another thread.
    let written = state.files.run(move || {
        let history = |(name, recorded, points): (String, u64, Vec<MetricPoint>)| {
            let points = thin(&points, most).iter().map(point).collect();
            History { name, recorded, points }
        };
        let metrics: Vec<History> = curves.into_iter().map(history).collect();
        if csv {
            let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8")];
            return (kind, table(&metrics)).into_response();
        }
        Json(Histories { run: run.id, metrics }).into_response()
    });
    Ok(written.await?)
}

fn table(metrics: &[History]) -> String {
    let mut out = String::from("name,step,epoch,value,time\n");
    for History { name, points, .. } in metrics {
        for Point { step, epoch, value, time } in points {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.push_str(&format!("{name},{step},{epoch},{value},{time}\n"));
        }
    }
    out
}

fn unknown_metric(name: &str, known: &[&str]) -> Problem {
    let hint = match known {
        [] => "nothing has been measured yet".to_owned(),
        known => known_names(name, "measured", known),
    };
    let mut problem = Problem::not_found("metric", name);
    problem.errors = vec![FieldError::new("name", "is not measured in this run").hint(hint)];
    problem
}
