//! Known values of gaps and verdicts, and what they promise.

use std::slice::from_ref;

use super::*;
use crate::random::{self, Rng};

#[test]
fn known_gaps() {
    // Ten training losses of 1 or 3, twenty validation losses of 2 or 4: variances 40/9·¼ and 80/19·¼.
    let train: Vec<f64> = (0..10).map(|i| f64::from(1 + 2 * (i % 2))).collect();
    let validation: Vec<f64> = (0..20).map(|i| f64::from(2 + 2 * (i % 2))).collect();
    let found = fit_gap(from_ref(&train), from_ref(&validation)).unwrap();
    assert_eq!((found.train, found.validation, found.gap, found.seeds), (2.0, 3.0, 1.0, 1));
    let half = (2.262_157f64.powi(2) * (10.0 / 9.0 / 10.0)
        + 2.093_024f64.powi(2) * (20.0 / 19.0 / 20.0))
        .sqrt();
    assert!((found.interval[0] - (1.0 - half)).abs() < 1e-5, "{found:?}");
    assert!(found.smallest_effect > half);
    // Three seeds that differ on all records alike: the seeds' part comes on top.
    let moved = |by: f64| validation.iter().map(|loss| loss + by).collect::<Vec<f64>>();
    let seeds = [moved(-0.3), moved(0.0), moved(0.3)];
    let over = fit_gap(&vec![train.clone(); 3], &seeds).unwrap();
    let more = (half * half + 4.302_653f64.powi(2) * 0.03).sqrt();
    assert!((over.interval[1] - (1.0 + more)).abs() < 1e-5, "{over:?}");
    assert_eq!(fit_gap(from_ref(&train), &seeds), None);
    assert_eq!(fit_gap(&[train[..9].to_vec()], from_ref(&validation)), None);
    assert_eq!(fit_gap(&[vec![f64::NAN; 10]], &[validation]), None);
    assert_eq!(fit_gap(&[], &[]), None);
    // No error anywhere is no proof that there is none to come.
    let right = fit_gap(&[vec![0.0; 50]], &[vec![0.0; 50]]).unwrap();
    assert!(right.gap == 0.0 && right.interval[1] > 0.03, "{right:?}");
}

fn rung(relative_width: f64, validation: &[f64], train: f64) -> CapacityRung {
    CapacityRung {
        relative_width,
        regularized: false,
        validation: validation.to_vec(),
        train_loss: vec![train, train + 0.01, train - 0.01],
    }
}

#[test]
fn verdicts_need_both_of_their_conditions() {
    let half = rung(0.5, &[0.70, 0.71, 0.69], 0.5);
    let model = rung(1.0, &[0.80, 0.81, 0.79], 0.3);
    let double = rung(2.0, &[0.90, 0.91, 0.89], 0.1);
    let ladder = [half.clone(), model.clone(), double.clone()];
    let gap = |low: f64| FitGap {
        train: 0.3,
        validation: 0.5,
        gap: 0.2,
        interval: [low, 0.4],
        seeds: 3,
        smallest_effect: 0.2,
    };
    let found = capacity_verdict(&ladder, true, 0.05, None).unwrap();
    assert_eq!(found.verdict, CapacityVerdict::Underfitting);
    assert!(found.above_noise_floor && found.comparisons[1].better && !found.comparisons[0].better);
    assert!((found.comparisons[1].improvement - 0.1).abs() < 1e-12);
    assert!((found.comparisons[0].improvement + 0.1).abs() < 1e-12);
    // √(2·0.0001/3); four degrees of freedom, 90 % for two rungs together: t(0.975; 4) = 2.776445.
    assert!((found.comparisons[1].standard_error - 0.008_165).abs() < 1e-6);
    assert!((found.comparisons[1].interval[0] - (0.1 - 0.022_670)).abs() < 1e-5);
    // A noncentral t with four degrees of freedom: 3.79 standard errors are found in 80 %.
    assert!((found.smallest_effect / 0.008_165 - 3.79).abs() < 0.1, "{found:?}");
    // At the noise floor there is nothing left to fit.
    let floor = capacity_verdict(&ladder, true, 0.3, None).unwrap();
    assert_eq!((floor.verdict, floor.above_noise_floor), (CapacityVerdict::Neither, false));
    // The same numbers as losses: the smaller rung is the better one, and needs a gap.
    let verdict =
        |gap: Option<&FitGap>| capacity_verdict(&ladder, false, 0.0, gap).unwrap().verdict;
    assert_eq!(verdict(Some(&gap(0.1))), CapacityVerdict::Overfitting);
    assert_eq!(
        (verdict(Some(&gap(-0.1))), verdict(None)),
        (CapacityVerdict::Neither, CapacityVerdict::Neither)
    );
    let regularized = CapacityRung { regularized: true, relative_width: 1.0, ..double.clone() };
    let found = capacity_verdict(&[model.clone(), regularized], true, 0.0, Some(&gap(0.1)));
    assert_eq!(found.unwrap().verdict, CapacityVerdict::Overfitting);
}

