//! The textbook's examples in figures: how far a linear network gets with a sine, ten units with a
//! classification, and a shallow network with images of several shapes, over seeds, and what more
//! capacity is worth. `cargo bench --bench examples -- [PYTHON]`. Where `python3` (or the command that
//! is named) has scikit-learn, its `MLPClassifier` stands beside ours on the same records. Prints the
//! tables that stand in `REPORT.md`.

mod support;

use std::fmt::Write;
use std::process::Command;

use serde_json::{Value, json};
use support::{Failure, Server};

/// A setting over seeds.
struct Setting {
    name: &'static str,
    seeds: u64,
    request: Box<dyn Fn(u64) -> Value>,
}

/// Trains two settings over their seeds; prints their table, and by how much they differ.
async fn example(
    server: &Server,
    (part, metric): (&str, &str),
    settings: &[Setting],
) -> Result<(), Failure> {
    println!("| setting | {metric} ({part}) | range | epochs | seconds |\n|---|---|---|---|---|");
    let mut runs = Vec::new();
    for Setting { name, seeds, request } in settings {
        let (mut values, mut epochs, mut seconds) = (Vec::new(), 0.0, 0.0);
        for seed in 1..=*seeds {
            let job = server.succeeded(&request(seed)).await?;
            let id = job["run"].as_str().ok_or("no run")?.to_owned();
            let run: Value = server.client.get(&format!("/v1/runs/{id}")).await?;
            values.push(run["metrics"][part][metric].as_f64().ok_or("no such metric")?);
            epochs += run["epochs"].as_f64().unwrap_or_default();
            seconds += run["seconds"]["total"].as_f64().unwrap_or_default();
            runs.push(id);
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let (low, high) =
            values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        println!(
            "| {name} | {mean:.4} ± {:.4} | {low:.4} to {high:.4} | {:.0} | {:.2} |",
            variance.sqrt(),
            epochs / n,
            seconds / n
        );
    }
    let comparison: Value =
        server.client.get(&format!("/v1/runs/compare?ids={}", runs.join(","))).await?;
    let rows = comparison["group_metrics"].as_array().ok_or("no groups")?;
    let row = rows.iter().find(|row| row["part"] == part && row["metric"] == metric);
    let found = &row.ok_or("no such metric")?["differences"][0];
    println!(
        "\nThe second less the first: {:.4}, 95 % interval over seeds {:.4} to {:.4}.\n",
        found["difference"].as_f64().unwrap_or(f64::NAN),
        found["interval"][0].as_f64().unwrap_or(f64::NAN),
        found["interval"][1].as_f64().unwrap_or(f64::NAN)
    );
    Ok(())
}

async fn generate(server: &Server, generator: &Value) -> Result<Value, Failure> {
    Ok(server.client.post("/v1/datasets", &json!({"generator": generator})).await?)
}

async fn sine(server: &Server) -> Result<(), Failure> {
    println!("## A sine: 100 points on [0, 10], batches of 10, Adam at 0.01, 1,000 epochs\n");
    let generator = json!({"type": "sine", "points": 100, "low": 0, "high": 10, "noise": 0.0});
    let dataset = generate(server, &generator).await?["id"].clone();
    let setting = |name, hidden: &'static [usize]| {
        let dataset = dataset.clone();
        let request = move |seed: u64| {
            json!({
                "kind": "train", "dataset": dataset,
                "task": {"type": "tabular_regression", "features": ["x"], "target": "y"},
                "network": {"type": "mlp", "hidden": hidden, "activation": "relu"},
                "optimizer": {"type": "adam", "learning_rate": 0.01},
                "schedule": {"type": "constant"},
                "training":
                    {"epochs": 1000, "batch_size": 10, "seed": seed, "early_stopping": null},
                "split": {"train": 1.0},
            })
        };
        Setting { name, seeds: 5, request: Box::new(request) }
    };
    let settings = [setting("linear", &[]), setting("1-10-10-1, ReLU", &[10, 10])];
    example(server, ("train", "mse"), &settings).await
}

