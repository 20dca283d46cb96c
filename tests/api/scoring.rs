//! Scoring and evaluating: the shape of the answers, what is accepted, and single bad texts.

use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{REVIEWS, Server, refused};

/// The demo's reviews on the split that they come with.
pub async fn reviews_model(server: &Server) -> Value {
    let dataset = server.upload(REVIEWS).await;
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "sentiment",
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "split": {"column": "split"},
    });
    server.train(&request).await;
    dataset
}

pub async fn score(server: &Server, body: Value) -> Value {
    let answer = server.post("/v1/models/sentiment/score", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    answer.value()
}

#[tokio::test]
async fn a_score_says_what_is_known_of_a_text() {
    let server = Server::start().await;
    reviews_model(&server).await;
    let text = "I love this backpack, but the ergonomics of 世界 are poor.";
    let body = json!({"texts": [text, "This is a great product"]});
    let response = score(&server, body).await;
    assert_eq!(response["results"].as_array().unwrap().len(), 2);
    let first = &response["results"][0];

    let probabilities = first["probabilities"].as_object().unwrap();
    assert_eq!(probabilities.keys().collect::<Vec<_>>(), ["negative", "positive"]);
    let sum: f64 = probabilities.values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-6);
    let label = first["label"].as_str().unwrap();
    assert_eq!(first["raw_confidence"], probabilities[label]);
    for (name, value) in [
        ("confidence", &first["confidence"]),
        ("tokens", &first["coverage"]["tokens"]),
        ("ngrams", &first["coverage"]["ngrams"]),
        ("representation", &first["coverage"]["representation"]),
        ("p_value", &first["ood"]["p_value"]),
    ] {
        assert!((0.0..=1.0).contains(&value.as_f64().unwrap()), "{name}: {value}");
    }
    // Offsets count characters, so that a client in any language can mark the words.
    let unknown = first["coverage"]["unknown"].as_array().unwrap();
    let characters: Vec<char> = text.chars().collect();
    for token in unknown {
        let [start, end] = ["start", "end"].map(|n| token[n].as_u64().unwrap() as usize);
        assert_eq!(characters[start..end].iter().collect::<String>(), token["text"]);
    }
    let names: Vec<&str> = unknown.iter().map(|token| token["text"].as_str().unwrap()).collect();
    assert!(names.contains(&"ergonomics") && names.contains(&"世"), "{names:?}");
    let axes = first["ood"]["axes"].as_object().unwrap();
    assert!(axes.len() >= 2 && axes.values().all(|axis| axis["p_value"].is_number()), "{axes:?}");
    assert!(first["prediction_set"].is_array());
    assert!(first["reason"].as_str().unwrap().len() > 10);
}

