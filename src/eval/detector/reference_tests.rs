//! Scores against those that pytorch-ood and scikit-learn gave for the same logits and features.

use serde_json::Value;

use super::gaussian::{self, Gaussians, Shrinkage};
use super::mahalanobis::Mahalanobis;
use super::nearest_neighbors::NearestNeighbors;
use super::test_data::blank;
use super::{Detector, DetectorKind, Sample, Training};
use crate::eval::metric::auroc;
use crate::eval::reference_tests::{logits, near, numbers, vectors};
use crate::eval::{Link, Matrix};

/// Each score within 1e-6 of the expected one, relative to it, and the same ranking quality but for
/// pairs that tie in the 32 bits of the reference. Where those 32 bits are what stands between,
/// `rounding` is how far they may. Gives the share within 1e-6.
fn check(file: &Value, name: &str, rounding: impl Fn(f64) -> f64, scores: &[f64]) -> f64 {
    let expected = numbers(&file["scores"][name]);
    assert_eq!(scores.len(), expected.len());
    let mut close = 0;
    for (score, expected) in scores.iter().zip(&expected) {
        let (error, wanted) = ((score - expected).abs(), 1e-6 * expected.abs());
        close += usize::from(error <= wanted);
        let allowed = wanted.max(rounding(*expected));
        assert!(error <= allowed, "{name}: {score}, expected {expected}");
    }
    let outside: Vec<bool> = numbers(&file["labels"]).iter().map(|&label| label < 0.0).collect();
    near(auroc(scores, &outside), &file["metrics"][name]["AUROC"], 1e-4, name);
    close as f64 / scores.len() as f64
}

/// No allowance for rounding.
fn exact(_: f64) -> f64 {
    0.0
}

#[test]
fn scores_of_logits_agree() {
    let (Some(file), Some(ood)) = (vectors("ood_scores.json"), vectors("ood_logits.json")) else {
        return;
    };
    let (logits, _) = logits(&ood["logits"], &ood["labels"], 250);
    // The reference gives −max p where both of ours give 1 − max p.
    for (kind, name, less) in [
        (DetectorKind::Msp, "msp", 1.0),
        (DetectorKind::CoverageMsp, "msp", 1.0),
        (DetectorKind::MaxLogit, "maxlogit", 0.0),
        (DetectorKind::Energy, "energy", 0.0),
    ] {
        let detector = kind.fit(&Training { labels: 15, ..blank() });
        let score = |row| {
            let sample = Sample { logits: row, plain_logits: row, ..Sample::default() };
            detector.score(&sample) - less
        };
        check(&file, name, exact, &logits.rows().map(score).collect::<Vec<_>>());
    }
}

/// The reference takes a probability below 1e-7 for 1e-7, and a step of its 32 bits at 1 is 1.2e-7.
#[test]
fn entropies_agree() {
    let (Some(file), Some(ood)) = (vectors("ood_scores.json"), vectors("ood_logits.json")) else {
        return;
    };
    let (logits, _) = logits(&ood["logits"], &ood["labels"], 250);
    let detector = DetectorKind::Entropy.fit(&Training { labels: 15, ..blank() });
    let surprise = |p: f64| -p * p.ln();
    let score = |row| {
        let lifted = |&p: &f64| if p < 1e-7 { surprise(1e-7) - surprise(p) } else { 0.0 };
        let lifted: f64 = Link::Softmax.probabilities(row, 1.0).iter().map(lifted).sum();
        detector.score(&Sample { plain_logits: row, ..Sample::default() }) + lifted
    };
    let scores: Vec<f64> = logits.rows().map(score).collect();
    let close = check(&file, "entropy", |_| 2.4e-7, &scores);
    assert!(close > 0.6, "{close}");
}

/// Training features, their classes, and the features that are asked about.
fn features() -> Option<(Matrix, Vec<Vec<u32>>, Matrix)> {
    let file = vectors("ood_features.json")?;
    let (train, classes) = logits(&file["train"], &file["train_labels"], 450);
    let (query, _) = logits(&file["query"], &file["query_labels"], 250);
    Some((train, classes.into_iter().map(|class| vec![class]).collect(), query))
}

#[test]
fn distances_to_neighbors_agree() {
    let (Some(file), Some((train, _, query))) = (vectors("ood_scores.json"), features()) else {
        return;
    };
    let detector = NearestNeighbors::fit(&Training { vectors: &train, ..blank() });
    for k in [1, 5, 10] {
        let scores: Vec<f64> = query.rows().map(|row| detector.distance(row, k)).collect();
        check(&file, &format!("knn{k}"), exact, &scores);
    }
}

#[test]
fn mahalanobis_distances_agree() {
    let (Some(file), Some((train, truth, query))) = (vectors("ood_scores.json"), features()) else {
        return;
    };
    let training = Training { labels: 15, truth: &truth, vectors: &train, ..blank() };
    // The reference inverts n S + 1e-6 I and halves the square.
    let n = train.len() as f64;
    let shrinkage = Shrinkage { kept: 1.0, added: 1e-6 / n };
    let (sample, of) = (gaussian::sample(&training), gaussian::classes(&training));
    let classes = Gaussians::with_shrinkage(&train, &sample, of.as_deref(), shrinkage);
    let detector = Mahalanobis { classes };
    let score = |vector| {
        let distance = detector.score(&Sample { vector, ..Sample::default() });
        0.5 / n * distance * distance
    };
    // Sums without any rounding, of the same numbers, lie up to 1.397e-6 beside the reference's 32
    // bits, and beyond 1e-6 for 8 of the 250 records: no arithmetic but the reference's own comes
    // closer.
    let scores: Vec<f64> = query.rows().map(score).collect();
    let close = check(&file, "mahalanobis", |expected| 1.4e-6 * expected, &scores);
    assert!(close > 0.95, "{close}");
}
