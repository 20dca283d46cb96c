//! How hard records like this one are to predict: the mean absolute error of the nearest records.

use super::Matrix;
use crate::arrays::{Arrays, ArraysError};

/// Neighbours that an estimate rests on: as few as keep its chance error near a seventh.
pub const NEIGHBORS: usize = 25;
/// β as a share of the mean absolute error: keeps intervals from vanishing among lucky neighbours.
const SENSITIVITY: f64 = 0.1;

/// Records with the absolute error of each target, to look up neighbours in (after Papadopoulos,
/// Vovk and Gammerman 2011).
#[derive(Debug, Clone, PartialEq)]
pub struct Difficulty {
    vectors: Matrix,
    /// Absolute errors, record by record, `targets` each.
    errors: Vec<f64>,
    targets: usize,
    neighbors: usize,
    /// Mean absolute error of each target.
    means: Vec<f64>,
}

impl Difficulty {
    /// From records as vectors, whose Euclidean distances must mean something, and the absolute
    /// error of each target in its unit, record by record. The errors must be those of records that
    /// the network did not train on, and no quantile may rest on the same ones. `None` without
    /// records, targets or `neighbors`.
    pub fn new(vectors: Matrix, errors: &[Vec<f64>], neighbors: usize) -> Option<Self> {
        let targets = errors.first().map_or(0, Vec::len);
        let alike = errors.iter().all(|record| record.len() == targets);
        if targets == 0 || neighbors == 0 || vectors.len() != errors.len() || !alike {
            return None;
        }
        Some(Self::with(vectors, errors.concat(), targets, neighbors))
    }

    fn with(vectors: Matrix, errors: Vec<f64>, targets: usize, neighbors: usize) -> Self {
        let records = errors.len() / targets;
        let sum = |target| errors.iter().skip(target).step_by(targets).sum::<f64>();
        let means = (0..targets).map(|target| sum(target) / records as f64).collect();
        Self { vectors, errors, targets, neighbors, means }
    }

    /// σ + β of each target, above 0, in its unit; higher is harder. σ is the mean absolute error
    /// of the nearest records (all, where there are fewer; the earlier first of those equally far),
    /// β a tenth of that of all records, or 1 where none has an error. A vector of another length
    /// has every record for a neighbour.
    pub fn scale(&self, vector: &[f32]) -> Vec<f64> {
        let mut nearest: Vec<(f64, usize)> = Vec::new();
        if vector.len() == self.vectors.columns() {
            let square = |row: &[f32]| -> f64 {
                row.iter().zip(vector).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
            };
            nearest = self.vectors.rows().map(square).zip(0..).collect();
        }
        if self.neighbors < nearest.len() {
            nearest.select_nth_unstable_by(self.neighbors - 1, |a, b| {
                a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
            });
            nearest.truncate(self.neighbors);
            // Sums do not depend on how the nearest were found.
            nearest.sort_unstable_by_key(|(_, record)| *record);
        }
        let scale = |(target, &mean): (usize, &f64)| {
            let error = |(_, record): &(f64, usize)| self.errors[record * self.targets + target];
            let sum: f64 = nearest.iter().map(error).sum();
            let sigma = if nearest.is_empty() { mean } else { sum / nearest.len() as f64 };
            sigma + if mean > 0.0 { SENSITIVITY * mean } else { 1.0 }
        };
        self.means.iter().enumerate().map(scale).collect()
    }

    /// Targets.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Its numbers.
    pub fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        let shape = |columns| vec![self.vectors.len(), columns];
        let columns = self.vectors.columns();
        arrays.put_shaped("vectors", shape(columns), self.vectors.values().to_vec());
        arrays.put_shaped("errors", shape(self.targets), self.errors.clone());
        arrays.put("columns", vec![columns as u64]);
        arrays.put("targets", vec![self.targets as u64]);
        arrays.put("neighbors", vec![self.neighbors as u64]);
        arrays
    }

    /// Takes up what [`Difficulty::save`] gave.
    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let size = |name| {
            let size = arrays.scalar::<u64>(name)? as usize;
            if size > 0 { Ok(size) } else { Err(wrong(name, "at least 1", "0".to_owned())) }
        };
        let (columns, targets) = (size("columns")?, size("targets")?);
        let (values, errors) = (arrays.get::<f32>("vectors")?, arrays.get::<f64>("errors")?);
        let records = values.len() / columns;
        if records == 0 || !values.len().is_multiple_of(columns) {
            let found = format!("{} numbers", values.len());
            return Err(wrong("vectors", &format!("rows of {columns}"), found));
        }
        if !errors.len().is_multiple_of(targets) || errors.len() / targets != records {
            let found = format!("{} numbers", errors.len());
            return Err(wrong("errors", &format!("{records} rows of {targets}"), found));
        }
        let vectors = Matrix::from_values(columns, values.to_vec());
        Ok(Self::with(vectors, errors.to_vec(), targets, size("neighbors")?))
    }
}

fn wrong(name: &str, expected: &str, found: String) -> ArraysError {
    ArraysError::Shape { name: name.to_owned(), expected: expected.to_owned(), found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted() -> Difficulty {
        let vectors = Matrix::from_values(1, vec![0.0, 1.0, 2.0, 10.0]);
        let errors = [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [10.0, 0.0]].map(|e| e.to_vec());
        Difficulty::new(vectors, &errors, 2).unwrap()
    }

    #[test]
    fn known_values() {
        // Mean error 4: β = 0.4. Where nothing errs, β = 1.
        let difficulty = fitted();
        assert_eq!(difficulty.scale(&[0.2]), [1.5 + 0.4, 1.0]);
        assert_eq!(difficulty.scale(&[99.0]), [6.5 + 0.4, 1.0]);
        // Of 0 and 2, equally far from 1, the earlier counts.
        assert_eq!(difficulty.scale(&[1.0])[0], 1.5 + 0.4);
        assert_eq!(difficulty.scale(&[1.0, 2.0])[0], 4.0 + 0.4);
    }

    #[test]
    fn nothing_to_rest_on_is_none() {
        assert_eq!(Difficulty::new(Matrix::default(), &[], 3), None);
        let one = || Matrix::from_values(1, vec![1.0]);
        assert_eq!(Difficulty::new(one(), &[vec![]], 3), None);
        assert_eq!(Difficulty::new(one(), &[vec![1.0]], 0), None);
        assert_eq!(Difficulty::new(one(), &[vec![1.0], vec![2.0]], 3), None);
        assert_eq!(Difficulty::new(one(), &[vec![2.0]], 3).unwrap().scale(&[7.0]), [2.2]);
    }

    #[test]
    fn saved_and_loaded_it_is_the_same() {
        let difficulty = fitted();
        assert_eq!(Difficulty::load(&difficulty.save()).unwrap(), difficulty);
        for (name, value) in [("columns", 0), ("columns", 3), ("targets", 3), ("neighbors", 0)] {
            let mut damaged = difficulty.save();
            damaged.put(name, vec![value as u64]);
            assert!(Difficulty::load(&damaged).is_err(), "{name} {value}");
        }
        assert!(Difficulty::load(&Arrays::default()).is_err());
    }
}