async fn classification(server: &Server, python: &str) -> Result<(), Failure> {
    println!("## A classification: 1,000 records, 20 features, 15 informative, 5 redundant\n");
    let generator = json!({"type": "make_classification", "samples": 1000, "features": 20,
        "informative": 15, "redundant": 5, "seed": 42});
    let made = generate(server, &generator).await?;
    let id = made["id"].as_str().ok_or("no id")?;
    // The last fifth is the test, a tenth of the rest stops early; for us and for the peer.
    let page: Value = server.client.get(&format!("/v1/datasets/{id}/records?limit=1000")).await?;
    let records = page["items"].as_array().ok_or("no records")?;
    let features: Vec<String> = (0..20).map(|i| format!("x{i}")).collect();
    let (mut plain, mut split) = (String::new(), String::new());
    writeln!(plain, "{},label", features.join(","))?;
    writeln!(split, "{},label,few,more", features.join(","))?;
    for (i, record) in records.iter().enumerate() {
        let cells: Vec<String> = features.iter().map(|name| record[name].to_string()).collect();
        let row = format!("{},{}", cells.join(","), record["label"]);
        let (few, more) = match i {
            800.. => ("test", "test"),
            _ if i % 10 == 0 => ("train", "validation"),
            _ => ("train", "train"),
        };
        writeln!(plain, "{row}")?;
        writeln!(split, "{row},{few},{more}")?;
    }
    let answer = server.client.post_as("/v1/datasets", "text/csv", split).await?;
    let dataset = answer.json::<Value>()?["id"].clone();
    let setting = |name,
                   hidden: &'static [usize],
                   epochs: u64,
                   column: &'static str,
                   stop: Value| {
        let (dataset, features) = (dataset.clone(), features.clone());
        let request = move |seed: u64| {
            json!({
                "kind": "train", "dataset": dataset,
                "task": {"type": "tabular_classification", "features": features, "label": "label"},
                "network": {"type": "mlp", "hidden": hidden, "activation": "relu"},
                "optimizer": {"type": "adam", "learning_rate": 0.001},
                "schedule": {"type": "constant"},
                "regularization": {"l2": 0.0001},
                "training": {"epochs": epochs, "batch_size": 200, "seed": seed,
                             "early_stopping": stop},
                "split": {"column": column, "validation": 0.0, "calibration": 0.0},
            })
        };
        Setting { name, seeds: 10, request: Box::new(request) }
    };
    let stop = json!({"metric": "log_loss", "patience": 10, "min_delta": 0.0001});
    let settings = [
        setting("10 units, 100 epochs", &[10], 100, "few", Value::Null),
        setting("50-50, 300 epochs, early stopping", &[50, 50], 300, "more", stop),
    ];
    example(server, ("test", "accuracy"), &settings).await?;
    peer(python, &plain)
}

/// scikit-learn on the same records, where it is installed.
fn peer(python: &str, records: &str) -> Result<(), Failure> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), records)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/mlp_classifier.py");
    match Command::new(python).arg(script).arg(file.path()).output() {
        Ok(output) if output.status.success() => {
            println!("| setting | accuracy (test) | range | iterations | seconds |");
            println!("|---|---|---|---|---|\n{}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            println!("No peer beside it: {}\n", said.lines().last().unwrap_or_default());
        }
        Err(error) => println!("No peer beside it: {python}: {error}\n"),
    }
    Ok(())
}

async fn shapes(server: &Server) -> Result<(), Failure> {
    println!("## Images of up to three shapes: 600 of 16 × 16, 15 epochs\n");
    let generator = json!({"type": "shapes", "images": 600, "size": 16});
    let dataset = generate(server, &generator).await?["id"].clone();
    let setting = |name, filters: &'static [usize], normalization: &'static str| {
        let dataset = dataset.clone();
        let request = move |seed: u64| {
            json!({
                "kind": "train", "dataset": dataset,
                "task": {"type": "image_classification", "image": "image", "label": "labels",
                         "multi_label": true},
                "network":
                    {"type": "image_cnn", "filters": filters, "normalization": normalization},
                "optimizer": {"type": "adam", "learning_rate": 0.005},
                "training": {"epochs": 15, "batch_size": 10, "seed": seed, "early_stopping": null},
                "split": {"train": 0.7, "validation": 0.0, "calibration": 0.0, "test": 0.3},
            })
        };
        Setting { name, seeds: 5, request: Box::new(request) }
    };
    let settings = [
        setting("one block of 4 filters", &[4], "none"),
        setting("blocks of 8, 16 and 32, batch normalisation", &[8, 16, 32], "batch"),
    ];
    example(server, ("test", "micro_f1"), &settings).await
}

fn main() -> Result<(), Failure> {
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let python = arguments.iter().find(|argument| !argument.starts_with("--"));
    let python = python.map_or("python3", String::as_str);
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("run it with `cargo bench --bench examples`");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(&["--workers", "1"])?;
        sine(&server).await?;
        classification(&server, python).await?;
        shapes(&server).await
    })
}
