//! What optimisers, penalties, clipping, accumulation and averaging do in 100 steps, against PyTorch
//! (`tests/vectors/optimizers.py`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::augment::Augmentation;
use super::average::Averaged;
use super::gradient::GradientSpec;
use super::network::{
    Activation, DenseSpec, EmbeddingBagSpec, Frozen, InputShape, Network, NetworkSpec, Noise,
};
use super::optimizer::{Optimizer, OptimizerSpec};
use super::regularize::NgramDropout;
use super::rows::{Features, SparseRows, Targets};
use crate::arrays::Arrays;

const TOLERANCE: f64 = 1e-5;
const STEPS: u64 = 100;

#[derive(Deserialize)]
struct Vectors {
    bowl: Bowl,
    net: Net,
}

#[derive(Deserialize)]
struct Bowl {
    steepness: Vec<f32>,
    target: Vec<f32>,
    start: Vec<f32>,
    cases: Vec<BowlCase>,
}

#[derive(Deserialize)]
struct BowlCase {
    optimizer: OptimizerSpec,
    after: BTreeMap<u64, Vec<f64>>,
}

#[derive(Deserialize)]
struct Net {
    start: BTreeMap<String, Vec<f32>>,
    weights: Vec<Vec<f32>>,
    targets: Vec<u32>,
    cases: Vec<NetCase>,
}

#[derive(Deserialize)]
struct NetCase {
    optimizer: OptimizerSpec,
    remedy: Remedy,
    after: BTreeMap<u64, State>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remedy {
    #[serde(default)]
    l1: f32,
    #[serde(default)]
    l2: f32,
    clip_norm: Option<f32>,
    clip_value: Option<f32>,
    accumulate: Option<usize>,
    ema_decay: Option<f64>,
}

#[derive(Deserialize)]
struct State {
    loss: f64,
    gradient_norm: f64,
    parameters: BTreeMap<String, Vec<f64>>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../tests/vectors/optimizers.json")).unwrap()
}

#[track_caller]
fn agree(found: &[f32], expected: &[f64], of: &str) {
    assert_eq!(found.len(), expected.len(), "{of}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < TOLERANCE, "{of}: {found}, not {expected}");
    }
}

#[test]
fn a_bowl_is_descended_as_pytorch_does_densely_and_by_rows() {
    let Bowl { steepness, target, start, cases } = vectors().bowl;
    let gradient = |x: &[f32]| -> Vec<f32> {
        (0..x.len()).map(|i| 2.0 * steepness[i] * (x[i] - target[i])).collect()
    };
    for BowlCase { optimizer: spec, after } in cases {
        let length = start.len();
        let mut optimizer = spec.build(&[("a".to_owned(), length), ("b".to_owned(), length)]);
        let (mut dense, mut table) = (start.clone(), start.clone());
        let mut compared = 0;
        for step in 1..=STEPS {
            optimizer.begin_step(spec.learning_rate() as f32);
            let (a, b) = (gradient(&dense), gradient(&table));
            optimizer.update(0, &mut dense, &a);
            optimizer.update_rows(1, &mut table, 1, &[0, 1, 2, 3], &b);
            if let Some(expected) = after.get(&step) {
                agree(&dense, expected, &format!("{spec:?} at {step}"));
                agree(&table, expected, &format!("{spec:?} by rows at {step}"));
                compared += 1;
            }
        }
        assert!(compared == after.len() && after.contains_key(&STEPS), "{spec:?}");
    }
}

/// The network of the vectors before its first step.
fn network(start: &BTreeMap<String, Vec<f32>>, rows: usize) -> Network {
    let dimension = start["embedding.weight"].len() / rows;
    let hidden = DenseSpec::hidden(&[start["layers.0.bias"].len()]);
    let dense = DenseSpec { activation: Activation::Tanh, ..hidden };
    let bag = EmbeddingBagSpec { dimension, dense, ..EmbeddingBagSpec::default() };
    let spec = NetworkSpec::EmbeddingBag(bag);
    let mut arrays = Arrays::default();
    start.iter().for_each(|(name, values)| arrays.put(name, values.clone()));
    let input = InputShape::Bag { vocabulary: rows };
    Network::thaw(&Frozen::load(&spec, input, 1, &arrays).unwrap()).unwrap()
}

#[test]
fn a_net_learns_as_pytorch_does() {
    let Net { start, weights, targets, cases } = vectors().net;
    let features = weights[0].len();
    let ids: Vec<u32> = (0..features as u32).collect();
    let mut rows = SparseRows::default();
    weights.iter().for_each(|weights| rows.push(&ids, weights, features as u32));
    let records: Vec<usize> = (0..targets.len()).collect();
    let rows = Features::Sparse(rows);
    let data = (&rows, &Targets::Binary(targets));
    let none = NgramDropout::new(0.0, 0, 0);
    for NetCase { optimizer, remedy, after } in cases {
        let mut network = network(&start, features);
        let lengths = network.parameter_lengths();
        let rate = optimizer.learning_rate() as f32;
        let of = format!("{optimizer:?} {remedy:?}");
        let mut averaged = Averaged::new(optimizer.build(&lengths), remedy.ema_decay, &lengths);
        let spec = GradientSpec {
            batch_size: records.len().div_ceil(remedy.accumulate.unwrap_or(1)),
            l1: remedy.l1,
            l2: remedy.l2,
            clip_norm: remedy.clip_norm,
            clip_value: remedy.clip_value,
        };
        let mut compared = 0;
        for step in 1..=STEPS {
            averaged.begin_step(rate);
            let noise = Noise { ngrams: &none, augmentation: &Augmentation::default(), key: 0 };
            let done = network.step(data, &records, noise, &spec, &mut averaged).unwrap();
            let Some(expected) = after.get(&step) else { continue };
            let of = format!("{of} at {step}");
            agree(&[done.loss, done.gradient_norm], &[expected.loss, expected.gradient_norm], &of);
            let saved = averaged.freeze(&network).unwrap().save();
            for (name, values) in &expected.parameters {
                agree(saved.get(name).unwrap(), values, &format!("{of}, {name}"));
            }
            compared += 1;
        }
        assert!(compared == after.len() && after.contains_key(&STEPS), "{of}");
    }
}

/// A vector that no setting of ours changes would prove nothing.
#[test]
fn every_case_ends_elsewhere() {
    let Vectors { bowl, net } = vectors();
    let ends = |i: usize| &net.cases[i].after[&STEPS].parameters["layers.0.weight"];
    for i in 0..net.cases.len() {
        for j in 0..i {
            let apart = ends(i).iter().zip(ends(j)).any(|(a, b)| (a - b).abs() > 10.0 * TOLERANCE);
            // Accumulated batches are one batch of all their records.
            let (a, b) = (&net.cases[i].remedy, &net.cases[j].remedy);
            let same =
                a.accumulate.is_some() && a.ema_decay.is_none() && a.accumulate != b.accumulate;
            assert!(
                apart || (same && net.cases[i].optimizer == net.cases[j].optimizer),
                "{a:?} {b:?}"
            );
        }
    }
    let kinds = |specs: Vec<&OptimizerSpec>| -> usize {
        let kinds: std::collections::BTreeSet<String> = specs
            .into_iter()
            .map(|spec| serde_json::to_value(spec).unwrap()["type"].to_string())
            .collect();
        kinds.len()
    };
    assert_eq!(kinds(bowl.cases.iter().map(|case| &case.optimizer).collect()), 5);
    assert_eq!(kinds(net.cases.iter().map(|case| &case.optimizer).collect()), 5);
}
