use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::learn::augment::AugmentationSpec;
use crate::learn::device::DeviceName;
use crate::learn::gradient::GradientSpec;
use crate::learn::loss::Loss;
use crate::learn::network::{EMBEDDING, Normalization, View, layer_of, networks};
use crate::learn::optimizer::{AdamWSpec, SgdSpec};
use crate::learn::regularize::RegularizationSpec;
use crate::learn::rows::{DenseRows, Features, Source, SparseRows, Targets};
use crate::learn::schedule::{ConstantSchedule, ScheduleSpec};
use crate::learn::stopping::Limits;
use crate::learn::trainer::{
    CheckpointSpec, EpochReport, Interrupt, Measured, Monitor, Outcome, StepReport, TrainerSpec,
    train,
};

const RECORDS: usize = 20;

/// Remembers the norms of the gradient.
#[derive(Default)]
struct Norms(Vec<f32>);

impl Monitor for Norms {
    fn step(&mut self, report: &StepReport) {
        self.0.push(report.gradient_norm);
    }
    fn epoch(&mut self, _: &EpochReport, _: View<'_>) -> Option<Measured> {
        None
    }
    fn checkpoint(&mut self, _: usize, _: u64, _: Arrays) {}
    fn interrupt(&self) -> Interrupt {
        Interrupt::None
    }
}

fn data(input: InputShape) -> (Features, Targets) {
    let labels: Vec<u32> = (0..RECORDS as u32).map(|i| i % 3).collect();
    let features = match input {
        InputShape::Bag { vocabulary } => {
            let mut rows = SparseRows::default();
            for label in &labels {
                rows.push(&[*label, vocabulary as u32 - 1], &[0.5, 0.5], 2);
            }
            Features::Sparse(rows)
        }
        _ => {
            let mut rows = DenseRows::new(input.width());
            for (i, label) in labels.iter().enumerate() {
                let value = |j: usize| ((i * 31 + j * 7) as f32).sin() + (*label * j as u32) as f32;
                rows.push(&(0..input.width()).map(value).collect::<Vec<_>>());
            }
            Features::Dense(rows)
        }
    };
    (features, Targets::MultiClass { labels, classes: 3 })
}

/// Everything came along but the last layer and, of a table, the last row.
fn start(spec: &NetworkSpec, input: InputShape, frozen: &[String], factor: f64) -> Start {
    let network = Network::new(spec, input, 3, 9).unwrap().freeze().unwrap();
    let layers = network.layout().layers();
    let slots = &network.layout().slots;
    let last = layers.last().unwrap();
    let rows = network.layout().table.map_or(0, |(rows, _)| rows);
    Start {
        carried: slots.iter().map(|slot| layer_of(&slot.name) != last).collect(),
        carried_rows: (0..rows).map(|row| row + 1 < rows).collect(),
        held: slots.iter().map(|slot| frozen.iter().any(|f| f == layer_of(&slot.name))).collect(),
        held_table: frozen.iter().any(|f| f == EMBEDDING),
        learning_rate_factor: factor,
        network,
    }
}

fn spec(network: &NetworkSpec, optimizer: OptimizerSpec, start: Start) -> TrainerSpec {
    TrainerSpec {
        device: DeviceName::Cpu,
        network: network.clone(),
        optimizer,
        schedule: ScheduleSpec::Constant(ConstantSchedule::default()),
        loss: Loss::default(),
        regularization: RegularizationSpec::default(),
        augmentation: AugmentationSpec::default(),
        epochs: 3,
        gradient: GradientSpec {
            batch_size: 4,
            l1: 0.01,
            l2: 0.1,
            clip_norm: Some(0.5),
            clip_value: Some(0.1),
        },
        accumulate: 1,
        ema_decay: Some(0.9),
        seed: 3,
        early_stopping: None,
        limits: Limits::default(),
        checkpoints: CheckpointSpec {
            every: Duration::from_secs(3_600),
            steps: None,
            keep_last: true,
        },
        start: Some(Arc::new(start)),
    }
}

fn run(spec: &TrainerSpec, input: InputShape, resume: Option<&Arrays>) -> (Outcome, Vec<f32>) {
    let (rows, targets) = data(input);
    let clock = ManualClock::at(0);
    let mut norms = Norms::default();
    let data = (&rows as &dyn Source, &targets);
    let outcome = train(spec, data, input, clock.as_ref(), &mut norms, resume).unwrap();
    (outcome, norms.0)
}

/// With batch normalisation where there are layers to normalise.
fn normalised(mut network: NetworkSpec) -> NetworkSpec {
    match &mut network {
        NetworkSpec::EmbeddingBag(bag) => bag.dense.normalization = Normalization::Batch,
        NetworkSpec::Mlp(mlp) => mlp.dense.normalization = Normalization::Batch,
        NetworkSpec::TextCnn(cnn) => cnn.dense.normalization = Normalization::Batch,
        NetworkSpec::ImageCnn(cnn) => cnn.dense.normalization = Normalization::Batch,
    }
    network
}

