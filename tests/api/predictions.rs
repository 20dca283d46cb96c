//! `detail: prediction`: what is predicted and how sure it is, with the bits of the full answer.

use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{Server, refused};

/// The predictions of records, which are the parts `wanted` of their full scores and nothing else.
async fn predictions(server: &Server, model: &str, request: Value, wanted: &[&str]) -> Vec<Value> {
    let path = format!("/v1/models/{model}/score");
    let full = server.post(&path, &request).await.value();
    let mut brief = request.clone();
    brief["detail"] = "prediction".into();
    let answer = server.post(&path, &brief).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    let answer = answer.value();
    assert_eq!(answer["model"], full["model"]);
    let (found, scores) = (answer["results"].as_array().unwrap(), full["results"].as_array());
    assert_eq!(found.len(), scores.unwrap().len());
    for (found, score) in found.iter().zip(scores.unwrap()) {
        let part = |name: &&str| Some(((*name).to_owned(), score.get(*name)?.clone()));
        let expected: serde_json::Map<String, Value> = match score.get("error") {
            Some(error) => [("error".to_owned(), error.clone())].into_iter().collect(),
            None => wanted.iter().filter_map(part).collect(),
        };
        assert_eq!(found, &Value::Object(expected));
    }
    found.clone()
}

#[tokio::test]
async fn a_text_has_the_label_and_the_confidence_of_its_full_answer() {
    let server = Server::start().await;
    server.small_model("reviews").await;
    let path = "/v1/models/reviews/score";
    let of_label = ["label", "confidence", "raw_confidence"];
    let texts = ["I love this backpack", "Zzyzx qwertz!", "", "the straps broke at once", "…"];
    // Short ones are answered where they are read, long ones and many on threads of their own.
    for texts in [texts.to_vec(), texts.repeat(30), vec![&*"good ".repeat(3_000)]] {
        let together = predictions(&server, "reviews", json!({"texts": texts}), &of_label).await;
        for (text, found) in texts.iter().zip(&together).filter(|(text, _)| !text.is_empty()) {
            let alone = json!({"text": text, "detail": "prediction", "monitor": false});
            let alone = server.post(path, &alone).await.value();
            assert_eq!((&alone["results"][0], &alone["unavailable"]), (found, &json!([])));
        }
    }
    // Records of such a model too, and asking for the full detail is asking for nothing else.
    let records = json!({"records": [{"text": "I love this backpack"}, {"text": 7}, {"txt": ""}]});
    predictions(&server, "reviews", records, &of_label).await;
    let asked = async |body: Value| server.post(path, &body).await.value();
    let full = asked(json!({"text": "good", "detail": "full"})).await;
    assert_eq!(full, asked(json!({"text": "good"})).await);
}

#[tokio::test]
async fn what_no_prediction_holds_is_refused() {
    let server = Server::start().await;
    server.small_model("reviews").await;
    let refuse = async |field: &str, value: Value| {
        let mut body = json!({"text": "good", "detail": "prediction"});
        body[field] = value;
        let answer = server.post("/v1/models/reviews/score", &body).await;
        refused(&answer, 422, "invalid-request", field)
    };
    for wrong in [json!("short"), json!(1), json!(true), json!(["full"])] {
        refuse("detail", wrong).await;
    }
    let near = refuse("detail", json!("predictions")).await;
    assert!(near["hint"].as_str().unwrap().contains("prediction"), "{near}");
    for (field, value) in [
        ("max_false_alarm", json!(0.1)),
        ("max_false_discovery", json!(0.1)),
        ("min_confidence", json!(0.5)),
        ("max_risk", json!(0.1)),
        ("delta", json!(0.1)),
        ("max_miscoverage", json!(0.1)),
        ("set_method", json!("lac")),
        ("top_labels", json!(1)),
        ("explain", json!({"contributions": true})),
    ] {
        let error = refuse(field, value).await;
        assert!(error["hint"].as_str().unwrap().contains("full"), "{error}");
    }
    refuse("interval_method", json!("split")).await;
    let body = json!({"images": ["a"], "detail": "prediction"});
    let images = server.post("/v1/models/reviews/score", &body).await;
    refused(&images, 422, "invalid-request", "images");
}