#[tokio::test]
async fn thresholds_decide_what_is_accepted() {
    let server = Server::start().await;
    reviews_model(&server).await;
    let texts =
        json!(["I love this backpack, the zippers are sturdy", "Der Motor ist viel zu laut"]);
    let accepted = async |alarm: f64, confidence: f64| {
        let body = json!({
            "texts": texts, "max_false_alarm": alarm, "min_confidence": confidence,
        });
        let response = score(&server, body).await;
        let results = response["results"].as_array().unwrap();
        results.iter().map(|r| r["accepted"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(accepted(0.1, 0.5).await, [true, false]);
    assert_eq!(accepted(0.0, 0.0).await, [true, true], "nothing was asked for");
    assert_eq!(accepted(0.1, 1.0).await, [false, false], "certainty is not to be had");
}

#[tokio::test]
async fn a_bad_text_does_not_lose_the_others() {
    let server = Server::start().await;
    reviews_model(&server).await;
    let long = "word ".repeat(300_000);
    let texts = json!([
        "first", "", "   ", 7, null, {"text": "x"}, "nul \u{0} inside", long, "😀😀😀",
        "المنتج رائع جدا", "last", "?! …", "\u{200b}\u{feff}"
    ]);
    let response = score(&server, json!({ "texts": texts })).await;
    let results = response["results"].as_array().unwrap();
    assert_eq!(results.len(), 13);
    for (index, result) in results.iter().enumerate() {
        if [0, 8, 9, 10, 11].contains(&index) {
            assert!(result["label"].is_string(), "{index}: {result}");
            continue;
        }
        let error = &result["error"];
        let at = &error["errors"][0];
        assert_eq!(at["field"], format!("texts[{index}]"), "{result}");
        assert!(at["hint"].is_string(), "{error}");
        assert_eq!(error["status"], 422);
    }
    // Emoji and Arabic are text like any other: nothing of them is known.
    for index in [8, 9] {
        assert_eq!(results[index]["coverage"]["tokens"], 0.0);
        assert_eq!(results[index]["accepted"], false, "{}", results[index]);
    }
    // Punctuation may be a text to a model, but has no word that could be known.
    let reason = results[11]["reason"].as_str().unwrap();
    assert!(reason.contains("it holds no word"), "{reason}");
    assert_eq!(results[0], score(&server, json!({"text": "first"})).await["results"][0]);
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let path = "/v1/models/sentiment/score";
    let many: Vec<&str> = vec!["x"; 10_001];
    for (body, field) in [
        (json!({}), "texts"),
        (json!({"texts": []}), "texts"),
        (json!({"texts": many}), "texts"),
        (json!({"texts": "one"}), "texts"),
        (json!({"texts": null}), "texts"),
        (json!({"text": null}), "text"),
        (json!({"text": "a", "texts": ["b"]}), "text"),
        (json!({"texts": ["a"], "max_false_alarm": 1.0}), "max_false_alarm"),
        (json!({"texts": ["a"], "max_false_alarm": -0.1}), "max_false_alarm"),
        (json!({"texts": ["a"], "min_confidence": 1.1}), "min_confidence"),
        (json!({"texts": ["a"], "max_miscoverage": 0}), "max_miscoverage"),
        (json!({"texts": ["a"], "max_false_discovery": 0}), "max_false_discovery"),
        (json!({"texts": ["a"], "max_risk": 1}), "max_risk"),
        (json!({"texts": ["a"], "delta": 0}), "delta"),
        (json!({"texts": ["a"], "set_method": "apx"}), "set_method"),
        (json!({"texts": ["a"], "interval_method": "split"}), "interval_method"),
        (
            json!({"texts": ["a"], "max_false_discovery": 0.1, "max_false_alarm": 0.1}),
            "max_false_alarm",
        ),
        (json!({"texts": ["a"], "max_false_discovery": 0.1, "delta": 0.1}), "delta"),
        (json!({"texts": ["a"], "min_confidense": 0.5}), "min_confidense"),
    ] {
        let answer = server.post(path, &body).await;
        refused(&answer, 422, "invalid-request", field);
    }
    let unknown = server.post("/v1/models/nobody/score", &json!({"text": "a"})).await;
    refused(&unknown, 404, "not-found", "");
    let most: Vec<&str> = vec!["x"; 10_000];
    let answer = server.post(path, &json!({"texts": most, "top_labels": 1})).await;
    let results = answer.value()["results"].as_array().unwrap().len();
    assert_eq!((answer.status.as_u16(), results), (200, 10_000));
}

#[tokio::test]
async fn the_cost_of_one_request_is_bounded() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let path = "/v1/models/sentiment/score";
    // A text of many unknown words names the first of them and counts them all.
    let text = "I love xyzzy ".repeat(300);
    let flagging = json!({"text": text, "max_false_alarm": 0.99});
    let answer = server.post(path, &flagging).await.value();
    let coverage = &answer["results"][0]["coverage"];
    assert_eq!(coverage["unknown"].as_array().unwrap().len(), 100);
    assert_eq!(coverage["unknown_count"], 300);
    assert!((coverage["tokens"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-6, "{coverage}");
    let reason = answer["results"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("300 of its 900 words are unknown"), "{reason}");

    let long = "x ".repeat(400_000);
    let texts: Vec<&str> = vec![&long; 21];
    let answer = server.post(path, &json!({ "texts": texts })).await;
    let error = refused(&answer, 413, "too-much", "texts");
    assert_eq!(error["hint"], "send fewer texts at once");

    // 300 labels for 10,000 texts are three million numbers.
    let rows: String = (0..600).map(|n| format!("text of the kind k{0},k{0}\n", n % 300)).collect();
    let dataset = server.upload(format!("text,sentiment\n{rows}")).await;
    let mut request = crate::harness::train_request(&dataset, Some("many"));
    request["split"] = json!({"train": 1.0, "validation": 0.0, "calibration": 0.0, "test": 0.0});
    request["training"]["epochs"] = 1.into();
    server.train(&request).await;
    let most: Vec<&str> = vec!["x"; 10_000];
    let answer = server.post("/v1/models/many/score", &json!({ "texts": most })).await;
    let error = refused(&answer, 413, "too-much", "texts");
    assert!(error["hint"].as_str().unwrap().contains("top_labels"), "{error}");
    let few = json!({"texts": most, "top_labels": 3});
    assert_eq!(server.post("/v1/models/many/score", &few).await.status, 200);
}

#[tokio::test]
async fn an_evaluation_shows_accuracy_beside_coverage() {
    let server = Server::start().await;
    let dataset = reviews_model(&server).await;
    let body = json!({
        "dataset": dataset["id"], "slice": "category", "only": {"column": "split", "value": "test"},
    });
    let answer = server.post("/v1/models/sentiment/evaluate", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    let report = answer.value();
    let job = server.get("/v1/jobs").await["items"][0].clone();
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert_eq!(report["overall"]["metrics"], run["metrics"]["test"], "the same records and path");
    let slices = report["slices"].as_array().unwrap();
    assert_eq!(slices.len(), 8);
    let records: u64 = slices.iter().map(|slice| slice["records"].as_u64().unwrap()).sum();
    assert_eq!(records, 96);
    let accuracies: Vec<f64> =
        slices.iter().map(|slice| slice["metrics"]["accuracy"].as_f64().unwrap()).collect();
    assert!(accuracies.is_sorted(), "the worst slice comes first: {accuracies:?}");

    let telescopes = server.upload(include_str!("../../demo/telescopes.csv")).await;
    let body = json!({"dataset": telescopes["id"]});
    let niche = server.post("/v1/models/sentiment/evaluate", &body).await.value();
    for share in ["tokens", "ngrams", "representation"] {
        let [inside, outside] =
            [&report, &niche].map(|r| r["overall"]["coverage"][share].as_f64().unwrap());
        assert!(outside < inside, "{share}: {outside} against {inside}");
    }
    let [inside, outside] =
        [&report, &niche].map(|r| r["overall"]["metrics"]["accuracy"].as_f64().unwrap());
    assert!(outside < inside, "accuracy {outside} against {inside}");
}

#[tokio::test]
async fn an_evaluation_on_training_records_says_so() {
    let server = Server::start().await;
    let dataset = reviews_model(&server).await;
    let card = server.get("/v1/models/sentiment/card").await;
    let evaluate = async |body: Value| {
        let answer = server.post("/v1/models/sentiment/evaluate", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.value());
        answer.value()
    };
    let whole = evaluate(json!({"dataset": dataset["id"]})).await;
    for part in ["train", "validation", "calibration", "test"] {
        assert_eq!(whole["seen"][part], card["records"][part], "{part}");
    }
    assert_eq!(whole["warnings"][0]["code"], "seen_records");
    let message = whole["warnings"][0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("{} trained it", card["records"]["train"])), "{message}");
    // The test records alone are nothing that it has seen.
    let only = json!({"column": "split", "value": "test"});
    let test = evaluate(json!({"dataset": dataset["id"], "only": only})).await;
    assert_eq!((&test["warnings"], &test["seen"]["test"]), (&json!([]), &json!(96)));
    assert_eq!((&test["seen"]["train"], &test["seen"]["calibration"]), (&json!(0), &json!(0)));
    let telescopes = server.upload(include_str!("../../demo/telescopes.csv")).await;
    let other = evaluate(json!({"dataset": telescopes["id"]})).await;
    assert!(other["seen"].is_null() && other["warnings"] == json!([]), "{other}");

    // Shares are drawn again in the same way.
    server.small_model("sentiment").await;
    let card = server.get("/v1/models/sentiment/card").await;
    let shares = evaluate(json!({"dataset": card["dataset"]["id"]})).await;
    for part in ["train", "validation", "calibration", "test"] {
        assert_eq!(shares["seen"][part], card["records"][part], "{part}");
    }
}

#[tokio::test]
async fn an_evaluation_without_any_known_label_is_refused() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let dataset = server.upload("text,sentiment\nlovely,good\nawful,bad\n").await;
    let body = json!({"dataset": dataset["id"]});
    let answer = server.post("/v1/models/sentiment/evaluate", &body).await;
    let error = refused(&answer, 422, "invalid-request", "label");
    assert!(error["message"].as_str().unwrap().contains("\"good\""), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("negative, positive"), "{error}");
    // One known label is enough: the others count as errors.
    let some = server.upload("text,sentiment\nlovely,positive\nawful,bad\n").await;
    let answer =
        server.post("/v1/models/sentiment/evaluate", &json!({"dataset": some["id"]})).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    assert_eq!(answer.value()["warnings"][0]["code"], "unknown_labels");
    // What is given to a record of a label that it does not know is given wrongly.
    let strange = server.upload("text,sentiment\nlovely,positive\nlovely,strange\n").await;
    let body = json!({"dataset": strange["id"]});
    let report = server.post("/v1/models/sentiment/evaluate", &body).await.value();
    let classes = report["overall"]["metrics"]["per_class"].as_array().unwrap();
    let given = classes.iter().find(|class| class["precision"].as_f64() > Some(0.0)).unwrap();
    assert_eq!(given["precision"], 0.5, "{classes:?}");
}

#[tokio::test]
async fn an_evaluation_names_what_does_not_fit() {
    let server = Server::start().await;
    let dataset = reviews_model(&server).await;
    let id = &dataset["id"];
    for (body, field) in [
        (json!({"dataset": id, "slice": "categori"}), "slice"),
        (json!({"dataset": id, "text": "txt"}), "text"),
        (json!({"dataset": id, "only": {"column": "nope", "value": "x"}}), "only.column"),
        (json!({"dataset": id, "only": {"column": "split", "value": "x"}}), "only.value"),
        (json!({"dataset": id, "only": {"column": "split"}}), "only.value"),
    ] {
        let answer = server.post("/v1/models/sentiment/evaluate", &body).await;
        refused(&answer, 422, "invalid-request", field);
    }
    let nowhere = json!({"dataset": id, "only": {"column": "split", "value": "tets"}});
    let answer = server.post("/v1/models/sentiment/evaluate", &nowhere).await;
    let error = refused(&answer, 422, "invalid-request", "only.value");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with("did you mean \"test\"? the column holds: train, "), "{hint}");
    let gone = server.post("/v1/models/sentiment/evaluate", &json!({"dataset": "ds_0"})).await;
    refused(&gone, 404, "not-found", "");
}

#[tokio::test]
async fn a_multi_label_model_gives_each_label_its_own_answer() {
    let server = Server::start_with(Settings { workers: Some(1), ..Settings::default() }).await;
    let fruits = ["apple", "banana", "cherry"];
    let records: Vec<Value> = (0..240_u32)
        .map(|n| {
            let present: Vec<&str> =
                (0..3).filter(|bit| n >> bit & 1 == 1).map(|bit| fruits[bit as usize]).collect();
            json!({"text": format!("basket {n} with {}", present.join(" and ")), "fruits": present})
        })
        .collect();
    let dataset = server.post("/v1/datasets", &json!({ "records": records })).await.value();
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "sentiment",
        "task": {"type": "text_classification", "text": "text", "label": "fruits",
                 "multi_label": true},
        "training": {"epochs": 200,
            "early_stopping": {"metric": "mean_average_precision", "patience": 25}},
    });
    let job = server.train(&request).await;
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    let test = &run["metrics"]["test"];
    assert!(test["micro_f1"].as_f64().unwrap() > 0.95, "{test}");
    let precisions = test["per_class"].as_array().unwrap().iter();
    let precisions: Vec<f64> =
        precisions.map(|label| label["average_precision"].as_f64().unwrap()).collect();
    let mean = test["mean_average_precision"].as_f64().unwrap();
    assert!((mean - precisions.iter().sum::<f64>() / 3.0).abs() < 1e-12 && mean > 0.95, "{test}");
    assert_eq!(run["end_reason"], "early_stopping", "{run}");
    let history = format!(
        "/v1/runs/{}/metrics?name=validation.mean_average_precision",
        job["run"].as_str().unwrap()
    );
    let history = server.get(&history).await["metrics"][0]["points"].clone();
    assert_eq!(history.as_array().unwrap().len(), run["epochs"].as_u64().unwrap() as usize);
    let response = score(&server, json!({"texts": ["basket with apple and cherry"]})).await;
    let first = &response["results"][0];
    assert_eq!((&first["labels"], &first["label"]), (&json!(["apple", "cherry"]), &Value::Null));
    assert_eq!(first["probabilities"].as_object().unwrap().len(), 3);
}
