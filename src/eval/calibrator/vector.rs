//! Vector scaling (Guo et al. 2017): a scale and a bias for each class.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lbfgs;
use crate::eval::{Link, Matrix, exponential};

/// Pull towards scale 1 and bias 0, in records: ½·ridge·Σ (scale − 1)² + bias² beside the summed
/// log loss, which is a normal prior of standard deviation 1. A class that has few records, or
/// none, stays close to what the network says.
const RIDGE: f64 = 1.0;
/// Largest entry of the gradient, per record, that counts as zero.
const TOLERANCE: f64 = 1e-6;

/// softmax(scale · z + bias), class by class. It may change which class is the top.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VectorScaling {
    /// Of each class's logit; all 1 change nothing.
    pub scale: Vec<f64>,
    /// Added to each class's logit after that; all 0 change nothing.
    pub bias: Vec<f64>,
}

impl VectorScaling {
    /// Minimises the log loss, which is convex, from one scale of 1/temperature.
    pub(super) fn fit(
        logits: &Matrix,
        classes: &[u32],
        records: &[usize],
        temperature: f64,
    ) -> Self {
        let n = logits.columns();
        let objective = |weights: &[f64]| {
            let (scale, bias) = weights.split_at(n);
            let mut gradient = vec![0.0; 2 * n];
            let mut value = 0.0;
            for (j, (s, b)) in scale.iter().zip(bias).enumerate() {
                value += 0.5 * RIDGE * ((s - 1.0).powi(2) + b * b);
                (gradient[j], gradient[n + j]) = (RIDGE * (s - 1.0), RIDGE * b);
            }
            let mut p = vec![0.0; n];
            for &record in records {
                let (row, class) = (logits.row(record), classes[record] as usize);
                scaled(scale, bias, row, &mut p);
                let truth = p[class];
                value += normalize(&mut p) - truth;
                p[class] -= 1.0;
                for (j, (gap, z)) in p.iter().zip(row).enumerate() {
                    gradient[j] += gap * f64::from(*z);
                    gradient[n + j] += gap;
                }
            }
            (value, gradient)
        };
        let start = [vec![1.0 / temperature; n], vec![0.0; n]].concat();
        let tolerance = TOLERANCE * records.len().max(1) as f64;
        let mut scale = lbfgs::minimize(start, tolerance, objective);
        let bias = scale.split_off(n);
        Self { scale, bias }
    }

    /// The calibrated probabilities. A logit beyond those fitted stays as it is.
    pub fn probabilities(&self, link: Link, logits: &[f32]) -> Vec<f64> {
        let mut p = vec![0.0; logits.len()];
        scaled(&self.scale, &self.bias, logits, &mut p);
        match link {
            Link::Softmax => {
                normalize(&mut p);
            }
            Link::Sigmoid => p.iter_mut().for_each(|z| *z = crate::eval::sigmoid(*z)),
        }
        p
    }
}

fn scaled(scale: &[f64], bias: &[f64], logits: &[f32], out: &mut [f64]) {
    for (j, (out, z)) in out.iter_mut().zip(logits).enumerate() {
        let (s, b) = (scale.get(j).unwrap_or(&1.0), bias.get(j).unwrap_or(&0.0));
        *out = s * f64::from(*z) + b;
    }
}

/// Makes logits probabilities; gives ln Σ e^z.
fn normalize(z: &mut [f64]) -> f64 {
    let max = exponential::largest(z, f64::NEG_INFINITY);
    max + crate::eval::normalize(z, max).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{argmax, softmax};
    use crate::random::{self, Rng};

    /// Logits that a scale and a bias per class would make true.
    fn sample(records: usize, truth: &VectorScaling, seed: u64) -> (Matrix, Vec<u32>) {
        let mut rng = random::stream(seed, "vector");
        let mut logits = Matrix::new(truth.scale.len());
        let mut classes = Vec::new();
        for _ in 0..records {
            let row: Vec<f32> =
                truth.scale.iter().map(|_| random::normal(&mut rng) as f32).collect();
            let mut rest = rng.random::<f64>();
            let p = truth.probabilities(Link::Softmax, &row);
            let class = p.iter().position(|p| {
                rest -= p;
                rest < 0.0
            });
            classes.push(class.unwrap_or(0) as u32);
            logits.push(&row);
        }
        (logits, classes)
    }

    #[test]
    fn the_scales_and_biases_that_made_the_records_are_found() {
        let truth = VectorScaling { scale: vec![0.5, 1.5, 1.0], bias: vec![1.0, -1.0, 0.0] };
        let (logits, classes) = sample(20_000, &truth, 1);
        let all: Vec<usize> = (0..classes.len()).collect();
        let fitted = VectorScaling::fit(&logits, &classes, &all, 1.0);
        for j in 0..3 {
            assert!((fitted.scale[j] - truth.scale[j]).abs() < 0.1, "{fitted:?}");
            // Biases are known up to one number for all.
            let gap = |vector: &VectorScaling| vector.bias[j] - vector.bias[0];
            assert!((gap(&fitted) - gap(&truth)).abs() < 0.1, "{fitted:?}");
        }
        // From elsewhere, the same minimum: the loss is convex.
        let other = VectorScaling::fit(&logits, &classes, &all, 5.0);
        for (a, b) in fitted.scale.iter().zip(&other.scale) {
            assert!((a - b).abs() < 1e-3, "{fitted:?} {other:?}");
        }
    }

    #[test]
    fn a_class_without_records_stays_close_to_the_network() {
        let truth = VectorScaling { scale: vec![1.0, 1.0, 1.0], bias: vec![0.0, 0.0, -30.0] };
        let (logits, classes) = sample(100, &truth, 2);
        assert!(!classes.contains(&2));
        let all: Vec<usize> = (0..100).collect();
        let fitted = VectorScaling::fit(&logits, &classes, &all, 1.0);
        assert!(fitted.bias[2] < -1.0 && fitted.bias[2] > -6.0, "{fitted:?}");
        assert_eq!(
            VectorScaling::fit(&logits, &classes, &[], 1.0),
            VectorScaling { scale: vec![1.0; 3], bias: vec![0.0; 3] }
        );
    }

    #[test]
    fn the_identity_is_the_softmax_and_extremes_stay_finite() {
        let identity = VectorScaling::default();
        let row = [0.3, -2.0, 1.7];
        let (found, expected) = (identity.probabilities(Link::Softmax, &row), softmax(&row, 1.0));
        assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-7));
        let logits = Matrix::from_values(2, vec![f32::MAX, f32::MIN, 0.0, 0.0, -1e20, 1e20]);
        let fitted = VectorScaling::fit(&logits, &[1, 0, 1], &[0, 1, 2], 1.0);
        for row in logits.rows() {
            let p = fitted.probabilities(Link::Softmax, row);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9 && argmax(&p) < 2, "{p:?}");
        }
    }
}
