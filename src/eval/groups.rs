//! Means of a few runs, as of several seeds, and the difference of two such means.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::distribution::{student_t_cdf, student_t_quantile};

/// A mean over runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Mean {
    /// Runs.
    pub runs: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (n − 1); absent for one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<f64>,
    /// 95 % t interval of the mean; absent for one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

/// The difference of two means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeanDifference {
    /// First mean − second mean.
    pub difference: f64,
    /// Its 95 % interval (Welch 1947: unequal variances); where no run differs from its group's
    /// mean, of no width.
    pub interval: [f64; 2],
    /// Welch–Satterthwaite degrees of freedom.
    pub degrees_of_freedom: f64,
    /// Two-sided p-value of Welch's t test.
    pub p_value: f64,
}

/// The mean of values, with the t interval x̄ ± t·s/√n; `None` without values.
pub fn mean(values: &[f64]) -> Option<Mean> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let spread = variance(values, mean);
    let interval = spread.map(|variance| {
        let half = student_t_quantile(0.975, (n - 1) as f64) * (variance / n as f64).sqrt();
        [mean - half, mean + half]
    });
    Some(Mean { runs: n, mean, standard_deviation: spread.map(f64::sqrt), interval })
}

/// The difference of the means of two independent groups by Welch's t; `None` where one has fewer
/// than two values.
pub fn difference(first: &[f64], second: &[f64]) -> Option<MeanDifference> {
    let of = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        Some((mean, variance(values, mean)? / n, n))
    };
    let ((a, va, na), (b, vb, nb)) = (of(first)?, of(second)?);
    let (difference, variance) = (a - b, va + vb);
    if variance == 0.0 {
        let p_value = if difference == 0.0 { 1.0 } else { 0.0 };
        let interval = [difference; 2];
        return Some(MeanDifference {
            difference,
            interval,
            degrees_of_freedom: na + nb - 2.0,
            p_value,
        });
    }
    let degrees_of_freedom = variance.powi(2) / (va.powi(2) / (na - 1.0) + vb.powi(2) / (nb - 1.0));
    let error = variance.sqrt();
    let half = student_t_quantile(0.975, degrees_of_freedom) * error;
    let p_value = 2.0 * student_t_cdf(-(difference / error).abs(), degrees_of_freedom);
    let interval = [difference - half, difference + half];
    Some(MeanDifference { difference, interval, degrees_of_freedom, p_value })
}

fn variance(values: &[f64], mean: f64) -> Option<f64> {
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| squares / (values.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    /// By hand: means 3 and 7.5, variances 2.5 and 7, standard error √(2.5/5 + 7/4) = 1.5; degrees of
    /// freedom 2.25² / (0.5²/4 + 1.75²/3) = 4.673077.
    #[test]
    fn known_values() {
        let difference = difference(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 8.0, 11.0]).unwrap();
        assert_eq!(difference.difference, -4.5);
        assert!((difference.degrees_of_freedom - 4.673_076_923).abs() < 1e-8);
        let half = (difference.interval[1] - difference.interval[0]) / 2.0;
        assert!((half / 1.5 - student_t_quantile(0.975, 4.673_076_923)).abs() < 1e-8);
        assert!(difference.p_value > 0.02 && difference.p_value < 0.05, "{difference:?}");
        let five = mean(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let half = 2.776_445_105 * (2.5f64 / 5.0).sqrt();
        let [low, high] = five.interval.unwrap();
        assert!((low - (3.0 - half)).abs() < 1e-8 && (high - (3.0 + half)).abs() < 1e-8);
        assert_eq!(mean(&[2.0]).unwrap().interval, None);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn few_or_equal_runs() {
        assert_eq!(difference(&[1.0], &[2.0, 3.0]), None);
        let alike = difference(&[1.0, 1.0], &[2.0, 2.0]).unwrap();
        assert_eq!((alike.interval, alike.p_value), ([-1.0, -1.0], 0.0));
    }

    /// Coverage of both intervals over many draws of five runs of one spread and seven of another.
    #[test]
    fn coverage_over_many_draws() {
        let mut rng = random::stream(1, "welch");
        let mut normal = || {
            let (u, v): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
        };
        let trials = 4_000;
        let (mut of_mean, mut of_difference) = (0, 0);
        for _ in 0..trials {
            let first: Vec<f64> = (0..5).map(|_| 1.0 + normal()).collect();
            let second: Vec<f64> = (0..7).map(|_| 3.0 * normal()).collect();
            let [low, high] = mean(&first).unwrap().interval.unwrap();
            of_mean += usize::from(low <= 1.0 && 1.0 <= high);
            let [low, high] = difference(&first, &second).unwrap().interval;
            of_difference += usize::from(low <= 1.0 && 1.0 <= high);
        }
        let error = (0.05 * 0.95 / f64::from(trials)).sqrt();
        for covered in [of_mean, of_difference] {
            let share = covered as f64 / f64::from(trials);
            assert!((share - 0.95).abs() < 3.0 * error + 0.005, "{share}");
        }
    }
}
