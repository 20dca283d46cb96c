//! Servers and data for the tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use whereof::app::{App, AppError};
use whereof::client::{Answer, Client};
use whereof::clock::{SharedClock, SystemClock};
use whereof::config::{LogLevel, Settings};

/// A server in this process, on a port of its own, with a data folder of its own.
pub struct Server {
    pub client: Client,
    pub folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), AppError>>,
}

impl Server {
    /// A server with two workers.
    pub async fn start() -> Self {
        Self::start_with(Settings { workers: Some(2), ..Settings::default() }).await
    }

    /// A server on which jobs stay queued.
    pub async fn idle() -> Self {
        Self::start_with(Settings { workers: Some(0), ..Settings::default() }).await
    }

    /// A server with settings.
    pub async fn start_with(settings: Settings) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// A server on a folder that may hold something.
    pub async fn start_in(folder: TempDir, settings: Settings) -> Self {
        Self::start_at(SystemClock::shared(), folder, settings).await
    }

    /// The same by a clock of the test's.
    pub async fn start_at(clock: SharedClock, folder: TempDir, settings: Settings) -> Self {
        let settings = Settings {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            data_dir: Some(folder.path().to_owned()),
            log_level: Some(LogLevel::Error),
            ..settings
        };
        let app = App::start_with(settings.check().unwrap(), clock).await.unwrap();
        let listener = app.listen().await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app.serve(listener, async {
            stopped.await.ok();
        }));
        Self { client: Client::new(base), folder, stop: Some(stop), task }
    }

    /// Stops as on SIGTERM; returns the folder.
    pub async fn stop(mut self) -> TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
        self.folder
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, &[], "").await;
        assert!(answer.status.is_success(), "GET {path}: {} {}", answer.status, answer.value());
        answer.value()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(path, "application/json", body.to_string()).await
    }

    pub async fn post_as(&self, path: &str, kind: &str, body: impl Into<Bytes>) -> Answer {
        self.client.post_as(path, kind, body).await.unwrap()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.client.send(method, path, headers, body).await.unwrap()
    }

    /// Uploads CSV; returns the dataset.
    pub async fn upload(&self, csv: impl Into<Bytes>) -> Value {
        let answer = self.post_as("/v1/datasets", "text/csv", csv).await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.value());
        answer.value()
    }

    /// Submits a job; returns it.
    pub async fn submit(&self, request: &Value) -> Value {
        let answer = self.post("/v1/jobs", request).await;
        assert_eq!(answer.status, 202, "{}", answer.value());
        answer.value()
    }

    /// Waits until a job has ended; returns it.
    pub async fn ended(&self, id: &str) -> Value {
        loop {
            let job = self.get(&format!("/v1/jobs/{id}?wait=30")).await;
            if job["finished_at"].is_string() {
                return job;
            }
        }
    }

    /// Waits until a job is in a status.
    pub async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let job = self.get(&format!("/v1/jobs/{id}")).await;
            if wanted(&job) {
                return job;
            }
            assert!(job["finished_at"].is_null(), "ended before: {job}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Trains to the end; returns the job.
    pub async fn train(&self, request: &Value) -> Value {
        let job = self.submit(request).await;
        let job = self.ended(job["id"].as_str().unwrap()).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        job
    }

    /// A small sentiment model under a name; returns its job.
    pub async fn small_model(&self, name: &str) -> Value {
        let dataset = self.upload(small_reviews()).await;
        self.train(&train_request(&dataset, Some(name))).await
    }
}

/// A request to train on the columns `text` and `sentiment`, quickly.
pub fn train_request(dataset: &Value, name: Option<&str>) -> Value {
    let mut request = json!({
        "kind": "train", "dataset": dataset["id"],
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "training": {"epochs": 4},
    });
    if let Some(name) = name {
        request["model_name"] = name.into();
    }
    request
}

/// A request whose training lasts until it is ended.
pub fn endless_request(dataset: &Value) -> Value {
    let mut request = train_request(dataset, None);
    request["training"] = json!({"epochs": 100_000, "early_stopping": null});
    request
}

/// The demo's reviews.
pub const REVIEWS: &str = include_str!("../../demo/reviews.csv");
/// The demo's six sentences.
pub const SIX: &str = include_str!("../../demo/six_sentences.csv");

/// Two hundred of the demo's reviews.
pub fn small_reviews() -> String {
    REVIEWS.lines().take(201).flat_map(|line| [line, "\n"]).collect()
}

/// A folder of the shared data, if this machine has it; says so if not.
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: the data set {name:?} is not on this machine ({})", folder.display());
    None
}

/// Checks that an answer is a problem of a status and code with an error at a field; returns it.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, code: &str, field: &str) -> Value {
    let problem = answer.value();
    assert_eq!(answer.status.as_u16(), status, "{problem}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["type"], format!("/problems/{code}"));
    assert!(problem["request_id"].is_string(), "{problem}");
    if field.is_empty() {
        return problem;
    }
    let errors = problem["errors"].as_array().unwrap();
    let at = errors.iter().find(|error| error["field"] == field);
    let Some(at) = at else { panic!("no error at {field}: {problem}") };
    assert!(at["hint"].is_string() || problem["hint"].is_string(), "no hint: {problem}");
    at.clone()
}
