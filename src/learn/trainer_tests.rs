use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::learn::network::{DenseSpec, EmbeddingBagSpec};
use crate::learn::optimizer::AdamSpec;
use crate::learn::rows::{Features, Row, SparseRow, SparseRows};
use crate::learn::stopping::StoppingMetric;

/// Two classes that single features give away, with some noise features.
const INPUT: InputShape = InputShape::Bag { vocabulary: 15 };

fn data(records: usize) -> (Features, Targets) {
    let mut rows = SparseRows::default();
    let mut labels = Vec::new();
    for i in 0..records {
        let label = (i % 2) as u32;
        let noise = 2 + (i * 7 % 13) as u32;
        rows.push(&[label, noise], &[0.5, 0.5], 2);
        labels.push(label);
    }
    (Features::Sparse(rows), Targets::Binary(labels))
}

fn spec(epochs: usize) -> TrainerSpec {
    let dense = DenseSpec { dropout: 0.1, ..DenseSpec::hidden(&[4]) };
    let bag = EmbeddingBagSpec { dimension: 8, dense, ..EmbeddingBagSpec::default() };
    TrainerSpec {
        device: DeviceName::Cpu,
        network: NetworkSpec::EmbeddingBag(bag),
        optimizer: OptimizerSpec::default(),
        schedule: ScheduleSpec::default(),
        loss: Loss::default(),
        regularization: RegularizationSpec { ngram_dropout: 0.2, ..Default::default() },
        augmentation: AugmentationSpec::default(),
        epochs,
        gradient: GradientSpec { batch_size: 8, ..GradientSpec::PLAIN },
        accumulate: 1,
        ema_decay: None,
        seed: 3,
        early_stopping: None,
        limits: Limits::default(),
        checkpoints: CheckpointSpec::default(),
        start: None,
    }
}

/// Returns prepared values at the ends of epochs and notes what it hears.
struct Script {
    values: Vec<Option<f64>>,
    interrupt_at: Option<(u64, Interrupt)>,
    /// The value that is good enough.
    target: f64,
    /// A clock, and what it moves on by in every step.
    clock: (Arc<ManualClock>, Duration),
    steps: Vec<StepReport>,
    checkpoints: Vec<(usize, Arrays)>,
}

impl Script {
    fn new(values: &[f64]) -> Self {
        let values = values.iter().map(|v| Some(*v)).collect();
        Self {
            values,
            interrupt_at: None,
            target: f64::NEG_INFINITY,
            clock: (ManualClock::at(0), Duration::ZERO),
            steps: Vec::new(),
            checkpoints: Vec::new(),
        }
    }
}

impl Monitor for Script {
    fn step(&mut self, report: &StepReport) {
        self.steps.push(*report);
        self.clock.0.advance(self.clock.1);
    }
    fn epoch(&mut self, report: &EpochReport, _: View<'_>) -> Option<Measured> {
        let value = self.values.get(report.epoch - 1).copied().flatten()?;
        Some(Measured { value, good_enough: value <= self.target })
    }
    fn checkpoint(&mut self, epoch: usize, _: u64, state: Arrays) {
        self.checkpoints.push((epoch, state));
    }
    fn interrupt(&self) -> Interrupt {
        match self.interrupt_at {
            Some((step, interrupt)) if self.steps.len() as u64 >= step => interrupt,
            _ => Interrupt::None,
        }
    }
}

fn run(spec: &TrainerSpec, script: &mut Script, resume: Option<&Arrays>) -> Outcome {
    let (rows, targets) = data(50);
    let clock = script.clock.0.clone();
    train(spec, (&rows, &targets), INPUT, clock.as_ref(), script, resume).unwrap()
}

