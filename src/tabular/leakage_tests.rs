use super::*;
use crate::random::{Rng, stream};

fn share(kind: InputKind, values: &[Value<'_>], target: Target<'_>) -> f64 {
    leakage(kind, values, target).unwrap().share
}

fn numbers_of(values: &[f64]) -> Vec<Value<'static>> {
    values.iter().map(|value| Value::Number(*value)).collect()
}

#[test]
fn a_copy_of_the_class_leaks_and_noise_does_not() {
    let mut rng = stream(1, "leakage");
    let classes: Vec<u32> = (0..400).map(|_| rng.random_range(0..3)).collect();
    let names = ["no", "maybe", "yes"];
    let copy: Vec<Value<'_>> = classes.iter().map(|&c| Value::Text(names[c as usize])).collect();
    let target = Target::Classes(&classes);
    assert_eq!(share(InputKind::Categorical, &copy, target), 1.0);
    let coded: Vec<f64> = classes.iter().map(|&c| f64::from(c) * 7.0).collect();
    assert_eq!(share(InputKind::Numeric, &numbers_of(&coded), target), 1.0);
    let noise: Vec<f64> = (0..400).map(|_| rng.random()).collect();
    assert!(share(InputKind::Numeric, &numbers_of(&noise), target) < 0.2);
    let ids: Vec<String> = (0..400).map(|id| format!("id{id}")).collect();
    let ids: Vec<Value<'_>> = ids.iter().map(|id| Value::Text(id)).collect();
    assert_eq!(share(InputKind::Categorical, &ids, target), 0.0);
}

/// An amount that is above 0 exactly where the rare class is: found, although one per cent of the
/// records hold it.
#[test]
fn a_rare_class_behind_a_threshold_leaks() {
    let mut rng = stream(2, "leakage");
    let classes: Vec<u32> = (0..5_000).map(|record| u32::from(record % 100 == 0)).collect();
    let amounts: Vec<f64> =
        classes.iter().map(|&c| rng.random::<f64>() + f64::from(c) * 1.5).collect();
    let target = Target::Classes(&classes);
    assert!(share(InputKind::Numeric, &numbers_of(&amounts), target) >= LEAKAGE_THRESHOLD);
    // Filled in only where it happened.
    let reasons: Vec<Value<'_>> = classes
        .iter()
        .map(|&c| if c == 1 { Value::Number(rng.random()) } else { Value::Missing })
        .collect();
    assert_eq!(share(InputKind::Numeric, &reasons, target), 1.0);
    // A good feature that still errs is none.
    let good: Vec<f64> =
        classes.iter().map(|&c| f64::from(c) + rng.random::<f64>() * 1.2).collect();
    assert!(share(InputKind::Numeric, &numbers_of(&good), target) < LEAKAGE_THRESHOLD);
}

#[test]
fn a_target_in_another_unit_or_scale_leaks_and_a_curve_does_not() {
    let mut rng = stream(3, "leakage");
    let targets: Vec<f64> = (0..200).map(|_| rng.random_range(0.0..10.0)).collect();
    let target = Target::Numbers(&targets);
    let of = |f: &dyn Fn(f64) -> f64| -> f64 {
        let values: Vec<f64> = targets.iter().map(|&y| f(y)).collect();
        share(InputKind::Numeric, &numbers_of(&values), target)
    };
    assert!(of(&|y| 32.0 - 1.8 * y) > 0.999_999);
    assert!(of(&|y| (3.0 * y).exp()) > 0.999_999);
    assert!(of(&|y| (y - 5.0).powi(2)) < 0.2);
    let sine: Vec<f64> = targets.iter().map(|x| x.sin()).collect();
    assert!(share(InputKind::Numeric, &numbers_of(&targets), Target::Numbers(&sine)) < 0.2);
    let rounded: Vec<String> = targets.iter().map(|y| format!("about {y:.0}")).collect();
    let rounded: Vec<Value<'_>> = rounded.iter().map(|text| Value::Text(text)).collect();
    let share = share(InputKind::Categorical, &rounded, target);
    assert!((0.95..1.0).contains(&share), "{share}");
}

#[test]
fn dates_are_told_by_their_nearest() {
    let days: Vec<String> =
        (0..60).map(|d| format!("2026-{:02}-{:02}", 1 + d / 20, 1 + d % 20)).collect();
    let values: Vec<Value<'_>> = days.iter().map(|day| Value::Text(day)).collect();
    let classes: Vec<u32> = (0..60).map(|d| u32::from(d >= 30)).collect();
    assert!(share(InputKind::Date, &values, Target::Classes(&classes)) > 0.9);
}

#[test]
fn nothing_is_said_where_there_is_nothing_to_tell() {
    let rare: Vec<u32> = (0..40).map(|record| u32::from(record < 9)).collect();
    let copy: Vec<f64> = rare.iter().map(|&class| f64::from(class)).collect();
    assert_eq!(leakage(InputKind::Numeric, &numbers_of(&copy), Target::Classes(&rare)), None);
    let few = numbers_of(&[1.0; 19]);
    assert_eq!(leakage(InputKind::Numeric, &few, Target::Classes(&[0; 19])), None);
    let many = numbers_of(&[1.0; 40]);
    assert_eq!(leakage(InputKind::Numeric, &many, Target::Classes(&[0; 40])), None);
    assert_eq!(leakage(InputKind::Numeric, &many, Target::Numbers(&[2.0; 40])), None);
    assert_eq!(leakage(InputKind::Categorical, &many, Target::Numbers(&[0.0; 40])), None);
    let missing = [Value::Missing; 40];
    assert_eq!(leakage(InputKind::Numeric, &missing, Target::Numbers(&[2.0; 40])), None);
}
