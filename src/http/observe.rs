//! What every request passes: an id, a log line, counters, a time limit, and problems that carry
//! the id.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::problem::{render, respond};
use super::state::AppState;
use crate::problem::{Code, Problem};

/// Header with the request's id, taken from the client if it is plain, else made here.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Paths whose requests may take as long as they take: uploads have a limit on silence instead, and
/// followers end with their job.
const UNLIMITED: &[&str] = &["/v1/datasets", "/v1/models", "/v1/jobs/{id}", "/v1/jobs/{id}/events"];

/// Headers that describe the body that the handler gave, which is written anew, uncompressed.
const BODY_HEADERS: &[HeaderName] = &[
    axum::http::header::CONTENT_LENGTH,
    axum::http::header::CONTENT_ENCODING,
    axum::http::header::TRANSFER_ENCODING,
];

/// The outermost layer.
pub async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let id = request_id(&request).unwrap_or_else(|| state.store.ids.next("req"));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id, %method, path);
    let started = state.store.clock.monotonic();
    let limit = state.config.request_timeout;
    let limited = !route.as_deref().is_some_and(|route| UNLIMITED.contains(&route));
    let answered = async {
        if limited { within(limit, next.run(request)).await } else { next.run(request).await }
    };
    let mut response = answered.instrument(span.clone()).await;

    let seconds = (state.store.clock.monotonic() - started).as_secs_f64();
    let status = response.status();
    let route = route.unwrap_or_else(|| "other".to_owned());
    let labels =
        [("method", method.to_string()), ("route", route), ("status", status.as_u16().to_string())];
    metrics::counter!("whereof_http_requests_total", &labels).increment(1);
    metrics::histogram!("whereof_http_request_seconds", &labels).record(seconds);
    span.in_scope(|| {
        let status = status.as_u16();
        if status >= 500 {
            tracing::error!(status, seconds, "answered");
        } else {
            tracing::debug!(status, seconds, "answered");
        }
    });
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = Some(id.clone());
        let headers = std::mem::take(response.headers_mut());
        response = render(&problem);
        for (name, value) in headers {
            // What the handler set and the body does not decide, such as `Allow`.
            if let Some(name) = name.filter(|name| !response.headers().contains_key(name))
                && !BODY_HEADERS.contains(&name)
            {
                response.headers_mut().insert(name, value);
            }
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn request_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ((1..=100).contains(&id.len()) && id.chars().all(plain)).then(|| id.to_owned())
}

async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the request took longer than {} seconds", limit.as_secs());
            let hint = "send less at once";
            respond(&Problem::new(Code::RequestTimeout, detail).hint(hint))
        }
    }
}

/// A handler's panic, as a problem.
pub fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(message = message.as_deref().unwrap_or("?"), "a handler panicked");
    respond(&Problem::new(Code::Internal, "the request hit a defect of Whereof"))
}
