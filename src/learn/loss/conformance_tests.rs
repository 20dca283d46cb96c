//! What every loss keeps, for each kind of target.

use candle_core::{Device, Tensor, Var};

use super::*;
use crate::random::{self, Rng};

const RECORDS: usize = 6;

/// Targets of every kind, with the outputs that a network for them has. A new kind of target fails to
/// compile here until it is listed.
fn every_kind() -> Vec<Targets> {
    let kinds = vec![
        Targets::Binary(vec![0, 1, 1, 0, 1, 0]),
        Targets::MultiClass { labels: vec![0, 1, 2, 2, 1, 0], classes: 3 },
        Targets::MultiLabel {
            indicators: vec![1., 0., 0., 1., 1., 1., 0., 0., 1., 0., 1., 1.],
            labels: 2,
        },
    ];
    for kind in &kinds {
        match kind {
            Targets::Binary(_) | Targets::MultiClass { .. } | Targets::MultiLabel { .. } => {}
            Targets::Values { .. } => unreachable!("losses of numbers are tested where they are"),
        }
        assert_eq!(kind.len(), RECORDS);
    }
    kinds
}

/// Losses of every kind for a kind of target.
fn every_loss(targets: &Targets) -> Vec<Loss> {
    let labels = targets.outputs().max(2);
    let weights = Some((0..labels).map(|label| 0.5 + 0.75 * label as f64).collect::<Vec<f64>>());
    vec![
        Loss::default(),
        Loss { smoothing: 0.1, ..Loss::default() },
        Loss { gamma: 2.0, ..Loss::default() },
        Loss { gamma: 0.5, ..Loss::default() },
        Loss { weights: weights.clone(), ..Loss::default() },
        Loss { smoothing: 0.2, gamma: 1.5, weights, ..Loss::default() },
    ]
}

/// Every kind of target with every loss.
fn every_pair() -> Vec<(Targets, Loss)> {
    let pairs =
        |targets: Targets| every_loss(&targets).into_iter().map(move |l| (targets.clone(), l));
    every_kind().into_iter().flat_map(pairs).collect()
}

/// Loss and gradient.
fn evaluate(logits: &[f32], (targets, loss): &(Targets, Loss)) -> (f32, Vec<f32>) {
    let var = Var::from_slice(logits, (RECORDS, targets.outputs()), &Device::Cpu).unwrap();
    let records: Vec<usize> = (0..RECORDS).collect();
    let loss = mean_loss(&var, targets, &records, loss).unwrap();
    let gradients = loss.backward().unwrap();
    let gradient = gradients.get(&var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (loss.to_scalar().unwrap(), gradient)
}

fn logits(targets: &Targets, seed: u64, scale: f32) -> Vec<f32> {
    let mut rng = random::stream(seed, "logits");
    (0..RECORDS * targets.outputs()).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * scale).collect()
}

