use serde_json::json;

use super::super::rungs::Rung;
use super::super::{Strategy, SweepBudget};
use super::*;

fn sweep(trials: usize) -> SweepSpec {
    SweepSpec {
        space: serde_json::from_value(json!({
            "optimizer.learning_rate": {"log": [0.001, 1.0]}, "training.batch_size": {"choice": [8, 16]},
        }))
        .unwrap(),
        strategy: Strategy::default(),
        metric: crate::learn::stopping::StoppingMetric::Accuracy,
        seeds: 1,
        budget: SweepBudget::default(),
        seed: 1,
        trials,
        rungs: vec![
            Rung { trials, epochs: Some(1) },
            Rung { trials: trials / 3, epochs: None },
        ],
        epochs_at_most: 100,
    }
}

fn run(trial: usize, status: TrialStatus, values: &[f64]) -> TrialRun {
    let spec = json!({
        "dataset": "ds_1", "model_name": null, "device": "cpu",
        "task": {"type": "tabular_classification", "label": "y"},
        "vectorizer": {}, "network": {"type": "mlp", "hidden": []},
        "optimizer": {"type": "adam"}, "schedule": {"type": "constant"}, "regularization": {},
        "training": {"epochs": 3, "batch_size": 8, "seed": 1, "early_stopping": null,
                     "checkpoint_seconds": 30},
        "split": {"train": 0.8, "validation": 0.2, "calibration": 0.0, "test": 0.0, "seed": 1},
    });
    let batch = if trial.is_multiple_of(2) { 8 } else { 16 };
    let parameters = json!({
        "optimizer.learning_rate": 0.001 * 1.2f64.powi(trial as i32), "training.batch_size": batch,
    });
    TrialRun {
        run: format!("run_{trial}"),
        trial,
        parameters: serde_json::from_value(parameters).unwrap(),
        spec: serde_json::from_value(spec).unwrap(),
        status,
        values: values.iter().map(|value| Some(*value)).collect(),
        epochs: values.len(),
        steps: 10 * values.len() as u64,
        error: None,
        checkpoint_step: None,
    }
}

#[test]
fn the_best_of_a_stage_go_on_and_rank_first() {
    use TrialStatus::{Failed, Finished, Pruned};
    let runs = [
        run(1, Finished, &[0.7, 0.8]),
        run(2, Pruned, &[0.6]),
        // It stopped early in the first stage, and its value holds.
        run(3, Finished, &[0.9]),
        run(4, Failed, &[]),
        run(5, Pruned, &[0.65]),
        run(6, Pruned, &[0.5]),
    ];
    let trials = by_trial(&runs);
    assert_eq!(entrants(&sweep(6), &trials, 1), [0, 2]);
    assert_eq!(order(&sweep(6), &trials), [2, 0, 4, 1, 5, 3]);
    // Of three that failed none goes on, although three could.
    let failed = [run(1, Failed, &[]), run(2, Failed, &[]), run(3, Failed, &[])];
    assert_eq!(entrants(&sweep(3), &by_trial(&failed), 1), [0usize; 0]);
}

#[test]
fn what_moves_the_metric_is_important() {
    let runs: Vec<TrialRun> = (1..=30)
        .map(|trial| run(trial, TrialStatus::Pruned, &[0.5 + 0.01 * trial as f64]))
        .collect();
    let mut unavailable = Vec::new();
    let found = importance(&sweep(30), &by_trial(&runs), &mut unavailable);
    assert_eq!(unavailable, []);
    assert_eq!(found[0].field, "optimizer.learning_rate");
    assert!(found[0].importance > 0.99 && found[0].interval[0] > 0.9, "{found:?}");
    assert!(found[1].importance < 0.1 && found[1].p_value > 0.5, "{found:?}");
    let few = importance(&sweep(2), &by_trial(&runs[..2]), &mut unavailable);
    assert_eq!((few.len(), unavailable.len()), (0, 2));
}
