//! What every optimiser keeps. The kinds come from the schema, so that a new one is in here already.

use serde_json::json;

use super::*;
use crate::learn::choices;
use crate::random::{self, Rng};

/// A dense parameter of 3 and a table of 4 rows of 2.
const COLUMNS: usize = 2;

fn lengths() -> Vec<(String, usize)> {
    vec![("dense".to_owned(), 3), ("table".to_owned(), 4 * COLUMNS)]
}

fn every_kind() -> Vec<OptimizerSpec> {
    let kinds = choices::every_kind::<OptimizerSpec>().into_iter();
    kinds.map(|kind| serde_json::from_value(kind).unwrap()).collect()
}

/// Every kind as it comes, and those with settings that change what they keep.
pub(in crate::learn) fn every_setting() -> Vec<OptimizerSpec> {
    let more = [
        json!({"type": "sgd", "momentum": 0.0}),
        json!({"type": "sgd", "nesterov": true, "weight_decay": 0.1}),
        json!({"type": "rmsprop", "momentum": 0.9, "weight_decay": 0.1}),
        json!({"type": "rmsprop", "centered": true}),
        json!({"type": "rmsprop", "centered": true, "momentum": 0.5}),
        json!({"type": "adagrad", "lr_decay": 0.01, "initial_accumulator": 0.1,
            "weight_decay": 0.1}),
    ];
    let more = more.into_iter().map(|spec| serde_json::from_value(spec).unwrap());
    every_kind().into_iter().chain(more).collect()
}

#[derive(Debug, Clone, PartialEq)]
struct Parameters {
    dense: Vec<f32>,
    table: Vec<f32>,
}

impl Parameters {
    fn start() -> Self {
        Self { dense: vec![1.0, -2.0, 0.5], table: (0..8).map(|i| i as f32 * 0.25 - 1.0).collect() }
    }

    fn all(&self) -> impl Iterator<Item = f32> {
        self.dense.iter().chain(&self.table).copied()
    }
}

/// Steps `from` to `to` with gradients that depend on the step alone; each touches some rows.
fn steps(
    optimizer: &mut dyn Optimizer,
    parameters: &mut Parameters,
    (from, to): (u64, u64),
    scale: f32,
) {
    for step in from..to {
        let mut rng = random::stream(step, "gradient");
        let mut gradient = |n: usize| -> Vec<f32> {
            (0..n).map(|_| (rng.random::<f32>() - 0.3) * scale).collect()
        };
        let (dense, rows) = (gradient(3), gradient(2 * COLUMNS));
        let touched = [(step % 4) as u32, ((step + 1) % 4) as u32];
        optimizer.begin_step(0.01);
        optimizer.update(0, &mut parameters.dense, &dense);
        optimizer.update_rows(1, &mut parameters.table, COLUMNS, &touched, &rows);
    }
}

#[test]
fn the_defaults_are_usable_and_kinds_are_told_apart() {
    let kinds = every_kind();
    assert!(kinds.len() >= 5);
    for spec in &kinds {
        assert_eq!(spec.unusable(), [], "{spec:?}");
        let stored = serde_json::to_value(spec).unwrap();
        assert_eq!(&serde_json::from_value::<OptimizerSpec>(stored).unwrap(), spec);
    }
}

#[test]
fn the_same_gradients_give_the_same_bits() {
    for spec in every_setting() {
        let run = || {
            let mut parameters = Parameters::start();
            steps(spec.build(&lengths()).as_mut(), &mut parameters, (0, 50), 1.0);
            parameters.all().map(f32::to_bits).collect::<Vec<u32>>()
        };
        assert_eq!(run(), run(), "{spec:?}");
    }
}

#[test]
fn a_stored_state_goes_on_bit_for_bit() {
    for spec in every_setting() {
        for at in [0, 1, 7, 20] {
            let mut whole = Parameters::start();
            let mut optimizer = spec.build(&lengths());
            steps(optimizer.as_mut(), &mut whole, (0, at), 1.0);
            let mut saved = Arrays::default();
            optimizer.save(&mut saved);
            let mut resumed = whole.clone();
            steps(optimizer.as_mut(), &mut whole, (at, 40), 1.0);

            let stored = Arrays::from_bytes(&saved.to_bytes().unwrap()).unwrap();
            let mut restored = spec.build(&lengths());
            restored.restore(&stored).unwrap();
            let mut again = Arrays::default();
            restored.save(&mut again);
            assert_eq!(again.to_bytes().unwrap(), saved.to_bytes().unwrap(), "{spec:?}");
            steps(restored.as_mut(), &mut resumed, (at, 40), 1.0);
            assert_eq!(resumed, whole, "{spec:?}, resumed at {at}");
        }
    }
}

#[test]
fn a_state_of_other_parameters_is_refused() {
    for spec in every_setting() {
        let mut saved = Arrays::default();
        let mut optimizer = spec.build(&lengths());
        steps(optimizer.as_mut(), &mut Parameters::start(), (0, 4), 1.0);
        optimizer.save(&mut saved);
        let mut longer = lengths();
        longer[1].1 += COLUMNS;
        let mut renamed = lengths();
        renamed[0].0 = "other".to_owned();
        // Plain descent keeps nothing that could fit or not.
        if spec.state_per_parameter() > 0 {
            for other in [longer, renamed] {
                assert!(spec.build(&other).restore(&saved).is_err(), "{spec:?} {other:?}");
            }
        }
        assert!(spec.build(&lengths()).restore(&Arrays::default()).is_err(), "{spec:?}");
    }
}

