use serde_json::{Value, json};

use super::*;
use crate::data::Cell;
use crate::data::profile::Profiler;
use crate::learn::device::DeviceName;
use crate::learn::stopping::StoppingMetric;
use crate::model::spec::SplitSpec;

const ROOMY: Allowance = Allowance { memory_bytes: 4 << 30 };

/// `rows` records with a text, a label of two, a split, a number, a list, a constant, a label that
/// one record alone has, and a label that some records lack.
fn profile(rows: u64) -> Profile {
    let names = ["text", "label", "split", "stars", "tags", "same", "rare", "gaps"];
    let mut profiler = Profiler::default();
    profiler.columns(&names.map(str::to_owned));
    let text = |text: &str| Cell::Text(text.to_owned());
    for row in 0..rows {
        let label = text(if row % 2 == 0 { "good" } else { "bad" });
        let cells = [
            text(&format!("a text of its own {row}")),
            label.clone(),
            text(["train", "train", "dev", "test"][row as usize % 4]),
            Cell::Integer((row % 5) as i64),
            Cell::List(vec!["a".to_owned()]),
            text("always"),
            if row == 3 { text("once") } else { label.clone() },
            if row == 2 { Cell::Null } else { label },
        ];
        profiler.record(&cells, &row.to_le_bytes());
    }
    profiler.finish()
}

/// A request for the task of columns `text` and `label`, with `more` merged in at the top.
fn request(more: Value) -> TrainRequest {
    let mut request = json!({"dataset": "ds_1",
        "task": {"type": "text_classification", "text": "text", "label": "label"}});
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    serde_json::from_value(request).unwrap()
}

fn task(text: &str, label: &str) -> Value {
    json!({"task": {"type": "text_classification", "text": text, "label": label}})
}

fn errors(more: Value, rows: u64) -> Vec<FieldError> {
    let errors = resolve(&request(more), &profile(rows), ROOMY).unwrap_err();
    for error in &errors {
        assert!(error.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "no hint: {error:?}");
    }
    errors
}

/// The only error, which must be at `field`.
fn only(more: Value, rows: u64, field: &str) -> FieldError {
    let mut errors = errors(more.clone(), rows);
    assert_eq!(errors.len(), 1, "{more}: {errors:?}");
    assert_eq!(errors[0].field, field, "{more}");
    errors.remove(0)
}

fn spec(more: Value, rows: u64) -> TrainSpec {
    resolve(&request(more), &profile(rows), ROOMY).unwrap().spec
}

#[test]
fn wrong_columns_are_named_with_the_nearest_name() {
    let error = only(task("txt", "label"), 100, "task.text");
    assert!(error.hint.unwrap().contains("did you mean \"text\"?"));
    assert_eq!(error.column.as_deref(), Some("txt"));
    let error = only(task("text", "lable"), 100, "task.label");
    assert!(error.hint.unwrap().contains("did you mean \"label\"?"));
    let error = only(json!({"split": {"column": "splt"}}), 100, "split.column");
    assert!(error.hint.unwrap().contains("did you mean \"split\"?"));
    let error = only(task("zzz", "label"), 100, "task.text");
    assert!(error.hint.unwrap().contains("lacks a header line"));
    only(task("label", "label"), 100, "task.text");
}

#[test]
fn a_text_column_holds_text_in_every_row() {
    for column in ["stars", "tags"] {
        let error = only(task(column, "label"), 100, "task.text");
        assert!(error.hint.unwrap().contains("columns with text: text"));
    }
    let error = only(task("gaps", "label"), 100, "task.text");
    assert_eq!((error.row, error.column.as_deref()), (Some(3), Some("gaps")));
}

#[test]
fn labels_that_cannot_be_learnt() {
    let said = |label: &str| only(task("text", label), 100, "task.label").message;
    assert!(said("same").contains("every record has the label \"always\""));
    assert!(said("rare").contains("1 of 3 labels have one example, \"once\""));
    assert!(said("tags").contains("lists"));
    assert!(said("gaps").contains("row 3"));
    let message = only(task("split", "text"), 1_500, "task.label").message;
    assert!(message.contains("1500 distinct values"), "{message}");
    let lists = json!({"task": {"type": "text_classification", "text": "text", "label": "tags",
                                "multi_label": true}});
    spec(lists, 100);
}

