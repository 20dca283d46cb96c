//! Runs that are extended.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, refused, small_reviews, train_request};
use crate::stopping::{line, line_request};

pub fn id<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

pub async fn run_of(server: &Server, job: &Value) -> Value {
    server.get(&format!("/v1/runs/{}", id(job, "run"))).await
}

pub async fn sha(server: &Server, job: &Value) -> Value {
    server.get(&format!("/v1/models/{}", id(job, "model"))).await["sha256"].clone()
}

/// Steps and values of the training loss.
pub async fn losses(server: &Server, job: &Value) -> Vec<(u64, f64)> {
    let path = format!("/v1/runs/{}/metrics?name=train.loss&max_points=100000", id(job, "run"));
    let metrics = server.get(&path).await;
    let points = metrics["metrics"][0]["points"].as_array().unwrap().clone();
    points.iter().map(|p| (p["step"].as_u64().unwrap(), p["value"].as_f64().unwrap())).collect()
}

/// The arrays of a model's artifact.
pub async fn parameters(server: &Server, model: &str) -> whereof::arrays::Arrays {
    let path = format!("/v1/models/{model}/artifact");
    let answer = server.send(Method::GET, &path, &[], "").await;
    whereof::arrays::Arrays::from_bytes(&answer.body).unwrap()
}

pub async fn extended(server: &Server, job: &Value, body: Value) -> Value {
    let path = format!("/v1/runs/{}/resume", id(job, "run"));
    let answer = server.post(&path, &body).await;
    assert_eq!(answer.status, 202, "{}", answer.value());
    let job = answer.value();
    assert_eq!(answer.headers["location"], format!("/v1/jobs/{}", id(&job, "id")));
    let job = server.ended(id(&job, "id")).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    job
}

/// A request whose training has all that a step can leave behind.
fn whole_request(dataset: &Value, optimizer: Value, schedule: Value) -> Value {
    let mut request = line_request(dataset);
    request["network"] = json!({"type": "mlp", "hidden": [8, 8], "dropout": 0.2,
        "normalization": "batch"});
    request["optimizer"] = optimizer;
    request["schedule"] = schedule;
    request["training"] = json!({"epochs": 5, "early_stopping": {"patience": 50}});
    request
}

/// What `training.keep_state` says of it.
#[tokio::test]
async fn a_kept_state_holds_four_numbers_for_each_parameter_and_one_more_with_averages() {
    let server = Server::start().await;
    let table = server.upload(line(200)).await;
    let mut request = line_request(&table);
    request["network"] = json!({"type": "mlp", "hidden": [100, 100]});
    request["optimizer"] = json!({"type": "adam"});
    for (ema, numbers) in [(Value::Null, 4), (json!(0.9), 5)] {
        request["training"] = json!({"epochs": 2, "early_stopping": null, "ema_decay": ema});
        let job = server.train(&request).await;
        let card = server.get(&format!("/v1/models/{}/card", id(&job, "model"))).await;
        let parameters = card["parameters"].as_u64().unwrap();
        let states = server.folder.path().join("artifacts/states");
        let state = std::fs::metadata(states.join(format!("{}.safetensors", id(&job, "run"))));
        let values = state.unwrap().len() / 4;
        let expected = numbers * parameters..(numbers * parameters) * 21 / 20;
        assert!(expected.contains(&values), "{values} for {parameters} parameters");
    }
}

