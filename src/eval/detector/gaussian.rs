//! Normal distributions of vectors, one for each class, all with one shrunk covariance.

use super::Training;
use crate::arrays::{Arrays, ArraysError};
use crate::eval::covariance::{ledoit_wolf, second_moment};
use crate::eval::linear_algebra::{Cholesky, square_distance};
use crate::eval::{Link, Matrix};
use crate::random;

/// Training records that are looked at, at most; a seeded sample beyond that. The work grows with
/// the records and the square of the columns.
const MAX_SAMPLE: usize = 16_384;
/// The least shrinkage, so that columns that depend on one another leave a covariance that can be
/// inverted.
const MIN_SHRINKAGE: f64 = 1e-9;

/// The positions of a sample of the training records, ascending.
pub(super) fn sample(training: &Training<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..training.vectors.len()).collect();
    if order.len() > MAX_SAMPLE {
        random::shuffle(&mut order, &mut random::stream(training.seed, "covariance"));
        order.truncate(MAX_SAMPLE);
        order.sort_unstable();
    }
    order
}

/// The class of each record, where each has one; else `None`.
pub(super) fn classes(training: &Training<'_>) -> Option<Vec<u32>> {
    let known = |class: &u32| (*class as usize) < training.labels;
    let only = |classes: &Vec<u32>| match classes[..] {
        [class] => Some(class).filter(known),
        _ => None,
    };
    let all = training.link == Link::Softmax && training.truth.len() == training.vectors.len();
    if all { training.truth.iter().map(only).collect() } else { None }
}

/// The vectors at `sample`, in 64 bits, each less the mean of its class, and the means. Classes
/// without a vector have no mean.
pub(super) fn centred(
    vectors: &Matrix,
    sample: &[usize],
    classes: Option<&[u32]>,
) -> (Vec<f64>, Vec<f64>) {
    let columns = vectors.columns();
    let class = |record: usize| classes.map_or(0, |classes| classes[record] as usize);
    let mut counts = vec![0.0; sample.iter().map(|&record| class(record) + 1).max().unwrap_or(0)];
    let mut means = vec![0.0; counts.len() * columns];
    let mut rows = Vec::with_capacity(sample.len() * columns);
    for &record in sample {
        let mean = &mut means[class(record) * columns..(class(record) + 1) * columns];
        counts[class(record)] += 1.0;
        for (mean, &value) in mean.iter_mut().zip(vectors.row(record)) {
            *mean += f64::from(value);
            rows.push(f64::from(value));
        }
    }
    if columns == 0 {
        return (rows, means);
    }
    for (mean, count) in means.chunks_exact_mut(columns).zip(&counts) {
        mean.iter_mut().for_each(|mean| *mean /= f64::max(*count, 1.0));
    }
    for (row, &record) in rows.chunks_exact_mut(columns).zip(sample) {
        let mean = &means[class(record) * columns..(class(record) + 1) * columns];
        row.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
    }
    let present = means.chunks_exact(columns).zip(&counts).filter(|(_, count)| **count > 0.0);
    let present = present.flat_map(|(mean, _)| mean.iter().copied()).collect();
    (rows, present)
}

/// What a covariance is made of: `kept` of the sample's own, and `added` on its diagonal.
#[derive(Clone, Copy)]
pub(super) struct Shrinkage {
    pub kept: f64,
    pub added: f64,
}

/// Fitted: the Cholesky factor L of the covariance, and L⁻¹ μ of each class, so that a record costs
/// one triangular solve and a distance to each class.
pub(super) struct Gaussians {
    factor: Cholesky,
    means: Vec<f64>,
}

impl Gaussians {
    /// Fits means and covariance. The shrinkage towards a multiple of the identity, (1 − α) S +
    /// α tr(S)/d I, is that of Ledoit and Wolf. Without any spread the covariance is the identity.
    pub fn fit(vectors: &Matrix, sample: &[usize], classes: Option<&[u32]>) -> (Self, Shrinkage) {
        let (rows, means) = centred(vectors, sample, classes);
        let columns = vectors.columns();
        let moment = second_moment(&rows, columns);
        let alpha = ledoit_wolf(&rows, columns, &moment).max(MIN_SHRINKAGE);
        let trace: f64 = moment.iter().step_by(columns + 1).sum();
        let shrinkage =
            Shrinkage { kept: 1.0 - alpha, added: alpha * trace / columns.max(1) as f64 };
        (Self::new(means, moment, shrinkage), shrinkage)
    }

    /// The same with a given shrinkage.
    pub fn with_shrinkage(
        vectors: &Matrix,
        sample: &[usize],
        classes: Option<&[u32]>,
        shrinkage: Shrinkage,
    ) -> Self {
        let (rows, means) = centred(vectors, sample, classes);
        Self::new(means, second_moment(&rows, vectors.columns()), shrinkage)
    }

