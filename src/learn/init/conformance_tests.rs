//! What every initialiser keeps. The kinds come from the schema, so that a new one is in here already.

use serde_json::json;

use super::Nonlinearity::{Gelu, LeakyRelu, Linear, Relu, Sigmoid, Tanh};
use super::*;
use crate::learn::choices;

const ALL: [Nonlinearity; 6] = [Linear, Relu, LeakyRelu(0.2), Gelu, Tanh, Sigmoid];

pub(in crate::learn) fn every_kind() -> Vec<InitSpec> {
    let kinds = choices::every_kind::<InitSpec>().into_iter();
    kinds.map(|kind| serde_json::from_value(kind).unwrap()).collect()
}

fn is_random(spec: &InitSpec) -> bool {
    !matches!(spec, InitSpec::Zeros | InitSpec::Constant(_))
}

/// Largest absolute value and variance about 0.
fn spread(weights: &[f32]) -> (f64, f64) {
    let squares: f64 = weights.iter().map(|w| f64::from(*w).powi(2)).sum();
    let largest = weights.iter().map(|w| f64::from(w.abs())).fold(0.0, f64::max);
    (largest, squares / weights.len() as f64)
}

#[test]
fn the_same_seed_and_name_give_the_same_bits_and_others_give_others() {
    assert_eq!(every_kind().len(), 10);
    for spec in every_kind() {
        for after in ALL {
            let fill = |seed, name| spec.fill(Shape::dense(6, 5), after, seed, name);
            let weights = fill(1, "layers.0.weight");
            assert!(weights.len() == 30 && weights.iter().all(|w| w.is_finite()));
            assert_eq!(weights, fill(1, "layers.0.weight"), "{spec:?}");
            assert_eq!(weights != fill(1, "layers.1.weight"), is_random(&spec), "{spec:?}");
            assert_eq!(weights != fill(2, "layers.0.weight"), is_random(&spec), "{spec:?}");
        }
    }
}

/// Mean and variance over 20,000 weights, and the largest of the uniform ones, are the formula's.
#[test]
fn moments_are_those_of_the_formula() {
    for shape in [Shape::dense(50, 400), Shape::convolution(16, 50, 25)] {
        let fan_in = shape.fan_in() as f64;
        let fan_out = shape.fan_out() as f64;
        for after in [Linear, LeakyRelu(0.2), Tanh] {
            let gain = after.gain();
            let lecun = 1.0 / (3.0 * fan_in);
            let kaiming = gain * gain / fan_in;
            let xavier = 2.0 * gain * gain / (fan_in + fan_out);
            let auto = match after {
                Linear => lecun,
                Relu | LeakyRelu(_) | Gelu => kaiming,
                Tanh | Sigmoid => xavier,
            };
            for (spec, variance, is_uniform) in [
                (InitSpec::Auto, auto, true),
                (InitSpec::Normal(NormalInit { std: 0.3 }), 0.09, false),
                (InitSpec::Uniform(UniformInit { bound: 0.3 }), 0.03, true),
                (InitSpec::XavierUniform, xavier, true),
                (InitSpec::XavierNormal, xavier, false),
                (InitSpec::KaimingUniform, kaiming, true),
                (InitSpec::KaimingNormal, kaiming, false),
            ] {
                let weights = spec.fill(shape, after, 3, "layers.0.weight");
                let n = weights.len() as f64;
                let mean = weights.iter().map(|w| f64::from(*w)).sum::<f64>() / n;
                let (largest, found) = spread(&weights);
                // Five standard errors; a square's deviation is at most √2 times the variance.
                assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{spec:?} {after:?}: {mean}");
                let error = 5.0 * variance * (2.0 / n).sqrt();
                assert!((found - variance).abs() < error, "{spec:?} {after:?}: {found}");
                let bound = (3.0 * variance).sqrt();
                if is_uniform {
                    assert!(largest <= bound * 1.000_001 && largest > 0.999 * bound, "{spec:?}");
                } else {
                    assert!(largest > 1.5 * bound, "{spec:?} has no tails");
                }
            }
        }
    }
}

#[test]
fn gains_are_those_that_pytorch_documents() {
    for (after, gain) in [
        (Linear, 1.0),
        (Sigmoid, 1.0),
        (Tanh, 5.0 / 3.0),
        (Relu, 2.0f64.sqrt()),
        (LeakyRelu(0.0), 2.0f64.sqrt()),
        (LeakyRelu(0.01), 1.414_142_8),
        (LeakyRelu(1.0), 1.0),
    ] {
        assert!((after.gain() - gain).abs() < 1e-7, "{after:?}");
    }
}

