//! The training records that are most like a record: an exact search among those that are kept.

use super::Matrix;
use super::detector::square_distance;
use super::prototypes::unit;
use crate::arrays::{Arrays, ArraysError};
use crate::random;

/// Records that are kept at most; a seeded sample beyond that.
pub const MAX_KEPT: usize = 4_096;
/// Numbers that their vectors hold at most, 16 MiB of them: wide vectors are fewer.
const MAX_NUMBERS: usize = 1 << 22;

/// How like two vectors are; higher is more alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// The cosine, in \[-1, 1\]; a zero vector is like nothing.
    Cosine,
    /// 1 / (1 + d) for the Euclidean distance d, in (0, 1\]; 1 for equal vectors.
    Distance,
}

/// Vectors that are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    /// Of length 1 where cosines count.
    kept: Matrix,
    similarity: Similarity,
}

impl Neighbors {
    /// Keeps the vectors, or a seeded sample of them. Returns the position of each that is kept,
    /// ascending.
    pub fn fit(vectors: &Matrix, similarity: Similarity, seed: u64) -> (Self, Vec<usize>) {
        let mut order: Vec<usize> = (0..vectors.len()).collect();
        random::shuffle(&mut order, &mut random::stream(seed, "neighbors"));
        let columns = vectors.columns();
        let most = MAX_KEPT.min(MAX_NUMBERS / columns.max(1));
        let scaled = |&i: &usize| Some((i, scaled(similarity, vectors.row(i))?));
        let mut chosen: Vec<(usize, Vec<f32>)> =
            order.iter().filter_map(scaled).take(most).collect();
        chosen.sort_unstable_by_key(|(position, _)| *position);
        let mut kept = Matrix::new(columns);
        chosen.iter().for_each(|(_, vector)| kept.push(vector));
        let positions = chosen.into_iter().map(|(position, _)| position).collect();
        (Self { kept, similarity }, positions)
    }

    /// Vectors that are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Numbers of a vector.
    pub fn columns(&self) -> usize {
        self.kept.columns()
    }

    /// The `k` vectors that are most like one, by place among those that are kept, with their
    /// similarity, the most alike first; of equals, the first. None for a zero vector where cosines
    /// count, and for a vector of another length.
    pub fn nearest(&self, vector: &[f32], k: usize) -> Vec<(usize, f64)> {
        if k == 0 || self.is_empty() || vector.len() != self.kept.columns() {
            return Vec::new();
        }
        let Some(vector) = scaled(self.similarity, vector) else { return Vec::new() };
        // The distance of vectors of length 1 tells the cosine, and is exactly 0 between equal ones,
        // which a rounded product need not be 1 for.
        let square = |row: &[f32]| square_distance(row, &vector);
        let mut found: Vec<(usize, f64)> = self.kept.rows().map(square).enumerate().collect();
        let nearer = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
        if k < found.len() {
            found.select_nth_unstable_by(k - 1, nearer);
            found.truncate(k);
        }
        found.sort_unstable_by(nearer);
        let similarity = |square: f64| match self.similarity {
            Similarity::Cosine => (1.0 - square / 2.0).clamp(-1.0, 1.0),
            Similarity::Distance => 1.0 / (1.0 + square.sqrt()),
        };
        found.into_iter().map(|(place, square)| (place, similarity(square))).collect()
    }

    /// What is stored of them.
    pub fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.put("cosine", vec![u32::from(self.similarity == Similarity::Cosine)]);
        self.kept.save(&mut arrays, "vectors");
        arrays
    }

    /// What [`Neighbors::save`] stored.
    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let similarity = match arrays.scalar::<u32>("cosine")? {
            0 => Similarity::Distance,
            _ => Similarity::Cosine,
        };
        Ok(Self { kept: Matrix::load(arrays, "vectors")?, similarity })
    }
}