#[test]
fn losses_are_no_less_than_zero_and_repeat() {
    for pair in every_pair() {
        let targets = &pair.0;
        for seed in 0..50 {
            let logits = logits(targets, seed, 4.0);
            let (loss, gradient) = evaluate(&logits, &pair);
            assert!(loss > 0.0, "{pair:?}");
            assert_eq!((loss, gradient), evaluate(&logits, &pair));
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences_anywhere() {
    for pair in every_pair() {
        let targets = &pair.0;
        for seed in 0..10 {
            let at = logits(targets, seed, 3.0);
            let (_, gradient) = evaluate(&at, &pair);
            for (i, gradient) in gradient.iter().enumerate() {
                let shifted = |by: f32| {
                    let mut values = at.clone();
                    values[i] += by;
                    evaluate(&values, &pair).0
                };
                let difference = (shifted(0.01) - shifted(-0.01)) / 0.02;
                assert!((gradient - difference).abs() < 1e-3, "{pair:?}: {gradient}");
            }
        }
    }
}

#[test]
fn large_logits_are_no_overflow() {
    for pair in every_pair() {
        let targets = &pair.0;
        for scale in [1e2, 1e4, 1e8, 1e30] {
            let (loss, gradient) = evaluate(&logits(targets, 1, scale), &pair);
            assert!(loss.is_finite() && loss >= 0.0, "{pair:?} at {scale}: {loss}");
            assert!(gradient.iter().all(|g| g.is_finite() && g.abs() <= 2.0), "{pair:?}");
        }
    }
}

#[test]
fn what_is_not_finite_shows() {
    for pair in every_pair() {
        let (targets, kind) = &pair;
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for position in 0..RECORDS * targets.outputs() {
                let mut values = vec![0.0; RECORDS * targets.outputs()];
                values[position] = bad;
                let tensor =
                    Tensor::from_vec(values, (RECORDS, targets.outputs()), &Device::Cpu).unwrap();
                let records: Vec<usize> = (0..RECORDS).collect();
                let loss: f32 =
                    mean_loss(&tensor, targets, &records, kind).unwrap().to_scalar().unwrap();
                // An infinite logit on the right side is a loss of 0, and no mistake.
                let right = bad.is_infinite() && loss.is_finite();
                assert!(right || !loss.is_finite(), "{pair:?}, {bad} at {position}: {loss}");
                assert!(!bad.is_nan() || loss.is_nan(), "{pair:?} at {position}: {loss}");
            }
        }
    }
}

#[test]
fn descent_solves_what_can_be_solved() {
    for pair in every_pair() {
        let (targets, kind) = &pair;
        let mut at = logits(targets, 3, 1.0);
        let before = evaluate(&at, &pair).0;
        for _ in 0..500 {
            let (_, gradient) = evaluate(&at, &pair);
            at.iter_mut().zip(gradient).for_each(|(z, g)| *z -= 5.0 * g);
        }
        let (after, gradient) = evaluate(&at, &pair);
        assert!(after < before, "{pair:?}: {before} to {after}");
        if kind.smoothing == 0.0 {
            assert!(after < 0.02, "{pair:?}: {before} to {after}");
        } else {
            // The least loss is the spread targets' own entropy; there the slope ends.
            assert!(gradient.iter().all(|g| g.abs() < 1e-4), "{pair:?}: {gradient:?}");
        }
    }
}

#[test]
fn a_batch_is_the_mean_of_its_records() {
    for pair in every_pair() {
        let (targets, kind) = &pair;
        let outputs = targets.outputs();
        let values = logits(targets, 5, 2.0);
        let one = |record: usize| {
            let row = &values[record * outputs..(record + 1) * outputs];
            let tensor = Tensor::from_slice(row, (1, outputs), &Device::Cpu).unwrap();
            mean_loss(&tensor, targets, &[record], kind).unwrap().to_scalar::<f32>().unwrap()
        };
        let mean = (0..RECORDS).map(one).sum::<f32>() / RECORDS as f32;
        assert!((mean - evaluate(&values, &pair).0).abs() < 1e-5, "{pair:?}");
    }
}

#[test]
fn a_constant_on_every_logit_changes_no_class() {
    let targets = Targets::MultiClass { labels: vec![0, 1, 2, 2, 1, 0], classes: 3 };
    for kind in every_loss(&targets) {
        let pair = (targets.clone(), kind);
        let values = logits(&targets, 6, 2.0);
        let shifted: Vec<f32> = values.iter().map(|z| z + 64.0).collect();
        let ((a, ga), (b, gb)) = (evaluate(&values, &pair), evaluate(&shifted, &pair));
        assert!((a - b).abs() < 1e-4);
        assert!(ga.iter().zip(gb).all(|(a, b)| (a - b).abs() < 1e-4));
        assert!(ga.chunks(3).all(|row| row.iter().sum::<f32>().abs() < 1e-6));
    }
}

/// Weights of 1 switch to the general forms and change nothing else.
#[test]
fn the_general_forms_agree_with_the_plain_ones() {
    for targets in every_kind() {
        let labels = targets.outputs().max(2);
        for seed in 0..50 {
            let at = logits(&targets, seed, 6.0);
            let plain = evaluate(&at, &(targets.clone(), Loss::default()));
            let ones = Loss { weights: Some(vec![1.0; labels]), ..Loss::default() };
            let general = evaluate(&at, &(targets.clone(), ones));
            assert!((plain.0 - general.0).abs() < 1e-5, "{targets:?}");
            let pairs = plain.1.iter().zip(&general.1);
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-6), "{targets:?}");
        }
    }
}

/// A binary logit z is a softmax of (0, z), with every loss.
#[test]
fn two_classes_are_alike_in_both_forms() {
    let labels = vec![0, 1, 1, 0, 1, 0];
    let binary = Targets::Binary(labels.clone());
    let two = Targets::MultiClass { labels, classes: 2 };
    for kind in every_loss(&binary) {
        let z = logits(&binary, 8, 4.0);
        let spread: Vec<f32> = z.iter().flat_map(|&z| [0.0, z]).collect();
        let (a, ga) = evaluate(&z, &(binary.clone(), kind.clone()));
        let (b, gb) = evaluate(&spread, &(two.clone(), kind.clone()));
        assert!((a - b).abs() < 1e-5, "{kind:?}: {a} {b}");
        let second = gb.iter().skip(1).step_by(2);
        assert!(ga.iter().zip(second).all(|(a, b)| (a - b).abs() < 1e-6), "{kind:?}");
    }
}