#[test]
fn shares_sum_to_one_and_give_every_split_a_record() {
    let split = |split: Value, field: &str, rows| only(json!({ "split": split }), rows, field);
    assert!(split(json!({"train": 0.7, "test": 0.2}), "split", 100).message.ends_with(" 0.9"));
    split(json!({"train": 0.7, "test": 0.7}), "split", 100);
    split(json!({"validation": 0.5, "test": 0.5}), "split.train", 100);
    let error = split(json!({"train": 0.99, "test": 0.01}), "split.test", 20);
    assert!(error.hint.unwrap().contains("at least 100"));
    // Thirds are close enough to 1.
    let thirds = json!({"train": 0.3333333, "validation": 0.3333333, "test": 0.3333333});
    spec(json!({ "split": thirds }), 100);
}

#[test]
fn a_split_column_names_splits_and_nothing_else() {
    let split = |split: Value| errors(json!({ "split": split }), 100);
    let shares = split(json!({"column": "split", "train": 0.5, "test": 0.5, "validation": 1.0}));
    let fields: Vec<&str> = shares.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(fields, ["split.train", "split.test", "split.validation"]);
    // One error for all values that are no splits, one because nothing trains.
    let wrong = split(json!({"column": "label"}));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].message.contains("nor are 1 other values"), "{wrong:?}");
    assert!(split(json!({"column": "text"}))[0].message.contains("is no split"));
    let gaps = split(json!({"column": "gaps"}));
    assert_eq!(gaps[0].row, Some(3));

    let by_column = spec(json!({"split": {"column": "split"}}), 100);
    let column = "split".to_owned();
    let expected = SplitSpec::Column { column, validation: 0.1, calibration: 0.5, seed: 1 };
    assert_eq!(by_column.split, expected);
}

#[test]
fn numbers_that_fit_no_training() {
    let grams = json!({"vectorizer": {"character_ngrams": {"min": 5, "max": 2}}});
    only(grams, 100, "vectorizer.character_ngrams.min");
    let bag = |hidden: Value| json!({"network": {"type": "embedding_bag", "hidden": hidden}});
    only(bag(json!([10, 0])), 100, "network.hidden[1]");
    only(bag(json!([u64::MAX])), 100, "network.hidden[0]");
    let adamw = |rate: f64, decay: f64| json!({"optimizer": {"type": "adamw", "learning_rate": rate, "weight_decay": decay}});
    only(adamw(0.5, 2.0), 100, "optimizer.weight_decay");
    let sgd = |more: Value| {
        let mut sgd = json!({"type": "sgd"});
        sgd.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "optimizer": sgd })
    };
    only(sgd(json!({"weight_decay": 2.0})), 100, "optimizer.weight_decay");
    only(sgd(json!({"nesterov": true, "momentum": 0.0})), 100, "optimizer.nesterov");
    spec(sgd(json!({"nesterov": true, "weight_decay": 0.5})), 100);
    only(json!({"device": "cuda"}), 100, "device");
    only(json!({"device": "cuda:99"}), 100, "device");
    let hint = errors(json!({"device": "cuda:99"}), 100)[0].hint.clone().unwrap();
    assert!(hint.starts_with("there are \"cpu\"") && hint.contains("CUDA toolkit"), "{hint}");
    spec(adamw(0.5, 1.9), 100);
}

