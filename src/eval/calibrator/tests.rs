use super::*;
use crate::eval::metric::expected_calibration_error;
use crate::eval::{argmax, softmax};
use crate::random::{self, Rng};

/// Logits whose softmax is the truth, then sharpened by `factor`.
fn sample(records: usize, factor: f32, seed: u64) -> (Matrix, Vec<u32>) {
    let mut rng = random::stream(seed, "calibrator");
    let mut logits = Matrix::new(3);
    let mut classes = Vec::new();
    for _ in 0..records {
        let row: Vec<f32> = (0..3).map(|_| rng.random::<f32>() * 4.0 - 2.0).collect();
        let p = softmax(&row, 1.0);
        let draw = rng.random::<f64>();
        let class = if draw < p[0] { 0 } else { 1 + u32::from(draw >= p[0] + p[1]) };
        classes.push(class);
        logits.push(&row.iter().map(|z| z * factor).collect::<Vec<f32>>());
    }
    (logits, classes)
}

fn ece(calibrator: &Calibrator, logits: &Matrix, classes: &[u32]) -> f64 {
    let records = logits.rows().zip(classes).map(|(row, &class)| {
        let p = calibrator.probabilities(Link::Softmax, row);
        (p[argmax(&p)], argmax(&p) == class as usize)
    });
    expected_calibration_error(records, 15)
}

#[test]
fn overconfidence_is_found_and_undone_on_fresh_records() {
    let (logits, classes) = sample(1_000, 3.0, 1);
    let calibrator = fit(&logits, Truth::Classes(&classes), None).unwrap().calibrator;
    let Calibrator::Temperature { temperature } = calibrator else { panic!("{calibrator:?}") };
    assert!((temperature - 3.0).abs() < 0.4, "{temperature}");
    let (fresh, truth) = sample(4_000, 3.0, 2);
    let before = ece(&Calibrator::Identity, &fresh, &truth);
    let after = ece(&calibrator, &fresh, &truth);
    assert!(before > 0.15 && after < 0.04, "{before} {after}");
}

#[test]
fn what_is_calibrated_is_mostly_left_alone() {
    let kept = (0..40)
        .filter(|&seed| {
            let (logits, classes) = sample(100, 1.0, 100 + seed);
            let choice = fit(&logits, Truth::Classes(&classes), None).unwrap();
            choice.calibrator == Calibrator::Identity
        })
        .count();
    assert!(kept >= 20, "{kept} of 40");
}

#[test]
fn too_few_records_calibrate_nothing() {
    let (logits, classes) = sample(MIN_RECORDS - 1, 1.0, 1);
    assert_eq!(fit(&logits, Truth::Classes(&classes), None), None);
}

fn names(choice: &Choice) -> Vec<CalibratorKind> {
    choice.losses.iter().map(|loss| loss.name).collect()
}

#[test]
fn candidates_follow_the_number_of_records() {
    use CalibratorKind::*;
    let of = |records| {
        let (logits, classes) = sample(records, 2.0, 1);
        fit(&logits, Truth::Classes(&classes), None).unwrap()
    };
    assert_eq!(names(&of(199)), [Identity, Temperature]);
    assert_eq!(names(&of(200)), [Identity, Temperature, Vector, Platt, Beta]);
    assert_eq!(names(&of(1_000)), [Identity, Temperature, Vector, Platt, Beta, Isotonic]);
    // Ten records for each class.
    let mut wide = Matrix::new(30);
    let draw = |i: usize| random::keyed(i as u64) as f32 / u64::MAX as f32;
    (0..300).for_each(|i| wide.push(&(0..30).map(|j| draw(30 * i + j)).collect::<Vec<_>>()));
    let has_vector = |records: usize| {
        let part = Matrix::from_values(30, wide.values()[..30 * records].to_vec());
        let classes: Vec<u32> = (0..records as u32).map(|i| i % 30).collect();
        names(&fit(&part, Truth::Classes(&classes), None).unwrap()).contains(&Vector)
    };
    assert!(has_vector(300) && !has_vector(299));
    // What is nearly always right cannot tell how sure is too sure.
    let rows = (0..300).flat_map(|i| [f32::from(i % 2 == 0), f32::from(i % 2 == 1)]);
    let (logits, classes) = (Matrix::from_values(2, rows.collect()), [0u32, 1].repeat(150));
    let choice = fit(&logits, Truth::Classes(&classes), None).unwrap();
    assert_eq!(names(&choice), [Identity, Temperature]);
}

/// Folds are dealt class by class: an order of records that goes round the classes, five or ten of
/// them, leaves no class out of a fold's fit.
#[test]
fn the_order_of_records_leaves_no_class_out() {
    let mut rng = random::stream(8, "order");
    let mut logits = Matrix::new(5);
    let classes: Vec<u32> = (0..400).map(|i| i % 5).collect();
    for &class in &classes {
        let logit = |j| (random::normal(&mut rng) + if j == class { 2.0 } else { 0.0 }) as f32;
        logits.push(&(0..5).map(logit).collect::<Vec<_>>());
    }
    let choice = fit(&logits, Truth::Classes(&classes), None).unwrap();
    let of = |kind| choice.losses.iter().find(|loss| loss.name == kind).unwrap().log_loss;
    let (identity, vector) = (of(CalibratorKind::Identity), of(CalibratorKind::Vector));
    assert!(vector < identity + 0.05, "{identity} {vector}");
}

