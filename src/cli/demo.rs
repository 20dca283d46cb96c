//! `whereof demo`: the main job end to end, through the service's own API.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::serve::{log, runtime, stop_signal};
use super::{Failure, show};
use crate::app::App;
use crate::client::{Client, ClientError};
use crate::config::{LogLevel, Settings, address};
use crate::http::score::ScoreResponse;
use crate::job::evaluate::EvaluateResponse;
use crate::job::{Job, JobStatus, Run};
use crate::store::datasets::Dataset;

const REVIEWS: &[u8] = include_bytes!("../../demo/reviews.csv");
const TELESCOPES: &[u8] = include_bytes!("../../demo/telescopes.csv");
const SIX: &[u8] = include_bytes!("../../demo/six_sentences.csv");

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// End when everything has been shown, instead of serving on
    #[arg(long)]
    exit: bool,
    /// Address and port to listen on [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Folder for the database and all files
    #[arg(long, value_name = "FOLDER", default_value = "./whereof-data")]
    data_dir: PathBuf,
}

pub fn demo(arguments: Demo) -> Result<(), Failure> {
    let address = arguments.listen.unwrap_or_else(|| free_address(8080));
    let settings = Settings {
        listen: Some(address),
        data_dir: Some(arguments.data_dir),
        log_level: Some(LogLevel::Warn),
        ..Settings::default()
    };
    let config = settings.check()?;
    log(&config);
    runtime()?.block_on(async {
        let app = App::start(config).await?;
        let listener = app.listen().await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (ended, end) = oneshot::channel::<()>();
        let server = tokio::spawn(app.serve(listener, async {
            // The sender is dropped when the demo is over, whether or not it went well.
            end.await.ok();
        }));
        let tour = async {
            Tour { client: Client::new(&base) }.run().await?;
            if !arguments.exit {
                println!("\nThe server goes on at {base} (its API: {base}/docs). Ctrl-C ends it.");
                stop_signal().await;
            }
            Ok::<(), Failure>(())
        };
        let shown = tokio::select! {
            shown = tour => shown,
            () = stop_signal() => Ok(()),
        };
        drop(ended);
        server.await??;
        shown
    })
}

