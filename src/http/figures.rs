//! Figures of datasets, runs, models and jobs: as Plotly reads them, or drawn.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::compare::{CompareQuery, ids};
use super::media::negotiate;
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use super::{evaluations, limitations};
use crate::figures::svg::svg;
use crate::figures::{
    PlotlyFigure, comparison, dataset, evaluation, model, monitoring, run, sweep,
};
use crate::job::MetricPoint;
use crate::job::history::thin;
use crate::job::sweep::table::table;
use crate::problem::{Code, FieldError, Problem, known_names};

/// Points of a curve, where nothing else is asked for.
const DEFAULT_POINTS: usize = 1_000;
const SVG: &str = "image/svg+xml";

/// Parameters of a figure of a run.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunFigureQuery {
    /// Points of a curve at most. Default: 1,000. Beyond that, each run of points keeps its first, last,
    /// smallest and largest.
    #[param(minimum = 1, maximum = 100_000, nullable = false)]
    pub max_points: Option<usize>,
}

/// Parameters of a figure of a model.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ModelFigureQuery {
    /// The job of the diagnosis, for the figure of a finding. Default: the newest of the model.
    #[param(nullable = false)]
    pub job: Option<String>,
    /// Of `monitoring_…`, only windows that end after this moment, RFC 3339. Default: those of the last
    /// 30 days.
    #[param(nullable = false, format = DateTime)]
    pub since: Option<String>,
}

/// Parameters of a figure of a dataset.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DatasetFigureQuery {
    /// The column whose balance is drawn. Default: the one with the fewest categories, and no split.
    #[param(nullable = false)]
    pub column: Option<String>,
}

/// Draw a dataset: a figure as Plotly reads it, or as SVG.
///
/// `balance`, how many rows hold each value of a column, and `missing`, how many lack each column's value.
#[utoipa::path(get, path = "/v1/datasets/{id}/figures/{name}", tag = "datasets",
    params(("id" = String, Path, description = "Id of the dataset", example = "ds_74f25f4a1c310ee85af434388a95b276"),
           ("name" = String, Path, description = "Name of the figure", example = "balance"),
           DatasetFigureQuery),
    responses((status = 200, description = "The figure",
               content((PlotlyFigure = "application/json"), (String = "image/svg+xml"))),
              (status = 400, description = "The column is none whose values were counted", body = Problem),
              (status = 404, description = "No such dataset or figure; the names are listed", body = Problem),
              (status = 406, description = "`Accept` names none of the media types", body = Problem)))]
pub async fn of_dataset(
    State(state): State<AppState>,
    Path((id, name)): Path<(String, String)>,
    Query(query): Query<DatasetFigureQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let form = form(&headers)?;
    let of = state.store.dataset(&id).await?;
    let figure = match name.as_str() {
        "missing" => dataset::missing(&of.columns, of.rows),
        "balance" => {
            let counted = || of.columns.iter().filter(|column| dataset::is_counted(column));
            let column = match &query.column {
                Some(asked) => counted().find(|column| column.name == *asked),
                None => dataset::default_column(&of.columns),
            };
            let Some(column) = column else {
                let known: Vec<&str> = counted().map(|column| column.name.as_str()).collect();
                let asked = query.column.as_deref().unwrap_or_default();
                let hint = match known.as_slice() {
                    [] => "none of its columns is".to_owned(),
                    known => known_names(asked, "there are", known),
                };
                let message = format!("{asked:?} is no column whose values were counted");
                let error = FieldError::new("column", message).hint(hint);
                return Err(Problem::fields(Code::InvalidQuery, vec![error]).into());
            };
            dataset::balance(column, of.rows)
        }
        _ => return Err(unknown(&name, &dataset::NAMES).into()),
    };
    Ok(answer(&figure, form))
}

/// Draw a run: a figure as Plotly reads it, or as SVG.
///
/// `loss`, `metrics`, `learning_rate` and `gradient_norm`, over steps; of a range test `range_test`. In
/// Python: `plotly.io.from_json(response.text)`. With `Accept: image/svg+xml` it comes drawn.
#[utoipa::path(get, path = "/v1/runs/{id}/figures/{name}", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"),
           ("name" = String, Path, description = "Name of the figure", example = "loss"), RunFigureQuery),
    responses((status = 200, description = "The figure",
               content((PlotlyFigure = "application/json"), (String = "image/svg+xml"))),
              (status = 404, description = "No such run or figure; the names are listed", body = Problem),
              (status = 406, description = "`Accept` names none of the media types", body = Problem)))]