#[test]
fn ladders_without_rungs_to_stand_on() {
    let model = rung(1.0, &[0.80, 0.81, 0.79], 0.3);
    let double = rung(2.0, &[0.90, 0.91, 0.89], 0.1);
    let none = |rungs: &[CapacityRung]| capacity_verdict(rungs, true, 0.0, None).is_none();
    assert!(none(from_ref(&model)) && none(from_ref(&double)) && none(&[]));
    let diverged = rung(4.0, &[f64::NAN, 0.9, 0.9], 0.1);
    assert!(none(&[model.clone(), diverged.clone()]));
    assert!(none(&[rung(1.0, &[0.8], 0.3), double.clone()]));
    let found = capacity_verdict(&[model, double, diverged], true, 0.0, None).unwrap();
    assert_eq!(found.comparisons.len(), 1);
}

/// The interval of a gap holds it in 95 % of 1,000 draws, within three standard errors (0.0207), for one
/// network and over three seeds; that of one network does not hold the gap over seeds.
#[test]
fn gaps_over_many_draws() {
    let truth = 0.15;
    for (seeds, spread) in [(1, 0.0), (3, 0.06)] {
        let (mut missed, mut single) = (0, 0);
        for trial in 0..1_000 {
            let mut rng = random::stream(trial, "gap");
            let mut part = |records: usize, chance: f64, by_seed: &[f64]| -> Vec<Vec<f64>> {
                let hard: Vec<f64> = (0..records).map(|_| rng.random()).collect();
                let run = |by: &f64| {
                    let wrong = |hard: &f64| {
                        let own = if rng.random::<f64>() < 0.5 { *hard } else { rng.random() };
                        f64::from(u8::from(own < chance + by))
                    };
                    hard.iter().map(wrong).collect()
                };
                by_seed.iter().map(run).collect()
            };
            let mut more = random::stream(trial, "gap seeds");
            let by_seed: Vec<f64> =
                (0..seeds).map(|_| spread * random::normal(&mut more)).collect();
            let train = part(120, 0.1, &vec![0.0; seeds]);
            let validation = part(80, 0.1 + truth, &by_seed);
            let outside = |train: &[Vec<f64>], validation: &[Vec<f64>]| {
                let (uncertain, ..) = gap(train, validation).unwrap();
                (uncertain.value - truth).abs() > uncertain.half_width(CONFIDENCE)
            };
            missed += usize::from(outside(&train, &validation));
            single += usize::from(outside(&train[..1], &validation[..1]));
        }
        assert!(missed as f64 <= 1_000.0 * (0.05 + 0.0207), "{seeds}: {missed}");
        assert!(seeds == 1 || single as f64 > 1_000.0 * (0.05 + 0.0207), "{seeds}: {single}");
    }
}

/// Over 1,000 ladders of rungs that are all alike, at most 5 % name one, within three standard errors
/// (0.0207); a rule of two standard errors alone, without Student's t and the number of rungs, does so more
/// often. A rung that is better by the stated smallest effect is named in about four of five.
#[test]
fn verdicts_over_many_ladders() {
    let gap = FitGap {
        train: 0.0,
        validation: 1.0,
        gap: 1.0,
        interval: [0.5, 1.5],
        seeds: 3,
        smallest_effect: 0.1,
    };
    let ladder = |trial: u64, better: f64| {
        let mut rng = random::stream(trial, "ladder");
        let mut rung = |width: f64, mean: f64| CapacityRung {
            relative_width: width,
            regularized: false,
            validation: (0..3).map(|_| mean + random::normal(&mut rng)).collect(),
            train_loss: vec![1.0; 3],
        };
        [rung(0.5, 0.0), rung(1.0, 0.0), rung(2.0, better), rung(4.0, 0.0)]
    };
    let (mut named, mut broken) = (0, 0);
    for trial in 0..1_000 {
        let judged = judge(&ladder(trial, 0.0), true, 0.0, Some(&gap)).unwrap();
        named += usize::from(judged.verdict != CapacityVerdict::Neither);
        let two = |(rung, _): &(RungComparison, Uncertain)| {
            rung.improvement > STANDARD_ERRORS * rung.standard_error
        };
        broken += usize::from(judged.comparisons.iter().any(two));
    }
    assert!(named as f64 <= 1_000.0 * (0.05 + 0.0207), "{named}");
    assert!(broken as f64 > 1_000.0 * (0.05 + 0.0207), "{broken}");
    // The effect is estimated from three seeds, so that its mean square over ladders is used.
    let squares = (0..40).map(|trial| {
        let judged = judge(&ladder(trial, 0.0), true, 0.0, None).unwrap();
        judged.comparisons[1].1.smallest_effect(judged.confidence).powi(2)
    });
    let effect = (squares.sum::<f64>() / 40.0).sqrt();
    let found = (0..1_000).filter(|&trial| {
        let judged = judge(&ladder(trial, effect), true, 0.0, None).unwrap();
        judged.comparisons[1].0.better
    });
    let found = found.count();
    assert!((720..880).contains(&found), "{found}");
}
