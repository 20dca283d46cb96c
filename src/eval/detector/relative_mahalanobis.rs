//! The Mahalanobis distance to the nearest class relative to that to all records (Ren et al. 2021):
//! what is far from everything alike, such as a direction in which no class differs, cancels out.

use super::gaussian::{Gaussians, classes, sample};
use super::{Detector, Sample, Training};
use crate::arrays::{Arrays, ArraysError};

pub(super) struct RelativeMahalanobis {
    classes: Gaussians,
    all: Gaussians,
}

impl RelativeMahalanobis {
    pub fn fit(training: &Training<'_>) -> Self {
        let (vectors, sample, of) = (training.vectors, sample(training), classes(training));
        let (classes, shrinkage) = Gaussians::fit(vectors, &sample, of.as_deref());
        // The same shrinkage for both: only so does what no class differs in cancel out.
        let all = Gaussians::with_shrinkage(vectors, &sample, None, shrinkage);
        Self { classes, all }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let load = |prefix| Gaussians::load(&arrays.under(prefix));
        Ok(Self { classes: load("classes.")?, all: load("all.")? })
    }
}

impl Detector for RelativeMahalanobis {
    /// The squared distance to the nearest class less the squared distance to all records.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        self.classes.nearest_square(sample.vector) - self.all.nearest_square(sample.vector)
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.absorb("classes.", self.classes.save());
        arrays.absorb("all.", self.all.save());
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::blank;
    use super::*;
    use crate::eval::Matrix;
    use crate::random;

    /// Classes differ in the first column only. A shift along the second, which tells nothing of
    /// classes, moves the Mahalanobis distance and leaves the relative one about as it is.
    #[test]
    fn what_no_class_differs_in_cancels_out() {
        let mut rng = random::stream(6, "relative");
        let mut vectors = Matrix::new(2);
        let truth: Vec<Vec<u32>> = (0..600).map(|i| vec![i % 2]).collect();
        for class in &truth {
            let x = if class[0] == 0 { 5.0 } else { -5.0 } + random::normal(&mut rng) as f32;
            vectors.push(&[x, random::normal(&mut rng) as f32]);
        }
        let training = Training { labels: 2, truth: &truth, vectors: &vectors, ..blank() };
        let relative = RelativeMahalanobis::fit(&training);
        let score = |x, y| relative.score(&Sample { vector: &[x, y], ..Sample::default() });
        assert!((score(5.0, 6.0) - score(5.0, 0.0)).abs() < 3.0);
        assert!(score(0.0, 0.0) > score(5.0, 0.0) + 10.0);
        let absolute = relative.classes.nearest_square(&[5.0, 6.0]);
        assert!(absolute > 25.0, "{absolute}");
    }
}
