//! Sums of squares.

use super::dispatched;

/// Sums side by side.
const LANES: usize = 8;

dispatched! {
    /// Σx² in 64 bits, in eight lanes and then across them: the same order every time.
    pub fn sum_of_squares(x: &[f32]) -> f64 {
        let mut lanes = [0.0f64; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        let rest: f64 = rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        lanes.iter().sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::sum_of_squares;

    #[test]
    fn squares_are_summed() {
        let x: Vec<f32> = (0..21).map(|i| i as f32).collect();
        assert_eq!(sum_of_squares(&x), 2_870.0);
        assert!(sum_of_squares(&[1.0, f32::NAN]).is_nan());
    }
}
