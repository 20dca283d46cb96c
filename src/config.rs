//! Settings, from flags, environment and a file, in that order of precedence; checked once, here.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::compute;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A setting is out of range.
    #[error("{name}: {message}")]
    Setting {
        /// The setting, as a flag.
        name: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Settings of the server, each optional: a flag outdoes the environment, which outdoes the file,
/// which outdoes the default.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on [default: 127.0.0.1:8080]. An address that other machines reach
    /// needs --api-key
    #[arg(long, env = "WHEREOF_LISTEN", value_name = "ADDRESS", value_parser = address)]
    #[serde(deserialize_with = "address_in_file")]
    pub listen: Option<SocketAddr>,
    /// Folder for the database and all files [default: ./whereof-data]
    #[arg(long, env = "WHEREOF_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Jobs that run at the same time; 0 runs none here [default: one for each core]
    #[arg(long, env = "WHEREOF_WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// Threads that a job may use [default: 1]
    #[arg(long, env = "WHEREOF_THREADS_PER_JOB", value_name = "N")]
    pub threads_per_job: Option<usize>,
    /// Threads that score [default: one for each core]
    #[arg(long, env = "WHEREOF_SCORING_THREADS", value_name = "N")]
    pub scoring_threads: Option<usize>,
    /// Scoring requests that may wait; more are answered 503 [default: 256]
    #[arg(long, env = "WHEREOF_SCORING_QUEUE", value_name = "N")]
    pub scoring_queue: Option<usize>,
    /// Loaded models that are kept in memory at most, in MiB [default: 1024]
    #[arg(long, env = "WHEREOF_MODEL_CACHE_MB", value_name = "MIB")]
    pub model_cache_mb: Option<u64>,
    /// Memory that a job may need at most by estimate, in MiB; more is refused [default: 4096]
    #[arg(long, env = "WHEREOF_JOB_MEMORY_MB", value_name = "MIB")]
    pub job_memory_mb: Option<u64>,
    /// Jobs that may wait; more are answered 429 [default: 10000]
    #[arg(long, env = "WHEREOF_MAX_QUEUED", value_name = "N")]
    pub max_queued: Option<u32>,
    /// Times that a job whose process died is taken up again before it counts as failed [default: 5]
    #[arg(long, env = "WHEREOF_MAX_ATTEMPTS", value_name = "N")]
    pub max_attempts: Option<u32>,
    /// Bytes of an uploaded dataset or model, in MiB; more is answered 413 [default: 512]
    #[arg(long, env = "WHEREOF_MAX_UPLOAD_MB", value_name = "MIB")]
    pub max_upload_mb: Option<u64>,
    /// Seconds of a window in which scored records are counted, 60 to 2678400 (31 days); 0 counts
    /// none [default: 3600]
    #[arg(long, env = "WHEREOF_MONITORING_WINDOW_SECONDS", value_name = "SECONDS")]
    pub monitoring_window_seconds: Option<u64>,
    /// Chance that monitoring ever finds drift in a stream of scored records without any, 0.001 to 0.5;
    /// holds for streams that begin from now on [default: 0.05]
    #[arg(long, env = "WHEREOF_MONITORING_ALPHA", value_name = "SHARE")]
    pub monitoring_alpha: Option<f64>,
    /// Seconds that a request may take, uploads and long polls apart [default: 60]
    #[arg(long, env = "WHEREOF_REQUEST_SECONDS", value_name = "SECONDS")]
    pub request_seconds: Option<u64>,
    /// Seconds that running jobs have to end when the server is asked to stop; then they go back to
    /// the queue [default: 20]
    #[arg(long, env = "WHEREOF_DRAIN_SECONDS", value_name = "SECONDS")]
    pub drain_seconds: Option<u64>,
    /// API keys, separated by commas; requests then need one, but for health checks and pages
    /// [default: none]
    #[arg(
        long,
        env = "WHEREOF_API_KEYS",
        value_name = "KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub api_key: Option<Vec<String>>,
    /// Web pages of other origins that may call the API, separated by commas, such as
    /// `https://notebook.example` [default: none]
    #[arg(long, env = "WHEREOF_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origin: Option<Vec<String>>,
    /// Refuse `explain.neighbors`, so that no score shows a training record [default: false]
    #[arg(
        long,
        env = "WHEREOF_HIDE_NEIGHBORS",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub hide_neighbors: Option<bool>,
    /// Log format: text or json [default: text]
    #[arg(long, env = "WHEREOF_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Log level: error, warn, info, debug or trace [default: info]
    #[arg(long, env = "WHEREOF_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the levels of tracing")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Settings, complete and checked.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each stands explained at its flag in Settings")]
pub struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub workers: usize,
    pub threads_per_job: usize,
    pub scoring_threads: usize,
    pub scoring_queue: usize,
    pub model_cache_bytes: u64,
    pub job_memory_bytes: u64,
    pub max_queued: u32,
    pub max_attempts: u32,
    pub max_upload_bytes: u64,
    /// `None` where nothing is counted.
    pub monitoring_window: Option<Duration>,
    pub monitoring_alpha: f64,
    pub request_timeout: Duration,
    pub drain: Duration,
    pub api_keys: Vec<String>,
    pub cors_origins: Vec<String>,
    pub hide_neighbors: bool,
    pub log_format: LogFormat,
    pub log_level: LogLevel,
}