#[test]
fn parameters_that_the_last_step_broke_are_no_model() {
    // One step of a huge learning rate, and nothing that would measure what it left.
    let (rows, targets) = data(50);
    let clock = ManualClock::at(0);
    let adam = AdamSpec { learning_rate: 1e300, ..AdamSpec::default() };
    let spec = TrainerSpec {
        optimizer: OptimizerSpec::Adam(adam),
        gradient: GradientSpec { batch_size: 50, ..GradientSpec::PLAIN },
        early_stopping: None,
        ..spec(1)
    };
    let mut silent = Script::new(&[]);
    let ended = train(&spec, (&rows, &targets), INPUT, clock.as_ref(), &mut silent, None);
    assert!(matches!(ended, Err(LearnError::Diverged { .. })), "{:?}", ended.map(|o| o.reason));
}

#[test]
fn early_stopping_by_a_table() {
    /// (patience, min_delta, values) -> (epochs, best epoch, reason)
    type Row<'a> = (usize, f64, &'a [f64], usize, usize, EndReason);
    let table: &[Row<'_>] = &[
        (1, 0.0, &[3.0, 2.0, 2.5, 1.0], 3, 2, EndReason::EarlyStopping),
        (2, 0.0, &[3.0, 2.0, 2.5, 1.0, 0.9, 0.8], 6, 6, EndReason::Epochs),
        (2, 0.0, &[3.0, 2.0, 2.0, 2.0, 1.0], 4, 2, EndReason::EarlyStopping),
        (1, 0.6, &[3.0, 2.0, 1.5, 0.1], 3, 2, EndReason::EarlyStopping),
        (1, 0.0, &[f64::INFINITY, f64::NAN], 2, 1, EndReason::EarlyStopping),
    ];
    for (patience, min_delta, values, epochs, best, reason) in table {
        let stop = EarlyStopping {
            metric: StoppingMetric::LogLoss,
            patience: *patience,
            min_delta: *min_delta,
        };
        let spec = TrainerSpec { early_stopping: Some(stop), ..spec(6) };
        let outcome = run(&spec, &mut Script::new(values), None);
        assert_eq!((outcome.epochs, outcome.reason), (*epochs, *reason), "{values:?}");
        assert_eq!(outcome.best_epoch, Some(*best), "{values:?}");
    }
}

#[test]
fn the_best_epoch_is_kept_and_not_the_last() {
    let mut long = Script::new(&[1.0, 0.5, 2.0, 3.0]);
    let outcome = run(&spec(4), &mut long, None);
    let at_two = Frozen::load(&spec(4).network, INPUT, 1, &long.checkpoints[1].1.under("network."));
    assert_eq!(outcome.network, at_two.unwrap());
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let outcome = |seed| run(&TrainerSpec { seed, ..spec(3) }, &mut Script::new(&[]), None);
    assert_eq!(outcome(3).network, outcome(3).network);
    assert_ne!(outcome(3).network, outcome(4).network);
}

#[test]
fn averages_are_what_is_measured_and_kept() {
    struct Seen(Vec<Vec<f32>>);
    impl Monitor for Seen {
        fn step(&mut self, _: &StepReport) {}
        fn epoch(&mut self, _: &EpochReport, network: View<'_>) -> Option<Measured> {
            let row = SparseRow { ids: &[0, 3], weights: &[0.5, 0.5], size: 2 };
            self.0.push(network.evaluate(Row::Sparse(row)).1);
            // The second epoch is the best.
            let value = [2.0, 1.0, 3.0][self.0.len() - 1];
            Some(Measured { value, good_enough: false })
        }
        fn checkpoint(&mut self, _: usize, _: u64, _: Arrays) {}
        fn interrupt(&self) -> Interrupt {
            Interrupt::None
        }
    }
    let (rows, targets) = data(50);
    let run = |ema_decay| {
        let spec = TrainerSpec { ema_decay, ..spec(3) };
        let mut seen = Seen(Vec::new());
        let clock = ManualClock::at(0);
        let ended =
            train(&spec, (&rows, &targets), INPUT, clock.as_ref(), &mut seen, None).unwrap();
        let row = SparseRow { ids: &[0, 3], weights: &[0.5, 0.5], size: 2 };
        assert_eq!(ended.network.view().evaluate(Row::Sparse(row)).1, seen.0[1]);
        seen.0
    };
    let (raw, averaged) = (run(None), run(Some(0.99)));
    // What is averaged lags behind what it averages.
    assert!(averaged[2][0].abs() < raw[2][0].abs(), "{averaged:?} {raw:?}");
    // And hardly so where the past counts for nothing.
    let nearly = run(Some(1e-6));
    assert!((nearly[2][0] - raw[2][0]).abs() < 1e-4);
}

