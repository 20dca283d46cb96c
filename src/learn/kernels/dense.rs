//! Dense layers of one record, for scoring.

use super::dispatched;

/// Sums side by side.
const LANES: usize = 8;

dispatched! {
    /// The dot product, summed in eight lanes, then across them: the same order every time.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        product(a, b)
    }
}

dispatched! {
    /// out = weight · x + bias, with `weight` of outputs × inputs; each output is a [`dot`].
    pub fn dense(weight: &[f32], bias: &[f32], x: &[f32], out: &mut [f32]) {
        let mut rows = weight.chunks_exact(x.len() * LANES);
        let mut outs = out.chunks_exact_mut(LANES);
        let mut biases = bias.chunks_exact(LANES);
        for ((rows, out), bias) in (&mut rows).zip(&mut outs).zip(&mut biases) {
            let sums = products(rows, x);
            for ((out, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                *out = sum + bias;
            }
        }
        let rows = rows.remainder().chunks_exact(x.len());
        for ((out, row), bias) in outs.into_remainder().iter_mut().zip(rows).zip(biases.remainder()) {
            *out = product(row, x) + bias;
        }
    }
}

#[inline(always)]
fn product(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0f32; LANES];
    let mut rest = 0.0;
    for (a, b) in a_rest.iter().zip(b_rest) {
        rest += a * b;
    }
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The [`product`]s of as many rows as there are lanes with `x`, side by side, so that no sum waits for
/// another.
#[inline(always)]
fn products(rows: &[f32], x: &[f32]) -> [f32; LANES] {
    let row: [&[f32]; LANES] = std::array::from_fn(|i| &rows[i * x.len()..(i + 1) * x.len()]);
    let (chunks, x_rest) = x.as_chunks::<LANES>();
    let mut lanes = [[0.0f32; LANES]; LANES];
    for (at, x) in chunks.iter().enumerate() {
        for (lanes, row) in lanes.iter_mut().zip(row) {
            let row = &row[at * LANES..(at + 1) * LANES];
            for ((lane, a), b) in lanes.iter_mut().zip(row).zip(x) {
                *lane += a * b;
            }
        }
    }
    let mut sums = [0.0f32; LANES];
    for ((sum, lanes), row) in sums.iter_mut().zip(&lanes).zip(row) {
        let mut rest = 0.0;
        for (a, b) in row[chunks.len() * LANES..].iter().zip(x_rest) {
            rest += a * b;
        }
        *sum = lanes.iter().sum::<f32>() + rest;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_and_dense_agree_with_plain_sums() {
        let a: Vec<f32> = (0..37).map(|i| i as f32 * 0.25 - 3.0).collect();
        let b: Vec<f32> = (0..37).map(|i| 1.5 - i as f32 * 0.125).collect();
        let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-3);
        let mut out = [0.0; 2];
        dense(&[1.0, 2.0, 3.0, 4.0], &[0.5, -0.5], &[1.0, 1.0], &mut out);
        assert_eq!(out, [3.5, 6.5]);
        for (outputs, inputs) in [(1, 3), (4, 8), (7, 37), (9, 64), (8, 1), (17, 20), (150, 64)] {
            let weight: Vec<f32> = (0..outputs * inputs).map(|i| (i as f32).sin()).collect();
            let bias: Vec<f32> = (0..outputs).map(|i| i as f32).collect();
            let x: Vec<f32> = (0..inputs).map(|i| (i as f32).cos()).collect();
            let mut out = vec![0.0; outputs];
            dense(&weight, &bias, &x, &mut out);
            let rows = weight.chunks_exact(inputs).zip(&bias);
            let expected: Vec<f32> = rows.map(|(row, bias)| dot(row, &x) + bias).collect();
            assert_eq!(out, expected, "{outputs} {inputs}");
        }
    }
}
