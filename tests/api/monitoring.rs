//! Monitoring: what was scored is counted in windows, and a stream that drifts is found.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use whereof::clock::ManualClock;
use whereof::config::Settings;

use crate::harness::{REVIEWS, SIX, Server, refused, train_request};

const PATH: &str = "/v1/models/sentiment/monitoring";
/// 2026-11-23T08:15:30Z.
const MORNING: i64 = 1_795_421_730_000;

async fn score(server: &Server, body: &Value) -> Vec<Value> {
    let answer = server.post("/v1/models/sentiment/score", body).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    answer.value()["results"].as_array().unwrap().clone()
}

async fn reset(server: &Server) {
    assert_eq!(server.send(Method::DELETE, PATH, &[], "").await.status, 204);
}

fn settings() -> Settings {
    Settings { workers: Some(1), ..Settings::default() }
}

/// Checks a window against the answers of the records that it counts.
#[track_caller]
fn check_window(window: &Value, answers: &[Value]) {
    let scored: Vec<&Value> = answers.iter().filter(|a| a["error"].is_null()).collect();
    assert_eq!(window["records"], answers.len(), "{window}");
    assert_eq!(window["failed"], answers.len() - scored.len(), "{window}");
    let mean = |value: &dyn Fn(&Value) -> f64| {
        scored.iter().map(|answer| value(answer)).sum::<f64>() / scored.len() as f64
    };
    let of_flag = |flag: bool| f64::from(u8::from(flag));
    let number = |value: &Value| value.as_f64().unwrap();
    for (name, found, expected) in [
        ("accepted", &window["accepted_share"], mean(&|a| of_flag(a["accepted"] == true))),
        ("confidence", &window["mean_confidence"], mean(&|a| number(&a["confidence"]))),
        ("tokens", &window["mean_coverage"]["tokens"], mean(&|a| number(&a["coverage"]["tokens"]))),
        ("ngrams", &window["mean_coverage"]["ngrams"], mean(&|a| number(&a["coverage"]["ngrams"]))),
        (
            "unknown",
            &window["mean_coverage"]["texts_with_unknown"],
            mean(&|a| of_flag(a["coverage"]["unknown_count"] != 0)),
        ),
    ] {
        assert!((number(found) - expected).abs() < 1e-6, "{name}: {found} {expected}");
    }
    let mut bins = [0; 10];
    for answer in &scored {
        let p = number(&answer["ood"]["p_value"]);
        bins[(0..10).find(|bin| p <= (bin + 1) as f64 / 10.0 + 1e-6).unwrap()] += 1;
    }
    assert_eq!(window["p_values"], json!(bins), "{window}");
    assert!(window["drift"]["p_value"].is_number(), "{window}");
}

