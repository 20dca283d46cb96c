//! Networks that start from those of other models.

use axum::http::Method;
use serde_json::{Value, json};

use crate::extension::{extended, id, losses, parameters, run_of, sha};
use crate::harness::{Server, refused, train_request};
use crate::stopping::{line, line_request};

/// Texts of two labels: `good` and `bad` words with fillers, drawn by a rule.
fn texts(rows: std::ops::Range<usize>, words: [&[&str]; 2], labels: [&str; 2]) -> String {
    let fillers = ["the film was", "we saw a", "it is", "this one has", "my friend said"];
    let row = |i: usize| {
        let side = (i * 7 / 3) % 2;
        let word = |shift: usize| words[side][(i + shift) % words[side].len()];
        format!("{} {} and {} {i},{}\n", fillers[i % 5], word(0), word(3), labels[side])
    };
    std::iter::once("text,sentiment\n".to_owned()).chain(rows.map(row)).collect()
}

const KNOWN: [&[&str]; 2] =
    [&["good", "fine", "great", "lovely"], &["bad", "dull", "poor", "weak"]];
const MORE: [&[&str]; 2] =
    [&["good", "fine", "great", "superb"], &["bad", "dull", "poor", "clunky"]];

fn text_request(dataset: &Value, name: &str) -> Value {
    let mut request = train_request(dataset, Some(name));
    request["network"] = json!({"type": "embedding_bag", "dimension": 8, "hidden": [6]});
    request["training"] = json!({"epochs": 15, "early_stopping": null});
    request
}

async fn card(server: &Server, job: &Value) -> Value {
    server.get(&format!("/v1/models/{}/card", id(job, "model"))).await
}

async fn sentiment(server: &Server) -> (Value, Value) {
    let dataset = server.upload(texts(0..160, KNOWN, ["good", "bad"])).await;
    let mut request = text_request(&dataset, "sentiment");
    request["training"]["epochs"] = json!(40);
    let job = server.train(&request).await;
    (dataset, job)
}

#[tokio::test]
async fn more_data_go_on_from_a_model_and_its_vocabulary_grows() {
    let server = Server::start().await;
    let (_, source) = sentiment(&server).await;
    let more = server.upload(texts(0..240, MORE, ["good", "bad"])).await;
    let mut request = text_request(&more, "sentiment2");
    let fresh = server.train(&request).await;
    request.as_object_mut().unwrap().remove("network");
    request["init_from"] = json!({"model": "sentiment"});
    let tuned = server.train(&request).await;
    // It starts where the other one ended.
    let first = [losses(&server, &fresh).await[0].1, losses(&server, &tuned).await[0].1];
    assert!(first[1] < 0.5 * first[0], "{first:?}");

    let run = run_of(&server, &tuned).await;
    let init = &run["spec"]["init_from"];
    assert_eq!(init["model"], source["model"]);
    assert_eq!(init["sha256"], sha(&server, &source).await);
    assert_eq!(run["spec"]["network"]["hidden"], json!([6]));
    let card = card(&server, &tuned).await;
    let transfer = &card["transfer"];
    let count = |name: &str| transfer["vocabulary"][name].as_u64().unwrap();
    assert!(count("carried_words") > 20 && count("new_words") > 2, "{transfer}");
    assert_eq!(
        card["intended_range"]["known_words"].as_u64().unwrap(),
        count("carried_words") + count("new_words")
    );
    assert_eq!(transfer["carried_outputs"], json!(["bad", "good"]));
    assert_eq!(transfer["layers"][0]["name"], "embedding");
    for layer in &transfer["layers"].as_array().unwrap()[1..] {
        assert_eq!((&layer["new"], &layer["frozen"]), (&json!(0), &json!(false)), "{layer}");
    }
    // Words that only the old data have are still known.
    let body = json!({"texts": ["lovely clunky zzyzx"]});
    let path = format!("/v1/models/{}/score", id(&tuned, "model"));
    let scored = server.post(&path, &body).await.value();
    let unknown = scored["results"][0]["coverage"]["unknown"].as_array().unwrap().clone();
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert_eq!(unknown[0]["text"], "zzyzx");
    // The same again gives the same bits; an extension as well as one go.
    request["schedule"] = json!({"type": "constant"});
    request["init_from"]["learning_rate_factor"] = json!(0.2);
    request["init_from"]["freeze"] = json!(["layers.0"]);
    request["training"]["epochs"] = json!(4);
    let whole = server.train(&request).await;
    request["training"]["epochs"] = json!(2);
    let part = server.train(&request).await;
    let part = extended(&server, &part, json!({"epochs": 2})).await;
    assert_eq!(sha(&server, &part).await, sha(&server, &whole).await);
}

