//! Adam and AdamW.
//!
//! For tables of which a step touches few rows, an untouched row keeps its moments and its values:
//! the "lazy" variant, as in PyTorch's `SparseAdam`. Weight decay is not lost by that: a row that is
//! touched again first catches up on the decay of the steps that it missed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Optimizer;
use super::settings::{OptimizerSettings, Setting, non_negative, positive, share};
use crate::arrays::{Arrays, ArraysError};
use crate::learn::kernels::{self, AdamStep};

/// Settings of Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AdamSpec {
    /// Step size before any schedule.
    #[schema(exclusive_minimum = 0.0, maximum = 1000.0)]
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub beta1: f64,
    /// Decay of the mean of the squared gradients.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub beta2: f64,
    /// Added to the root of the mean of the squared gradients.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub epsilon: f64,
}

/// Settings of AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AdamWSpec {
    /// Step size before any schedule.
    #[schema(exclusive_minimum = 0.0, maximum = 1000.0)]
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub beta1: f64,
    /// Decay of the mean of the squared gradients.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub beta2: f64,
    /// Added to the root of the mean of the squared gradients.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    pub epsilon: f64,
    /// Share of a parameter, times the learning rate, that a step takes away. Its product with the
    /// learning rate stays below 1.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub weight_decay: f64,
}