fn optimizers() -> [OptimizerSpec; 2] {
    let sgd = SgdSpec { momentum: 0.9, weight_decay: 0.1, ..SgdSpec::default() };
    [
        OptimizerSpec::AdamW(AdamWSpec { weight_decay: 0.5, ..AdamWSpec::default() }),
        OptimizerSpec::Sgd(sgd),
    ]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn frozen_parameters_do_not_move_by_a_bit() {
    for (network, input) in networks() {
        let network = normalised(network);
        let layers = Network::new(&network, input, 3, 9).unwrap().freeze().unwrap();
        let layers = layers.layout().layers();
        let frozen = &layers[..layers.len() - 1];
        for optimizer in optimizers() {
            let start = start(&network, input, frozen, 0.5);
            let (first, held) = (start.network.clone(), start.held.clone());
            let (outcome, norms) = run(&spec(&network, optimizer, start), input, None);
            let (table, values) = outcome.network.parts();
            let (first_table, first_values) = first.parts();
            if let Some((rows, columns)) = first.layout().table {
                // The new row learns.
                let kept = (rows - 1) * columns;
                assert_eq!(bits(&table[..kept]), bits(&first_table[..kept]), "{network:?}");
                assert_ne!(bits(&table[kept..]), bits(&first_table[kept..]), "{network:?}");
            }
            for (slot, held) in held.iter().enumerate() {
                let same = bits(&values[slot]) == bits(&first_values[slot]);
                let name = &first.layout().slots[slot].name;
                assert_eq!(same, *held, "{name} of {network:?}");
            }
            assert!(norms.iter().all(|norm| norm.is_finite() && *norm > 0.0));
        }
    }
}

/// The norm by which gradients are clipped is of what learns alone.
#[test]
fn frozen_layers_have_no_part_in_the_norm() {
    let (network, input) = networks().into_iter().find(|(n, _)| n.name() == "mlp").unwrap();
    let first_norm = |frozen: &[String]| {
        let start = start(&network, input, frozen, 1.0);
        let plain = GradientSpec { batch_size: 4, ..GradientSpec::PLAIN };
        let spec =
            TrainerSpec { gradient: plain, ..spec(&network, OptimizerSpec::default(), start) };
        run(&spec, input, None).1[0]
    };
    assert!(first_norm(&["layers.0".to_owned()]) < first_norm(&[]));
}

#[test]
fn what_came_along_learns_at_the_smaller_rate() {
    let plain = OptimizerSpec::Sgd(SgdSpec { momentum: 0.0, ..SgdSpec::default() });
    for (network, input) in networks() {
        let moved = |factor: f64| {
            let start = start(&network, input, &[], factor);
            let (first, carried) = (start.network.clone(), start.carried.clone());
            let one = Limits { max_steps: Some(1), ..Limits::default() };
            let gradient = GradientSpec { batch_size: RECORDS, ..GradientSpec::PLAIN };
            let spec = spec(&network, plain.clone(), start);
            let spec = TrainerSpec { limits: one, gradient, ema_decay: None, ..spec };
            let network = run(&spec, input, None).0.network;
            let mut all: Vec<(bool, f32)> = Vec::new();
            for (slot, came) in carried.iter().enumerate() {
                // Statistics are measured, not learnt.
                if !first.layout().slots[slot].trainable() {
                    continue;
                }
                let pairs = network.parts().1[slot].iter().zip(&first.parts().1[slot]);
                all.extend(pairs.map(|(now, before)| (*came, now - before)));
            }
            let columns = first.layout().dimension();
            let table = network.parts().0.iter().zip(first.parts().0).enumerate();
            let rows = first.layout().table.map_or(0, |(rows, _)| rows);
            all.extend(table.map(|(i, (now, before))| (i / columns + 1 < rows, now - before)));
            all
        };
        let mut seen = [false; 2];
        for ((came, whole), (_, part)) in moved(1.0).into_iter().zip(moved(0.25)) {
            let expected = if came { 0.25 * whole } else { whole };
            assert!((part - expected).abs() < 1e-6, "{came} {whole} {part} {network:?}");
            seen[usize::from(came)] |= whole != 0.0;
        }
        assert!(seen[0]);
    }
}

#[test]
fn a_resumed_training_with_frozen_layers_and_two_rates_has_the_same_bits() {
    for (network, input) in networks() {
        let network = normalised(network);
        for optimizer in optimizers() {
            let frozen = [EMBEDDING.to_owned(), "blocks.0".to_owned()];
            for frozen in [&[][..], &frozen[..]] {
                let whole = spec(&network, optimizer.clone(), start(&network, input, frozen, 0.3));
                let (expected, _) = run(&whole, input, None);
                for steps in [3, 5, 12] {
                    let limits = Limits { max_steps: Some(steps), ..Limits::default() };
                    let (part, _) = run(&TrainerSpec { limits, ..whole.clone() }, input, None);
                    let bytes = part.last.unwrap().to_bytes().unwrap();
                    let state = Arrays::from_bytes(&bytes).unwrap();
                    let (outcome, _) = run(&whole, input, Some(&state));
                    assert_eq!(outcome.network, expected.network, "{steps} {network:?}");
                }
            }
        }
    }
}
