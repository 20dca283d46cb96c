//! Bad input: each is answered with a problem that says where and what to do, and nothing is stored.

use axum::http::Method;
use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{SIX, Server, refused, small_reviews, train_request};

/// The uploads of a kind that are refused, each with what the answer's row, column and words are.
async fn refuse_uploads(kind: &str, uploads: Vec<(&str, Vec<u8>, Value, Value, &str)>) {
    let server = Server::idle().await;
    for (case, body, row, column, words) in uploads {
        let answer = server.post_as("/v1/datasets", kind, body).await;
        let field = column.as_str().map_or_else(|| "file".to_owned(), |c| format!("file.{c}"));
        let error = refused(&answer, 422, "invalid-dataset", &field);
        assert_eq!((&error["row"], &error["column"]), (&row, &column), "{case}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{case}: {message}");
    }
    let list = server.get("/v1/datasets").await;
    assert!(list["items"].as_array().unwrap().is_empty(), "something was stored: {list}");
    let files = |folder: &str| match std::fs::read_dir(server.folder.path().join(folder)) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    };
    assert_eq!((files("tmp"), files("artifacts/datasets")), (0, 0), "files were left behind");
}

#[tokio::test]
async fn csv_that_is_no_table_is_refused_with_its_place() {
    let long = format!("text,label\nok,a\n\"{}\",b\n", "x".repeat(10 << 20));
    let cases = vec![
        ("empty", b"".to_vec(), json!(null), json!(null), "empty"),
        ("header only", b"text,label\n".to_vec(), json!(null), json!(null), "no record"),
        ("no header", b"1.5,2\n3,4\n".to_vec(), json!(null), json!(null), "first line"),
        ("nameless column", b"text,\na,b\n".to_vec(), json!(null), json!(null), "no name"),
        ("two of a name", b"text,text\na,b\n".to_vec(), json!(null), json!("text"), "two columns"),
        ("ragged", b"text,label\na,b\nc\n".to_vec(), json!(2), json!(null), "1 cells"),
        ("too wide", b"text,label\na,b\nc,d,e\n".to_vec(), json!(2), json!(null), "3 cells"),
        ("latin-1", b"text,label\na,b\ncaf\xe9,d\n".to_vec(), json!(2), json!("text"), "UTF-8"),
        ("NUL", b"text,label\na,b\nc\0d,e\n".to_vec(), json!(2), json!("text"), "NUL"),
        ("UTF-16", b"\xff\xfet\0e\0x\0t\0".to_vec(), json!(null), json!(null), "UTF-16"),
        ("open quote", b"text,label\na,b\n\"c,d\n".to_vec(), json!(2), json!(null), "never closed"),
        ("10 MB text", long.into_bytes(), json!(2), json!("text"), "10485760 bytes"),
    ];
    refuse_uploads("text/csv", cases).await;
}

#[tokio::test]
async fn json_that_is_no_table_is_refused_with_its_place() {
    let deep = format!("{{\"text\": {}1{}}}\n", "[".repeat(10_000), "]".repeat(10_000));
    let cases = vec![
        ("not an object", b"{\"a\":1}\n[2]\n".to_vec(), json!(2), json!(null), "not an object"),
        ("cut off", b"{\"a\":1}\n{\"a\":\n".to_vec(), json!(2), json!(null), "not valid JSON"),
        ("nested", b"{\"a\":{\"b\":1}}\n".to_vec(), json!(1), json!("a"), "holds an object"),
        ("10,000 deep", deep.into_bytes(), json!(1), json!(null), "not valid JSON"),
        ("infinite", b"{\"a\":1e999}\n".to_vec(), json!(1), json!(null), "not valid JSON"),
        ("latin-1", b"{\"a\":\"\xe9\"}\n".to_vec(), json!(1), json!(null), ""),
    ];
    refuse_uploads("application/x-ndjson", cases).await;
    let cases = vec![
        ("a number", b"7".to_vec(), json!(1), json!(null), "array of records"),
        ("no records", b"[]".to_vec(), json!(null), json!(null), "no record"),
        ("cut off", b"[{\"a\": 1}, {\"a\":".to_vec(), json!(2), json!(null), "not valid JSON"),
    ];
    refuse_uploads("application/json", cases).await;
}

