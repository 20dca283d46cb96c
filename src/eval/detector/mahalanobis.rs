//! The Mahalanobis distance to the nearest class (Lee et al. 2018), with a shrunk covariance.

use super::gaussian::{Gaussians, classes, sample};
use super::{Detector, Sample, Training};
use crate::arrays::{Arrays, ArraysError};

pub(super) struct Mahalanobis {
    pub(super) classes: Gaussians,
}

impl Mahalanobis {
    pub fn fit(training: &Training<'_>) -> Self {
        let (sample, of) = (sample(training), classes(training));
        Self { classes: Gaussians::fit(training.vectors, &sample, of.as_deref()).0 }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        Ok(Self { classes: Gaussians::load(arrays)? })
    }
}

impl Detector for Mahalanobis {
    /// min over classes of √((x − μ)ᵀ Σ⁻¹ (x − μ)).
    fn score(&self, sample: &Sample<'_>) -> f64 {
        self.classes.nearest_square(sample.vector).sqrt()
    }

    fn save(&self) -> Arrays {
        self.classes.save()
    }
}
