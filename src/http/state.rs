//! What handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::compute::Pool;
use crate::config::Config;
use crate::scorer::Scorer;
use crate::store::Store;

/// Shared by all handlers.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// What is kept.
    pub store: Store,
    /// What scores.
    pub scorer: Scorer,
    /// Threads that read uploads and dataset pages.
    pub files: Pool,
    /// Settings.
    pub config: Arc<Config>,
    /// Prometheus metrics of this process.
    pub metrics: PrometheusHandle,
    /// Becomes true when the server is asked to stop; those who hold a request open end it then.
    pub stopping: watch::Receiver<bool>,
}
