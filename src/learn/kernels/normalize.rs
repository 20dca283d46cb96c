//! Passes of a normalisation over rows of one width. Sums are in 64 bits: they are of as many numbers
//! as a batch has positions.

use super::dispatched;

dispatched! {
    /// Adds each row to `sums`.
    pub fn add_rows(rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len().max(1)) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

dispatched! {
    /// Adds each row to `sums`.
    pub fn add_columns(rows: &[f32], sums: &mut [f64]) {
        for row in rows.chunks_exact(sums.len().max(1)) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += f64::from(*x);
            }
        }
    }
}

dispatched! {
    /// Adds (x − mean)² of each row to `sums`.
    pub fn add_squares(rows: &[f32], mean: &[f32], sums: &mut [f64]) {
        for row in rows.chunks_exact(mean.len().max(1)) {
            for ((sum, x), mean) in sums.iter_mut().zip(row).zip(mean) {
                let x = f64::from(x - mean);
                *sum += x * x;
            }
        }
    }
}

dispatched! {
    /// x ← (x − mean) · scale + shift, column by column.
    pub fn rescale(rows: &mut [f32], mean: &[f32], scale: &[f32], shift: &[f32]) {
        for row in rows.chunks_exact_mut(mean.len().max(1)) {
            for (((x, mean), scale), shift) in row.iter_mut().zip(mean).zip(scale).zip(shift) {
                *x = (*x - mean) * scale + shift;
            }
        }
    }
}

dispatched! {
    /// Adds to `of_shift` each row of `upstream`, and to `of_gain` the same times (x − mean) · root.
    pub fn add_gain_gradient(
        upstream: &[f32],
        rows: &[f32],
        mean: &[f32],
        root: &[f32],
        of_gain: &mut [f64],
        of_shift: &mut [f64],
    ) {
        let width = mean.len().max(1);
        for (up, row) in upstream.chunks_exact(width).zip(rows.chunks_exact(width)) {
            let sums = of_gain.iter_mut().zip(of_shift.iter_mut());
            for ((((up, x), mean), root), (of_gain, of_shift)) in
                up.iter().zip(row).zip(mean).zip(root).zip(sums)
            {
                *of_gain += f64::from(up * ((x - mean) * root));
                *of_shift += f64::from(*up);
            }
        }
    }
}

dispatched! {
    /// g ← scale · (g − a − (x − mean) · b), column by column.
    pub fn through_statistics(
        upstream: &mut [f32],
        rows: &[f32],
        mean: &[f32],
        scale: &[f32],
        a: &[f32],
        b: &[f32],
    ) {
        let width = mean.len().max(1);
        for (up, row) in upstream.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
            let of = mean.iter().zip(scale).zip(a).zip(b);
            for ((up, x), (((mean, scale), a), b)) in up.iter_mut().zip(row).zip(of) {
                *up = scale * (*up - a - (x - mean) * b);
            }
        }
    }
}
