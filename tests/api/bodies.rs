//! What a request's body, query and path may be before anybody asks what it means: encodings,
//! character sets, limits, keys that stand twice.

use axum::http::Method;
use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{SIX, Server, refused, train_request};

const MULTIPART: &str = "multipart/form-data; boundary=X";

fn form(kind: &str, file: &str) -> String {
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"";
    format!("--X\r\n{head}\r\nContent-Type: {kind}\r\n\r\n{file}\r\n--X--\r\n")
}

#[tokio::test]
async fn an_encoded_body_is_refused() {
    let server = Server::idle().await;
    let send = async |path: &str, kind: &str, encoding: &str, body: &str| {
        let headers = [("content-type", kind), ("content-encoding", encoding)];
        server.send(Method::POST, path, &headers, body.to_owned()).await
    };
    for encoding in ["gzip", "identity, br", "zstd"] {
        for (path, kind) in [("/v1/datasets", "text/csv"), ("/v1/jobs", "application/json")] {
            let problem =
                refused(&send(path, kind, encoding, SIX).await, 415, "unsupported-media-type", "");
            assert!(problem["hint"].as_str().unwrap().contains("Content-Encoding"), "{problem}");
        }
    }
    assert_eq!(send("/v1/datasets", "text/csv", "Identity", SIX).await.status, 201);
}

#[tokio::test]
async fn a_body_in_another_character_set_is_refused() {
    let server = Server::idle().await;
    for (path, kind) in [
        ("/v1/datasets", "text/csv; charset=iso-8859-1"),
        ("/v1/datasets", "application/json;charset=\"utf-16\""),
        ("/v1/jobs", "application/json; charset=latin1"),
    ] {
        let problem =
            refused(&server.post_as(path, kind, SIX).await, 415, "unsupported-media-type", "");
        assert!(problem["hint"].as_str().unwrap().contains("UTF-8"), "{problem}");
    }
    let part = form("text/csv; charset=windows-1252", SIX);
    let answer = server.post_as("/v1/datasets", MULTIPART, part).await;
    refused(&answer, 415, "unsupported-media-type", "");
    let answer = server.post_as("/v1/datasets", "text/csv; charset=\"UTF-8\"", SIX).await;
    assert_eq!(answer.status, 201, "{}", answer.value());
    assert!(server.get("/v1/datasets").await["items"].as_array().unwrap().len() == 1);
}

/// A compressing layer once left the length and encoding of the body that the problem replaced.
#[tokio::test]
async fn a_client_that_takes_gzip_can_read_problems() {
    let server = Server::idle().await;
    for (method, path, status) in [
        (Method::GET, "/v1/jobs/job_0", 404),
        (Method::GET, "/v1/nothing", 404),
        (Method::DELETE, "/v1/jobs", 405),
        (Method::GET, "/v1/jobs?limit=0", 400),
        (Method::POST, "/v1/jobs", 415),
    ] {
        let headers = [("accept-encoding", "gzip, deflate, br")];
        let answer = server.send(method, path, &headers, "").await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(!answer.headers.contains_key("content-encoding"), "{path}: {:?}", answer.headers);
        let problem: Value = serde_json::from_slice(&answer.body).expect("no problem to be read");
        assert_eq!(problem["status"], status, "{path}");
        assert!(problem["request_id"].is_string());
    }
}

#[tokio::test]
async fn a_form_over_the_limit_is_refused() {
    let settings = Settings { max_upload_mb: Some(1), workers: Some(0), ..Settings::default() };
    let server = Server::start_with(settings).await;
    let row = "one more product that I bought,positive\n";
    for bytes in [(1 << 20) + 1, 4 << 20] {
        let csv = format!("text,label\n{}", row.repeat(bytes / row.len() + 1));
        let answer = server.post_as("/v1/datasets", MULTIPART, form("text/csv", &csv)).await;
        let problem = refused(&answer, 413, "body-too-large", "");
        assert!(problem["detail"].as_str().unwrap().contains("1 MiB"), "{problem}");
        assert!(problem["hint"].as_str().unwrap().contains("--max-upload-mb"), "{problem}");
    }
    assert!(std::fs::read_dir(server.folder.path().join("tmp")).unwrap().next().is_none());
    let csv = format!("text,label\n{}", row.repeat(20_000));
    let answer = server.post_as("/v1/datasets", MULTIPART, form("text/csv", &csv)).await;
    assert_eq!(answer.status, 201, "{}", answer.value());
}

/// A form may be as large as any other upload, not only as a JSON body.
#[tokio::test]
async fn a_large_form_is_read() {
    let server = Server::idle().await;
    let row = format!("{},positive\n", "word ".repeat(20_000));
    let csv = format!("text,label\n{}", row.repeat(400));
    assert!(csv.len() > 33 << 20);
    let answer = server.post_as("/v1/datasets", MULTIPART, form("text/csv", &csv)).await;
    assert_eq!(answer.status, 201, "{}", answer.value());
}

