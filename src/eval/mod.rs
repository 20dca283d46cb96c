//! Plain arrays in, numbers out: metrics, calibration, detectors, conformal guarantees.
//!
//! Knows no networks, no text and no files. Every statistic states its formula and its direction.

pub mod accuracy_estimate;
pub mod bootstrap;
pub mod calibrator;
pub mod combination;
pub mod conformal;
mod covariance;
pub mod detector;
pub mod difficulty;
pub mod distribution;
pub mod drift;
mod exponential;
pub mod false_discovery;
pub mod groups;
pub mod guarantee;
pub mod importance;
pub mod interval;
pub mod interval_conformal;
pub mod label_noise;
pub mod labeling;
pub mod learning_curve;
mod linear_algebra;
pub mod martingale;
pub mod metric;
mod named;
pub mod neighbors;
pub mod noise_scale;
pub mod paired;
pub mod prediction_set;
pub mod prototypes;
#[cfg(test)]
mod reference_tests;
pub mod reliability;
pub mod risk_coverage;
pub mod seeds;
pub mod selective_risk;
pub mod similar;
pub mod symptoms;
pub mod terms;
pub mod topics;
pub mod trend;
mod uncertainty;
pub mod vocabulary_growth;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::arrays::{Arrays, ArraysError};

/// How logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// One label of several; the probabilities sum to 1.
    Softmax,
    /// Each label by itself.
    Sigmoid,
}

impl Link {
    /// Probabilities of one record's logits, each divided by `temperature` first.
    pub fn probabilities(self, logits: &[f32], temperature: f64) -> Vec<f64> {
        match self {
            Self::Softmax => softmax(logits, temperature),
            Self::Sigmoid => logits.iter().map(|&z| sigmoid(f64::from(z) / temperature)).collect(),
        }
    }

    /// ln(p / (1 − p)) of a label's probability p, from the logits themselves, so that it is exact
    /// where p is all but 0 or 1: the label's logit where each stands by itself; with a softmax
    /// z − ln Σ exp(z') over the others.
    pub fn log_odds(self, logits: &[f32], label: usize) -> f64 {
        let own = f64::from(logits[label]);
        match self {
            Self::Sigmoid => own,
            Self::Softmax => {
                let others = || {
                    let others = logits.iter().enumerate().filter(|(other, _)| *other != label);
                    others.map(|(_, &z)| f64::from(z))
                };
                let max = others().fold(f64::NEG_INFINITY, f64::max);
                own - max - others().map(|z| (z - max).exp()).sum::<f64>().ln()
            }
        }
    }
}

/// exp(z/T) / Σ exp(z/T), without overflow.
pub fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let max = exponential::largest(logits, f32::NEG_INFINITY);
    let per_degree = 1.0 / temperature;
    let mut values: Vec<f64> = logits.iter().map(|&z| f64::from(z - max) * per_degree).collect();
    normalize(&mut values, 0.0);
    values
}

/// Makes logits, none above `max`, their probabilities, e^(z − max) / Σ e^(z − max). Gives the sum.
fn normalize(values: &mut [f64], max: f64) -> f64 {
    let sum = exponential::apply(values, max);
    let share = 1.0 / sum;
    values.iter_mut().for_each(|value| *value *= share);
    sum
}

/// 1 / (1 + e^−z).
pub fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The position of the largest value; the first of equals. 0 for an empty slice.
pub fn argmax(values: &[f64]) -> usize {
    let largest = exponential::largest(values, f64::NEG_INFINITY);
    values.iter().position(|value| *value == largest).unwrap_or(0)
}

/// Rows of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matrix {
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// An empty matrix of `columns`.
    pub const fn new(columns: usize) -> Self {
        Self { columns, values: Vec::new() }
    }

    /// From values, row by row.
    pub fn from_values(columns: usize, values: Vec<f32>) -> Self {
        assert!(columns > 0 && values.len().is_multiple_of(columns));
        Self { columns, values }
    }

    /// From rows of one length; of no columns where there is no row.
    pub fn of_rows<'a>(rows: impl IntoIterator<Item = &'a [f32]>) -> Self {
        let mut matrix = Self::default();
        for row in rows {
            if matrix.is_empty() {
                matrix.columns = row.len();
            }
            matrix.push(row);
        }
        matrix
    }

    /// Adds a row.
    pub fn push(&mut self, row: &[f32]) {
        assert_eq!(row.len(), self.columns);
        self.values.extend_from_slice(row);
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The row at `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.columns.max(1))
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Stores it under `name`.
    fn save(&self, arrays: &mut Arrays, name: &str) {
        arrays.put(&format!("{name}.columns"), vec![self.columns as u64]);
        arrays.put_shaped(name, vec![self.len(), self.columns], self.values.clone());
    }

    /// Takes up what was stored under `name`: whole rows of finite numbers.
    fn load(arrays: &Arrays, name: &str) -> Result<Self, ArraysError> {
        let values = arrays.get::<f32>(name)?.to_vec();
        let columns = arrays.scalar::<u64>(&format!("{name}.columns"))?;
        let columns = usize::try_from(columns).unwrap_or(usize::MAX);
        let whole = if columns == 0 { values.is_empty() } else { values.len() % columns == 0 };
        if !whole || values.iter().any(|value| !value.is_finite()) {
            return Err(ArraysError::Shape {
                name: name.to_owned(),
                expected: format!("rows of {columns} finite numbers"),
                found: format!("{} numbers", values.len()),
            });
        }
        Ok(Self { columns, values })
    }
}
