//! Whether training slows what someone waits for: latency of `/healthz` and of scoring one text, idle
//! and while every core trains. `cargo bench --bench latency`. Prints and asserts nothing: figures
//! depend on the machine.

mod support;

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use support::{Failure, Server};
use whereof::client::Client;
use whereof::clock::SystemClock;
use whereof::compute::cores;

const REVIEWS: &str = include_str!("../demo/reviews.csv");
const CONNECTIONS: usize = 4;
const REQUESTS: usize = 1_000;
const WARM_UP: usize = 50;

/// What is asked again and again.
#[derive(Clone)]
struct Question {
    method: Method,
    path: &'static str,
    body: String,
}

/// Latencies in order, in microseconds.
struct Latencies(Vec<u64>);

impl Latencies {
    /// Asks over several connections at once, each waiting for its answer before it asks again.
    async fn measure(base: &str, question: &Question) -> Result<Self, Failure> {
        let askers: Vec<_> = (0..CONNECTIONS)
            .map(|_| tokio::spawn(ask(Client::new(base), question.clone())))
            .collect();
        let mut all = Vec::new();
        for asker in askers {
            all.extend(asker.await??);
        }
        all.sort_unstable();
        Ok(Self(all))
    }

    fn percentile(&self, percent: usize) -> f64 {
        self.0[(self.0.len() - 1) * percent / 100] as f64 / 1_000.0
    }
}

async fn ask(client: Client, question: Question) -> Result<Vec<u64>, Failure> {
    let clock = SystemClock::shared();
    let json = [("content-type", "application/json")];
    let Question { method, path, body } = question;
    let mut latencies = Vec::with_capacity(REQUESTS);
    for number in 0..WARM_UP + REQUESTS {
        let start = clock.monotonic();
        let answer = client.send(method.clone(), path, &json, body.clone()).await?;
        let latency: Duration = clock.monotonic() - start;
        if !answer.status.is_success() {
            return Err(format!("{path}: {} {}", answer.status, answer.value()).into());
        }
        if number >= WARM_UP {
            latencies.push(latency.as_micros() as u64);
        }
    }
    Ok(latencies)
}

async fn measure_all(base: &str, questions: &[Question]) -> Result<Vec<Latencies>, Failure> {
    let mut all = Vec::new();
    for question in questions {
        all.push(Latencies::measure(base, question).await?);
    }
    Ok(all)
}

async fn run() -> Result<(), Failure> {
    let server = Server::start(&["--drain-seconds", "1"])?;
    let base = server.client.base().to_owned();
    let dataset = server.client.post_as("/v1/datasets", "text/csv", REVIEWS).await?;
    let dataset: Value = dataset.json()?;
    let train = |name: Option<&str>, training: Value| {
        json!({"kind": "train", "dataset": dataset["id"], "model_name": name, "training": training,
               "task": {"type": "text_classification", "text": "text", "label": "sentiment"}})
    };
    server.succeeded(&train(Some("bench"), json!({}))).await?;
    let questions = [
        Question { method: Method::GET, path: "/healthz", body: String::new() },
        Question {
            method: Method::POST,
            path: "/v1/models/bench/score",
            body: json!({"text": "The zippers are sturdy and it was worth every penny."})
                .to_string(),
        },
    ];
    let idle = measure_all(&base, &questions).await?;
    let endless = json!({"epochs": 100_000, "early_stopping": null});
    let mut jobs = Vec::new();
    for _ in 0..cores() {
        jobs.push(server.submit(&train(None, endless.clone())).await?);
    }
    for job in &jobs {
        server.past(job, &["queued"]).await?;
    }
    let busy = measure_all(&base, &questions).await?;
    for job in &jobs {
        if server.past(job, &["queued"]).await?["status"] != "running" {
            return Err("a job ended while its load was measured".into());
        }
    }

    let asked = CONNECTIONS * REQUESTS;
    println!("{asked} requests each over {CONNECTIONS} connections; milliseconds");
    println!("busy: {} trainings on {} cores\n", jobs.len(), cores());
    println!("{:<24}{:>6}{:>10}{:>10}{:>12}", "", "", "idle", "busy", "busy/idle");
    for ((question, idle), busy) in questions.iter().zip(&idle).zip(&busy) {
        for percent in [50, 99, 100] {
            let (idle, busy) = (idle.percentile(percent), busy.percentile(percent));
            let (path, ratio) = (question.path, busy / idle);
            println!("{path:<24}p{percent:<5}{idle:>10.2}{busy:>10.2}{ratio:>12.1}");
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run it with `cargo bench --bench latency`");
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}
