//! Round clouds of points.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Generator, points, too_many_cells};
use crate::data::{DataError, Sink};
use crate::problem::FieldError;
use crate::random::{self, Rng};

/// Half the side of the box that centres are drawn from.
const BOX: f64 = 10.0;

/// Settings of the blobs: each class is normally distributed around a centre that is drawn uniformly
/// from \[−10, 10\] in every direction. Classes are equally large, up to one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BlobsSpec {
    /// Records.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub samples: usize,
    /// Columns `x0`, `x1`, …
    #[schema(minimum = 1, maximum = 500)]
    pub features: usize,
    /// Clouds: classes 0, 1, …
    #[schema(minimum = 1, maximum = 1000)]
    pub centers: usize,
    /// Standard deviation of every cloud in every direction.
    #[schema(minimum = 0.0, maximum = 1_000_000.0)]
    pub std: f64,
    /// Seed of centres, points and order.
    pub seed: u64,
}

impl Default for BlobsSpec {
    fn default() -> Self {
        Self { samples: 1_000, features: 2, centers: 3, std: 1.0, seed: 1 }
    }
}

impl Generator for BlobsSpec {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::from_iter(too_many_cells("samples", self.samples, self.features + 1));
        if self.samples < self.centers {
            let message = format!("{} records do not fill {} clouds", self.samples, self.centers);
            let hint = format!("use at least {}, or fewer centers", self.centers);
            faults.push(FieldError::new("samples", message).hint(hint));
        }
        faults
    }

    fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError> {
        let mut rng = random::stream(self.seed, "generator.centers");
        let centers: Vec<f64> =
            (0..self.centers * self.features).map(|_| rng.random_range(-BOX..BOX)).collect();
        let size = (self.samples, self.features);
        points::write(sink, size, self.seed, |position, coordinates, rng| {
            let class = position % self.centers;
            let first = class * self.features;
            coordinates.copy_from_slice(&centers[first..first + self.features]);
            points::add_noise(coordinates, self.std, rng);
            class
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{columns_of, faults_of};
    use super::*;

    #[test]
    fn clouds_have_their_centre_and_deviation_and_equal_size() {
        let spec = BlobsSpec { samples: 9_001, std: 0.5, ..BlobsSpec::default() };
        let still = columns_of(&BlobsSpec { std: 0.0, samples: 3, ..spec.clone() });
        let columns = columns_of(&spec);
        for class in 0..3 {
            let of = |column: &str| -> Vec<f64> {
                let labelled = columns[column].iter().zip(&columns["label"]);
                labelled.filter(|(_, l)| **l == class as f64).map(|(x, _)| *x).collect()
            };
            for column in ["x0", "x1"] {
                let values = of(column);
                let n = values.len() as f64;
                assert_eq!(values.len(), if class == 0 { 3_001 } else { 3_000 });
                let row = still["label"].iter().position(|l| *l == class as f64).unwrap();
                let center = still[column][row];
                assert!(center.abs() <= BOX);
                let mean = values.iter().sum::<f64>() / n;
                let variance = values.iter().map(|x| (x - center).powi(2)).sum::<f64>() / n;
                assert!((mean - center).abs() < 5.0 * 0.5 / n.sqrt(), "{mean} {center}");
                assert!((variance - 0.25).abs() < 5.0 * 0.25 * (2.0 / n).sqrt(), "{variance}");
            }
        }
    }

    #[test]
    fn more_clouds_than_records_are_refused() {
        let spec = BlobsSpec { samples: 2, ..BlobsSpec::default() };
        assert_eq!(faults_of(&spec), ["samples"]);
        let spec = BlobsSpec { samples: 10_001, features: 499, ..spec };
        assert_eq!(faults_of(&spec), ["samples"]);
        assert!(faults_of(&BlobsSpec { samples: 10_000, ..spec }).is_empty());
    }
}