#[tokio::test]
async fn files_that_are_not_what_they_say_are_refused() {
    let server = Server::idle().await;
    let parquet = "application/vnd.apache.parquet";
    for bytes in [&b"PAR1"[..], b"text,label\na,b\n", &[b'P'; 5_000]] {
        let answer = server.post_as("/v1/datasets", parquet, bytes.to_vec()).await;
        refused(&answer, 422, "invalid-dataset", "file");
    }
    for kind in ["text/html", "application/gzip", "", "nonsense"] {
        let answer = server.post_as("/v1/datasets", kind, SIX).await;
        let problem = refused(&answer, 415, "unsupported-media-type", "");
        assert!(problem["hint"].as_str().unwrap().contains("text/csv"));
    }
    let form = "--X\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\na\r\n--X--\r\n";
    let kind = "multipart/form-data; boundary=X";
    refused(&server.post_as("/v1/datasets", kind, form).await, 422, "invalid-request", "data");
    let empty = server.post_as("/v1/datasets", kind, "--X--\r\n").await;
    refused(&empty, 422, "invalid-request", "file");
    let cut = server.post_as("/v1/datasets", kind, &form.as_bytes()[..40]).await;
    refused(&cut, 422, "invalid-request", "");
    let named = form.replace("\"data\"", "\"file\"; filename=\"photo.png\"");
    let answer = server.post_as("/v1/datasets", kind, named).await;
    refused(&answer, 415, "unsupported-media-type", "file");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let settings = Settings { max_upload_mb: Some(1), workers: Some(0), ..Settings::default() };
    let server = Server::start_with(settings).await;
    let mut csv = SIX.to_owned();
    while csv.len() < 3 << 20 {
        csv.push_str("one more product that I bought,positive\n");
    }
    let answer = server.post_as("/v1/datasets", "text/csv", csv).await;
    let problem = refused(&answer, 413, "body-too-large", "");
    assert!(problem["hint"].as_str().unwrap().contains("--max-upload-mb"));
    let body = format!("{{\"kind\": \"{}\"}}", "x".repeat(33 << 20));
    let answer = server.post_as("/v1/jobs", "application/json", body).await;
    refused(&answer, 413, "body-too-large", "");
}

