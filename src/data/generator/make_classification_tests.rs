use super::super::tests::{Columns, columns_of, faults_of};
use super::*;

fn spec() -> MakeClassificationSpec {
    MakeClassificationSpec {
        samples: 4_003,
        features: 12,
        informative: 4,
        redundant: 3,
        classes: 3,
        flip_y: 0.0,
        ..Default::default()
    }
}

fn row(columns: &Columns, features: std::ops::Range<usize>, row: usize) -> Vec<f64> {
    features.map(|feature| columns[&format!("x{feature}")][row]).collect()
}

#[test]
fn classes_are_balanced() {
    let columns = columns_of(&spec());
    let count = |class: f64| columns["label"].iter().filter(|label| **label == class).count();
    // Six clusters share 4,003 records: 668, 667, 667, 667, 667, 667, of classes 0, 1, 2, 0, 1, 2.
    assert_eq!([count(0.0), count(1.0), count(2.0)], [1_335, 1_334, 1_334]);
    assert_eq!(columns.len(), 13);
}

/// The redundant columns are the same linear combinations of the informative ones in every record.
#[test]
fn redundant_columns_lie_in_the_span_of_the_informative() {
    let columns = columns_of(&spec());
    // Four records with known informative columns give the weights; all others have to fit.
    let known: Vec<Vec<f64>> = (0..4).map(|r| row(&columns, 0..4, r)).collect();
    for redundant in 4..7 {
        let target = |r: usize| columns[&format!("x{redundant}")][r];
        let weights = solve(known.clone(), (0..4).map(target).collect());
        assert!(weights.iter().all(|w| w.abs() <= 1.0), "{weights:?}");
        for r in 4..4_003 {
            let fitted: f64 = row(&columns, 0..4, r).iter().zip(&weights).map(|(x, w)| x * w).sum();
            assert!((fitted - target(r)).abs() < 1e-8, "record {r}");
        }
    }
}

/// Gauss and Jordan, for as many equations as unknowns.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for pivot in 0..n {
        let largest = (pivot..n).max_by(|i, j| a[*i][pivot].abs().total_cmp(&a[*j][pivot].abs()));
        a.swap(pivot, largest.unwrap());
        b.swap(pivot, largest.unwrap());
        for other in (0..n).filter(|other| *other != pivot) {
            let factor = a[other][pivot] / a[pivot][pivot];
            let row = a[pivot].clone();
            a[other].iter_mut().zip(row).for_each(|(value, above)| *value -= factor * above);
            b[other] -= factor * b[pivot];
        }
    }
    (0..n).map(|i| b[i] / a[i][i]).collect()
}

/// The other columns say nothing: standard normal, whatever the class.
#[test]
fn the_rest_is_noise() {
    let columns = columns_of(&spec());
    for feature in 7..12 {
        let values = &columns[&format!("x{feature}")];
        for class in 0..3 {
            let of_class =
                values.iter().zip(&columns["label"]).filter(|(_, l)| **l == f64::from(class));
            let (n, sum, squares) =
                of_class.fold((0.0, 0.0, 0.0), |(n, s, q), (x, _)| (n + 1.0, s + x, q + x * x));
            assert!((sum / n).abs() < 4.5 / f64::sqrt(n), "x{feature}, class {class}");
            assert!(
                (squares / n - 1.0).abs() < 4.5 * f64::sqrt(2.0 / n),
                "x{feature}, class {class}"
            );
        }
    }
}

/// With one cluster a class, each class has its corner as its mean.
#[test]
fn clusters_stand_at_corners_of_the_hypercube() {
    let spec = MakeClassificationSpec {
        clusters_per_class: 1,
        classes: 4,
        informative: 2,
        redundant: 0,
        features: 2,
        samples: 40_000,
        class_sep: 2.0,
        flip_y: 0.0,
        ..Default::default()
    };
    let columns = columns_of(&spec);
    let mut corners = HashSet::new();
    for class in 0..4 {
        let mut corner = Vec::new();
        for column in ["x0", "x1"] {
            let values = columns[column].iter().zip(&columns["label"]);
            let values = values.filter(|(_, label)| **label == f64::from(class));
            let mean = values.map(|(x, _)| x).sum::<f64>() / 10_000.0;
            // Mixed by two numbers of at most 1, the deviation is at most √2: 0.07 is five errors.
            assert!((mean.abs() - 2.0).abs() < 0.071, "{mean}");
            corner.push(mean > 0.0);
        }
        corners.insert(corner);
    }
    assert_eq!(corners.len(), 4, "a corner was taken twice");
}

#[test]
fn label_noise_redraws_its_share_and_moves_nothing_else() {
    let clean = columns_of(&spec());
    let noisy = columns_of(&MakeClassificationSpec { flip_y: 0.3, ..spec() });
    assert_eq!(clean["x0"], noisy["x0"]);
    let changed = clean["label"].iter().zip(&noisy["label"]).filter(|(a, b)| a != b).count();
    // A redrawn label is another one in two of three cases: 0.2 ± 5 · √(0.16 / 4,003).
    assert!((changed as f64 / 4_003.0 - 0.2).abs() < 0.032, "{changed}");
}

/// The wider apart, the easier: what the nearest corner says is right more often.
#[test]
fn separation_makes_it_easier() {
    let accuracy = |class_sep: f64| {
        let spec = MakeClassificationSpec {
            class_sep,
            clusters_per_class: 1,
            informative: 5,
            flip_y: 0.0,
            ..Default::default()
        };
        let corners = spec.corners();
        let columns = columns_of(&spec);
        let distance = |r: usize, corner: &[f64]| -> f64 {
            row(&columns, 0..5, r).iter().zip(corner).map(|(x, c)| (x - c).powi(2)).sum()
        };
        let right = (0..1_000).filter(|&r| {
            let nearer = f64::from(distance(r, &corners[1]) < distance(r, &corners[0]));
            nearer == columns["label"][r]
        });
        right.count()
    };
    let (near, far) = (accuracy(0.2), accuracy(5.0));
    assert!(near < 800 && far > 980, "{near} {far}");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let base = MakeClassificationSpec::default;
    assert!(faults_of(&base()).is_empty());
    assert_eq!(faults_of(&MakeClassificationSpec { features: 3, ..base() }), ["features"]);
    assert_eq!(faults_of(&MakeClassificationSpec { informative: 1, ..base() }), ["informative"]);
    assert_eq!(faults_of(&MakeClassificationSpec { classes: 3, ..base() }), ["informative"]);
    let three = MakeClassificationSpec { classes: 4, clusters_per_class: 1, ..base() };
    assert!(faults_of(&three).is_empty());
    assert_eq!(faults_of(&MakeClassificationSpec { samples: 3, ..three }), ["samples"]);
    let wide = MakeClassificationSpec { features: 500, samples: 9_980, ..base() };
    assert!(faults_of(&wide).is_empty());
    assert_eq!(faults_of(&MakeClassificationSpec { samples: 9_981, ..wide.clone() }), ["samples"]);
    let mixed = MakeClassificationSpec { informative: 400, classes: 50, ..wide };
    assert_eq!(faults_of(&mixed), ["informative"]);
}