/// What JSON and its schema let through, and what only code can ask for.
#[test]
fn hyperparameters_that_32_bits_cannot_hold() {
    type Set = fn(&mut crate::learn::optimizer::AdamWSpec, f64);
    let table: [(&str, Set, &[f64]); 5] = [
        ("learning_rate", |s, v| s.learning_rate = v, &[0.0, -1.0, 1e-50, 1e39]),
        ("beta1", |s, v| s.beta1 = v, &[1.0, -0.1, 0.999_999_999_9]),
        ("beta2", |s, v| s.beta2 = v, &[1.0, 0.999_999_99]),
        ("epsilon", |s, v| s.epsilon = v, &[0.0, 1e-50]),
        ("weight_decay", |s, v| s.weight_decay = v, &[-0.1]),
    ];
    for (name, set, values) in table {
        for &value in values.iter().chain(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
            let mut adamw = crate::learn::optimizer::AdamWSpec::default();
            set(&mut adamw, value);
            let optimizer = crate::learn::optimizer::OptimizerSpec::AdamW(adamw);
            let bad = TrainRequest { optimizer, ..request(json!({})) };
            let errors = resolve(&bad, &profile(100), ROOMY).unwrap_err();
            let field = format!("optimizer.{name}");
            assert!(errors.iter().any(|e| e.field == field), "{field} = {value}: {errors:?}");
        }
    }
    let optimizers = [
        (json!({"type": "sgd", "momentum": 0.999_999_999_9}), "momentum"),
        (json!({"type": "rmsprop", "alpha": 0.999_999_999_9}), "alpha"),
        (json!({"type": "rmsprop", "momentum": 0.999_999_999_9}), "momentum"),
        (json!({"type": "rmsprop", "epsilon": 1e-50}), "epsilon"),
        (json!({"type": "rmsprop", "weight_decay": -1.0}), "weight_decay"),
        (json!({"type": "adagrad", "epsilon": 1e-50}), "epsilon"),
        (json!({"type": "adagrad", "lr_decay": -1.0}), "lr_decay"),
        (json!({"type": "adagrad", "initial_accumulator": 1e39}), "initial_accumulator"),
        (json!({"type": "adagrad", "learning_rate": 1e-50}), "learning_rate"),
    ];
    for (optimizer, field) in optimizers {
        only(json!({ "optimizer": optimizer }), 100, &format!("optimizer.{field}"));
    }
    only(json!({"training": {"clip_norm": 1e-50}}), 100, "training.clip_norm");
    only(json!({"training": {"clip_value": 1e39}}), 100, "training.clip_value");
    only(json!({"training": {"ema_decay": 0.999_999_999_9}}), 100, "training.ema_decay");
    only(json!({"training": {"ema_decay": 1e-50}}), 100, "training.ema_decay");
    only(json!({"regularization": {"l1": -1.0}}), 100, "regularization.l1");
    only(json!({"regularization": {"l2": -1.0}}), 100, "regularization.l2");
    // Below 1 in 64 bits, 1 in 32.
    let dropout = json!({"regularization": {"ngram_dropout": 0.999_999_999_9}});
    only(dropout, 100, "regularization.ngram_dropout");
}

