//! Explained scores over HTTP: contributions of words and columns, and similar training records.

use axum::http::Method;
use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{Server, refused, small_reviews, train_request};

const PATH: &str = "/v1/models/sentiment/score";

async fn score(server: &Server, path: &str, body: Value) -> Value {
    let answer = server.post(path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    answer.value()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn words_contribute_and_training_records_stand_beside_them() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let job = server.train(&train_request(&dataset, Some("sentiment"))).await;
    let id = dataset["id"].as_str().unwrap();
    let records = server.get(&format!("/v1/datasets/{id}/records?limit=200")).await;
    let rows = records["items"].as_array().unwrap();

    let text = "I love this 世界 backpack, really";
    let texts = json!([text, "", "The zippers are poor", rows[4]["text"]]);
    let explain = json!({"contributions": true, "neighbors": 5});
    let body = json!({"texts": texts, "explain": explain});
    let response = score(&server, PATH, body.clone()).await;
    let results = response["results"].as_array().unwrap();
    assert!(results[1]["error"].is_object());
    let plain = score(&server, PATH, json!({ "texts": texts })).await;
    for (explained, plain) in results.iter().zip(plain["results"].as_array().unwrap()) {
        assert!(plain["explanation"].is_null());
        let mut explained = explained.clone();
        explained.as_object_mut().unwrap().remove("explanation");
        assert_eq!(&explained, plain, "explaining changes a score");
    }

    // Each contribution is the difference to the score of the text without the word.
    let first = &results[0];
    let explanation = &first["explanation"];
    let label = first["label"].as_str().unwrap();
    assert_eq!(explanation["label"], label);
    assert_eq!(explanation["not_explained"], 0);
    let parts = explanation["contributions"].as_array().unwrap();
    let words: Vec<&str> = parts.iter().map(|part| part["text"].as_str().unwrap()).collect();
    assert_eq!(words, ["I", "love", "this", "世", "界", "backpack", ",", "really"]);
    let characters: Vec<char> = text.chars().collect();
    for part in parts {
        let [start, end] = ["start", "end"].map(|n| part[n].as_u64().unwrap() as usize);
        assert_eq!(characters[start..end].iter().collect::<String>(), part["text"]);
    }
    let without = score(&server, PATH, json!({"text": "I this 世界 backpack, really"})).await;
    let without = &without["results"][0];
    let change = |of: &dyn Fn(&Value) -> f64| of(first) - of(without);
    let probability = change(&|s| number(&s["probabilities"][label]));
    let ood = change(&|s| number(&s["ood"]["score"]));
    assert!((number(&parts[1]["probability"]) - probability).abs() < 1e-5, "{}", parts[1]);
    assert!((number(&parts[1]["ood"]) - ood).abs() < 1e-4, "{}", parts[1]);
    assert!(number(&parts[1]["log_odds"]) * probability > 0.0);
    let other = if label == "positive" { "negative" } else { "positive" };
    let against = json!({"text": text, "explain": {"contributions": true, "label": other}});
    let against = score(&server, PATH, against).await;
    let against = &against["results"][0]["explanation"];
    assert_eq!(against["label"], other);
    assert!(against["neighbors"].is_null());
    let love = number(&against["contributions"][1]["log_odds"]);
    assert!((love + number(&parts[1]["log_odds"])).abs() < 1e-5);

    // Neighbours are rows of the dataset, with their text; a training record is its own.
    for result in [&results[0], &results[2], &results[3]] {
        let neighbors = result["explanation"]["neighbors"].as_array().unwrap();
        assert_eq!(neighbors.len(), 5);
        let mut last = 1.0;
        for neighbor in neighbors {
            let row = &rows[neighbor["row"].as_u64().unwrap() as usize - 1];
            assert_eq!((&neighbor["text"], &neighbor["label"]), (&row["text"], &row["sentiment"]));
            let similarity = number(&neighbor["similarity"]);
            assert!((-1.0..=last).contains(&similarity), "{neighbors:?}");
            last = similarity;
        }
    }
    // One text has the bits that it has among others.
    for (i, text) in texts.as_array().unwrap().iter().enumerate().filter(|(i, _)| *i != 1) {
        let alone = score(&server, PATH, json!({"text": text, "explain": explain})).await;
        assert_eq!(alone["results"][0], results[i]);
    }
    let as_record = json!({"records": [{"text": text}], "explain": explain});
    assert_eq!(score(&server, PATH, as_record).await["results"][0], *first);

    // Another server has the model without its dataset, and this one soon has it neither.
    let model = job["model"].as_str().unwrap();
    let file = server.send(Method::GET, &format!("/v1/models/{model}/artifact"), &[], "").await;
    let stranger = Server::idle().await;
    let imported = stranger.post_as("/v1/models", "application/octet-stream", file.body).await;
    assert_eq!(imported.status, 201, "{}", imported.value());
    let elsewhere = format!("/v1/models/{}/score", imported.value()["id"].as_str().unwrap());
    let deleted = server.send(Method::DELETE, &format!("/v1/datasets/{id}"), &[], "").await;
    assert_eq!(deleted.status, 204);
    for (server, path) in [(&stranger, elsewhere.as_str()), (&server, PATH)] {
        let bare = score(server, path, body.clone()).await;
        let of = |response: &Value| response["results"][0]["explanation"]["neighbors"].clone();
        let (mut with, bare_neighbors) = (of(&response), of(&bare));
        for neighbor in with.as_array_mut().unwrap() {
            neighbor.as_object_mut().unwrap().remove("text");
        }
        assert_eq!(bare_neighbors, with);
        let unavailable = bare["unavailable"].as_array().unwrap();
        let told = |u: &&Value| u["statistic"] == "explanation.neighbors.record";
        let reason = unavailable.iter().find(told).unwrap()["reason"].as_str().unwrap();
        assert!(reason.contains(id), "{reason}");
    }
}

#[tokio::test]
async fn what_is_to_be_explained_is_checked_and_bounded() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    for (explain, field) in [
        (json!({"neighbors": 101}), "explain.neighbors"),
        (json!({"neighbors": -1}), "explain.neighbors"),
        (json!({"neighbours": 1}), "explain.neighbours"),
        (json!({"contributions": 1}), "explain.contributions"),
        (json!({"contributions": true, "label": "positve"}), "explain.label"),
        (json!({"label": "positive"}), "explain.label"),
        (json!(true), "explain"),
    ] {
        let answer = server.post(PATH, &json!({"text": "a", "explain": explain})).await;
        let error = refused(&answer, 422, "invalid-request", field);
        if explain["label"] == "positve" {
            let hint = error["hint"].as_str().unwrap();
            let all = hint.strip_prefix("did you mean \"positive\"? the model predicts: ");
            assert!(all.is_some_and(|all| all.contains("negative")), "{hint}");
        }
    }
    let contributions = json!({"contributions": true});
    let many = json!({"texts": vec!["x y z"; 7_000], "explain": contributions});
    let answer = server.post(PATH, &many).await;
    refused(&answer, 413, "too-much", "explain.contributions");
    let long = json!({"text": "word ".repeat(10_001), "explain": contributions});
    let answer = server.post(PATH, &long).await;
    refused(&answer, 413, "too-much", "explain.contributions");
    let neighbors = json!({"texts": vec!["x"; 2_001], "explain": {"neighbors": 5}});
    let answer = server.post(PATH, &neighbors).await;
    refused(&answer, 413, "too-much", "explain.neighbors");
    let some = json!({"text": "good ".repeat(205), "explain": contributions});
    let explained = &score(&server, PATH, some).await["results"][0]["explanation"];
    assert_eq!(explained["contributions"].as_array().unwrap().len(), 200);
    assert_eq!(explained["not_explained"], 5);
    // Nothing of it is known, so that it is like no record.
    let strange = score(&server, PATH, json!({"text": "ξ", "explain": {"neighbors": 2}})).await;
    assert_eq!(strange["results"][0]["explanation"], json!({"neighbors": []}));
}

