//! Scored texts are counted and not kept, unless a model was asked to keep those that are flagged.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, refused};

const PATH: &str = "/v1/models/sentiment/monitoring/texts";

async fn put(server: &Server, most: &Value) -> whereof::client::Answer {
    let kind = [("content-type", "application/json")];
    let body = json!({ "store_texts": most }).to_string();
    server.send(Method::PUT, PATH, &kind, body).await
}

async fn keep(server: &Server, most: u64) {
    let answer = put(server, &json!(most)).await;
    assert_eq!((answer.status.as_u16(), answer.value()), (200, json!({ "store_texts": most })));
}

/// Scores texts; gives those that were flagged, newest first.
async fn score(server: &Server, texts: &[&str], monitor: bool) -> Vec<String> {
    let body = json!({"texts": texts, "max_false_alarm": 0.3, "monitor": monitor});
    let answer = server.post("/v1/models/sentiment/score", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    let results = answer.value()["results"].clone();
    let low = |result: &Value| result["ood"]["p_value"].as_f64().is_some_and(|p| p <= 0.3);
    let flagged = texts.iter().zip(results.as_array().unwrap()).filter(|(_, result)| low(result));
    flagged.map(|(text, _)| (*text).to_owned()).rev().collect()
}

async fn kept(server: &Server) -> Vec<String> {
    let list = server.get(PATH).await;
    let text = |item: &Value| item["text"].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(text).collect()
}

const STRANGE: [&str; 6] = [
    "Zyx qwv jkl",
    "I love this purchase",
    "",
    "Der Zug fährt heute nicht",
    "Przepraszam, gdzie jest dworzec",
    "xylophone quartz zeppelin",
];

#[tokio::test]
async fn flagged_texts_are_kept_where_that_was_asked_for() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    // Off by default.
    let flagged = score(&server, &STRANGE, true).await;
    assert!(flagged.len() >= 2, "{flagged:?}");
    let list = server.get(PATH).await;
    assert_eq!((&list["store_texts"], &list["items"]), (&json!(0), &json!([])));
    for bad in [json!(-1), json!(1001), json!("all")] {
        refused(&put(&server, &bad).await, 422, "invalid-request", "store_texts");
    }

    keep(&server, 1000).await;
    assert_eq!(score(&server, &STRANGE, true).await, flagged);
    assert_eq!(kept(&server).await, flagged);
    let first = &server.get(PATH).await["items"][0];
    assert!(first["p_value"].as_f64().unwrap() <= 0.3 && first["scored_at"].is_string(), "{first}");
    // Neither what is not to be counted, nor what is inside.
    score(&server, &STRANGE, false).await;
    assert_eq!(kept(&server).await, flagged);

    // The newest are kept, across requests.
    keep(&server, 2).await;
    assert_eq!(kept(&server).await, flagged[..2]);
    let newer = score(&server, &["Qwv zyx"], true).await;
    let both: Vec<String> = newer.iter().chain(&flagged).take(2).cloned().collect();
    assert_eq!(kept(&server).await, both);

    // They can be forgotten, and so is what was not written yet; the setting stays.
    score(&server, &STRANGE, true).await;
    assert_eq!(server.send(Method::DELETE, PATH, &[], "").await.status, 204);
    let list = server.get(PATH).await;
    assert_eq!((&list["store_texts"], &list["items"]), (&json!(2), &json!([])));
    score(&server, &STRANGE, true).await;
    keep(&server, 0).await;
    assert!(kept(&server).await.is_empty());
    score(&server, &STRANGE, true).await;
    assert!(kept(&server).await.is_empty());
    // Forgetting the counts forgets the texts.
    keep(&server, 5).await;
    score(&server, &STRANGE, true).await;
    assert!(!kept(&server).await.is_empty());
    let counts = "/v1/models/sentiment/monitoring";
    assert_eq!(server.send(Method::DELETE, counts, &[], "").await.status, 204);
    assert!(kept(&server).await.is_empty());
}
