//! Jobs: submit, validate, idempotency, long polls, events, cancel, stop, restarts.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use whereof::client::SentEvent;
use whereof::config::Settings;

use crate::harness::{SIX, Server, endless_request, refused, small_reviews, train_request};

#[tokio::test]
async fn a_job_runs_to_its_end() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let answer = server.post("/v1/jobs", &train_request(&dataset, Some("first"))).await;
    assert_eq!(answer.status, 202);
    let job = answer.value();
    let id = job["id"].as_str().unwrap();
    assert_eq!(answer.headers["location"], format!("/v1/jobs/{id}"));
    assert_eq!((&job["status"], &job["attempt"]), (&json!("queued"), &json!(0)));
    assert!(job["run"].as_str().unwrap().starts_with("run_"));

    let job = server.ended(id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!((&job["progress"], &job["attempt"]), (&json!(1.0), &json!(1)));
    assert!(job["model"].as_str().unwrap().starts_with("model_"));
    assert!(job["queue_position"].is_null() && job["error"].is_null());
    let times = ["created_at", "started_at", "finished_at"].map(|t| job[t].to_string());
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn validating_resolves_everything_and_creates_nothing() {
    let server = Server::idle().await;
    let dataset = server.upload(small_reviews()).await;
    let answer = server.post("/v1/jobs?validate_only=true", &train_request(&dataset, None)).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    let validated = answer.value();
    assert_eq!(validated["valid"], true);
    let spec = &validated["spec"];
    assert_eq!(spec["network"]["type"], "embedding_bag");
    assert_eq!(spec["training"]["epochs"], 4);
    for field in ["optimizer", "vectorizer", "schedule", "regularization", "split", "device"] {
        assert!(!spec[field].is_null(), "{field} is not resolved: {spec}");
    }
    let estimate = validated["estimate"].as_object().unwrap();
    for (name, value) in estimate {
        // Texts are bags, not vectors of features.
        assert_eq!(value.as_f64() > Some(0.0), name != "features_at_most", "{name}: {value}");
    }
    assert!(server.get("/v1/jobs").await["items"].as_array().unwrap().is_empty());

    // What was resolved can itself be submitted.
    let mut again = spec.clone();
    again["kind"] = "train".into();
    let again = server.post("/v1/jobs?validate_only=true", &again).await;
    assert_eq!(again.status, 200, "{}", again.value());
    assert_eq!(&again.value()["spec"], spec);
}

#[tokio::test]
async fn an_idempotency_key_creates_one_job() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let body = train_request(&dataset, None).to_string();
    let key = [("content-type", "application/json"), ("idempotency-key", "k-1")];
    let first = server.send(Method::POST, "/v1/jobs", &key, body.clone()).await;
    let second = server.send(Method::POST, "/v1/jobs", &key, body.clone()).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202));
    assert_eq!(first.value()["id"], second.value()["id"]);
    assert_eq!(second.headers["idempotent-replay"], "true");
    assert_eq!(first.headers["location"], second.headers["location"]);
    let other = server.send(Method::POST, "/v1/jobs", &key, body.replace("4}", "5}")).await;
    refused(&other, 409, "idempotency-mismatch", "");

    // Requests with one key that arrive together create one job as well.
    let key = [("content-type", "application/json"), ("idempotency-key", "k-2")];
    let sent = (0..8).map(|_| server.send(Method::POST, "/v1/jobs", &key, body.clone()));
    let mut ids: Vec<String> = futures_util::future::join_all(sent)
        .await
        .iter()
        .map(|answer| answer.value()["id"].as_str().unwrap().to_owned())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(server.get("/v1/jobs").await["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn jobs_wait_in_order_and_are_filtered() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let mut ids = Vec::new();
    for position in 0..3 {
        let job = server.submit(&train_request(&dataset, None)).await;
        assert_eq!(job["queue_position"], position);
        ids.push(job["id"].as_str().unwrap().to_owned());
    }
    let cancel = format!("/v1/jobs/{}/cancel", ids[0]);
    let cancelled = server.send(Method::POST, &cancel, &[], "").await;
    assert_eq!(
        (cancelled.status.as_u16(), &cancelled.value()["status"]),
        (202, &json!("cancelled"))
    );
    let third = server.get(&format!("/v1/jobs/{}", ids[2])).await;
    assert_eq!(third["queue_position"], 1);

    let count = async |query: &str| {
        let list = server.get(&format!("/v1/jobs?{query}")).await;
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(count("status=queued").await, 2);
    assert_eq!(count("status=cancelled").await, 1);
    assert_eq!(count("status=failed").await, 0);
    assert_eq!(count("kind=train").await, 3);
    assert_eq!(count(&format!("dataset={}", dataset["id"].as_str().unwrap())).await, 3);
    assert_eq!(count("dataset=ds_0").await, 0);
    let wrong = server.send(Method::GET, "/v1/jobs?status=cancled", &[], "").await;
    let error = refused(&wrong, 400, "invalid-query", "status");
    assert!(error["hint"].as_str().unwrap().contains("did you mean \"cancelled\"?"), "{error}");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let settings = Settings { workers: Some(0), max_queued: Some(2), ..Settings::default() };
    let server = Server::start_with(settings).await;
    let dataset = server.upload(SIX).await;
    for _ in 0..2 {
        server.submit(&train_request(&dataset, None)).await;
    }
    let answer = server.post("/v1/jobs", &train_request(&dataset, None)).await;
    refused(&answer, 429, "queue-full", "");
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn an_unchanged_job_is_not_sent_again() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let job = server.submit(&train_request(&dataset, None)).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let first = server.send(Method::GET, &path, &[], "").await;
    let tag = first.headers["etag"].to_str().unwrap();
    let same = server.send(Method::GET, &path, &[("if-none-match", tag)], "").await;
    assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
    // Any of several versions, weakly compared, and `*` for whatever there is.
    for (tags, unchanged) in [
        (format!("\"0\", {tag}"), true),
        (format!("W/{tag}"), true),
        ("*".to_owned(), true),
        ("\"0\", W/\"00\"".to_owned(), false),
        (String::new(), false),
    ] {
        let answer = server.send(Method::GET, &path, &[("if-none-match", &tags)], "").await;
        assert_eq!(answer.status.as_u16(), if unchanged { 304 } else { 200 }, "{tags}");
    }
    let held = format!("{path}?wait=1");
    let same = server.send(Method::GET, &held, &[("if-none-match", "*")], "").await;
    assert_eq!(same.status, 304);
    server.send(Method::POST, &format!("{path}/cancel"), &[], "").await;
    let changed = server.send(Method::GET, &path, &[("if-none-match", tag)], "").await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], first.headers["etag"]);
}

