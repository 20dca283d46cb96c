//! Virtual-logit matching (Wang et al. 2022): how much of a vector lies outside the principal
//! subspace of the training vectors, as the logit of one more class.
//!
//! The origin is the mean of the training vectors, for what made the logits of the vectors is not
//! known here. Half of the dimensions are principal.

use super::gaussian::{centred, sample};
use super::{Detector, Sample, Training, logits};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Link;
use crate::eval::covariance::second_moment;
use crate::eval::linear_algebra::{dot, eigen};

pub(super) struct Vim {
    link: Link,
    mean: Vec<f64>,
    /// An orthonormal basis of what is not principal, a row each.
    residual: Vec<f64>,
    /// What the length of the residual is multiplied by, so that over the training records the
    /// virtual logit is on average as large as the largest logit.
    scale: f64,
}

impl Vim {
    pub fn fit(training: &Training<'_>) -> Self {
        let (vectors, sample) = (training.vectors, sample(training));
        let columns = vectors.columns();
        let (rows, mut mean) = centred(vectors, &sample, None);
        mean.resize(columns, 0.0);
        let axes = eigen(&second_moment(&rows, columns), columns).vectors;
        let residual = axes[columns / 2 * columns..].to_vec();
        let mut vim = Self { link: training.link, mean, residual, scale: 1.0 };
        let largest = |logits: &[f32]| logits.iter().copied().map(f64::from).reduce(f64::max);
        let (mut logits, mut lengths) = (0.0, 0.0);
        if training.logits.len() == vectors.len() {
            for &record in &sample {
                logits += largest(training.logits.row(record)).unwrap_or(0.0);
                lengths += vim.outside(vectors.row(record));
            }
        }
        // Its size alone counts: a negative one would turn the direction.
        let scale = f64::abs(logits / lengths);
        if scale > 0.0 && scale.is_finite() {
            vim.scale = scale;
        }
        vim
    }

    pub fn load(link: Link, arrays: &Arrays) -> Result<Self, ArraysError> {
        let mean = arrays.get::<f64>("mean")?.to_vec();
        let columns = mean.len();
        let size = (columns - columns / 2).saturating_mul(columns);
        let residual = arrays.get_exact::<f64>("residual", size)?.to_vec();
        let scale = arrays.scalar::<f64>("scale")?;
        let finite = mean.iter().chain(&residual).all(|value| value.is_finite());
        if !(finite && scale > 0.0 && scale.is_finite()) {
            return Err(ArraysError::Format("the subspace is not of finite numbers".to_owned()));
        }
        Ok(Self { link, mean, residual, scale })
    }

    /// The length of what lies outside the principal subspace; 0 for a vector of another length.
    fn outside(&self, vector: &[f32]) -> f64 {
        let columns = self.mean.len();
        if vector.len() != columns || columns == 0 {
            return 0.0;
        }
        let x: Vec<f64> =
            vector.iter().zip(&self.mean).map(|(&value, mean)| f64::from(value) - mean).collect();
        self.residual.chunks_exact(columns).map(|axis| dot(axis, &x).powi(2)).sum::<f64>().sqrt()
    }
}

impl Detector for Vim {
    /// The virtual logit less ln Σ e^z, or less Σ ln(1 + e^z) of independent labels: the log-odds of
    /// the virtual class, which rank as its probability does and do not saturate.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        self.scale * self.outside(sample.vector) - logits::log_partition(self.link, sample.logits)
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.put("mean", self.mean.clone());
        arrays.put("residual", self.residual.clone());
        arrays.put("scale", vec![self.scale]);
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::blank;
    use super::*;
    use crate::eval::Matrix;
    use crate::random;

    /// Two strong columns and two weak ones.
    fn fitted(vectors: &mut Matrix, logits: &mut Matrix) -> Vim {
        let mut rng = random::stream(7, "vim");
        for _ in 0..300 {
            let row = [5.0, 5.0, 0.1, 0.1].map(|scale| scale * random::normal(&mut rng) as f32);
            vectors.push(&row);
            logits.push(&[row[0], -row[0]]);
        }
        Vim::fit(&Training { labels: 2, vectors, logits, ..blank() })
    }

    #[test]
    fn only_what_lies_outside_the_principal_subspace_counts() {
        let (mut vectors, mut logits) = (Matrix::new(4), Matrix::new(2));
        let vim = fitted(&mut vectors, &mut logits);
        let score = |vector: &[f32]| {
            vim.score(&Sample { vector, logits: &[1.0, 0.0], ..Sample::default() })
        };
        let (inside, outside) = (score(&[9.0, -9.0, 0.0, 0.0]), score(&[0.0, 0.0, 2.0, 0.0]));
        assert!(outside > inside + 10.0, "{inside} {outside}");
    }

    #[test]
    fn on_average_the_virtual_logit_is_as_large_as_the_largest() {
        let (mut vectors, mut logits) = (Matrix::new(4), Matrix::new(2));
        let vim = fitted(&mut vectors, &mut logits);
        let virtual_logit: f64 = vectors.rows().map(|row| vim.scale * vim.outside(row)).sum();
        let largest: f64 = logits.rows().map(|row| f64::from(row[0].abs())).sum();
        assert!((virtual_logit / largest - 1.0).abs() < 1e-9, "{virtual_logit} {largest}");
    }
}
