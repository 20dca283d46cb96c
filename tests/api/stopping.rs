//! How a training ends before its last epoch, and what is kept then.

use serde_json::{Value, json};

use crate::harness::{Server, endless_request, refused, small_reviews, train_request};

/// Numbers by a straight line with some waves.
pub fn line(rows: usize) -> String {
    let row = |i: usize| {
        let x = i as f64 / rows as f64 * 4.0 - 2.0;
        format!("{x},{},{}\n", (7.0 * x).sin(), 3.0 * x + 1.0 + 0.1 * (50.0 * x).sin())
    };
    std::iter::once("x,wave,y\n".to_owned()).chain((0..rows).map(row)).collect()
}

/// A request to predict `y`.
pub fn line_request(dataset: &Value) -> Value {
    json!({"kind": "train", "dataset": dataset["id"],
        "task": {"type": "tabular_regression", "target": "y"}, "training": {"epochs": 4}})
}

async fn run_of(server: &Server, request: &Value) -> (Value, Value) {
    let job = server.train(request).await;
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    (job, run)
}

#[tokio::test]
async fn limits_end_a_training_and_keep_its_model() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut request = endless_request(&dataset);
    request["training"]["max_steps"] = json!(25);
    request["training"]["batch_size"] = json!(8);
    let (job, run) = run_of(&server, &request).await;
    assert_eq!((&run["end_reason"], &run["steps"]), (&json!("max_steps"), &json!(25)));
    assert_eq!((&job["progress"], &run["model"]), (&json!(1.0), &job["model"]));
    // 140 records train: 18 steps an epoch, and the second is cut short and measured.
    assert_eq!(run["epochs"], 2);
    assert!(run["metrics"]["validation"]["log_loss"].is_number());

    let mut request = endless_request(&dataset);
    request["training"]["max_seconds"] = json!(0.2);
    let (_, run) = run_of(&server, &request).await;
    assert_eq!(run["end_reason"], "max_seconds");
    assert!(run["steps"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn the_epoch_that_reaches_the_target_is_the_last() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut request = endless_request(&dataset);
    request["training"]["target"] = json!({"metric": "accuracy", "value": 0.6});
    let (_, run) = run_of(&server, &request).await;
    assert_eq!(run["end_reason"], "target");
    assert_eq!(run["best_epoch"], run["epochs"]);
    assert!(run["metrics"]["validation"]["accuracy"].as_f64().unwrap() >= 0.6);

    let dataset = server.upload(line(200)).await;
    let mut request = line_request(&dataset);
    request["training"] = json!({"epochs": 5000, "early_stopping": null,
        "target": {"metric": "r2", "value": 0.9}});
    let (_, run) = run_of(&server, &request).await;
    assert_eq!(run["end_reason"], "target");
    assert!(run["metrics"]["validation"]["r2"].as_f64().unwrap() >= 0.9);
}

#[tokio::test]
async fn ends_that_cannot_come_are_refused() {
    let server = Server::idle().await;
    let dataset = server.upload(small_reviews()).await;
    let bad = async |change: Value, field: &str| {
        let mut request = train_request(&dataset, None);
        for (name, value) in change.as_object().unwrap() {
            request[name] = value.clone();
        }
        let code =
            if field.ends_with("value") || field.contains("max_") || field.contains("checkpoint") {
                "invalid-request"
            } else {
                "invalid-spec"
            };
        refused(&server.post("/v1/jobs", &request).await, 422, code, field);
    };
    let target = |metric: &str| json!({"target": {"metric": metric, "value": 0.5}});
    bad(json!({"training": target("r2")}), "training.target.metric").await;
    let split = json!({"train": 1.0});
    bad(json!({"training": target("accuracy"), "split": split}), "training.target").await;
    let plateau = json!({"type": "reduce_on_plateau"});
    bad(json!({"schedule": plateau, "split": split}), "schedule.type").await;
    bad(json!({"training": {"target": {"metric": "accuracy"}}}), "training.target.value").await;
    bad(json!({"training": {"max_steps": 0}}), "training.max_steps").await;
    bad(json!({"training": {"max_seconds": 0}}), "training.max_seconds").await;
    bad(json!({"training": {"checkpoint_steps": 0}}), "training.checkpoint_steps").await;
}

#[tokio::test]
async fn divergence_keeps_what_was_learnt_before() {
    let server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    // A rate at which nothing can be learnt, from the first step.
    let mut request = line_request(&dataset);
    request["optimizer"] = json!({"type": "sgd", "learning_rate": 1000, "momentum": 0});
    request["schedule"] = json!({"type": "constant"});
    let job = server.submit(&request).await;
    let job = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&json!("failed"), &json!("training-diverged"))
    );
    assert!(job["error"]["hint"].as_str().unwrap().contains("learning_rate"), "{job}");

    // The same rate at the end of a long rise: some epochs are good. With a validation split, and
    // with none.
    for split in [json!({}), json!({"train": 1.0})] {
        request["training"] = json!({"epochs": 600, "early_stopping": null});
        request["optimizer"]["learning_rate"] = json!(10);
        request["schedule"] =
            json!({"type": "constant", "warmup": {"steps": 10_000, "start_factor": 1e-6}});
        request["split"] = split;
        let (job, run) = run_of(&server, &request).await;
        assert_eq!(run["end_reason"], "diverged");
        let [epochs, best] = ["epochs", "best_epoch"].map(|name| run[name].as_u64().unwrap());
        assert!((1..600).contains(&epochs) && (1..=epochs).contains(&best), "{best} of {epochs}");
        let warnings = job["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|warning| warning["code"] == "diverged"), "{job}");
        assert!(run["metrics"]["train"]["mse"].as_f64().unwrap().is_finite());
    }
}

#[tokio::test]
async fn an_explosion_in_the_first_epoch_fails_the_job() {
    let server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    let mut request = line_request(&dataset);
    request["optimizer"] = json!({"type": "adam", "learning_rate": 1000});
    let job = server.submit(&request).await;
    let job = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "failed", "{job}");
    assert_eq!(job["error"]["type"], "/problems/training-diverged");
}