/// A vector as it is compared; `None` where it is like nothing.
fn scaled(similarity: Similarity, vector: &[f32]) -> Option<Vec<f32>> {
    match similarity {
        Similarity::Cosine => unit(vector),
        Similarity::Distance => Some(vector.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Rng;

    fn vectors(n: usize, columns: usize) -> Matrix {
        let mut rng = random::stream(4, "vectors");
        let values = (0..n * columns).map(|_| rng.random::<f32>() - 0.5).collect();
        Matrix::from_values(columns, values)
    }

    fn plain(similarity: Similarity, a: &[f32], b: &[f32]) -> f64 {
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| of(f64::from(a), f64::from(b))).sum()
        };
        match similarity {
            Similarity::Cosine => {
                let norms = sum(&|a, _| a * a).sqrt() * sum(&|_, b| b * b).sqrt();
                sum(&|a, b| a * b) / norms
            }
            Similarity::Distance => 1.0 / (1.0 + sum(&|a, b| (a - b) * (a - b)).sqrt()),
        }
    }

    #[test]
    fn a_training_record_is_nearest_to_itself() {
        let vectors = vectors(200, 13);
        for similarity in [Similarity::Cosine, Similarity::Distance] {
            let (neighbors, kept) = Neighbors::fit(&vectors, similarity, 1);
            assert_eq!(kept, (0..200).collect::<Vec<_>>());
            for i in 0..200 {
                assert_eq!(neighbors.nearest(vectors.row(i), 1), [(i, 1.0)]);
            }
        }
    }

    #[test]
    fn the_search_is_exact_and_in_order() {
        let vectors = vectors(300, 10);
        let other: Vec<f32> = (0..10).map(|i| 0.3 - i as f32 / 20.0).collect();
        for similarity in [Similarity::Cosine, Similarity::Distance] {
            let (neighbors, _) = Neighbors::fit(&vectors, similarity, 1);
            let mut all: Vec<(usize, f64)> =
                vectors.rows().map(|row| plain(similarity, row, &other)).enumerate().collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            for k in [1, 7, 300, 400] {
                let found = neighbors.nearest(&other, k);
                assert_eq!(found.len(), k.min(300));
                for ((place, value), (wanted, by)) in found.iter().zip(&all) {
                    assert_eq!(place, wanted);
                    assert!((value - by).abs() < 1e-6, "{value} {by}");
                }
            }
        }
    }

    #[test]
    fn zero_vectors_are_like_nothing_by_cosine_and_equals_go_by_place() {
        let vectors = Matrix::from_values(2, vec![0., 0., 2., 0., 1., 0., 0., 1.]);
        let (neighbors, kept) = Neighbors::fit(&vectors, Similarity::Cosine, 1);
        assert_eq!(kept, [1, 2, 3]);
        assert_eq!(neighbors.nearest(&[3.0, 0.0], 3), [(0, 1.0), (1, 1.0), (2, 0.0)]);
        assert!(neighbors.nearest(&[0.0, 0.0], 3).is_empty());
        assert!(neighbors.nearest(&[1.0], 3).is_empty());
        assert!(neighbors.nearest(&[1.0, 0.0], 0).is_empty());
        let (neighbors, kept) = Neighbors::fit(&vectors, Similarity::Distance, 1);
        assert_eq!(kept.len(), 4);
        assert_eq!(neighbors.nearest(&[0.0, 0.0], 2), [(0, 1.0), (2, 0.5)]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_seeded_sample() {
        let many = vectors(MAX_KEPT + 100, 2);
        let (neighbors, kept) = Neighbors::fit(&many, Similarity::Distance, 1);
        assert_eq!((neighbors.len(), kept.len()), (MAX_KEPT, MAX_KEPT));
        assert!(kept.is_sorted() && kept != (0..MAX_KEPT).collect::<Vec<_>>());
        assert_eq!(kept, Neighbors::fit(&many, Similarity::Distance, 1).1);
        assert_ne!(kept, Neighbors::fit(&many, Similarity::Distance, 2).1);
        let wide = Matrix::from_values(MAX_NUMBERS / 2, vec![0.5; MAX_NUMBERS * 3 / 2]);
        assert_eq!(Neighbors::fit(&wide, Similarity::Distance, 1).1.len(), 2);
    }

    #[test]
    fn stored_and_damaged() {
        let (neighbors, _) = Neighbors::fit(&vectors(20, 3), Similarity::Distance, 1);
        let saved = neighbors.save();
        assert_eq!(Neighbors::load(&saved).unwrap(), neighbors);
        for (what, damaged) in saved.damaged() {
            // Fewer whole rows are neighbours as well; their records are counted elsewhere.
            if let Ok(loaded) = Neighbors::load(&damaged) {
                assert!(loaded.len() < neighbors.len(), "{what}");
            }
        }
    }
}
