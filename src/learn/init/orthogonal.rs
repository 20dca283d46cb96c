//! Random orthogonal matrices (Saxe, McClelland and Ganguli 2014): the Q of a normal matrix's QR
//! decomposition with a positive diagonal of R, which makes Q uniform among orthogonal matrices.

/// Makes the rows of a matrix (in rows of `columns`, and of full rank, as normal draws are)
/// orthonormal, one after the other; where there are more rows than columns, the columns.
pub fn of(normal: Vec<f64>, columns: usize) -> Vec<f64> {
    let rows = normal.len() / columns.max(1);
    if rows <= columns {
        return orthonormal_rows(normal, columns);
    }
    transposed(&orthonormal_rows(transposed(&normal, columns), rows), rows)
}

/// Gram and Schmidt, each row cleared of the ones before it twice, which makes it exact to rounding
/// (Giraud et al. 2005). What is left of a row keeps its sign, so that R's diagonal is positive.
fn orthonormal_rows(mut matrix: Vec<f64>, columns: usize) -> Vec<f64> {
    for start in (0..matrix.len()).step_by(columns.max(1)) {
        let (before, rest) = matrix.split_at_mut(start);
        let row = &mut rest[..columns];
        for _ in 0..2 {
            for other in before.chunks_exact(columns) {
                let part = dot(row, other);
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= part * y);
            }
        }
        let norm = dot(row, row).sqrt();
        row.iter_mut().for_each(|x| *x /= norm);
    }
    matrix
}

fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns)).copied().collect()
}

/// In four sums side by side, for speed.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a.zip(b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn random(rows: usize, columns: usize) -> Vec<f64> {
        let mut rng = random::stream(1, "test");
        (0..rows * columns).map(|_| random::normal(&mut rng)).collect()
    }

    #[test]
    fn rows_or_columns_are_orthonormal() {
        for (rows, columns) in [(1, 1), (1, 9), (9, 1), (7, 30), (30, 7), (64, 64), (200, 203)] {
            let matrix = of(random(rows, columns), columns);
            assert_eq!(matrix.len(), rows * columns);
            let (vectors, length) = if rows <= columns {
                (matrix, columns)
            } else {
                (transposed(&matrix, columns), rows)
            };
            let vectors: Vec<&[f64]> = vectors.chunks(length).collect();
            for (i, a) in vectors.iter().enumerate() {
                for (j, b) in vectors.iter().enumerate() {
                    let expected = f64::from(u8::from(i == j));
                    assert!((dot(a, b) - expected).abs() < 1e-12, "{rows} × {columns}: {i}, {j}");
                }
            }
        }
    }

    /// Two rows that are all but parallel.
    #[test]
    fn rows_that_nearly_depend_on_one_another_are_still_orthogonal() {
        let mut matrix = random(1, 50);
        let nearly: Vec<f64> =
            matrix.iter().zip(random(50, 1)).map(|(x, y)| x + 1e-9 * y.cos()).collect();
        matrix.extend(nearly);
        let matrix = of(matrix, 50);
        assert!(dot(&matrix[..50], &matrix[50..]).abs() < 1e-13);
    }

    /// By hand: (3, 4) → (0.6, 0.8), and what is left of (1, 0) is (0.64, −0.48), which points to
    /// (0.8, −0.6).
    #[test]
    fn a_known_matrix() {
        let matrix = of(vec![3.0, 4.0, 1.0, 0.0], 2);
        for (found, expected) in matrix.iter().zip([0.6, 0.8, 0.8, -0.6]) {
            assert!((found - expected).abs() < 1e-15, "{matrix:?}");
        }
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
