//! A range test of learning rates: a job that makes no model.

use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{Server, refused, small_reviews, train_request};
use crate::stopping::{line, line_request};

fn range_test(mut request: Value, range: Value) -> Value {
    request["kind"] = "range_test".into();
    request["range_test"] = range;
    request
}

#[tokio::test]
async fn its_suggestion_learns_and_its_result_survives_a_restart() {
    let server = Server::start().await;
    let dataset = server.upload(line(300)).await;
    let job = server.train(&range_test(line_request(&dataset), json!({}))).await;
    assert_eq!((&job["kind"], &job["progress"]), (&json!("range_test"), &json!(1.0)));
    assert!(job["model"].is_null(), "{job}");
    let path = format!("/v1/runs/{}", job["run"].as_str().unwrap());
    let run = server.get(&path).await;
    let found = &run["range_test"];
    let suggestion = found["suggestion"].as_f64().unwrap_or_else(|| panic!("{found}"));
    assert!((1e-4..1.0).contains(&suggestion), "{found}");
    assert!(found["reason"].as_str().unwrap().contains("most steeply"), "{found}");
    let curve = found["curve"].as_array().unwrap();
    let rate = |point: &Value| point["learning_rate"].as_f64().unwrap();
    assert!(curve.len() > 20 && curve.windows(2).all(|pair| rate(&pair[0]) < rate(&pair[1])));
    assert!((rate(&curve[0]) - 1e-6).abs() < 1e-12);
    assert_eq!(run["steps"].as_u64().unwrap() as usize, curve.len());
    assert_eq!(run["spec"]["range_test"], json!({"low": 1e-6, "high": 10.0, "steps": 100}));
    // The history tells the same.
    let history = server.get(&format!("{path}/metrics?name=train.learning_rate")).await;
    assert_eq!(history["metrics"][0]["recorded"].as_u64().unwrap() as usize, curve.len());
    assert_eq!(server.get("/v1/models").await["items"], json!([]));
    let kinds = server.get("/v1/jobs?kind=range_test").await;
    assert_eq!(kinds["items"].as_array().unwrap().len(), 1);

    let mse = async |rate: f64| {
        let mut request = line_request(&dataset);
        request["optimizer"] = json!({"type": "adam", "learning_rate": rate});
        let job = server.train(&request).await;
        let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
        run["metrics"]["train"]["mse"].as_f64().unwrap()
    };
    let (good, slow) = (mse(suggestion).await, mse(suggestion / 1000.0).await);
    assert!(good < 0.5 * slow, "{good} {slow}");

    // A name stays free: nobody is told to wait for its model.
    let mut named = train_request(&dataset, Some("nobody"));
    named["task"] = line_request(&dataset)["task"].clone();
    server.train(&range_test(named, json!({}))).await;
    assert_eq!(
        server.send(axum::http::Method::GET, "/v1/models/nobody", &[], "").await.status,
        404
    );

    let folder = server.stop().await;
    let server = Server::start_in(folder, Settings::default()).await;
    assert_eq!(server.get(&path).await, run);
}

#[tokio::test]
async fn a_text_classifier_is_tested_the_same_every_time() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let request = range_test(train_request(&dataset, None), json!({"steps": 60}));
    let curve = async || {
        let job = server.train(&request).await;
        server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await["range_test"]
            .clone()
    };
    let first = curve().await;
    assert_eq!(curve().await, first);
    // Whatever the verdict is, it has a reason.
    assert!(!first["reason"].as_str().unwrap().is_empty());

    // Too low a range shows no end of the fall, or no fall: no suggestion.
    let low = json!({"low": 1e-9, "high": 1e-7, "steps": 60});
    let job = server.train(&range_test(train_request(&dataset, None), low)).await;
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert_eq!(run["range_test"]["suggestion"], Value::Null, "{}", run["range_test"]);
    assert_eq!(run["range_test"]["diverged_at"], Value::Null);
}

#[tokio::test]
async fn it_is_validated_estimated_stopped_and_cancelled_like_any_job() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let base = train_request(&dataset, None);
    let post = async |range: Value| server.post("/v1/jobs", &range_test(base.clone(), range)).await;
    for (range, code, field) in [
        (json!({"low": 1.0, "high": 0.1}), "invalid-spec", "range_test.high"),
        (json!({"low": 0}), "invalid-request", "range_test.low"),
        (json!({"steps": 5}), "invalid-request", "range_test.steps"),
        (json!({"lo": 5}), "invalid-request", "range_test.lo"),
    ] {
        refused(&post(range).await, 422, code, field);
    }
    let mut decays = range_test(base.clone(), json!({"high": 200.0}));
    decays["optimizer"] = json!({"type": "adamw"});
    decays["network"] = json!({"type": "mlp"});
    let answer = server.post("/v1/jobs", &decays).await;
    refused(&answer, 422, "invalid-spec", "network.type");
    refused(&answer, 422, "invalid-spec", "range_test.high");
    let mut other = base.clone();
    other["range_test"] = json!({});
    refused(&server.post("/v1/jobs", &other).await, 422, "invalid-request", "range_test");

    let valid =
        server.post("/v1/jobs?validate_only=true", &range_test(base.clone(), json!({}))).await;
    let valid = valid.value();
    assert_eq!(valid["spec"]["range_test"]["steps"], 100);
    let catalog = server.get("/v1/catalog").await;
    assert_eq!(catalog["range_test"]["fields"]["steps"]["default"], 100);
    assert!(catalog["training"]["fields"]["max_steps"].is_object());

    // Large batches of accumulated ones, so that it lasts.
    let mut long = range_test(base.clone(), json!({"steps": 1000, "high": 1e-5}));
    long["training"] = json!({"batch_size": 1, "accumulate": 140});
    for (end, status, has) in [("stop", "stopped", true), ("cancel", "cancelled", false)] {
        let job = server.submit(&long).await;
        let id = job["id"].as_str().unwrap();
        server.until(id, |job| job["phase"] == "training").await;
        let answer = server.post(&format!("/v1/jobs/{id}/{end}"), &json!({})).await;
        assert_eq!(answer.status, 202, "{}", answer.value());
        let job = server.ended(id).await;
        assert_eq!(job["status"], status, "{job}");
        let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
        assert_eq!(run["range_test"].is_object(), has, "{run}");
    }
}
