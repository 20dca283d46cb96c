//! Logistic regression on few features, which Platt's and the beta calibrator are.

/// Pull of each weight towards that of the identity, as if from a thousandth of a record: decides
/// where the records cannot, such as where a feature never varies, and is lost among them
/// elsewhere.
const RIDGE: f64 = 1e-3;
const MAX_STEPS: usize = 100;

/// Platt's targets (Platt 1999): each outcome with one more of either kind seen, so that records
/// that one threshold separates still have a finite fit. Not 0 and 1, but 1/(n₋ + 2) and
/// (n₊ + 1)/(n₊ + 2).
pub(super) fn targets(outcomes: &[bool]) -> Vec<f64> {
    let holding = outcomes.iter().filter(|y| **y).count() as f64;
    let failing = outcomes.len() as f64 - holding;
    let (low, high) = (1.0 / (failing + 2.0), (holding + 1.0) / (holding + 2.0));
    outcomes.iter().map(|&y| if y { high } else { low }).collect()
}

/// The weights w that minimise Σ ln(1 + e^{w·x}) − t·(w·x) + ridge, by Newton's method from
/// `identity`; those that are not `free` stay where `start` has them. Convex, so the minimum is
/// one.
pub(super) fn fit<const D: usize>(
    features: &[[f64; D]],
    targets: &[f64],
    (identity, start): ([f64; D], [f64; D]),
    free: [bool; D],
) -> [f64; D] {
    let dot = |w: &[f64; D], x: &[f64; D]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    let loss = |w: &[f64; D]| -> f64 {
        let records: f64 =
            features.iter().zip(targets).map(|(x, t)| softplus(dot(w, x)) - t * dot(w, x)).sum();
        let apart: f64 = w.iter().zip(&identity).map(|(w, i)| (w - i).powi(2)).sum();
        records + 0.5 * RIDGE * apart
    };
    let (mut weights, mut best) = (start, loss(&start));
    for _ in 0..MAX_STEPS {
        let mut gradient = [0.0; D];
        let mut hessian = [[0.0; D]; D];
        for (x, target) in features.iter().zip(targets) {
            let p = crate::eval::sigmoid(dot(&weights, x));
            for i in 0..D {
                gradient[i] += (p - target) * x[i];
                for j in 0..D {
                    hessian[i][j] += p * (1.0 - p) * x[i] * x[j];
                }
            }
        }
        for i in 0..D {
            gradient[i] += RIDGE * (weights[i] - identity[i]);
            hessian[i][i] += RIDGE;
            if !free[i] {
                gradient[i] = 0.0;
                hessian[i] = [0.0; D];
                hessian.iter_mut().for_each(|row| row[i] = 0.0);
                hessian[i][i] = 1.0;
            }
        }
        let step = solve(hessian, gradient);
        // Halved until it leads down; where none does, this is the minimum as far as numbers reach.
        let shorter = (0..50).map(|halvings| 0.5f64.powi(halvings)).find_map(|share| {
            let next = std::array::from_fn(|i| weights[i] - share * step[i]);
            let found = loss(&next);
            (found < best).then_some((next, found))
        });
        let Some((next, found)) = shorter else { break };
        let gain = best - found;
        (weights, best) = (next, found);
        if gain <= 1e-13 * best.abs() {
            break;
        }
    }
    weights
}

/// ln(1 + e^z), without overflow.
pub(super) fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// x with A·x = b, by elimination with pivots; not finite where A is singular.
fn solve<const D: usize>(mut a: [[f64; D]; D], mut b: [f64; D]) -> [f64; D] {
    for column in 0..D {
        let size = |row: &usize| a[*row][column].abs();
        let pivot = (column..D).max_by(|r, s| size(r).total_cmp(&size(s))).unwrap_or(column);
        a.swap(column, pivot);
        b.swap(column, pivot);
        let (above, below) = a.split_at_mut(column + 1);
        for (row, values) in below.iter_mut().enumerate() {
            let share = values[column] / above[column][column];
            values.iter_mut().zip(&above[column]).for_each(|(value, p)| *value -= share * p);
            b[column + 1 + row] -= share * b[column];
        }
    }
    for row in (0..D).rev() {
        let known: f64 = (row + 1..D).map(|k| a[row][k] * b[k]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        // Needs a pivot: the first entry is 0.
        let a = [[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [2.0, 0.0, 3.0]];
        assert_eq!(solve(a, [7.0, 3.0, 11.0]), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn softplus_neither_overflows_nor_vanishes() {
        assert_eq!(softplus(1e4), 1e4);
        assert!((softplus(0.0) - 2f64.ln()).abs() < 1e-15);
        assert!((softplus(-40.0) / (-40f64).exp() - 1.0).abs() < 1e-12);
    }

    /// The smoothed targets 2/3 and 1/4, three quarters to one: σ(b) is their mean.
    #[test]
    fn a_constant_is_fitted_to_the_mean_of_the_targets() {
        let targets = targets(&[true, false, false]);
        assert_eq!(targets, [2.0 / 3.0, 0.25, 0.25]);
        let [b] = fit(&[[1.0]; 3], &targets, ([0.0], [0.0]), [true]);
        let mean = targets.iter().sum::<f64>() / 3.0;
        // The ridge moves it by about ridge · b / (n p (1 − p)).
        assert!((crate::eval::sigmoid(b) - mean).abs() < 2e-4, "{b}");
    }

    #[test]
    fn extremes_keep_weights_finite() {
        for scale in [0.0, 1e-30, 1.0, 1e30, 3e38] {
            for outcomes in [[true; 4], [false; 4], [true, false, true, false]] {
                let x = [[scale, 1.0], [-scale, 1.0], [scale * 0.5, 1.0], [0.0, 1.0]];
                let start = ([1.0, 0.0], [1.0, 0.0]);
                let weights = fit(&x, &targets(&outcomes), start, [true; 2]);
                assert!(weights.iter().all(|w| w.is_finite()), "{scale} {weights:?}");
            }
        }
    }
}
