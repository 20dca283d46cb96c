use serde_json::{Value, json};

use super::*;
use crate::random::{self, Rng};

fn watch_with(network: Value, more: Value) -> Watch {
    let mut spec = json!({
        "dataset": "ds_1", "model_name": null, "vectorizer": {}, "network": network,
        "task": {"type": "tabular_classification", "features": ["x"], "label": "y"},
        "optimizer": {"type": "sgd", "learning_rate": 0.1}, "schedule": {"type": "constant"},
        "regularization": {}, "augmentation": {}, "device": "cpu",
        "training": {"epochs": 60, "batch_size": 16, "seed": 3, "early_stopping": null,
            "checkpoint_seconds": 0},
        "split": {"train": 0.7, "validation": 0.3, "calibration": 0.0, "test": 0.0, "seed": 1},
    });
    for (key, value) in more.as_object().unwrap() {
        spec["training"][key] = value.clone();
    }
    Watch::new(&serde_json::from_value(spec).unwrap(), Some(0.5))
}

fn watch() -> Watch {
    watch_with(json!({"type": "mlp", "hidden": [8, 8]}), json!({}))
}

const FIRST: f64 = 0.7;

/// Shows a watch its epochs, of training loss and unexplained share; what it tells, with the epoch.
fn show(watch: &mut Watch, course: &[(f64, Option<f64>)]) -> Vec<(usize, Warning)> {
    let from = watch.state.epochs;
    let epoch = |(place, (train_loss, unexplained)): (usize, &(f64, Option<f64>))| {
        let epoch = from + place + 1;
        let (train_loss, unexplained) = (*train_loss, *unexplained);
        let signs = EpochSigns { epoch, first_loss: FIRST, train_loss, unexplained, layers: None };
        watch.epoch(&signs).into_iter().map(move |told| (epoch, told)).collect::<Vec<_>>()
    };
    course.iter().enumerate().flat_map(epoch).collect()
}

#[track_caller]
fn only(told: &[(usize, Warning)], code: &str, epoch: usize, parts: &[&str]) {
    let [(at, warning)] = told else { panic!("{told:#?}") };
    assert_eq!((warning.code.as_str(), *at), (code, epoch), "{}", warning.message);
    for part in parts {
        assert!(warning.message.contains(part), "{part:?} in {}", warning.message);
    }
}

#[test]
fn a_loss_that_is_no_number_or_far_above_its_first() {
    let mut watched = watch();
    assert_eq!(watched.step(1, 1, 0.7), None);
    let told = watched.step(2, 57, f64::NAN).unwrap();
    assert_eq!(told.code, "diverged");
    assert!(told.message.contains("epoch 2") && told.message.contains("step 57"), "{told:?}");
    assert!(told.message.contains("0.01 instead of 0.1"), "{told:?}");
    let told = show(&mut watch(), &[(0.6, None), (1.5, None), (9.0, None)]);
    only(&told, "diverging", 2, &["epoch 2", "1.5", "0.7", "0.01 instead of 0.1"]);
    let told = show(&mut watch(), &[(f64::INFINITY, None)]);
    only(&told, "diverging", 1, &["inf"]);
}

#[test]
fn a_training_loss_that_rises() {
    let falls = [0.6, 0.45, 0.3, 0.2];
    let rises = [0.21, 0.22, 0.24, 0.26, 0.29, 0.34, 0.4, 0.5];
    let course: Vec<_> = falls.iter().chain(&rises).map(|loss| (*loss, None)).collect();
    // The last three are 0.13 above the first three from the least on: a quarter of the gain is lost.
    only(&show(&mut watch(), &course), "diverging", 11, &["0.21 at epoch 4", "0.343 by epoch 11"]);
    let little: Vec<_> =
        (0..40).map(|i| (0.2 + 0.001 * f64::from(i32::abs(i - 10)), None)).collect();
    assert_eq!(show(&mut watch(), &little), []);
}

