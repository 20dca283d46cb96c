//! What statistics need of linear algebra: Cholesky's factorisation and the eigenvectors of a
//! symmetric matrix. Matrices are square, in rows, of 64-bit numbers.

/// Σ aᵢ bᵢ. Eight sums side by side, so that the compiler can use wide registers.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Σ (aᵢ − bᵢ)², in eight sums as well.
pub fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            let difference = a[lane] - b[lane];
            lanes[lane] += difference * difference;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// y + factor · x, in place.
fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

/// The lower triangle L of A = L Lᵀ, for A symmetric and positive definite.
#[derive(Debug, Clone, PartialEq)]
pub struct Cholesky {
    size: usize,
    /// Row i has i + 1 values.
    rows: Vec<f64>,
}

impl Cholesky {
    /// Factorises `matrix`; `None` where it is not positive definite.
    pub fn new(matrix: &[f64], size: usize) -> Option<Self> {
        let mut rows: Vec<f64> = Vec::with_capacity(triangle(size)?);
        for i in 0..size {
            let own = triangle(i)?;
            for j in 0..=i {
                let other = triangle(j)?;
                let rest = matrix[i * size + j] - dot(&rows[own..own + j], &rows[other..other + j]);
                if i == j && !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                rows.push(if i == j { rest.sqrt() } else { rest / rows[other + j] });
            }
        }
        Some(Self { size, rows })
    }

    /// L = I.
    pub fn identity(size: usize) -> Self {
        let row = |i: usize| (0..=i).map(move |j| f64::from(u8::from(i == j)));
        Self { size, rows: (0..size).flat_map(row).collect() }
    }

    /// From [`Cholesky::rows`]; `None` where they cannot be such a factor.
    pub fn from_rows(size: usize, rows: Vec<f64>) -> Option<Self> {
        let complete = triangle(size) == Some(rows.len());
        let finite = rows.iter().all(|value| value.is_finite());
        let factor = Self { size, rows };
        (complete && finite && (0..size).all(|i| factor.row(i)[i] > 0.0)).then_some(factor)
    }

    /// Rows and columns.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The rows of L, each up to its diagonal.
    pub fn rows(&self) -> &[f64] {
        &self.rows
    }

    fn row(&self, i: usize) -> &[f64] {
        let start = i * (i + 1) / 2;
        &self.rows[start..=start + i]
    }

    /// L⁻¹ x, in place.
    pub fn solve(&self, x: &mut [f64]) {
        for i in 0..self.size {
            let row = self.row(i);
            x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
        }
    }
}

/// 1 + 2 + … + size.
fn triangle(size: usize) -> Option<usize> {
    Some(size.checked_mul(size.checked_add(1)?)? / 2)
}

/// Eigenvalues, largest first, and their eigenvectors of length 1, a row each.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    pub values: Vec<f64>,
    pub vectors: Vec<f64>,
}

/// Of a symmetric matrix, by Householder's reduction to a tridiagonal one and implicit QR steps with
/// Wilkinson's shift (Golub and Van Loan 2013, 8.3). About 6 size³ operations.
pub fn eigen(matrix: &[f64], size: usize) -> Eigen {
    // At scale 1, so that no square overflows or vanishes.
    let scale = matrix.iter().fold(0.0, |max: f64, value| max.max(value.abs()));
    if scale == 0.0 {
        let unit = |i: usize| (0..size).map(move |j| f64::from(u8::from(i == j)));
        return Eigen { values: vec![0.0; size], vectors: (0..size).flat_map(unit).collect() };
    }
    let scaled = matrix.iter().map(|value| value / scale).collect();
    let Tridiagonal { mut diagonal, mut beside, mut basis } = tridiagonal(scaled, size);
    diagonalise(&mut diagonal, &mut beside, &mut basis);
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    Eigen {
        values: order.iter().map(|&i| diagonal[i] * scale).collect(),
        vectors: order.iter().flat_map(|&i| &basis[i * size..(i + 1) * size]).copied().collect(),
    }
}

/// T and Q with A = Qᵀ T Q; Q is `basis`, in rows.
struct Tridiagonal {
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    basis: Vec<f64>,
}

