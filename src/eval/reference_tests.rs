//! Against values that other libraries computed (scikit-learn, pytorch-ood, netcal, torchmetrics),
//! where those files are at hand.

use serde_json::Value;

use super::calibrator::Calibrator;
use super::metric::{
    auroc, average_precision, brier, expected_calibration_error, false_positive_rate_at_recall,
    log_loss,
};
use super::{Link, Matrix, argmax};

/// A file of reference values beside the repository; a note and `None` where there is none.
pub(super) fn vectors(name: &str) -> Option<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        eprintln!("SKIPPED: {} is not there", folder.join(name).display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Logits and classes, the first `take` rows.
pub(super) fn logits(value: &Value, labels: &Value, take: usize) -> (Matrix, Vec<u32>) {
    let rows = &value.as_array().unwrap()[..take];
    let mut matrix = Matrix::new(rows[0].as_array().unwrap().len());
    for row in rows {
        matrix.push(&numbers(row).iter().map(|&z| z as f32).collect::<Vec<_>>());
    }
    let classes = numbers(labels)[..take].iter().map(|&c| c as u32).collect();
    (matrix, classes)
}

pub(super) fn near(found: f64, expected: &Value, tolerance: f64, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

fn check_probabilities(calibrator: &Calibrator, data: &(Matrix, Vec<u32>), expected: &Value) {
    let (logits, classes) = data;
    let p: Vec<Vec<f64>> =
        logits.rows().map(|row| calibrator.probabilities(Link::Softmax, row)).collect();
    let records = || p.iter().zip(classes).map(|(p, &c)| (p.as_slice(), c as usize));
    let right = || records().map(|(p, c)| (p[argmax(p)], argmax(p) == c));
    near(expected_calibration_error(right(), 15), &expected["ours_ece15"], 1e-6, "ECE");
    near(
        expected_calibration_error(right(), 15),
        &expected["torchmetrics_ece15_l1"],
        1e-5,
        "ECE of torchmetrics",
    );
    near(log_loss(records()), &expected["nll"], 1e-6, "log loss");
    near(brier(records()), &expected["brier_multiclass_sum"], 1e-6, "Brier");
    let accuracy = right().filter(|r| r.1).count() as f64 / p.len() as f64;
    near(accuracy, &expected["accuracy"], 1e-12, "accuracy");
}

#[test]
fn calibration_metrics_agree() {
    let (Some(file), Some(ood)) = (vectors("calibration.json"), vectors("ood_logits.json")) else {
        return;
    };
    for case in file["small"].as_array().unwrap() {
        let labels = &case["labels"];
        let data = logits(&case["logits"], labels, labels.as_array().unwrap().len());
        check_probabilities(&Calibrator::Identity, &data, &case["metrics"]);
        let temperature = case["temperature"].as_f64().unwrap();
        let scaled = Calibrator::Temperature { temperature };
        let p: Vec<Vec<f64>> =
            data.0.rows().map(|row| scaled.probabilities(Link::Softmax, row)).collect();
        let loss = log_loss(p.iter().zip(&data.1).map(|(p, &c)| (p.as_slice(), c as usize)));
        near(loss, &case["nll_at_T"], 1e-6, "log loss at T");
    }
    let clinc = &file["clinc"][0];
    let test = logits(&ood["logits"], &ood["labels"], 150);
    check_probabilities(&Calibrator::Identity, &test, &clinc["before"]);
    let temperature = clinc["temperature_ours_golden"].as_f64().unwrap();
    check_probabilities(&Calibrator::Temperature { temperature }, &test, &clinc["after"]);
}

fn check_ranking(scores: &[f64], labels: &[f64], expected: &Value, name: &str) {
    let outside: Vec<bool> = labels.iter().map(|&label| label < 0.0).collect();
    let inside: Vec<bool> = outside.iter().map(|o| !o).collect();
    let negated: Vec<f64> = scores.iter().map(|s| -s).collect();
    let fpr =
        |scores: &[f64], positive: &[bool]| false_positive_rate_at_recall(scores, positive, 0.95);
    for (found, key) in [
        (auroc(scores, &outside), "AUROC"),
        (auroc(&negated, &inside), "AUROC"),
        (average_precision(scores, &outside), "sklearn_average_precision_OUT"),
        (average_precision(&negated, &inside), "sklearn_average_precision_IN"),
        (fpr(scores, &outside), "FPR95_ood_positive"),
        (fpr(&negated, &inside), "FPR95_id_positive"),
    ] {
        near(found, &expected[key], 1e-9, &format!("{name}, {key}"));
    }
}

#[test]
fn ranking_metrics_agree() {
    let Some(file) = vectors("ood_score_metrics.json") else { return };
    for case in file["cases"].as_array().unwrap() {
        let (scores, labels) = (numbers(&case["scores"]), numbers(&case["labels"]));
        check_ranking(&scores, &labels, &case["metrics"], case["name"].as_str().unwrap());
    }
    let Some(file) = vectors("ood_scores.json") else { return };
    let labels = numbers(&file["labels"]);
    for (name, scores) in file["scores"].as_object().unwrap() {
        check_ranking(&numbers(scores), &labels, &file["metrics"][name], name);
    }
}
