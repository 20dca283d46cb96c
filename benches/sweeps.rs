//! Whether successive halving finds what a full grid finds, and at what cost: 60 trials over five
//! hyperparameters against the grid of all 72 settings, on product reviews. `cargo bench --bench sweeps
//! -- FOLDER`, where the folder has `general_train.csv` and `general_test.csv` with the columns `text`
//! and `sentiment`. Prints the table that stands in `REPORT.md`.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use whereof::client::Client;
use whereof::clock::SystemClock;
use whereof::compute::cores;

type Failure = Box<dyn Error + Send + Sync>;

/// The server, in a process of its own as in the field.
struct Server {
    child: Child,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let threads = cores().to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_whereof"))
            .args(["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--threads-per-job"])
            .args([threads.as_str(), "--data-dir"])
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take().ok_or("no log")?;
        let address = BufReader::new(log).lines().map_while(Result::ok).find_map(|line| {
            line.split_once("address=").map(|(_, address)| address.trim().to_owned())
        });
        let base = format!("http://{}", address.ok_or("the server does not listen")?);
        Ok(Self { child, client: Client::new(base), _folder: folder })
    }

    async fn upload(&self, path: PathBuf) -> Result<Value, Failure> {
        let answer = self.client.post_as("/v1/datasets", "text/csv", std::fs::read(path)?).await?;
        Ok(answer.json()?)
    }

    /// Runs a sweep; returns its table.
    async fn sweep(&self, request: &Value) -> Result<Value, Failure> {
        let job: Value = self.client.post("/v1/jobs", request).await?;
        let id = job["id"].as_str().ok_or("no id")?.to_owned();
        loop {
            let job: Value = self.client.get(&format!("/v1/jobs/{id}?wait=30")).await?;
            if job["finished_at"].is_string() {
                if job["status"] != "succeeded" {
                    return Err(format!("the sweep has not succeeded: {job}").into());
                }
                return Ok(self.client.get(&format!("/v1/jobs/{id}/sweep")).await?);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The folder goes too, so nothing needs to be drained.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A sweep of 72 possible settings, nine epochs at most each.
fn request(dataset: &Value, strategy: &Value) -> Value {
    json!({
        "kind": "sweep", "strategy": strategy,
        "base": {
            "dataset": dataset["id"],
            "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
            "training": {"epochs": 9, "early_stopping": null},
            "split": {"train": 0.75, "validation": 0.2, "calibration": 0.05},
        },
        "space": {
            "optimizer.learning_rate": {"choice": [0.0003, 0.002, 0.01]},
            "network.dimension": {"choice": [8, 32, 128]},
            "training.batch_size": {"choice": [32, 128]},
            "regularization.ngram_dropout": {"choice": [0.0, 0.3]},
            "vectorizer.character_ngrams": {"choice": [null, {"min": 3, "max": 5}]},
        },
    })
}

async fn run(folder: PathBuf) -> Result<(), Failure> {
    let clock = SystemClock::shared();
    let server = Server::start()?;
    let train = server.upload(folder.join("general_train.csv")).await?;
    let test = server.upload(folder.join("general_test.csv")).await?;
    let strategies = [
        ("full grid", json!({"type": "grid"})),
        ("successive halving", json!({"type": "successive_halving", "trials": 60})),
    ];
    println!(
        "| sweep | settings | epochs | steps | seconds | best validation accuracy | its test accuracy |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut tables = Vec::new();
    for (name, strategy) in &strategies {
        let began = clock.monotonic();
        let table = server.sweep(&request(&train, strategy)).await?;
        let seconds = (clock.monotonic() - began).as_secs();
        let model = table["model"].as_str().ok_or("no model")?;
        let path = format!("/v1/models/{model}/evaluate");
        let report: Value = server.client.post(&path, &json!({"dataset": test["id"]})).await?;
        println!(
            "| {name} | {} | {} | {} | {seconds} | {:.4} | {:.4} |",
            table["sweep"]["trials"],
            table["epochs"],
            table["steps"],
            table["trials"][0]["value"].as_f64().unwrap_or(f64::NAN),
            report["overall"]["metrics"]["accuracy"].as_f64().unwrap_or(f64::NAN),
        );
        tables.push(table);
    }
    for ((name, _), table) in strategies.iter().zip(&tables) {
        println!("\nImportance, {name}:\n\n| field | importance | 95 % interval |\n|---|---|---|");
        for field in table["importance"].as_array().into_iter().flatten() {
            println!(
                "| `{}` | {:.2} | {:.2} to {:.2} |",
                field["field"].as_str().unwrap_or_default(),
                field["importance"].as_f64().unwrap_or(f64::NAN),
                field["interval"][0].as_f64().unwrap_or(f64::NAN),
                field["interval"][1].as_f64().unwrap_or(f64::NAN),
            );
        }
        println!("\nThe best five, {name}:\n\n| rank | accuracy | setting |\n|---|---|---|");
        for trial in table["trials"].as_array().into_iter().flatten().take(5) {
            println!(
                "| {} | {:.4} | `{}` |",
                trial["rank"],
                trial["value"].as_f64().unwrap_or(f64::NAN),
                trial["parameters"]
            );
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.iter().find(|argument| !argument.starts_with("--"));
    let (Some(folder), true) = (folder, arguments.iter().any(|argument| argument == "--bench"))
    else {
        println!("run it with `cargo bench --bench sweeps -- FOLDER`");
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(PathBuf::from(folder)))
}