pub async fn of_run(
    State(state): State<AppState>,
    Path((id, name)): Path<(String, String)>,
    Query(query): Query<RunFigureQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let form = form(&headers)?;
    let of = state.store.run(&id).await?;
    let names = run::names(&of);
    if !names.contains(&name.as_str()) {
        return Err(unknown(&name, &names).into());
    }
    if let Some(report) = of.range_test.as_ref().filter(|_| name == run::RANGE_TEST) {
        return Ok(answer(&run::range_test(report), form));
    }
    let recorded = state.store.metric_names(&id).await?;
    let recorded: Vec<&str> = recorded.iter().map(|metric| metric.name.as_str()).collect();
    let mut curves = Vec::new();
    for (metric, called) in run::metrics_of(&name, &recorded) {
        curves.push((called, state.store.metric_points(&id, metric, 0).await?));
    }
    let most = query.max_points.unwrap_or(DEFAULT_POINTS);
    // A long history is work for another thread.
    let drawn = state.files.run(move || {
        let thinned = |(called, all): (String, Vec<MetricPoint>)| (called, thin(&all, most));
        let curves: Vec<_> = curves.into_iter().map(thinned).collect();
        answer(&run::history(&name, &of, &curves), form)
    });
    Ok(drawn.await?)
}

/// Draw runs beside one another: a figure as Plotly reads it, or as SVG.
///
/// `validation_loss` and `training_loss`, a curve for each run over its steps, and `test`, how well each
/// does on its test records.
#[utoipa::path(get, path = "/v1/runs/compare/figures/{name}", tag = "runs",
    params(("name" = String, Path, description = "Name of the figure", example = "validation_loss"),
           CompareQuery),
    responses((status = 200, description = "The figure, so far",
               content((PlotlyFigure = "application/json"), (String = "image/svg+xml"))),
              (status = 400, description = "Not 2 to 50 different ids", body = Problem),
              (status = 404, description = "No such run or figure; the names are listed", body = Problem),
              (status = 406, description = "`Accept` names none of the media types", body = Problem)))]
pub async fn of_comparison(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Query(query): Query<CompareQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let form = form(&headers)?;
    let ids = ids(&query)?;
    if !comparison::NAMES.contains(&name.as_str()) {
        return Err(unknown(&name, &comparison::NAMES).into());
    }
    let mut runs = Vec::with_capacity(ids.len());
    for id in ids {
        runs.push(state.store.run(&id).await?);
    }
    if name == "test" {
        return Ok(answer(&comparison::test(&runs), form));
    }
    let most = DEFAULT_POINTS / runs.len().max(2);
    let mut curves = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let recorded = state.store.metric_names(&run.id).await?;
        let recorded: Vec<&str> = recorded.iter().map(|metric| metric.name.as_str()).collect();
        let Some(metric) = comparison::metric_of(&name, &recorded) else { continue };
        let points = state.store.metric_points(&run.id, metric, 0).await?;
        let called = comparison::called(place, run.spec.model_name.as_deref());
        curves.push((called, thin(&points, most)));
    }
    Ok(answer(&comparison::curves(&name, &curves), form))
}

/// Draw a model: a figure as Plotly reads it, or as SVG.
///
/// `confusion`, `reliability` (before and after calibration), `risk_coverage` and `p_values` (how those of
/// the test records are spread), where the card has what they show; `predictions` against what is true,
/// where numbers are predicted; `monitoring_volume`, `monitoring_shares`, `monitoring_coverage` and
/// `monitoring_p_values` of what was scored; and the figure of each finding of its limitations, by the
/// finding's kind.
#[utoipa::path(get, path = "/v1/models/{model}/figures/{name}", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment"),
           ("name" = String, Path, description = "Name of the figure", example = "reliability"),
           ModelFigureQuery),
    responses((status = 200, description = "The figure",
               content((PlotlyFigure = "application/json"), (String = "image/svg+xml"))),
              (status = 404, description = "No such model or figure; the names are listed", body = Problem),
              (status = 406, description = "`Accept` names none of the media types", body = Problem)))]
