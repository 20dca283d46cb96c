//! What refuses a request before its handler sees it: a missing key, a foreign origin, an encoded body.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures_util::future::Either;
use tower::{Layer, Service};

use super::problem::respond;
use super::state::AppState;
use super::{auth, media};

/// The layer that refuses.
#[derive(Clone)]
pub struct Guard(pub AppState);

/// What the layer makes of a service.
#[derive(Clone)]
pub struct Guarded<S> {
    state: AppState,
    inner: S,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { state: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let refused = auth::refuse(&request, &self.state.config);
        match refused.or_else(|| media::refuse_encoded(&request)) {
            Some(problem) => Either::Right(ready(Ok(respond(&problem)))),
            None => Either::Left(self.inner.call(request)),
        }
    }
}
