//! A sine curve.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Generator;
use crate::data::{Cell, DataError, Sink};
use crate::problem::FieldError;
use crate::random;

/// Settings of the sine curve: y = sin x + `noise` · N(0, 1), in the order of x.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SineSpec {
    /// Points: records.
    #[schema(minimum = 2, maximum = 1_000_000)]
    pub points: usize,
    /// First x.
    #[schema(minimum = -1_000_000.0, maximum = 1_000_000.0)]
    pub low: f64,
    /// Last x, above `low`; the points in between are evenly spaced.
    #[schema(minimum = -1_000_000.0, maximum = 1_000_000.0)]
    pub high: f64,
    /// Standard deviation of the normal noise that is added to y.
    #[schema(minimum = 0.0, maximum = 1_000_000.0)]
    pub noise: f64,
    /// Seed of the noise.
    pub seed: u64,
}

impl Default for SineSpec {
    fn default() -> Self {
        Self { points: 100, low: 0.0, high: 10.0, noise: 0.0, seed: 1 }
    }
}

impl Generator for SineSpec {
    fn faults(&self) -> Vec<FieldError> {
        if self.high > self.low {
            return Vec::new();
        }
        let message = format!("{} is not above low, which is {}", self.high, self.low);
        vec![FieldError::new("high", message).hint("set high above low")]
    }

    fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError> {
        let mut rng = random::stream(self.seed, "generator.noise");
        sink.columns(&["x".to_owned(), "y".to_owned()])?;
        let last = (self.points - 1) as f64;
        for point in 0..self.points {
            let part = point as f64 / last;
            // Both ends come out exactly.
            let x = self.low * (1.0 - part) + self.high * part;
            let noise = if self.noise > 0.0 { self.noise * random::normal(&mut rng) } else { 0.0 };
            sink.record(&[Cell::Number(x), Cell::Number(x.sin() + noise)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{columns_of, faults_of};
    use super::*;

    #[test]
    fn without_noise_the_values_are_exact_and_the_ends_are_there() {
        let columns = columns_of(&SineSpec::default());
        let (x, y) = (&columns["x"], &columns["y"]);
        assert_eq!((x.len(), x[0], x[99]), (100, 0.0, 10.0));
        assert!(x.windows(2).all(|w| (w[1] - w[0] - 10.0 / 99.0).abs() < 1e-12));
        assert!(x.iter().zip(y).all(|(x, y)| x.sin() == *y));
        let ends = columns_of(&SineSpec { points: 2, low: -0.3, high: 0.7, ..SineSpec::default() });
        assert_eq!(ends["x"], [-0.3, 0.7]);
    }

    #[test]
    fn noise_has_its_standard_deviation() {
        let spec = SineSpec { points: 20_000, noise: 0.5, ..SineSpec::default() };
        let columns = columns_of(&spec);
        let residuals = columns["x"].iter().zip(&columns["y"]).map(|(x, y)| y - x.sin());
        let (sum, squares) = residuals.fold((0.0, 0.0), |(s, q), r| (s + r, q + r * r));
        // Five standard errors: 0.5 / √20,000 and 0.25 · √(2 / 20,000).
        assert!((sum / 20_000.0).abs() < 0.018, "{sum}");
        assert!((squares / 20_000.0 - 0.25).abs() < 0.0125, "{squares}");
    }

    #[test]
    fn an_empty_range_is_refused() {
        let spec = SineSpec { low: 1.0, high: 1.0, ..SineSpec::default() };
        assert_eq!(faults_of(&spec), ["high"]);
        assert!(faults_of(&SineSpec { low: 0.999, ..spec }).is_empty());
    }
}
