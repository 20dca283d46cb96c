use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::model::card::PartMetrics;

/// A finished run of a spec, with its test accuracy.
fn run(id: &str, seed: u64, hidden: &[usize], accuracy: f64) -> Run {
    let spec = json!({
        "dataset": "ds_1", "model_name": null, "device": "cpu",
        "task": {"type": "tabular_classification", "label": "y"},
        "vectorizer": {}, "network": {"type": "mlp", "hidden": hidden},
        "optimizer": {"type": "adam"}, "schedule": {"type": "constant"}, "regularization": {},
        "training": {"epochs": 3, "batch_size": 8, "seed": seed, "early_stopping": null,
                     "checkpoint_seconds": 30},
        "split": {"train": 0.8, "validation": 0.0, "calibration": 0.0, "test": 0.2, "seed": 1},
    });
    let report = json!({
        "records": 20, "accuracy": accuracy, "accuracy_interval": [accuracy - 0.1, accuracy + 0.1],
        "macro_f1": accuracy, "micro_f1": accuracy, "ece": 0.1, "per_class": [],
        "confusion_matrix": {"labels": [], "rows": []},
    });
    Run {
        id: id.to_owned(),
        job: "job_1".to_owned(),
        trial: None,
        status: JobStatus::Succeeded,
        spec: serde_json::from_value(spec).unwrap(),
        environment: None,
        metrics: Some(PartMetrics {
            test: Some(serde_json::from_value(report).unwrap()),
            ..PartMetrics::default()
        }),
        best_epoch: None,
        epochs: Some(3),
        steps: Some(30),
        end_reason: None,
        seconds: None,
        range_test: None,
        model: None,
        warnings: Vec::new(),
        continues: None,
        checkpoint: None,
        created_at: Timestamp::from_millis(0),
    }
}

/// Twenty test records of which the first `right` were got right.
fn results(right: usize) -> TestResults {
    let predicted = (0..20).map(|i| u32::from(i >= right)).collect();
    let log_loss = (0..20).map(|i| if i < right { 0.1 } else { 2.0 }).collect();
    let results = Results::Labels { truth: vec![0; 20], predicted, log_loss };
    TestResults { records: (0..20).collect(), results }
}

#[test]
fn only_the_fields_that_differ_are_told() {
    let runs = [
        (run("run_a", 1, &[], 0.8), Some(results(16))),
        (run("run_b", 2, &[10, 5], 0.9), Some(results(18))),
    ];
    let found = compare(&runs).differences;
    let fields: Vec<&str> = found.iter().map(|d| d.field.as_str()).collect();
    assert_eq!(fields, ["network.hidden", "training.seed"]);
    assert_eq!(found[0].values, [json!([]), json!([10, 5])]);
}

#[test]
fn the_same_test_records_are_compared_in_pairs() {
    let runs = [
        (run("run_a", 1, &[], 0.5), Some(results(10))),
        (run("run_b", 1, &[10], 0.9), Some(results(18))),
    ];
    let comparison = compare(&runs);
    assert_eq!(comparison.unavailable, []);
    let [accuracy, loss] = comparison.paired.as_slice() else { panic!("{comparison:?}") };
    assert_eq!((accuracy.metric, loss.metric), (StoppingMetric::Accuracy, StoppingMetric::LogLoss));
    assert!((accuracy.difference - 0.4).abs() < 1e-12);
    assert_eq!((accuracy.only_run_right, accuracy.only_baseline_right), (Some(8), Some(0)));
    // 2 · (1/2)⁸ − (1/2)⁸
    assert!((accuracy.p_value - 0.003_906_25).abs() < 1e-12);
    let [low, high] = accuracy.interval.unwrap();
    assert!(low > 0.0 && high < 0.7, "{low} {high}");
    assert!((loss.difference + 0.76).abs() < 1e-12 && loss.p_value < 0.02);
    // A run against itself: no difference, and no certainty from it.
    let same = [
        (run("run_a", 1, &[], 0.5), Some(results(10))),
        (run("run_b", 1, &[10], 0.5), Some(results(10))),
    ];
    let paired = compare(&same).paired;
    assert_eq!((paired[0].difference, paired[0].p_value), (0.0, 1.0));
    let [low, high] = paired[0].interval.unwrap();
    assert!(low < 0.0 && high > 0.0);
}

#[test]
fn other_test_records_are_not_compared() {
    let moved = TestResults { records: (1..21).collect(), ..results(10) };
    let runs = [
        (run("run_a", 1, &[], 0.5), Some(results(10))),
        (run("run_b", 1, &[10], 0.5), Some(moved)),
        (run("run_c", 1, &[20], 0.5), None),
    ];
    let comparison = compare(&runs);
    assert_eq!(comparison.paired, []);
    let reasons: Vec<&str> = comparison.unavailable.iter().map(|u| u.reason.as_str()).collect();
    assert!(
        reasons[0].contains("other records") && reasons[1].contains("run_c has no"),
        "{reasons:?}"
    );
}

#[test]
fn seeds_are_grouped_and_repeats_left_out() {
    let mut runs = Vec::new();
    for (seed, accuracy) in [(1, 0.70), (2, 0.72), (3, 0.71), (3, 0.71)] {
        let id = format!("run_a{}", runs.len());
        runs.push((run(&id, seed, &[], accuracy), None));
    }
    for (seed, accuracy) in [(1, 0.80), (2, 0.84)] {
        let id = format!("run_b{}", runs.len());
        runs.push((run(&id, seed, &[10], accuracy), None));
    }
    let comparison = compare(&runs);
    let [a, b] = comparison.groups.as_slice() else { panic!("{comparison:?}") };
    assert_eq!((a.seeds.as_slice(), b.seeds.as_slice()), ([1, 2, 3].as_slice(), [1, 2].as_slice()));
    assert_eq!(b.spec_difference, BTreeMap::from([("network.hidden".to_owned(), json!([10]))]));
    assert!(comparison.unavailable.iter().any(|u| u.reason.contains("repeats the seed 3")));
    let rows = &comparison.group_metrics;
    let row = rows.iter().find(|row| row.metric == StoppingMetric::Accuracy).unwrap();
    assert!((row.means[0].mean - 0.71).abs() < 1e-12 && (row.means[1].mean - 0.82).abs() < 1e-12);
    let difference = row.differences[0];
    assert_eq!(difference.group, 1);
    assert!((difference.of_means.difference - 0.11).abs() < 1e-12);
    let [low, high] = difference.of_means.interval;
    assert!(low < 0.11 && 0.11 < high);
}

#[test]
fn intervals_of_numbers() {
    let targets = vec!["y".to_owned()];
    let truth: Vec<f64> = (0..40).map(f64::from).collect();
    let predicted: Vec<f64> = truth.iter().map(|y| y + f64::from(*y as i32 % 3) - 1.0).collect();
    let results = TestResults {
        records: (0..40).collect(),
        results: Results::Values { targets, truth, predicted },
    };
    let report =
        json!({"records": 40, "mse": 0.65, "rmse": 0.8, "mae": 0.65, "r2": 0.99, "per_target": []});
    let report: MetricsReport = serde_json::from_value(report).unwrap();
    for (metric, value) in
        [(StoppingMetric::Mse, 0.675), (StoppingMetric::Mae, 0.675), (StoppingMetric::R2, 0.995)]
    {
        let ([low, high], _) = interval(&report, Some(&results), metric).unwrap();
        assert!(low < value && value < high && high - low < 0.4, "{metric:?}: {low} {high}");
    }
}