#[tokio::test]
async fn a_key_that_stands_twice_is_named() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let body = train_request(&dataset, None).to_string();
    let twice = body.replace("\"epochs\":4", "\"epochs\":4,\"seed\":1,\"epochs\":5");
    assert_ne!(body, twice);
    let answer = server.post_as("/v1/jobs", "application/json", twice).await;
    let error = refused(&answer, 400, "invalid-json", "training.epochs");
    assert!(error["hint"].as_str().unwrap().contains("once"), "{error}");

    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let answer = server.post_as("/v1/jobs", "application/json", deep).await;
    let problem = refused(&answer, 400, "invalid-json", "");
    assert!(problem["detail"].as_str().unwrap().contains("nested deeper than 128"), "{problem}");
    // Two bytes each on the wire, some seventy in memory.
    let wide = format!("[{}0]", "0,".repeat(1_000_000));
    let answer = server.post_as("/v1/jobs", "application/json", wide).await;
    let problem = refused(&answer, 400, "invalid-json", "");
    assert!(problem["detail"].as_str().unwrap().contains("more than 1000000 values"), "{problem}");

    // In records a second value would be lost without a word.
    let answer = server
        .post_as("/v1/datasets", "application/x-ndjson", "{\"a\":1}\n{\"a\":1,\"a\":2}\n")
        .await;
    let error = refused(&answer, 422, "invalid-dataset", "file");
    assert_eq!(error["row"], 2);
    assert!(error["message"].as_str().unwrap().contains("\"a\" stands there twice"), "{error}");
}

#[tokio::test]
async fn what_a_record_may_unfold_to_is_bounded() {
    let server = Server::idle().await;
    let list = format!("{{\"a\": [{}0]}}\n", "0,".repeat(400_000));
    let answer = server.post_as("/v1/datasets", "application/x-ndjson", list).await;
    let error = refused(&answer, 422, "invalid-dataset", "file.a");
    assert!(error["message"].as_str().unwrap().contains("a cell may hold 1048576"), "{error}");
    let header = format!("{}\n1\n", ",".repeat(10_001));
    let answer = server.post_as("/v1/datasets", "text/csv", header).await;
    let error = refused(&answer, 422, "invalid-dataset", "file");
    assert!(error["message"].as_str().unwrap().contains("10002 columns"), "{error}");
    let wide = format!("text,label\na,b\n{}\n", ",".repeat(13 << 20));
    let answer = server.post_as("/v1/datasets", "text/csv", wide).await;
    let error = refused(&answer, 422, "invalid-dataset", "file");
    assert_eq!(error["row"], 2);
    assert!(error["message"].as_str().unwrap().contains("longer than 12582912 bytes"), "{error}");
}

#[tokio::test]
async fn queries_and_paths_are_told_apart_from_what_they_should_be() {
    let server = Server::idle().await;
    for (query, field) in [
        ("/v1/jobs?limit=x", "limit"),
        ("/v1/jobs?limit=0", "limit"),
        ("/v1/jobs?limit=99999999999999999999999", "limit"),
        ("/v1/jobs?limit=1&limit=2", "limit"),
        ("/v1/jobs?limt=3", "limt"),
        ("/v1/jobs?status=done", "status"),
        ("/v1/runs?status=", "status"),
        ("/v1/jobs/job_0?wait=-1", "wait"),
        ("/v1/jobs/job_0?wait=1.5", "wait"),
        ("/v1/runs/run_0/metrics?from_step=first", "from_step"),
        ("/v1/runs/run_0/metrics?max_points=100001", "max_points"),
        ("/v1/models?cursor=zz", "cursor"),
    ] {
        let answer = server.send(Method::GET, query, &[], "").await;
        let error = refused(&answer, 400, "invalid-query", field);
        let said = answer.value().to_string();
        for inner in ["usize", "u64", "enum", "variant", "deserialize", "invalid digit"] {
            assert!(!said.contains(inner), "{query}: {said}");
        }
        assert!(error["hint"].is_string(), "{query}: {error}");
    }
    let answer = server.send(Method::POST, "/v1/jobs?validate_only=maybe", &[], "").await;
    refused(&answer, 400, "invalid-query", "validate_only");
    let both = server.send(Method::GET, "/v1/jobs?limit=0&status=done", &[], "").await;
    assert_eq!(both.value()["errors"].as_array().unwrap().len(), 2, "{}", both.value());
    for path in ["/v1/jobs/%FF", "/v1/models/a%C3/card", "/problems/%80"] {
        let answer = server.send(Method::GET, path, &[], "").await;
        let problem = refused(&answer, 400, "invalid-path", "");
        assert!(problem["hint"].is_string(), "{problem}");
    }
}

#[tokio::test]
async fn fields_at_fault_are_counted_once() {
    let server = Server::idle().await;
    let body = json!({"kind": "train", "dataset": 1, "task": 2, "training": {"epocs": 1}});
    let problem = server.post("/v1/jobs", &body).await.value();
    assert!(problem["detail"].as_str().unwrap().starts_with("3 fields are at fault"), "{problem}");
}
