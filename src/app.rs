//! The only wiring: settings → store, workers, scorer, router. Production and tests start here.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::clock::{SharedClock, SystemClock};
use crate::compute::{self, ComputeError, Pool, Priority};
use crate::config::Config;
use crate::http::meters::Meters;
use crate::http::{self, AppState, Shared};
use crate::scorer::Scorer;
use crate::scorer::monitor::Monitor;
use crate::store::{Store, StoreError};
use crate::worker::{WorkerSetup, Workers};

/// What the names of a server's workers start with; there is one server on a data folder.
const SERVER_WORKERS: &str = "server";
/// Time that open connections have to end once everything else has.
const CONNECTIONS_END: Duration = Duration::from_secs(5);

/// Why the server does not start or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Another server has the data folder.
    #[error(
        "the data folder {0} is in use by another server; stop that one, or choose another --data-dir"
    )]
    Locked(PathBuf),
    /// There is nothing to work on.
    #[error(
        "there is no database in the data folder {0}: check --data-dir, or start `whereof serve` on it first"
    )]
    NoDatabase(PathBuf),
    /// The data folder cannot be used.
    #[error("the data folder {folder} cannot be used: {error}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Threads cannot be started.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The server broke off.
    #[error("the server broke off: {0}")]
    Serve(std::io::Error),
}

/// A server that has started its workers and is ready to listen.
pub struct App {
    /// What is kept.
    pub store: Store,
    config: Arc<Config>,
    router: axum::Router,
    workers: Workers,
    monitor: Monitor,
    stopping: watch::Sender<bool>,
    /// Held as long as the server lives.
    _lock: File,
}

impl App {
    /// Opens the data folder, takes back what a server that died left running, and starts workers.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        Self::start_with(config, SystemClock::shared()).await
    }

    /// The same with a clock of the caller's.
    pub async fn start_with(config: Config, clock: SharedClock) -> Result<Self, AppError> {
        let config = Arc::new(config);
        let lock = lock(&config)?;
        let store = Store::open(&config.data_dir, clock).await?;
        // The lock says that no other server lives, so its workers' jobs are nobody's.
        for job in store.reap(Some(SERVER_WORKERS)).await? {
            let (id, status) = (&job.id, job.status.name());
            tracing::warn!(job = id, status, "taken back from a server that died");
        }
        let setup = WorkerSetup {
            workers: config.workers,
            threads_per_job: config.threads_per_job,
            name: SERVER_WORKERS.to_owned(),
            drain: config.drain,
        };
        let scoring = Pool::start(
            "score",
            config.scoring_threads,
            config.scoring_queue,
            Priority::Interactive,
        )?;
        let files = Pool::start("files", compute::cores().min(4), 256, Priority::Background)?;
        let monitoring = Pool::start("monitor", 1, 1, Priority::Background)?;
        let (window, alpha) = (config.monitoring_window, config.monitoring_alpha);
        let monitor = Monitor::new(store.clone(), monitoring, window, alpha);
        let scorer = Scorer::new(store.clone(), scoring, config.model_cache_bytes, monitor.clone());
        let (stopping, stopped) = watch::channel(false);
        // What counts needs a recorder that is installed.
        let metrics = metrics_handle();
        let state = AppState::new(Shared {
            store: store.clone(),
            scorer,
            files,
            config: config.clone(),
            metrics,
            meters: Meters::new(),
            stopping: stopped,
        });
        let router = http::router(state);
        let workers = Workers::start(store.clone(), setup);
        Ok(Self { store, config, router, workers, monitor, stopping, _lock: lock })
    }

    /// Listens on the configured address.
    pub async fn listen(&self) -> Result<TcpListener, AppError> {
        let address = self.config.listen;
        let listening = TcpListener::bind(address).await;
        listening.map_err(|error| AppError::Listen { address, error })
    }

    /// Serves until `stop` comes, then drains: long polls end, /readyz answers 503, running jobs have
    /// their time, those that still run go back to the queue, what monitoring counted is written, and the
    /// database is closed.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), AppError> {
        let Self { store, router, workers, monitor, stopping, .. } = self;
        let (close, closed) = oneshot::channel::<()>();
        let until_told = async move {
            // Whether it is told or the sender is dropped, it is over.
            closed.await.ok();
        };
        let service = router.into_make_service();
        let server = axum::serve(listener, service).with_graceful_shutdown(until_told);
        let mut server = tokio::spawn(server.into_future());
        tokio::spawn(warm_up());
        let upkeep = tokio::spawn(metrics_upkeep());
        let counting = tokio::spawn(monitor.clone().keep_writing());
        let broke_off = tokio::select! {
            () = stop => None,
            ended = &mut server => Some(ended),
        };
        tracing::info!("stopping");
        stopping.send_replace(true);
        // New connections are still taken while jobs drain, so that /readyz can say so.
        workers.stop().await;
        drop(close);
        let outcome = match broke_off {
            Some(ended) => ended.map_err(std::io::Error::other).and_then(|result| result),
            None => match tokio::time::timeout(CONNECTIONS_END, &mut server).await {
                Ok(ended) => ended.map_err(std::io::Error::other).and_then(|result| result),
                // Connections that stay open do not hold up the end.
                Err(_) => {
                    server.abort();
                    Ok(())
                }
            },
        };
        upkeep.abort();
        counting.abort();
        if let Err(error) = monitor.write().await {
            tracing::error!(%error, "what monitoring counted last is lost");
        }
        store.close().await;
        tracing::info!("stopped");
        outcome.map_err(AppError::Serve)
    }
}

/// Works on the jobs of a data folder without serving HTTP, until `stop` comes.
pub async fn work(config: Config, stop: impl Future<Output = ()>) -> Result<(), AppError> {
    let folder = &config.data_dir;
    if !Store::is_in(folder) {
        return Err(AppError::NoDatabase(folder.clone()));
    }
    let store = Store::open_beside_server(&config.data_dir, SystemClock::shared()).await?;
    let setup = WorkerSetup {
        workers: config.workers.max(1),
        threads_per_job: config.threads_per_job,
        name: store.ids.next("worker"),
        drain: config.drain,
    };
    let workers = Workers::start(store.clone(), setup);
    stop.await;
    workers.stop().await;
    store.close().await;
    Ok(())
}

fn lock(config: &Config) -> Result<File, AppError> {
    let folder = config.data_dir.clone();
    let open = || {
        std::fs::create_dir_all(&folder)?;
        File::options().create(true).truncate(false).write(true).open(folder.join("whereof.lock"))
    };
    let file = open().map_err(|error| AppError::Folder { folder: folder.clone(), error })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AppError::Locked(folder)),
        Err(TryLockError::Error(error)) => Err(AppError::Folder { folder, error }),
    }
}

/// The process's metrics; there is one recorder, whoever starts first installs it.
fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            const BUCKETS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];
            let matcher = Matcher::Suffix("_seconds".to_owned());
            // Fails only for an empty list of buckets; then there are summaries instead.
            let builder = PrometheusBuilder::new().set_buckets_for_metric(matcher, BUCKETS);
            let recorder = builder.unwrap_or_default().build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed; /metrics will be empty");
            }
            handle
        })
        .clone()
}

/// Makes what the first request with a body needs, which takes tens of milliseconds, while there is none.
async fn warm_up() {
    let made = compute::run_apart("warm-up", 1, || {
        http::extract::schemas();
    })
    .await;
    if let Err(error) = made {
        tracing::error!(%error, "the schemas of the API could not be made");
    }
}

async fn metrics_upkeep() {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics_handle().run_upkeep();
    }
}
