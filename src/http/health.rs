//! `/healthz`, `/readyz`, `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Failure;
use super::state::AppState;
use crate::problem::{Code, Problem};

/// That the server lives.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: String,
    /// Version of Whereof.
    pub version: String,
}

fn health() -> Json<Health> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Json(Health { status: "ok".to_owned(), version })
}

/// Whether the process lives. Touches nothing.
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "It lives", body = Health)))]
pub async fn live() -> Json<Health> {
    health()
}

/// Whether the server can do its work: the database answers, the data folder can be written to, and
/// the server is not stopping. While it drains it answers 503 here and goes on serving.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "Ready", body = Health),
              (status = 503, description = "Not ready", body = Problem)))]
pub async fn ready(State(state): State<AppState>) -> Result<Json<Health>, Failure> {
    if *state.stopping.borrow() {
        return Err(Problem::new(Code::ShuttingDown, "the server is stopping")
            .retry_after(5)
            .into());
    }
    let not_ready = |what: &str, error: crate::store::StoreError| {
        tracing::error!(%error, what, "not ready");
        Problem::new(Code::NotReady, format!("{what} does not answer")).retry_after(5)
    };
    state.store.ping().await.map_err(|e| not_ready("the database", e))?;
    state.store.artifacts.probe().await.map_err(|e| not_ready("the data folder", e))?;
    Ok(health())
}

/// Metrics in the format of Prometheus. They need a key where the server has keys, unlike the other
/// paths for operators.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "The metrics", content_type = "text/plain", body = String)))]
pub async fn metrics(State(state): State<AppState>) -> Result<Response, Failure> {
    for (status, count) in state.store.job_counts().await? {
        metrics::gauge!("whereof_jobs", "status" => status.name()).set(count as f64);
    }
    let text = state.metrics.render();
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