#[tokio::test]
async fn a_long_poll_is_answered_when_the_job_changes() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let job = server.submit(&train_request(&dataset, None)).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let waited = format!("{path}?wait=60");
    let poll = server.get(&waited);
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.send(Method::POST, &format!("{path}/cancel"), &[], "").await
    };
    let (polled, _) = tokio::join!(poll, cancel);
    assert_eq!(polled["status"], "cancelled");
    // An ended job is answered at once, and a wait without a change ends.
    assert_eq!(server.get(&waited).await["status"], "cancelled");
    let other = server.submit(&train_request(&dataset, None)).await;
    let path = format!("/v1/jobs/{}?wait=1", other["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await["status"], "queued");
    let far = server.send(Method::GET, &path.replace("=1", "=301"), &[], "").await;
    refused(&far, 400, "invalid-query", "wait");
}

#[tokio::test]
async fn events_tell_everything_in_order_and_are_replayed() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let job = server.submit(&train_request(&dataset, None)).await;
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let collect = async |headers: &[(&str, &str)]| {
        let mut events: Vec<SentEvent> = Vec::new();
        let read = server.client.events(&path, headers, |event| {
            events.push(event.clone());
            true
        });
        read.await.unwrap();
        events
    };
    let events = collect(&[]).await;
    let ids: Vec<u64> = events.iter().filter_map(|event| event.id.parse().ok()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let statuses: Vec<String> = events
        .iter()
        .filter(|event| event.kind == "status")
        .map(|event| event.json()["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(statuses, ["queued", "running", "succeeded"]);
    let epochs: Vec<Value> =
        events.iter().filter(|event| event.kind == "epoch").map(SentEvent::json).collect();
    assert_eq!(epochs.len(), 4, "{events:?}");
    assert!(epochs.iter().all(|epoch| epoch["train_loss"].as_f64().is_some()));
    assert!(epochs.iter().all(|epoch| epoch["validation_accuracy"].as_f64().is_some()));

    // Whoever comes back is told the rest; how far the job once was no longer matters.
    let lasting = events.iter().filter(|event| event.kind != "progress").collect::<Vec<_>>();
    let after = &lasting[1].id;
    let rest = collect(&[("last-event-id", after)]).await;
    assert_eq!(rest.iter().collect::<Vec<_>>(), lasting[2..]);
}

#[tokio::test]
async fn a_running_job_is_cancelled_and_leaves_nothing() {
    let server = Server::start().await;
    let dataset = server.upload(SIX).await;
    let job = server.submit(&endless_request(&dataset)).await;
    let id = job["id"].as_str().unwrap();
    let running = server.until(id, |job| job["progress"].as_f64().unwrap() > 0.0).await;
    assert_eq!(running["status"], "running");
    let answer = server.send(Method::POST, &format!("/v1/jobs/{id}/cancel"), &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.value()["status"]), (202, &json!("cancelling")));
    let job = server.ended(id).await;
    assert_eq!((&job["status"], &job["model"]), (&json!("cancelled"), &Value::Null));
    assert!(server.get("/v1/models").await["items"].as_array().unwrap().is_empty());
    // Again is the same answer; stopping what is cancelled is not possible.
    let again = server.send(Method::POST, &format!("/v1/jobs/{id}/cancel"), &[], "").await;
    assert_eq!((again.status.as_u16(), &again.value()["status"]), (202, &json!("cancelled")));
    let stop = server.send(Method::POST, &format!("/v1/jobs/{id}/stop"), &[], "").await;
    refused(&stop, 409, "conflict", "");
}

#[tokio::test]
async fn a_stopped_job_keeps_its_best_model() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let job = server.submit(&endless_request(&dataset)).await;
    let id = job["id"].as_str().unwrap();
    server.until(id, |job| job["phase"] == "training" && job["progress"] != 0.0).await;
    let answer = server.send(Method::POST, &format!("/v1/jobs/{id}/stop"), &[], "").await;
    assert_eq!(answer.status, 202, "{}", answer.value());
    // It is not being cancelled: it runs until its best model is kept.
    let stopping = answer.value();
    assert_eq!(
        (&stopping["status"], &stopping["end_requested"]),
        (&json!("running"), &json!("stop"))
    );
    let job = server.ended(id).await;
    assert_eq!(job["status"], "stopped", "{job}");
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert_eq!(run["end_reason"], "stopped");
    assert!(run["metrics"]["test"]["accuracy"].as_f64().is_some());
    let model = job["model"].as_str().unwrap();
    let scored =
        server.post(&format!("/v1/models/{model}/score"), &json!({"texts": ["I love it"]})).await;
    assert_eq!(scored.status, 200, "{}", scored.value());
}

#[tokio::test]
async fn a_queued_job_cannot_be_stopped() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let job = server.submit(&train_request(&dataset, None)).await;
    let path = format!("/v1/jobs/{}/stop", job["id"].as_str().unwrap());
    refused(&server.send(Method::POST, &path, &[], "").await, 409, "conflict", "");
}

