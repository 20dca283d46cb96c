//! Everything that a training can be made of trains: each network with each augmenter, each
//! initialiser with each activation, each loss with each kind of target and network, each optimiser
//! with each schedule. The loss is finite in every step and falls; what is switched on changes what is
//! learnt; all of it together gives the same bits again.

use std::time::Duration;

use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::augment::{AugmentationSpec, ImageAugmentationSpec, TabularAugmentationSpec};
use super::device::DeviceName;
use super::gradient::GradientSpec;
use super::init::InitializationSpec;
use super::init::tests::every_kind as every_initializer;
use super::loss::{Loss, LossSpec};
use super::network::{
    Activation, DenseSpec, Frozen, InputShape, MlpSpec, NetworkSpec, View, networks,
};
use super::optimizer::tests::every_setting;
use super::regularize::RegularizationSpec;
use super::rows::{DenseRows, Features, SparseRows, Targets};
use super::schedule::conformance_tests::every_schedule;
use super::schedule::{ConstantSchedule, ScheduleSpec, Warmup};
use super::stopping::Limits;
use super::trainer::{
    CheckpointSpec, EpochReport, Interrupt, Measured, Monitor, StepReport, TrainerSpec, train,
};
use crate::arrays::Arrays;
use crate::clock::ManualClock;

const RECORDS: usize = 48;
const EPOCHS: usize = 8;

/// Half of the records are of class 0, a third of class 1, a sixth of class 2, so that the last bias
/// alone has something to learn, whatever a network starts from.
fn class(record: usize) -> usize {
    [0, 1, 0, 1, 0, 2][record % 6]
}

/// Every record shows its class, however it is turned, moved or noised: a text by a word, an image by
/// the brightness of its channels, a row by some of its numbers.
fn features(input: InputShape) -> Features {
    let mut rows = DenseRows::new(input.width());
    let mut texts = SparseRows::default();
    for record in 0..RECORDS {
        let class = class(record);
        let noise = |i: usize| 0.1 * ((record * 31 + i * 7) as f32).sin();
        match input {
            InputShape::Bag { .. } => {
                texts.push(&[class as u32, 3 + (record % 2) as u32], &[0.5, 0.5], 2);
            }
            InputShape::Vector { width } => {
                let value = |i: usize| noise(i) + f32::from(u8::from(i % 3 == class));
                rows.push(&(0..width).map(value).collect::<Vec<_>>());
            }
            InputShape::Image { channels, height, width } => {
                let pixels = height * width;
                let value = |i: usize| noise(i) + f32::from(u8::from(i / pixels == class));
                rows.push(&(0..channels * pixels).map(value).collect::<Vec<_>>());
            }
        }
    }
    match input {
        InputShape::Bag { .. } => Features::Sparse(texts),
        InputShape::Vector { width } => {
            Features::Dense(rows.with_numbers((0..width).step_by(2).collect()))
        }
        InputShape::Image { .. } => Features::Dense(rows),
    }
}

fn classes() -> Targets {
    let labels = (0..RECORDS).map(|record| class(record) as u32).collect();
    Targets::MultiClass { labels, classes: 3 }
}

fn plain(network: NetworkSpec) -> TrainerSpec {
    TrainerSpec {
        device: DeviceName::Cpu,
        start: None,
        network,
        optimizer: serde_json::from_value(json!({"type": "adam", "learning_rate": 0.02})).unwrap(),
        schedule: ScheduleSpec::Constant(ConstantSchedule { warmup: None }),
        loss: Loss::default(),
        regularization: RegularizationSpec { ngram_dropout: 0.0, ..Default::default() },
        augmentation: AugmentationSpec::default(),
        epochs: EPOCHS,
        gradient: GradientSpec { batch_size: 8, ..GradientSpec::PLAIN },
        accumulate: 1,
        ema_decay: None,
        seed: 5,
        early_stopping: None,
        limits: Limits::default(),
        checkpoints: CheckpointSpec {
            every: Duration::from_secs(3_600),
            ..CheckpointSpec::default()
        },
    }
}

/// The mean loss of every epoch.
#[derive(Default)]
struct Losses(Vec<f64>);

