//! What a machine can do to a server: a full disk, damaged files, two servers on one folder.

use std::process::Command;

use axum::http::Method;
use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{SIX, Server, refused, small_reviews, train_request};
use crate::process::Process;

/// Bytes that a file may have where the disk is "full".
const LIMIT: u32 = 1 << 20;

#[tokio::test]
async fn a_full_disk_fails_the_job_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start_with_file_limit(folder.path(), LIMIT / 512, &[]).await;
    let upload =
        async |csv: String| server.client.post_as("/v1/datasets", "text/csv", csv).await.unwrap();
    let large: String =
        (0..40_000).map(|n| format!("a product of the kind number {n},positive\n")).collect();
    let answer = upload(format!("text,sentiment\n{large}")).await;
    refused(&answer, 507, "storage-full", "");
    assert!(server.get("/v1/datasets").await["items"].as_array().unwrap().is_empty());

    let train = async |dataset: &Value| {
        let request = train_request(dataset, None);
        let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
        server.ended(job["id"].as_str().unwrap()).await
    };
    // The model of two hundred reviews is larger than the limit, that of six sentences is not.
    let failed = train(&upload(small_reviews()).await.value()).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("storage-full"))
    );
    assert!(failed["error"]["hint"].is_string(), "{failed}");
    let six = upload(SIX.to_owned()).await.value();
    let succeeded = train(&six).await;
    assert_eq!(succeeded["status"], "succeeded", "{succeeded}");
    let models = server.get("/v1/models").await;
    assert_eq!(models["items"].as_array().unwrap().len(), 1);
    let artifacts = std::fs::read_dir(folder.path().join("data/artifacts/models")).unwrap();
    assert_eq!(artifacts.count(), 1, "a part of a model was left behind");

    let ready = server.client.send(Method::GET, "/readyz", &[], "").await.unwrap();
    assert_eq!(ready.status, 200, "{}", ready.value());

    // With space again, the same job succeeds.
    server.terminate().await;
    let server = Process::start(folder.path(), &[]).await;
    let request = train_request(&json!({"id": failed["dataset"]}), None);
    let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
    let job = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "succeeded", "{job}");
}

#[tokio::test]
async fn a_damaged_database_is_named_and_left_as_it_is() {
    for (case, damage) in [
        ("no database at all", (|bytes: &mut Vec<u8>| bytes.fill(b'x')) as fn(&mut Vec<u8>)),
        ("overwritten in the middle", |bytes| {
            let page = bytes.len() / 2 / 4096 * 4096;
            bytes[page..page + 4096].fill(0xab);
        }),
        ("cut short", |bytes| bytes.truncate(bytes.len() / 2)),
    ] {
        let server = Server::start().await;
        let dataset = server.upload(SIX).await;
        server.train(&train_request(&dataset, None)).await;
        let folder = server.stop().await;
        let path = folder.path().join("whereof.db");
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_whereof"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{case}: {said}");
        assert!(said.contains("whereof.db") && said.contains("damaged"), "{case}: {said}");
        assert!(!said.contains("panicked"), "{case}: {said}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{case}: the file was changed");
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_folder() {
    let server = Server::idle().await;
    let output = Command::new(env!("CARGO_BIN_EXE_whereof"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(server.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another server"), "{said}");
}

#[tokio::test]
async fn a_stored_file_that_was_damaged_is_found_out() {
    let server = Server::start_with(Settings { workers: Some(1), ..Settings::default() }).await;
    server.small_model("sentiment").await;
    let models = server.folder.path().join("artifacts/models");
    let file = std::fs::read_dir(models).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let answer = server.post("/v1/models/sentiment/score", &json!({"text": "I love it"})).await;
    refused(&answer, 500, "artifact-missing", "");
    std::fs::remove_file(&file).unwrap();
    let answer = server.post("/v1/models/sentiment/score", &json!({"text": "I love it"})).await;
    refused(&answer, 500, "artifact-missing", "");
    // The rest of the server is as well as before.
    assert_eq!(server.send(Method::GET, "/readyz", &[], "").await.status, 200);
    server.small_model("sentiment").await;
    let answer = server.post("/v1/models/sentiment/score", &json!({"text": "I love it"})).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
}

/// The database cannot grow: what does not fit is refused and nothing else is lost. Once there is
/// space, the same process writes again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_database_that_could_not_grow_is_written_to_again() {
    let folder = tempfile::tempdir().unwrap();
    let idle = &["--workers", "0"];
    let server = Process::start_with_file_limit(folder.path(), LIMIT / 512, idle).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", SIX).await.unwrap();
    let body = train_request(&answer.value(), None).to_string();
    let submit = async || {
        let sent = server.client.post_as("/v1/jobs", "application/json", body.clone());
        sent.await.unwrap()
    };
    let (mut accepted, mut refusals) = (0, 0);
    while refusals < 3 {
        let answer = submit().await;
        if answer.status == 202 {
            accepted += 1;
            assert!(accepted < 5_000, "nothing was ever full");
        } else {
            // A disk without space is 507. That of a limit SQLite tells apart from no other failure.
            assert!([500, 507].contains(&answer.status.as_u16()), "{}", answer.value());
            assert!(answer.value()["request_id"].is_string(), "{}", answer.value());
            refusals += 1;
        }
    }
    let count = async || {
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let page = server.get(&format!("/v1/jobs?limit=1000{cursor}")).await;
            count += page["items"].as_array().unwrap().len();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return count,
            }
        }
    };
    assert_eq!(count().await, accepted, "what was answered is what is there");
    server.lift_file_limit();
    for _ in 0..3 {
        let answer = submit().await;
        assert_eq!(answer.status, 202, "{}", answer.value());
    }
    assert_eq!(count().await, accepted + 3);
}

#[tokio::test]
async fn what_a_dead_server_left_half_written_is_removed() {
    let server = Server::idle().await;
    let dataset = server.upload(SIX).await;
    let folder = server.stop().await;
    let artifacts = folder.path().join("artifacts");
    let kept = artifacts.join(format!("datasets/{}.jsonl", dataset["id"].as_str().unwrap()));
    // An upload under way, and files that were being put in their place.
    std::fs::create_dir_all(artifacts.join("models")).unwrap();
    let left = [
        folder.path().join("tmp/.tmpAbCdEf"),
        artifacts.join("datasets/ds_0.jsonl#1"),
        artifacts.join("models/0.safetensors#17"),
    ];
    for path in &left {
        std::fs::write(path, "half a file").unwrap();
    }
    let settings = Settings { workers: Some(0), ..Settings::default() };
    let server = Server::start_in(folder, settings).await;
    for path in &left {
        assert!(!path.exists(), "{} is still there", path.display());
    }
    assert!(kept.exists());
    let id = dataset["id"].as_str().unwrap();
    assert_eq!(
        server.get(&format!("/v1/datasets/{id}/records")).await["items"][5]["sentiment"],
        "negative"
    );
}