/// Counts, windows, pages, parallel requests, a restart, a reset and the end of the model.
#[tokio::test]
async fn what_is_scored_is_counted_in_windows() {
    let clock = ManualClock::at(MORNING);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_at(clock.clone(), folder, settings()).await;
    server.small_model("sentiment").await;
    let empty = server.get(PATH).await;
    assert_eq!(empty["window_seconds"], 3600);
    assert_eq!((&empty["items"], &empty["stream"]), (&json!([]), &Value::Null));

    let texts = json!(["I love this purchase", "", "The ergonomics are poor", 7, "Ein Wort"]);
    let mut first = score(&server, &json!({ "texts": texts, "max_false_alarm": 0.3 })).await;
    let unseen = json!({"texts": ["Not to be counted"], "monitor": false});
    assert_eq!(score(&server, &unseen).await.len(), 1);
    let one = server.get(PATH).await;
    check_window(&one["items"][0], &first);
    assert_eq!(one["items"][0]["starts_at"], "2026-11-23T08:00:00.000Z");
    assert_eq!(one["items"][0]["ends_at"], "2026-11-23T09:00:00.000Z");
    // The flags are those of this request's own level.
    let low = |a: &&Value| a["ood"]["p_value"].as_f64().is_some_and(|p| p <= 0.3);
    let flagged = first.iter().filter(low).count() as f64 / 3.0;
    assert_eq!(one["items"][0]["flagged_share"].as_f64().unwrap(), flagged);
    assert_eq!(one["stream"]["records"], 3);

    // No count is lost where requests come at the same time, some of them while counts are read.
    let body = json!({"texts": ["Great value", "The lid broke"]});
    let requests = (0..30).map(async |i| match i % 5 {
        4 => server.get(PATH).await.as_object().map(|_| Vec::new()).unwrap(),
        _ => score(&server, &body).await,
    });
    first.extend(futures_util::future::join_all(requests).await.into_iter().flatten());
    assert_eq!(first.len(), 5 + 24 * 2);

    // An hour on there is another window, and none where nothing came.
    clock.advance(Duration::from_secs(2 * 3600));
    let second = score(&server, &body).await;
    let before = server.get(PATH).await;
    let windows = before["items"].as_array().unwrap();
    assert_eq!(windows.len(), 2);
    check_window(&windows[0], &first);
    check_window(&windows[1], &second);
    assert_eq!(windows[1]["starts_at"], "2026-11-23T10:00:00.000Z");
    assert_eq!(before["stream"]["records"], 3 + 48 + 2);
    assert_eq!(before["stream"]["started_at"], "2026-11-23T08:15:30.000Z");

    // Pages and periods.
    let page = server.get(&format!("{PATH}?limit=1")).await;
    assert_eq!(page["items"], json!([windows[0]]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = server.get(&format!("{PATH}?limit=1&cursor={cursor}")).await;
    assert_eq!((&page["items"], page.get("next_cursor")), (&json!([windows[1]]), None));
    for (query, expected) in [
        ("since=2026-11-23T09:00:00Z", &windows[1..]),
        ("until=2026-11-23T10:00:00Z", &windows[..1]),
        ("since=2026-11-23T08:59:59Z&until=2026-11-23T10:59:59%2B01:00", &windows[..1]),
    ] {
        let found = server.get(&format!("{PATH}?{query}")).await;
        assert_eq!(found["items"], json!(expected), "{query}");
    }

    // What was counted a moment before the server stops is there when it starts again, and goes on.
    score(&server, &body).await;
    let folder = server.stop().await;
    let other = Settings { monitoring_window_seconds: Some(60), ..settings() };
    let server = Server::start_at(clock.clone(), folder, other).await;
    let after = server.get(PATH).await;
    assert_eq!(after["items"][1]["records"], 4);
    assert_eq!(after["stream"]["records"], 3 + 48 + 4);
    score(&server, &body).await;
    let after = server.get(PATH).await;
    assert_eq!(after["window_seconds"], 60);
    assert_eq!(after["items"][2]["starts_at"], "2026-11-23T10:15:00.000Z");
    assert_eq!(after["items"][2]["records"], 2);
    assert_eq!(after["stream"]["records"], 3 + 48 + 6);

    reset(&server).await;
    let forgotten = server.get(PATH).await;
    assert_eq!((&forgotten["items"], &forgotten["stream"]), (&json!([]), &Value::Null));
    score(&server, &body).await;
    let id = server.get(PATH).await["model"].as_str().unwrap().to_owned();
    let path = format!("/v1/models/{id}");
    score(&server, &body).await;
    assert_eq!(server.send(Method::DELETE, &path, &[], "").await.status, 204);
    let gone = server.send(Method::GET, &format!("{path}/monitoring"), &[], "").await;
    refused(&gone, 404, "not-found", "");
    let gone = server.send(Method::DELETE, &format!("{path}/monitoring"), &[], "").await;
    refused(&gone, 404, "not-found", "");
    // What was still to be written for it does not stop what is counted of others.
    server.small_model("sentiment").await;
    score(&server, &body).await;
    assert_eq!(server.get(PATH).await["items"][0]["records"], 2);
}

#[tokio::test]
async fn queries_are_checked() {
    let server = Server::idle().await;
    let cases = [
        ("since=yesterday", "since"),
        ("until=2026-11-23", "until"),
        ("since=2026-11-23T10:00:00Z&until=2026-11-23T10:00:00Z", "until"),
        ("limit=0", "limit"),
        ("cursor=zz", "cursor"),
        ("window=5", "window"),
    ];
    for (query, field) in cases {
        let answer = server.send(Method::GET, &format!("{PATH}?{query}"), &[], "").await;
        refused(&answer, 400, "invalid-query", field);
    }
    let answer = server.send(Method::GET, PATH, &[], "").await;
    refused(&answer, 404, "not-found", "");
}

/// The texts of the demo's reviews of a split.
fn texts(split: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(REVIEWS.as_bytes());
    let rows = reader.records().map(|row| row.unwrap());
    rows.filter(|row| &row[3] == split).map(|row| row[0].to_owned()).collect()
}

/// The demo's own test reviews raise no alarm, in any order of several; foreign text does.
#[tokio::test]
async fn drift_is_found_where_there_is_drift() {
    let server = Server::start().await;
    let dataset = server.upload(REVIEWS).await;
    let mut request = train_request(&dataset, Some("sentiment"));
    request["split"] = json!({"column": "split"});
    request.as_object_mut().unwrap().remove("training");
    server.train(&request).await;
    let test = texts("test");
    for step in [1, 7, 31] {
        let drawn: Vec<&String> = (0..test.len()).map(|i| &test[i * step % test.len()]).collect();
        for part in drawn.chunks(30) {
            score(&server, &json!({ "texts": part })).await;
            let stream = server.get(PATH).await["stream"].clone();
            assert_eq!(stream["drift"], false, "{stream}");
        }
        let found = server.get(PATH).await;
        let stream = &found["stream"];
        assert_eq!(stream["records"], test.len());
        assert_eq!((&stream["alpha"], stream.get("first_found")), (&json!(0.05), None));
        assert!((stream["delta"].as_f64().unwrap() - 0.01).abs() < 1e-12, "{stream}");
        let drift = found["items"][0]["drift"]["p_value"].as_f64().unwrap();
        assert!(drift > 0.05, "{found}");
        assert_eq!(found["unavailable"], json!([]));
        reset(&server).await;
    }
    let foreign: Vec<String> =
        (0..60).map(|i| format!("Der Motor {i} ist viel zu laut und leckt")).collect();
    score(&server, &json!({ "texts": foreign })).await;
    let found = server.get(PATH).await;
    let stream = &found["stream"];
    assert_eq!(stream["drift"], true, "{stream}");
    assert!(stream["anytime_p_value"].as_f64().unwrap() <= 0.05, "{stream}");
    let record = stream["first_found"]["record"].as_u64().unwrap();
    assert!(record < 60 && stream["first_found"]["at"].is_string(), "{stream}");
    let window = &found["items"][0];
    assert!(window["drift"]["p_value"].as_f64().unwrap() < 1e-6, "{window}");
    assert!(window["drift"]["low_share"].as_f64().unwrap() > 0.9, "{window}");
    assert!(window["flagged_share"].as_f64().unwrap() > 0.9, "{window}");
    // It stays found when calm records follow.
    score(&server, &json!({ "texts": test })).await;
    assert_eq!(server.get(PATH).await["stream"]["drift"], true);
}

/// Rows that cannot be read begin anew; those of other models, and later ones, are written all the same.
#[tokio::test]
async fn a_damaged_row_stops_no_other_from_being_written() {
    let clock = ManualClock::at(MORNING);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_at(clock.clone(), folder, settings()).await;
    server.small_model("sentiment").await;
    let dataset = server.upload(SIX).await;
    server.train(&train_request(&dataset, Some("other"))).await;
    let both = async |server: &Server| {
        for model in ["sentiment", "other"] {
            let body = json!({"texts": ["Great value", "The lid broke"]});
            let answer = server.post(&format!("/v1/models/{model}/score"), &body).await;
            assert_eq!(answer.status, 200, "{}", answer.value());
        }
    };
    both(&server).await;
    let before = server.get(PATH).await;
    assert_eq!(
        (&before["items"][0]["records"], &before["stream"]["records"]),
        (&json!(2), &json!(2))
    );
    let id = before["model"].as_str().unwrap().to_owned();

    let folder = server.stop().await;
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("whereof.db"));
    let database = sqlx::SqlitePool::connect_with(file).await.unwrap();
    for damage in [
        "UPDATE monitoring_windows SET counts = '{' WHERE model = $1",
        "UPDATE monitoring_streams SET state = '[]' WHERE model = $1",
    ] {
        let done = sqlx::query(damage).bind(&id).execute(&database).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{damage}");
    }
    database.close().await;
    let server = Server::start_at(clock, folder, settings()).await;
    assert_eq!(server.send(Method::GET, PATH, &[], "").await.status, 500);
    both(&server).await;
    let anew = server.get(PATH).await;
    assert_eq!((&anew["items"][0]["records"], &anew["stream"]["records"]), (&json!(2), &json!(2)));
    let other = server.get("/v1/models/other/monitoring").await;
    assert_eq!(other["items"][0]["records"], 4, "{other}");
}

/// Without calibration records there is volume alone; a server may count nothing at all.
#[tokio::test]
async fn what_cannot_be_counted_is_not() {
    let clock: Arc<ManualClock> = ManualClock::at(MORNING);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_at(clock.clone(), folder, settings()).await;
    let dataset = server.upload(SIX).await;
    let mut request = train_request(&dataset, Some("sentiment"));
    request["split"] = json!({"train": 1.0, "validation": 0.0, "calibration": 0.0, "test": 0.0});
    server.train(&request).await;
    let body = json!({"texts": ["I love this purchase", ""]});
    score(&server, &body).await;
    let found = server.get(PATH).await;
    let window = &found["items"][0];
    assert_eq!((&window["records"], &window["failed"]), (&json!(2), &json!(1)), "{window}");
    assert!(window["mean_coverage"]["tokens"].is_number(), "{window}");
    for absent in ["flagged_share", "mean_confidence", "p_values", "drift"] {
        assert_eq!(window[absent], Value::Null, "{absent}");
    }
    assert_eq!(found["stream"], Value::Null);
    let missing: Vec<&Value> =
        found["unavailable"].as_array().unwrap().iter().map(|entry| &entry["statistic"]).collect();
    assert_eq!(missing, ["items.p_values", "items.drift", "stream"]);
    let needs = found["unavailable"].as_array().unwrap().iter().map(|entry| &entry["need"]);
    let needs: Vec<u64> = needs.map(|need| need.as_u64().unwrap()).collect();
    assert!(needs[..2] == [1, 9] && needs[2] > 9, "{needs:?}");

    let folder = server.stop().await;
    let off = Settings { monitoring_window_seconds: Some(0), ..settings() };
    let server = Server::start_at(clock, folder, off).await;
    score(&server, &body).await;
    let found = server.get(PATH).await;
    assert_eq!(found["window_seconds"], Value::Null);
    assert_eq!(found["items"][0]["records"], 2, "what was counted before is still shown");
}
