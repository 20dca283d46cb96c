//! What every request passes: an id, a log line, counters, a time limit, compression, and
//! problems that carry the id, panics among them. One layer, since each costs every request time.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};
use tower_http::compression::Compression;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tracing::{Instrument, Span};

use super::problem::{render, respond};
use super::state::AppState;
use crate::problem::{Code, Problem};

/// Header with the request's id, taken from the client if it is plain, else made here.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Paths whose requests may take as long as they take: uploads have a limit on silence instead, and
/// followers end with their job.
const UNLIMITED: &[&str] = &["/v1/datasets", "/v1/models", "/v1/jobs/{id}", "/v1/jobs/{id}/events"];

/// Bytes from which on a body is compressed for those who accept it: less fits a packet as it is.
const COMPRESSED_FROM: u64 = 1_024;

/// Headers that describe the body that the handler gave, which is written anew, uncompressed.
const BODY_HEADERS: &[HeaderName] = &[
    axum::http::header::CONTENT_LENGTH,
    axum::http::header::CONTENT_ENCODING,
    axum::http::header::TRANSFER_ENCODING,
];

/// The layer that every request passes.
#[derive(Clone)]
pub struct Observe(pub AppState);

/// What the layer makes of a service.
#[derive(Clone)]
pub struct Observed<S> {
    state: AppState,
    inner: S,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { state: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let seen = Seen::of(&request, &self.state);
        let answer = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        let state = self.state.clone();
        Box::pin(async move {
            let span = seen.span();
            let answer = async {
                let answer = match answer {
                    Ok(answer) => AssertUnwindSafe(answer).catch_unwind(),
                    Err(panic) => return panicked(&*panic),
                };
                let answered = match seen.is_limited() {
                    true => within(state.config.request_timeout, answer).await,
                    false => Ok(answer.await),
                };
                match answered {
                    Ok(Ok(Ok(response))) => response,
                    Ok(Err(panic)) => panicked(&*panic),
                    Err(problem) => respond(&problem),
                }
            };
            let response = answer.instrument(span.clone()).await;
            let response = match &seen.accepted_encodings {
                Some(accepted) => compressed(accepted, response).await,
                None => response,
            };
            Ok(seen.finish(response, &state, &span))
        })
    }
}

/// What is kept of a request until its answer is there.
struct Seen {
    id: String,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    accepted_encodings: Option<HeaderValue>,
    started: Duration,
}

impl Seen {
    fn of(request: &Request, state: &AppState) -> Self {
        Self {
            id: request_id(request).unwrap_or_else(|| state.store.ids.next("req")),
            method: request.method().clone(),
            uri: request.uri().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            accepted_encodings: request.headers().get(header::ACCEPT_ENCODING).cloned(),
            started: state.store.clock.monotonic(),
        }
    }

    /// What marks the log lines of a request. Only the last of them says what was asked: to write that
    /// down takes longer than most of what else is done here.
    fn span(&self) -> Span {
        tracing::info_span!("request", id = self.id)
    }

    fn route(&self) -> Option<&str> {
        self.route.as_ref().map(MatchedPath::as_str)
    }

    fn is_limited(&self) -> bool {
        !self.route().is_some_and(|route| UNLIMITED.contains(&route))
    }

    /// Counts the request, tells of it, and gives its answer the id.
    fn finish(&self, mut response: Response, state: &AppState, span: &Span) -> Response {
        let seconds = (state.store.clock.monotonic() - self.started).as_secs_f64();
        let status = response.status();
        state.meters.count(self.route().unwrap_or("other"), &self.method, status, seconds);
        span.in_scope(|| {
            let (status, method, path) = (status.as_u16(), &self.method, self.uri.path());
            if status >= 500 {
                tracing::error!(status, %method, path, seconds, "answered");
            } else {
                tracing::debug!(status, %method, path, seconds, "answered");
            }
        });
        if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
            problem.request_id = Some(self.id.clone());
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
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
}

/// The response as it is sent to a client that accepts encodings.
async fn compressed(accepted: &HeaderValue, response: Response) -> Response {
    let mut request = axum::http::Request::new(());
    request.headers_mut().insert(header::ACCEPT_ENCODING, accepted.clone());
    let mut response = Some(response);
    let given = tower::service_fn(move |_| {
        std::future::ready(Ok::<_, Infallible>(response.take().unwrap_or_default()))
    });
    let large = DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM));
    let Ok(response) = Compression::new(given).compress_when(large).oneshot(request).await;
    response.map(Body::new)
}

fn request_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ((1..=100).contains(&id.len()) && id.chars().all(plain)).then(|| id.to_owned())
}

async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(limit, answer).await.map_err(|_| {
        let detail = format!("the request took longer than {} seconds", limit.as_secs());
        Problem::new(Code::RequestTimeout, detail).hint("send less at once")
    })
}

/// A handler's panic, as a problem.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(message = message.as_deref().unwrap_or("?"), "a handler panicked");
    respond(&Problem::new(Code::Internal, "the request hit a defect of Whereof"))
}
