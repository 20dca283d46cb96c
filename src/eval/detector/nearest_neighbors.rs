//! The distance to the nearest training records (Sun et al. 2022): in a row's own features, in an
//! image's representation, and for texts between representations of length 1.

use super::{Detector, RecordKind, Sample, Training};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Matrix;
use crate::eval::prototypes::unit;
use crate::random;

/// Which neighbour's distance counts.
const NEIGHBOR: usize = 5;
/// Training records that are kept at most; a seeded sample beyond that.
const MAX_KEPT: usize = 1_024;

pub(super) struct NearestNeighbors {
    kept: Matrix,
    /// Whether only the direction of a vector counts: all have length 1, but for zero vectors.
    directions: bool,
}

impl NearestNeighbors {
    pub fn fit(training: &Training<'_>) -> Self {
        let directions = training.kind == RecordKind::Text;
        let mut order: Vec<usize> = (0..training.vectors.len()).collect();
        let mut rng = random::stream(training.seed, "nearest_neighbors");
        random::shuffle(&mut order, &mut rng);
        let mut kept = Matrix::new(training.vectors.columns());
        for &record in order.iter().take(MAX_KEPT) {
            let row = training.vectors.row(record);
            match unit(row).filter(|_| directions) {
                Some(unit) => kept.push(&unit),
                None => kept.push(row),
            }
        }
        Self { kept, directions }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let directions = arrays.scalar::<u32>("directions")? != 0;
        Ok(Self { kept: Matrix::load(arrays, "vectors")?, directions })
    }

    /// The Euclidean distance to the `k`-th nearest of the records that are kept, or to the furthest
    /// of fewer; 0 for a vector of another length. Where only directions count, a zero vector is as
    /// far from each as a vector at right angles, √2.
    pub(super) fn distance(&self, vector: &[f32], k: usize) -> f64 {
        if vector.len() != self.kept.columns() || self.kept.is_empty() {
            return 0.0;
        }
        let scaled = if self.directions { unit(vector) } else { None };
        if self.directions && scaled.is_none() {
            return std::f64::consts::SQRT_2;
        }
        let vector = scaled.as_deref().unwrap_or(vector);
        let mut distances: Vec<f64> = self.kept.rows().map(|row| square(row, vector)).collect();
        let place = k.min(distances.len()).saturating_sub(1);
        let (_, distance, _) = distances.select_nth_unstable_by(place, f64::total_cmp);
        distance.sqrt()
    }
}

/// Σ (a − b)². Eight sums side by side, so that the compiler can use wide registers.
pub(in crate::eval) fn square(a: &[f32], b: &[f32]) -> f64 {
    let difference = |a: f32, b: f32| f64::from(a) - f64::from(b);
    let mut lanes = [0.0f64; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f64 = rest.map(|(&a, &b)| difference(a, b).powi(2)).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            let difference = difference(a[lane], b[lane]);
            lanes[lane] += difference * difference;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

impl Detector for NearestNeighbors {
    /// The distance to the fifth nearest.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        self.distance(sample.vector, NEIGHBOR)
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.put("directions", vec![u32::from(self.directions)]);
        self.kept.save(&mut arrays, "vectors");
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::blank;
    use super::*;

    fn fitted(kind: RecordKind) -> NearestNeighbors {
        let values = (0..10).flat_map(|i| [i as f32, 0.0]).collect();
        let vectors = Matrix::from_values(2, values);
        NearestNeighbors::fit(&Training { kind, vectors: &vectors, ..blank() })
    }

    fn score(detector: &dyn Detector, vector: &[f32]) -> f64 {
        detector.score(&Sample { vector, ..Sample::default() })
    }

    #[test]
    fn the_distance_grows_outside() {
        let detector = fitted(RecordKind::Row);
        // Neighbours of 4: itself, 3, 5, 2, 6; of 20: 9, 8, 7, 6, 5.
        assert_eq!(score(&detector, &[4.0, 0.0]), 2.0);
        assert_eq!(score(&detector, &[20.0, 0.0]), 15.0);
        assert_eq!(detector.distance(&[20.0, 0.0], 1), 11.0);
        assert_eq!(detector.distance(&[20.0, 0.0], 99), 20.0);
    }

    #[test]
    fn of_texts_only_the_direction_counts() {
        let detector = fitted(RecordKind::Text);
        assert_eq!(score(&detector, &[20.0, 0.0]), 0.0);
        assert_eq!(score(&detector, &[-0.5, 0.0]), 2.0);
        let right_angle = score(&detector, &[0.0, 3.0]);
        assert!((right_angle - std::f64::consts::SQRT_2).abs() < 1e-12);
        assert_eq!(score(&detector, &[0.0, 0.0]), right_angle);
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let mut damaged = fitted(RecordKind::Row).save();
        damaged.put("vectors", vec![1.0f32, 2.0, 3.0]);
        assert!(NearestNeighbors::load(&damaged).is_err());
    }
}