impl Monitor for Losses {
    fn step(&mut self, report: &StepReport) {
        assert!(report.loss.is_finite() && report.gradient_norm.is_finite(), "{report:?}");
    }
    fn epoch(&mut self, report: &EpochReport, _: View<'_>) -> Option<Measured> {
        self.0.push(report.train_loss);
        None
    }
    fn checkpoint(&mut self, _: usize, _: u64, _: Arrays) {}
    fn interrupt(&self) -> Interrupt {
        Interrupt::None
    }
}

/// Trains, and checks that the loss falls by a share of itself.
fn falls(spec: &TrainerSpec, input: InputShape, targets: &Targets, share: f64) -> Frozen {
    let rows = features(input);
    let (clock, mut losses) = (ManualClock::at(0), Losses::default());
    let trained = train(spec, (&rows, targets), input, clock.as_ref(), &mut losses, None);
    let trained = trained.unwrap_or_else(|error| panic!("{error}: {spec:?}"));
    let (first, last) = (losses.0[0], losses.0[EPOCHS - 1]);
    assert!(last < (1.0 - share) * first, "from {first} to {last}: {spec:?}");
    trained.network
}

/// One augmenter at a time, and all together; a new setting is in here already.
fn every_augmenter(input: InputShape) -> Vec<(RegularizationSpec, AugmentationSpec)> {
    let off = RegularizationSpec { ngram_dropout: 0.0, ..Default::default() };
    let settings = |schema: Value| -> Vec<Value> {
        let names = schema["properties"].as_object().unwrap().keys();
        let each: Vec<Value> = names.map(|name| json!({ name: 0.3 })).collect();
        let all = each.iter().flat_map(|one| one.as_object().unwrap().clone());
        let all = Value::Object(all.collect());
        each.into_iter().chain([all]).collect()
    };
    match input {
        InputShape::Bag { .. } => {
            let dropout = RegularizationSpec { ngram_dropout: 0.3, ..off };
            vec![(dropout, AugmentationSpec::default())]
        }
        InputShape::Vector { .. } => {
            let all = settings(serde_json::to_value(TabularAugmentationSpec::schema()).unwrap());
            let of = |value| serde_json::from_value(value).unwrap();
            let spec = |value| AugmentationSpec { tabular: of(value), ..Default::default() };
            all.into_iter().map(|value| (off.clone(), spec(value))).collect()
        }
        InputShape::Image { .. } => {
            let all = settings(serde_json::to_value(ImageAugmentationSpec::schema()).unwrap());
            let of = |value| serde_json::from_value(value).unwrap();
            let spec = |value| AugmentationSpec { image: of(value), ..Default::default() };
            all.into_iter().map(|value| (off.clone(), spec(value))).collect()
        }
    }
}

#[test]
fn every_network_with_every_augmenter() {
    let mut trained = 0;
    for (network, input) in networks() {
        let spec = plain(network);
        let alone = falls(&spec, input, &classes(), 0.03);
        let all = every_augmenter(input);
        let together = all.len() - 1;
        for (i, (regularization, augmentation)) in all.into_iter().enumerate() {
            let spec = TrainerSpec { regularization, augmentation, ..spec.clone() };
            let found = falls(&spec, input, &classes(), 0.01);
            // A turn by less than a degree moves nothing by a whole pixel, but between pixels.
            assert_ne!(found, alone, "changes nothing: {spec:?}");
            if i == together {
                assert_eq!(found, falls(&spec, input, &classes(), 0.01), "{spec:?}");
            }
            trained += 1;
        }
    }
    assert!(trained >= 60, "{trained}");
}

#[test]
fn every_initializer_with_every_activation() {
    let input = InputShape::Vector { width: 12 };
    for weights in every_initializer() {
        for activation in Activation::ALL {
            let initialization =
                InitializationSpec { weights: weights.clone(), ..Default::default() };
            let dense = DenseSpec { activation, initialization, ..DenseSpec::hidden(&[6]) };
            let spec = plain(NetworkSpec::Mlp(MlpSpec { dense }));
            falls(&spec, input, &classes(), 0.01);
        }
    }
}

