//! Faults planted in small trainings: each is found, and named first; sound trainings have none.

use serde_json::{Value, json};

use crate::clock::ManualClock;
use crate::data::generator::GeneratorSpec;
use crate::data::profile::ColumnKind;
use crate::data::{Cell, DataError, Sink};
use crate::diagnose::finding::{Finding, FindingStatus};
use crate::diagnose::investigation::run;
use crate::diagnose::report::LimitationsReport;
use crate::diagnose::request::{DiagnoseBudget, DiagnoseRequest, DiagnoseSpec};
use crate::diagnose::workbench::Workbench;
use crate::diagnose::workbench::tests::{bench, clouds, spec_with};
use crate::model::encoder::InputColumn;
use crate::model::fit::TrainingTable;

/// A request that tries no remedy.
pub fn request(only: Option<&[&str]>, remedies: usize) -> DiagnoseSpec {
    let request = DiagnoseRequest {
        model: "model_1".to_owned(),
        budget: DiagnoseBudget::default(),
        seeds: None,
        remedies: Some(remedies),
        only: only.map(|only| only.iter().map(|kind| (*kind).to_owned()).collect()),
        slice: None,
        seed: None,
    };
    request.resolve("model_1".to_owned())
}

/// What a generator makes; the last column is to be learnt.
pub fn generated(generator: Value) -> TrainingTable {
    #[derive(Default)]
    struct Columns {
        names: Vec<String>,
        cells: Vec<Vec<Cell>>,
    }
    impl Sink for Columns {
        fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
            (self.names, self.cells) = (names.to_vec(), vec![Vec::new(); names.len()]);
            Ok(())
        }
        fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
            self.cells.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell.clone()));
            Ok(())
        }
    }
    let spec: GeneratorSpec = serde_json::from_value(generator).unwrap();
    let mut columns = Columns::default();
    spec.generate(&mut columns).unwrap();
    let wanted = columns.cells.pop().unwrap();
    columns.names.pop();
    let column = |(name, cells)| InputColumn { name, kind: ColumnKind::Number, cells };
    TrainingTable {
        inputs: columns.names.into_iter().zip(columns.cells).map(column).collect(),
        wanted: vec![wanted],
        weights: None,
        splits: None,
    }
}

/// A ring around a disc.
pub fn circles() -> TrainingTable {
    let mut table = generated(json!({"type": "circles", "samples": 1000, "noise": 0.1, "seed": 3}));
    for (column, name) in table.inputs.iter_mut().zip(["x", "y"]) {
        column.name = name.to_owned();
    }
    table
}

/// Settings of a training of [`spec_with`], over its own.
pub fn training(more: Value) -> Value {
    let mut training = json!({"epochs": 20, "batch_size": 16, "seed": 3, "early_stopping": null,
        "divergence_factor": 10.0, "checkpoint_seconds": 0});
    for (key, value) in more.as_object().unwrap() {
        training[key] = value.clone();
    }
    training
}

pub fn report(bench: &Workbench, request: &DiagnoseSpec) -> LimitationsReport {
    run(bench, request, ManualClock::at(0).as_ref()).unwrap().0
}

/// The finding of a kind, looked for alone.
fn alone(kind: &str, spec: Value, table: TrainingTable) -> Finding {
    let bench = bench(&spec_with(spec), table);
    report(&bench, &request(Some(&[kind]), 0)).findings.swap_remove(0)
}

#[track_caller]
fn found(kind: &str, spec: Value, table: TrainingTable) {
    let finding = alone(kind, spec, table);
    println!("{kind}: {:.2} {}", finding.severity, finding.statement);
    assert_eq!(finding.status, FindingStatus::Found, "{finding:#?}");
    assert!(finding.severity > 0.1 && finding.remedy.is_some(), "{finding:#?}");
    assert!(!finding.evidence.is_empty() && finding.smallest_effect.is_some(), "{finding:#?}");
}

