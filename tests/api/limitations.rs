//! The limitations of a model: looked for, with evidence, remedies tried, one of them applied.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, refused};
use crate::process::Process;

/// Points inside and outside of a circle.
pub fn circle() -> String {
    let mut rows = String::from("x,y,label\n");
    for i in 0..900 {
        let (x, y) = (f64::from(i * 7 % 61) / 30.0 - 1.0, f64::from(i * 13 % 57) / 28.0 - 1.0);
        let label = if x * x + y * y < 0.5 { "in" } else { "out" };
        rows.push_str(&format!("{x},{y},{label}\n"));
    }
    rows
}

/// A training whose learning rate is far too high.
pub fn too_fast(dataset: &Value) -> Value {
    json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "circle",
        "task": {"type": "tabular_classification", "label": "label"},
        "network": {"type": "mlp", "hidden": [8]},
        "optimizer": {"type": "adam", "learning_rate": 1.0},
        "schedule": {"type": "constant"},
        "training": {"epochs": 12, "batch_size": 16, "early_stopping": null},
        "split": {"train": 0.4, "validation": 0.2, "calibration": 0.1, "test": 0.3},
    })
}

pub fn diagnose(more: &Value) -> Value {
    let mut request = json!({"kind": "diagnose", "model": "circle",
        "only": ["learning_rate_too_high"], "budget": {"runs": 40}});
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

#[tokio::test]
async fn a_limitation_is_found_its_remedy_tried_and_applied() {
    let server = Server::start().await;
    let dataset = server.upload(circle()).await;
    server.train(&too_fast(&dataset)).await;
    let before = server.send(Method::GET, "/v1/models/circle/limitations", &[], "").await;
    let problem = refused(&before, 404, "not-found", "");
    assert!(problem["hint"].as_str().unwrap().contains("diagnose"), "{problem}");

    let job = server.train(&diagnose(&json!({}))).await;
    assert_eq!((&job["kind"], &job["status"]), (&json!("diagnose"), &json!("succeeded")), "{job}");
    let report = server.get("/v1/models/circle/limitations").await;
    assert_eq!(report["complete"], true, "{report:#}");
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["kind"], &finding["status"]),
        (&json!("learning_rate_too_high"), &json!("found")),
        "{report:#}"
    );
    let verification = &finding["verification"];
    assert_eq!(verification["verdict"], "verified", "{verification:#}");
    assert!(verification["remedy"].as_f64() > verification["original"].as_f64());
    // What it rests on can be looked up.
    for run in verification["runs"].as_array().unwrap() {
        let run = server.get(&format!("/v1/runs/{}", run.as_str().unwrap())).await;
        assert_eq!((&run["status"], &run["job"]), (&json!("succeeded"), &job["id"]));
        let rate = &finding["remedy"]["change"]["optimizer.learning_rate"];
        assert_eq!(&run["spec"]["optimizer"]["learning_rate"], rate);
        assert!(run["metrics"]["test"]["accuracy"].is_number(), "{run}");
    }
    let probes = report["scope"]["probes"].as_array().unwrap();
    assert!(report["scope"]["spent"]["runs"].as_f64().unwrap() <= 40.0);
    let runs = server.get("/v1/runs?limit=1000").await;
    let of_job = runs["items"].as_array().unwrap().iter().filter(|run| run["job"] == job["id"]);
    // And the job's own, which stands for the whole.
    assert_eq!(of_job.count(), probes.len() + 1);

    let made = server
        .post(
            "/v1/models/circle/apply-remedy",
            &json!({"finding": "learning_rate_too_high", "model_name": "slower"}),
        )
        .await;
    assert_eq!(made.status, 202, "{}", made.value());
    let made = server.ended(made.value()["id"].as_str().unwrap()).await;
    let model = server.get("/v1/models/slower").await;
    assert_eq!(model["id"], made["model"]);
    let of = json!({"model": report["model"], "diagnosis": job["id"], "finding": "learning_rate_too_high"});
    assert_eq!(model["remedy_of"], of);
    let accuracy = async |name: &str| {
        let card = server.get(&format!("/v1/models/{name}/card")).await;
        card["metrics"]["test"]["accuracy"].as_f64().unwrap()
    };
    assert!(accuracy("slower").await >= accuracy("circle").await);
    // A report goes with its model.
    let gone = server
        .send(Method::DELETE, &format!("/v1/models/{}", report["model"].as_str().unwrap()), &[], "")
        .await;
    assert_eq!(gone.status, 204);
}