#[test]
fn zeros_and_constants_are_what_they_are_called() {
    let fill = |spec: InitSpec| spec.fill(Shape::dense(2, 2), Relu, 1, "w");
    assert_eq!(fill(InitSpec::Zeros), [0.0; 4]);
    assert_eq!(fill(InitSpec::Constant(ConstantInit { value: -0.5 })), [-0.5; 4]);
}

#[test]
fn orthogonal_weights_are_orthonormal_times_the_gain() {
    for (shape, after) in [
        (Shape::dense(40, 70), Relu),
        (Shape::dense(70, 40), Tanh),
        (Shape::convolution(16, 8, 9), Linear),
    ] {
        let weights = InitSpec::Orthogonal.fill(shape, after, 1, "w");
        let (rows, columns) = (shape.outputs, shape.fan_in());
        let at =
            |row: usize, column: usize| f64::from(weights[row * columns + column]) / after.gain();
        let (vectors, length) = (rows.min(columns), rows.max(columns));
        let entry = |i: usize, k: usize| if rows <= columns { at(i, k) } else { at(k, i) };
        for i in 0..vectors {
            for j in 0..vectors {
                let product: f64 = (0..length).map(|k| entry(i, k) * entry(j, k)).sum();
                assert!(
                    (product - f64::from(u8::from(i == j))).abs() < 1e-5,
                    "{i}, {j}: {product}"
                );
            }
        }
    }
}

#[test]
fn biases_are_zeros_or_within_their_bound() {
    let shape = Shape::convolution(10_000, 4, 9);
    assert_eq!(BiasInit::default().fill(shape, 1, "b"), vec![0.0; 10_000]);
    let biases = BiasInit::Uniform.fill(shape, 1, "b");
    let (largest, variance) = spread(&biases);
    assert!(biases.len() == 10_000 && largest <= 1.0 / 6.0 && largest > 0.99 / 6.0);
    assert!((variance - 1.0 / 108.0).abs() < 0.05 / 108.0, "{variance}");
    assert_ne!(biases, BiasInit::Uniform.fill(shape, 1, "c"));
}

/// The default keeps a signal alive through ten layers, which a fixed deviation does not.
#[test]
fn the_default_neither_dies_nor_explodes_with_depth() {
    let activate = |after: Nonlinearity, x: f64| match after {
        Relu => x.max(0.0),
        LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                slope * x
            }
        }
        // By its tanh form (Hendrycks and Gimpel 2016).
        Gelu => 0.5 * x * (1.0 + (0.797_884_56 * (x + 0.044_715 * x.powi(3))).tanh()),
        Tanh => x.tanh(),
        Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Linear => x,
    };
    let size = |spec: &InitSpec, after: Nonlinearity| {
        let mut x: Vec<f64> = uniform(128, 1.7, 9, "x").into_iter().map(f64::from).collect();
        for layer in 0..10 {
            let weights = spec.fill(Shape::dense(128, 128), after, 1, &format!("layers.{layer}"));
            x = weights
                .chunks(128)
                .map(|row| row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum())
                .map(|sum| activate(after, sum))
                .collect();
        }
        (x.iter().map(|x| x * x).sum::<f64>() / 128.0).sqrt()
    };
    for after in [Relu, LeakyRelu(0.2), Gelu, Tanh] {
        for spec in [InitSpec::Auto, InitSpec::Orthogonal] {
            let size = size(&spec, after);
            assert!((0.05..5.0).contains(&size), "{spec:?} {after:?}: {size}");
        }
        assert!(size(&InitSpec::Normal(NormalInit { std: 0.01 }), after) < 1e-6);
    }
}

#[test]
fn specs_are_read_as_they_are_sent() {
    let spec = json!({"weights": {"type": "normal", "std": 0.1}, "biases": "uniform"});
    let spec: InitializationSpec = serde_json::from_value(spec).unwrap();
    assert_eq!(spec.weights, InitSpec::Normal(NormalInit { std: 0.1 }));
    assert_eq!(spec.biases, BiasInit::Uniform);
    let default: InitializationSpec = serde_json::from_value(json!({})).unwrap();
    assert_eq!(default, InitializationSpec::default());
    let stored = serde_json::to_value(&default).unwrap();
    assert_eq!(stored, json!({"weights": {"type": "auto"}, "biases": "zeros"}));
}
