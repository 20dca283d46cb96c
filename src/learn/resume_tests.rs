//! A training that was killed, again and again, ends bit for bit like one that was not: every
//! network with every optimiser, and every schedule with both.

use std::borrow::Cow;
use std::time::Duration;

use super::augment::AugmentationSpec;
use super::device::DeviceName;
use super::gradient::GradientSpec;
use super::loss::Loss;
use super::network::{InputShape, NetworkSpec, View, networks};
use super::optimizer::tests::every_setting;
use super::regularize::RegularizationSpec;
use super::rows::{DenseRows, Features, Source, SparseRows, Targets};
use super::schedule::conformance_tests::every_schedule;
use super::schedule::{ScheduleSpec, Warmup};
use super::stopping::{EarlyStopping, EndReason, Limits, StoppingMetric};
use super::trainer::{
    CheckpointSpec, EpochReport, Interrupt, Measured, Monitor, Outcome, StepReport, TrainerSpec,
    train,
};
use super::{LearnError, optimizer::OptimizerSpec};
use crate::arrays::Arrays;
use crate::clock::ManualClock;
use crate::random::{self, Rng};

const RECORDS: usize = 22;
/// Of 4 records, the last of 2: 6 steps an epoch.
const BATCH: usize = 4;
const EPOCHS: usize = 4;

fn data(input: InputShape) -> (Features, Targets) {
    let labels: Vec<u32> = (0..RECORDS).map(|i| (i * i % 3) as u32).collect();
    let targets = Targets::MultiClass { labels: labels.clone(), classes: 3 };
    if let InputShape::Bag { vocabulary } = input {
        let mut rows = SparseRows::default();
        for (i, label) in labels.iter().enumerate() {
            // The last row of the table is rare, so that averages and decays have to catch up.
            let other = if i == 5 { vocabulary as u32 - 1 } else { 3 };
            rows.push(&[*label, other], &[0.5, 0.5], 2);
        }
        return (Features::Sparse(rows), targets);
    }
    let mut rows = DenseRows::new(input.width());
    for (i, label) in labels.iter().enumerate() {
        let value = |j: usize| ((i * 31 + j * 7) as f32).sin() + *label as f32 * (j % 3) as f32;
        rows.push(&(0..input.width()).map(value).collect::<Vec<_>>());
    }
    (Features::Dense(rows), targets)
}

fn with_dropout(mut network: NetworkSpec) -> NetworkSpec {
    match &mut network {
        NetworkSpec::EmbeddingBag(bag) => bag.dense.dropout = 0.2,
        NetworkSpec::Mlp(mlp) => mlp.dense.dropout = 0.2,
        NetworkSpec::TextCnn(cnn) => cnn.dense.dropout = 0.2,
        NetworkSpec::ImageCnn(cnn) => cnn.dense.dropout = 0.2,
    }
    network
}

fn spec(network: NetworkSpec, optimizer: OptimizerSpec, schedule: ScheduleSpec) -> TrainerSpec {
    TrainerSpec {
        device: DeviceName::Cpu,
        network: with_dropout(network),
        optimizer,
        schedule,
        loss: Loss::default(),
        regularization: RegularizationSpec { ngram_dropout: 0.2, ..Default::default() },
        augmentation: AugmentationSpec::default(),
        epochs: EPOCHS,
        gradient: GradientSpec { batch_size: BATCH, ..GradientSpec::PLAIN },
        accumulate: 1,
        ema_decay: None,
        seed: 7,
        early_stopping: None,
        limits: Limits::default(),
        checkpoints: CheckpointSpec {
            every: Duration::from_secs(3_600),
            steps: Some(1),
            keep_last: true,
        },
        start: None,
    }
}

/// All that can be done to a step.
fn shaped(plain: TrainerSpec) -> TrainerSpec {
    TrainerSpec {
        gradient: GradientSpec {
            batch_size: BATCH / 2,
            l1: 0.001,
            l2: 0.01,
            clip_norm: Some(0.2),
            clip_value: Some(0.05),
        },
        accumulate: 2,
        ema_decay: Some(0.9),
        ..plain
    }
}

/// Measures what it is given by epoch, keeps the last checkpoint, and may die.
struct Witness {
    rows: Features,
    values: Vec<f64>,
    target: f64,
    dies_after: Option<usize>,
    seen: usize,
    /// Step, epoch, bits of the loss (which may be no number) and rate.
    steps: Vec<(u64, usize, u32, f64)>,
    /// Epoch, step, mean loss, and bits of an output.
    epochs: Vec<(usize, u64, f64, u32)>,
    last: Option<Vec<u8>>,
}

impl Witness {
    fn new(input: InputShape, values: &[f64]) -> Self {
        Self {
            rows: data(input).0,
            values: values.to_vec(),
            target: 0.05,
            dies_after: None,
            seen: 0,
            steps: Vec::new(),
            epochs: Vec::new(),
            last: None,
        }
    }
}

