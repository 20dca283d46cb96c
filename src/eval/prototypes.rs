//! Typical training vectors, and how near a new vector comes to one.

use rayon::prelude::*;

use super::Matrix;
use super::exponential::largest;
use crate::random::{self, RngCore};

/// Prototypes at most.
const MAX_PROTOTYPES: usize = 256;
/// Training vectors that are clustered at most; a seeded sample beyond that.
const MAX_SAMPLE: usize = 8_192;
const ITERATIONS: usize = 8;

/// Centres that a vector is compared with side by side.
const LANES: usize = 32;

/// Centres of a spherical k-means (Dhillon and Modha 2001) of training vectors, each of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Prototypes {
    centres: Matrix,
    /// The centres again, in blocks of [`LANES`], each block column by column; zeros fill the last.
    blocks: Vec<f32>,
}

impl Prototypes {
    /// Clusters the vectors by cosine: a prototype for every four vectors, at most 256.
    pub fn fit(vectors: &Matrix, seed: u64) -> Self {
        let columns = vectors.columns();
        let mut rng = random::stream(seed, "prototypes");
        let mut order: Vec<usize> = (0..vectors.len()).collect();
        random::shuffle(&mut order, &mut rng);
        let mut sample = Matrix::new(columns);
        for &record in order.iter().take(MAX_SAMPLE) {
            if let Some(unit) = unit(vectors.row(record)) {
                sample.push(&unit);
            }
        }
        let wanted = sample.len().div_ceil(4).min(MAX_PROTOTYPES);
        // The sample is shuffled, so its first vectors are random ones.
        let mut centres = Matrix::new(columns);
        sample.rows().take(wanted).for_each(|row| centres.push(row));
        for _ in 0..ITERATIONS {
            let nearest: Vec<usize> = (0..sample.len())
                .into_par_iter()
                .map(|i| nearest(&centres, sample.row(i)).map_or(0, |(centre, _)| centre))
                .collect();
            let mut sums = vec![0.0f32; centres.values().len()];
            for (row, &centre) in sample.rows().zip(&nearest) {
                let sum = &mut sums[centre * columns..(centre + 1) * columns];
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            let mut next = Matrix::new(columns);
            for sum in sums.chunks_exact(columns.max(1)) {
                // An empty cluster starts again at a random vector.
                let other = (rng.next_u64() % sample.len().max(1) as u64) as usize;
                next.push(&unit(sum).unwrap_or_else(|| sample.row(other).to_vec()));
            }
            centres = next;
        }
        Self::from_centres(centres)
    }

    /// From stored centres.
    pub fn from_centres(centres: Matrix) -> Self {
        let columns = centres.columns();
        let mut blocks = vec![0.0; centres.len().div_ceil(LANES) * columns * LANES];
        for (i, centre) in centres.rows().enumerate() {
            let start = i / LANES * columns * LANES + i % LANES;
            for (place, &value) in blocks[start..].iter_mut().step_by(LANES).zip(centre) {
                *place = value;
            }
        }
        Self { centres, blocks }
    }

    /// The centres.
    pub fn centres(&self) -> &Matrix {
        &self.centres
    }

    /// The cosine to the nearest prototype, clamped to \[0, 1\]; higher is better covered. 0 for a
    /// zero vector.
    pub fn coverage(&self, vector: &[f32]) -> f64 {
        self.cosine(vector).map_or(0.0, |cosine| cosine.clamp(0.0, 1.0))
    }

    /// The cosine to the nearest prototype, in \[-1, 1\] but for rounding. `None` for a zero vector
    /// and where there is no prototype.
    pub fn cosine(&self, vector: &[f32]) -> Option<f64> {
        let unit = unit(vector)?;
        let mut left = self.centres.len();
        let mut best = f32::NEG_INFINITY;
        for block in self.blocks.chunks_exact((self.centres.columns() * LANES).max(1)) {
            let cosines = products(block, &unit);
            let cosine = largest(&cosines[..left.min(LANES)], f32::NEG_INFINITY);
            best = best.max(cosine);
            left = left.saturating_sub(LANES);
        }
        (!self.centres.is_empty()).then(|| f64::from(best))
    }
}

/// Σ aᵢbᵢ for each centre of a block, summed in the order of the columns. Inlined, the compiler no
/// longer keeps the sums in wide registers.
#[inline(never)]
fn products(block: &[f32], vector: &[f32]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for (column, &x) in block.as_chunks::<LANES>().0.iter().zip(vector) {
        for (sum, value) in sums.iter_mut().zip(column) {
            *sum += value * x;
        }
    }
    sums
}

/// The row of `centres` with the largest cosine to a vector of length 1, and that cosine.
pub(super) fn nearest(centres: &Matrix, unit: &[f32]) -> Option<(usize, f32)> {
    let cosines = centres.rows().map(|centre| dot(centre, unit));
    cosines.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Σ aᵢbᵢ: the cosine, for vectors of length 1.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side, so that the compiler can use wide registers.
    let mut lanes = [0.0f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The vector at length 1; `None` for a zero vector. Squares are taken in 64 bits, in which those of
/// 32-bit numbers neither overflow nor vanish.
pub fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let norm = vector.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let scaled = |&v: &f32| (f64::from(v) / norm) as f32;
    (norm > 0.0 && norm.is_finite()).then(|| vector.iter().map(scaled).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Rng;

    /// Vectors around three directions.
    fn vectors() -> Matrix {
        let mut rng = random::stream(2, "vectors");
        let mut vectors = Matrix::new(3);
        for i in 0..120 {
            let row: Vec<f32> = (0..3)
                .map(|axis| f32::from(u8::from(axis == i % 3)) + 0.1 * rng.random::<f32>())
                .collect();
            vectors.push(&row);
        }
        vectors
    }

    #[test]
    fn near_vectors_are_covered_and_far_ones_are_not() {
        let prototypes = Prototypes::fit(&vectors(), 1);
        assert!(prototypes.coverage(&[2.0, 0.1, 0.1]) > 0.98);
        assert!(prototypes.coverage(&[1.0, 1.0, 1.0]) < 0.8);
        assert_eq!(prototypes.coverage(&[-1.0, -1.0, -1.0]), 0.0);
        assert_eq!(prototypes.coverage(&[0.0, 0.0, 0.0]), 0.0);
    }

    #[test]
    fn the_scale_of_a_vector_does_not_matter_and_fits_repeat() {
        let prototypes = Prototypes::fit(&vectors(), 1);
        let (small, large) =
            (prototypes.coverage(&[0.1, 0.02, 0.0]), prototypes.coverage(&[10., 2., 0.]));
        assert!((small - large).abs() < 1e-6);
        assert_eq!(prototypes, Prototypes::fit(&vectors(), 1));
    }

    #[test]
    fn the_nearest_of_any_number_of_prototypes_is_found() {
        let mut rng = random::stream(3, "vectors");
        for (count, columns) in [(1, 1), (31, 5), (32, 64), (33, 7), (256, 64)] {
            let mut draw =
                || -> Vec<f32> { (0..columns).map(|_| random::normal(&mut rng) as f32).collect() };
            let mut centres = Matrix::new(columns);
            (0..count).for_each(|_| centres.push(&unit(&draw()).unwrap()));
            let prototypes = Prototypes::from_centres(centres.clone());
            for _ in 0..50 {
                let vector = draw();
                let (_, expected) = nearest(&centres, &unit(&vector).unwrap()).unwrap();
                let found = prototypes.cosine(&vector).unwrap();
                assert!((found - f64::from(expected)).abs() < 1e-6, "{count} {columns}");
            }
        }
    }

    #[test]
    fn hardly_any_vectors_are_enough() {
        let one = Matrix::from_values(2, vec![1.0, 0.0]);
        assert!((Prototypes::fit(&one, 0).coverage(&[3.0, 0.0]) - 1.0).abs() < 1e-6);
        let zero = Matrix::from_values(2, vec![0.0, 0.0]);
        assert_eq!(Prototypes::fit(&zero, 0).coverage(&[3.0, 0.0]), 0.0);
    }
}
