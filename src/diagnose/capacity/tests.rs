//! Networks that are too small are found, and the textbook's remedies are proposed.

use serde_json::{Value, json};

use super::capacity_too_small::larger;
use crate::diagnose::finding::{Finding, FindingStatus};
use crate::diagnose::optimization::tests::{circles, first, generated, report, request, training};
use crate::diagnose::workbench::tests::{bench, spec_with};

/// The first finding among all kinds, with its remedy's fields.
#[track_caller]
fn first_of_all(spec: Value, table: crate::model::fit::TrainingTable) -> Finding {
    let bench = bench(&spec_with(spec), table);
    let report = report(&bench, &request(None, 0));
    for finding in report.found() {
        println!("{} {:.2}: {}", finding.kind, finding.severity, finding.statement);
    }
    println!("{:.1} runs", report.scope.spent.runs);
    report.findings[0].clone()
}

#[test]
fn a_line_cannot_follow_a_sine() {
    let sine = json!({"type": "sine", "points": 300, "low": 0, "high": 10, "noise": 0.0});
    let spec = json!({
        "task": {"type": "tabular_regression", "features": ["x"], "target": "y"},
        "loss": {"type": "mse"},
        "network": {"type": "mlp", "hidden": []},
        "training": training(json!({"epochs": 60, "batch_size": 10})),
    });
    let finding = first_of_all(spec, generated(sine));
    assert_eq!(
        (finding.kind.as_str(), finding.status),
        ("capacity_too_small", FindingStatus::Found)
    );
    let remedy = finding.remedy.unwrap();
    assert_eq!(remedy.change["network.hidden"], json!([10, 10]), "{remedy:?}");
}

/// Smaller batches, a larger rate and more epochs each do as well here as a larger network: one of them is
/// found, and is no other thing.
#[test]
fn ten_units_and_a_hundred_epochs_can_do_better() {
    let table = generated(json!({"type": "make_classification", "samples": 1000, "features": 20,
        "informative": 15, "redundant": 5, "seed": 42}));
    let features: Vec<String> = table.inputs.iter().map(|column| column.name.clone()).collect();
    let spec = json!({
        "task": {"type": "tabular_classification", "features": features, "label": "label"},
        "network": {"type": "mlp", "hidden": [10]},
        "optimizer": {"type": "adam", "learning_rate": 0.001},
        "training": training(json!({"epochs": 100, "batch_size": 200})),
        "split": {"train": 0.6, "validation": 0.2, "calibration": 0.0, "test": 0.2, "seed": 1},
    });
    let finding = first_of_all(spec, table);
    assert_eq!(finding.status, FindingStatus::Found, "{finding:#?}");
    let known =
        ["batch_too_large", "learning_rate_too_low", "too_few_epochs", "capacity_too_small"];
    assert!(known.contains(&finding.kind.as_str()), "{finding:#?}");
    assert!(!finding.remedy.unwrap().change.is_empty());
}

#[test]
fn a_line_cannot_part_a_ring_from_a_disc() {
    first("capacity_too_small", json!({"network": {"type": "mlp", "hidden": []}}), circles());
}

#[test]
fn the_next_larger_network() {
    assert_eq!(larger(&[]), [10, 10]);
    assert_eq!(larger(&[2]), [10, 10]);
    assert_eq!(larger(&[10]), [50, 50]);
    assert_eq!(larger(&[64, 64]), [128, 128]);
    assert_eq!(larger(&[16, 100, 8]), [80, 200, 40]);
}
