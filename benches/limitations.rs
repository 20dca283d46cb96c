//! The limitations of a model of product reviews, over HTTP: how many trainings its report takes, when a
//! first version of it is there, and what it says first where the model is meant for a niche that training
//! never saw (the textbook's example). `cargo bench --bench limitations -- [FOLDER] [--page FILE]` with the
//! folder of the CSV files, `../shared/data/reviews` without one; FILE gets the report as a page.

mod support;

use std::path::{Path, PathBuf};

use axum::body::Bytes;
use axum::http::Method;
use clap::Parser;
use serde_json::{Value, json};
use support::{Failure, Server};
use whereof::clock::SystemClock;

// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Folder of the CSV files.
    folder: Option<PathBuf>,
    /// File for the first report as a page.
    #[arg(long)]
    page: Option<PathBuf>,
    /// Only the niche.
    #[arg(long)]
    niche: bool,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The part of a row, by its place.
type Part = fn(usize) -> &'static str;

/// The rows of a file, each with its part.
fn rows(path: &Path, part: Part, into: &mut csv::Writer<Vec<u8>>) -> Result<(), Failure> {
    for (at, record) in csv::Reader::from_path(path)?.records().enumerate() {
        let mut record = record?;
        record.push_field(part(at));
        into.write_record(&record)?;
    }
    Ok(())
}

/// Uploads the files, each with the part of its rows, and trains on them with every default.
async fn trained(server: &Server, name: &str, files: &[(PathBuf, Part)]) -> Result<Value, Failure> {
    let mut all = csv::Writer::from_writer(Vec::new());
    all.write_record(["text", "sentiment", "category", "split"])?;
    for (path, part) in files {
        rows(path, *part, &mut all)?;
    }
    let text = String::from_utf8(all.into_inner().map_err(|error| error.to_string())?)?;
    let dataset: Value = server.client.post_as("/v1/datasets", "text/csv", text).await?.json()?;
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": name,
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "split": {"column": "split"},
    });
    server.succeeded(&request).await
}

/// Diagnoses a model and prints how its report grows.
async fn diagnosed(server: &Server, name: &str, training: f64) -> Result<Value, Failure> {
    let request = json!({"kind": "diagnose", "model": name, "slice": "category"});
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    let job = server.submit(&request).await?;
    let id = job["id"].as_str().ok_or("no id")?;
    println!("| trainings | seconds | in trainings | found | not found | pending | first |");
    println!("|---|---|---|---|---|---|---|");
    let mut told = String::new();
    loop {
        let state: Value = server.client.get(&format!("/v1/jobs/{id}?wait=1")).await?;
        let path = format!("/v1/models/{name}/limitations?job={id}");
        let answer = server.client.send(Method::GET, &path, &[], Bytes::new()).await?;
        if answer.status.is_success() {
            let report: Value = answer.json()?;
            let findings = report["findings"].as_array().ok_or("no findings")?;
            let count = |status: &str| findings.iter().filter(|f| f["status"] == status).count();
            let row = format!(
                "{} | {} | {} | {}",
                count("found"),
                count("not_found"),
                count("pending"),
                findings
                    .iter()
                    .find(|f| f["status"] == "found")
                    .map_or("–", |f| { f["kind"].as_str().unwrap_or_default() })
            );
            if row != told {
                let seconds = (clock.monotonic() - began).as_secs_f64();
                let runs = report["scope"]["spent"]["runs"].as_f64().unwrap_or_default();
                println!("| {runs:.1} | {seconds:.1} | {:.1} | {row} |", seconds / training);
                told = row;
            }
            let ended = !["queued", "running"].iter().any(|status| state["status"] == *status);
            if ended && report["complete"] == true {
                return Ok(report);
            }
        }
    }
}

fn tell(report: &Value) {
    println!("\n{}\n", report["summary"].as_str().unwrap_or_default());
    println!("| finding | severity | statement | remedy | verdict |\n|---|---|---|---|---|");
    let findings = report["findings"].as_array().into_iter().flatten();
    for finding in findings.filter(|finding| finding["status"] == "found") {
        println!(
            "| {} | {:.2} | {} | {} | {} |",
            finding["kind"].as_str().unwrap_or_default(),
            finding["severity"].as_f64().unwrap_or_default(),
            finding["statement"].as_str().unwrap_or_default(),
            finding["remedy"]["advice"].as_str().unwrap_or_default(),
            finding["verification"]["verdict"].as_str().unwrap_or("not tried"),
        );
    }
    let spent = &report["scope"]["spent"];
    println!(
        "\nIt took {:.1} trainings of the model's own size, {} epochs and {:.0} seconds of computing.\n",
        spent["runs"].as_f64().unwrap_or_default(),
        spent["epochs"],
        spent["seconds"].as_f64().unwrap_or_default()
    );
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run it with `cargo bench --bench limitations`");
        return Ok(());
    }
    let arguments = Arguments::parse();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = arguments.folder.unwrap_or_else(|| root.join("../shared/data/reviews"));
    let general = folder.join("general_train.csv");
    if !general.exists() {
        println!("skipped: there is no {}", general.display());
        return Ok(());
    }
    let server = Server::start(&["--workers", "1"])?;
    let seconds = async |job: &Value| -> Result<f64, Failure> {
        let path = format!("/v1/runs/{}", job["run"].as_str().ok_or("no run")?);
        let run: Value = server.client.get(&path).await?;
        run["seconds"]["total"].as_f64().ok_or_else(|| "no seconds".into())
    };
    if !arguments.niche {
        println!("## General reviews\n");
        let part = |at: usize| match at % 10 {
            0 | 5 => "test",
            1 => "validation",
            2 => "calibration",
            _ => "train",
        };
        let files: [(PathBuf, Part); 1] = [(general.clone(), part)];
        let job = trained(&server, "general", &files).await?;
        let training = seconds(&job).await?;
        println!("A training takes {training:.1} seconds.\n");
        let report = diagnosed(&server, "general", training).await?;
        tell(&report);
        if let Some(file) = &arguments.page {
            let accept = [("accept", "text/html")];
            let path = "/v1/models/general/limitations";
            let page = server.client.send(Method::GET, path, &accept, Bytes::new()).await?;
            std::fs::write(file, &page.body)?;
        }
    }
    println!("## General reviews against a niche\n");
    let part = |at: usize| match at % 10 {
        0 => "validation",
        1 => "calibration",
        _ => "train",
    };
    let files: [(PathBuf, Part); 2] =
        [(general, part), (folder.join("niche_baby_test.csv"), |_| "test")];
    let job = trained(&server, "niche", &files).await?;
    let report = diagnosed(&server, "niche", seconds(&job).await?).await?;
    tell(&report);
    Ok(())
}
