//! Whether successive halving finds what a full grid finds, and at what cost: 60 trials over five
//! hyperparameters against the grid of all 72 settings, on product reviews. `cargo bench --bench sweeps
//! -- FOLDER`, where the folder has `general_train.csv` and `general_test.csv` with the columns `text`
//! and `sentiment`. Prints the table that stands in `REPORT.md`.

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Failure, Server};
use whereof::clock::SystemClock;
use whereof::compute::cores;

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
            "network.dimension": {"choice": [8, 24, 64]},
            "training.batch_size": {"choice": [32, 128]},
            "regularization.ngram_dropout": {"choice": [0.0, 0.3]},
            "vectorizer.character_ngrams": {"choice": [null, {"min": 3, "max": 5}]},
        },
    })
}

async fn run(folder: PathBuf) -> Result<(), Failure> {
    let clock = SystemClock::shared();
    let threads = cores().to_string();
    let server = Server::start(&["--workers", "1", "--threads-per-job", &threads])?;
    let upload = async |name: &str| -> Result<Value, Failure> {
        let bytes = std::fs::read(folder.join(name))?;
        Ok(server.client.post_as("/v1/datasets", "text/csv", bytes).await?.json()?)
    };
    let (train, test) = (upload("general_train.csv").await?, upload("general_test.csv").await?);
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
        let job = server.succeeded(&request(&train, strategy)).await?;
        let id = job["id"].as_str().ok_or("no id")?;
        let table: Value = server.client.get(&format!("/v1/jobs/{id}/sweep")).await?;
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