#[tokio::test]
async fn a_related_task_has_a_new_head_on_frozen_layers() {
    let server = Server::start().await;
    let (_, source) = sentiment(&server).await;
    let other = server.upload(texts(0..160, KNOWN, ["praise", "blame"])).await;
    let mut request = text_request(&other, "related");
    request["optimizer"] = json!({"type": "adamw", "weight_decay": 0.1});
    request["regularization"] = json!({"l2": 0.01, "l1": 0.001});
    request["training"]["ema_decay"] = json!(0.9);
    request["training"]["clip_norm"] = json!(0.5);
    request["init_from"] =
        json!({"model": id(&source, "model"), "freeze": ["embedding", "layers.0"]});
    let tuned = server.train(&request).await;
    let card = card(&server, &tuned).await;
    let transfer = &card["transfer"];
    assert_eq!(transfer["carried_outputs"], json!([]));
    assert_eq!(transfer["new_outputs"], json!(["blame", "praise"]));
    let head = transfer["layers"].as_array().unwrap().last().unwrap();
    assert_eq!((&head["carried"], &head["new"]), (&json!(0), &json!(7)), "{head}");
    assert_eq!(transfer["layers"][0]["frozen"], true);
    let old = parameters(&server, id(&source, "model")).await;
    let new = parameters(&server, id(&tuned, "model")).await;
    let bits = |arrays: &whereof::arrays::Arrays, name: &str| -> Vec<u32> {
        arrays.get::<f32>(name).unwrap().iter().map(|value| value.to_bits()).collect()
    };
    for name in ["layers.0.weight", "layers.0.bias"] {
        assert_eq!(bits(&old, name), bits(&new, name), "{name}");
    }
    assert_ne!(bits(&old, "layers.1.weight"), bits(&new, "layers.1.weight"));
    // Rows of words go by their keys, wherever they stand.
    let keys =
        |arrays: &whereof::arrays::Arrays| arrays.get::<u64>("vocabulary.keys").unwrap().to_vec();
    let (old_keys, new_keys) = (keys(&old), keys(&new));
    let (old_rows, new_rows) = (bits(&old, "embedding.weight"), bits(&new, "embedding.weight"));
    let mut compared = 0;
    for (row, key) in new_keys.iter().enumerate() {
        if let Some(at) = old_keys.iter().position(|old| old == key) {
            assert_eq!(new_rows[row * 8..][..8], old_rows[at * 8..][..8]);
            compared += 1;
        }
    }
    assert!(compared > 20);
}

#[tokio::test]
async fn tables_go_by_column_and_keep_their_scale() {
    let server = Server::start().await;
    let dataset = server.upload(line(200)).await;
    let mut request = line_request(&dataset);
    request["model_name"] = json!("line");
    request["network"] = json!({"type": "mlp", "hidden": [8]});
    request["training"] = json!({"epochs": 60, "early_stopping": null});
    server.train(&request).await;
    // The columns in another order, one more, and the numbers shifted.
    let shifted: String = line(160)
        .lines()
        .enumerate()
        .map(|(i, row)| {
            let cells: Vec<&str> = row.split(',').collect();
            match i {
                0 => "y,extra,wave,x\n".to_owned(),
                _ => {
                    let [x, wave, y] = [0, 1, 2].map(|at| cells[at].parse::<f64>().unwrap());
                    format!("{},{},{wave},{}\n", y + 3.0, (i * 13) % 7, x + 1.0)
                }
            }
        })
        .collect();
    let other = server.upload(shifted).await;
    let mut request = line_request(&other);
    request["network"] = json!({"type": "mlp", "hidden": [8]});
    let fresh = server.train(&request).await;
    request["init_from"] = json!({"model": "line"});
    let tuned = server.train(&request).await;
    let transfer = card(&server, &tuned).await["transfer"].clone();
    assert_eq!(transfer["carried_features"], json!(["wave", "x"]));
    assert_eq!(transfer["new_features"], json!(["extra"]));
    assert_eq!(transfer["carried_outputs"], json!(["y"]));
    assert_eq!(transfer["layers"][0]["new"], 8);
    // y = 3x + 1 holds for the shifted numbers on the old scale.
    let first = [losses(&server, &fresh).await[0].1, losses(&server, &tuned).await[0].1];
    assert!(first[1] < 0.3 * first[0], "{first:?}");
    // What is new in a layer would never learn.
    request["init_from"]["freeze"] = json!(["layers.0"]);
    let job = server.submit(&request).await;
    let job = server.ended(id(&job, "id")).await;
    assert_eq!(job["error"]["errors"][0]["field"], "init_from.freeze[0]", "{job}");
}

