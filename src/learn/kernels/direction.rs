//! Parts of optimisers' steps over a slice: each turns a gradient into a direction, in place.

use super::dispatched;

dispatched! {
    /// v ← μv + d; d ← v, or d + μv with Nesterov's momentum.
    pub fn momentum(mu: f32, nesterov: bool, velocity: &mut [f32], direction: &mut [f32]) {
        for (v, d) in velocity.iter_mut().zip(direction) {
            *v = mu * *v + *d;
            *d = if nesterov { *d + mu * *v } else { *v };
        }
    }
}

dispatched! {
    /// s ← αs + (1 − α)d²; d ← d / (√s + ε).
    pub fn by_mean_square(alpha: f32, epsilon: f32, square: &mut [f32], direction: &mut [f32]) {
        for (s, d) in square.iter_mut().zip(direction) {
            *s = alpha * *s + (1.0 - alpha) * *d * *d;
            *d /= s.sqrt() + epsilon;
        }
    }
}

dispatched! {
    /// s ← αs + (1 − α)d²; m ← αm + (1 − α)d; d ← d / (√(s − m²) + ε).
    pub fn by_deviation(
        alpha: f32,
        epsilon: f32,
        square: &mut [f32],
        mean: &mut [f32],
        direction: &mut [f32],
    ) {
        for ((s, m), d) in square.iter_mut().zip(mean.iter_mut()).zip(direction) {
            *s = alpha * *s + (1.0 - alpha) * *d * *d;
            *m = alpha * *m + (1.0 - alpha) * *d;
            // Rounding can push the variance below 0, and squares can overflow together.
            let variance = if *s == f32::INFINITY { *s } else { (*s - *m * *m).max(0.0) };
            *d /= variance.sqrt() + epsilon;
        }
    }
}

dispatched! {
    /// s ← s + d²; d ← d / (√s + ε).
    pub fn by_sum_of_squares(epsilon: f32, sum: &mut [f32], direction: &mut [f32]) {
        for (s, d) in sum.iter_mut().zip(direction) {
            *s += *d * *d;
            *d /= s.sqrt() + epsilon;
        }
    }
}