#[tokio::test]
async fn a_server_that_stops_keeps_its_jobs_for_the_next() {
    let settings = || Settings { workers: Some(1), drain_seconds: Some(0), ..Settings::default() };
    let server = Server::start_with(settings()).await;
    let dataset = server.upload(SIX).await;
    let running = server.submit(&endless_request(&dataset)).await;
    let running = running["id"].as_str().unwrap().to_owned();
    let waiting = server.submit(&train_request(&dataset, None)).await;
    let waiting = waiting["id"].as_str().unwrap().to_owned();
    server.until(&running, |job| job["progress"].as_f64().unwrap() > 0.0).await;
    let folder = server.stop().await;

    let server = Server::start_in(folder, settings()).await;
    let again = server.until(&running, |job| job["status"] == "running").await;
    // A drain costs no attempt: the job did nothing wrong.
    assert_eq!(again["attempt"], 1, "{again}");
    server.send(Method::POST, &format!("/v1/jobs/{running}/cancel"), &[], "").await;
    assert_eq!(server.ended(&running).await["status"], "cancelled");
    assert_eq!(server.ended(&waiting).await["status"], "succeeded");
}

#[tokio::test]
async fn threads_change_no_bit() {
    let mut hashes = Vec::new();
    for threads in [1, 2, 3] {
        let server = Server::start_with(Settings {
            workers: Some(1),
            threads_per_job: Some(threads),
            ..Settings::default()
        });
        let server = server.await;
        let job = server.small_model("sentiment").await;
        let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
        assert_eq!(run["environment"]["threads"], threads);
        hashes.push(server.get("/v1/models/sentiment").await["sha256"].clone());
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bits() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut request = train_request(&dataset, None);
    let (first, second) = (server.train(&request).await, server.train(&request).await);
    request["training"]["seed"] = 2.into();
    let other = server.train(&request).await;
    let artifact = async |job: &Value| {
        let model = job["model"].as_str().unwrap();
        let path = format!("/v1/models/{model}/artifact");
        server.send(Method::GET, &path, &[], "").await.body
    };
    let (first, second) = (artifact(&first).await, artifact(&second).await);
    assert!(first.len() > 10_000);
    assert!(first == second, "two runs of one seed differ");
    assert!(first != artifact(&other).await, "two seeds gave one model");
}