#[test]
fn a_run_that_is_resumed_and_stopped_at_once_keeps_its_average() {
    let spec = TrainerSpec { ema_decay: Some(0.9), ..spec(3) };
    let mut whole = Script::new(&[]);
    run(&spec, &mut whole, None);
    let (_, state) = &whole.checkpoints[1];
    let mut stopped = Script::new(&[]);
    stopped.interrupt_at = Some((0, Interrupt::Stop));
    let outcome = run(&spec, &mut stopped, Some(state));
    let average = state.under("average.").get::<f32>("embedding.weight").unwrap().to_vec();
    assert_eq!(outcome.network.parts().0, average);
    assert_ne!(state.under("network.").get::<f32>("embedding.weight").unwrap(), average);
}

#[test]
fn accumulated_batches_are_a_step_of_all_their_records() {
    let run_with = |batch_size, accumulate| {
        let gradient = GradientSpec { batch_size, ..GradientSpec::PLAIN };
        let mut spec = TrainerSpec { gradient, accumulate, ..spec(3) };
        // What dropout leaves out differs by batch.
        if let NetworkSpec::EmbeddingBag(bag) = &mut spec.network {
            bag.dense.dropout = 0.0;
        }
        let mut script = Script::new(&[]);
        (run(&spec, &mut script, None), script.steps)
    };
    // 50 records: two steps of 21 and one of 8; the last batch is smaller than the others.
    let ((whole, steps), (parts, partial)) = (run_with(21, 1), run_with(7, 3));
    assert_eq!((whole.steps, parts.steps), (9, 9));
    for (a, b) in steps.iter().zip(&partial) {
        assert!((a.loss - b.loss).abs() < 1e-5 && a.learning_rate == b.learning_rate);
    }
    let flat = |outcome: &Outcome| outcome.network.parts().0.to_vec();
    for (a, b) in flat(&whole).iter().zip(flat(&parts)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn stopping_keeps_the_best_and_aborting_keeps_nothing() {
    let mut script = Script::new(&[1.0, 2.0]);
    script.interrupt_at = Some((10, Interrupt::Stop));
    let outcome = run(&spec(50), &mut script, None);
    assert_eq!((outcome.reason, outcome.steps), (EndReason::Stopped, 10));
    assert_eq!(outcome.best_epoch, Some(1));

    // Asked to stop before it began, training still does one batch: there is a model to keep.
    let mut early = Script::new(&[]);
    early.interrupt_at = Some((0, Interrupt::Stop));
    assert_eq!(run(&spec(50), &mut early, None).steps, 1);

    let (rows, targets) = data(50);
    let mut abort = Script::new(&[]);
    abort.interrupt_at = Some((3, Interrupt::Abort));
    let clock = ManualClock::at(0);
    let ended = train(&spec(9), (&rows, &targets), INPUT, clock.as_ref(), &mut abort, None);
    assert!(matches!(ended, Err(LearnError::Interrupted)));
    assert_eq!(abort.steps.len(), 3);
}

#[test]
fn divergence_ends_the_run_and_not_the_process() {
    let adam = crate::learn::optimizer::AdamSpec { learning_rate: 1e38, ..Default::default() };
    let spec = TrainerSpec { optimizer: OptimizerSpec::Adam(adam), ..spec(5) };
    let (rows, targets) = data(50);
    let clock = ManualClock::at(0);
    let mut script = Script::new(&[]);
    let ended = train(&spec, (&rows, &targets), INPUT, clock.as_ref(), &mut script, None);
    assert!(matches!(ended, Err(LearnError::Diverged { .. })), "{ended:?}");
}

/// Steps of 50 records in batches of 8.
const EPOCH: u64 = 7;

#[test]
fn limits_end_training_by_a_table() {
    let values = [3.0, 2.0, 2.5, 1.0];
    let second = Duration::from_secs(1);
    // (steps, seconds) -> (steps, epochs, best epoch, reason)
    for (max_steps, max_seconds, steps, epochs, best, reason) in [
        (None, None, 28, 4, 4, EndReason::Epochs),
        (Some(28), None, 28, 4, 4, EndReason::Epochs),
        (Some(29), None, 28, 4, 4, EndReason::Epochs),
        // At the end of an epoch, in the midst of one, and after one step.
        (Some(21), None, 21, 3, 2, EndReason::MaxSteps),
        (Some(20), None, 20, 3, 2, EndReason::MaxSteps),
        (Some(1), None, 1, 1, 1, EndReason::MaxSteps),
        (None, Some(14), 14, 2, 2, EndReason::MaxSeconds),
        (None, Some(16), 16, 3, 2, EndReason::MaxSeconds),
        (None, Some(0), 1, 1, 1, EndReason::MaxSeconds),
        (Some(5), Some(9), 5, 1, 1, EndReason::MaxSteps),
    ] {
        let max_time = max_seconds.map(|seconds| second * seconds);
        let limits = Limits { max_steps, max_time, ..Limits::default() };
        let mut script = Script { clock: (ManualClock::at(0), second), ..Script::new(&values) };
        let outcome = run(&TrainerSpec { limits, ..spec(4) }, &mut script, None);
        let ended = (outcome.steps, outcome.epochs, outcome.best_epoch, outcome.reason);
        assert_eq!(ended, (steps, epochs, Some(best), reason), "{limits:?}");
        // Progress rises to the end that is nearest.
        let shares: Vec<f64> = script.steps.iter().map(|step| step.share).collect();
        assert!(shares.is_sorted(), "{shares:?}");
        if reason != EndReason::MaxSeconds {
            assert_eq!(shares.last(), Some(&1.0), "{limits:?}");
        } else if steps > 1 {
            assert!(*shares.last().unwrap() > 0.9, "{limits:?}: {shares:?}");
        }
    }
}

#[test]
fn a_schedule_ends_where_its_steps_do() {
    let rates = |max_steps| {
        let limits = Limits { max_steps, ..Limits::default() };
        let mut script = Script::new(&[]);
        run(&TrainerSpec { limits, ..spec(4) }, &mut script, None);
        script.steps.iter().map(|step| step.learning_rate).collect::<Vec<_>>()
    };
    let (all, ten) = (rates(None), rates(Some(10)));
    let share = |rates: &[f64]| rates[rates.len() - 1] / rates[0];
    assert!((share(&all) - 1.0 / 28.0).abs() < 1e-12 && (share(&ten) - 0.1).abs() < 1e-12);
}

#[test]
fn a_target_ends_training_with_the_epoch_that_reached_it() {
    let stop = EarlyStopping { metric: StoppingMetric::LogLoss, patience: 9, min_delta: 5.0 };
    let spec = TrainerSpec { early_stopping: Some(stop), ..spec(6) };
    // Not better than the first by what counts as an improvement, and yet what was wanted.
    let mut script = Script { target: 0.5, ..Script::new(&[3.0, 2.0, 0.4, 0.1]) };
    let outcome = run(&spec, &mut script, None);
    let ended = (outcome.epochs, outcome.best_epoch, outcome.reason);
    assert_eq!(ended, (3, Some(3), EndReason::Target));
}

/// Adam's rate, so that training goes well or badly.
fn rated(rate: f64, spec: TrainerSpec) -> TrainerSpec {
    let adam = AdamSpec { learning_rate: rate, ..AdamSpec::default() };
    let schedule = serde_json::from_str(r#"{"type": "constant"}"#).unwrap();
    TrainerSpec { optimizer: OptimizerSpec::Adam(adam), schedule, ..spec }
}

#[test]
fn what_was_learnt_before_an_explosion_is_kept() {
    // From the third epoch on, a rate at which nothing can be learnt.
    for (bad, values) in
        [(50.0, &[3.0, 2.0, 9.0, 9.0, 9.0][..]), (1e38, &[3.0, 2.0]), (50.0, &[]), (1e38, &[])]
    {
        let limits = Limits { divergence_factor: Some(2.0), ..Limits::default() };
        let good = TrainerSpec { limits, ..rated(0.01, spec(9)) };
        let mut before = Script::new(values);
        run(&TrainerSpec { epochs: 3, ..good.clone() }, &mut before, None);
        let (_, state) = &before.checkpoints[1];
        let second = Frozen::load(&good.network, INPUT, 1, &state.under("network.")).unwrap();
        let outcome = run(&rated(bad, good.clone()), &mut Script::new(values), Some(state));
        assert_eq!(outcome.reason, EndReason::Diverged, "{bad} {values:?}");
        assert_eq!(outcome.best_epoch, Some(2), "{bad} {values:?}");
        assert_eq!(outcome.network, second, "{bad} {values:?}");
        // Without a factor, only what is not finite ends training.
        let unlimited = TrainerSpec { limits: Limits::default(), ..rated(bad, good) };
        let outcome = run(&unlimited, &mut Script::new(values), Some(state));
        assert_eq!(outcome.reason == EndReason::Epochs, bad == 50.0, "{bad} {values:?}");
    }
}

#[test]
fn a_stop_between_epochs_ends_nothing_twice() {
    let mut script = Script::new(&[3.0, 2.0]);
    script.interrupt_at = Some((EPOCH, Interrupt::Stop));
    let outcome = run(&spec(9), &mut script, None);
    assert_eq!((outcome.epochs, outcome.steps), (1, EPOCH));
    assert_eq!((outcome.best_epoch, outcome.reason), (Some(1), EndReason::Stopped));
}

#[test]
fn checkpoints_by_time_and_by_steps() {
    let second = Duration::from_secs(1);
    let at = |every: u64, steps| {
        let checkpoints =
            CheckpointSpec { every: second * every as u32, steps, ..CheckpointSpec::default() };
        let spec = TrainerSpec { checkpoints, ..spec(3) };
        let mut script = Script { clock: (ManualClock::at(0), second), ..Script::new(&[]) };
        run(&spec, &mut script, None);
        let step = |(_, state): &(usize, Arrays)| state.get::<u64>("progress").unwrap()[1];
        script.checkpoints.iter().map(step).collect::<Vec<_>>()
    };
    assert_eq!(at(0, None), [7, 14]);
    assert_eq!(at(5, None), [5, 10, 15, 20]);
    assert_eq!(at(100, Some(6)), [6, 12, 18]);
    assert_eq!(at(100, Some(7)), [7, 14]);
    assert_eq!(at(0, Some(10)), [7, 10, 14, 20]);
    assert_eq!(at(100, None), [0; 0]);
}

#[test]
fn an_easy_problem_is_solved() {
    let spec = TrainerSpec { epochs: 60, ..spec(60) };
    let outcome = run(&spec, &mut Script::new(&[]), None);
    let logit = |id: u32| {
        let row = SparseRow { ids: &[id], weights: &[1.0], size: 1 };
        outcome.network.view().evaluate(Row::Sparse(row)).1[0]
    };
    assert!(logit(0) < -1.0 && logit(1) > 1.0, "{} {}", logit(0), logit(1));
}
