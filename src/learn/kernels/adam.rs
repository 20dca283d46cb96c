//! One step of Adam over a slice.

use super::dispatched;

/// The numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub learning_rate: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// 1 − beta1^t.
    pub correction1: f32,
    /// 1 − beta2^t.
    pub correction2: f32,
    /// What the values are multiplied by first: 1 − learning rate × weight decay.
    pub shrink: f32,
}

dispatched! {
    /// Kingma and Ba (2015), algorithm 1, with the weight decay of Loshchilov and Hutter (2019):
    /// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← sθ − η (m/c₁) / (√(v/c₂) + ε).
    pub fn adam(step: &AdamStep, values: &mut [f32], m: &mut [f32], v: &mut [f32], gradient: &[f32]) {
        let rate = step.learning_rate / step.correction1;
        let root = 1.0 / step.correction2.sqrt();
        for (((value, m), v), &g) in
            values.iter_mut().zip(m.iter_mut()).zip(v.iter_mut()).zip(gradient)
        {
            *m = step.beta1 * *m + (1.0 - step.beta1) * g;
            *v = step.beta2 * *v + (1.0 - step.beta2) * g * g;
            *value = step.shrink * *value - rate * *m / (v.sqrt() * root + step.epsilon);
        }
    }
}