#[tokio::test]
async fn an_extended_run_is_bit_for_bit_the_longer_one() {
    let server = Server::start().await;
    let table = server.upload(line(200)).await;
    let reviews = server.upload(small_reviews()).await;
    let mut text = train_request(&reviews, None);
    text["optimizer"] = json!({"type": "adamw"});
    text["schedule"] = json!({"type": "reduce_on_plateau", "patience": 0});
    text["regularization"] = json!({"ngram_dropout": 0.3});
    text["training"] = json!({"epochs": 5, "early_stopping": null, "ema_decay": 0.9});
    let adam = json!({"type": "adam"});
    let sgd = json!({"type": "sgd", "learning_rate": 0.01});
    let step = json!({"type": "step", "every": 2});
    for mut request in [
        whole_request(&table, adam, json!({"type": "constant"})),
        whole_request(&table, sgd, step),
        text,
    ] {
        let whole = server.train(&request).await;
        request["training"]["epochs"] = json!(2);
        let first = server.train(&request).await;
        let steps = run_of(&server, &first).await["steps"].as_u64().unwrap();
        let second = extended(&server, &first, json!({"epochs": 1})).await;
        // And what was extended can be extended.
        let third = extended(&server, &second, json!({"epochs": 2})).await;
        assert_eq!(sha(&server, &third).await, sha(&server, &whole).await, "{request}");
        assert_ne!(sha(&server, &first).await, sha(&server, &whole).await);

        let run = run_of(&server, &second).await;
        assert_eq!(run["continues"], first["run"]);
        assert_eq!((&run["epochs"], &run["spec"]["training"]["epochs"]), (&json!(3), &json!(3)));
        assert_eq!(run["checkpoint"], json!({"epochs": 3, "steps": run["steps"]}));
        // What was told stays told, once; the epochs that came may have shown more.
        let told = |job: &Value| job["warnings"].as_array().cloned().unwrap_or_default();
        let (before, after) = (told(&first), told(&second));
        assert_eq!(before, after[..before.len()], "{first} {second}");
        assert_eq!(told(&run), after);
        let codes: BTreeSet<&str> = after.iter().map(|w| id(w, "code")).collect();
        assert_eq!(codes.len(), after.len(), "{after:?}");
        // The histories follow one another.
        let all = losses(&server, &whole).await;
        let mut joined = Vec::new();
        for part in [&first, &second, &third] {
            joined.extend(losses(&server, part).await);
        }
        assert_eq!(joined, all);
        assert_eq!(losses(&server, &second).await[0].0, steps + 1);
    }
}

#[tokio::test]
async fn a_run_that_ended_early_goes_on_to_its_planned_end() {
    let server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    let sgd = json!({"type": "sgd", "learning_rate": 0.01});
    let mut request = whole_request(&dataset, sgd, json!({"type": "constant"}));
    let whole = server.train(&request).await;
    // Within the fourth epoch.
    request["training"]["max_steps"] = json!(3 * 18 + 7);
    let first = server.train(&request).await;
    let run = run_of(&server, &first).await;
    let steps = run["steps"].as_u64().unwrap();
    let per_epoch = run_of(&server, &whole).await["steps"].as_u64().unwrap() / 5;
    assert!(!steps.is_multiple_of(per_epoch), "{steps} of {per_epoch}");
    assert_eq!(run["checkpoint"], json!({"epochs": steps / per_epoch, "steps": steps}));
    let second = extended(&server, &first, json!({})).await;
    // Its card warns of the limit; the parameters are the same.
    let [second_model, whole_model] = [id(&second, "model"), id(&whole, "model")];
    let arrays = [parameters(&server, second_model).await, parameters(&server, whole_model).await];
    for name in ["layers.0.weight", "layers.1.norm.variance", "layers.2.bias"] {
        let [extended, whole] = arrays.each_ref().map(|a| a.get::<f32>(name).unwrap());
        assert_eq!(extended, whole, "{name}");
    }
    let codes: Vec<&Value> =
        second["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
    assert!(codes.contains(&&json!("limit_lifted")), "{codes:?}");

    // A schedule over all epochs is another one in a longer training, and that is said.
    request["schedule"] = json!({"type": "cosine"});
    request["training"] = json!({"epochs": 2});
    let first = server.train(&request).await;
    let second = extended(&server, &first, json!({"epochs": 2})).await;
    let codes = second["warnings"].to_string();
    assert!(codes.contains("schedule_stretched"), "{codes}");
}

#[tokio::test]
async fn what_cannot_be_extended_is_refused_with_the_reason() {
    let server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    let resume =
        async |run: &str, body: Value| server.post(&format!("/v1/runs/{run}/resume"), &body).await;
    let reason = |problem: Value, text: &str| {
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(text) && problem["hint"].is_string(), "{problem}");
    };
    refused(&resume("run_0", json!({"epochs": 1})).await, 404, "not-found", "");
    let job = server.train(&line_request(&dataset)).await;
    let run = id(&job, "run");
    refused(&resume(run, json!({})).await, 422, "invalid-request", "epochs");
    refused(&resume(run, json!({"epochs": 0})).await, 422, "invalid-request", "epochs");
    refused(&resume(run, json!({"epochs": 99_999})).await, 422, "invalid-request", "epochs");
    refused(&resume(run, json!({"epoch": 3})).await, 422, "invalid-request", "epoch");

    let mut request = line_request(&dataset);
    request["training"]["keep_state"] = json!(false);
    let without = server.train(&request).await;
    let answer = resume(id(&without, "run"), json!({"epochs": 1})).await;
    reason(refused(&answer, 409, "conflict", ""), "keep_state");

    let mut sweep = line_request(&dataset);
    sweep.as_object_mut().unwrap().remove("kind");
    let space = json!({"optimizer.learning_rate": {"choice": [0.01, 0.001]}});
    let sweep = server.train(&json!({"kind": "sweep", "base": sweep, "space": space})).await;
    let answer = resume(id(&sweep, "run"), json!({"epochs": 1})).await;
    reason(refused(&answer, 409, "conflict", ""), "sweep");

    let mut endless = line_request(&dataset);
    endless["training"] = json!({"epochs": 100_000, "early_stopping": null, "checkpoint_steps": 1});
    let endless = server.submit(&endless).await;
    server.until(id(&endless, "id"), |job| job["phase"] == "training").await;
    let answer = resume(id(&endless, "run"), json!({"epochs": 1})).await;
    reason(refused(&answer, 409, "conflict", ""), "has not ended");
    server.post(&format!("/v1/jobs/{}/cancel", id(&endless, "id")), &json!({})).await;
    server.ended(id(&endless, "id")).await;
    let answer = resume(id(&endless, "run"), json!({"epochs": 1})).await;
    reason(refused(&answer, 409, "conflict", ""), "cancelled");

    let model = format!("/v1/models/{}", id(&job, "model"));
    let states = server.folder.path().join("artifacts/states");
    let files = || std::fs::read_dir(&states).unwrap().count();
    assert_eq!(files(), 1, "of the one training that is neither without nor a sweep's");
    server.send(Method::DELETE, &model, &[], "").await;
    assert_eq!(files(), 0);
    let answer = resume(run, json!({"epochs": 1})).await;
    reason(refused(&answer, 409, "conflict", ""), "deleted");
}