impl Monitor for Witness {
    fn step(&mut self, report: &StepReport) {
        self.seen += 1;
        self.steps.truncate(report.step as usize - 1);
        self.steps.push((report.step, report.epoch, report.loss.to_bits(), report.learning_rate));
    }
    fn epoch(&mut self, report: &EpochReport, network: View<'_>) -> Option<Measured> {
        let output = network.evaluate(self.rows.row(0)).1[0].to_bits();
        self.epochs.truncate(report.epoch - 1);
        self.epochs.push((report.epoch, report.step, report.train_loss, output));
        let value = *self.values.get(report.epoch - 1)?;
        Some(Measured { value, good_enough: value <= self.target })
    }
    fn checkpoint(&mut self, _: usize, _: u64, state: Arrays) {
        self.last = Some(state.to_bytes().unwrap());
    }
    fn interrupt(&self) -> Interrupt {
        match self.dies_after {
            Some(steps) if self.seen >= steps => Interrupt::Abort,
            _ => Interrupt::None,
        }
    }
}

fn run(
    spec: &TrainerSpec,
    (input, source): (InputShape, &dyn Source),
    witness: &mut Witness,
) -> Result<Outcome, LearnError> {
    let (_, targets) = data(input);
    let resume = witness.last.as_ref().map(|bytes| Arrays::from_bytes(bytes).unwrap());
    let clock = ManualClock::at(0);
    train(spec, (source, &targets), input, clock.as_ref(), witness, resume.as_ref())
}

/// Kills a training at random steps until it ends; compares it with one that was left alone.
fn survives(spec: &TrainerSpec, input: InputShape, values: &[f64], draw: &mut impl Rng) {
    survives_on(spec, (input, &data(input).0), values, draw);
}

/// The same on records of a source.
fn survives_on(
    spec: &TrainerSpec,
    (input, source): (InputShape, &dyn Source),
    values: &[f64],
    draw: &mut impl Rng,
) -> Outcome {
    let mut whole = Witness::new(input, values);
    let expected = run(spec, (input, source), &mut whole).unwrap();
    let mut killed = Witness::new(input, values);
    let mut kills = 0;
    let outcome = loop {
        let every = 1 + draw.next_u64() % 4;
        let checkpoints = CheckpointSpec { steps: Some(every), ..spec.checkpoints };
        // At least one checkpoint further.
        killed.dies_after = Some((every + draw.next_u64() % 8) as usize);
        killed.seen = 0;
        let spec = TrainerSpec { checkpoints, ..spec.clone() };
        match run(&spec, (input, source), &mut killed) {
            Ok(outcome) => break outcome,
            Err(LearnError::Interrupted) => kills += 1,
            Err(other) => panic!("{other}: {spec:?}"),
        }
    };
    assert!(kills > 0);
    assert_eq!(outcome.network, expected.network, "{spec:?}");
    assert_eq!(
        (outcome.best_epoch, outcome.epochs, outcome.steps, outcome.reason),
        (expected.best_epoch, expected.epochs, expected.steps, expected.reason)
    );
    assert_eq!(killed.steps, whole.steps, "{spec:?}");
    assert_eq!(killed.epochs, whole.epochs, "{spec:?}");
    outcome
}

/// Records that are others in every epoch, as texts are that are changed before they become features.
struct Anew(InputShape);

impl Source for Anew {
    fn records(&self) -> usize {
        RECORDS
    }

    fn epoch(&self, epoch: usize) -> Cow<'_, Features> {
        let mut rows = SparseRows::default();
        for i in 0..RECORDS {
            let id = (i * (epoch + 1)) % self.0.width();
            rows.push(&[id as u32], &[0.5 + epoch as f32], 1 + epoch as u32);
        }
        Cow::Owned(Features::Sparse(rows))
    }
}