impl Default for AdamSpec {
    fn default() -> Self {
        Self { learning_rate: 0.005, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl Default for AdamWSpec {
    fn default() -> Self {
        AdamSpec::default().with_decay(0.01)
    }
}

impl AdamSpec {
    fn with_decay(&self, weight_decay: f64) -> AdamWSpec {
        AdamWSpec {
            learning_rate: self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay,
        }
    }
}

impl OptimizerSettings for AdamSpec {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn settings(&self) -> Vec<Setting> {
        self.with_decay(0.0).settings()
    }

    fn state_per_parameter(&self) -> usize {
        2
    }

    fn build(&self, lengths: &[(String, usize)]) -> Box<dyn Optimizer> {
        self.with_decay(0.0).build(lengths)
    }
}

impl OptimizerSettings for AdamWSpec {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn shrinkage(&self) -> f64 {
        self.weight_decay
    }

    fn settings(&self) -> Vec<Setting> {
        vec![
            positive("learning_rate", self.learning_rate),
            share("beta1", self.beta1),
            share("beta2", self.beta2),
            positive("epsilon", self.epsilon),
            non_negative("weight_decay", self.weight_decay),
        ]
    }

    fn state_per_parameter(&self) -> usize {
        2
    }

    fn build(&self, lengths: &[(String, usize)]) -> Box<dyn Optimizer> {
        Box::new(Adam::new(self, lengths))
    }
}

struct Moments {
    name: String,
    m: Vec<f32>,
    v: Vec<f32>,
    /// For tables: ln of the product of all shrinks up to the last step that touched each row.
    shrunk: Vec<f64>,
}

/// Adam, with decoupled weight decay.
pub struct Adam {
    spec: AdamWSpec,
    moments: Vec<Moments>,
    step: u64,
    now: AdamStep,
    /// ln of the product of the shrinks of all steps so far.
    shrunk: f64,
}

impl Adam {
    /// For parameters of these names and lengths.
    pub fn new(spec: &AdamWSpec, lengths: &[(String, usize)]) -> Self {
        let moments = lengths.iter().map(|(name, length)| Moments {
            name: name.clone(),
            m: vec![0.0; *length],
            v: vec![0.0; *length],
            shrunk: Vec::new(),
        });
        let now = AdamStep {
            learning_rate: 0.0,
            beta1: spec.beta1 as f32,
            beta2: spec.beta2 as f32,
            epsilon: spec.epsilon as f32,
            correction1: 1.0,
            correction2: 1.0,
            shrink: 1.0,
        };
        Self { spec: spec.clone(), moments: moments.collect(), step: 0, now, shrunk: 0.0 }
    }
}

impl Optimizer for Adam {
    fn begin_step(&mut self, learning_rate: f32) {
        self.step += 1;
        let steps = self.step as f64;
        self.now.learning_rate = learning_rate;
        self.now.correction1 = (1.0 - self.spec.beta1.powf(steps)) as f32;
        self.now.correction2 = (1.0 - self.spec.beta2.powf(steps)) as f32;
        let decay = f64::from(learning_rate) * self.spec.weight_decay;
        self.now.shrink = (1.0 - decay) as f32;
        self.shrunk += (-decay).ln_1p();
    }

    fn update(&mut self, parameter: usize, values: &mut [f32], gradient: &[f32]) {
        let Moments { m, v, .. } = &mut self.moments[parameter];
        kernels::adam(&self.now, values, m, v, gradient);
    }

    fn update_rows(
        &mut self,
        parameter: usize,
        table: &mut [f32],
        dimension: usize,
        rows: &[u32],
        gradient: &[f32],
    ) {
        let Moments { m, v, shrunk, .. } = &mut self.moments[parameter];
        let decays = self.spec.weight_decay > 0.0;
        if decays && shrunk.is_empty() {
            shrunk.resize(table.len() / dimension, 0.0);
        }
        let mut step = self.now;
        for (&row, gradient) in rows.iter().zip(gradient.chunks_exact(dimension)) {
            if decays {
                // The shrink of this step and of all steps since the row was last touched.
                let last = std::mem::replace(&mut shrunk[row as usize], self.shrunk);
                step.shrink = (self.shrunk - last).exp() as f32;
            }
            let range = row as usize * dimension..(row as usize + 1) * dimension;
            let (m, v) = (&mut m[range.clone()], &mut v[range.clone()]);
            kernels::adam(&step, &mut table[range], m, v, gradient);
        }
    }

    fn save(&self, into: &mut Arrays) {
        into.put("optimizer.step", vec![self.step]);
        into.put("optimizer.shrunk", vec![self.shrunk]);
        for moments in &self.moments {
            into.put(&format!("optimizer.{}.m", moments.name), moments.m.clone());
            into.put(&format!("optimizer.{}.v", moments.name), moments.v.clone());
            into.put(&format!("optimizer.{}.shrunk", moments.name), moments.shrunk.clone());
        }
    }

    fn restore(&mut self, from: &Arrays) -> Result<(), ArraysError> {
        self.step = from.scalar("optimizer.step")?;
        self.shrunk = from.scalar("optimizer.shrunk")?;
        for moments in &mut self.moments {
            let length = moments.m.len();
            let name = &moments.name;
            moments.m = from.get_exact(&format!("optimizer.{name}.m"), length)?.to_vec();
            moments.v = from.get_exact(&format!("optimizer.{name}.v"), length)?.to_vec();
            moments.shrunk = from.get(&format!("optimizer.{name}.shrunk"))?.to_vec();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(length: usize) -> Vec<(String, usize)> {
        vec![("x".to_owned(), length)]
    }

    /// The definition, in f64, step by step.
    fn reference(spec: &AdamWSpec, start: f64, gradients: &[f64]) -> f64 {
        let (mut x, mut m, mut v) = (start, 0.0, 0.0);
        for (t, g) in gradients.iter().enumerate() {
            let t = t as i32 + 1;
            x *= 1.0 - spec.learning_rate * spec.weight_decay;
            m = spec.beta1 * m + (1.0 - spec.beta1) * g;
            v = spec.beta2 * v + (1.0 - spec.beta2) * g * g;
            let (m_hat, v_hat) = (m / (1.0 - spec.beta1.powi(t)), v / (1.0 - spec.beta2.powi(t)));
            x -= spec.learning_rate * m_hat / (v_hat.sqrt() + spec.epsilon);
        }
        x
    }

    #[test]
    fn a_hundred_steps_follow_the_definition() {
        let gradients: Vec<f64> = (0..100).map(|t| (f64::from(t) * 0.7).sin() + 0.2).collect();
        for spec in [AdamSpec::default().with_decay(0.0), AdamWSpec::default()] {
            let mut optimizer = Adam::new(&spec, &lengths(3));
            let mut values = [0.5f32, -1.0, 2.0];
            for g in &gradients {
                optimizer.begin_step(spec.learning_rate as f32);
                optimizer.update(0, &mut values, &[*g as f32; 3]);
            }
            for (value, start) in values.iter().zip([0.5, -1.0, 2.0]) {
                let expected = reference(&spec, start, &gradients);
                assert!((f64::from(*value) - expected).abs() < 1e-5, "{value} {expected}");
            }
        }
    }

    #[test]
    fn rows_that_every_step_touches_are_as_dense() {
        let spec = AdamWSpec { weight_decay: 0.1, ..AdamWSpec::default() };
        let (mut dense, mut sparse) =
            (Adam::new(&spec, &lengths(4)), Adam::new(&spec, &lengths(4)));
        let (mut a, mut b) = ([1.0f32, 2.0, 3.0, 4.0], [1.0f32, 2.0, 3.0, 4.0]);
        for t in 0..50 {
            let gradient = [0.1 * t as f32, -0.3, 0.2, 0.5];
            dense.begin_step(0.01);
            dense.update(0, &mut a, &gradient);
            sparse.begin_step(0.01);
            sparse.update_rows(0, &mut b, 2, &[0, 1], &gradient);
        }
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn an_untouched_row_catches_up_on_decay_only() {
        let spec = AdamWSpec { weight_decay: 0.5, ..AdamWSpec::default() };
        let mut optimizer = Adam::new(&spec, &lengths(2));
        let mut table = [1.0f32, 1.0];
        for _ in 0..10 {
            optimizer.begin_step(0.1);
            optimizer.update_rows(0, &mut table, 1, &[0], &[0.0]);
        }
        assert_eq!(table[1], 1.0);
        optimizer.begin_step(0.1);
        optimizer.update_rows(0, &mut table, 1, &[0, 1], &[0.0, 0.0]);
        assert!((table[1] - 0.95f32.powi(11)).abs() < 1e-5 && (table[0] - table[1]).abs() < 1e-5);
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let spec = AdamWSpec::default();
        let step = |optimizer: &mut Adam, values: &mut [f32; 2]| {
            optimizer.begin_step(0.01);
            optimizer.update_rows(0, values, 1, &[1], &[0.3]);
        };
        let mut first = Adam::new(&spec, &lengths(2));
        let mut values = [1.0f32, -1.0];
        (0..5).for_each(|_| step(&mut first, &mut values));
        let mut saved = Arrays::default();
        first.save(&mut saved);
        let mut second = Adam::new(&spec, &lengths(2));
        second.restore(&saved).unwrap();
        let mut copy = values;
        (0..5).for_each(|_| step(&mut first, &mut values));
        (0..5).for_each(|_| step(&mut second, &mut copy));
        assert_eq!(values, copy);
    }
}