pub async fn of_model(
    State(state): State<AppState>,
    Path((reference, name)): Path<(String, String)>,
    Query(query): Query<ModelFigureQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let form = form(&headers)?;
    let id = state.store.resolve_model(&reference).await?;
    let card = state.store.model_card(&id).await?;
    if let Some(figure) = model::figure(&name, &card) {
        return Ok(answer(&figure, form));
    }
    if monitoring::NAMES.contains(&name.as_str()) {
        let windows = super::monitoring::windows_since(&state, &id, query.since.as_deref()).await?;
        let figure = monitoring::figure(&name, &windows);
        return Ok(answer(&figure.ok_or_else(|| unknown(&name, &monitoring::NAMES))?, form));
    }
    if name == model::PREDICTIONS
        && let Some(figure) = predictions(&state, &id).await?
    {
        return Ok(answer(&figure, form));
    }
    let found = limitations::report(&state, &id, query.job.as_deref()).await;
    let findings = match found {
        Ok((_, report)) => report.findings,
        // Without a report there is no figure of one; a job that is asked for has to be there.
        Err(failure) if failure.0.status == 404 && query.job.is_none() => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let drawn = findings.iter().filter_map(|f| Some((f.kind.as_str(), f.figure.as_ref()?)));
    let drawn: Vec<_> = drawn.collect();
    if let Some((_, figure)) = drawn.iter().find(|(kind, _)| *kind == name) {
        return Ok(answer(&PlotlyFigure::from(*figure), form));
    }
    let mut names = model::names(&card);
    names.extend(Some(model::PREDICTIONS).filter(|_| !card.targets.is_empty()));
    names.extend(monitoring::NAMES);
    names.extend(drawn.iter().map(|(kind, _)| kind));
    Err(unknown(&name, &names).into())
}

/// What a model predicts of its test records, drawn; `None` where it predicts no numbers, or is imported.
async fn predictions(state: &AppState, model: &str) -> Result<Option<PlotlyFigure>, Failure> {
    let Some(run) = state.store.model(model).await?.run else { return Ok(None) };
    let results = state.store.test_results(&run).await?;
    Ok(results.as_ref().and_then(model::predictions))
}

/// Draw a sweep or an evaluation: a figure as Plotly reads it, or as SVG.
///
/// Of a sweep `trials`, the settings as parallel coordinates up to their metric, and `importance`, how much
/// of their order each field explains. Of an evaluation, where it has what they show, `coverage` (accuracy
/// by how much of a record the model knows), `slices`, `reliability` and `drift`.
#[utoipa::path(get, path = "/v1/jobs/{id}/figures/{name}", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job"),
           ("name" = String, Path, description = "Name of the figure", example = "trials")),
    responses((status = 200, description = "The figure, so far",
               content((PlotlyFigure = "application/json"), (String = "image/svg+xml"))),
              (status = 404, description = "No such job, it is neither, or no such figure; the names are listed", body = Problem),
              (status = 409, description = "The evaluation has no report yet", body = Problem),
              (status = 406, description = "`Accept` names none of the media types", body = Problem)))]
pub async fn of_job(
    State(state): State<AppState>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let form = form(&headers)?;
    let job = state.store.job(&id).await?;
    if job.kind == "evaluate" {
        let report = evaluations::reported(&state, &id).await?.evaluation;
        let figure = evaluation::figure(&name, &report);
        let figure = figure.ok_or_else(|| unknown(&name, &evaluation::names(&report)))?;
        return Ok(answer(&figure, form));
    }
    let spec = state.store.sweep(&id).await?;
    let runs = state.store.trial_runs(&id).await?;
    let named = name.clone();
    let table = move || sweep::figure(&named, &table(&job, spec, &runs));
    let figure = state.files.run(table).await?;
    let figure = figure.ok_or_else(|| unknown(&name, &sweep::NAMES))?;
    Ok(answer(&figure, form))
}

/// The media type that a request asks for.
fn form(headers: &HeaderMap) -> Result<&'static str, Problem> {
    negotiate(headers, &["application/json", SVG])
}

fn answer(figure: &PlotlyFigure, form: &str) -> Response {
    let vary = (header::VARY, "accept");
    if form != SVG {
        return ([vary], Json(figure)).into_response();
    }
    let headers = [
        vary,
        (header::CONTENT_TYPE, SVG),
        // Opened by itself, an SVG is a page: nothing in it may run or load.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, svg(figure)).into_response()
}

fn unknown(name: &str, names: &[&str]) -> Problem {
    let hint = match names {
        [] => "it has no figures".to_owned(),
        names => known_names(name, "there are", names),
    };
    let mut problem = Problem::not_found("figure", name);
    problem.errors = vec![FieldError::new("name", "is no figure of this").hint(hint)];
    problem
}
