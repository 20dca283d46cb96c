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
        }
        assert_eq!(kind.len(), RECORDS);
    }
    kinds
}

/// Loss and gradient.
fn evaluate(logits: &[f32], targets: &Targets) -> (f32, Vec<f32>) {
    let var = Var::from_slice(logits, (RECORDS, targets.outputs()), &Device::Cpu).unwrap();
    let records: Vec<usize> = (0..RECORDS).collect();
    let loss = mean_loss(&var, targets, &records).unwrap();
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
    for targets in every_kind() {
        for seed in 0..50 {
            let logits = logits(&targets, seed, 4.0);
            let (loss, gradient) = evaluate(&logits, &targets);
            assert!(loss > 0.0, "{targets:?}");
            assert_eq!((loss, gradient), evaluate(&logits, &targets));
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences_anywhere() {
    for targets in every_kind() {
        for seed in 0..10 {
            let at = logits(&targets, seed, 3.0);
            let (_, gradient) = evaluate(&at, &targets);
            for (i, gradient) in gradient.iter().enumerate() {
                let shifted = |by: f32| {
                    let mut values = at.clone();
                    values[i] += by;
                    evaluate(&values, &targets).0
                };
                let difference = (shifted(0.01) - shifted(-0.01)) / 0.02;
                assert!((gradient - difference).abs() < 1e-3, "{targets:?}: {gradient}");
            }
        }
    }
}

#[test]
fn large_logits_are_no_overflow() {
    for targets in every_kind() {
        for scale in [1e2, 1e4, 1e8, 1e30] {
            let (loss, gradient) = evaluate(&logits(&targets, 1, scale), &targets);
            assert!(loss.is_finite() && loss >= 0.0, "{targets:?} at {scale}: {loss}");
            assert!(gradient.iter().all(|g| g.is_finite() && g.abs() <= 1.0), "{targets:?}");
        }
    }
}

#[test]
fn what_is_not_finite_shows() {
    for targets in every_kind() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for position in 0..RECORDS * targets.outputs() {
                let mut values = vec![0.0; RECORDS * targets.outputs()];
                values[position] = bad;
                let tensor =
                    Tensor::from_vec(values, (RECORDS, targets.outputs()), &Device::Cpu).unwrap();
                let records: Vec<usize> = (0..RECORDS).collect();
                let loss: f32 =
                    mean_loss(&tensor, &targets, &records).unwrap().to_scalar().unwrap();
                // An infinite logit on the right side is a loss of 0, and no mistake.
                let right = bad.is_infinite() && loss.is_finite();
                assert!(right || !loss.is_finite(), "{targets:?}, {bad} at {position}: {loss}");
                assert!(!bad.is_nan() || loss.is_nan(), "{targets:?} at {position}: {loss}");
            }
        }
    }
}

#[test]
fn descent_solves_what_can_be_solved() {
    for targets in every_kind() {
        let mut at = logits(&targets, 3, 1.0);
        let before = evaluate(&at, &targets).0;
        for _ in 0..500 {
            let (_, gradient) = evaluate(&at, &targets);
            at.iter_mut().zip(gradient).for_each(|(z, g)| *z -= 5.0 * g);
        }
        let after = evaluate(&at, &targets).0;
        assert!(after < 0.02 && after < before, "{targets:?}: {before} to {after}");
    }
}

#[test]
fn a_batch_is_the_mean_of_its_records() {
    for targets in every_kind() {
        let outputs = targets.outputs();
        let values = logits(&targets, 5, 2.0);
        let one = |record: usize| {
            let row = &values[record * outputs..(record + 1) * outputs];
            let tensor = Tensor::from_slice(row, (1, outputs), &Device::Cpu).unwrap();
            mean_loss(&tensor, &targets, &[record]).unwrap().to_scalar::<f32>().unwrap()
        };
        let mean = (0..RECORDS).map(one).sum::<f32>() / RECORDS as f32;
        assert!((mean - evaluate(&values, &targets).0).abs() < 1e-5, "{targets:?}");
    }
}

#[test]
fn a_constant_on_every_logit_changes_no_class() {
    let targets = Targets::MultiClass { labels: vec![0, 1, 2, 2, 1, 0], classes: 3 };
    let values = logits(&targets, 6, 2.0);
    let shifted: Vec<f32> = values.iter().map(|z| z + 64.0).collect();
    let ((a, ga), (b, gb)) = (evaluate(&values, &targets), evaluate(&shifted, &targets));
    assert!((a - b).abs() < 1e-4);
    assert!(ga.iter().zip(gb).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!(ga.chunks(3).all(|row| row.iter().sum::<f32>().abs() < 1e-6));
}
