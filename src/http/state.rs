//! What handlers share.

use std::ops::Deref;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::meters::Meters;
use crate::compute::Pool;
use crate::config::Config;
use crate::scorer::Scorer;
use crate::store::Store;

/// Shared by all handlers. Every request copies it, which costs next to nothing.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What is shared.
pub struct Shared {
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
    /// What is counted of requests.
    pub meters: Meters,
    /// Becomes true when the server is asked to stop; those who hold a request open end it then.
    pub stopping: watch::Receiver<bool>,
}

impl AppState {
    /// Shares it.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