#[test]
fn a_loss_that_rests_where_nothing_was_learnt() {
    let rest = |left: f64| -> Vec<(f64, Option<f64>)> {
        (0..30).map(|i| (0.69 + 0.001 * f64::from(i % 2), Some(left))).collect()
    };
    // Not before a fifth of 60 epochs.
    only(&show(&mut watch(), &rest(0.99)), "plateau", 12, &["epoch 7", "0.69", "99 %", "epoch 12"]);
    // What has learnt something may rest.
    assert_eq!(show(&mut watch(), &rest(0.9)), []);
    // One that falls ever so slowly is slow, and rests not.
    let slow: Vec<_> = (0..30).map(|i| (0.69 - 0.002 * f64::from(i), Some(0.99))).collect();
    assert_eq!(show(&mut watch(), &slow), []);
    // Without validation records the training loss tells.
    let blind: Vec<_> = rest(1.0).into_iter().map(|(loss, _)| (loss, None)).collect();
    only(&show(&mut watch(), &blind), "plateau", 12, &["99 %"]);
}

#[test]
fn a_validation_loss_that_rises_while_the_other_falls() {
    let fall = |i: i32| 0.6 * 0.9f64.powi(i);
    let course: Vec<_> =
        (0..30).map(|i| (fall(i), Some(0.4 + 0.01 * f64::from((i - 5).abs())))).collect();
    // From 0.41 over epochs 6 to 8 to 0.46 over epochs 11 to 13, of an entropy of 0.5.
    let told = show(&mut watch(), &course);
    only(&told, "overfitting", 13, &["epoch 6", "log loss", "0.205 to 0.23", "epoch 13"]);
    // Both rise: it is no overfitting.
    let both: Vec<_> = course.iter().map(|(_, share)| (0.1 * share.unwrap(), *share)).collect();
    assert_eq!(show(&mut watch(), &both), []);
}

fn layer(name: &str, gradient: f64, dead: f64) -> LayerReport {
    LayerReport {
        name: name.to_owned(),
        gradient_norm: Some(gradient).filter(|norm| norm.is_finite()),
        dead: Some(dead),
        ..LayerReport::default()
    }
}

#[test]
fn layers_at_and_beside_their_thresholds() {
    let told = |watch: &mut Watch, [first, last]: [f64; 2], dead: f64| -> Vec<(usize, Warning)> {
        let layers = [layer("embedding", 1e-9, 0.0), layer("layers.0", first, 0.0)];
        let layers = [&layers[..], &[layer("layers.1", 0.1, dead), layer("layers.2", last, 0.0)]];
        let layers = layers.concat();
        let signs = EpochSigns {
            epoch: 4,
            first_loss: FIRST,
            train_loss: 0.5,
            unexplained: None,
            layers: Some(&layers),
        };
        watch.epoch(&signs).into_iter().map(|told| (4, told)).collect()
    };
    assert_eq!(told(&mut watch(), [1.1e-3, 1.0], 0.49), []);
    let parts = ["epoch 4", "50 %", "layer 2", "leaky_relu"];
    only(&told(&mut watch(), [0.1, 1.0], 0.5), "dead_units", 4, &parts);
    let parts = ["epoch 4", "9.0e-4", "relu"];
    only(&told(&mut watch(), [9e-4, 1.0], 0.0), "vanishing_gradients", 4, &parts);
    let mut stack =
        watch_with(json!({"type": "mlp", "hidden": [8, 8, 8], "activation": "sigmoid"}), json!({}));
    only(&told(&mut stack, [9e-3, 1.0], 0.0), "vanishing_gradients", 4, &[]);
    let parts = ["epoch 4", "101", "clip_norm"];
    only(&told(&mut watch(), [101.0, 1.0], 0.0), "exploding_gradients", 4, &parts);
    only(&told(&mut watch(), [f64::NAN, 1.0], 0.0), "exploding_gradients", 4, &["inf"]);
    let mut clipped = watch_with(json!({"type": "mlp", "hidden": [8]}), json!({"clip_norm": 1.0}));
    assert_eq!(told(&mut clipped, [101.0, 1.0], 0.0), []);

    let asked: Vec<usize> = (1..20).filter(|epoch| watch().wants_layers(*epoch, 100)).collect();
    assert_eq!(asked, [1, 2, 4, 8, 16]);
    assert!(!watch().wants_layers(1, MOST_PARAMETERS + 1));
    let linear = watch_with(json!({"type": "mlp", "hidden": []}), json!({}));
    assert!(!linear.wants_layers(1, 10));
}

