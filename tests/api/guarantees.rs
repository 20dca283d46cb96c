//! What a request can ask of scores, what a job can choose for them, and what the card tells.

use serde_json::{Value, json};

use crate::harness::{REVIEWS, Server};
use crate::scoring::{reviews_model, score};

/// What a request can ask of guarantees, and what it is told where the calibration split is too small.
#[tokio::test]
async fn guarantees_are_given_or_said_to_be_out_of_reach() {
    let server = Server::start().await;
    reviews_model(&server).await;
    let texts =
        json!(["I love this backpack, the zippers are sturdy", "Der Motor ist viel zu laut"]);
    let asked = async |more: Value| {
        let mut body = json!({"texts": texts, "min_confidence": 0});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        score(&server, body).await
    };
    let lacking = |response: &Value, statistic: &str| {
        let list = response["unavailable"].as_array().unwrap();
        list.iter().find(|u| u["statistic"] == statistic).map(|u| u["need"].as_u64())
    };
    let flags = |response: &Value| {
        let results = response["results"].as_array().unwrap().clone();
        results.iter().map(|r| r["accepted"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    let records = server.get("/v1/models/sentiment/card").await["records"]["calibration"].clone();
    let records = records.as_u64().unwrap();

    // With probability 0.9 over calibration splits the threshold is lower, and needs more records.
    let plain = asked(json!({"max_false_alarm": 0.1})).await;
    assert_eq!((flags(&plain), lacking(&plain, "accepted")), (vec![true, false], None));
    let strict = asked(json!({"max_false_alarm": 0.1, "delta": 0.1})).await;
    assert_eq!((flags(&strict), lacking(&strict, "accepted")), (vec![true, false], None));
    let beyond = asked(json!({"max_false_alarm": 0.001, "delta": 0.1})).await;
    assert_eq!(lacking(&beyond, "accepted"), Some(Some(2_302)), "ln 0.1 / ln 0.999, {records}");
    assert_eq!(flags(&beyond), [false, false], "what cannot be told is not accepted");

    // Of a batch: q-values, and the foreign text stands out.
    let batch = asked(json!({"max_false_discovery": 0.2})).await;
    let q = |i: usize| batch["results"][i]["ood"]["q_value"].as_f64().unwrap();
    assert!(q(1) < q(0) && q(1) <= 0.2 && q(0) > 0.2, "{batch}");
    assert_eq!(flags(&batch), [true, false]);
    assert!(plain["results"][0]["ood"]["q_value"].is_null());

    // A risk that anything keeps, and one that so few records cannot show.
    let lax = asked(json!({"max_false_alarm": 0, "max_risk": 0.9})).await;
    assert_eq!((flags(&lax), lacking(&lax, "max_risk")), (vec![true, true], None));
    let tight = asked(json!({"max_false_alarm": 0, "max_risk": 0.001})).await;
    assert_eq!(lacking(&tight, "max_risk"), Some(Some(2_995)), "ln 0.05 / ln 0.999");
    assert_eq!(flags(&tight), [false, false]);
    assert!(tight["results"][0]["reason"].as_str().unwrap().contains("at most 0.001"));

    // Sets of every method hold the label, and none is smaller at a lower error rate.
    for method in ["lac", "aps", "raps", "mondrian"] {
        let set = async |alpha: f64| {
            let body = json!({"set_method": method, "max_miscoverage": alpha});
            let response = asked(body).await;
            assert!(lacking(&response, "prediction_set").is_none(), "{method}: {response}");
            let first = response["results"][0].clone();
            let set = first["prediction_set"].as_array().unwrap().clone();
            assert!(set.contains(&first["label"]), "{method}: {first}");
            set.len()
        };
        assert!(set(0.4).await <= set(0.2).await, "{method}");
    }
    // An axis says what it finds unfamiliar, and the reason names those that fired.
    let axes = plain["results"][1]["ood"]["axes"].as_object().unwrap();
    assert_eq!(axes["naive_bayes"]["finds"], "unknown_words");
    assert_eq!(axes["kneser_ney"]["finds"], "unseen_combinations");
    let reason = plain["results"][1]["reason"].as_str().unwrap();
    assert!(reason.contains("unfamiliar"), "{reason}");
}

#[tokio::test]
async fn detectors_and_calibrator_are_chosen_in_the_spec() {
    let server = Server::start().await;
    let dataset = server.upload(REVIEWS).await;
    let all = [
        "coverage_msp",
        "naive_bayes",
        "kneser_ney",
        "prototypes",
        "nearest_neighbors",
        "unknown_tokens",
        "unseen_bigrams",
        "msp",
        "max_logit",
        "energy",
        "entropy",
        "mahalanobis",
        "relative_mahalanobis",
        "vim",
    ];
    let mut request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "sentiment",
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "split": {"column": "split"}, "training": {"epochs": 3}, "detectors": all,
        "calibrator": "platt",
    });
    let job = server.train(&request).await;
    let model = job["model"].as_str().unwrap();
    let card = server.get(&format!("/v1/models/{model}/card")).await;
    assert_eq!(card["calibration"]["calibrator"]["type"], "platt", "{card}");
    let text = json!({"text": "The ergonomics of the lens are poor"});
    let alone = score(&server, text.clone()).await["results"][0].clone();
    let axes = alone["ood"]["axes"].as_object().unwrap();
    assert_eq!(axes.len(), all.len());
    assert!(axes.values().all(|axis| axis["p_value"].as_f64().unwrap() > 0.0), "{axes:?}");
    // Alone or among others, loaded from its file or not, the answer is the same.
    let others: Vec<&Value> = std::iter::repeat_n(&text["text"], 40).collect();
    let among = score(&server, json!({ "texts": others })).await;
    assert!(among["results"].as_array().unwrap().iter().all(|result| *result == alone));

    let catalog = server.get("/v1/catalog").await;
    for (list, count) in [("detectors", 15), ("calibrators", 7)] {
        let list = catalog[list].as_array().unwrap();
        assert_eq!(list.len(), count);
        let said = |choice: &Value| choice["description"].as_str().unwrap().len() > 20;
        assert!(list.iter().all(said), "{list:?}");
    }

    for (field, value, at) in [
        ("detectors", json!(["naive_bayes", "columns"]), "detectors[1]"),
        ("detectors", json!(["msp", "msp"]), "detectors[1]"),
        ("detectors", json!([]), "detectors"),
        ("detectors", json!(["nearest_neighbours"]), "detectors[0]"),
        ("calibrator", json!("temperature_per_label"), "calibrator"),
    ] {
        let before = request[field].take();
        request[field] = value;
        let answer = server.post("/v1/jobs", &request).await;
        assert_eq!(answer.status, 422, "{}", answer.value());
        assert_eq!(answer.value()["errors"][0]["field"], at, "{}", answer.value());
        request[field] = before;
    }
}

/// The card tells what the calibrator was chosen from, and what confidence is worth.
#[tokio::test]
async fn the_card_shows_reliability_and_risk() {
    let server = Server::start().await;
    reviews_model(&server).await;
    let card = server.get("/v1/models/sentiment/card").await;
    let calibration = &card["calibration"];
    let names: Vec<&str> = calibration["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["name"].as_str().unwrap())
        .collect();
    assert_eq!(names[..2], ["identity", "temperature"], "{calibration}");
    let bins = calibration["reliability"]["before"]["bins"].as_array().unwrap();
    let count: u64 = bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum();
    assert_eq!(count, card["records"]["test"]);
    let curve = calibration["risk_coverage"]["curve"].as_array().unwrap();
    let last = curve.last().unwrap();
    let accuracy = card["metrics"]["test"]["accuracy"].as_f64().unwrap();
    assert_eq!(last["acceptance"], 1.0);
    assert!((last["risk"].as_f64().unwrap() - (1.0 - accuracy)).abs() < 1e-12, "{last}");
}
