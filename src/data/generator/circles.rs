//! A circle around a smaller one.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Generator, points};
use crate::data::{DataError, Sink};

/// Settings of the circles, both around (0, 0): the outer of radius 1 is class 0, the inner of
/// radius `factor` class 1. Points are evenly spaced on each; of an odd number, the inner has one
/// more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CirclesSpec {
    /// Records.
    #[schema(minimum = 2, maximum = 1_000_000)]
    pub samples: usize,
    /// Radius of the inner circle.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub factor: f64,
    /// Standard deviation of the normal noise that is added to both coordinates.
    #[schema(minimum = 0.0, maximum = 1_000_000.0)]
    pub noise: f64,
    /// Seed of noise and order.
    pub seed: u64,
}

impl Default for CirclesSpec {
    fn default() -> Self {
        Self { samples: 1_000, factor: 0.8, noise: 0.0, seed: 1 }
    }
}

impl Generator for CirclesSpec {
    fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError> {
        let outer = self.samples / 2;
        points::write(sink, (self.samples, 2), self.seed, |position, coordinates, rng| {
            let class = usize::from(position >= outer);
            let (step, steps, radius) = match class {
                0 => (position, outer, 1.0),
                _ => (position - outer, self.samples - outer, self.factor),
            };
            let angle = TAU * step as f64 / steps as f64;
            coordinates.copy_from_slice(&[radius * angle.cos(), radius * angle.sin()]);
            points::add_noise(coordinates, self.noise, rng);
            class
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::points_of;
    use super::*;

    #[test]
    fn radii_are_exact_without_noise_and_points_are_evenly_spaced() {
        let spec = CirclesSpec { samples: 101, factor: 0.5, ..Default::default() };
        let mut angles = [Vec::new(), Vec::new()];
        for (x, y, class) in points_of(&spec) {
            assert!((x.hypot(y) - [1.0, 0.5][class]).abs() < 1e-12);
            angles[class].push(y.atan2(x));
        }
        assert_eq!((angles[0].len(), angles[1].len()), (50, 51));
        for angles in &mut angles {
            angles.sort_by(f64::total_cmp);
            let step = TAU / angles.len() as f64;
            assert!(angles.windows(2).all(|w| (w[1] - w[0] - step).abs() < 1e-9));
        }
    }

    #[test]
    fn noise_has_its_deviation_and_the_order_is_mixed() {
        let spec = CirclesSpec { samples: 10_000, factor: 0.0, noise: 0.2, seed: 2 };
        let points = points_of(&spec);
        // Of the inner circle, which is a point, nothing but noise is left.
        let inner = points.iter().filter(|(.., class)| *class == 1);
        let variance = inner.map(|(x, y, _)| x * x + y * y).sum::<f64>() / 10_000.0;
        assert!((variance - 0.04).abs() < 5.0 * 0.04 * (2.0 / 10_000.0f64).sqrt(), "{variance}");
        let inner: usize = points[..1_000].iter().map(|(.., class)| class).sum();
        assert!(inner.abs_diff(500) < 80, "{inner} of the first 1,000");
    }
}
