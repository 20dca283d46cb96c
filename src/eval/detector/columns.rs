//! How far the values of a row lie outside those of training: the distance to the box that the
//! ranges of the features span, √(Σ e² + m), with e = the excess of a feature beyond its range in
//! standard deviations, and m = values such as their columns never held.
//!
//! Features hold numbers as the encoder clips them, so that one feature's excess is bounded.

use super::{Detector, Sample, Training};
use crate::arrays::{Arrays, ArraysError};

pub(super) struct Columns {
    /// The least and the largest training value of each feature, and the standard deviation; 1
    /// where all are equal.
    low: Vec<f32>,
    high: Vec<f32>,
    deviation: Vec<f64>,
}

impl Columns {
    pub fn fit(training: &Training<'_>) -> Self {
        let vectors = training.vectors;
        let none = Self { low: Vec::new(), high: Vec::new(), deviation: Vec::new() };
        if vectors.is_empty() {
            return none;
        }
        let (mut low, mut high) = (vectors.row(0).to_vec(), vectors.row(0).to_vec());
        let mut means = vec![0.0; low.len()];
        for row in vectors.rows() {
            for (column, &value) in row.iter().enumerate() {
                low[column] = low[column].min(value);
                high[column] = high[column].max(value);
                means[column] += f64::from(value) / vectors.len() as f64;
            }
        }
        let mut squares = vec![0.0; low.len()];
        for row in vectors.rows() {
            for ((sum, &value), mean) in squares.iter_mut().zip(row).zip(&means) {
                *sum += (f64::from(value) - mean).powi(2) / vectors.len() as f64;
            }
        }
        let varies = low.iter().zip(&high).map(|(low, high)| low < high);
        let deviation = squares.iter().zip(varies);
        let deviation =
            deviation.map(|(square, varies)| if varies { square.sqrt() } else { 1.0 }).collect();
        Self { low, high, deviation }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let low = arrays.get::<f32>("low")?.to_vec();
        let high = arrays.get_exact::<f32>("high", low.len())?.to_vec();
        let deviation = arrays.get_exact::<f64>("deviation", low.len())?.to_vec();
        let ranges = low.iter().zip(&high).all(|(low, high)| low <= high);
        if !ranges || !deviation.iter().all(|d| *d > 0.0 && d.is_finite()) {
            return Err(ArraysError::Format("the ranges of the columns cannot be".to_owned()));
        }
        Ok(Self { low, high, deviation })
    }
}

impl Detector for Columns {
    /// 0 within all ranges; a vector of another length has no excess.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        let mut squares = 0.0;
        if sample.vector.len() == self.low.len() {
            for (column, &value) in sample.vector.iter().enumerate() {
                let nearest = value.clamp(self.low[column], self.high[column]);
                let excess = (f64::from(value) - f64::from(nearest)) / self.deviation[column];
                squares += excess * excess;
            }
        }
        (squares + sample.unseen_values as f64).sqrt()
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.put("low", self.low.clone());
        arrays.put("high", self.high.clone());
        arrays.put("deviation", self.deviation.clone());
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::blank;
    use super::*;
    use crate::eval::Matrix;

    fn fitted(columns: usize, values: Vec<f32>) -> Columns {
        let vectors = Matrix::from_values(columns, values);
        Columns::fit(&Training { vectors: &vectors, ..blank() })
    }

    fn score(columns: &Columns, vector: &[f32], unseen_values: usize) -> f64 {
        columns.score(&Sample { vector, unseen_values, ..Sample::default() })
    }

    #[test]
    fn a_regression_beyond_its_range_is_far_outside() {
        // x from 0 to 10, as the encoder of tables standardises it.
        let standard = |x: f32| (x - 5.0) / 2.915_476;
        let columns = fitted(1, (0..=100).map(|i| standard(i as f32 / 10.0)).collect());
        let inside = (0..=1_000).map(|i| score(&columns, &[standard(i as f32 / 100.0)], 0));
        assert_eq!(inside.fold(0.0, f64::max), 0.0);
        let (at_12, at_15) = (score(&columns, &[standard(12.0)], 0), score(&columns, &[4.0], 0));
        assert!(at_12 > 0.6 && at_15 > 2.0 && at_15 > at_12, "{at_12} {at_15}");
        assert!((score(&columns, &[standard(15.0)], 0) - 5.0 / 2.915_476).abs() < 1e-6);
        assert!(score(&columns, &[standard(-5.0)], 0) > 1.7);
    }

    #[test]
    fn columns_add_up_and_unseen_values_count_as_one_deviation() {
        // Deviations 1 and 2.
        let columns = fitted(2, vec![-1.0, -2.0, 1.0, 2.0]);
        assert_eq!(score(&columns, &[4.0, -10.0], 0), 5.0);
        assert_eq!(score(&columns, &[0.0, 0.0], 4), 2.0);
        assert_eq!(score(&columns, &[4.0, 0.0], 16), 5.0);
    }

    #[test]
    fn columns_without_spread_and_no_rows_are_no_panic() {
        let columns = fitted(1, vec![0.1; 7]);
        assert_eq!(columns.deviation, [1.0]);
        assert!((score(&columns, &[2.1], 0) - 2.0).abs() < 1e-6);
        let none = Columns::fit(&blank());
        assert_eq!(score(&none, &[1.0], 1), 1.0);
    }

    #[test]
    fn ranges_upside_down_are_refused() {
        let mut saved = fitted(1, vec![0.0, 1.0]).save();
        saved.put("low", vec![2.0f32]);
        assert!(Columns::load(&saved).is_err());
        saved.put("low", vec![f32::NAN]);
        assert!(Columns::load(&saved).is_err());
    }
}
