use super::*;
use crate::clock::ManualClock;
use crate::learn::augment::AugmentationSpec;
use crate::learn::device::DeviceName;
use crate::learn::gradient::GradientSpec;
use crate::learn::loss::{Loss, LossSpec};
use crate::learn::network::{DenseSpec, MlpSpec, NetworkSpec, View};
use crate::learn::optimizer::{OptimizerSpec, SgdSpec};
use crate::learn::regularize::RegularizationSpec;
use crate::learn::rows::{DenseRows, Features};
use crate::learn::schedule::{ConstantSchedule, ScheduleSpec};
use crate::learn::stopping::Limits;
use crate::learn::trainer::{CheckpointSpec, EpochReport, Measured, Monitor, train};
use crate::random::RngCore;

const RECORDS: usize = 64;
const INPUT: InputShape = InputShape::Vector { width: 1 };

/// y = 3x / scale for x of the mean 0 and the standard deviation `scale`: the second derivatives of
/// the mean squared error of wx + b are 2 scale² by w and 2 by b.
fn line(scale: f32) -> (Features, Targets) {
    let mut rows = DenseRows::new(1);
    let mut wanted = Vec::new();
    for i in 0..RECORDS {
        let x = if i % 2 == 0 { 1.0 } else { -1.0 };
        rows.push(&[x * scale]);
        wanted.push(3.0 * x);
    }
    (Features::Dense(rows), Targets::Values { values: wanted, outputs: 1 })
}

fn spec(batch_size: usize, loss: Loss, hidden: &[usize]) -> TrainerSpec {
    let sgd = SgdSpec { momentum: 0.0, ..SgdSpec::default() };
    TrainerSpec {
        device: DeviceName::Cpu,
        network: NetworkSpec::Mlp(MlpSpec { dense: DenseSpec::hidden(hidden) }),
        optimizer: OptimizerSpec::Sgd(sgd),
        schedule: ScheduleSpec::Constant(ConstantSchedule::default()),
        loss,
        regularization: RegularizationSpec::default(),
        augmentation: AugmentationSpec::default(),
        epochs: 30,
        gradient: GradientSpec { batch_size, ..GradientSpec::PLAIN },
        accumulate: 1,
        ema_decay: None,
        seed: 5,
        early_stopping: None,
        limits: Limits::default(),
        checkpoints: CheckpointSpec::default(),
        start: None,
    }
}

fn squared(targets: &Targets) -> Loss {
    LossSpec::Mse.prepare(&[], targets).unwrap()
}

fn test_of(
    spec: &TrainerSpec,
    range: &RangeTestSpec,
    (rows, targets): &(Features, Targets),
) -> RangeTestReport {
    let clock = ManualClock::at(0);
    let mut watch = Watch { seen: 0, ends: None };
    let data: (&dyn Source, &Targets) = (rows, targets);
    let tested = range_test((spec, range), data, INPUT, clock.as_ref(), &mut watch).unwrap();
    assert_eq!((tested.steps, tested.stopped), (watch.seen, false));
    tested.report
}

/// Counts steps, and asks for an end after some.
struct Watch {
    seen: u64,
    ends: Option<(u64, Interrupt)>,
}

impl RangeMonitor for Watch {
    fn step(&mut self, report: &StepReport) {
        self.seen = report.step;
    }
    fn interrupt(&self) -> Interrupt {
        match self.ends {
            Some((after, interrupt)) if self.seen >= after => interrupt,
            _ => Interrupt::None,
        }
    }
}

