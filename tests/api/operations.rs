//! Health, metrics, keys, origins, compression, request ids, the documentation.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use whereof::config::Settings;

use crate::harness::{SIX, Server, refused};

#[tokio::test]
async fn the_server_tells_how_it_is() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await["status"], "ok");
    assert_eq!(server.get("/readyz").await["version"], env!("CARGO_PKG_VERSION"));
    server.small_model("sentiment").await;
    server.post("/v1/models/sentiment/score", &json!({"texts": ["a", "b"]})).await;
    let answer = server.send(Method::GET, "/metrics", &[], "").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "whereof_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"}",
        "whereof_http_request_seconds_bucket",
        "whereof_jobs{status=\"succeeded\"} 1",
        "whereof_records_scored_total",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_key_is_asked_for_where_keys_are_set() {
    let key = "0123456789abcdef";
    let settings = Settings {
        api_key: Some(vec![key.to_owned(), "another-key-of-16".to_owned()]),
        workers: Some(0),
        ..Settings::default()
    };
    let server = Server::start_with(settings).await;
    for headers in [
        &[][..],
        &[("authorization", "Bearer 0123456789abcdeg")],
        &[("authorization", "Basic 0123456789abcdef")],
        &[("x-api-key", "")],
    ] {
        let answer = server.send(Method::GET, "/v1/jobs", headers, "").await;
        refused(&answer, 401, "unauthorized", "");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let bearer = format!("Bearer {key}");
    for headers in [[("authorization", bearer.as_str())], [("x-api-key", "another-key-of-16")]] {
        assert_eq!(server.send(Method::GET, "/v1/jobs", &headers, "").await.status, 200);
    }
    for open in ["/healthz", "/readyz", "/docs/", "/openapi.json", "/problems"] {
        assert_eq!(server.send(Method::GET, open, &[], "").await.status, 200, "{open}");
    }
    let metrics = server.send(Method::GET, "/metrics", &[], "").await;
    refused(&metrics, 401, "unauthorized", "");
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out_unless_listed() {
    let settings = Settings {
        cors_origin: Some(vec!["https://notebook.example".to_owned()]),
        workers: Some(0),
        ..Settings::default()
    };
    let server = Server::start_with(settings).await;
    let post = async |origin: &str| {
        let headers = [("origin", origin), ("content-type", "text/csv")];
        server.send(Method::POST, "/v1/datasets", &headers, SIX).await
    };
    let foreign = post("https://elsewhere.example").await;
    refused(&foreign, 403, "foreign-origin", "");
    assert!(!foreign.headers.contains_key("access-control-allow-origin"));
    let listed = post("https://notebook.example").await;
    assert_eq!(listed.status, 201);
    assert_eq!(listed.headers["access-control-allow-origin"], "https://notebook.example");
    let own = post(server.client.base()).await;
    assert_eq!(own.status, 200);

    let preflight = [
        ("origin", "https://notebook.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = server.send(Method::OPTIONS, "/v1/jobs", &preflight, "").await;
    assert!(answer.status.is_success(), "{}", answer.status);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://notebook.example");
}

#[tokio::test]
async fn every_answer_has_an_id_and_takes_the_clients() {
    let server = Server::idle().await;
    let id = async |headers: &[(&str, &str)]| {
        let answer = server.send(Method::GET, "/healthz", headers, "").await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert!(id(&[]).await.starts_with("req_"));
    assert_ne!(id(&[]).await, id(&[]).await);
    assert_eq!(id(&[("x-request-id", "from-client.7")]).await, "from-client.7");
    assert!(id(&[("x-request-id", "with <markup>")]).await.starts_with("req_"));
    let answer = server.send(Method::GET, "/v1/jobs/x", &[("x-request-id", "mine")], "").await;
    assert_eq!(answer.value()["request_id"], "mine");
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let server = Server::idle().await;
    let plain = server.send(Method::GET, "/openapi.json", &[], "").await;
    let packed =
        server.send(Method::GET, "/openapi.json", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.body.len() * 3 < plain.body.len());
}

#[tokio::test]
async fn the_documentation_needs_nothing_from_elsewhere() {
    let server = Server::idle().await;
    let home = server.send(Method::GET, "/", &[], "").await;
    let home = String::from_utf8(home.body.to_vec()).unwrap();
    assert!(home.contains("href=\"/docs/\""), "the dashboard does not link to it");
    let page = server.send(Method::GET, "/docs/", &[], "").await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(html.contains("swagger-ui"));
    let elsewhere = html.split(['"', '\'']).filter(|part| part.contains("://"));
    assert_eq!(elsewhere.collect::<Vec<_>>(), [""; 0], "the page names other hosts");
    let document = server.get("/openapi.json").await;
    assert_eq!(document["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[tokio::test]
async fn every_problem_that_is_answered_is_explained() {
    let server = Server::idle().await;
    let kinds = server.get("/problems").await;
    let kinds = kinds.as_array().unwrap();
    assert!(kinds.len() > 15);
    for kind in kinds {
        let explained = server.get(kind["type"].as_str().unwrap()).await;
        assert_eq!(&explained, kind);
    }
}

#[tokio::test]
async fn a_server_that_cannot_write_is_not_ready() {
    let server = Server::idle().await;
    let scratch = server.folder.path().join("tmp");
    std::fs::remove_dir_all(&scratch).unwrap();
    let answer = server.send(Method::GET, "/readyz", &[], "").await;
    refused(&answer, 503, "not-ready", "");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(server.send(Method::GET, "/healthz", &[], "").await.status, 200);
    std::fs::create_dir(&scratch).unwrap();
    assert_eq!(server.send(Method::GET, "/readyz", &[], "").await.status, 200);
    assert!(std::fs::read_dir(&scratch).unwrap().next().is_none(), "the probe left a file");
}

/// Whoever spreads requests over servers hears of the end before connections are refused.
#[tokio::test]
async fn a_draining_server_says_so_and_goes_on_serving() {
    let settings = Settings { workers: Some(1), drain_seconds: Some(3), ..Settings::default() };
    let server = Server::start_with(settings).await;
    let dataset = server.upload(SIX).await;
    let job = server.submit(&crate::harness::endless_request(&dataset)).await;
    let id = job["id"].as_str().unwrap().to_owned();
    server.until(&id, |job| job["phase"] == "training").await;
    let base = server.client.base().to_owned();
    let stopped = tokio::spawn(server.stop());
    let ready = async || {
        // A new connection each time, as a load balancer makes.
        let client = whereof::client::Client::new(base.clone());
        client.send(Method::GET, "/readyz", &[], "").await.unwrap()
    };
    let answer = loop {
        let answer = ready().await;
        if answer.status != 200 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    refused(&answer, 503, "shutting-down", "");
    let client = whereof::client::Client::new(base.clone());
    let path = format!("/v1/jobs/{id}");
    assert_eq!(client.send(Method::GET, &path, &[], "").await.unwrap().status, 200);
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_worker_works_only_where_a_server_was() {
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_whereof"));
    let folder = tempfile::tempdir().unwrap();
    let mistyped = folder.path().join("wherof-data");
    let output = program().args(["worker", "--data-dir"]).arg(&mistyped).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no database") && said.contains("--data-dir"), "{said}");
    assert!(!mistyped.exists(), "the folder was made");
    let help = program().args(["worker", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("--data-dir") && help.contains("--drain-seconds"), "{help}");
    for foreign in ["--listen", "--api-key", "--cors-origin", "--scoring-threads", "--max-queued"] {
        assert!(!help.contains(foreign), "{foreign}");
    }
}

#[tokio::test]
async fn a_stopping_server_lets_its_followers_go() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let job = server.submit(&crate::harness::train_request(&dataset, None)).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let client = server.client.clone();
    let waiting = tokio::spawn({
        let path = format!("{path}?wait=300");
        async move { client.send(Method::GET, &path, &[], "").await.unwrap() }
    });
    let client = server.client.clone();
    let following = tokio::spawn(async move {
        client.events(&format!("{path}/events"), &[], |_| true).await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), server.stop());
    stopped.await.expect("the server hangs on its followers");
    assert_eq!(waiting.await.unwrap().value()["status"], "queued");
    following.await.unwrap();
}
