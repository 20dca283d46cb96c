//! What parameters are drawn from.

use super::orthogonal;
use crate::random::{self, Rng};

/// A distribution of a layer's weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw {
    /// All the same.
    Constant(f64),
    /// In ±`bound`.
    Uniform { bound: f64 },
    /// Around 0.
    Normal { deviation: f64 },
    /// Orthonormal rows, or columns where there are more rows, times the gain.
    Orthogonal { gain: f64 },
}

impl Draw {
    /// `count` weights in rows of `columns`, from the stream `name` of `seed`.
    pub fn fill(self, count: usize, columns: usize, seed: u64, name: &str) -> Vec<f32> {
        match self {
            Self::Constant(value) => vec![value as f32; count],
            Self::Uniform { bound } => uniform(count, bound as f32, seed, name),
            Self::Normal { deviation } => normal(count, deviation, seed, name)
                .into_iter()
                .map(|weight| weight as f32)
                .collect(),
            Self::Orthogonal { gain } => {
                let matrix = orthogonal::of(normal(count, 1.0, seed, name), columns);
                matrix.into_iter().map(|weight| (gain * weight) as f32).collect()
            }
        }
    }
}

/// `count` numbers in ±`bound`, from the stream `name` of `seed`.
pub fn uniform(count: usize, bound: f32, seed: u64, name: &str) -> Vec<f32> {
    let mut rng = random::stream(seed, name);
    (0..count).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound).collect()
}

fn normal(count: usize, deviation: f64, seed: u64, name: &str) -> Vec<f64> {
    let mut rng = random::stream(seed, name);
    (0..count).map(|_| deviation * random::normal(&mut rng)).collect()
}
