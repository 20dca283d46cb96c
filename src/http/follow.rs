//! Following a job: one answer, a long poll, or server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use crate::job::Job;
use crate::problem::{Code, FieldError, Problem};
use crate::store::StoreError;
use crate::store::events::JobEvent;

/// Changes by other processes ring no bell here, so whoever waits looks again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Parameters of a look at a job.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Hold the answer until the job changes, for at most this many seconds. With
    /// `If-None-Match`, a change is a difference from that version; without, from the version at
    /// arrival. A job that has ended is answered at once.
    #[param(minimum = 0, maximum = 300, nullable = false)]
    pub wait: Option<u64>,
}

/// Look up a job; poll, or hold the request until it changes.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job"), WaitQuery,
           ("If-None-Match" = Option<String>, Header, description = "`ETag` of the version you have, several of them, or `*`")),
    responses((status = 200, description = "The job", body = Job),
              (status = 304, description = "Not changed"),
              (status = 404, description = "No such job", body = Problem)))]
pub async fn get(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let wait = query.wait.unwrap_or(0);
    let known = versions(&headers);
    let mut changed = false;
    let mut job = state.store.job(&id).await?;
    let same = |job: &Job, known: &[String]| known.contains(&etag(job));
    if wait > 0 {
        // `*` means whatever version there is, which is the one at arrival.
        let base = match known.as_deref() {
            None | Some([]) => vec![etag(&job)],
            Some(known) => known.to_vec(),
        };
        let arrived = etag(&job);
        let deadline = Instant::now() + Duration::from_secs(wait);
        let mut stopping = state.stopping.clone();
        while same(&job, &base) && !job.status.is_final() && !*stopping.borrow() {
            // The bell is armed before the job is looked at, so that no change slips in between.
            let bell = state.store.signals.job(&id).notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            job = state.store.job(&id).await?;
            if !same(&job, &base) || Instant::now() >= deadline {
                break;
            }
            tokio::select! {
                () = bell => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = tokio::time::sleep_until(deadline) => {}
                _ = stopping.changed() => {}
            }
        }
        changed = etag(&job) != arrived;
    }
    let tag = etag(&job);
    let tag_value = HeaderValue::from_str(&tag).map_err(|e| internal(e.to_string()))?;
    let no_cache = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let unchanged = match known.as_deref() {
        // After a wait, `*` asks for a version other than the one at arrival.
        Some([]) => wait == 0 || !changed,
        Some(known) => same(&job, known),
        None => false,
    };
    if unchanged {
        let headers = [(header::ETAG, tag_value), no_cache];
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok(([(header::ETAG, tag_value), no_cache], Json(job)).into_response())
}

/// The versions that a client has: none without `If-None-Match`, an empty list for `*`. Tags are
/// compared weakly, as RFC 9110 says of this header: a `W/` makes no difference.
fn versions(headers: &HeaderMap) -> Option<Vec<String>> {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut values = values.filter_map(|value| value.to_str().ok()).peekable();
    values.peek()?;
    let tags = values.flat_map(|value| value.split(',')).map(str::trim);
    let tags: Vec<&str> = tags.filter(|tag| !tag.is_empty()).collect();
    if tags.contains(&"*") {
        return Some(Vec::new());
    }
    let plain = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    Some(tags.into_iter().map(plain).collect()).filter(|tags: &Vec<String>| !tags.is_empty())
}

fn etag(job: &Job) -> String {
    // The position in the queue moves without the job itself changing.
    let position = job.queue_position.map_or_else(String::new, |p| format!("-{p}"));
    format!("\"{}{position}\"", job.version)
}

fn internal(message: String) -> Problem {
    tracing::error!(%message, "an ETag could not be written");
    Problem::new(Code::Internal, "the server failed")
}

/// Follow a job by server-sent events.
///
/// `status` carries the job, `epoch` an epoch's loss and validation metrics, `trial` a training of a
/// sweep that went on, `progress` its progress,
/// which is told only while the job runs. Each event has an id: send the last one as `Last-Event-ID`
/// to go on from there. The stream ends after the job has.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job"),
           ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event you have")),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = String),
              (status = 404, description = "No such job", body = Problem)))]
pub async fn events(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    state.store.job(&id).await?;
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(value) => value.to_str().ok().and_then(|v| v.parse().ok()).ok_or_else(|| {
            let error = FieldError::new("Last-Event-ID", "is not an id of this stream")
                .hint("send the id of the last event you have, or leave it out");
            Problem::fields(Code::InvalidRequest, vec![error])
        })?,
    };
    let follower = Follower { state, id, after, ready: VecDeque::new(), ended: false };
    let stream = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Reads a job's events as they come.
struct Follower {
    state: AppState,
    id: String,
    after: i64,
    ready: VecDeque<JobEvent>,
    ended: bool,
}

impl Follower {
    /// The next event, or `None` once the job has ended and everything was sent.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.seq;
                let id = event.seq.to_string();
                return Some(Event::default().id(id).event(event.kind).data(event.data));
            }
            if self.ended || *self.state.stopping.borrow() {
                return None;
            }
            if let Err(error) = self.wait().await {
                tracing::error!(job = self.id, %error, "following a job failed");
                return None;
            }
        }
    }

    async fn wait(&mut self) -> Result<(), StoreError> {
        let store = self.state.store.clone();
        let mut stopping = self.state.stopping.clone();
        let bell = store.signals.job(&self.id).notified();
        tokio::pin!(bell);
        bell.as_mut().enable();
        // The state is read before the events: if it is final, all events are there.
        let ended = store.job(&self.id).await?.status.is_final();
        self.ready = store.events(&self.id, self.after, 500).await?.into();
        if self.ready.is_empty() {
            self.ended = ended;
            if !ended {
                tokio::select! {
                    () = bell => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                    _ = stopping.changed() => {}
                }
            }
        }
        Ok(())
    }
}
