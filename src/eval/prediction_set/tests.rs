use super::*;
use crate::eval::softmax;
use crate::random::{self, Rng};

const TRIALS: u32 = 2_000;
const ALPHA: f64 = 0.1;
/// With ten records, the plain empirical quantile (rank ⌈nα'⌉ = 9 of 10, not 10) covers 9 in 11.
const RECORDS: usize = 10;

/// What the off-by-one quantile ⌈n(1 − α)⌉, which forgets the new record, amounts to as an α.
fn forgetful(n: usize) -> f64 {
    1.0 - (n as f64 * (1.0 - ALPHA)).ceil() / (n + 1) as f64
}

/// Four standard errors of a share of 1 − α.
fn chance() -> f64 {
    4.0 * (ALPHA * (1.0 - ALPHA) / f64::from(TRIALS)).sqrt()
}

/// The probabilities of an overconfident network for a record of a class among `classes`; higher
/// classes are harder to tell.
fn draw(rng: &mut impl Rng, class: usize, classes: usize) -> Vec<f64> {
    let pull = 2.5 / (class + 1) as f64;
    let logit = |j| 2.0 * (random::normal(rng) + if j == class { pull } else { 0.0 }) as f32;
    let logits: Vec<f32> = (0..classes).map(logit).collect();
    softmax(&logits, 1.0)
}

fn sets_of(rng: &mut impl Rng, classes: &[usize], width: usize, seed: u64) -> PredictionSets {
    let rows: Vec<Vec<f64>> = classes.iter().map(|&c| draw(rng, c, width)).collect();
    let classes: Vec<u32> = classes.iter().map(|&c| c as u32).collect();
    PredictionSets::fit(&rows, &classes, seed)
}

impl PredictionSets {
    fn set(&self, method: SetMethod, p: &[f64], alpha: f64, u: f64) -> Option<Vec<usize>> {
        Some(self.at(method, alpha)?.set(p, u))
    }
}

#[test]
fn known_scores() {
    let p = [0.2, 0.5, 0.3];
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-12, "{found:?}, expected {expected:?}");
        }
    };
    near(SetMethod::Lac.scores(&p, 0.5), &[0.8, 0.5, 0.7]);
    near(SetMethod::Aps.scores(&p, 0.5), &[0.9, 0.25, 0.65]);
    near(SetMethod::Raps.scores(&p, 0.5), &[0.9, 0.25, 0.65]);
    // The same probability is the same score, whatever the order.
    let tied = [0.25; 4];
    near(SetMethod::Aps.scores(&tied, 0.4), &[0.1; 4]);
    let seven = [0.4, 0.2, 0.1, 0.1, 0.1, 0.06, 0.04];
    let expected = [0.0, 0.4, 0.6, 0.6, 0.6, 0.9 + 0.01, 0.96 + 0.02];
    near(SetMethod::Raps.scores(&seven, 0.0), &expected);
}

#[test]
fn sets_hold_what_the_threshold_lets_in() {
    // q̂ at α = 0.25 is the third smallest of 1 − p_y = 0.1, 0.4, 0.75.
    let rows = [vec![0.9, 0.1], vec![0.6, 0.4], vec![0.25, 0.75]];
    let sets = PredictionSets::fit(&rows, &[0, 0, 0], 1);
    let set = |p: &[f64]| sets.set(SetMethod::Lac, p, 0.25, 0.5);
    assert_eq!(set(&[0.26, 0.74]), Some(vec![1, 0]));
    assert_eq!(set(&[0.24, 0.76]), Some(vec![1]));
    // None of three is probable enough at α = 0.75, where q̂ = 0.1: the first stays.
    assert_eq!(sets.set(SetMethod::Lac, &[0.5, 0.5], 0.75, 0.5), Some(vec![0]));
    assert_eq!(set(&[]), Some(vec![]));
}