/// The first finding among all kinds.
#[track_caller]
pub fn first(kind: &str, spec: Value, table: TrainingTable) {
    let bench = bench(&spec_with(spec), table);
    let report = report(&bench, &request(None, 0));
    let told: Vec<String> =
        report.found().map(|f| format!("{} {:.2}: {}", f.kind, f.severity, f.statement)).collect();
    println!("{kind}, {:.1} runs: {told:#?}", report.scope.spent.runs);
    let of_kind = report.findings.iter().find(|finding| finding.kind == kind);
    assert_eq!(report.findings[0].kind, kind, "{told:#?} {of_kind:#?}");
    assert_eq!(report.findings[0].status, FindingStatus::Found);
}

fn sgd(rate: f64, momentum: f64) -> Value {
    json!({"type": "sgd", "learning_rate": rate, "momentum": momentum})
}

#[test]
fn a_momentum_that_is_too_high() {
    let spec = json!({"optimizer": sgd(0.1, 0.999)});
    found("momentum_too_high", spec, circles());
}

#[test]
fn penalties_that_are_too_high() {
    let adamw = json!({"type": "adamw", "learning_rate": 0.01, "weight_decay": 10.0});
    found("weight_decay_too_high", json!({"optimizer": adamw}), circles());
}

#[test]
fn too_much_dropout() {
    let network = json!({"type": "mlp", "hidden": [16], "dropout": 0.95});
    found("dropout_too_high", json!({"network": network}), circles());
}

#[test]
fn poor_initial_parameters() {
    let zeros = json!({"weights": {"type": "zeros"}});
    let network = json!({"type": "mlp", "hidden": [10], "initialization": zeros});
    first("poor_initialization", json!({"network": network}), circles());
}

#[test]
fn dead_units() {
    let negative = json!({"weights": {"type": "constant", "value": -0.5}});
    let network = json!({"type": "mlp", "hidden": [10, 10], "initialization": negative});
    found("dead_units", json!({"network": network}), clouds(1000));
}

#[test]
fn gradients_that_vanish() {
    let network = json!({"type": "mlp", "hidden": [10, 10, 10, 10, 10, 10],
        "activation": "sigmoid"});
    found("vanishing_gradients", json!({"network": network}), circles());
}

#[test]
fn a_rate_that_is_too_high() {
    let adam = json!({"type": "adam", "learning_rate": 1.0});
    first("learning_rate_too_high", json!({"optimizer": adam}), circles());
}

#[test]
fn a_rate_that_is_too_low() {
    let adam = json!({"type": "adam", "learning_rate": 1e-4});
    first("learning_rate_too_low", json!({"optimizer": adam}), circles());
}

#[test]
fn too_few_epochs() {
    first("too_few_epochs", json!({"training": training(json!({"epochs": 2}))}), circles());
}

#[test]
fn batches_that_are_too_large() {
    let training = training(json!({"batch_size": 500, "epochs": 30}));
    found("batch_too_large", json!({"training": training}), circles());
}

#[test]
fn columns_that_are_not_scaled() {
    let mut table = circles();
    for cell in &mut table.inputs[0].cells {
        if let Cell::Number(number) = cell {
            *number *= 1000.0;
        }
    }
    let tabular = json!({"standardize": false});
    found("features_not_scaled", json!({"tabular": tabular}), table);
}

/// None of these kinds is found where nothing is wrong, and few trainings are spent on it.
#[test]
fn sound_trainings_have_no_limitation() {
    for (name, table) in [("clouds", clouds(1000)), ("circles", circles())] {
        let bench = bench(&spec_with(json!({})), table);
        let report = report(&bench, &request(None, 0));
        let told: Vec<&String> = report.found().map(|finding| &finding.statement).collect();
        println!("{name}: {:.1} runs", report.scope.spent.runs);
        assert!(told.is_empty(), "{name}: {told:#?}");
        let measured = |f: &&Finding| f.status == FindingStatus::NotFound;
        for finding in report.findings.iter().filter(measured) {
            assert!(finding.smallest_effect.is_some(), "{finding:#?}");
            assert!(!finding.evidence.is_empty(), "{finding:#?}");
        }
        // What looking may cost while nothing is found.
        assert!(report.scope.spent.runs <= 17.0, "{name}: {}", report.scope.spent.runs);
    }
}
