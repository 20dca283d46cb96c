//! SIGKILL at random moments: nothing that was accepted is lost, nothing ends twice.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::harness::{SIX, small_reviews};
use crate::process::Process;

const SERVE: &[&str] = &["--workers", "2", "--max-attempts", "1000", "--log-level", "info"];

/// Submits `jobs` jobs while the server is killed `kills` times, at moments that a seed draws. One in ten
/// trains for `long` epochs.
async fn survive(jobs: usize, kills: usize, long: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut draw = ChaCha8Rng::seed_from_u64(20_261_123);
    let mut server = Process::start(folder.path(), SERVE).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", SIX).await.unwrap();
    let dataset = answer.value()["id"].clone();

    let mut accepted: BTreeMap<usize, String> = BTreeMap::new();
    let mut killed = 0;
    while accepted.len() < jobs {
        let until_kill = Duration::from_millis(draw.random_range(20..1_500));
        let submit = async {
            for n in 0..jobs {
                if accepted.contains_key(&n) {
                    continue;
                }
                // Some train long enough to be killed, with a checkpoint after every epoch.
                let epochs = if n % 10 == 0 { long } else { 3 };
                let body = json!({
                    "kind": "train", "dataset": dataset,
                    "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
                    "training": {"epochs": epochs, "seed": n, "checkpoint_seconds": 0},
                });
                let key = format!("job-{n}");
                let headers =
                    [("content-type", "application/json"), ("idempotency-key", key.as_str())];
                let sent = server.client.send(Method::POST, "/v1/jobs", &headers, body.to_string());
                let Ok(answer) = sent.await else { return };
                assert_eq!(answer.status, 202, "{}", answer.value());
                let id = answer.value()["id"].as_str().unwrap().to_owned();
                accepted.insert(n, id);
            }
        };
        let all_in = tokio::time::timeout(until_kill, submit).await.is_ok();
        if killed < kills && !all_in {
            killed += 1;
            server.kill();
            server = Process::start(folder.path(), SERVE).await;
        }
    }
    while killed < kills {
        tokio::time::sleep(Duration::from_millis(draw.random_range(20..1_500))).await;
        killed += 1;
        server.kill();
        server = Process::start(folder.path(), SERVE).await;
    }

    let mut attempts = 0;
    for id in accepted.values() {
        let job = server.ended(id).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        attempts += job["attempt"].as_u64().unwrap();
    }
    let listed = all(&server, "/v1/jobs").await;
    assert_eq!(listed.len(), jobs, "a job was lost or accepted twice");
    let mut models: BTreeMap<String, usize> = BTreeMap::new();
    for model in all(&server, "/v1/models").await {
        *models.entry(model["job"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for id in accepted.values() {
        assert_eq!(models.get(id), Some(&1), "the models of {id}");
        let mut finals = 0;
        let path = format!("/v1/jobs/{id}/events");
        let count = server.client.events(&path, &[], |event| {
            finals += usize::from(event.kind == "status" && event.json()["status"] == "succeeded");
            true
        });
        count.await.unwrap();
        assert_eq!(finals, 1, "{id} succeeded {finals} times");
    }
    println!("{jobs} jobs, {kills} kills: all succeeded, in {attempts} attempts");
}

async fn all(server: &Process, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{path}?limit=1000{cursor}")).await;
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_survive_kills() {
    survive(40, 6, 300).await;
}

/// Takes some minutes: `cargo test --release --test api -- --ignored thousand`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes some minutes"]
async fn a_thousand_jobs_survive_fifty_kills() {
    survive(1_000, 50, 1_000).await;
}

#[tokio::test]
async fn a_killed_run_ends_with_the_same_bits() {
    let request = json!({
        "kind": "train",
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "training": {"epochs": 60, "early_stopping": null, "checkpoint_seconds": 0},
    });
    ends_with_the_same_bits(small_reviews(), request).await;
}

/// Killed within a long epoch, with all that a step can leave behind.
#[tokio::test]
async fn a_run_killed_within_an_epoch_ends_with_the_same_bits() {
    let request = json!({
        "kind": "train", "task": {"type": "tabular_regression", "target": "y"},
        "network": {"type": "mlp", "hidden": [16, 16], "normalization": "batch", "dropout": 0.2,
            "residual": true},
        "schedule": {"type": "one_cycle"},
        "training": {"epochs": 2, "batch_size": 2, "ema_decay": 0.99, "early_stopping": null,
            "checkpoint_steps": 50, "checkpoint_seconds": 3600},
    });
    ends_with_the_same_bits(crate::stopping::line(2_000), request).await;
}

/// Texts that are changed in every epoch are changed the same way again, for both forms of texts.
#[tokio::test]
async fn a_run_killed_within_an_epoch_of_changed_texts_ends_with_the_same_bits() {
    for network in [
        json!({"type": "embedding_bag"}),
        json!({"type": "text_cnn", "dimension": 16, "filters": 8}),
    ] {
        let request = json!({
            "kind": "train", "network": network,
            "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
            "augmentation": {"text": {"word_dropout": 0.2, "swap": 0.2, "typos": 0.2}},
            "training": {"epochs": 2, "batch_size": 1, "early_stopping": null,
                "checkpoint_steps": 50, "checkpoint_seconds": 3600},
        });
        ends_with_the_same_bits(crate::harness::REVIEWS.to_owned(), request).await;
    }
}

/// A run that was killed goes on from its checkpoint and ends with the very same model.
async fn ends_with_the_same_bits(data: String, mut request: Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(folder.path(), SERVE).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", data).await.unwrap();
    request["dataset"] = answer.value()["id"].clone();
    let submit = async |server: &Process| -> String {
        let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
        job["id"].as_str().unwrap().to_owned()
    };
    let id = submit(&server).await;
    for step in [0.1, 0.5] {
        while server.get(&format!("/v1/jobs/{id}")).await["progress"].as_f64().unwrap() < step {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill();
        server = Process::start(folder.path(), SERVE).await;
    }
    let killed = server.ended(&id).await;
    assert_eq!((&killed["status"], &killed["attempt"]), (&json!("succeeded"), &json!(3)));
    let whole = submit(&server).await;
    let whole = server.ended(&whole).await;

    let sha = async |job: &Value| {
        let model = format!("/v1/models/{}", job["model"].as_str().unwrap());
        server.get(&model).await["sha256"].clone()
    };
    assert_eq!(sha(&killed).await, sha(&whole).await);
    // Nor does the history tell of the kills.
    let history = async |job: &Value| {
        let run = job["run"].as_str().unwrap();
        let metrics = server.get(&format!("/v1/runs/{run}/metrics?name=train.loss")).await;
        let points = metrics["metrics"][0]["points"].as_array().unwrap().clone();
        points.iter().map(|p| (p["step"].clone(), p["value"].clone())).collect::<Vec<_>>()
    };
    let (killed, whole) = (history(&killed).await, history(&whole).await);
    let differing = killed.iter().zip(&whole).position(|(killed, whole)| killed != whole);
    assert_eq!((killed.len(), differing), (whole.len(), None));
}

/// What failed because its process died goes on from its last checkpoint, when someone asks.
#[tokio::test]
async fn a_run_whose_attempts_are_spent_can_be_extended() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = &["--workers", "1", "--max-attempts", "1"];
    let mut server = Process::start(folder.path(), arguments).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", small_reviews()).await.unwrap();
    let mut request = json!({
        "kind": "train", "dataset": answer.value()["id"],
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "schedule": {"type": "constant"},
        "training": {"epochs": 3_000, "early_stopping": null, "checkpoint_seconds": 0},
    });
    let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
    let run = format!("/v1/runs/{}", job["run"].as_str().unwrap());
    while server.get(&run).await["checkpoint"].is_null() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.kill();
    server = Process::start(folder.path(), arguments).await;
    let failed = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(failed["error"]["type"], "/problems/attempts-spent", "{failed}");
    let reached = server.get(&run).await["checkpoint"]["epochs"].as_u64().unwrap();
    let more: Value =
        server.client.post(&format!("{run}/resume"), &json!({"epochs": 2})).await.unwrap();
    let resumed = server.ended(more["id"].as_str().unwrap()).await;
    request["training"]["epochs"] = json!(reached + 2);
    let whole: Value = server.client.post("/v1/jobs", &request).await.unwrap();
    let whole = server.ended(whole["id"].as_str().unwrap()).await;
    let sha = async |job: &Value| {
        let model = format!("/v1/models/{}", job["model"].as_str().unwrap());
        server.get(&model).await["sha256"].clone()
    };
    assert_eq!(sha(&resumed).await, sha(&whole).await);
}

/// Whoever is told to stop has time to leave a checkpoint, however seldom they were asked for.
#[tokio::test]
async fn a_run_that_was_handed_back_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = &["--workers", "1", "--drain-seconds", "2"];
    let server = Process::start(folder.path(), arguments).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", small_reviews()).await.unwrap();
    let request = json!({
        "kind": "train", "dataset": answer.value()["id"],
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "training": {"epochs": 100_000, "early_stopping": null, "checkpoint_seconds": 3600},
    });
    let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
    let [id, run] = ["id", "run"].map(|name| job[name].as_str().unwrap().to_owned());
    let first_step = async |server: &Process| {
        let path = format!("/v1/runs/{run}/metrics?name=train.loss&max_points=2");
        let answer = server.client.send(Method::GET, &path, &[], "").await.unwrap().value();
        let points = answer["metrics"][0]["points"].clone();
        (points[0].clone(), points[1]["step"].as_u64().unwrap_or(0))
    };
    while first_step(&server).await.1 < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (began, before) = first_step(&server).await;
    assert!(server.terminate().await.success());

    let server = Process::start(folder.path(), arguments).await;
    loop {
        let job = server.get(&format!("/v1/jobs/{id}")).await;
        if job["phase"] == "training" {
            assert_eq!(job["attempt"], 1, "{job}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (again, now) = first_step(&server).await;
    assert_eq!((&began, &began["step"]), (&again, &json!(1)), "the first step was done again");
    assert!(now >= before, "{now} against {before}");
    server.client.send(Method::POST, &format!("/v1/jobs/{id}/cancel"), &[], "").await.unwrap();
    assert_eq!(server.ended(&id).await["status"], "cancelled");
}

#[tokio::test]
async fn sigterm_drains_and_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = &["--workers", "1", "--drain-seconds", "1"];
    let server = Process::start(folder.path(), arguments).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", SIX).await.unwrap();
    let mut ids = Vec::new();
    for epochs in [100_000, 3] {
        let request = json!({
            "kind": "train", "dataset": answer.value()["id"],
            "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
            "training": {"epochs": epochs, "early_stopping": null},
        });
        let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
        ids.push(job["id"].as_str().unwrap().to_owned());
    }
    while server.get(&format!("/v1/jobs/{}", ids[0])).await["status"] != "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(server.terminate().await.success());

    let server = Process::start(folder.path(), arguments).await;
    let cancel = format!("/v1/jobs/{}/cancel", ids[0]);
    server.client.send(Method::POST, &cancel, &[], "").await.unwrap();
    assert_eq!(server.ended(&ids[0]).await["status"], "cancelled");
    assert_eq!(server.ended(&ids[1]).await["status"], "succeeded");
    assert!(server.terminate().await.success());
}
