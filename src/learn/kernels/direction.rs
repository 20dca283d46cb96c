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
    /// s ← αs + βd²; d ← d / (√s + ε). β is 1 − α, apart from α because 1 − α loses digits in 32 bits.
    pub fn by_mean_square(
        decay: (f32, f32),
        epsilon: f32,
        square: &mut [f32],
        direction: &mut [f32],
    ) {
        let (alpha, beta) = decay;
        for (s, d) in square.iter_mut().zip(direction) {
            *s = alpha * *s + beta * *d * *d;
            *d /= s.sqrt() + epsilon;
        }
    }
}

dispatched! {
    /// s ← αs + βd²; m ← αm + βd; d ← d / (√(s − m²) + ε).
    pub fn by_deviation(
        decay: (f32, f32),
        epsilon: f32,
        square: &mut [f32],
        mean: &mut [f32],
        direction: &mut [f32],
    ) {
        let (alpha, beta) = decay;
        for ((s, m), d) in square.iter_mut().zip(mean.iter_mut()).zip(direction) {
            *s = alpha * *s + beta * *d * *d;
            *m = alpha * *m + beta * *d;
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

dispatched! {
    /// g ← g + λ₁ sign(w) + λ₂w, with sign(0) = 0.
    pub fn penalise(l1: f32, l2: f32, weights: &[f32], gradient: &mut [f32]) {
        for (w, g) in weights.iter().zip(gradient) {
            let sign = f32::from(*w > 0.0) - f32::from(*w < 0.0);
            *g += l1 * sign + l2 * *w;
        }
    }
}
