use super::*;
use crate::data::Cell;
use crate::data::profile::ColumnKind;
use crate::task::{TabularRegression, TargetColumns, TaskSpec};

fn column(name: &str, values: &[f64]) -> InputColumn {
    let cells = values.iter().map(|value| Cell::Number(*value)).collect();
    InputColumn { name: name.to_owned(), kind: ColumnKind::Number, cells }
}

fn outcomes(targets: &[f64]) -> (Output, Outcomes) {
    let targets: Vec<Cell> = targets.iter().map(|target| Cell::Number(*target)).collect();
    let task: TargetColumns = serde_json::from_value(serde_json::json!({"target": "y"})).unwrap();
    let task = TaskSpec::TabularRegression(TabularRegression { features: None, targets: task });
    let lacking = vec![false; targets.len()];
    task.learn_outcomes(&[targets], &lacking).unwrap()
}

/// A column that copies the target in the test records alone is no leak of the training.
#[test]
fn only_training_records_are_looked_at() {
    let targets: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 101)).collect();
    let (output, outcomes) = outcomes(&targets);
    let mut values = targets.clone();
    values[..100].rotate_left(1);
    let records = Records::Rows(vec![column("late", &values)]);
    let (first, second): (Vec<usize>, Vec<usize>) = ((0..100).collect(), (100..200).collect());
    assert_eq!(warnings(&records, &first, &output, &outcomes), []);
    let found = warnings(&records, &second, &output, &outcomes);
    assert_eq!((found.len(), found[0].code.as_str()), (1, "target_leakage"));
    assert!(found[0].message.contains("\"late\" alone tells the target"), "{}", found[0].message);
}

#[test]
fn a_sample_is_of_its_size_in_order_and_the_same_again() {
    let training: Vec<usize> = (0..5_000).map(|i| 2 * i).collect();
    let drawn = sample(&training, 1_000);
    assert_eq!(drawn.len(), 1_000);
    assert!(drawn.is_sorted_by(|a, b| a < b) && drawn.iter().all(|i| i % 2 == 0));
    assert_eq!(drawn, sample(&training, 1_000));
    let mean = drawn.iter().sum::<usize>() / 1_000;
    assert!(mean.abs_diff(5_000) < 500, "{mean}");
    assert_eq!(sample(&training, 5_000), training);
}

#[test]
fn a_table_too_wide_to_look_at_says_so() {
    let targets: Vec<f64> = (0..1_100).map(f64::from).collect();
    let (output, outcomes) = outcomes(&targets);
    let wide = |columns: usize| {
        let empty = InputColumn { cells: vec![Cell::Null; 1_100], ..column("empty", &[]) };
        Records::Rows(vec![empty; columns])
    };
    let all: Vec<usize> = (0..1_100).collect();
    let found = warnings(&wide(10_001), &all, &output, &outcomes);
    assert_eq!((found.len(), found[0].code.as_str()), (1, "leakage_not_checked"));
    assert_eq!(warnings(&wide(3), &all, &output, &outcomes), []);
}
