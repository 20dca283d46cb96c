//! `/v2`, the Open Inference Protocol, as its clients use it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, small_reviews, train_request};
use crate::stopping::{line, line_request};

#[tokio::test]
async fn texts_are_scored_as_by_the_own_api() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let job = server.train(&train_request(&dataset, Some("sentiment"))).await;
    let metadata = server.get("/v2/models/sentiment").await;
    assert_eq!(metadata["versions"], json!([job["model"]]));
    assert_eq!(metadata["platform"], "whereof_text_classification");
    assert_eq!(metadata["inputs"], json!([{"name": "text", "datatype": "BYTES", "shape": [-1]}]));
    assert_eq!(metadata["outputs"][1]["shape"], json!([-1, 2]));
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/sentiment/ready"] {
        let answer = server.send(Method::GET, path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{path}");
    }

    let texts = ["I love it", "The ergonomics are poor"];
    let own = server.post("/v1/models/sentiment/score", &json!({"texts": texts})).await.value();
    let input = json!({"name": "text", "shape": [2], "datatype": "BYTES", "data": texts});
    let request = json!({"id": "7", "inputs": [input]});
    let answer = server.post("/v2/models/sentiment/infer", &request).await.value();
    assert_eq!((&answer["id"], &answer["model_version"]), (&json!("7"), &job["model"]));
    let output = |name: &str| {
        let outputs = answer["outputs"].as_array().unwrap();
        outputs.iter().find(|output| output["name"] == name).unwrap()["data"].clone()
    };
    for (row, result) in own["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!(output("label")[row], result["label"]);
        assert_eq!(output("raw_confidence")[row], result["raw_confidence"]);
        assert_eq!(output("accepted")[row], result["accepted"]);
        let positive = &result["probabilities"]["positive"];
        assert_eq!(&output("probabilities")[2 * row + 1], positive, "{answer}");
    }

    // The same as binary data behind the JSON, with one output.
    let mut binary = Vec::new();
    for text in texts {
        binary.extend((text.len() as u32).to_le_bytes());
        binary.extend(text.bytes());
    }
    let head = json!({"inputs": [{"name": "text", "shape": [2, 1], "datatype": "BYTES",
        "parameters": {"binary_data_size": binary.len()}}], "outputs": [{"name": "label"}]});
    let head = head.to_string();
    let length = head.len().to_string();
    let body = [head.as_bytes(), &binary].concat();
    let headers = [
        ("content-type", "application/octet-stream"),
        ("inference-header-content-length", length.as_str()),
    ];
    let answer = server.send(Method::POST, "/v2/models/sentiment/infer", &headers, body).await;
    let answer = answer.value();
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["outputs"][0]["data"], output("label"));
}

#[tokio::test]
async fn rows_are_scored_and_what_does_not_fit_is_told() {
    let server = Server::start().await;
    let dataset = server.upload(line(60)).await;
    let mut request = line_request(&dataset);
    request["model_name"] = "line".into();
    server.train(&request).await;
    let metadata = server.get("/v2/models/line").await;
    let columns: Vec<&Value> =
        metadata["inputs"].as_array().unwrap().iter().map(|input| &input["name"]).collect();
    assert_eq!(columns, ["x", "wave"]);
    let infer = async |inputs: Value| {
        let answer = server.post("/v2/models/line/infer", &json!({"inputs": inputs})).await;
        (answer.status.as_u16(), answer.value())
    };
    let tensor = |name: &str, data: Value| {
        let shape = [data.as_array().unwrap().len()];
        json!({"name": name, "shape": shape, "datatype": "FP64", "data": data})
    };
    let x = tensor("x", json!([0.5, -0.5]));
    let (status, answer) = infer(json!([x, tensor("wave", json!([0.1, null]))])).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["outputs"][0]["shape"], json!([2]));
    assert!(answer["outputs"][0]["data"][0].is_number(), "{answer}");

    let refused = async |inputs: Value, word: &str| {
        let (status, answer) = infer(inputs).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == 422 && error.contains(word), "{status} {answer}");
    };
    refused(json!([tensor("y", json!([1]))]), "inputs[0].name").await;
    refused(json!([x, x]), "stands there twice").await;
    refused(json!([x, tensor("wave", json!([1]))]), "inputs[1].shape").await;
    refused(json!([tensor("x", json!([]))]), "counts 0 records").await;
    refused(json!([tensor("x", json!(["many"]))]), "inputs[0].data[0]").await;
    refused(json!([]), "inputs").await;
    let outputs = json!({"inputs": [x], "outputs": [{"name": "labels"}]});
    let answer = server.post("/v2/models/line/infer", &outputs).await;
    assert!(answer.value()["error"].as_str().unwrap().contains("one of value"), "{answer:?}");
    let answer = server.post("/v2/models/nothing/infer", &json!({"inputs": [x]})).await;
    assert_eq!(answer.status, 404);
    assert!(answer.value()["error"].is_string());
}
