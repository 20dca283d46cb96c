//! The distance to the nearest training records (Sun et al. 2022, here in the records' own features).

use super::{Detector, Sample, Training};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Matrix;
use crate::random;

/// Which neighbour's distance counts.
const NEIGHBOR: usize = 5;
/// Training records that are kept at most; a seeded sample beyond that.
const MAX_KEPT: usize = 1_024;

pub(super) struct NearestNeighbors {
    kept: Matrix,
}

impl NearestNeighbors {
    pub fn fit(training: &Training<'_>) -> Self {
        let mut order: Vec<usize> = (0..training.vectors.len()).collect();
        let mut rng = random::stream(training.seed, "nearest_neighbors");
        random::shuffle(&mut order, &mut rng);
        let mut kept = Matrix::new(training.vectors.columns());
        order.iter().take(MAX_KEPT).for_each(|&record| kept.push(training.vectors.row(record)));
        Self { kept }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let columns = arrays.scalar::<u64>("columns")? as usize;
        let values = arrays.get::<f32>("vectors")?.to_vec();
        if columns == 0 || !values.len().is_multiple_of(columns) {
            return Err(ArraysError::Shape {
                name: "vectors".to_owned(),
                expected: format!("rows of {columns}"),
                found: format!("{} numbers", values.len()),
            });
        }
        Ok(Self { kept: Matrix::from_values(columns, values) })
    }
}

impl Detector for NearestNeighbors {
    /// The Euclidean distance to the fifth nearest training record that is kept, or to the furthest
    /// of fewer; 0 for a record of another length.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        if sample.vector.len() != self.kept.columns() {
            return 0.0;
        }
        let squares = |row: &[f32]| -> f64 {
            row.iter().zip(sample.vector).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        let mut distances: Vec<f64> = self.kept.rows().map(squares).collect();
        let place = NEIGHBOR.min(distances.len()).saturating_sub(1);
        if distances.is_empty() {
            return 0.0;
        }
        let (_, distance, _) = distances.select_nth_unstable_by(place, f64::total_cmp);
        distance.sqrt()
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.put("columns", vec![self.kept.columns() as u64]);
        let shape = vec![self.kept.len(), self.kept.columns()];
        arrays.put_shaped("vectors", shape, self.kept.values().to_vec());
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Link;

    fn fitted() -> NearestNeighbors {
        let values = (0..10).flat_map(|i| [i as f32, 0.0]).collect();
        let vectors = Matrix::from_values(2, values);
        NearestNeighbors::fit(&Training {
            link: Link::Softmax,
            labels: 2,
            words: 0,
            records: &[],
            truth: &[],
            vectors: &vectors,
            seed: 1,
        })
    }

    fn score(detector: &dyn Detector, vector: &[f32]) -> f64 {
        detector.score(&Sample { logits: &[], words: &[], vector })
    }

    #[test]
    fn the_distance_grows_outside() {
        let detector = fitted();
        // Neighbours of 4: itself, 3, 5, 2, 6; of 20: 9, 8, 7, 6, 5.
        assert_eq!(score(&detector, &[4.0, 0.0]), 2.0);
        assert_eq!(score(&detector, &[20.0, 0.0]), 15.0);
    }

    #[test]
    fn saved_and_loaded_it_scores_the_same() {
        let detector = fitted();
        let loaded = NearestNeighbors::load(&detector.save()).unwrap();
        assert_eq!(score(&loaded, &[3.3, 1.0]), score(&detector, &[3.3, 1.0]));
        let mut damaged = Arrays::default();
        damaged.put("columns", vec![3u64]);
        damaged.put("vectors", vec![1.0f32, 2.0]);
        assert!(NearestNeighbors::load(&damaged).is_err());
    }
}