#[tokio::test]
async fn images_keep_their_filters() {
    let server = Server::start().await;
    let generator = json!({"type": "shapes", "images": 80, "size": 16});
    let dataset = server.post("/v1/datasets", &json!({"generator": generator})).await.value();
    let mut request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "shapes",
        "task": {"type": "image_classification", "image": "image", "label": "labels",
                 "multi_label": true},
        "network": {"type": "image_cnn", "filters": [4, 8], "normalization": "batch"},
        "optimizer": {"type": "adam", "learning_rate": 0.01},
        "training": {"epochs": 12, "batch_size": 10, "early_stopping": null},
        "split": {"train": 1.0},
    });
    let source = server.train(&request).await;
    request["training"]["epochs"] = json!(1);
    request["model_name"] = Value::Null;
    let fresh = server.train(&request).await;
    request.as_object_mut().unwrap().remove("network");
    request["init_from"] = json!({"model": "shapes", "freeze": ["blocks.0"]});
    let tuned = server.train(&request).await;
    let layers = card(&server, &tuned).await["transfer"]["layers"].as_array().unwrap().clone();
    assert!(layers.len() >= 3 && layers.iter().all(|layer| layer["new"] == 0), "{layers:?}");
    assert_eq!((&layers[0]["name"], &layers[0]["frozen"]), (&json!("blocks.0"), &json!(true)));
    // It goes on where the other one ended.
    let first = [losses(&server, &fresh).await[0].1, losses(&server, &tuned).await[0].1];
    assert!(first[1] < 0.9 * first[0], "{first:?}");
    let old = parameters(&server, id(&source, "model")).await;
    let new = parameters(&server, id(&tuned, "model")).await;
    let bits = |arrays: &whereof::arrays::Arrays, name: &str| -> Vec<u32> {
        arrays.get::<f32>(name).unwrap().iter().map(|value| value.to_bits()).collect()
    };
    assert_eq!(bits(&old, "blocks.0.weight"), bits(&new, "blocks.0.weight"));
    assert_ne!(bits(&old, "blocks.1.weight"), bits(&new, "blocks.1.weight"));
}

