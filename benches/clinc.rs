//! What lies outside: CLINC150 (Larson et al. 2019), trained on in-scope texts alone, over HTTP with
//! every default. Prints how well each axis by itself and their combination tell out-of-scope test
//! texts from in-scope ones, the false alarms that were promised and those that came, accuracy and
//! calibration, and what a text costs on one core. `cargo bench --bench clinc -- FOLDER` with the
//! folder of the CSV files; `../shared/data/clinc150` without one.

#[path = "support/cost.rs"]
mod cost;
mod support;

use std::path::{Path, PathBuf};

use axum::http::Method;
use serde_json::{Value, json};
use support::{Failure, Server};
use whereof::eval::metric::{auroc, false_positive_rate_at_recall};
use whereof::model::Model;

// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Texts scored by one request.
const CHUNK: usize = 1_500;

fn column(path: &Path, name: &str) -> Result<Vec<String>, Failure> {
    let mut reader = csv::Reader::from_path(path)?;
    let place = reader.headers()?.iter().position(|header| header == name).ok_or("no column")?;
    reader.records().map(|record| Ok(record?[place].to_owned())).collect()
}

async fn scores(server: &Server, texts: &[String]) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    for chunk in texts.chunks(CHUNK) {
        let body = json!({"texts": chunk, "top_labels": 1});
        let answer: Value = server.client.post("/v1/models/intents/score", &body).await?;
        all.extend(answer["results"].as_array().ok_or("no results")?.iter().cloned());
    }
    Ok(all)
}

/// A row of the table: how scores of in-scope and out-of-scope texts, and their p-values, differ.
fn row(name: &str, inside: &[(f64, f64)], outside: &[(f64, f64)]) {
    let both = || inside.iter().chain(outside);
    let values: Vec<f64> = both().map(|(score, _)| *score).collect();
    let positive: Vec<bool> = (0..values.len()).map(|i| i >= inside.len()).collect();
    let share = |part: &[(f64, f64)]| {
        part.iter().filter(|(_, p)| *p <= 0.05).count() as f64 / part.len() as f64
    };
    println!(
        "| {name} | {:.4} | {:.4} | {:.4} | {:.4} |",
        auroc(&values, &positive),
        false_positive_rate_at_recall(&values, &positive, 0.95),
        share(outside),
        share(inside)
    );
}

fn pick(scored: &[Value], read: impl Fn(&Value) -> Value) -> Vec<(f64, f64)> {
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    scored
        .iter()
        .map(|s| read(&s["ood"]))
        .map(|v| (number(&v, "score"), number(&v, "p_value")))
        .collect()
}

async fn run(folder: PathBuf) -> Result<(), Failure> {
    let server = Server::start(&[])?;
    let mut all = csv::Writer::from_writer(Vec::new());
    all.write_record(["text", "intent", "split"])?;
    for split in ["train", "validation", "test"] {
        let path = folder.join(format!("{split}.csv"));
        for (text, intent) in column(&path, "text")?.iter().zip(column(&path, "intent")?) {
            all.write_record([text, &intent, split])?;
        }
    }
    let csv = String::from_utf8(all.into_inner()?)?;
    let dataset: Value = server.client.post_as("/v1/datasets", "text/csv", csv).await?.json()?;
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "intents",
        "task": {"type": "text_classification", "text": "text", "label": "intent"},
        "split": {"column": "split"},
    });
    let job = server.succeeded(&request).await?;
    let run: Value =
        server.client.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap_or(""))).await?;
    let test = &run["metrics"]["test"];
    println!(
        "## CLINC150: {} s of training\n",
        run["seconds"]["total"].as_f64().unwrap_or(f64::NAN).round()
    );
    println!("| | test |\n|---|---|");
    println!("| accuracy | {:.4} |", test["accuracy"].as_f64().unwrap_or(f64::NAN));
    println!("| ECE(15) before | {:.4} |", test["ece"].as_f64().unwrap_or(f64::NAN));
    println!("| ECE(15) after | {:.4} |", test["calibrated"]["ece"].as_f64().unwrap_or(f64::NAN));

    let texts = column(&folder.join("test.csv"), "text")?;
    let inside = scores(&server, &texts).await?;
    let outside = scores(&server, &column(&folder.join("out_of_scope_test.csv"), "text")?).await?;
    println!(
        "\n| axis | AUROC | FPR95 | found at 0.05 | false alarms at 0.05 |\n|---|---|---|---|---|"
    );
    let axes = inside[0]["ood"]["axes"].as_object().ok_or("no axes")?;
    for name in axes.keys() {
        let of = |scored: &[Value]| pick(scored, |ood| ood["axes"][name].clone());
        row(name, &of(&inside), &of(&outside));
    }
    row("**combined**", &pick(&inside, Value::clone), &pick(&outside, Value::clone));

    let path = format!("/v1/models/{}/artifact", job["model"].as_str().unwrap_or(""));
    let artifact = server.client.send(Method::GET, &path, &[], "").await?;
    let model = Model::from_bytes(&artifact.body)?;
    cost::print(&model, &texts);
    Ok(())
}

fn main() -> Result<(), Failure> {
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("run it with `cargo bench --bench clinc`");
        return Ok(());
    }
    let given = arguments.iter().find(|argument| !argument.starts_with("--"));
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/clinc150");
    let folder = given.map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: {} is no folder", folder.display());
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(folder))
}