#[test]
fn every_network_of_texts_that_are_read_anew_in_every_epoch() {
    let mut draw = random::stream(3, "kills");
    let texts = |(_, input): &(NetworkSpec, InputShape)| matches!(input, InputShape::Bag { .. });
    let mut seen = 0;
    for (network, input) in networks().into_iter().filter(texts) {
        let spec = spec(network, OptimizerSpec::default(), ScheduleSpec::default());
        let values = [3.0, 2.0, 1.5, 1.0];
        for spec in [spec.clone(), shaped(spec)] {
            let anew = survives_on(&spec, (input, &Anew(input)), &values, &mut draw);
            let first = Anew(input).epoch(0).into_owned();
            let plain = survives_on(&spec, (input, &first), &values, &mut draw);
            assert_ne!(anew.network, plain.network, "the first epoch's records trained all");
        }
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn every_network_with_every_optimizer() {
    let mut draw = random::stream(1, "kills");
    let warmup = Warmup { steps: Some(5), ..Warmup::default() };
    let mut schedules = every_schedule(Some(warmup)).into_iter().cycle();
    for (network, input) in networks() {
        for (i, optimizer) in every_setting().into_iter().enumerate() {
            let plain = spec(network.clone(), optimizer, schedules.next().unwrap());
            let spec = if i % 2 == 0 { plain } else { shaped(plain) };
            survives(&spec, input, &[3.0, 2.0, 2.5, 1.0], &mut draw);
        }
    }
}

#[test]
fn every_schedule_with_every_kind_of_end() {
    let mut draw = random::stream(2, "kills");
    let stop = EarlyStopping { metric: StoppingMetric::LogLoss, patience: 1, min_delta: 0.1 };
    let (network, input) = networks().into_iter().find(|(n, _)| n.name() == "mlp").unwrap();
    for warmup in [None, Some(Warmup { steps: Some(7), ..Warmup::default() })] {
        for schedule in every_schedule(warmup) {
            let plain = spec(network.clone(), OptimizerSpec::default(), schedule);
            // All epochs, with and without anything measured.
            survives(&plain, input, &[3.0, 3.0, 3.0, 1.0], &mut draw);
            survives(&plain, input, &[], &mut draw);
            // The second epoch is the best, and patience ends it after the third.
            let patient = TrainerSpec { early_stopping: Some(stop.clone()), ..plain.clone() };
            survives(&patient, input, &[3.0, 2.0, 1.95, 0.1], &mut draw);
            // The target is reached by the second.
            survives(&plain, input, &[3.0, 0.04, 2.0, 0.1], &mut draw);
            // In the midst of the third.
            let limits = Limits { max_steps: Some(15), ..Limits::default() };
            let limited = TrainerSpec { limits, ..plain.clone() };
            survives(&limited, input, &[3.0, 2.0, 1.0], &mut draw);
        }
    }
}

/// Trains to shorter ends, goes on from what those left, and compares with a training that went all
/// the way.
fn extends(whole: &TrainerSpec, ends: &[TrainerSpec], input: InputShape, values: &[f64]) {
    let (rows, _) = data(input);
    let given = (input, &rows as &dyn Source);
    let bytes = |last: Option<Arrays>| last.map(|state| state.to_bytes().unwrap());
    let mut longer = Witness::new(input, values);
    let expected = run(whole, given, &mut longer).unwrap();
    let state_at_end = bytes(expected.last);
    for short in ends {
        let mut extended = Witness::new(input, values);
        let first = run(short, given, &mut extended).unwrap();
        // Some settings are made to diverge; what did leaves no state.
        assert_eq!(first.last.is_none(), first.reason == EndReason::Diverged, "{short:?}");
        let Some(state) = first.last else { continue };
        assert!(first.steps < expected.steps, "{short:?}");
        // A part of an epoch was measured as if it were whole; it is not, any more.
        let (epochs, _) = super::trainer::position(&state).unwrap();
        extended.epochs.truncate(epochs as usize);
        extended.last = Some(state.to_bytes().unwrap());
        let outcome = run(whole, given, &mut extended).unwrap();
        assert_eq!(outcome.network, expected.network, "{short:?}");
        assert_eq!((outcome.best_epoch, outcome.epochs), (expected.best_epoch, expected.epochs));
        assert_eq!((outcome.steps, outcome.reason), (expected.steps, expected.reason));
        assert_eq!((&extended.steps, &extended.epochs), (&longer.steps, &longer.epochs));
        assert!(bytes(outcome.last) == state_at_end, "the state itself: {short:?}");
    }
}

#[test]
fn extended_trainings_end_like_longer_ones() {
    let values = [3.0, 2.0, 2.5, 1.0];
    let warmup = Warmup { steps: Some(5), ..Warmup::default() };
    let of_steps = |schedule: &ScheduleSpec| !schedule.depends_on_length();
    let mut schedules = every_schedule(Some(warmup)).into_iter().filter(of_steps).cycle();
    for (network, input) in networks() {
        for (i, optimizer) in every_setting().into_iter().enumerate() {
            let plain = spec(network.clone(), optimizer, schedules.next().unwrap());
            let whole = if i % 2 == 0 { plain } else { shaped(plain) };
            // Only the last state is gone on from.
            let checkpoints = CheckpointSpec { steps: None, ..whole.checkpoints };
            let whole = TrainerSpec { checkpoints, ..whole };
            // After the second epoch; within the third; again after the second, by steps.
            let ended_after = |steps| {
                let limits = Limits { max_steps: Some(steps), ..Limits::default() };
                TrainerSpec { limits, ..whole.clone() }
            };
            let by_epochs = TrainerSpec { epochs: 2, ..whole.clone() };
            let ends = [by_epochs, ended_after(6 * 2 + 2), ended_after(6 * 2)];
            extends(&whole, &ends, input, &values);
        }
    }
}

#[test]
fn patience_begins_anew_where_it_ended_a_training() {
    let stop = EarlyStopping { metric: StoppingMetric::LogLoss, patience: 1, min_delta: 0.1 };
    let (network, input) = networks().swap_remove(1);
    let plain = spec(network, OptimizerSpec::default(), ScheduleSpec::default());
    let spec = TrainerSpec { early_stopping: Some(stop), ..plain };
    let (rows, _) = data(input);
    let given = (input, &rows as &dyn Source);
    let mut witness = Witness::new(input, &[2.0, 2.0, 1.0, 1.0]);
    let first = run(&spec, given, &mut witness).unwrap();
    assert_eq!((first.reason, first.epochs), (EndReason::EarlyStopping, 2));
    witness.last = Some(first.last.unwrap().to_bytes().unwrap());
    let second = run(&spec, given, &mut witness).unwrap();
    assert_eq!((second.reason, second.epochs), (EndReason::EarlyStopping, 4));
    assert_eq!(second.best_epoch, Some(3));
}

#[test]
fn a_state_of_every_step_is_the_state_of_a_resumed_run() {
    struct All(Vec<(u64, Vec<u8>)>);
    impl Monitor for All {
        fn step(&mut self, _: &StepReport) {}
        fn epoch(&mut self, report: &EpochReport, _: View<'_>) -> Option<Measured> {
            Some(Measured { value: 1.0 / report.epoch as f64, good_enough: false })
        }
        fn checkpoint(&mut self, _: usize, step: u64, state: Arrays) {
            self.0.push((step, state.to_bytes().unwrap()));
        }
        fn interrupt(&self) -> Interrupt {
            Interrupt::None
        }
    }
    let (network, input) = networks().swap_remove(1);
    let plain = spec(network, OptimizerSpec::default(), ScheduleSpec::default());
    for spec in [plain.clone(), shaped(plain)] {
        let (rows, targets) = data(input);
        let states = |resume: Option<&Arrays>| {
            let mut all = All(Vec::new());
            let clock = ManualClock::at(0);
            train(&spec, (&rows, &targets), input, clock.as_ref(), &mut all, resume).unwrap();
            all.0
        };
        let whole = states(None);
        // After every step, but for the last.
        assert_eq!(whole.len(), EPOCHS * RECORDS.div_ceil(BATCH) - 1);
        for (done, (step, state)) in whole.iter().enumerate() {
            assert_eq!(*step, done as u64 + 1);
            let rest = states(Some(&Arrays::from_bytes(state).unwrap()));
            assert!(rest == whole[done + 1..], "after step {step}: {spec:?}");
        }
    }
}

#[test]
fn time_before_a_kill_counts() {
    let (network, input) = networks().swap_remove(0);
    let limits = Limits { max_time: Some(Duration::from_secs(10)), ..Limits::default() };
    let plain = spec(network, OptimizerSpec::default(), ScheduleSpec::default());
    let spec = TrainerSpec { limits, ..plain };
    let (rows, targets) = data(input);
    let clock = ManualClock::at(0);
    struct Ticking<'a>(Witness, &'a ManualClock);
    impl Monitor for Ticking<'_> {
        fn step(&mut self, report: &StepReport) {
            self.1.advance(Duration::from_secs(2));
            self.0.step(report);
        }
        fn epoch(&mut self, report: &EpochReport, network: View<'_>) -> Option<Measured> {
            self.0.epoch(report, network)
        }
        fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays) {
            self.0.checkpoint(epoch, step, state);
        }
        fn interrupt(&self) -> Interrupt {
            self.0.interrupt()
        }
    }
    let witness = Witness { dies_after: Some(3), ..Witness::new(input, &[]) };
    let mut ticking = Ticking(witness, &clock);
    let data: (&dyn Source, &Targets) = (&rows, &targets);
    let killed = train(&spec, data, input, clock.as_ref(), &mut ticking, None);
    assert!(matches!(killed, Err(LearnError::Interrupted)));
    let state = Arrays::from_bytes(&ticking.0.last.take().unwrap()).unwrap();
    ticking.0.dies_after = None;
    // A pause does not count.
    clock.advance(Duration::from_secs(100));
    let outcome = train(&spec, data, input, clock.as_ref(), &mut ticking, Some(&state)).unwrap();
    assert_eq!((outcome.reason, outcome.steps, outcome.epochs), (EndReason::MaxSeconds, 5, 1));
}

#[cfg(feature = "cuda")]
#[path = "device_tests.rs"]
mod on_gpus;