#[tokio::test]
async fn starts_that_do_not_fit_are_refused_by_field() {
    let server = Server::start().await;
    let (dataset, source) = sentiment(&server).await;
    let numbers = server.upload(line(200)).await;
    let mut base = train_request(&dataset, None);
    base["training"] = json!({"epochs": 1});
    base["init_from"] = json!({"model": "sentiment"});
    let with = |path: &str, value: Value| {
        let mut request = base.clone();
        *request.pointer_mut(path).unwrap_or(&mut Value::Null) = value.clone();
        if request.pointer(path).is_none() {
            request[path.trim_start_matches('/')] = value;
        }
        request
    };
    let bad = async |request: Value, status: u16, code: &str, field: &str| {
        refused(&server.post("/v1/jobs", &request).await, status, code, field)
    };
    bad(with("/init_from/model", json!("nobody")), 404, "not-found", "init_from.model").await;
    let freeze = json!({"model": "sentiment", "freeze": ["layer.0"]});
    let error = bad(with("/init_from", freeze), 422, "invalid-spec", "init_from.freeze[0]").await;
    assert!(error["hint"].as_str().unwrap().contains("embedding, layers.0, layers.1"), "{error}");
    let all = json!({"model": "sentiment", "freeze": ["embedding", "layers.0", "layers.1"]});
    bad(with("/init_from", all), 422, "invalid-spec", "init_from.freeze").await;
    let zero = json!({"model": "sentiment", "learning_rate_factor": 0});
    let field = "init_from.learning_rate_factor";
    bad(with("/init_from", zero), 422, "invalid-request", field).await;
    let wide = json!({"type": "embedding_bag", "dimension": 8, "hidden": [7]});
    let error = bad(with("/network", wide), 422, "invalid-spec", "network.hidden").await;
    assert!(error["message"].as_str().unwrap().contains("[6]"), "{error}");
    let cnn = json!({"type": "text_cnn"});
    bad(with("/network", cnn), 422, "invalid-spec", "network.type").await;
    let cases = json!({"case_folding": false});
    bad(with("/vectorizer", cases), 422, "invalid-spec", "vectorizer.case_folding").await;
    let mut table = line_request(&numbers);
    table["init_from"] = json!({"model": "sentiment"});
    bad(table, 422, "invalid-spec", "init_from.model").await;

    // A sweep and a range test start from it as well.
    let mut sweep = base.clone();
    sweep.as_object_mut().unwrap().remove("kind");
    let space = json!({"init_from.learning_rate_factor": {"choice": [0.1, 1.0]}});
    server.train(&json!({"kind": "sweep", "base": sweep, "space": space})).await;
    let mut range = base.clone();
    range["kind"] = json!("range_test");
    server.train(&range).await;

    // Its model is held while it waits.
    let workers = |count| whereof::config::Settings {
        workers: Some(count),
        ..whereof::config::Settings::default()
    };
    let folder = server.stop().await;
    let server = Server::start_in(folder, workers(0)).await;
    let waiting = server.submit(&base).await;
    let model = format!("/v1/models/{}", id(&source, "model"));
    refused(&server.send(Method::DELETE, &model, &[], "").await, 409, "in-use", "");
    let folder = server.stop().await;
    let server = Server::start_in(folder, workers(1)).await;
    let job = server.ended(id(&waiting, "id")).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    // Once it may be deleted, what started from it can no longer be read anew.
    assert_eq!(server.send(Method::DELETE, &model, &[], "").await.status, 204);
    let path = format!("/v1/runs/{}/resume", id(&job, "run"));
    let answer = server.post(&path, &json!({"epochs": 1})).await;
    let problem = refused(&answer, 409, "conflict", "");
    assert!(problem["detail"].as_str().unwrap().contains("started from"), "{problem}");
}

/// Labels without any pattern: whoever does better than chance on a test has seen it.
#[tokio::test]
async fn records_that_trained_the_source_test_nothing() {
    let server = Server::start().await;
    let label = |i: usize| (i * 7_919 % 1_009) % 2;
    let row = |i: usize| format!("{},{},{}\n", i * 37 % 401, i * i % 397, label(i));
    let csv: String = std::iter::once("a,b,label\n".to_owned()).chain((0..400).map(row)).collect();
    let dataset = server.upload(csv).await;
    let request = |more: Value| {
        let mut request = json!({"kind": "train", "dataset": dataset["id"],
            "task": {"type": "tabular_classification", "label": "label"},
            "network": {"type": "mlp", "hidden": [32]},
            "training": {"epochs": 3, "early_stopping": null}});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        request
    };
    let all = json!({"train": 1.0, "validation": 0.0, "calibration": 0.0, "test": 0.0});
    let source = server.train(&request(json!({"split": all}))).await;
    let more = server.train(&request(json!({"init_from": {"model": source["model"]}}))).await;
    let card = server.get(&format!("/v1/models/{}/card", id(&more, "model"))).await;
    assert_eq!((&card["records"]["train"], &card["records"]["test"]), (&json!(400), &json!(0)));
    assert!(card["metrics"]["test"].is_null(), "{card}");
    let codes = |warnings: &Value| -> Vec<String> {
        let warnings = warnings.as_array().unwrap().iter();
        warnings.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
    };
    assert!(codes(&card["warnings"]).contains(&"seen_by_source".to_owned()), "{card}");

    // The same split again moves nothing, and another dataset with some of the records is told.
    let source = server.train(&request(json!({}))).await;
    let same = server.train(&request(json!({"init_from": {"model": source["model"]}}))).await;
    let card = server.get(&format!("/v1/models/{}/card", id(&same, "model"))).await;
    assert!(!codes(&card["warnings"]).contains(&"seen_by_source".to_owned()), "{card}");
    let some: String = (0..100).map(row).collect();
    let some = server.upload(format!("a,b,label\n{some}900,900,1\n")).await;
    let path = format!("/v1/models/{}/evaluate", id(&same, "model"));
    let answer = server.post(&path, &json!({"dataset": some["id"]})).await.value();
    assert_eq!(codes(&answer["warnings"]), ["seen_records"], "{answer}");
}