macro_rules! merged {
    ($first:ident, $second:ident; $($field:ident),* $(,)?) => {
        Settings { $($field: $first.$field.or($second.$field)),* }
    };
}

/// An address and port, such as `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`. Of several
/// addresses of a name the first of version 4 is taken, which most clients try as well.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| {
        format!("{error}; write an address and a port, such as 127.0.0.1:8080 or localhost:8080")
    })?;
    let found: Vec<SocketAddr> = found.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("{text} has no address"))
}

fn address_in_file<'de, D: Deserializer<'de>>(file: D) -> Result<Option<SocketAddr>, D::Error> {
    address(&String::deserialize(file)?).map(Some).map_err(D::Error::custom)
}

impl Settings {
    /// Reads a file of settings in TOML: the flags' names with underscores.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |message: String| ConfigError::File { path: path.to_owned(), message };
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        toml::from_str(&text).map_err(|e| unreadable(e.to_string()))
    }

    /// These settings, and where they are silent, those of `other`.
    pub fn or(self, other: Self) -> Self {
        merged!(self, other; listen, data_dir, workers, threads_per_job, scoring_threads,
            scoring_queue, model_cache_mb, job_memory_mb, max_queued, max_attempts, max_upload_mb,
            monitoring_window_seconds, monitoring_alpha, request_seconds, drain_seconds, api_key,
            cors_origin, hide_neighbors, log_format, log_level)
    }

    /// Fills in the defaults and checks everything.
    pub fn check(self) -> Result<Config, ConfigError> {
        let cores = compute::cores();
        let config = Config {
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            data_dir: self.data_dir.unwrap_or_else(|| PathBuf::from("./whereof-data")),
            workers: self.workers.unwrap_or(cores),
            threads_per_job: self.threads_per_job.unwrap_or(1),
            scoring_threads: self.scoring_threads.unwrap_or(cores),
            scoring_queue: self.scoring_queue.unwrap_or(256),
            model_cache_bytes: self.model_cache_mb.unwrap_or(1024) << 20,
            job_memory_bytes: self.job_memory_mb.unwrap_or(4096) << 20,
            max_queued: self.max_queued.unwrap_or(10_000),
            max_attempts: self.max_attempts.unwrap_or(5),
            max_upload_bytes: self.max_upload_mb.unwrap_or(512) << 20,
            monitoring_window: match self.monitoring_window_seconds.unwrap_or(3600) {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
            monitoring_alpha: self.monitoring_alpha.unwrap_or(0.05),
            request_timeout: Duration::from_secs(self.request_seconds.unwrap_or(60)),
            drain: Duration::from_secs(self.drain_seconds.unwrap_or(20)),
            api_keys: self.api_key.unwrap_or_default(),
            cors_origins: self.cors_origin.unwrap_or_default(),
            hide_neighbors: self.hide_neighbors.unwrap_or(false),
            log_format: self.log_format.unwrap_or_default(),
            log_level: self.log_level.unwrap_or_default(),
        };
        config.check()
    }
}