/// Mean loss of the last of 30 epochs at a constant rate; infinite where training diverges.
fn loss_at(rate: f64, spec: &TrainerSpec, (rows, targets): &(Features, Targets)) -> f64 {
    struct Last(f64);
    impl Monitor for Last {
        fn step(&mut self, _: &StepReport) {}
        fn epoch(&mut self, report: &EpochReport, _: View<'_>) -> Option<Measured> {
            self.0 = report.train_loss;
            None
        }
        fn checkpoint(&mut self, _: usize, _: u64, _: crate::arrays::Arrays) {}
        fn interrupt(&self) -> Interrupt {
            Interrupt::None
        }
    }
    let mut spec = spec.clone();
    match &mut spec.optimizer {
        OptimizerSpec::Sgd(sgd) => sgd.learning_rate = rate,
        OptimizerSpec::Adam(adam) => adam.learning_rate = rate,
        other => panic!("{other:?}"),
    }
    let (clock, mut last) = (ManualClock::at(0), Last(f64::INFINITY));
    match train(&spec, (rows, targets), INPUT, clock.as_ref(), &mut last, None) {
        Ok(outcome) if outcome.epochs == spec.epochs => last.0,
        Ok(_) | Err(LearnError::Diverged { .. }) => f64::INFINITY,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn gradient_descent_on_a_parabola_is_stable_below_two_by_its_curvature() {
    for scale in [1.0f32, 3.0, 10.0] {
        let data = line(scale);
        let spec = spec(RECORDS, squared(&data.1), &[]);
        let limit = 2.0 / (2.0 * f64::from(scale * scale));
        let found = test_of(&spec, &RangeTestSpec::default(), &data);
        let diverged = found.diverged_at.unwrap();
        // It takes some steps beyond the limit until what was small has exploded.
        assert!((limit..10.0 * limit).contains(&diverged), "{scale}: {diverged} {limit}");
        let rate = found.suggestion.unwrap();
        assert!((0.02 * limit..limit).contains(&rate), "{scale}: {rate} {limit}");
        // And with it one learns, as one does not with a hundredth or far more.
        let losses = [rate / 100.0, rate, 50.0 * rate].map(|rate| loss_at(rate, &spec, &data));
        assert!(losses[1] < 0.5 * losses[0] && losses[1] < losses[2], "{scale}: {losses:?}");
    }
}

#[test]
fn suggestions_scale_with_the_problem() {
    let suggestion = |scale: f32| {
        let data = line(scale);
        let spec = spec(RECORDS, squared(&data.1), &[]);
        test_of(&spec, &RangeTestSpec { low: 1e-7, ..Default::default() }, &data).suggestion
    };
    let ratio = suggestion(2.0).unwrap() / suggestion(20.0).unwrap();
    // The curvature differs by a hundred; neighbouring rates by a fifth.
    assert!((60.0..170.0).contains(&ratio), "{ratio}");
}

/// Two classes that overlap, in mini-batches, with Adam.
fn classes(signal: f32) -> (Features, Targets) {
    let mut rows = DenseRows::new(1);
    let mut labels = Vec::new();
    let mut draw = random::stream(1, "classes");
    let mut uniform = || (draw.next_u64() >> 40) as f32 / (1u64 << 24) as f32;
    for _ in 0..400 {
        let label = u32::from(uniform() < 0.5);
        let noise = uniform() + uniform() + uniform() - 1.5;
        rows.push(&[noise + signal * (label as f32 - 0.5)]);
        labels.push(label);
    }
    (Features::Dense(rows), Targets::Binary(labels))
}

#[test]
fn a_noisy_problem_is_learnt_at_the_suggestion() {
    let data = classes(2.0);
    let adam = TrainerSpec {
        optimizer: OptimizerSpec::default(),
        epochs: 3,
        ..spec(16, Loss::default(), &[8])
    };
    let found = test_of(&adam, &RangeTestSpec::default(), &data);
    let rate = found.suggestion.unwrap_or_else(|| panic!("{}", found.reason));
    assert!((1e-3..1.0).contains(&rate), "{rate}: {}", found.reason);
    let losses = [rate / 100.0, rate].map(|rate| loss_at(rate, &adam, &data));
    assert!(losses[1] < 0.7 * losses[0], "{losses:?}");
    // The same again, to the bit.
    assert_eq!(test_of(&adam, &RangeTestSpec::default(), &data), found);
}

#[test]
fn where_there_is_nothing_to_learn_nothing_is_suggested() {
    let mut suggested = 0;
    for seed in 0..20 {
        let data = classes(0.0);
        // Batches of one: all noise.
        let spec = TrainerSpec { seed, ..spec(1, Loss::default(), &[]) };
        let found = test_of(&spec, &RangeTestSpec { high: 0.1, ..Default::default() }, &data);
        suggested += usize::from(found.suggestion.is_some());
    }
    assert!(suggested <= 1, "{suggested} of 20");
}

#[test]
fn a_range_that_shows_no_end_is_said_to() {
    let data = line(1.0);
    let spec = spec(RECORDS, squared(&data.1), &[]);
    let none = |low: f64, high: f64, word: &str| {
        let found = test_of(&spec, &RangeTestSpec { low, high, steps: 60 }, &data);
        assert_eq!(found.suggestion, None, "{low} {high}: {}", found.reason);
        assert!(found.reason.contains(word), "{low} {high}: {}", found.reason);
    };
    none(1e-6, 1e-2, "raise high");
    none(5.0, 500.0, "lower low");
    none(1e-12, 1e-10, "does not fall");
}

#[test]
fn rates_rise_exponentially_and_losses_are_smoothed_as_documented() {
    let range = RangeTestSpec { low: 1e-4, high: 1.0, steps: 21 };
    let mut curve = Curve::new(&range);
    for (step, loss) in [1.0, 2.0, 4.0].into_iter().enumerate() {
        assert!(!curve.explodes(range.rate(step), loss));
    }
    assert!((range.rate(0) - 1e-4).abs() < 1e-18 && (range.rate(20) - 1.0).abs() < 1e-12);
    assert!((range.rate(5) - 1e-3).abs() < 1e-12);
    let smoothed = (0.81 + 0.9 * 2.0 + 4.0) / (0.81 + 0.9 + 1.0);
    assert!((curve.points[2].smoothed - smoothed).abs() < 1e-12);
    assert!(curve.explodes(0.5, f64::NAN));
    let report = curve.report();
    assert_eq!((report.diverged_at, report.curve.len()), (Some(0.5), 3));
    assert!(report.reason.contains("too early"), "{}", report.reason);
}

#[test]
fn windows_have_the_line_of_least_squares() {
    let point = |x: f64, loss| RangePoint { learning_rate: x.exp(), loss, smoothed: loss };
    let window = Window::of(&[point(0.0, 5.0), point(1.0, 2.0), point(2.0, 1.0)]);
    assert!((window.slope + 2.0).abs() < 1e-12 && (window.mean - 8.0 / 3.0).abs() < 1e-12);
    // Residuals of 1/3, -2/3 and 1/3, with one degree of freedom.
    assert!((window.residual - 6.0 / 9.0).abs() < 1e-12);
    assert!((window.rate - 1f64.exp()).abs() < 1e-12);
}

#[test]
fn a_test_that_is_stopped_has_the_curve_so_far() {
    let data = line(1.0);
    let spec = spec(RECORDS, squared(&data.1), &[]);
    let (clock, range) = (ManualClock::at(0), RangeTestSpec::default());
    let run = |what: Interrupt| {
        let mut watch = Watch { seen: 0, ends: Some((7, what)) };
        let data: (&dyn Source, &Targets) = (&data.0, &data.1);
        range_test((&spec, &range), data, INPUT, clock.as_ref(), &mut watch)
    };
    let RangeTested { report, steps, stopped } = run(Interrupt::Stop).unwrap();
    assert_eq!((report.curve.len(), report.suggestion), (7, None));
    assert!(steps == 7 && stopped && report.reason.contains("too few steps"));
    assert!(matches!(run(Interrupt::Abort), Err(LearnError::Interrupted)));
}
