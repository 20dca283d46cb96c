//! What every optimiser keeps. The kinds come from the schema, so that a new one is in here already.

use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::*;
use crate::random::{self, Rng};

/// A dense parameter of 3 and a table of 4 rows of 2.
const COLUMNS: usize = 2;

fn lengths() -> Vec<(String, usize)> {
    vec![("dense".to_owned(), 3), ("table".to_owned(), 4 * COLUMNS)]
}

fn every_kind() -> Vec<OptimizerSpec> {
    let schema = serde_json::to_value(OptimizerSpec::schema()).unwrap();
    let tag = |variant: &Value| {
        let parts = variant["allOf"].as_array().unwrap();
        let tagged = parts.iter().find(|part| part["properties"]["type"].is_object()).unwrap();
        tagged["properties"]["type"]["enum"][0].clone()
    };
    let kinds = schema["oneOf"].as_array().unwrap().iter().map(tag);
    kinds.map(|tag| serde_json::from_value(json!({ "type": tag })).unwrap()).collect()
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
    assert!(kinds.len() >= 2);
    for spec in &kinds {
        assert_eq!(spec.unusable(), [], "{spec:?}");
        let stored = serde_json::to_value(spec).unwrap();
        assert_eq!(&serde_json::from_value::<OptimizerSpec>(stored).unwrap(), spec);
    }
}

#[test]
fn the_same_gradients_give_the_same_bits() {
    for spec in every_kind() {
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
    for spec in every_kind() {
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
    for spec in every_kind() {
        let mut saved = Arrays::default();
        let mut optimizer = spec.build(&lengths());
        steps(optimizer.as_mut(), &mut Parameters::start(), (0, 4), 1.0);
        optimizer.save(&mut saved);
        let mut longer = lengths();
        longer[1].1 += COLUMNS;
        let mut renamed = lengths();
        renamed[0].0 = "other".to_owned();
        for other in [longer, renamed] {
            assert!(spec.build(&other).restore(&saved).is_err(), "{spec:?} {other:?}");
        }
        assert!(spec.build(&lengths()).restore(&Arrays::default()).is_err(), "{spec:?}");
    }
}

#[test]
fn a_bowl_is_descended_densely_and_by_rows() {
    const TARGET: [f32; 4] = [0.7, -1.2, 3.0, 0.0];
    const STEEPNESS: [f32; 4] = [1.0, 10.0, 0.1, 3.0];
    for spec in every_kind() {
        let mut optimizer = spec.build(&[("a".to_owned(), 4), ("b".to_owned(), 4)]);
        let (mut dense, mut table) = ([0.0f32; 4], [0.0f32; 4]);
        let gradient = |x: &[f32; 4]| -> Vec<f32> {
            (0..4).map(|i| 2.0 * STEEPNESS[i] * (x[i] - TARGET[i])).collect()
        };
        for step in 0..3_000 {
            optimizer.begin_step(0.05 * (1.0 - step as f32 / 3_000.0));
            let (a, b) = (gradient(&dense), gradient(&table));
            optimizer.update(0, &mut dense, &a);
            optimizer.update_rows(1, &mut table, 1, &[0, 1, 2, 3], &b);
        }
        for (found, target) in dense.iter().chain(&table).zip(TARGET.iter().chain(&TARGET)) {
            assert!((found - target).abs() < 0.15, "{spec:?}: {found}, {target}");
        }
    }
}

#[test]
fn rows_that_are_not_named_keep_their_bits() {
    for spec in every_kind() {
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
#[test]
fn gradients_of_any_finite_size_leave_finite_values() {
    for spec in every_kind() {
        for scale in [0.0, 1e-38, 1e-25, 1e10, 1e25, 1e38] {
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
    for spec in every_kind() {
        let mut parameters = Parameters::start();
        let mut optimizer = spec.build(&lengths());
        optimizer.begin_step(0.01);
        optimizer.update(0, &mut parameters.dense, &[f32::NAN, 0.1, 0.1]);
        assert!(parameters.dense[0].is_nan() && parameters.dense[1].is_finite(), "{spec:?}");
    }
}
