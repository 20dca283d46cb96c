//! How far a vector points from the nearest typical training vector.

use super::{Detector, Sample, Training};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Matrix;
use crate::eval::prototypes::Prototypes;

pub(super) struct NearestPrototype {
    prototypes: Prototypes,
}

impl NearestPrototype {
    pub fn fit(training: &Training<'_>) -> Self {
        Self { prototypes: Prototypes::fit(training.vectors, training.seed) }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let centres = Matrix::load(arrays, "centres")?;
        Ok(Self { prototypes: Prototypes::from_centres(centres) })
    }
}

impl Detector for NearestPrototype {
    /// 1 − cosine, in \[0, 2\]; 1 for a zero vector, which points nowhere.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        (1.0 - self.prototypes.cosine(sample.vector).unwrap_or(0.0)).clamp(0.0, 2.0)
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        self.prototypes.centres().save(&mut arrays, "centres");
        arrays
    }
}