/// The losses are those of records that did not fit, and the least decides.
#[test]
fn the_losses_that_are_shown_decide() {
    let (logits, classes) = sample(300, 3.0, 4);
    let truth = Truth::Classes(&classes);
    let choice = fit(&logits, truth, None).unwrap();
    let least = choice.losses.iter().min_by(|a, b| a.log_loss.total_cmp(&b.log_loss)).unwrap();
    let all: Vec<usize> = (0..300).collect();
    assert_eq!(least.name.fit(&logits, truth, &all).unwrap(), choice.calibrator);
    // Identity fits nothing: its loss is that of all records.
    let p: Vec<Vec<f64>> = logits.rows().map(|row| softmax(row, 1.0)).collect();
    let records = p.iter().zip(&classes).map(|(p, &c)| (p.as_slice(), c as usize));
    let expected = crate::eval::metric::log_loss(records);
    assert!((choice.losses[0].log_loss - expected).abs() < 1e-12);
    let again = fit(&logits, truth, None).unwrap();
    assert_eq!(again, choice);
}

#[test]
fn a_method_that_is_asked_for_is_fitted() {
    let (logits, classes) = sample(120, 1.0, 5);
    let truth = Truth::Classes(&classes);
    for &kind in CalibratorKind::ALL {
        let choice = fit(&logits, truth, Some(kind));
        assert_eq!(choice.is_some(), kind.applies(Link::Softmax), "{kind:?}");
        let Some(choice) = choice else { continue };
        let name = serde_json::to_value(kind).unwrap();
        assert_eq!(serde_json::to_value(&choice.calibrator).unwrap()["type"], name);
        assert!(names(&choice).contains(&kind));
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(serde_json::from_str::<Choice>(&text).unwrap(), choice);
    }
}

