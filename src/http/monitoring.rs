//! `/v1/models/{model}/monitoring`: what was scored, by window of time, and whether it has drifted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page;
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use crate::clock::Timestamp;
use crate::eval::martingale::TestMartingale;
use crate::model::card::Unavailable;
use crate::model::monitoring::{
    Counts, StreamReport, Window, drift_records_needed, share_of_alpha,
};
use crate::problem::{Code, FieldError, Problem};
use crate::store::monitoring::{Between, Span, WINDOWS_KEPT};

/// Which windows are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MonitoringQuery {
    /// Only windows that end after this moment, RFC 3339.
    #[param(nullable = false, format = DateTime)]
    pub since: Option<String>,
    /// Only windows that begin before this moment, RFC 3339.
    #[param(nullable = false, format = DateTime)]
    pub until: Option<String>,
    /// Windows at most. Default: 50.
    #[param(minimum = 1, maximum = 1_000, nullable = false)]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

/// What was scored by a model. Records are counted, not stored.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Monitoring {
    /// Id of the model.
    pub model: String,
    /// Seconds of a window on this server; `null` where it counts nothing. Windows begin at whole
    /// multiples of it since 1970, UTC.
    pub window_seconds: Option<u64>,
    /// Whether all records since the last reset, as a stream, have drifted from where the model was
    /// trained; `null` before the first record with a p-value.
    pub stream: Option<StreamReport>,
    /// A page of the windows in which something was scored, oldest first; the newest 10,000 are kept.
    pub items: Vec<Window>,
    /// What to send as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// What the model's calibration is too small to give, with the number of calibration records it
    /// would take.
    pub unavailable: Vec<Unavailable>,
}

/// Watch a model in use: volume, acceptance, coverage and drift of what was scored, over time.
///
/// Every record of `POST /v1/models/{model}/score` is counted in the window of the moment at which it
/// was scored, unless its request says `"monitor": false`. Every count that was answered is in the
/// next answer here. Counts are written every two seconds and when the server stops, so that one
/// that is killed loses those of the last seconds.
#[utoipa::path(get, path = "/v1/models/{model}/monitoring", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment"),
        MonitoringQuery),
    responses((status = 200, description = "The windows and the stream", body = Monitoring),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem),
              (status = 400, description = "The query is not valid", body = Problem)))]
pub async fn monitoring(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    Query(query): Query<MonitoringQuery>,
) -> Result<Json<Monitoring>, Failure> {
    let after = page::decode(query.cursor.as_deref())?;
    let between = between(&query)?;
    let id = state.store.resolve_model(&reference).await?;
    let monitor = &state.scorer.monitor;
    monitor.write().await?;
    let limit = page::limit(query.limit);
    let page = state.store.windows(&id, between, limit, after.as_ref()).await?;
    let stream = state.store.stream(&id).await?.map(|stream| stream.report());
    let records = state.store.model_card(&id).await?.records.calibration;
    let next_cursor = page.next.as_ref().map(page::encode);
    // A test for each window: too much between two requests.
    let windows = move || {
        let windows = page.items.iter();
        let window = windows
            .map(|(span, counts)| Window::new(span.starts_at, span.ends_at, counts, records));
        let delta = stream.map(|stream| stream.delta);
        (window.collect(), delta)
    };
    let (items, delta) = state.files.run(windows).await?;
    Ok(Json(Monitoring {
        model: id,
        window_seconds: monitor.window().map(|window| window.as_secs()),
        stream,
        items,
        next_cursor,
        unavailable: unavailable(records, delta.unwrap_or(share_of_alpha(monitor.alpha()))),
    }))
}

/// Forget what was counted of a model; its windows and its stream begin anew.
#[utoipa::path(delete, path = "/v1/models/{model}/monitoring", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    responses((status = 204, description = "Forgotten"),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem)))]
pub async fn reset(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<StatusCode, Failure> {
    let id = state.store.resolve_model(&reference).await?;
    state.scorer.monitor.reset(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Milliseconds of the time that figures show where nothing else is asked for: 30 days.
const SHOWN: i64 = 30 * 86_400_000;
/// Windows that a figure shows at most, the newest.
const MOST_SHOWN: usize = 2_000;

/// The windows that a figure shows, oldest first.
pub(super) async fn windows_since(
    state: &AppState,
    model: &str,
    since: Option<&str>,
) -> Result<Vec<Window>, Failure> {
    let query = MonitoringQuery { since: since.map(str::to_owned), ..MonitoringQuery::default() };
    let mut between = between(&query)?;
    let start = Timestamp::from_millis(state.store.clock.now().millis() - SHOWN);
    between.since = between.since.or(Some(start));
    state.scorer.monitor.write().await?;
    let mut items = state.store.windows(model, between, WINDOWS_KEPT, None).await?.items;
    let items = items.split_off(items.len().saturating_sub(MOST_SHOWN));
    let records = state.store.model_card(model).await?.records.calibration;
    let windows = move || {
        let window = |(span, counts): &(Span, Counts)| {
            Window::new(span.starts_at, span.ends_at, counts, records)
        };
        items.iter().map(window).collect()
    };
    Ok(state.files.run(windows).await?)
}

/// The moments of a query.
fn between(query: &MonitoringQuery) -> Result<Between, Problem> {
    let mut errors = Vec::new();
    let mut moment = |field: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        let moment = Timestamp::parse(text);
        if moment.is_none() {
            let error = FieldError::new(field, format!("{text:?} is no moment"));
            errors.push(error.hint("send RFC 3339, such as 2026-11-23T08:15:30Z"));
        }
        moment
    };
    let since = moment("since", &query.since);
    let until = moment("until", &query.until);
    if since.zip(until).is_some_and(|(since, until)| since >= until) {
        let error = FieldError::new("until", "does not lie after since");
        errors.push(error.hint("send a later moment, or leave one of the two out"));
    }
    if errors.is_empty() {
        Ok(Between { since, until })
    } else {
        Err(Problem::fields(Code::InvalidQuery, errors))
    }
}

/// What so many calibration records cannot give.
fn unavailable(have: usize, delta: f64) -> Vec<Unavailable> {
    let mut list = Vec::new();
    let mut entry = |statistic: &str, need: Option<usize>, what: &str| {
        if need.is_some_and(|need| have >= need) {
            return;
        }
        let reason = match have {
            0 => format!("there is no calibration record to rank a record among, {what}"),
            _ => format!("{have} calibration records are too few, {what}"),
        };
        list.push(Unavailable { statistic: statistic.to_owned(), reason, have, need });
    };
    entry("items.p_values", Some(1), "so that records are counted without p-values");
    entry("items.drift", drift_records_needed(), "so that the drift of a window cannot be tested");
    let needed = Some(TestMartingale::records_needed(delta));
    entry("stream", needed, "so that no stream could show drift");
    list
}