/// A sound training: both losses fall to their floors, with noise that neighbours share.
fn sound(trial: u64, epochs: usize) -> Vec<(f64, Option<f64>)> {
    let mut rng = random::stream(trial, "watch");
    let mut uniform = |low: f64, high: f64| low + (high - low) * rng.random::<f64>();
    let (pace, floor) = (uniform(1.0, 15.0), uniform(0.02, 0.8));
    let (behind, spread) = (uniform(1.0, 1.5), uniform(0.001, 0.04));
    let (mut noise, mut validation_noise) = (0.0, 0.0);
    let epoch = |epoch: usize| {
        noise = 0.5 * noise + spread * random::normal(&mut rng);
        validation_noise = 0.5 * validation_noise + spread * random::normal(&mut rng);
        let left = (-(epoch as f64 + 1.0) / pace).exp();
        let at = |floor: f64| floor + (1.0 - floor) * left;
        let validation = at((floor * behind).min(0.9)) * (1.0 + validation_noise);
        (FIRST * at(floor) * (1.0 + noise), Some(validation))
    };
    (0..epochs).map(epoch).collect()
}

/// Of 1,000 sound trainings, most of them noisier than real ones, at most 3 in 100 are warned of at any of
/// their 60 or 200 epochs. A rule that calls six epochs without a new least validation loss overfitting
/// fails the same test.
#[test]
fn sound_courses_are_not_warned_of() {
    for epochs in [60, 200] {
        let trials = 1_000;
        let (mut warned, mut by_patience) = (0, 0);
        for trial in 0..trials {
            let course = sound(trial, epochs);
            let told =
                show(&mut watch_with(json!({"type": "mlp", "hidden": []}), json!({})), &course);
            warned += usize::from(!told.is_empty());
            let mut least = (0, f64::INFINITY);
            let waits = course.iter().enumerate().any(|(epoch, (_, share))| {
                least = if share.unwrap() < least.1 { (epoch, share.unwrap()) } else { least };
                epoch - least.0 >= RISE_POINTS
            });
            by_patience += usize::from(waits);
        }
        let share = |count: usize| count as f64 / trials as f64;
        println!("{epochs}: {} {}", share(warned), share(by_patience));
        assert!(share(warned) <= 0.03, "{epochs}: {}", share(warned));
        assert!(share(by_patience) > 0.03, "{epochs}: {}", share(by_patience));
    }
}

/// One that goes on from a state is told the same at the same epochs, over ever more neighbours too,
/// and also where the state is from before the last epoch.
#[test]
fn a_watch_goes_on_where_it_was() {
    let mut course = sound(1, 700);
    let falls = |i: usize| 0.3 * 0.99f64.powi(i as i32);
    course.extend((0..300).map(|i| (falls(i), Some(0.9 + 0.002 * i as f64))));
    let mut whole = watch();
    let expected = show(&mut whole, &course);
    assert_eq!(expected.len(), 1, "{expected:#?}");
    assert!(whole.state.course.points.len() < Course::MOST && whole.state.course.width == 4);
    for at in [1, 255, 256, 511, 700, expected[0].0] {
        for late in [0, 1] {
            let mut first = watch();
            let mut told = show(&mut first, &course[..at]);
            let mut state = Arrays::default();
            // What was seen of the epoch under way is not kept.
            if late == 1 {
                show(&mut first, &[(0.1, Some(0.1))]);
            }
            first.save(at, &mut state);
            let mut second = watch().restore(&state).unwrap();
            told.extend(show(&mut second, &course[at..]));
            assert_eq!(
                (told, second.state.clone()),
                (expected.clone(), whole.state.clone()),
                "{at}"
            );
        }
    }
    let mut broken = Arrays::default();
    broken.metadata = "{".to_owned();
    assert!(watch().restore(&broken).is_err());
    assert_eq!(watch().restore(&Arrays::default()).ok().unwrap().told(), []);
}

#[test]
fn numbers_are_short() {
    let texts = [0.0, 0.71314, 1.5, 12.34, 345.6, 0.001, 12345.0, 1e-6, -0.25, f64::INFINITY];
    let texts = texts.map(short);
    let expected = ["0", "0.713", "1.5", "12.3", "346", "0.001", "1.2e4", "1.0e-6", "-0.25", "inf"];
    assert_eq!(texts, expected);
}
