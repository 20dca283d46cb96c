//! Pooling of embedding rows, and its reverse.

use super::dispatched;

dispatched! {
    /// Adds `scale` × `x` to `y`.
    pub fn axpy(scale: f32, x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += scale * x;
        }
    }
}

dispatched! {
    /// Writes to `out` (length d) the weighted sum of the rows `ids` of `table` (rows × d), times
    /// `scale`.
    pub fn pool(table: &[f32], ids: &[u32], weights: &[f32], scale: f32, out: &mut [f32]) {
        let dimension = out.len();
        out.fill(0.0);
        for (&id, &weight) in ids.iter().zip(weights) {
            let start = id as usize * dimension;
            let row = &table[start..start + dimension];
            let weight = weight * scale;
            for (sum, value) in out.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
    }
}
