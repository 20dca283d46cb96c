//! `whereof worker`: works on the jobs of a data folder that a server has made.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::serve::{log, runtime, stop_signal};
use super::{Failure, complete};
use crate::app;
use crate::config::{LogFormat, LogLevel, Settings};

/// Arguments of `worker`: of the server's settings, those that matter to one who only works.
#[derive(Debug, Args)]
pub struct Worker {
    /// File of settings in TOML, as for `serve`. Flags and environment outdo it
    #[arg(long, env = "WHEREOF_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder with the database and all files, which a server has made [default: ./whereof-data]
    #[arg(long, env = "WHEREOF_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Jobs that run at the same time, at least 1 [default: one for each core]
    #[arg(long, env = "WHEREOF_WORKERS", value_name = "N")]
    workers: Option<usize>,
    /// Threads that a job may use [default: 1]
    #[arg(long, env = "WHEREOF_THREADS_PER_JOB", value_name = "N")]
    threads_per_job: Option<usize>,
    /// Seconds that running jobs have to end when the worker is asked to stop; then they go back to
    /// the queue [default: 20]
    #[arg(long, env = "WHEREOF_DRAIN_SECONDS", value_name = "SECONDS")]
    drain_seconds: Option<u64>,
    /// Log format: text or json [default: text]
    #[arg(long, env = "WHEREOF_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Log level: error, warn, info, debug or trace [default: info]
    #[arg(long, env = "WHEREOF_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

pub fn work(arguments: Worker) -> Result<(), Failure> {
    let Worker { config, data_dir, workers, threads_per_job, drain_seconds, log_format, log_level } =
        arguments;
    let settings = Settings {
        // A worker does not listen, whatever the server's file says.
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        data_dir,
        workers,
        threads_per_job,
        drain_seconds,
        log_format,
        log_level,
        ..Settings::default()
    };
    let config = complete(settings, config.as_deref())?;
    log(&config);
    runtime()?.block_on(async { Ok(app::work(config, stop_signal()).await?) })
}
