//! Every option of a training does what it says, alone and with the others.

use serde_json::{Value, json};

use crate::harness::{Server, small_reviews, train_request};

/// Lays `change` over `value`, object by object; one of another type takes the place of what is
/// there.
fn overlay(value: &mut Value, change: &Value) {
    match (value, change) {
        (Value::Object(fields), Value::Object(changes))
            if !changes.contains_key("type") || fields.get("type") == changes.get("type") =>
        {
            for (name, change) in changes {
                overlay(fields.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
        (value, change) => *value = change.clone(),
    }
}

fn changes() -> Vec<Value> {
    vec![
        json!({"vectorizer": {"case_folding": false}}),
        json!({"vectorizer": {"word_ngrams": 3}}),
        json!({"vectorizer": {"character_ngrams": null}}),
        json!({"vectorizer": {"character_ngrams": {"min": 3, "max": 4}, "character_weight": 2.0}}),
        json!({"vectorizer": {"weighting": "uniform"}}),
        json!({"vectorizer": {"min_word_count": 2, "min_ngram_count": 3}}),
        json!({"vectorizer": {"max_vocabulary": 500}}),
        json!({"vectorizer": {"hash_buckets": 1000}}),
        json!({"network": {"type": "embedding_bag", "dimension": 8}}),
        json!({"network": {"type": "embedding_bag", "pooling": "sqrt_n"}}),
        json!({"network": {"type": "embedding_bag", "hidden": [16, 8]}}),
        json!({"network": {"type": "embedding_bag", "hidden": [16], "activation": "tanh"}}),
        json!({"optimizer": {"type": "adam", "learning_rate": 0.05}}),
        json!({"optimizer": {"type": "adamw", "weight_decay": 0.1}}),
        json!({"optimizer": {"type": "sgd"}}),
        json!({"optimizer": {"type": "rmsprop"}}),
        json!({"optimizer": {"type": "adagrad"}}),
        json!({"schedule": {"type": "constant"}}),
        json!({"schedule": {"type": "step", "every": 1}}),
        json!({"schedule": {"type": "exponential"}}),
        json!({"schedule": {"type": "cosine"}}),
        json!({"schedule": {"type": "one_cycle"}}),
        json!({"loss": {"type": "cross_entropy", "label_smoothing": 0.1}}),
        json!({"loss": {"type": "cross_entropy", "focal_gamma": 2.0}}),
        json!({"loss": {"type": "cross_entropy", "class_weights": {"negative": 3.0}}}),
        json!({"network": {"type": "embedding_bag", "hidden": [16], "normalization": "batch"}}),
        json!({"network": {"type": "embedding_bag", "hidden": [16], "dropout": 0.3}}),
        json!({"network": {"type": "text_cnn", "dimension": 8, "filters": 4}}),
        json!({"network": {"type": "text_cnn", "dimension": 8, "filters": 4, "widths": [1]}}),
        json!({"network": {"type": "text_cnn", "dimension": 8, "filters": 4, "max_words": 3}}),
        json!({"augmentation": {"text": {"word_dropout": 0.2}}}),
        json!({"augmentation": {"text": {"swap": 0.5}}}),
        json!({"augmentation": {"text": {"typos": 0.1}}}),
        json!({"regularization": {"ngram_dropout": 0.0}}),
        json!({"regularization": {"l1": 0.0001}}),
        json!({"regularization": {"l2": 0.001}}),
        json!({"training": {"batch_size": 16}}),
        json!({"training": {"accumulate": 2}}),
        json!({"training": {"clip_norm": 0.01}}),
        json!({"training": {"clip_value": 0.0001}}),
        json!({"training": {"ema_decay": 0.9}}),
        json!({"training": {"seed": 7}}),
        json!({"training": {"max_steps": 5}}),
        json!({"training": {"target": {"metric": "log_loss", "value": 10.0}}}),
        json!({"training": {"early_stopping": {"metric": "accuracy", "patience": 1}}}),
        json!({"split": {"train": 0.5, "validation": 0.1, "calibration": 0.2, "test": 0.2}}),
        json!({"split": {"seed": 9}}),
    ]
}

#[tokio::test]
async fn every_option_changes_the_model() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let base = train_request(&dataset, None);
    let sha = async |job: &Value| {
        let model = format!("/v1/models/{}", job["model"].as_str().unwrap());
        server.get(&model).await["sha256"].as_str().unwrap().to_owned()
    };
    // The header of an artifact holds the spec, so that two specs never give the same bytes; what
    // counts is that the numbers differ.
    let loss = async |job: &Value| {
        let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
        run["metrics"]["train"]["log_loss"].as_f64().unwrap()
    };
    let plain = server.train(&base).await;
    let (plain_sha, plain_loss) = (sha(&plain).await, loss(&plain).await);
    let mut all = base.clone();
    for change in changes() {
        let mut request = base.clone();
        overlay(&mut request, &change);
        overlay(&mut all, &change);
        let job = server.train(&request).await;
        assert_ne!(sha(&job).await, plain_sha, "{change}");
        // Four epochs end before a patience of one can matter.
        if change["training"]["early_stopping"].is_null() {
            assert_ne!(loss(&job).await, plain_loss, "{change} changes nothing");
        }
    }
    let together = server.train(&all).await;
    let model = together["model"].as_str().unwrap();
    let path = format!("/v1/models/{model}/score");
    let scored = server.post(&path, &json!({"texts": ["I love it", "clunky"]})).await;
    assert_eq!(scored.status, 200, "{}", scored.value());
}

/// Every setting of an optimiser changes what the optimiser does.
#[tokio::test]
async fn every_setting_of_an_optimizer_changes_the_model() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let loss = async |optimizer: &Value| {
        let mut request = train_request(&dataset, None);
        request["optimizer"] = optimizer.clone();
        let job = server.train(&request).await;
        let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
        run["metrics"]["train"]["log_loss"].as_f64().unwrap()
    };
    let catalog = server.get("/v1/catalog").await;
    let optimizers = catalog["optimizers"].as_array().unwrap();
    assert!(optimizers.len() >= 5);
    for optimizer in optimizers {
        let plain = loss(&json!({"type": optimizer["name"]})).await;
        for (name, field) in optimizer["fields"].as_object().unwrap() {
            let other = match &field["default"] {
                Value::Bool(value) => json!(!value),
                Value::Number(value) if value.as_f64() == Some(0.0) => json!(0.5),
                Value::Number(value) => json!(value.as_f64().unwrap() * 0.5),
                other => panic!("{name} has the default {other}"),
            };
            let change = json!({"type": optimizer["name"], name: other});
            assert_ne!(loss(&change).await, plain, "{change} changes nothing");
        }
    }
}

#[tokio::test]
async fn early_stopping_ends_a_training_that_no_longer_improves() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut request = train_request(&dataset, None);
    request["training"] = json!({"epochs": 500, "early_stopping": {"patience": 2}});
    let job = server.train(&request).await;
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert_eq!(run["end_reason"], "early_stopping");
    let [epochs, best] = ["epochs", "best_epoch"].map(|name| run[name].as_u64().unwrap());
    assert_eq!(epochs, best + 2);
    // The best epoch's parameters were kept: the validation loss is the history's smallest.
    let history =
        format!("/v1/runs/{}/metrics?name=validation.log_loss", job["run"].as_str().unwrap());
    let history = server.get(&history).await;
    let losses = history["metrics"][0]["points"].as_array().unwrap();
    let least = losses.iter().map(|p| p["value"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
    let kept = run["metrics"]["validation"]["log_loss"].as_f64().unwrap();
    assert!((kept - least).abs() < 1e-9, "{kept} against {least}");
}

/// Texts are changed for both networks of texts, by every setting that the catalogue lists; the same
/// again gives the same bits, and what validates and tests stays as it is.
#[tokio::test]
async fn every_augmentation_of_texts_changes_every_network_of_texts() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let catalog = server.get("/v1/catalog").await;
    let text = catalog["augmentation"].as_array().unwrap().iter().find(|c| c["name"] == "text");
    let settings = text.unwrap()["fields"].as_object().unwrap().clone();
    assert_eq!(settings.keys().collect::<Vec<_>>(), ["swap", "typos", "word_dropout"]);
    assert!(settings.values().all(|field| field["default"] == 0.0));
    for network in [
        json!({"type": "embedding_bag"}),
        json!({"type": "text_cnn", "dimension": 8, "filters": 4}),
    ] {
        let mut request = train_request(&dataset, None);
        request["network"] = network.clone();
        let trained = async |text: Value| {
            let mut request = request.clone();
            request["augmentation"] = json!({ "text": text });
            let job = server.train(&request).await;
            let model = format!("/v1/models/{}", job["model"].as_str().unwrap());
            let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
            let sha = server.get(&model).await["sha256"].as_str().unwrap().to_owned();
            (sha, run["metrics"]["train"]["log_loss"].as_f64().unwrap(), run)
        };
        let (_, plain, whole) = trained(json!({})).await;
        let mut seen = vec![plain];
        for name in settings.keys() {
            let (sha, loss, run) = trained(json!({ name: 0.3 })).await;
            assert!(!seen.contains(&loss), "{name} changes nothing in a {network}");
            assert_eq!(sha, trained(json!({ name: 0.3 })).await.0, "{name} {network}");
            for part in ["train", "validation", "test"] {
                let count = |run: &Value| run["metrics"][part]["records"].clone();
                assert_eq!(count(&run), count(&whole));
            }
            seen.push(loss);
        }
        // Nothing is measured on changed texts: a step of no size leaves every epoch as it was.
        request["optimizer"] = json!({"type": "sgd", "learning_rate": 1e-30});
        let still = async |text: Value| {
            let mut request = request.clone();
            request["augmentation"] = json!({ "text": text });
            let job = server.train(&request).await;
            let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
            run["metrics"].clone()
        };
        let all = json!({"word_dropout": 0.5, "swap": 1.0, "typos": 1.0});
        assert_eq!(still(all).await, still(json!({})).await);
        // A range test goes through the same texts.
        request["kind"] = json!("range_test");
        let curve = async |text: Value| {
            let mut request = request.clone();
            request["augmentation"] = json!({ "text": text });
            let job = server.train(&request).await;
            let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
            run["range_test"]["curve"][3]["loss"].clone()
        };
        let changed = curve(json!({"word_dropout": 0.5})).await;
        assert!(changed.is_number() && changed != curve(json!({})).await);
    }
}