#[tokio::test]
async fn an_extension_is_accepted_once_and_its_state_held() {
    let mut server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    let job = server.train(&line_request(&dataset)).await;
    let folder = server.stop().await;
    server = Server::start_in(
        folder,
        whereof::config::Settings { workers: Some(0), ..whereof::config::Settings::default() },
    )
    .await;
    let path = format!("/v1/runs/{}/resume", id(&job, "run"));
    let headers = [("content-type", "application/json"), ("idempotency-key", "once")];
    let post = async |query: &str, body: &str| {
        server.send(Method::POST, &format!("{path}{query}"), &headers, body.to_owned()).await
    };
    let checked = post("?validate_only=true", r#"{"epochs": 3}"#).await;
    assert_eq!((checked.status.as_u16(), checked.value()["valid"].clone()), (200, json!(true)));
    assert_eq!(checked.value()["spec"]["training"]["epochs"], 7);
    let first = post("", r#"{"epochs": 3}"#).await;
    let again = post("", r#"{"epochs": 3}"#).await;
    assert_eq!((first.status.as_u16(), first.value()), (202, again.value()));
    assert_eq!(again.headers["idempotent-replay"], "true");
    let other = post("", r#"{"epochs": 4}"#).await;
    refused(&other, 409, "idempotency-mismatch", "");
    // While the extension waits, its state stays, and its data.
    let delete = async |path: String| server.send(Method::DELETE, &path, &[], "").await;
    let model = format!("/v1/models/{}", id(&job, "model"));
    refused(&delete(model.clone()).await, 409, "in-use", "");
    let data = format!("/v1/datasets/{}", id(&dataset, "id"));
    refused(&delete(data.clone()).await, 409, "in-use", "");
    let cancel = format!("/v1/jobs/{}/cancel", id(&first.value(), "id"));
    server.post(&cancel, &json!({})).await;
    let states = server.folder.path().join("artifacts/states");
    assert_eq!(std::fs::read_dir(&states).unwrap().count(), 1);
    assert_eq!(delete(data).await.status, 204);
    assert_eq!(std::fs::read_dir(&states).unwrap().count(), 0);
    refused(&post("", r#"{"epochs": 5}"#).await, 409, "idempotency-mismatch", "");
    let answer = server.post(&path, &json!({"epochs": 5})).await;
    assert!(refused(&answer, 409, "conflict", "")["detail"].to_string().contains("deleted"));
}
