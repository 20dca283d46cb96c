//! Faults of nine more kinds, planted in small trainings: each is found, and is not where the same
//! training is sound.

use serde_json::{Value, json};

use super::finding::{Finding, FindingStatus};
use super::optimization::tests::{circles, generated, report, request, training};
use super::workbench::tests::{bench, clouds, hard_clouds, spec_with};
use crate::data::Cell;
use crate::model::fit::TrainingTable;
use crate::random::{self, Rng};

/// The finding of a kind; `None` where the report says nothing of it, as it cannot be there.
fn finding(kind: &str, spec: Value, table: TrainingTable) -> Option<Finding> {
    let bench = bench(&spec_with(spec), table);
    let findings = report(&bench, &request(Some(&[kind]), 0)).findings;
    findings.into_iter().find(|finding| finding.kind == kind)
}

#[track_caller]
fn found(kind: &str, spec: Value, table: TrainingTable) {
    let finding = finding(kind, spec, table).unwrap();
    println!("{kind}: {:.2} {}", finding.severity, finding.statement);
    assert_eq!(finding.status, FindingStatus::Found, "{finding:#?}");
    assert!(finding.severity > 0.0 && finding.remedy.is_some(), "{finding:#?}");
    assert!(!finding.evidence.is_empty() && finding.smallest_effect.is_some(), "{finding:#?}");
}

#[track_caller]
fn sound(kind: &str, spec: Value, table: TrainingTable) {
    if let Some(finding) = finding(kind, spec, table) {
        println!("{kind}: {}", finding.statement);
        assert_ne!(finding.status, FindingStatus::Found, "{finding:#?}");
    }
}

/// A sine over [0, 10], to be predicted.
fn sine() -> TrainingTable {
    generated(json!({"type": "sine", "points": 400, "low": 0, "high": 10, "noise": 0.05}))
}

fn of_sine(more: Value) -> Value {
    let mut spec = json!({
        "task": {"type": "tabular_regression", "features": ["x"], "target": "y"},
        "loss": {"type": "mse"},
        "network": {"type": "mlp", "hidden": [20], "activation": "tanh"},
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

fn sgd(rate: f64) -> Value {
    json!({"type": "sgd", "learning_rate": rate, "momentum": 0.0})
}

#[test]
fn a_training_that_diverged() {
    // The rate rises until it is too much; what was learnt before is kept.
    let warmup = json!({"type": "constant", "warmup": {"steps": 1000, "start_factor": 1e-4}});
    let spec = |rate| {
        of_sine(json!({"optimizer": sgd(rate), "schedule": warmup,
            "training": training(json!({"epochs": 100}))}))
    };
    found("diverged", spec(10.0), sine());
    sound("diverged", spec(0.3), sine());
}

#[test]
fn a_plateau() {
    let spec = |rate: f64| {
        json!({"network": {"type": "mlp", "hidden": [10], "activation": "tanh"},
            "optimizer": {"type": "adam", "learning_rate": rate},
            "training": training(json!({"epochs": 30}))})
    };
    found("plateau", spec(2.0), circles());
    sound("plateau", spec(0.02), circles());
}

#[test]
fn gradients_that_explode() {
    // One record in a hundred lies far out, on the right side.
    let mut far = clouds(1000);
    for record in (0..1000).step_by(97) {
        for column in &mut far.inputs {
            if let Cell::Number(number) = &mut column.cells[record] {
                *number = 1e4 * if record % 2 == 0 { 1.0 } else { -1.0 };
            }
        }
    }
    let spec = json!({"optimizer": sgd(0.1), "tabular": {"standardize": false}});
    found("exploding_gradients", spec.clone(), far);
    sound("exploding_gradients", spec, clouds(1000));
}

#[test]
fn units_that_are_saturated() {
    let spec = |weights: Value| {
        json!({"network": {"type": "mlp", "hidden": [10, 10], "activation": "tanh",
            "initialization": weights}})
    };
    let large = json!({"weights": {"type": "normal", "std": 30.0}});
    found("saturated_units", spec(large), circles());
    sound("saturated_units", spec(json!({})), circles());
}

#[test]
fn batches_of_one() {
    let spec = |rate: f64| {
        json!({"optimizer": {"type": "adam", "learning_rate": rate},
            "training": training(json!({"batch_size": 1, "epochs": 6}))})
    };
    found("batch_too_small", spec(0.1), circles());
    sound("batch_too_small", spec(0.002), clouds(600));
}

/// Numbers that are 3 higher for three records in ten, whatever their x.
fn two_levels() -> TrainingTable {
    let mut table = sine();
    let mut rng = random::stream(9, "two levels");
    for cell in &mut table.wanted[0] {
        *cell = Cell::Number(if rng.random::<f64>() < 0.3 { 3.0 } else { 0.0 });
    }
    table
}

#[test]
fn a_loss_that_looks_for_the_median() {
    let spec =
        |loss: Value| of_sine(json!({"loss": loss, "network": {"type": "mlp", "hidden": [4]}}));
    found("loss_unsuited", spec(json!({"type": "mae"})), two_levels());
    sound("loss_unsuited", spec(json!({"type": "mse"})), two_levels());
}

#[test]
fn a_result_that_hangs_on_the_seed() {
    let spec = json!({"network": {"type": "mlp", "hidden": [3]},
        "optimizer": {"type": "adam", "learning_rate": 0.05}});
    found("unstable_over_seeds", spec, circles());
    sound("unstable_over_seeds", json!({}), clouds(1000));
}

/// A wide network, long trained on few records of which one in five is mislabelled.
fn by_heart() -> (Value, TrainingTable) {
    let spec = json!({
        "network": {"type": "mlp", "hidden": [256, 128]},
        "training": training(json!({"epochs": 100})),
        "split": {"train": 0.15, "validation": 0.6, "calibration": 0.05, "test": 0.2, "seed": 1},
    });
    (spec, hard_clouds(1200, (0.8, 0.5), |record| random::keyed(record as u64) % 5 == 0))
}

#[test]
fn a_network_that_is_too_large_for_its_records() {
    let (spec, table) = by_heart();
    found("capacity_too_large", spec, table);
    sound("capacity_too_large", json!({}), clouds(1000));
}

#[test]
fn a_network_that_memorises() {
    let (spec, table) = by_heart();
    found("memorizes", spec, table);
    sound("memorizes", json!({}), clouds(1000));
}