fn tridiagonal(mut a: Vec<f64>, n: usize) -> Tridiagonal {
    let mut beside = vec![0.0; n.saturating_sub(1)];
    let mut basis = vec![0.0; n * n];
    (0..n).for_each(|i| basis[i * n + i] = 1.0);
    for k in 0..n.saturating_sub(1) {
        // The reflection that leaves of the column below the diagonal only its first value.
        let mut v: Vec<f64> = (k + 1..n).map(|i| a[i * n + k]).collect();
        let norm = dot(&v, &v).sqrt();
        if norm == 0.0 {
            continue;
        }
        let kept = if v[0] > 0.0 { -norm } else { norm };
        beside[k] = kept;
        v[0] -= kept;
        let beta = 2.0 / dot(&v, &v);
        let part = |i: usize| i * n + k + 1..(i + 1) * n;
        let mut w: Vec<f64> = (k + 1..n).map(|i| beta * dot(&a[part(i)], &v)).collect();
        let half = beta / 2.0 * dot(&w, &v);
        add_scaled(&mut w, -half, &v);
        for i in k + 1..n {
            let row = &mut a[part(i)];
            add_scaled(row, -v[i - k - 1], &w);
            add_scaled(row, -w[i - k - 1], &v);
        }
        let mut mixed = vec![0.0; n];
        for (i, v) in (k + 1..n).zip(&v) {
            add_scaled(&mut mixed, *v, &basis[i * n..(i + 1) * n]);
        }
        for (i, v) in (k + 1..n).zip(&v) {
            add_scaled(&mut basis[i * n..(i + 1) * n], -beta * v, &mixed);
        }
    }
    Tridiagonal { diagonal: (0..n).map(|i| a[i * n + i]).collect(), beside, basis }
}

/// Rotates until nothing is left beside the diagonal.
fn diagonalise(diagonal: &mut [f64], beside: &mut [f64], basis: &mut [f64]) {
    let n = diagonal.len();
    // About two steps find an eigenvalue; many more would mean that rounding turns in circles.
    let mut steps = 60 * n;
    let mut high = n.saturating_sub(1);
    while high > 0 && steps > 0 {
        let negligible = |i: usize, diagonal: &[f64], beside: &[f64]| {
            let around = diagonal[i].abs() + diagonal[i + 1].abs();
            beside[i].abs() <= f64::EPSILON * around.max(f64::EPSILON)
        };
        if negligible(high - 1, diagonal, beside) {
            beside[high - 1] = 0.0;
            high -= 1;
            continue;
        }
        let mut low = high - 1;
        while low > 0 && !negligible(low - 1, diagonal, beside) {
            low -= 1;
        }
        step(diagonal, beside, basis, low, high);
        steps -= 1;
    }
}

/// One implicit QR step on the rows from `low` to `high`.
fn step(d: &mut [f64], e: &mut [f64], basis: &mut [f64], low: usize, high: usize) {
    let n = d.len();
    let last = e[high - 1];
    let half = (d[high - 1] - d[high]) / 2.0;
    let shift = d[high] - last * (last / (half + half.hypot(last).copysign(half)));
    // The pair that the next rotation turns into (r, 0).
    let (mut x, mut z) = (d[low] - shift, e[low]);
    for k in low..high {
        let r = x.hypot(z);
        let (c, s) = if r > 0.0 { (x / r, z / r) } else { (1.0, 0.0) };
        if k > low {
            e[k - 1] = r;
        }
        let (a, b, g) = (d[k], e[k], d[k + 1]);
        d[k] = c * c * a + 2.0 * c * s * b + s * s * g;
        d[k + 1] = s * s * a - 2.0 * c * s * b + c * c * g;
        e[k] = c * s * (g - a) + (c * c - s * s) * b;
        if k + 1 < high {
            (x, z) = (e[k], s * e[k + 1]);
            e[k + 1] *= c;
        }
        let (upper, lower) = basis[k * n..(k + 2) * n].split_at_mut(n);
        for (u, l) in upper.iter_mut().zip(lower) {
            (*u, *l) = (c * *u + s * *l, c * *l - s * *u);
        }
    }
}

#[cfg(test)]
#[path = "linear_algebra_tests.rs"]
mod tests;
