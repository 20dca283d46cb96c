//! What every schedule keeps.

use serde_json::{Value, json};

use super::*;
use crate::learn::choices::every_kind;

const STEPS: u64 = 120;
const EPOCH: u64 = 12;

/// Every kind as it comes, and those with settings that change their course.
pub(in crate::learn) fn every_schedule(warmup: Option<Warmup>) -> Vec<ScheduleSpec> {
    let more = [json!({"type": "cosine", "t_0": 2, "t_mult": 2, "min_factor": 0.1})];
    let with_warmup = |mut spec: Value| {
        spec["warmup"] = json!(warmup);
        if spec["type"] == "step" {
            // Often enough for these short trainings.
            spec["every"] = json!(3);
        }
        serde_json::from_value(spec).unwrap()
    };
    every_kind::<ScheduleSpec>().into_iter().chain(more).map(with_warmup).collect()
}

fn warmup() -> Warmup {
    Warmup { steps: Some(20), ..Warmup::default() }
}

/// The factor of every step where the validation metric never improves after the first epoch.
fn course(schedule: &mut Schedule, steps: std::ops::Range<u64>) -> Vec<f64> {
    let mut factors = Vec::new();
    for step in steps {
        factors.push(schedule.factor(step));
        if (step + 1) % EPOCH == 0 {
            schedule.measured(1.0);
        }
    }
    factors
}

#[test]
fn factors_are_shares_at_every_step_and_after() {
    for warmup in [None, Some(warmup())] {
        for spec in every_schedule(warmup) {
            let factors = course(&mut spec.start(STEPS, EPOCH), 0..2 * STEPS);
            assert!(factors.iter().all(|f| (0.0..=1.0).contains(f)), "{spec:?}: {factors:?}");
            assert!(factors.iter().any(|f| *f > 0.9), "{spec:?} never reaches the rate");
        }
    }
}

#[test]
fn all_but_the_constant_one_change_the_rate() {
    for spec in every_schedule(None) {
        let factors = course(&mut spec.start(STEPS, EPOCH), 0..STEPS);
        let constant = factors.iter().all(|f| *f == factors[0]);
        assert_eq!(constant, matches!(spec, ScheduleSpec::Constant(_)), "{spec:?}");
    }
}

/// LinearLR(start_factor=0.01, total_iters=20), then the schedule as if it began there.
#[test]
fn a_warm_up_rises_to_where_the_schedule_begins() {
    for (plain, warm) in every_schedule(None).into_iter().zip(every_schedule(Some(warmup()))) {
        let (plain, warm) = (plain.start(STEPS - 20, EPOCH), warm.start(STEPS, EPOCH));
        let begin = plain.factor(0);
        for step in 0..20 {
            let expected = begin * (0.01 + 0.99 * step as f64 / 20.0);
            assert!((warm.factor(step) - expected).abs() < 1e-15, "{step}");
        }
        for step in 20..STEPS {
            assert_eq!(warm.factor(step), plain.factor(step - 20));
        }
    }
}

#[test]
fn a_share_is_of_all_steps() {
    let share = Warmup { share: Some(0.25), ..Warmup::default() };
    assert_eq!((share.length(100), share.length(2), warmup().length(100)), (25, 1, 20));
    let whole = ScheduleSpec::Constant(ConstantSchedule { warmup: Some(share) });
    let schedule = whole.start(100, 10);
    assert!(schedule.factor(24) < 1.0 && schedule.factor(25) == 1.0);
}

#[test]
fn resumed_schedules_go_on_as_if_nothing_had_happened() {
    for spec in every_schedule(Some(warmup())) {
        let mut whole = spec.start(STEPS, EPOCH);
        let expected = course(&mut whole, 0..STEPS);
        for at in (0..STEPS).step_by(EPOCH as usize) {
            let mut before = spec.start(STEPS, EPOCH);
            course(&mut before, 0..at);
            let mut state = Arrays::default();
            before.save(&mut state);
            let mut after = spec.start(STEPS, EPOCH);
            after.restore(&state).unwrap();
            assert_eq!(course(&mut after, at..STEPS), expected[at as usize..], "{spec:?} at {at}");
        }
    }
}

/// A schedule says whether its factors depend on the length of the training.
#[test]
fn those_that_do_not_depend_on_the_length_are_the_same_in_a_longer_training() {
    let share = Warmup { share: Some(0.25), ..Warmup::default() };
    for warmup in [None, Some(warmup()), Some(share)] {
        for spec in every_schedule(warmup) {
            let short = course(&mut spec.start(STEPS, EPOCH), 0..STEPS);
            let long = course(&mut spec.start(2 * STEPS, EPOCH), 0..STEPS);
            assert_eq!(short != long, spec.depends_on_length(), "{spec:?}");
        }
    }
}

#[test]
fn json_names_the_type_and_leaves_the_rest_to_defaults() {
    let spec: ScheduleSpec = serde_json::from_str(r#"{"type": "one_cycle"}"#).unwrap();
    assert_eq!(spec, ScheduleSpec::OneCycle(OneCycleSchedule::default()));
    let spec: ScheduleSpec = serde_json::from_str(r#"{"type": "linear"}"#).unwrap();
    assert_eq!(spec, ScheduleSpec::default());
    for spec in every_schedule(Some(warmup())) {
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ScheduleSpec>(&json).unwrap(), spec);
    }
}