#[tokio::test]
async fn what_cannot_be_diagnosed_is_refused() {
    let server = Server::start().await;
    let dataset = server.upload(circle()).await;
    server.train(&too_fast(&dataset)).await;
    let post = async |more: Value| server.post("/v1/jobs", &diagnose(&more)).await;
    let unknown = refused(&post(json!({"model": "nobody"})).await, 404, "not-found", "model");
    let hint = &unknown["hint"];
    assert!(hint.as_str().is_some_and(|hint| hint.contains("/v1/models")), "{unknown}");
    let only = json!({"only": ["learning_rate_to_high"]});
    let kind = refused(&post(only).await, 422, "invalid-request", "only[0]");
    assert_eq!(kind["hint"], "did you mean \"learning_rate_too_high\"?", "{kind}");
    refused(&post(json!({"seeds": 2})).await, 422, "invalid-request", "seeds");
    let slice = refused(&post(json!({"slice": "lable"})).await, 422, "invalid-request", "slice");
    assert_eq!(slice["hint"], "did you mean \"label\"?", "{slice}");
    refused(&post(json!({"budget": {"runs": 0}})).await, 422, "invalid-request", "budget.runs");

    let valid = server.post("/v1/jobs?validate_only=true", &diagnose(&json!({"budget": {}}))).await;
    let valid = valid.value();
    assert_eq!(valid["diagnosis"]["budget"]["runs"], 20.0, "{valid}");
    assert_eq!(valid["diagnosis"]["seeds"], 3);

    // A budget that reaches for nothing says so, and its report has no remedy to apply.
    let job = server.train(&diagnose(&json!({"budget": {"runs": 1}}))).await;
    assert_eq!(job["status"], "succeeded");
    let report = server.get("/v1/models/circle/limitations").await;
    assert_eq!(report["findings"][0]["status"], "not_measured");
    assert!(!report["scope"]["not_looked_at"].as_array().unwrap().is_empty());
    let apply = async |body: Value| server.post("/v1/models/circle/apply-remedy", &body).await;
    let none = apply(json!({"finding": "learning_rate_too_high"})).await;
    refused(&none, 409, "conflict", "");
    refused(&apply(json!({"finding": "ugliness"})).await, 404, "not-found", "finding");
    refused(&apply(json!({})).await, 422, "invalid-request", "finding");
}

/// A model that is being diagnosed stays; a diagnosis that is stopped keeps what it has.
#[tokio::test]
async fn a_diagnosis_can_be_stopped_and_holds_its_model() {
    let server = Server::start().await;
    let dataset = server.upload(circle()).await;
    let mut slow = too_fast(&dataset);
    slow["training"]["epochs"] = 2_000.into();
    slow["training"]["max_steps"] = 100.into();
    let trained = server.train(&slow).await;
    let job = server.submit(&diagnose(&json!({}))).await;
    let id = job["id"].as_str().unwrap();
    server.until(id, |job| job["status"] == "running").await;
    let model = trained["model"].as_str().unwrap();
    let held = server.send(Method::DELETE, &format!("/v1/models/{model}"), &[], "").await;
    refused(&held, 409, "in-use", "");
    server.post(&format!("/v1/jobs/{id}/stop"), &json!({})).await;
    let ended = server.ended(id).await;
    assert_eq!(ended["status"], "stopped", "{ended}");
    let report = server.get(&format!("/v1/models/circle/limitations?job={id}")).await;
    assert_eq!(report["complete"], true);
    assert!(report["scope"]["not_looked_at"].to_string().contains("stopped"), "{report:#}");
}

/// A server that is killed goes on with the diagnosis and repeats no probe; the findings are those of one
/// that was never disturbed.
#[tokio::test]
async fn a_killed_diagnosis_ends_as_if_nothing_had_happened() {
    const SERVE: &[&str] = &["--workers", "1", "--max-attempts", "100"];
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(folder.path(), SERVE).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", circle()).await.unwrap();
    let mut request = too_fast(&answer.value());
    request["training"]["epochs"] = 30.into();
    let submit = async |server: &Process, request: &Value| -> String {
        let job: Value = server.client.post("/v1/jobs", request).await.unwrap();
        job["id"].as_str().unwrap().to_owned()
    };
    server.ended(&submit(&server, &request).await).await;
    // Enough to look for it and to try its remedy.
    let short = diagnose(&json!({"budget": {"runs": 16}}));
    let id = submit(&server, &short).await;
    for share in [0.2, 0.6] {
        server.reached(&id, share).await;
        server.kill();
        server = Process::start(folder.path(), SERVE).await;
    }
    let killed = server.ended(&id).await;
    assert_eq!(killed["status"], "succeeded", "{killed}");
    let whole = submit(&server, &short).await;
    server.ended(&whole).await;
    let outcome = async |job: &str| {
        let report = server.get(&format!("/v1/models/circle/limitations?job={job}")).await;
        let mut probes: Vec<(String, String)> = report["scope"]["probes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (format!("{} {}", p["change"], p["seed"]), p["validation_error"].to_string()))
            .collect();
        probes.sort();
        let finding = &report["findings"][0];
        let verified = finding["verification"]["against_original"].clone();
        (probes, finding["statement"].clone(), verified)
    };
    assert_eq!(outcome(&id).await, outcome(&whole).await);
}
