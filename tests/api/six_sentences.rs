//! The smallest case: six sentences train, and the service says what that cannot give.

use serde_json::json;

use crate::harness::{SIX, Server};

#[tokio::test]
async fn six_examples_calibrate_nothing_and_the_service_says_so() {
    let server = Server::start().await;
    let dataset = server.upload(SIX).await;
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "six",
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
    });
    let job = server.train(&request).await;
    assert_eq!(job["warnings"][0]["code"], "small_dataset");
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert_eq!(run["metrics"]["train"]["accuracy"], 1.0, "six sentences can be learnt");
    assert!(run["metrics"]["validation"].is_null() && run["metrics"]["test"].is_null());

    let unknown_words = [
        ("The interface is clunky", vec!["interface", "clunky"]),
        ("The ergonomics are poor", vec!["ergonomics", "are", "poor"]),
        ("It is not user-friendly", vec!["It", "not", "user", "friendly"]),
    ];
    let texts: Vec<&str> = unknown_words.iter().map(|(text, _)| *text).collect();
    let answer = server.post("/v1/models/six/score", &json!({ "texts": texts })).await.value();
    for (result, (text, expected)) in
        answer["results"].as_array().unwrap().iter().zip(&unknown_words)
    {
        let coverage = &result["coverage"];
        assert!(coverage["tokens"].as_f64().unwrap() <= 0.5, "{text}: {coverage}");
        assert!(coverage["ngrams"].as_f64().unwrap() <= 0.5, "{text}: {coverage}");
        let unknown = coverage["unknown"].as_array().unwrap();
        let named: Vec<&str> = unknown.iter().map(|u| u["text"].as_str().unwrap()).collect();
        for word in expected {
            assert!(named.contains(word), "{text}: {word} is not among {named:?}");
        }
        assert_eq!(result["accepted"], false);
        assert!(result["confidence"].is_null() && result["ood"]["p_value"].is_null());
        assert!(result["prediction_set"].is_null());
        assert!(result["reason"].as_str().unwrap().contains("calibration records"));
    }

    let card = server.get("/v1/models/six/card").await;
    for unavailable in [&answer["unavailable"], &card["unavailable"]] {
        let unavailable = unavailable.as_array().unwrap();
        for statistic in ["confidence", "ood.p_value", "prediction_set"] {
            let entry = unavailable.iter().find(|u| u["statistic"] == statistic);
            let entry = entry.unwrap_or_else(|| panic!("{statistic} is not among {unavailable:?}"));
            assert_eq!(entry["have"], 0);
            assert!(entry["need"].as_u64().unwrap() > 0, "{entry}");
        }
    }
}