#[tokio::test]
async fn neighbors_are_private_where_the_spec_or_the_server_says_so() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut request = train_request(&dataset, Some("sentiment"));
    request["keep_training_vectors"] = json!(false);
    request["training"] = json!({"epochs": 1});
    server.train(&request).await;
    let body = json!({"text": "I love it", "explain": {"neighbors": 1}});
    let error =
        refused(&server.post(PATH, &body).await, 422, "invalid-request", "explain.neighbors");
    assert!(error["hint"].as_str().unwrap().contains("keep_training_vectors"), "{error}");
    // Nor are calibration records kept to compare a batch with.
    let body_of_all = json!({"dataset": dataset["id"]});
    let drift = server.post("/v1/models/sentiment/evaluate", &body_of_all).await.value();
    let axes = drift["drift"]["axes"].as_array().unwrap();
    assert!(!axes.is_empty() && axes.iter().all(|axis| axis["axis"] != "content"), "{axes:?}");
    assert_eq!(drift["drift"]["changed"], json!([]));
    let said = drift["unavailable"].as_array().unwrap();
    assert!(said.iter().any(|u| u["statistic"] == "drift.content"), "{said:?}");

    request["model_name"] = json!("open");
    request["keep_training_vectors"] = json!(true);
    server.train(&request).await;
    score(&server, "/v1/models/open/score", body.clone()).await;
    let folder = server.stop().await;
    let hiding = Settings { workers: Some(0), hide_neighbors: Some(true), ..Settings::default() };
    let server = Server::start_in(folder, hiding).await;
    let answer = server.post("/v1/models/open/score", &body).await;
    let error = refused(&answer, 422, "invalid-request", "explain.neighbors");
    assert!(error["hint"].as_str().unwrap().contains("--hide-neighbors"), "{error}");
    let words = json!({"text": "I love it", "explain": {"contributions": true}});
    let told = score(&server, "/v1/models/open/score", words).await;
    assert_eq!(told["results"][0]["explanation"]["contributions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn columns_contribute_to_numbers_and_to_labels() {
    let server = Server::start().await;
    let row = |i: usize| {
        let (a, kind) = ((i * 7 % 50) as f64 / 5.0, ["x", "y"][i * i % 7 % 2]);
        let y = 3.0 * a + if kind == "y" { 10.0 } else { 0.0 };
        format!("{a},{kind},{y},{},{}\n", -y, if y > 15.0 { "high" } else { "low" })
    };
    let csv: String =
        std::iter::once("a,kind,y,z,level\n".to_owned()).chain((0..200).map(row)).collect();
    let dataset = server.upload(csv).await;
    let explain = json!({"contributions": true, "neighbors": 2});
    let records = json!([{"a": 9.0, "kind": "y"}, {"a": 900, "kind": "x"}, {"a": "nine"}]);
    let request = |name: &str, task: Value| {
        json!({"kind": "train", "dataset": dataset["id"], "model_name": name, "task": task,
            "network": {"type": "mlp", "hidden": []}, "training": {"epochs": 20},
            "optimizer": {"type": "adam", "learning_rate": 0.05}})
    };

    let task = json!({"type": "tabular_regression", "features": ["a", "kind"],
        "target": ["y", "z"]});
    server.train(&request("numbers", task)).await;
    let path = "/v1/models/numbers/score";
    let body = json!({"records": records, "explain": explain});
    let response = score(&server, path, body).await;
    let [near, far, wrong] = [0, 1, 2].map(|i| &response["results"][i]);
    assert!(wrong["error"].is_object());
    let explanation = &near["explanation"];
    assert_eq!(explanation["label"], "y");
    let parts = explanation["contributions"].as_array().unwrap();
    assert_eq!((&parts[0]["column"], &parts[1]["column"]), (&json!("a"), &json!("kind")));
    assert!(number(&parts[0]["value"]) > 5.0 && number(&parts[1]["value"]) > 2.0, "{parts:?}");
    assert!(parts[0]["log_odds"].is_null() && parts[0]["text"].is_null());
    let of_z = json!({"records": records, "explain": {"contributions": true, "label": "z"}});
    let of_z = score(&server, path, of_z).await;
    let of_z = &of_z["results"][0]["explanation"];
    assert_eq!(of_z["label"], "z");
    assert!(number(&of_z["contributions"][0]["value"]) < -5.0, "{of_z}");
    let far = far["explanation"]["contributions"].as_array().unwrap();
    assert!(number(&far[0]["ood"]) > 0.0 && number(&far[0]["ood"]) > number(&far[1]["ood"]));
    for neighbor in explanation["neighbors"].as_array().unwrap() {
        let (record, values) = (&neighbor["record"], &neighbor["values"]);
        let kind = if record["kind"] == "y" { 10.0 } else { 0.0 };
        // As the dataset holds it: CSV is text.
        let a: f64 = record["a"].as_str().unwrap().parse().unwrap();
        assert!((number(&values["y"]) - 3.0 * a - kind).abs() < 1e-9);
        assert_eq!(number(&values["z"]), -number(&values["y"]));
        assert_eq!(record.as_object().unwrap().len(), 2, "{neighbor}");
        assert!((0.0..=1.0).contains(&number(&neighbor["similarity"])));
        assert!(neighbor["label"].is_null() && neighbor["text"].is_null());
    }

    let task =
        json!({"type": "tabular_classification", "features": ["a", "kind"], "label": "level"});
    server.train(&request("levels", task)).await;
    let body = json!({"records": records, "explain": explain});
    let response = score(&server, "/v1/models/levels/score", body).await;
    let first = &response["results"][0];
    assert_eq!(first["explanation"]["label"], first["label"]);
    assert!(number(&first["explanation"]["contributions"][0]["log_odds"]) > 0.0, "{first}");
    assert!(first["explanation"]["neighbors"][0]["label"].is_string());
}

/// Of images, parts are not told; neighbours are, by their row and their labels.
#[tokio::test]
async fn images_have_neighbors_and_no_contributions() {
    let server = Server::start().await;
    let generator = json!({"generator": {"type": "shapes", "images": 60, "size": 16}});
    let dataset = server.post("/v1/datasets", &generator).await;
    assert!(dataset.status.is_success(), "{}", dataset.value());
    let dataset = dataset.value();
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "shapes",
        "task": {"type": "image_classification", "image": "image", "label": "labels",
            "multi_label": true},
        "network": {"type": "image_cnn", "filters": [4]}, "training": {"epochs": 1},
        "split": {"train": 1.0, "validation": 0.0, "calibration": 0.0, "test": 0.0},
    });
    server.train(&request).await;
    let path = "/v1/models/shapes/score";
    let records = format!("/v1/datasets/{}/records", dataset["id"].as_str().unwrap());
    let records = server.get(&records).await;
    let image = &records["items"][6];
    let parts = json!({"images": [image["image"]], "explain": {"contributions": true}});
    refused(&server.post(path, &parts).await, 422, "invalid-request", "explain.contributions");
    let body = json!({"images": [image["image"]], "explain": {"neighbors": 2}});
    let explanation = score(&server, path, body).await["results"][0]["explanation"].clone();
    assert!(explanation["contributions"].is_null() && explanation["label"].is_null());
    let nearest = &explanation["neighbors"][0];
    assert_eq!((&nearest["row"], number(&nearest["similarity"])), (&json!(7), 1.0));
    assert!(nearest["labels"].is_array() && nearest["label"].is_null(), "{nearest}");
    assert!(nearest["text"].is_null() && nearest["record"].is_null());
}