/// What a step needs, from before there was a choice.
#[test]
fn a_spec_of_an_earlier_version_is_read_as_it_was_meant() {
    let now = spec(json!({}), 100);
    let mut stored = serde_json::to_value(&now).unwrap();
    for name in [
        "accumulate",
        "clip_norm",
        "clip_value",
        "ema_decay",
        "max_steps",
        "max_seconds",
        "target",
        "checkpoint_steps",
    ] {
        assert!(stored["training"].as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    for name in ["l1", "l2"] {
        assert!(stored["regularization"].as_object_mut().unwrap().remove(name).is_some());
    }
    assert_eq!(serde_json::from_value::<TrainSpec>(stored).unwrap(), now);
}

#[test]
fn limits_that_only_code_can_ask_for() {
    let limited = |max_seconds: Option<f64>, divergence_factor: Option<f64>| {
        let mut bad = request(json!({}));
        bad.training.max_seconds = max_seconds;
        bad.training.divergence_factor = divergence_factor.map(Some);
        let errors = resolve(&bad, &profile(100), ROOMY).unwrap_err();
        errors.iter().map(|error| error.field.clone()).collect::<Vec<_>>()
    };
    for seconds in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        assert_eq!(limited(Some(seconds), None), ["training.max_seconds"], "{seconds}");
    }
    for factor in [f64::NAN, f64::INFINITY, 1.0, -1.0] {
        assert_eq!(limited(None, Some(factor)), ["training.divergence_factor"], "{factor}");
    }
}

#[test]
fn what_hears_the_validation_split_needs_one() {
    let target = json!({"training": {"target": {"metric": "accuracy", "value": 0.9}}});
    let plateau = json!({"schedule": {"type": "reduce_on_plateau"}});
    // Below 50 records, all of them train.
    only(target.clone(), 49, "training.target");
    only(plateau.clone(), 49, "schedule.type");
    spec(target, 50);
    spec(plateau, 50);
    let mse = json!({"training": {"target": {"metric": "mse", "value": 0.9}}});
    only(mse, 100, "training.target.metric");
}

#[test]
fn a_range_test_costs_its_steps_and_its_rates_span_a_range() {
    let asked = |range: Value, more: Value| {
        let range_test = serde_json::from_value(range).unwrap();
        let request = RangeTestRequest { train: request(more), range_test };
        resolve_range_test(&request, None, &profile(1_000), ROOMY)
    };
    let found = asked(json!({}), json!({})).unwrap();
    assert_eq!(found.spec.range_test, Some(Default::default()));
    let train = resolve(&request(json!({})), &profile(1_000), ROOMY).unwrap();
    assert!(found.estimate.seconds_at_most < train.estimate.seconds_at_most / 5.0);
    assert_eq!(TrainSpec { range_test: None, ..found.spec }, train.spec);
    for (range, field) in [
        (json!({"low": 0.1, "high": 0.5}), "range_test.high"),
        (json!({"low": 1e-60}), "range_test.low"),
        (json!({"steps": 3}), "range_test.steps"),
    ] {
        let errors = asked(range, json!({"device": "tpu"})).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["device", field]);
    }
}

#[test]
fn accumulated_batches_make_fewer_steps_and_more_epochs() {
    let epochs = |more: Value| spec(more, 4_000).training.epochs;
    let plain = epochs(json!({}));
    assert!(plain < epochs(json!({"training": {"accumulate": 4}})));
}

