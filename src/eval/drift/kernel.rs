//! How alike records are: what the test of whole records looks at.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::eval::Matrix;

/// Records under a kernel, a similarity k(x, y) that is the inner product of what stands for x and y.
/// A kernel may know all records that are compared, but not which of them are the batch's.
#[derive(Debug, Clone)]
pub struct Kernel {
    form: Form,
    /// Σ k(x, y) over all y, x itself included, of each record x.
    to_all: Vec<f64>,
}

#[derive(Debug, Clone)]
enum Form {
    /// Vectors of which most numbers are 0: place and number of the others.
    Sparse { vectors: Vec<Vec<(usize, f64)>>, width: usize },
    /// Every similarity, row by row.
    Similarities(Matrix),
}

impl Kernel {
    /// The cosine of records that are terms with weights of at least 0, no term twice. A record without
    /// any is like nothing, itself included. A linear kernel: it sees which terms are more frequent in
    /// one sample, and not which go together.
    pub fn cosine(records: impl IntoIterator<Item = Vec<(u32, f64)>>) -> Self {
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut unit = |terms: Vec<(u32, f64)>| -> Vec<(usize, f64)> {
            let length = terms.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
            let scaled =
                terms.into_iter().filter(|(_, weight)| *weight > 0.0).map(|(term, weight)| {
                    let next = places.len();
                    (*places.entry(term).or_insert(next), weight / length)
                });
            scaled.collect()
        };
        let vectors: Vec<Vec<(usize, f64)>> = records.into_iter().map(&mut unit).collect();
        let width = places.len();
        let mut sum = vec![0.0; width];
        for &(place, weight) in vectors.iter().flatten() {
            sum[place] += weight;
        }
        let to_all = |vector: &Vec<(usize, f64)>| vector.iter().map(|(p, w)| w * sum[*p]).sum();
        let to_all = vectors.iter().map(to_all).collect();
        Self { form: Form::Sparse { vectors, width }, to_all }
    }

    /// exp(−d²/(2σ²)) of the Euclidean distance d of vectors, where σ² is the median of all d² between
    /// two records, or their mean where that is 0 (Gretton et al. 2012, section 8). It sees every
    /// difference of two distributions, given records enough.
    pub fn gaussian(vectors: &Matrix) -> Self {
        let records = vectors.len();
        let squares = |i: usize| -> Vec<f32> {
            let row = vectors.row(i);
            let square = |j: usize| {
                let pairs = row.iter().zip(vectors.row(j));
                pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
            };
            (0..records).map(square).collect()
        };
        let mut squares: Vec<Vec<f32>> = (0..records).into_par_iter().map(squares).collect();
        let scale = 2.0 * typical(&squares);
        let similarity = |square: &mut f32| {
            *square = if scale > 0.0 { (-f64::from(*square) / scale).exp() as f32 } else { 1.0 };
        };
        squares.par_iter_mut().flatten().for_each(similarity);
        let to_all = squares.iter().map(|row| row.iter().map(|&k| f64::from(k)).sum()).collect();
        let mut similarities = Matrix::new(records);
        squares.iter().for_each(|row| similarities.push(row));
        Self { form: Form::Similarities(similarities), to_all }
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.to_all.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.to_all.is_empty()
    }

    /// Σ k(record, y) over all records y, itself included.
    pub(super) fn to_all(&self, record: usize) -> f64 {
        self.to_all[record]
    }

    /// Σ k(x, y) over all x and y of `records`, no record twice. `sum` is room to work in: empty, or as
    /// the last call left it.
    pub(super) fn within(&self, records: &[usize], sum: &mut Vec<f64>) -> f64 {
        match &self.form {
            Form::Sparse { vectors, width } => {
                sum.resize(*width, 0.0);
                let mut square = 0.0;
                for &record in records {
                    for &(place, weight) in &vectors[record] {
                        // (s + w)² − s²
                        square += weight * (2.0 * sum[place] + weight);
                        sum[place] += weight;
                    }
                }
                for &record in records {
                    vectors[record].iter().for_each(|(place, _)| sum[*place] = 0.0);
                }
                square
            }
            Form::Similarities(similarities) => {
                let to_others = |(at, &record): (usize, &usize)| {
                    let row = similarities.row(record);
                    let before: f64 =
                        records[..at].iter().map(|&other| f64::from(row[other])).sum();
                    2.0 * before + f64::from(row[record])
                };
                records.iter().enumerate().map(to_others).sum()
            }
        }
    }
}

/// The median of the squared distances between two records, or their mean where that is 0.
fn typical(squares: &[Vec<f32>]) -> f64 {
    let mut of_pairs: Vec<f32> =
        squares.iter().enumerate().flat_map(|(i, row)| row[..i].iter().copied()).collect();
    if of_pairs.is_empty() {
        return 0.0;
    }
    let middle = of_pairs.len() / 2;
    let (_, &mut median, _) = of_pairs.select_nth_unstable_by(middle, f32::total_cmp);
    if median > 0.0 {
        return f64::from(median);
    }
    of_pairs.iter().map(|&square| f64::from(square)).sum::<f64>() / of_pairs.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }

    #[test]
    fn cosines() {
        let kernel = Kernel::cosine([vec![(7, 3.0), (9, 4.0)], vec![(9, 2.0)], vec![]]);
        assert!(kernel.len() == 3 && !kernel.is_empty());
        close(kernel.to_all(0), 1.0 + 0.8);
        close(kernel.to_all(2), 0.0);
        let mut room = Vec::new();
        // Twice: the room is clean again.
        for _ in 0..2 {
            close(kernel.within(&[0, 1], &mut room), 1.0 + 1.0 + 2.0 * 0.8);
            close(kernel.within(&[1, 2], &mut room), 1.0);
        }
    }

    #[test]
    fn gaussian_similarities_by_the_median_distance() {
        // Squared distances 1, 4, 9: the median is 4.
        let kernel = Kernel::gaussian(&Matrix::from_values(1, vec![0.0, 1.0, 3.0]));
        let k = |square: f64| (-square / 8.0).exp();
        close(kernel.to_all(0), 1.0 + k(1.0) + k(9.0));
        close(kernel.within(&[0, 2], &mut Vec::new()), 2.0 + 2.0 * k(9.0));
        // Of ten squared distances six are 0 and four are 4: their mean is 1.6.
        let equal = Kernel::gaussian(&Matrix::from_values(1, vec![0.0, 0.0, 0.0, 0.0, 2.0]));
        close(equal.to_all(4), 1.0 + 4.0 * (-1.25f64).exp());
        let same = Kernel::gaussian(&Matrix::from_values(2, vec![5.0; 6]));
        close(same.within(&[0, 1, 2], &mut Vec::new()), 9.0);
        assert!(Kernel::gaussian(&Matrix::new(2)).is_empty());
    }
}
