//! `whereof export mlflow` into MLflow's file store. That MLflow itself reads it, and a tracking server, is
//! shown by `clients/python/test_mlflow.py`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command_line::{printed, whereof};
use crate::harness::small_reviews;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_run_lies_where_mlflow_looks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reviews.csv"), small_reviews()).unwrap();
    let run = |arguments: &[&str]| printed(&whereof(folder.path(), arguments));
    run(&[
        "train",
        "reviews.csv",
        "--text",
        "text",
        "--label",
        "sentiment",
        "--set",
        "training.epochs=2",
    ]);
    let export = || -> Value {
        serde_json::from_str(&run(&["export", "mlflow", "--to", "mlruns", "--json"])).unwrap()
    };
    let exported = export();
    let id = exported["runs"][0]["mlflow_run"].as_str().unwrap();
    let experiments = std::fs::read_dir(folder.path().join("mlruns")).unwrap();
    let experiments: Vec<PathBuf> = experiments
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("0"))
        .collect();
    assert_eq!(experiments.len(), 1, "{experiments:?}");
    let experiment = &experiments[0];
    assert!(text(&experiment.join("meta.yaml")).contains("name: \"whereof\"\n"));
    let of_run = |part: &str| text(&experiment.join(id).join(part));
    assert!(of_run("meta.yaml").contains("status: 3\n"), "{}", of_run("meta.yaml"));
    assert_eq!(of_run("params/training.epochs"), "2");
    assert_eq!(of_run("tags/mlflow.runName"), "reviews");
    let losses = of_run("metrics/epoch.train_loss");
    let fields: Vec<usize> = losses.lines().map(|line| line.split(' ').count()).collect();
    assert_eq!(fields, [3, 3], "{losses}");
    let document: Value = serde_json::from_str(&of_run("artifacts/run.json")).unwrap();
    let accuracy = document["metrics"]["test"]["accuracy"].as_f64().unwrap();
    let told = of_run("metrics/model.test.accuracy");
    assert_eq!(told.split(' ').nth(1), Some(format!("{accuracy:?}").as_str()), "{told}");
    // Again it is the same run.
    assert_eq!(export(), exported);
}