/// Where every kind with its settings gets from 0, by one of two rates that fall to nothing.
#[test]
fn a_bowl_is_descended_densely_and_by_rows() {
    const TARGET: [f32; 4] = [0.7, -1.2, 3.0, 0.0];
    const STEEPNESS: [f32; 4] = [1.0, 10.0, 0.1, 3.0];
    let error = |spec: &OptimizerSpec, rate: f32| -> f32 {
        let mut optimizer = spec.build(&[("a".to_owned(), 4), ("b".to_owned(), 4)]);
        let (mut dense, mut table) = ([0.0f32; 4], [0.0f32; 4]);
        let gradient = |x: &[f32; 4]| -> Vec<f32> {
            (0..4).map(|i| 2.0 * STEEPNESS[i] * (x[i] - TARGET[i])).collect()
        };
        for step in 0..3_000 {
            optimizer.begin_step(rate * (1.0 - step as f32 / 3_000.0));
            let (a, b) = (gradient(&dense), gradient(&table));
            optimizer.update(0, &mut dense, &a);
            optimizer.update_rows(1, &mut table, 1, &[0, 1, 2, 3], &b);
        }
        let errors = dense.iter().chain(&table).zip(TARGET.iter().chain(&TARGET));
        errors.map(|(found, target)| (found - target).abs()).fold(0.0, f32::max)
    };
    for spec in every_kind() {
        let errors = [0.05, 0.5].map(|rate| error(&spec, rate));
        assert!(errors.iter().any(|error| *error < 0.15), "{spec:?}: {errors:?}");
    }
}

/// Settings under which a gradient of zero changes nothing: leaving a row alone is then exact.
#[test]
fn rows_left_alone_are_as_dense_ones_with_gradients_of_zero() {
    for spec in [
        json!({"type": "sgd", "momentum": 0.0}),
        json!({"type": "adagrad"}),
        json!({"type": "adagrad", "lr_decay": 0.1, "initial_accumulator": 0.5}),
    ] {
        let spec: OptimizerSpec = serde_json::from_value(spec).unwrap();
        let (mut dense, mut sparse) = (spec.build(&lengths()), spec.build(&lengths()));
        let (mut a, mut b) = (Parameters::start().table, Parameters::start().table);
        for step in 0..20u32 {
            let row = (step * 7 % 4) as usize;
            let gradient = [0.1 * step as f32 - 0.7, 0.3];
            let mut whole = vec![0.0; 4 * COLUMNS];
            whole[row * COLUMNS..(row + 1) * COLUMNS].copy_from_slice(&gradient);
            dense.begin_step(0.1);
            dense.update(1, &mut a, &whole);
            sparse.begin_step(0.1);
            sparse.update_rows(1, &mut b, COLUMNS, &[row as u32], &gradient);
        }
        assert_eq!(a, b, "{spec:?}");
    }
}

/// Coupled decay draws a row towards zero in the steps that touch it, and in no others.
#[test]
fn coupled_decay_acts_on_the_rows_that_a_step_touches() {
    for kind in ["sgd", "rmsprop", "adagrad"] {
        let spec: OptimizerSpec =
            serde_json::from_value(json!({"type": kind, "weight_decay": 0.5})).unwrap();
        let mut optimizer = spec.build(&lengths());
        let mut table = vec![1.0f32; 4 * COLUMNS];
        for _ in 0..5 {
            optimizer.begin_step(0.1);
            optimizer.update_rows(1, &mut table, COLUMNS, &[2], &[0.0, 0.0]);
        }
        assert!(table[4] < 0.9 && table[5] == table[4], "{kind}: {table:?}");
        assert_eq!([&table[..4], &table[6..]].concat(), [1.0; 6], "{kind}");
    }
}

#[test]
fn rows_that_are_not_named_keep_their_bits() {
    for spec in every_setting() {
        let mut optimizer = spec.build(&lengths());
        let mut parameters = Parameters::start();
        let before = parameters.table.clone();
        for _ in 0..10 {
            optimizer.begin_step(0.01);
            optimizer.update_rows(1, &mut parameters.table, COLUMNS, &[2], &[0.5, -0.5]);
        }
        for row in [0, 1, 3] {
            let range = row * COLUMNS..(row + 1) * COLUMNS;
            assert_eq!(parameters.table[range.clone()], before[range], "{spec:?}");
        }
        assert_ne!(parameters.table[4..6], before[4..6], "{spec:?}");
    }
}

/// Gradients of zero, and those whose squares overflow or vanish in 32 bits, leave finite values.
/// At 1e38 a sum of a few gradients overflows, and so does descent that does not rescale them.
#[test]
fn gradients_of_any_finite_size_leave_finite_values() {
    for spec in every_setting() {
        for scale in [0.0, 1e-38, 1e-25, 1e10, 1e25, 1e36] {
            let mut parameters = Parameters::start();
            let mut optimizer = spec.build(&lengths());
            steps(optimizer.as_mut(), &mut parameters, (0, 100), scale);
            assert!(parameters.all().all(f32::is_finite), "{spec:?}, gradients of {scale}");
        }
    }
}

/// What is not finite shows, so that the trainer sees the loss diverge.
#[test]
fn a_gradient_that_is_no_number_is_not_hidden() {
    for spec in every_setting() {
        let mut parameters = Parameters::start();
        let mut optimizer = spec.build(&lengths());
        optimizer.begin_step(0.01);
        optimizer.update(0, &mut parameters.dense, &[f32::NAN, 0.1, 0.1]);
        assert!(parameters.dense[0].is_nan() && parameters.dense[1].is_finite(), "{spec:?}");
    }
}
