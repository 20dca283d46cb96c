//! `whereof demo`: the main job end to end, through the service's own API.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::follow::follow;
use super::print::out;
use super::serve::stop_signal;
use super::target::with_server;
use super::{Failure, show, train};
use crate::client::Client;
use crate::config::{LogLevel, Settings, address};
use crate::diagnose::finding::FindingStatus;
use crate::diagnose::render::words::{verification, with_status};
use crate::diagnose::report::LimitationsReport;
use crate::http::score::ScoreResponse;
use crate::job::Job;
use crate::job::evaluate::EvaluateResponse;
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
    with_server(config, async |client| {
        let base = client.base().to_owned();
        Tour { client }.run().await?;
        if !arguments.exit {
            out(&format!(
                "\nThe server goes on; Ctrl-C ends it. In a browser:\n  \
                 {base}/#/models/line/limitations       the report, with figures\n  \
                 {base}/#/models/sentiment/try          try texts of your own\n  \
                 {base}/#/datasets                      drop a file and train on it\n  \
                 {base}/docs/                           the API\n"
            ))?;
            stop_signal().await;
        }
        Ok(())
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
        )?;
        let reviews = self.upload("reviews", "demo/reviews.csv", REVIEWS).await?;
        let telescopes = self.upload("telescopes", "demo/telescopes.csv", TELESCOPES).await?;

        heading("2. Train a sentiment model on the reviews")?;
        let request = json!({
            "kind": "train", "dataset": reviews.id, "model_name": "sentiment",
            "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
            "split": {"column": "split"},
        });
        let job = self.train(&request).await?;
        self.summary(&job).await?;

        heading("3. Score sentences from inside and from outside")?;
        let texts = [
            "I love this backpack, the zippers are sturdy and it was worth every penny.",
            "The blender broke after a week and the seller refused a refund.",
            "Collimation drifts nightly and astigmatic stars bloat toward the field stop.",
            "Der Motor ist leider viel zu laut.",
            "The mitochondria are the powerhouse of the cell.",
        ];
        self.score("sentiment", &texts, 0.8).await?;

        heading("4. Compare the reviews' test records with the niche: accuracy beside coverage")?;
        self.compare(&reviews, &telescopes).await?;

        heading("5. Six sentences: what can and what cannot be said")?;
        let six = self.upload("six sentences", "demo/six_sentences.csv", SIX).await?;
        let request = json!({
            "kind": "train", "dataset": six.id, "model_name": "six-sentences",
            "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        });
        let job = self.train(&request).await?;
        for warning in &job.warnings {
            out(&format!("  warning: {}\n", warning.message))?;
        }
        let texts =
            ["The interface is clunky", "The ergonomics are poor", "It is not user-friendly"];
        self.score("six-sentences", &texts, 0.5).await?;

        heading("6. A straight line for a sine: what are the limitations of this model?")?;
        self.limitations().await
    }

    async fn limitations(&self) -> Result<(), Failure> {
        let sine = json!({"generator": {"type": "sine", "points": 300}});
        self.curl("/v1/datasets", &json_argument(&sine))?;
        let sine: Dataset = self.client.post("/v1/datasets", &sine).await?;
        let request = json!({
            "kind": "train", "dataset": sine.id, "model_name": "line",
            "task": {"type": "tabular_regression", "features": ["x"], "target": "y"},
            "network": {"type": "mlp", "hidden": []}, "training": {"epochs": 100},
        });
        let job = self.train(&request).await?;
        self.summary(&job).await?;
        self.train(&json!({"kind": "diagnose", "model": "line"})).await?;
        let path = "/v1/models/line/limitations";
        self.curl(path, "-H 'Accept: text/markdown'")?;
        let report: LimitationsReport = self.client.get(path).await?;
        for finding in with_status(&report, FindingStatus::Found) {
            out(&format!("  found: {}\n", finding.statement))?;
            if let Some(remedy) = &finding.remedy {
                let tried = finding.verification.as_ref();
                let tried = tried.map_or_else(|| "Not tried.".to_owned(), verification);
                out(&format!("  remedy: {}. {tried}\n", remedy.advice))?;
            }
        }
        Ok(())
    }

    async fn upload(&self, name: &str, path: &str, bytes: &[u8]) -> Result<Dataset, Failure> {
        let url = format!("/v1/datasets?name={}", name.replace(' ', "%20"));
        self.curl(&url, &format!("-H 'Content-Type: text/csv' --data-binary @{path}"))?;
        let answer = self.client.post_as(&url, "text/csv", bytes.to_vec()).await?;
        let dataset: Dataset = answer.json()?;
        let columns: Vec<&str> = dataset.columns.iter().map(|c| c.name.as_str()).collect();
        let (id, rows, columns) = (&dataset.id, dataset.rows, columns.join(", "));
        out(&format!("  {id}: {rows} rows, columns {columns}\n"))?;
        Ok(dataset)
    }

    async fn train(&self, request: &Value) -> Result<Job, Failure> {
        self.curl("/v1/jobs", &json_argument(request))?;
        let job: Job = self.client.post("/v1/jobs", request).await?;
        self.curl(&format!("/v1/jobs/{}/events", job.id), "-N")?;
        follow(&self.client, &job.id).await
    }

    async fn summary(&self, job: &Job) -> Result<(), Failure> {
        let path = format!("/v1/runs/{}", job.run);
        self.curl(&path, "")?;
        out(&train::summary(&train::run_of(&self.client, job).await?))
    }

    async fn score(&self, model: &str, texts: &[&str], min_confidence: f64) -> Result<(), Failure> {
        let path = format!("/v1/models/{model}/score");
        let request = json!({ "texts": texts, "min_confidence": min_confidence });
        self.curl(&path, &json_argument(&request))?;
        let response: ScoreResponse = self.client.post(&path, &request).await?;
        out(&show::answers(texts, &response))
    }

    async fn compare(&self, reviews: &Dataset, telescopes: &Dataset) -> Result<(), Failure> {
        let path = "/v1/models/sentiment/evaluate";
        let only = json!({"column": "split", "value": "test"});
        let test = json!({"dataset": reviews.id, "slice": "category", "only": only});
        self.curl(path, &json_argument(&test))?;
        let test: EvaluateResponse = self.client.post(path, &test).await?;
        let niche = json!({ "dataset": telescopes.id });
        self.curl(path, &json_argument(&niche))?;
        let niche: EvaluateResponse = self.client.post(path, &niche).await?;
        let mut named: Vec<(String, _)> = vec![
            ("telescopes (niche)".to_owned(), &niche.evaluation.overall),
            ("reviews (test)".to_owned(), &test.evaluation.overall),
        ];
        let slices = test.evaluation.slices.iter();
        named.extend(slices.map(|s| (format!("  {}", s.slice.clone().unwrap_or_default()), s)));
        out(&format!("{}\n", show::slices(&named)))
    }

    /// Prints the line that does the same by hand.
    fn curl(&self, path: &str, arguments: &str) -> Result<(), Failure> {
        let space = if arguments.is_empty() { "" } else { " " };
        let url = format!("{}{path}", self.client.base());
        out(&format!("  $ curl -s '{url}'{space}{arguments}\n"))
    }
}

fn heading(text: &str) -> Result<(), Failure> {
    out(&format!("\n{text}\n"))
}

fn json_argument(body: &Value) -> String {
    // Inside single quotes a shell takes everything but a single quote as it is.
    let body = body.to_string().replace('\'', r"'\''");
    format!("-H 'Content-Type: application/json' -d '{body}'")
}