    fn new(
        mut means: Vec<f64>,
        mut moment: Vec<f64>,
        Shrinkage { kept, added }: Shrinkage,
    ) -> Self {
        let columns = moment.len().isqrt();
        moment.iter_mut().for_each(|value| *value *= kept);
        moment.iter_mut().step_by(columns + 1).for_each(|value| *value += added);
        let factor = Cholesky::new(&moment, columns).unwrap_or_else(|| Cholesky::identity(columns));
        means.chunks_exact_mut(columns.max(1)).for_each(|mean| factor.solve(mean));
        Self { factor, means }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let columns = usize::try_from(arrays.scalar::<u64>("columns")?).unwrap_or(usize::MAX);
        let means = arrays.get::<f64>("means")?.to_vec();
        let factor = Cholesky::from_rows(columns, arrays.get::<f64>("factor")?.to_vec());
        let whole = means.len().is_multiple_of(columns.max(1));
        match factor {
            Some(factor) if whole && means.iter().all(|mean| mean.is_finite()) => {
                Ok(Self { factor, means })
            }
            _ => Err(ArraysError::Format("the means and covariance do not fit".to_owned())),
        }
    }

    pub fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.put("columns", vec![self.factor.size() as u64]);
        arrays.put("factor", self.factor.rows().to_vec());
        arrays.put("means", self.means.clone());
        arrays
    }

    /// The squared Mahalanobis distance to the nearest mean; 0 without a mean, and for a vector of
    /// another length.
    pub fn nearest_square(&self, vector: &[f32]) -> f64 {
        if vector.len() != self.factor.size() || vector.is_empty() {
            return 0.0;
        }
        let mut x: Vec<f64> = vector.iter().map(|&value| f64::from(value)).collect();
        self.factor.solve(&mut x);
        let means = self.means.chunks_exact(vector.len());
        means.map(|mean| square_distance(mean, &x)).reduce(f64::min).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::blank;
    use super::*;
    use crate::random;

    /// Two classes around (±3, 0), the second column of ten times the spread.
    fn vectors() -> Matrix {
        let mut rng = random::stream(5, "gaussian");
        let mut vectors = Matrix::new(2);
        for i in 0..400 {
            let centre = if i % 2 == 0 { 3.0 } else { -3.0 };
            let x = centre + random::normal(&mut rng) as f32;
            vectors.push(&[x, 10.0 * random::normal(&mut rng) as f32]);
        }
        vectors
    }

    #[test]
    fn the_distance_is_in_standard_deviations_of_a_class() {
        let vectors = vectors();
        let all: Vec<usize> = (0..400).collect();
        let classes: Vec<u32> = (0..400).map(|i| i % 2 * 2).collect();
        let plain = Shrinkage { kept: 1.0, added: 0.0 };
        let fitted = Gaussians::with_shrinkage(&vectors, &all, Some(&classes), plain);
        assert_eq!(fitted.means.len(), 4);
        let distance = |x, y| fitted.nearest_square(&[x, y]).sqrt();
        // Means and deviations of 200 draws lie within 0.2 of those they were drawn from.
        for (found, expected) in [(distance(3.0, 0.0), 0.0), (distance(0.0, 0.0), 3.0)] {
            assert!((found - expected).abs() < 0.3, "{found} {expected}");
        }
        let sideways = distance(-3.0, 30.0);
        assert!((sideways - 3.0).abs() < 0.4, "{sideways}");
    }

    #[test]
    fn equal_vectors_and_none_at_all_have_distances() {
        let equal = Matrix::from_values(2, vec![1.0; 6]);
        let fitted = Gaussians::fit(&equal, &[0, 1, 2], None).0;
        assert_eq!(fitted.nearest_square(&[4.0, 5.0]), 25.0);
        let none = Gaussians::fit(&Matrix::new(0), &[], None).0;
        assert_eq!(none.nearest_square(&[1.0]), 0.0);
    }

    #[test]
    fn columns_that_depend_on_one_another_are_no_panic() {
        let values = (0..50).flat_map(|i| [i as f32, 2.0 * i as f32, 0.0]).collect();
        let vectors = Matrix::from_values(3, values);
        let all: Vec<usize> = (0..50).collect();
        let fitted = Gaussians::fit(&vectors, &all, None).0;
        let (near, far) =
            (fitted.nearest_square(&[25.0, 50.0, 0.0]), fitted.nearest_square(&[25.0, 0.0, 9.0]));
        assert!(near.is_finite() && far.is_finite() && far > near, "{near} {far}");
    }

    #[test]
    fn classes_are_those_of_records_with_one_label_each() {
        let vectors = Matrix::from_values(1, vec![0.0, 1.0]);
        let of = |link, truth: &[Vec<u32>]| {
            classes(&Training { link, labels: 2, truth, vectors: &vectors, ..blank() })
        };
        assert_eq!(of(Link::Softmax, &[vec![1], vec![0]]), Some(vec![1, 0]));
        assert_eq!(of(Link::Softmax, &[vec![1], vec![]]), None);
        assert_eq!(of(Link::Softmax, &[vec![1], vec![2]]), None);
        assert_eq!(of(Link::Softmax, &[]), None);
        assert_eq!(of(Link::Sigmoid, &[vec![1], vec![0]]), None);
    }

    #[test]
    fn the_sample_is_bounded_and_repeats() {
        let vectors = Matrix::from_values(1, vec![0.0; MAX_SAMPLE + 100]);
        let training = Training { vectors: &vectors, ..blank() };
        let chosen = sample(&training);
        assert!(chosen.len() == MAX_SAMPLE && chosen.is_sorted_by(|a, b| a < b));
        assert_eq!(chosen, sample(&training));
        assert_ne!(chosen, sample(&Training { seed: 2, ..training }));
    }
}