#[tokio::test]
async fn json_bodies_are_checked_field_by_field() {
    let server = Server::idle().await;
    let dataset = server.upload(small_reviews()).await;
    let post = async |body: String| server.post_as("/v1/jobs", "application/json", body).await;
    refused(&post("".into()).await, 400, "invalid-json", "");
    refused(&post("{\"kind\":".into()).await, 400, "invalid-json", "");
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    refused(&post(deep).await, 400, "invalid-json", "");
    refused(&post("{\"kind\": \"train\", \"epochs\": NaN}".into()).await, 400, "invalid-json", "");
    let text = server.post_as("/v1/jobs", "text/plain", "{}").await;
    refused(&text, 415, "unsupported-media-type", "");

    let with = |path: &[&str], value: Value| {
        let mut request = train_request(&dataset, None);
        let mut place = &mut request;
        for name in path {
            place = &mut place[*name];
        }
        *place = value;
        request
    };
    for (path, value, field) in [
        (&["kind"][..], json!("trian"), "kind"),
        (&["task", "type"], json!("text_clasification"), "task.type"),
        (&["training", "epochs"], json!(0), "training.epochs"),
        (&["training", "epochs"], json!(-1), "training.epochs"),
        (&["training", "epochs"], json!(1e9), "training.epochs"),
        (&["training", "epochs"], json!("ten"), "training.epochs"),
        (&["training", "batch_size"], json!(0), "training.batch_size"),
        (&["training", "batch_size"], json!(10_000_000_000_u64), "training.batch_size"),
        (&["training", "epocs"], json!(3), "training.epocs"),
        (&["network"], json!({"type": "embedding_bag", "dimension": 0}), "network.dimension"),
        (
            &["network"],
            json!({"type": "embedding_bag", "dimension": 1_000_000_000}),
            "network.dimension",
        ),
        (&["network"], json!({"type": "transformer"}), "network.type"),
        (&["optimizer"], json!({"type": "adam", "learning_rate": -1}), "optimizer.learning_rate"),
        (
            &["optimizer"],
            json!({"type": "adam", "learning_rate": 1e300}),
            "optimizer.learning_rate",
        ),
        (
            &["optimizer"],
            json!({"type": "adam", "learning_rate": "NaN"}),
            "optimizer.learning_rate",
        ),
        (&["model_name"], json!("two words"), "model_name"),
    ] {
        let answer = server.post("/v1/jobs", &with(path, value)).await;
        refused(&answer, 422, "invalid-request", field);
    }
    let near = server.post("/v1/jobs", &with(&["training", "epocs"], json!(3))).await;
    let error = refused(&near, 422, "invalid-request", "training.epocs");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with("did you mean \"epochs\"? known fields: "), "{hint}");

    // Everything that is wrong is told at once.
    let mut wrong = with(&["training", "epocs"], json!(3));
    wrong["training"]["batch_size"] = json!(-5);
    wrong.as_object_mut().unwrap().remove("dataset");
    let answer = server.post("/v1/jobs", &wrong).await;
    for field in ["training.epocs", "training.batch_size", "dataset"] {
        refused(&answer, 422, "invalid-request", field);
    }
    assert!(server.get("/v1/jobs").await["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn specs_that_do_not_fit_the_dataset_are_refused() {
    let server = Server::idle().await;
    let rows = |n: usize, label: &dyn Fn(usize) -> String| {
        let rows: String = (0..n).map(|i| format!("text number {i},{}\n", label(i))).collect();
        format!("text,sentiment\n{rows}")
    };
    let constant = rows(60, &|_| "a".into());
    let single = rows(60, &|i| if i == 0 { "b".into() } else { "a".into() });
    let gap = rows(60, &|i| if i == 6 { String::new() } else { format!("l{}", i % 2) });
    let good = rows(60, &|i| format!("l{}", i % 2));
    let no_text = good.replace("text number 9,", ",");
    let blank = good.replace("text number 9,", "  \t ,");
    for (csv, change, field, row) in [
        (&good, json!({"task": {"label": "sentimen"}}), "task.label", None),
        (&good, json!({"task": {"text": "sentiment", "label": "text"}}), "task.label", None),
        (&constant, json!({}), "task.label", None),
        (&single, json!({}), "task.label", None),
        (&gap, json!({}), "task.label", Some(7)),
        (&no_text, json!({}), "task.text", Some(10)),
        (&blank, json!({}), "task.text", Some(10)),
        (&good, json!({"split": {"column": "sentiment"}}), "split.column", None),
        (&good, json!({"split": {"train": 0.9, "validation": 0.2}}), "split", None),
        (
            &good,
            json!({"split": {"train": 0.997, "validation": 0.001, "calibration": 0.001, "test": 0.001}}),
            "split.test",
            None,
        ),
        (
            &good,
            json!({"network": {"type": "embedding_bag", "dimension": 4096, "hidden": [65_536, 65_536]}}),
            "network",
            None,
        ),
        (&good, json!({"device": "tpu"}), "device", None),
    ] {
        let dataset = server.upload(csv.clone()).await;
        let mut request = train_request(&dataset, None);
        for (name, value) in change.as_object().unwrap() {
            match (name.as_str(), value) {
                ("task", Value::Object(fields)) => {
                    for (name, value) in fields {
                        request["task"][name] = value.clone();
                    }
                }
                _ => request[name] = value.clone(),
            }
        }
        let answer = server.post("/v1/jobs", &request).await;
        let error = refused(&answer, 422, "invalid-spec", field);
        assert_eq!(error["row"].as_u64(), row, "{error}");
    }
    // A job that was told to may leave such records out.
    let dataset = server.upload(no_text).await;
    let mut request = train_request(&dataset, None);
    request["task"]["max_missing"] = json!(0.05);
    let answer = server.post("/v1/jobs?validate_only=true", &request).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    assert_eq!(answer.value()["warnings"][0]["code"], "records_left_out");
    assert!(server.get("/v1/jobs").await["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn unknown_ids_paths_and_methods_are_named() {
    let server = Server::idle().await;
    for path in [
        "/v1/datasets/ds_0",
        "/v1/datasets/ds_0/records",
        "/v1/jobs/job_0",
        "/v1/jobs/job_0/events",
        "/v1/runs/run_0",
        "/v1/models/nobody",
        "/v1/models/nobody@production",
        "/v1/models/model_0/card",
        "/v1/models/model_0/artifact",
        "/v1/nothing",
        "/problems/nothing",
    ] {
        let answer = server.send(Method::GET, path, &[], "").await;
        let problem = refused(&answer, 404, "not-found", "");
        assert!(problem["detail"].as_str().unwrap().len() > 5, "{path}: {problem}");
    }
    let answer = server.send(Method::DELETE, "/v1/jobs", &[], "").await;
    refused(&answer, 405, "method-not-allowed", "");
    assert!(answer.headers.contains_key("allow"));
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=zz", "limt=3"] {
        let answer = server.send(Method::GET, &format!("/v1/jobs?{query}"), &[], "").await;
        refused(&answer, 400, "invalid-query", "");
    }
    let key = [("content-type", "text/csv"), ("idempotency-key", "")];
    let answer = server.send(Method::POST, "/v1/datasets", &key, SIX).await;
    refused(&answer, 422, "invalid-request", "Idempotency-Key");
}