#[test]
fn what_is_missing_is_told() {
    let mut rng = random::stream(1, "shortfall");
    let sets = sets_of(&mut rng, &[0, 0, 0, 0, 1, 1, 1, 1, 1, 1], 2, 1);
    for &method in SetMethod::ALL {
        let none = sets.shortfall(method, 0.0).unwrap();
        assert_eq!(none.needed, None);
        let short = sets.shortfall(method, 0.05).unwrap();
        assert_eq!(short.needed, Some(19));
        for alpha in [0.0, 0.05, 0.1, 0.2, 0.5, 0.99, f64::NAN] {
            let set = sets.set(method, &[0.5, 0.5], alpha, 0.3);
            assert_eq!(set.is_none(), sets.shortfall(method, alpha).is_some(), "{method:?}");
        }
    }
    assert_eq!(sets.shortfall(SetMethod::Lac, 0.1), None);
    let short = Shortfall { class: Some(0), records: 4, needed: Some(9) };
    assert_eq!(sets.shortfall(SetMethod::Mondrian, 0.1), Some(short));
    assert_eq!(sets.shortfall(SetMethod::Mondrian, 0.2), None);
    // A class without records, and no records at all.
    let sets = sets_of(&mut rng, &[0; 30], 2, 1);
    assert_eq!(sets.set(SetMethod::Mondrian, &[0.5, 0.5], 0.9, 0.3), None);
    assert_eq!(PredictionSets::fit(&[], &[], 1).set(SetMethod::Aps, &[1.0], 0.9, 0.3), None);
    assert_eq!(PredictionSets::fit(&[vec![1.0]], &[7], 1).lac.len(), 0);
}

#[test]
fn stored_and_read_they_are_the_same() {
    let mut rng = random::stream(2, "stored");
    let classes: Vec<usize> = (0..60).map(|i| i % 3).collect();
    let sets = sets_of(&mut rng, &classes, 3, 9);
    let text = serde_json::to_string(&sets).unwrap();
    assert_eq!(serde_json::from_str::<PredictionSets>(&text).unwrap(), sets);
    assert_eq!(PredictionSets::load(&sets.save()).unwrap(), sets);
    for counts in [vec![20, 20], vec![20, 20, 21], vec![u64::MAX, 1]] {
        let mut damaged = sets.save();
        damaged.put("counts", counts);
        assert!(PredictionSets::load(&damaged).is_err());
    }
    let mut damaged = sets.save();
    damaged.put("aps", vec![1.0]);
    assert!(PredictionSets::load(&damaged).is_err());
    assert_eq!(serde_json::to_string(&SetMethod::Mondrian).unwrap(), "\"mondrian\"");
}

/// The coverage over 2,000 seeded calibration sets lies within four standard errors of at least 1 −
/// α and at most ⌈(n + 1)(1 − α)⌉/(n + 1), the chance without ties, but for sets that hold the true
/// class only since it is the most probable. The off-by-one quantile fails the same check.
#[test]
fn sets_of_all_records_cover() {
    for method in [SetMethod::Lac, SetMethod::Aps, SetMethod::Raps] {
        let mut rng = random::stream(3, "coverage");
        let (mut covered, mut broken, mut given) = (0, 0, 0);
        for trial in 0..TRIALS {
            let classes: Vec<usize> = (0..=RECORDS).map(|_| rng.random_range(0..8)).collect();
            let (new, calibration) = classes.split_first().unwrap();
            let sets = sets_of(&mut rng, calibration, 8, u64::from(trial));
            let (p, u) = (draw(&mut rng, *new, 8), uniform(rng.random()));
            let holds = |alpha| sets.set(method, &p, alpha, u).unwrap().contains(new);
            covered += u32::from(holds(ALPHA));
            broken += u32::from(holds(forgetful(RECORDS)));
            let threshold = sets.at(method, ALPHA).unwrap().of_class[*new];
            given += u32::from(holds(ALPHA) && method.scores(&p, u)[*new] > threshold);
        }
        let share = |count| f64::from(count) / f64::from(TRIALS);
        let covers = |count| share(count) >= 1.0 - ALPHA - chance();
        assert!(covers(covered), "{method:?}: {}", share(covered));
        let most = RECORDS as f64 / (RECORDS + 1) as f64 + chance();
        assert!(share(covered - given) <= most, "{method:?}: {}", share(covered - given));
        assert!(!covers(broken), "{method:?}, off by one: {}", share(broken));
    }
}

