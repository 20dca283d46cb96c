//! Networks that are too small are found, and the textbook's remedies are proposed.

use serde_json::{Value, json};

use super::capacity_too_small::larger;
use crate::diagnose::finding::{Finding, FindingStatus, Verdict};
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

/// The textbook's ten units and hundred epochs: a larger network, stopped where it no longer gets better, is
/// named first, before smaller batches, a higher rate or more epochs alone, each of
/// which helps too; and it helps on the test records.
#[test]
fn ten_units_and_a_hundred_epochs_are_too_few() {
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
    let bench = bench(&spec_with(spec), table);
    // Those that look at settings: what the records lack takes most of the trainings, and is not the matter.
    let kinds = [
        "capacity_too_small",
        "batch_too_large",
        "learning_rate_too_low",
        "too_few_epochs",
        "unstable_over_seeds",
    ];
    let report = report(&bench, &request(Some(&kinds), 1));
    let finding = &report.findings[0];
    assert_eq!(finding.kind, "capacity_too_small", "{report:#?}");
    let change = &finding.remedy.as_ref().unwrap().change;
    let of = |field: &str| change.get(field).unwrap_or(&Value::Null);
    assert_eq!(of("network.hidden"), &json!([50, 50]), "{finding:#?}");
    assert!(of("training.early_stopping").is_object(), "{finding:#?}");
    let verdict = finding.verification.as_ref().map(|verification| verification.verdict);
    assert_eq!(verdict, Some(Verdict::Verified), "{finding:#?}");
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