impl Config {
    fn check(self) -> Result<Self, ConfigError> {
        let wrong =
            |name, message: &str| Err(ConfigError::Setting { name, message: message.into() });
        if !self.listen.ip().is_loopback() && self.api_keys.is_empty() {
            return wrong(
                "--listen",
                "other machines reach this address, so requests must need a key: set --api-key or \
                 WHEREOF_API_KEYS to one of at least 16 characters, or listen on 127.0.0.1",
            );
        }
        if self.api_keys.iter().any(|key| key.len() < 16) {
            return wrong("--api-key", "a key needs at least 16 characters");
        }
        let at_least_one = [
            ("--threads-per-job", self.threads_per_job),
            ("--scoring-threads", self.scoring_threads),
            ("--max-attempts", self.max_attempts as usize),
            ("--max-queued", self.max_queued as usize),
            ("--max-upload-mb", self.max_upload_bytes as usize),
            ("--request-seconds", self.request_timeout.as_secs() as usize),
        ];
        if let Some((name, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return wrong(name, "must be at least 1");
        }
        if self.workers > 1_024 || self.threads_per_job > 1_024 || self.scoring_threads > 1_024 {
            return wrong("--workers", "workers and threads are limited to 1024 each");
        }
        let window = self.monitoring_window.map_or(60, |window| window.as_secs());
        if !(60..=31 * 86_400).contains(&window) {
            return wrong(
                "--monitoring-window-seconds",
                "must be 60 to 2678400, or 0 to count nothing",
            );
        }
        if !(0.001..=0.5).contains(&self.monitoring_alpha) {
            return wrong("--monitoring-alpha", "must be 0.001 to 0.5");
        }
        for origin in &self.cors_origins {
            let origin_is_bare = origin.split_once("://").is_some_and(|(scheme, rest)| {
                matches!(scheme, "http" | "https") && !rest.is_empty() && !rest.contains('/')
            });
            if !origin_is_bare {
                return wrong(
                    "--cors-origin",
                    "an origin is a scheme, a host and maybe a port, such as https://notebook.example",
                );
            }
        }
        Ok(self)
    }
}

/// Whether output to a terminal may have colours: not where `NO_COLOR` is set (<https://no-color.org>).
pub fn colors_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_outdo_the_file_and_the_file_outdoes_defaults() {
        let flags = Settings { workers: Some(3), ..Settings::default() };
        let file: Settings = toml::from_str("workers = 5\nmax_queued = 7").unwrap();
        let config = flags.or(file).check().unwrap();
        assert_eq!((config.workers, config.max_queued, config.threads_per_job), (3, 7, 1));
    }

    #[test]
    fn a_public_address_needs_a_key() {
        let public = || Settings { listen: Some(([0, 0, 0, 0], 80).into()), ..Settings::default() };
        assert!(public().check().is_err());
        let key = Some(vec!["0123456789abcdef".to_owned()]);
        assert!(Settings { api_key: key, ..public() }.check().is_ok());
        let short = Some(vec!["secret".to_owned()]);
        assert!(Settings { api_key: short, ..public() }.check().is_err());
    }

    #[test]
    fn monitoring_is_checked_and_can_be_switched_off() {
        let window =
            |seconds| Settings { monitoring_window_seconds: Some(seconds), ..Settings::default() };
        assert_eq!(Settings::default().check().unwrap().monitoring_window.unwrap().as_secs(), 3600);
        assert_eq!(window(0).check().unwrap().monitoring_window, None);
        assert!(window(60).check().is_ok() && window(59).check().is_err());
        assert!(window(31 * 86_400).check().is_ok() && window(31 * 86_400 + 1).check().is_err());
        for alpha in [0.0, 0.6, f64::NAN] {
            let alpha = Some(alpha);
            assert!(Settings { monitoring_alpha: alpha, ..Settings::default() }.check().is_err());
        }
    }

    #[test]
    fn an_address_may_be_a_name() {
        assert_eq!(address("127.0.0.1:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(address("[::1]:80").unwrap().to_string(), "[::1]:80");
        let local = address("localhost:8080").unwrap();
        assert!(local.ip().is_loopback() && local.port() == 8080, "{local}");
        let file: Settings = toml::from_str("listen = \"localhost:7\"").unwrap();
        assert_eq!(file.listen.unwrap().port(), 7);
        for wrong in ["localhost", "8080", "127.0.0.1:99999", ""] {
            assert!(address(wrong).unwrap_err().contains("such as 127.0.0.1:8080"), "{wrong}");
        }
    }

    #[test]
    fn unknown_settings_in_a_file_are_refused() {
        assert!(toml::from_str::<Settings>("wrokers = 5").is_err());
    }

    #[test]
    fn a_switch_is_a_flag_or_has_a_value() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            settings: Settings,
        }
        let hidden = |arguments: &[&str]| {
            let line = ["whereof"].iter().chain(arguments);
            <Line as clap::Parser>::try_parse_from(line).unwrap().settings.hide_neighbors
        };
        assert_eq!(hidden(&["--hide-neighbors"]), Some(true));
        assert_eq!(hidden(&["--hide-neighbors=false"]), Some(false));
        let file: Settings = toml::from_str("hide_neighbors = true").unwrap();
        assert!(file.check().unwrap().hide_neighbors);
        assert!(!Settings::default().check().unwrap().hide_neighbors);
    }

    #[test]
    fn origins_are_checked() {
        let origin =
            |o: &str| Settings { cors_origin: Some(vec![o.to_owned()]), ..Settings::default() };
        assert!(origin("https://a.example:3000").check().is_ok());
        assert!(origin("https://a.example/page").check().is_err());
        assert!(origin("*").check().is_err());
    }
}