#[test]
fn everything_is_reported_at_once() {
    let all = errors(
        json!({
            "task": {"type": "text_classification", "text": "txt", "label": "same"},
            "vectorizer": {"character_ngrams": {"min": 5, "max": 2}},
            "network": {"type": "embedding_bag", "hidden": [0, 0]},
            "optimizer": {"type": "adamw", "learning_rate": 1.0, "weight_decay": 1.0},
            "split": {"train": 2.0},
            "device": "tpu",
        }),
        100,
    );
    let fields: Vec<&str> = all.iter().map(|e| e.field.as_str()).collect();
    let expected = [
        "task.text",
        "task.label",
        "vectorizer.character_ngrams.min",
        "network.hidden[0]",
        "network.hidden[1]",
        "optimizer.weight_decay",
        "split",
        "device",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn huge_dimensions_are_refused_by_the_estimate() {
    let absurd =
        json!({"type": "embedding_bag", "dimension": u64::MAX, "hidden": [65_536, 65_536]});
    for network in [
        json!({"type": "embedding_bag", "dimension": 4_000_000_000_u64}),
        json!({"type": "embedding_bag", "dimension": u64::MAX}),
        absurd.clone(),
    ] {
        let error = only(json!({ "network": network }), 100, "network");
        assert!(error.message.contains("MiB"), "{}", error.message);
    }
    let everything = json!({"network": absurd, "training": {"batch_size": u64::MAX, "epochs": u64::MAX},
        "vectorizer": {"hash_buckets": u32::MAX, "max_vocabulary": u64::MAX}});
    only(everything, 1_000, "network");
    let tight = Allowance { memory_bytes: 1_000 };
    let errors = resolve(&request(json!({})), &profile(100), tight).unwrap_err();
    assert_eq!(errors[0].field, "network");
}

#[test]
fn defaults_are_those_that_the_request_documents() {
    let small = spec(json!({}), 49);
    let all =
        SplitSpec::Shares { train: 1.0, validation: 0.0, calibration: 0.0, test: 0.0, seed: 1 };
    assert_eq!(small.split, all);
    let warned = resolve(&request(json!({})), &profile(49), ROOMY).unwrap().warnings;
    assert_eq!(warned[0].code, "small_dataset");

    let shares =
        |seed| SplitSpec::Shares { train: 0.7, validation: 0.1, calibration: 0.1, test: 0.1, seed };
    assert_eq!(spec(json!({}), 50).split, shares(1));
    assert_eq!(spec(json!({"split": {"seed": 7}}), 50).split, shares(7));

    // 70 training records: batches of 4, 18 steps an epoch, so 56 epochs for 1,000 steps.
    let hundred = spec(json!({}), 100).training;
    assert_eq!((hundred.epochs, hundred.batch_size, hundred.seed), (56, 4, 1));
    assert_eq!((hundred.checkpoint_seconds, hundred.checkpoint_steps), (30, None));
    assert_eq!((hundred.max_steps, hundred.max_seconds, hundred.target), (None, None, None));
    assert_eq!(hundred.divergence_factor, Some(10.0));
    assert_eq!(hundred.early_stopping.unwrap().patience, 5);
    let many = spec(json!({}), 10_000).training;
    assert_eq!((many.epochs, many.batch_size), (20, 64));
    assert_eq!(many.early_stopping.unwrap().patience, 3);
    let few = spec(json!({}), 20).training;
    assert_eq!((few.epochs, few.batch_size), (50, 1));

    let never = spec(json!({"training": {"early_stopping": null}}), 100).training;
    assert_eq!(never.early_stopping, None);
    let asked = json!({"training": {"epochs": 7, "early_stopping": {"metric": "accuracy"}}});
    let stop = spec(asked, 100).training.early_stopping.unwrap();
    assert_eq!((stop.metric, stop.patience), (StoppingMetric::Accuracy, 3));
    assert_eq!(spec(json!({"device": "auto"}), 100).device, DeviceName::Cpu);
}

#[test]
fn a_resolved_spec_resolves_to_itself() {
    let requests = [
        (json!({}), 100),
        (json!({}), 20),
        (json!({"split": {"column": "split", "validation": 0.3}}), 100),
        (json!({"split": {"train": 0.5, "test": 0.5, "seed": 9}, "model_name": "m"}), 1_000),
        (json!({"training": {"early_stopping": null, "seed": 5}}), 100),
        (json!({"training": {"early_stopping": {"min_delta": 0.1}}, "device": "cpu"}), 100),
        (
            json!({"training": {"accumulate": 3, "clip_norm": 0.5, "clip_value": 0.1,
                "ema_decay": 0.99}, "regularization": {"l1": 0.25, "l2": 0.5}}),
            100,
        ),
        (
            json!({"training": {"max_steps": 9, "max_seconds": 2.5, "divergence_factor": 3.0,
                "checkpoint_steps": 7, "target": {"metric": "accuracy", "value": 0.9}}}),
            100,
        ),
        (json!({"training": {"divergence_factor": null}}), 100),
        (
            json!({"optimizer": {"type": "adamw"}, "schedule": {"type": "constant"},
                "vectorizer": {"character_ngrams": null, "hash_buckets": 1000}}),
            100,
        ),
    ];
    for (more, rows) in requests {
        let first = spec(more.clone(), rows);
        let stored = serde_json::to_value(&first).unwrap();
        assert_eq!(serde_json::from_value::<TrainSpec>(stored.clone()).unwrap(), first);
        let again: TrainRequest = serde_json::from_value(stored).unwrap();
        let second = resolve(&again, &profile(rows), ROOMY).unwrap().spec;
        assert_eq!(first, second, "{more}");
    }
}
