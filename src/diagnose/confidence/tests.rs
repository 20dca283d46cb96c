use serde_json::{Value, json};

use crate::clock::ManualClock;
use crate::diagnose::finding::{Finding, FindingStatus};
use crate::diagnose::investigation::run;
use crate::diagnose::tests::request;
use crate::diagnose::workbench::tests::{bench, clouds, hard_clouds, spec_with};
use crate::model::fit::TrainingTable;
use crate::model::spec::TrainSpec;

fn finding(kind: &str, spec: &TrainSpec, table: TrainingTable) -> Finding {
    let bench = bench(spec, table);
    let (report, done) = run(&bench, &request(&[kind], 20.0), ManualClock::at(0).as_ref()).unwrap();
    // Neither looks at a training, and no training tells whether their remedies help.
    assert_eq!(done.len(), 0);
    report.findings[0].clone()
}

/// A net that has learnt its few records by heart is too sure; a calibrator puts that right.
#[test]
fn confidence_that_is_too_high_is_found_and_calibration_helps() {
    let table = hard_clouds(1000, (1.6, 0.5), |_| false);
    let spec = |calibrator: Value| {
        let mut spec = spec_with(json!({
            "network": {"type": "mlp", "hidden": [64, 64]},
            "optimizer": {"type": "adam", "learning_rate": 0.03},
            "split": {"train": 0.15, "validation": 0.0, "calibration": 0.3, "test": 0.55, "seed": 1},
            "calibrator": calibrator,
        }));
        spec.training.epochs = 100;
        spec
    };
    let found = finding("miscalibrated", &spec(json!("identity")), table.clone());
    assert_eq!(found.status, FindingStatus::Found, "{found:#?}");
    assert!(found.statement.contains("too high") && found.severity > 0.05, "{found:#?}");
    assert_eq!(found.remedy.clone().unwrap().change["calibrator"], Value::Null);
    assert!(found.evidence.iter().any(|m| m.name.contains("\"up\"")), "{found:#?}");

    let sound = finding("miscalibrated", &spec(Value::Null), table);
    assert_eq!(sound.status, FindingStatus::NotFound, "{sound:#?}");
    assert!(sound.remedy.is_none() && sound.severity == 0.0);
}

#[test]
fn too_few_calibration_records_are_found() {
    let split =
        json!({"train": 0.7, "validation": 0.1, "calibration": 0.0, "test": 0.2, "seed": 1});
    let kind = "too_little_calibration_data";
    let found = finding(kind, &spec_with(json!({"split": split})), clouds(400));
    assert_eq!(found.status, FindingStatus::Found, "{found:#?}");
    let change = found.remedy.clone().unwrap().change;
    assert_eq!((&change["split.calibration"], &change["split.train"]), (&json!(0.1), &json!(0.6)));
    assert!(found.statement.contains("0 calibration records"), "{}", found.statement);

    let sound = finding(kind, &spec_with(json!({})), clouds(400));
    assert_eq!(sound.status, FindingStatus::NotFound, "{sound:#?}");
}
