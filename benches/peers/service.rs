//! What the service adds to a training: its start, its idle memory, what a job costs besides its own
//! work, and many small jobs against the same trainings without it.

use std::process::{Child, Command, Stdio};

use axum::http::Method;
use rayon::prelude::*;
use serde_json::{Value, json};
use whereof::client::Client;
use whereof::clock::{SystemClock, Timestamp};

use crate::support::{Failure, Server};
use crate::{Options, train};

/// Rows of the smallest training that means anything.
pub fn tiny() -> Value {
    json!({"type": "make_classification", "samples": 200, "features": 8, "informative": 4,
        "redundant": 0, "seed": 7})
}

/// The training that jobs of this suite ask for, without its dataset.
pub fn request() -> Value {
    let features: Vec<String> = (0..8).map(|i| format!("x{i}")).collect();
    json!({"task": {"type": "tabular_classification", "features": features, "label": "label"},
        "network": {"type": "mlp", "hidden": [8]},
        "training": {"epochs": 5, "batch_size": 32, "early_stopping": null}})
}

/// `--what` is `start`, `job`, `jobs` or `trainings`; `--count` of the last three.
pub fn run(options: &Options) -> Result<Value, Failure> {
    let count = options.number("count", 100)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match options.need("what")? {
        "start" => runtime.block_on(start()),
        "job" => runtime.block_on(job(count)),
        "jobs" => runtime.block_on(jobs(count)),
        "trainings" => trainings(count),
        other => Err(format!("{other}: start, job, jobs or trainings").into()),
    }
}

/// A process that ends with this one.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// From the start of the process to its first answer, and what memory it holds a second later.
async fn start() -> Result<Value, Failure> {
    let folder = tempfile::tempdir()?;
    let address = {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        free.local_addr()?.to_string()
    };
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    let child = Command::new(env!("CARGO_BIN_EXE_whereof"))
        .args(["serve", "--listen", &address, "--data-dir"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn()?;
    let server = Ended(child);
    let client = Client::new(format!("http://{address}"));
    while client.send(Method::GET, "/healthz", &[], "").await.is_err() {
        tokio::time::sleep(std::time::Duration::from_micros(500)).await;
    }
    let seconds = (clock.monotonic() - began).as_secs_f64();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|rest| rest.trim().split(' ').next());
    let kilobytes: f64 = kilobytes.ok_or("no VmRSS")?.parse()?;
    Ok(json!({"seconds": seconds, "idle_megabytes": kilobytes / 1e3}))
}

fn moment(value: &Value) -> Result<Timestamp, Failure> {
    let text = value.as_str().ok_or("no time")?;
    Timestamp::parse(text).ok_or_else(|| format!("{text}: not a time").into())
}

async fn submitted(server: &Server) -> Result<Value, Failure> {
    let made = server.client.post::<Value>("/v1/datasets", &json!({"generator": tiny()})).await?;
    let mut request = request();
    request["kind"] = json!("train");
    request["dataset"] = made["id"].clone();
    Ok(request)
}

/// Jobs one after another: milliseconds from the submission to the first step, and from the last step
/// to the end, medians. What is measured of the model after the last step is in the second.
async fn job(count: usize) -> Result<Value, Failure> {
    let server = Server::start(&[])?;
    let request = submitted(&server).await?;
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let job = server.succeeded(&request).await?;
        let id = job["run"].as_str().ok_or("no run")?;
        let run: Value = server.client.get(&format!("/v1/runs/{id}")).await?;
        let phase = |name: &str| run["seconds"]["phases"][name].as_f64().ok_or("no phase");
        let (created, started) = (moment(&job["created_at"])?, moment(&job["started_at"])?);
        let finished = moment(&job["finished_at"])?;
        first.push(started.seconds_since(created) + phase("vectorizing")?);
        let busy = phase("vectorizing")? + phase("training")?;
        last.push(finished.seconds_since(started) - busy);
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2] * 1e3
    };
    Ok(json!({"to_first_step_milliseconds": median(&mut first),
        "from_last_step_milliseconds": median(&mut last)}))
}

/// Seconds of many jobs on two workers, from the first submission to the last end.
async fn jobs(count: usize) -> Result<Value, Failure> {
    let server = Server::start(&["--workers", "2"])?;
    let request = submitted(&server).await?;
    server.succeeded(&request).await?;
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    let mut jobs = Vec::new();
    for _ in 0..count {
        jobs.push(server.submit(&request).await?);
    }
    for job in &jobs {
        let job = server.past(job, &["queued", "running"]).await?;
        if job["status"] != "succeeded" {
            return Err(format!("the job has not succeeded: {job}").into());
        }
    }
    Ok(json!({"seconds": (clock.monotonic() - began).as_secs_f64()}))
}

/// Seconds of the same trainings on two threads, without the API.
fn trainings(count: usize) -> Result<Value, Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global()?;
    let options = Options::of(&[("generator", &tiny().to_string())]);
    train::once(&options, request())?;
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    // A training at a time on each thread, as on two workers.
    let trained: Result<Vec<()>, Failure> = (0..count)
        .into_par_iter()
        .with_max_len(1)
        .map(|_| train::once(&options, request()).map(drop))
        .collect();
    trained?;
    Ok(json!({"seconds": (clock.monotonic() - began).as_secs_f64()}))
}