/// The wanted port on loopback if it is free, else any.
fn free_address(port: u16) -> SocketAddr {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    match std::net::TcpListener::bind(wanted) {
        Ok(_) => wanted,
        Err(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}

struct Tour {
    client: Client,
}

impl Tour {
    async fn run(&self) -> Result<(), Failure> {
        heading(
            "1. Upload 600 short product reviews, and 60 about telescopes, which no review names",
        );
        let reviews = self.upload("reviews", "demo/reviews.csv", REVIEWS).await?;
        let telescopes = self.upload("telescopes", "demo/telescopes.csv", TELESCOPES).await?;

        heading("2. Train a sentiment model on the reviews");
        let request = json!({
            "kind": "train", "dataset": reviews.id, "model_name": "sentiment",
            "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
            "split": {"column": "split"},
        });
        let job = self.train(&request).await?;
        self.summary(&job).await?;

        heading("3. Score sentences from inside and from outside");
        let texts = [
            "I love this backpack, the zippers are sturdy and it was worth every penny.",
            "The blender broke after a week and the seller refused a refund.",
            "Collimation drifts nightly and astigmatic stars bloat toward the field stop.",
            "Der Motor ist leider viel zu laut.",
            "The mitochondria are the powerhouse of the cell.",
        ];
        self.score("sentiment", &texts, 0.8).await?;

        heading("4. Compare the reviews' test records with the niche: accuracy beside coverage");
        self.compare(&reviews, &telescopes).await?;

        heading("5. Six sentences: what can and what cannot be said");
        let six = self.upload("six sentences", "demo/six_sentences.csv", SIX).await?;
        let request = json!({
            "kind": "train", "dataset": six.id, "model_name": "six-sentences",
            "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        });
        let job = self.train(&request).await?;
        for warning in &job.warnings {
            println!("  warning: {}", warning.message);
        }
        let texts =
            ["The interface is clunky", "The ergonomics are poor", "It is not user-friendly"];
        self.score("six-sentences", &texts, 0.5).await
    }

    async fn upload(&self, name: &str, path: &str, bytes: &[u8]) -> Result<Dataset, Failure> {
        let url = format!("/v1/datasets?name={}", name.replace(' ', "%20"));
        self.curl(&url, &format!("-H 'Content-Type: text/csv' --data-binary @{path}"));
        let answer = self.client.post_as(&url, "text/csv", bytes.to_vec()).await?;
        let dataset: Dataset = answer.json()?;
        let columns: Vec<&str> = dataset.columns.iter().map(|c| c.name.as_str()).collect();
        println!("  {}: {} rows, columns {}", dataset.id, dataset.rows, columns.join(", "));
        Ok(dataset)
    }

    async fn train(&self, request: &Value) -> Result<Job, Failure> {
        self.curl("/v1/jobs", &json_argument(request));
        let job: Job = self.client.post("/v1/jobs", request).await?;
        let path = format!("/v1/jobs/{}", job.id);
        let events = format!("{path}/events");
        self.curl(&events, "-N");
        let bar = progress_bar();
        let follow = self.client.events(&events, &[], |event| {
            let data = event.json();
            match event.kind.as_str() {
                "progress" => {
                    let progress = data["progress"].as_f64().unwrap_or(0.0);
                    bar.set_position((progress * 1_000.0) as u64);
                    if let Some(eta) = data["eta_seconds"].as_f64() {
                        bar.set_prefix(format!("ETA {eta:.0} s"));
                    }
                }
                "epoch" => {
                    bar.set_message(epoch_line(&data));
                    let [epoch, epochs] =
                        ["epoch", "epochs"].map(|n| data[n].as_f64().unwrap_or(1.0));
                    // Epochs are told as they end; progress only now and then.
                    bar.set_position((epoch / epochs * 950.0) as u64);
                    let left = bar.elapsed().as_secs_f64() / epoch * (epochs - epoch);
                    bar.set_prefix(format!("ETA {left:.0} s"));
                }
                _ => {}
            }
            true
        });
        follow.await?;
        let job: Job = self.client.get(&path).await?;
        bar.set_prefix(job.status.name());
        if job.status == JobStatus::Succeeded {
            bar.set_position(1_000);
        }
        bar.abandon();
        match (&job.status, &job.error) {
            (JobStatus::Succeeded, _) => Ok(job),
            (_, Some(problem)) => Err(ClientError::Problem(Box::new(problem.clone())).into()),
            (status, None) => Err(format!("the job ended as {}", status.name()).into()),
        }
    }

    async fn summary(&self, job: &Job) -> Result<(), Failure> {
        let path = format!("/v1/runs/{}", job.run);
        self.curl(&path, "");
        let run: Run = self.client.get(&path).await?;
        let seconds = run.seconds.map_or(0.0, |seconds| seconds.total);
        let epochs = run.epochs.unwrap_or_default();
        let best = run.best_epoch.unwrap_or_default();
        println!("  {epochs} epochs in {seconds:.1} s, the best was epoch {best}");
        let test = run.metrics.and_then(|metrics| metrics.test);
        if let Some(test) = test.as_ref().and_then(|test| test.classification()) {
            let [low, high] = test.accuracy_interval;
            println!(
                "  test: accuracy {:.3} (95 % interval {low:.2} to {high:.2}) on {} records",
                test.accuracy, test.records
            );
            if let Some(calibrated) = &test.calibrated {
                println!(
                    "  calibration error of the confidence: {:.3} before, {:.3} after calibration",
                    test.ece, calibrated.ece
                );
            }
        }
        Ok(())
    }

    async fn score(&self, model: &str, texts: &[&str], min_confidence: f64) -> Result<(), Failure> {
        let path = format!("/v1/models/{model}/score");
        let request = json!({ "texts": texts, "min_confidence": min_confidence });
        self.curl(&path, &json_argument(&request));
        let response: ScoreResponse = self.client.post(&path, &request).await?;
        println!("{}", show::scores(texts, &response.results));
        for unavailable in &response.unavailable {
            let need = unavailable.need.map_or_else(String::new, |need| format!(" (needs {need})"));
            println!("  unavailable: {}: {}{need}", unavailable.statistic, unavailable.reason);
        }
        Ok(())
    }

    async fn compare(&self, reviews: &Dataset, telescopes: &Dataset) -> Result<(), Failure> {
        let path = "/v1/models/sentiment/evaluate";
        let only = json!({"column": "split", "value": "test"});
        let test = json!({"dataset": reviews.id, "slice": "category", "only": only});
        self.curl(path, &json_argument(&test));
        let test: EvaluateResponse = self.client.post(path, &test).await?;
        let niche = json!({ "dataset": telescopes.id });
        self.curl(path, &json_argument(&niche));
        let niche: EvaluateResponse = self.client.post(path, &niche).await?;
        let mut named: Vec<(String, _)> = vec![
            ("telescopes (niche)".to_owned(), &niche.evaluation.overall),
            ("reviews (test)".to_owned(), &test.evaluation.overall),
        ];
        let slices = test.evaluation.slices.iter();
        named.extend(slices.map(|s| (format!("  {}", s.slice.clone().unwrap_or_default()), s)));
        println!("{}", show::slices(&named));
        Ok(())
    }

    /// Prints the line that does the same by hand.
    fn curl(&self, path: &str, arguments: &str) {
        let space = if arguments.is_empty() { "" } else { " " };
        let url = format!("{}{path}", self.client.base());
        println!("  $ curl -s '{url}'{space}{arguments}");
    }
}

fn heading(text: &str) {
    println!("\n{text}");
}

fn json_argument(body: &Value) -> String {
    // Inside single quotes a shell takes everything but a single quote as it is.
    let body = body.to_string().replace('\'', r"'\''");
    format!("-H 'Content-Type: application/json' -d '{body}'")
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1_000);
    // The template is a constant; were it wrong, the plain bar would do.
    if let Ok(style) =
        ProgressStyle::with_template("  [{bar:32}] {percent:>3} % {prefix:>9}  {msg}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn epoch_line(epoch: &Value) -> String {
    let number = |name: &str| epoch[name].as_f64();
    let mut line = format!("epoch {}/{}", epoch["epoch"], epoch["epochs"]);
    if let Some(loss) = number("train_loss") {
        line.push_str(&format!("  loss {loss:.4}"));
    }
    if let Some(accuracy) = number("validation_accuracy") {
        line.push_str(&format!("  validation accuracy {accuracy:.3}"));
    }
    line
}