#[test]
fn what_was_stored_before_can_be_read() {
    let read = |text| serde_json::from_str::<Calibrator>(text).unwrap();
    assert_eq!(read(r#"{"type":"identity"}"#), Calibrator::Identity);
    let expected = Calibrator::Temperature { temperature: 1.5 };
    assert_eq!(read(r#"{"type":"temperature","temperature":1.5}"#), expected);
    assert_eq!(
        serde_json::to_string(&expected).unwrap(),
        r#"{"type":"temperature","temperature":1.5}"#
    );
}

/// On every kind: the top label stays the top but for vector scaling, probabilities sum to 1, and
/// overconfidence is undone on fresh records. A calibrator that is fitted to logits of another
/// factor fails the same check.
#[test]
fn every_kind_undoes_overconfidence() {
    let (logits, classes) = sample(2_000, 3.0, 6);
    let (wrong, wrong_classes) = sample(2_000, 1.0, 6);
    let (fresh, fresh_classes) = sample(4_000, 3.0, 7);
    for &kind in CalibratorKind::ALL {
        if kind == CalibratorKind::Identity || !kind.applies(Link::Softmax) {
            continue;
        }
        let fit = |logits: &Matrix, classes: &[u32]| {
            let all: Vec<usize> = (0..classes.len()).collect();
            kind.fit(logits, Truth::Classes(classes), &all).unwrap()
        };
        let calibrator = fit(&logits, &classes);
        let (good, bad) = (
            ece(&calibrator, &fresh, &fresh_classes),
            ece(&fit(&wrong, &wrong_classes), &fresh, &fresh_classes),
        );
        assert!(good < 0.04 && bad > 0.1, "{kind:?}: {good} {bad}");
        for row in fresh.rows() {
            let p = calibrator.probabilities(Link::Softmax, row);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{kind:?} {p:?}");
            let top = argmax(&softmax(row, 1.0));
            assert!(kind == CalibratorKind::Vector || argmax(&p) == top, "{kind:?} {p:?}");
        }
    }
}

/// A top label that is wrong in a way no temperature can mend: sure of itself at any margin, right
/// in six cases of ten. A curve of the top label is chosen, and is right about it.
#[test]
fn what_a_temperature_cannot_mend_is_mended() {
    let draw = |seed| {
        let mut rng = random::stream(seed, "flat");
        let mut logits = Matrix::new(2);
        let mut classes = Vec::new();
        for _ in 0..1_500 {
            logits.push(&[2.0 + 4.0 * rng.random::<f32>(), 0.0]);
            classes.push(u32::from(rng.random::<f64>() > 0.6));
        }
        (logits, classes)
    };
    let (logits, classes) = draw(1);
    let choice = fit(&logits, Truth::Classes(&classes), None).unwrap();
    assert!(!matches!(choice.calibrator, Calibrator::Identity | Calibrator::Temperature { .. }));
    let (fresh, truth) = draw(2);
    let after = ece(&choice.calibrator, &fresh, &truth);
    assert!(after < 0.06, "{choice:?}: {after}");
}

/// Labels that are off in opposite ways: one temperature mends neither, one for each label does.
#[test]
fn labels_are_calibrated_one_by_one() {
    let draw = |seed| {
        let mut rng = random::stream(seed, "labels");
        let mut logits = Matrix::new(3);
        let mut labels = Vec::new();
        for _ in 0..1_000 {
            let z: Vec<f64> = (0..3).map(|_| 2.0 * random::normal(&mut rng)).collect();
            labels.push(z.iter().map(|z| rng.random::<f64>() < sigmoid(*z)).collect::<Vec<_>>());
            logits.push(&[3.0 * z[0] as f32, 0.3 * z[1] as f32, z[2] as f32 + 2.0]);
        }
        (logits, labels)
    };
    let (logits, labels) = draw(1);
    let choice = fit(&logits, Truth::Labels(&labels), None).unwrap();
    use CalibratorKind::*;
    assert_eq!(names(&choice), [Identity, Temperature, TemperaturePerLabel, Platt, Beta, Isotonic]);
    let Calibrator::PerLabel { labels } = &choice.calibrator else { panic!("{choice:?}") };
    assert_eq!(labels.len(), 3);
    let (fresh, truth) = draw(2);
    for label in 0..3 {
        let error = |calibrator: &Calibrator| {
            let records = fresh
                .rows()
                .zip(&truth)
                .map(|(row, y)| (calibrator.probabilities(Link::Sigmoid, row)[label], y[label]));
            expected_calibration_error(records, 15)
        };
        let (before, after) = (error(&Calibrator::Identity), error(&choice.calibrator));
        assert!(before > 0.06 && after < 0.05, "{label}: {before} {after}");
    }
    for &kind in CalibratorKind::ALL {
        let (logits, labels) = draw(3);
        let choice = fit(&logits, Truth::Labels(&labels), Some(kind));
        assert_eq!(choice.is_some(), kind.applies(Link::Sigmoid), "{kind:?}");
    }
}

/// No kind panics or leaves the range on ties, one class, and extremes.
#[test]
fn degenerate_records_give_probabilities() {
    let cases: [(usize, Vec<f32>, Vec<u32>); 4] = [
        (2, vec![0.0; 50], vec![0; 25]),
        (3, [f32::MAX, f32::MIN, 0.0].repeat(25), vec![1; 25]),
        (2, [1e30, 1e30].repeat(25), (0..25).map(|i| i % 2).collect()),
        (1, vec![2.0; 25], vec![0; 25]),
    ];
    for (columns, values, classes) in cases {
        let logits = Matrix::from_values(columns, values);
        for &kind in CalibratorKind::ALL {
            let Some(choice) = fit(&logits, Truth::Classes(&classes), Some(kind)) else {
                assert!(!kind.applies(Link::Softmax));
                continue;
            };
            assert!(choice.losses.iter().all(|loss| loss.log_loss.is_finite()), "{choice:?}");
            let p = choice.calibrator.probabilities(Link::Softmax, logits.row(0));
            assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{choice:?} {p:?}");
        }
    }
}

/// Why prediction sets rest on the network's own probabilities: those of a calibrator that was
/// fitted to the same records know these records' classes, and the sets do not cover new ones. Over
/// 1,000 seeded calibration sets, within three standard errors.
#[test]
fn sets_cover_on_probabilities_that_do_not_know_the_classes() {
    use crate::eval::prediction_set::{PredictionSets, SetMethod};
    const TRIALS: u64 = 1_000;
    const RECORDS: usize = 29;
    let all: Vec<usize> = (0..RECORDS).collect();
    let (mut raw, mut calibrated) = (0, 0);
    for trial in 0..TRIALS {
        let mut rng = random::stream(trial, "reuse");
        let mut logits = Matrix::new(5);
        let mut classes = Vec::new();
        for _ in 0..=RECORDS {
            let class = rng.random_range(0..5);
            let logit =
                |j| (2.0 * random::normal(&mut rng) + if j == class { 2.0 } else { 0.0 }) as f32;
            logits.push(&(0..5).map(logit).collect::<Vec<f32>>());
            classes.push(class);
        }
        let vector = CalibratorKind::Vector.fit(&logits, Truth::Classes(&classes), &all).unwrap();
        let covers = |calibrator: &Calibrator| {
            let mut rows: Vec<Vec<f64>> =
                logits.rows().map(|row| calibrator.probabilities(Link::Softmax, row)).collect();
            let new = rows.pop().unwrap();
            let sets = PredictionSets::fit(&rows, &classes, trial);
            let set = sets.at(SetMethod::Lac, 0.1).unwrap().set(&new, 0.5);
            u64::from(set.contains(&(classes[RECORDS] as usize)))
        };
        raw += covers(&Calibrator::Identity);
        calibrated += covers(&vector);
    }
    let least = 0.9 - 3.0 * (0.9f64 * 0.1 / TRIALS as f64).sqrt();
    let share = |count: u64| count as f64 / TRIALS as f64;
    assert!(share(raw) >= least && share(calibrated) < least, "{raw} {calibrated}");
}
