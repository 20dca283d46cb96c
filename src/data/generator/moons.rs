//! Two half circles that interlock.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Generator, points};
use crate::data::{DataError, Sink};

/// Settings of the moons, both of radius 1: class 0 is the upper half circle around (0, 0), class 1
/// the lower one around (1, 0.5). Points are evenly spaced on each; of an odd number, class 1 has one
/// more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MoonsSpec {
    /// Records.
    #[schema(minimum = 2, maximum = 1_000_000)]
    pub samples: usize,
    /// Standard deviation of the normal noise that is added to both coordinates.
    #[schema(minimum = 0.0, maximum = 1_000_000.0)]
    pub noise: f64,
    /// Seed of noise and order.
    pub seed: u64,
}

impl Default for MoonsSpec {
    fn default() -> Self {
        Self { samples: 1_000, noise: 0.0, seed: 1 }
    }
}

impl Generator for MoonsSpec {
    fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError> {
        let upper = self.samples / 2;
        // From end to end, both included; a single point stands at the first.
        let angle = |step: usize, steps: usize| PI * step as f64 / (steps.max(2) - 1) as f64;
        points::write(sink, (self.samples, 2), self.seed, |position, coordinates, rng| {
            let class = usize::from(position >= upper);
            if class == 0 {
                let angle = angle(position, upper);
                coordinates.copy_from_slice(&[angle.cos(), angle.sin()]);
            } else {
                let angle = angle(position - upper, self.samples - upper);
                coordinates.copy_from_slice(&[1.0 - angle.cos(), 0.5 - angle.sin()]);
            }
            points::add_noise(coordinates, self.noise, rng);
            class
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{columns_of, points_of};
    use super::*;

    #[test]
    fn moons_are_half_circles_around_their_centres() {
        let points = points_of(&MoonsSpec { samples: 201, ..Default::default() });
        let mut counts = [0, 0];
        for &(x, y, class) in &points {
            counts[class] += 1;
            let (dx, dy) = if class == 0 { (x, y) } else { (x - 1.0, 0.5 - y) };
            assert!((dx.hypot(dy) - 1.0).abs() < 1e-12);
            assert!(dy > -1e-12, "class {class}: ({x}, {y}) is on the other half");
        }
        assert_eq!(counts, [100, 101]);
        let smallest = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
        let largest = points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
        assert!((smallest + 1.0).abs() < 1e-12 && (largest - 2.0).abs() < 1e-12);
    }

    #[test]
    fn noise_is_added_to_the_same_points() {
        let spec = MoonsSpec { samples: 5_000, ..Default::default() };
        let (still, noisy) =
            (columns_of(&spec), columns_of(&MoonsSpec { noise: 0.1, ..spec.clone() }));
        assert_eq!(still["label"], noisy["label"]);
        for column in ["x0", "x1"] {
            let squares = still[column].iter().zip(&noisy[column]).map(|(a, b)| (a - b).powi(2));
            let variance = squares.sum::<f64>() / 5_000.0;
            assert!((variance - 0.01).abs() < 5.0 * 0.01 * (2.0 / 5_000.0f64).sqrt());
        }
    }

    #[test]
    fn two_points_are_enough() {
        let columns = columns_of(&MoonsSpec { samples: 2, ..Default::default() });
        assert!(columns["x0"].iter().all(|x| x.is_finite()));
    }
}
