//! Minimisation of a smooth convex function (limited-memory BFGS; Nocedal 1980).

use std::collections::VecDeque;

/// Steps that the curvature is estimated from.
const MEMORY: usize = 10;
const MAX_STEPS: usize = 200;
/// Share of the slope that a step must gain (Armijo).
const SUFFICIENT: f64 = 1e-4;

/// The point at which no entry of the gradient exceeds `tolerance`, from `start`; the best point
/// found where steps end first. `function` gives value and gradient.
pub(super) fn minimize(
    start: Vec<f64>,
    tolerance: f64,
    function: impl Fn(&[f64]) -> (f64, Vec<f64>),
) -> Vec<f64> {
    let mut point = start;
    let (mut value, mut gradient) = function(&point);
    // Pairs of steps and changes of gradient, newest last.
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..MAX_STEPS {
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            break;
        }
        let direction = direction(&gradient, &pairs);
        let slope = dot(&direction, &gradient);
        let step = (0..60).map(|halvings| 0.5f64.powi(halvings)).find_map(|length| {
            let next: Vec<f64> =
                point.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let (found, gradient) = function(&next);
            (found <= value + SUFFICIENT * length * slope && found < value)
                .then_some((next, found, gradient))
        });
        let Some((next, found, next_gradient)) = step else {
            if pairs.is_empty() {
                break;
            }
            // Curvature from far away can mislead; the gradient itself cannot.
            pairs.clear();
            continue;
        };
        let moved: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&moved, &turned) > 1e-12 * dot(&turned, &turned).sqrt() * dot(&moved, &moved).sqrt()
        {
            pairs.push_back((moved, turned));
            if pairs.len() > MEMORY {
                pairs.pop_front();
            }
        }
        (point, value, gradient) = (next, found, next_gradient);
    }
    point
}

/// −H·gradient, with H the inverse curvature that the pairs tell of.
fn direction(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for (s, y) in pairs.iter().rev() {
        let share = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= share * y);
        shares.push(share);
    }
    // Without pairs, a step of length 1 at most.
    let scale = pairs.back().map_or_else(
        || 1.0 / dot(gradient, gradient).sqrt().max(1.0),
        |(s, y)| dot(s, y) / dot(y, y),
    );
    q.iter_mut().for_each(|q| *q *= scale);
    for ((s, y), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let rest = share - dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += rest * s);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_narrow_valley_is_solved() {
        // Curvatures from 1 to 10⁶; minimum at (1, 2, …).
        let function = |x: &[f64]| {
            let weight = |i: usize| 10f64.powi(i as i32);
            let gap = |(i, x): (usize, &f64)| x - (i + 1) as f64;
            let value: f64 = x.iter().enumerate().map(|e| 0.5 * weight(e.0) * gap(e).powi(2)).sum();
            (value, x.iter().enumerate().map(|e| weight(e.0) * gap(e)).collect())
        };
        let found = minimize(vec![0.0; 7], 1e-9, function);
        for (i, x) in found.iter().enumerate() {
            assert!((x - (i + 1) as f64).abs() < 1e-8, "{found:?}");
        }
    }

    #[test]
    fn what_cannot_improve_stays() {
        assert_eq!(minimize(vec![3.0], 1e-9, |_| (1.0, vec![1.0])), [3.0]);
        assert_eq!(minimize(vec![3.0], 1e-9, |_| (f64::NAN, vec![f64::NAN])), [3.0]);
        assert!(minimize(Vec::new(), 1e-9, |_| (0.0, Vec::new())).is_empty());
    }
}