/// The coverage of each class by itself, within four standard errors. The off-by-one quantile fails
/// the same check, and one threshold for all classes fails it for the hardest class.
#[test]
fn sets_of_each_class_cover() {
    const CLASSES: usize = 3;
    let mut rng = random::stream(4, "mondrian");
    let calibration: Vec<usize> = (0..CLASSES * RECORDS).map(|i| i % CLASSES).collect();
    let mut counts = [[0u32; CLASSES]; 3];
    for trial in 0..TRIALS {
        let sets = sets_of(&mut rng, &calibration, CLASSES, u64::from(trial));
        for class in 0..CLASSES {
            let p = draw(&mut rng, class, CLASSES);
            let ways = [
                (SetMethod::Mondrian, ALPHA),
                (SetMethod::Mondrian, forgetful(RECORDS)),
                (SetMethod::Lac, ALPHA),
            ];
            for (counts, (method, alpha)) in counts.iter_mut().zip(ways) {
                let set = sets.set(method, &p, alpha, 0.5).unwrap();
                counts[class] += u32::from(set.contains(&class));
            }
        }
    }
    let covers = |count: u32| f64::from(count) / f64::from(TRIALS) >= 1.0 - ALPHA - chance();
    let [mondrian, broken, lac] = counts;
    assert!(mondrian.iter().all(|&count| covers(count)), "{mondrian:?}");
    assert!(!broken.iter().all(|&count| covers(count)), "{broken:?}");
    assert!(!covers(lac[CLASSES - 1]), "{lac:?}");
}

/// LAC needs the fewest classes, and the price of RAPS shortens what APS gives where there are many
/// classes of little probability.
#[test]
fn sets_are_as_short_as_the_method_says() {
    const CLASSES: usize = 60;
    let mut rng = random::stream(5, "sizes");
    let mut rows = || -> Vec<Vec<f64>> {
        let mut logit = |class, j| random::normal(&mut rng) + if j == class { 3.5 } else { 0.0 };
        let mut row = |class| (0..CLASSES).map(|j| logit(class, j) as f32).collect::<Vec<_>>();
        (0..600).map(|i| softmax(&row(i % CLASSES), 1.0)).collect()
    };
    let truth: Vec<u32> = (0..600).map(|i| i % CLASSES as u32).collect();
    let (sets, fresh) = (PredictionSets::fit(&rows(), &truth, 1), rows());
    let size = |method| {
        let one = |i: usize| {
            let u = uniform(random::keyed(i as u64));
            sets.set(method, &fresh[i], ALPHA, u).unwrap().len()
        };
        (0..fresh.len()).map(one).sum::<usize>() as f64 / fresh.len() as f64
    };
    let (lac, aps, raps) = (size(SetMethod::Lac), size(SetMethod::Aps), size(SetMethod::Raps));
    assert!(lac < raps && raps < aps, "{lac} {raps} {aps}");
}

/// Every size and level that is to have a set has one, which covers; the others have none.
#[test]
fn sets_cover_at_any_size_and_level() {
    let mut rng = random::stream(8, "set sizes");
    for n in [3, 9, 19, 50] {
        for alpha in [0.05, 0.1, 0.25, 0.5] {
            let (mut covered, mut none) = (0, 0);
            for _ in 0..TRIALS {
                let mut draw = || {
                    let p = rng.random::<f64>();
                    (vec![p, 1.0 - p], u32::from(rng.random::<f64>() >= p))
                };
                let (rows, classes): (Vec<_>, Vec<_>) = (0..n).map(|_| draw()).unzip();
                let (p, class) = draw();
                match PredictionSets::fit(&rows, &classes, 1).set(SetMethod::Lac, &p, alpha, 0.5) {
                    Some(set) => covered += u32::from(set.contains(&(class as usize))),
                    None => none += 1,
                }
            }
            if n < records_needed(alpha).unwrap() {
                assert_eq!(none, TRIALS, "n {n}, alpha {alpha}");
                continue;
            }
            assert_eq!(none, 0, "n {n}, alpha {alpha}");
            let share = f64::from(covered) / f64::from(TRIALS);
            let chance = 4.0 * (alpha * (1.0 - alpha) / f64::from(TRIALS)).sqrt();
            assert!(share >= 1.0 - alpha - chance, "n {n}, alpha {alpha}: {share}");
        }
    }
}
