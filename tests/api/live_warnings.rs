//! What a training shows is told while it runs, and stays with its job, its run and its model.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::Server;
use crate::stopping::line;

/// What a training may be warned of while it runs.
const CODES: [&str; 7] = [
    "diverged",
    "diverging",
    "exploding_gradients",
    "vanishing_gradients",
    "dead_units",
    "plateau",
    "overfitting",
];

fn request(dataset: &Value, rate: f64) -> Value {
    json!({"kind": "train", "dataset": dataset["id"],
        "task": {"type": "tabular_regression", "target": "y"},
        "network": {"type": "mlp", "hidden": [16]}, "schedule": {"type": "constant"},
        "optimizer": {"type": "sgd", "learning_rate": rate, "momentum": 0.9},
        "training": {"epochs": 40, "batch_size": 16, "early_stopping": null}})
}

fn told(of: &Value) -> Vec<Value> {
    let none = Vec::new();
    let warnings = of["warnings"].as_array().unwrap_or(&none);
    let known = |warning: &&Value| CODES.iter().any(|code| warning["code"] == *code);
    warnings.iter().filter(known).cloned().collect()
}

async fn run_of(server: &Server, job: &Value) -> Value {
    server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await
}

#[tokio::test]
async fn a_rate_times_a_hundred_is_told_and_a_sound_training_of_nothing() {
    let server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    let sound = server.train(&request(&dataset, 0.02)).await;
    assert_eq!(told(&sound), Vec::<Value>::new());
    let run = run_of(&server, &sound).await;
    assert!(run["metrics"]["validation"]["r2"].as_f64().unwrap() > 0.9, "{run}");

    let job = server.submit(&request(&dataset, 2.0)).await;
    let job = server.ended(job["id"].as_str().unwrap()).await;
    let warnings = told(&job);
    let first = warnings.first().unwrap_or_else(|| panic!("no warning: {job}"));
    let message = first["message"].as_str().unwrap();
    assert!(message.contains("epoch ") && message.contains("set "), "{message}");
    assert_eq!(told(&run_of(&server, &job).await), warnings);
}

#[tokio::test]
async fn a_warning_is_there_while_the_training_runs_and_after_it() {
    let server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    let mut dead = request(&dataset, 0.02);
    let initialization = json!({"weights": {"type": "constant", "value": -0.5}});
    dead["network"] = json!({"type": "mlp", "hidden": [10, 10], "initialization": initialization});
    dead["training"]["epochs"] = json!(100_000);
    let job = server.submit(&dead).await;
    let id = job["id"].as_str().unwrap();
    let warned = |job: &Value| told(job).iter().any(|warning| warning["code"] == "dead_units");
    let running = server.until(id, warned).await;
    assert_eq!(running["status"], "running", "{running}");
    let dead = told(&running).into_iter().find(|told| told["code"] == "dead_units").unwrap();
    let message = dead["message"].as_str().unwrap();
    assert!(message.contains("after epoch 1 100 %") && message.contains("layer 2"), "{message}");
    assert!(told(&run_of(&server, &job).await).contains(&dead));

    // Stopped, it keeps its model, whose card has the warning too, and each code once.
    let path = format!("/v1/jobs/{id}/stop");
    assert_eq!(server.send(Method::POST, &path, &[], "").await.status, 202);
    let stopped = server.ended(id).await;
    assert_eq!(stopped["status"], "stopped", "{stopped}");
    let warnings = told(&stopped);
    for code in CODES {
        assert!(warnings.iter().filter(|told| told["code"] == code).count() <= 1, "{warnings:?}");
    }
    assert!(warnings.contains(&dead), "{warnings:?}");
    assert_eq!(told(&run_of(&server, &stopped).await), warnings);
    let card = format!("/v1/models/{}/card", stopped["model"].as_str().unwrap());
    assert_eq!(told(&server.get(&card).await), warnings);
}
