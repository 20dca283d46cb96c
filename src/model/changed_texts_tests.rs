use serde_json::{Value, json};

use super::*;

const TEXTS: [&str; 3] =
    ["The quick brown fox jumps", "over the lazy dogs, they say", "and never comes back again"];

fn spec(text: Value, network: &str) -> TrainSpec {
    serde_json::from_value(json!({
        "dataset": "ds_1", "model_name": null,
        "task": {"type": "text_classification", "text": "text", "label": "label"},
        "vectorizer": {}, "network": {"type": network}, "optimizer": {"type": "adam"},
        "schedule": {"type": "constant"}, "regularization": {}, "augmentation": {"text": text},
        "training": {"epochs": 1, "batch_size": 1, "seed": 3, "early_stopping": null,
            "checkpoint_seconds": 0},
        "split": {"train": 1.0, "validation": 0.0, "calibration": 0.0, "test": 0.0, "seed": 1},
        "device": "cpu",
    }))
    .unwrap()
}

fn parts() -> (Encoder, Records) {
    let spec = spec(json!({}), "embedding_bag");
    let vectorizer = Vectorizer::fit(&spec.vectorizer, &TEXTS);
    (Encoder::Text(vectorizer), Records::Texts(TEXTS.map(str::to_owned).to_vec()))
}

#[test]
fn only_a_training_that_changes_texts_reads_them_anew() {
    let (encoder, records) = parts();
    let changes = |text| {
        ChangedTexts::new(&spec(text, "embedding_bag"), &encoder, &records, &[0, 1, 2]).is_some()
    };
    assert!(!changes(json!({})) && !changes(json!({"swap": 0.0})));
    assert!(changes(json!({"swap": 0.1})) && changes(json!({"typos": 0.1})));
}

/// An epoch is the same again, in any order of epochs and with any number of threads; other epochs
/// differ; and a rate too small to touch a word gives the plain features.
#[test]
fn epochs_repeat_and_differ() {
    let (encoder, records) = parts();
    let training = [2, 0, 1, 2, 0, 1];
    for network in ["embedding_bag", "text_cnn"] {
        let epochs = |text: Value, order: &[usize], threads: usize| {
            let spec = spec(text, network);
            let source = ChangedTexts::new(&spec, &encoder, &records, &training).unwrap();
            assert_eq!(source.records(), 6);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let of = |&epoch: &usize| source.epoch(epoch).into_owned();
            pool.install(|| order.iter().map(of).collect::<Vec<_>>())
        };
        let all = json!({"word_dropout": 0.3, "swap": 0.3, "typos": 0.3});
        let found = epochs(all.clone(), &[0, 1, 2], 1);
        let again = epochs(all, &[2, 0, 1], 3);
        assert_eq!([&found[2], &found[0], &found[1]], [&again[0], &again[1], &again[2]]);
        assert!(found[0] != found[1] && found[1] != found[2]);
        // The same text at two places is changed in two ways.
        assert!((0..3).any(|i| found[0].row(i) != found[0].row(i + 3)));

        let spec = spec(json!({}), network);
        let form = spec.network.text_form();
        let encoded = encoder.encode_all(&records, &training).unwrap();
        let plain = super::super::encoder::features(&encoder, encoder.shape(form), form, &encoded);
        assert_eq!(epochs(json!({"typos": 1e-300}), &[0], 2)[0], plain);
    }
}
