use super::*;
use crate::learn::init::InitializationSpec;
use crate::learn::network::{DenseSpec, InputShape, MlpSpec, NetworkSpec};
use crate::learn::rows::DenseRows;

fn deep(activation: Activation, layers: usize) -> NetworkSpec {
    let dense = DenseSpec {
        activation,
        initialization: InitializationSpec::default(),
        ..DenseSpec::hidden(&vec![8; layers])
    };
    NetworkSpec::Mlp(MlpSpec { dense })
}

fn inspect(spec: &NetworkSpec, change: impl Fn(&mut [Vec<f32>])) -> Vec<LayerReport> {
    let network = Network::new(spec, InputShape::Vector { width: 2 }, 1, 1).unwrap();
    let frozen = network.freeze().unwrap();
    let (table, values) = frozen.parts();
    let mut values = values.to_vec();
    change(&mut values);
    let frozen = frozen.with(table.to_vec(), values);
    let mut rows = DenseRows::new(2);
    let points = [[0.5f32, -1.0], [1.0, 0.25], [-0.75, 0.5], [0.1, 0.9]];
    points.iter().for_each(|point| rows.push(point));
    let targets = Targets::Values { values: vec![0.3, -0.2, 0.9, 0.1], outputs: 1 };
    layers(&frozen, &Loss::default(), (&Features::Dense(rows), &targets)).unwrap()
}

#[test]
fn a_stack_of_sigmoids_loses_its_gradient() {
    let norm = |layers: &[LayerReport], at: usize| layers[at].gradient_norm.unwrap();
    let deep_sigmoid = inspect(&deep(Activation::Sigmoid, 8), |_| {});
    assert_eq!(deep_sigmoid.len(), 9);
    assert!(norm(&deep_sigmoid, 0) < 1e-3 * norm(&deep_sigmoid, 8), "{deep_sigmoid:?}");
    let shallow = inspect(&deep(Activation::Relu, 2), |_| {});
    assert!(norm(&shallow, 0) > 1e-2 * norm(&shallow, 2), "{shallow:?}");
}

#[test]
fn dead_and_saturated_units_are_counted() {
    // A bias far below 0 leaves nothing of a layer; its gradient goes with it.
    let dead = inspect(&deep(Activation::Relu, 2), |values| values[1].fill(-100.0));
    assert_eq!((dead[0].dead, dead[0].gradient_norm), (Some(1.0), Some(0.0)));
    assert_eq!((dead[0].saturated, dead[2].dead), (None, None));
    let saturated = inspect(&deep(Activation::Tanh, 1), |values| values[1].fill(50.0));
    assert_eq!((saturated[0].saturated, saturated[0].spread), (Some(1.0), Some(0.0)));
    assert_eq!(saturated[0].dead, None);
}