/// Targets of every kind. A new kind fails to compile here until it is listed.
fn every_target() -> Vec<Targets> {
    let record = 0..RECORDS;
    let binary = record.clone().map(|i| u32::from(class(i) == 2)).collect();
    let indicators = record.clone().flat_map(|i| [class(i) == 0, class(i) != 2, class(i) == 1]);
    let indicators = indicators.map(|holds| f32::from(u8::from(holds))).collect();
    let values = record.flat_map(|i| [class(i) as f32 - 0.7, 1.0 - class(i) as f32]).collect();
    let all = vec![
        Targets::Binary(binary),
        classes(),
        Targets::MultiLabel { indicators, labels: 3 },
        Targets::Values { values, outputs: 2 },
    ];
    for targets in &all {
        match targets {
            Targets::Binary(_)
            | Targets::MultiClass { .. }
            | Targets::MultiLabel { .. }
            | Targets::Values { .. } => assert_eq!(targets.len(), RECORDS),
        }
    }
    all
}

/// Losses of every kind, with each of their settings. A new kind fails to compile here until it is
/// listed.
fn every_loss() -> Vec<LossSpec> {
    let all = [
        json!({"type": "cross_entropy"}),
        json!({"type": "cross_entropy", "label_smoothing": 0.1}),
        json!({"type": "cross_entropy", "focal_gamma": 2.0}),
        json!({"type": "cross_entropy", "class_weights": "balanced"}),
        json!({"type": "cross_entropy", "class_weights": {"b": 3.0}}),
        json!({"type": "cross_entropy", "label_smoothing": 0.1, "focal_gamma": 1.0,
            "class_weights": "balanced"}),
        json!({"type": "mse"}),
        json!({"type": "mae"}),
        json!({"type": "huber", "delta": 0.5}),
    ];
    let all: Vec<LossSpec> =
        all.into_iter().map(|loss| serde_json::from_value(loss).unwrap()).collect();
    for loss in &all {
        match loss {
            LossSpec::CrossEntropy(_) | LossSpec::Mse | LossSpec::Mae | LossSpec::Huber(_) => {}
        }
    }
    all
}

#[test]
fn every_loss_with_every_kind_of_target_and_network() {
    let mut names: Vec<&str> = Vec::new();
    for (network, input) in networks() {
        // One of each kind, and the first of each is a plain one.
        if names.contains(&network.name()) {
            continue;
        }
        names.push(network.name());
        for targets in every_target() {
            let of_numbers = matches!(targets, Targets::Values { .. });
            let labels = ["a", "b", "c"].map(str::to_owned);
            let labels = match &targets {
                Targets::Binary(_) => &labels[..2],
                _ => &labels[..],
            };
            let mut seen = Vec::new();
            for loss in every_loss().iter().filter(|loss| loss.is_of_numbers() == of_numbers) {
                let plain = plain(network.clone());
                let weighted = Loss {
                    records: Some((0..RECORDS).map(|i| 0.5 + (i % 3) as f32 * 0.5).collect()),
                    ..loss.prepare(labels, &targets).unwrap()
                };
                for loss in [loss.prepare(labels, &targets).unwrap(), weighted] {
                    let spec = TrainerSpec { loss, ..plain.clone() };
                    let found = falls(&spec, input, &targets, 0.03);
                    assert!(!seen.contains(&found), "changes nothing: {:?}", spec.loss);
                    seen.push(found);
                }
            }
        }
    }
    assert_eq!(names.len(), 4);
}

#[test]
fn every_optimizer_with_every_schedule() {
    let input = InputShape::Vector { width: 12 };
    let network = NetworkSpec::Mlp(MlpSpec { dense: DenseSpec::hidden(&[6]) });
    for optimizer in every_setting() {
        let warm = every_schedule(Some(Warmup { steps: Some(5), ..Warmup::default() }));
        let cold = every_schedule(None).into_iter().zip(warm).enumerate();
        for schedule in cold.map(|(i, (cold, warm))| if i % 2 == 0 { cold } else { warm }) {
            let optimizer = optimizer.clone();
            let spec = TrainerSpec { optimizer, schedule, ..plain(network.clone()) };
            falls(&spec, input, &classes(), 0.001);
        }
    }
}
