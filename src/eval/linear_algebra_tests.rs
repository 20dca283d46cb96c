use super::*;
use crate::random;

/// X Xᵀ of normal draws, of rank `rank`.
fn matrix(size: usize, rank: usize, seed: u64) -> Vec<f64> {
    let mut rng = random::stream(seed, "matrix");
    let x: Vec<f64> = (0..size * rank).map(|_| random::normal(&mut rng)).collect();
    let row = |i: usize| &x[i * rank..(i + 1) * rank];
    (0..size * size).map(|place| dot(row(place / size), row(place % size))).collect()
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |max: f64, value| max.max(value.abs()))
}

/// A v = λ v, the vectors at right angles and of length 1, the values descending.
fn check(a: &[f64], size: usize) {
    let Eigen { values, vectors } = eigen(a, size);
    assert!(values.is_sorted_by(|a, b| a >= b));
    let row = |i: usize| &vectors[i * size..(i + 1) * size];
    let scale = largest(a.iter().copied()).max(f64::MIN_POSITIVE);
    for (i, value) in values.iter().enumerate() {
        let image = |j: usize| dot(&a[j * size..(j + 1) * size], row(i));
        let wrong = largest((0..size).map(|j| image(j) - value * row(i)[j]));
        assert!(wrong <= 1e-12 * scale * size as f64, "{size}: {wrong}");
        for j in 0..size {
            let expected = f64::from(u8::from(i == j));
            assert!((dot(row(i), row(j)) - expected).abs() < 1e-12, "{size}: {i} {j}");
        }
    }
}

#[test]
fn eigenvectors_are_those_of_the_matrix() {
    for size in 0..=9 {
        check(&matrix(size, size + 2, size as u64), size);
    }
    check(&matrix(60, 80, 1), 60);
    // Of rank 3: 37 equal eigenvalues.
    check(&matrix(40, 3, 2), 40);
}

#[test]
fn odd_matrices_have_eigenvectors_too() {
    check(&[0.0; 16], 4);
    check(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0], 3);
    check(&[0.0, 1.0, 1.0, 0.0], 2);
    check(&[-3.0, 0.5, 0.5, 1.0], 2);
    for scale in [1e-150, 1e150] {
        check(&matrix(6, 6, 3).iter().map(|value| value * scale).collect::<Vec<_>>(), 6);
    }
    // Eigenvalues from 1 down to 1e-14, and a chain whose values are known: 2 − 2 cos(kπ/(n + 1)).
    let graded: Vec<f64> = (0..64).map(|place| 10f64.powi(-(place / 8) - place % 8)).collect();
    check(&graded, 8);
    let chain = |place: usize| match (place / 7).abs_diff(place % 7) {
        0 => 2.0,
        1 => -1.0,
        _ => 0.0,
    };
    let chain: Vec<f64> = (0..49).map(chain).collect();
    check(&chain, 7);
    for (k, value) in eigen(&chain, 7).values.iter().rev().enumerate() {
        let expected = 2.0 - 2.0 * ((k + 1) as f64 * std::f64::consts::PI / 8.0).cos();
        assert!((value - expected).abs() < 1e-13);
    }
}

#[test]
fn the_factor_gives_back_the_matrix_and_solves() {
    for size in [1, 2, 5, 33] {
        let a = matrix(size, size + 3, 4);
        let factor = Cholesky::new(&a, size).unwrap();
        let entry = |i: usize, j: usize| {
            let shared = i.min(j) + 1;
            dot(&factor.row(i)[..shared], &factor.row(j)[..shared])
        };
        let wrong = largest((0..size * size).map(|p| entry(p / size, p % size) - a[p]));
        assert!(wrong < 1e-12 * largest(a.iter().copied()) * size as f64, "{wrong}");
        let x: Vec<f64> = (0..size).map(|i| i as f64 - 1.5).collect();
        let mut solved = x.clone();
        factor.solve(&mut solved);
        let back = (0..size).map(|i| dot(factor.row(i), &solved[..=i]) - x[i]);
        assert!(largest(back) < 1e-9, "{size}");
    }
}

#[test]
fn what_has_no_factor_is_refused() {
    assert!(Cholesky::new(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
    assert!(Cholesky::new(&[0.0], 1).is_none());
    assert!(Cholesky::new(&[f64::INFINITY], 1).is_none());
    assert!(Cholesky::from_rows(2, vec![1.0, 0.5, 2.0]).is_some());
    assert!(Cholesky::from_rows(2, vec![1.0, 0.5, 0.0]).is_none());
    assert!(Cholesky::from_rows(2, vec![1.0, f64::NAN, 2.0]).is_none());
    assert!(Cholesky::from_rows(3, vec![1.0, 0.5, 2.0]).is_none());
    assert!(Cholesky::from_rows(usize::MAX, vec![]).is_none());
    let mut x = [3.0, 4.0];
    Cholesky::identity(2).solve(&mut x);
    assert_eq!(x, [3.0, 4.0]);
}

#[test]
fn sums_side_by_side_are_those_one_by_one() {
    for size in [0, 1, 7, 8, 9, 30] {
        let a: Vec<f64> = (0..size).map(|i| f64::from(i) - 3.0).collect();
        let b: Vec<f64> = (0..size).map(|i| f64::from(i * i % 5)).collect();
        let product: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        let square: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
        assert_eq!((dot(&a, &b), square_distance(&a, &b)), (product, square), "{size}");
    }
}