#[tokio::test]
async fn numbers_of_rows_and_labels_of_images() {
    let server = Server::start().await;
    let row = |i: usize| format!("{i},{},{}\n", 2 * i + i % 3, 7 * i);
    let csv: String = std::iter::once("x,y,z\n".to_owned()).chain((0..120).map(row)).collect();
    let dataset = server.upload(csv).await;
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "lines",
        "task": {"type": "tabular_regression", "features": ["x"], "target": ["y", "z"]},
        "training": {"epochs": 5},
    });
    server.train(&request).await;
    let records = json!([{"x": 5.0}, {"x": 1e6}, {"x": null}, {"x": "five"}, {"w": 1}]);
    let of_value = ["value", "interval", "values"];
    for more in [
        json!({"records": records}),
        json!({"records": records, "max_miscoverage": 0.4, "interval_method": "normalized"}),
        json!({"records": records, "max_miscoverage": 0.01}),
    ] {
        predictions(&server, "lines", more, &of_value).await;
    }
    let body = json!({"records": [{"x": 1}], "max_miscoverage": 0.001, "detail": "prediction"});
    let answer = server.post("/v1/models/lines/score", &body).await.value();
    assert_eq!(answer["unavailable"][0]["statistic"], "interval", "{answer}");

    let generator = json!({"type": "shapes", "images": 40, "size": 16});
    let dataset = server.post("/v1/datasets", &json!({ "generator": generator })).await.value();
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "shapes",
        "task": {"type": "image_classification", "image": "image", "label": "labels",
            "multi_label": true},
        "network": {"type": "mlp", "hidden": [8]}, "training": {"epochs": 2},
    });
    server.train(&request).await;
    let path = format!("/v1/datasets/{}/records?limit=3", dataset["id"].as_str().unwrap());
    let page = server.get(&path).await;
    let of = |record: &Value| record["image"].clone();
    let mut images: Vec<Value> = page["items"].as_array().unwrap().iter().map(of).collect();
    images.extend([json!("no image"), json!(1)]);
    let of_labels = ["label", "labels", "confidence", "raw_confidence"];
    predictions(&server, "shapes", json!({ "images": images }), &of_labels).await;
}

#[tokio::test]
async fn they_are_counted_without_what_they_do_not_tell() {
    let settings = Settings { workers: Some(2), ..Settings::default() };
    let server = Server::start_with(settings).await;
    server.small_model("reviews").await;
    let ask = async |more: Value| {
        let mut body = json!({"texts": ["good", "", "bad zzyzx"], "detail": "prediction"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.post("/v1/models/reviews/score", &body).await.value()
    };
    let answer = ask(json!({})).await;
    ask(json!({"monitor": false})).await;
    let windows = server.get("/v1/models/reviews/monitoring").await;
    assert_eq!(windows["items"].as_array().unwrap().len(), 1, "{windows}");
    let window = &windows["items"][0];
    assert_eq!((&window["records"], &window["failed"]), (&json!(3), &json!(1)));
    let confidence = |i: usize| answer["results"][i]["confidence"].as_f64().unwrap();
    let mean = (confidence(0) + confidence(2)) / 2.0;
    assert!((window["mean_confidence"].as_f64().unwrap() - mean).abs() < 1e-6, "{window}");
    for unknown in ["accepted_share", "flagged_share", "mean_coverage", "p_values", "drift"] {
        assert!(window[unknown].is_null(), "{unknown}: {window}");
    }
    // A full answer beside them is counted as ever.
    ask(json!({"detail": "full"})).await;
    let windows = server.get("/v1/models/reviews/monitoring").await;
    let window = windows["items"].as_array().unwrap().last().unwrap();
    assert!(window["accepted_share"].is_number() && window["p_values"].is_array(), "{windows}");
}
