//! What optimisers share that treat every number by itself: coupled weight decay, the state that
//! they keep for each number, tables of which a step touches few rows.
//!
//! A row that a step does not touch is left alone, as in PyTorch's `SparseAdam`: its values stay,
//! and what is kept for it neither decays nor moves. So weight decay and momentum act on a row only
//! in steps that touch it. Without either, SGD and Adagrad are exact: to them a gradient of zero
//! means no change.

use std::ops::Range;

use super::Optimizer;
use crate::arrays::{Arrays, ArraysError};
use crate::learn::kernels;

/// How an optimiser makes a step of a gradient.
pub(super) trait Rule: Send {
    /// Names and first values of what is kept for every number.
    fn kept(&self) -> Vec<(&'static str, f32)>;

    /// Coupled weight decay: this share of a value is added to its gradient.
    fn weight_decay(&self) -> f32;

    /// The rate of a step, counted from 1, where the schedule gives `learning_rate`.
    fn rate(&self, learning_rate: f32, _step: u64) -> f32 {
        learning_rate
    }

    /// Turns `direction`, which holds the gradient of the numbers in `range`, into what is
    /// subtracted from them, but for the rate. `kept` is in the order of [`Rule::kept`].
    fn direct(&self, kept: &mut [Vec<f32>], range: Range<usize>, direction: &mut [f32]);
}

/// An optimiser by its rule.
pub(super) struct Elementwise<R> {
    rule: R,
    parameters: Vec<Parameter>,
    step: u64,
    rate: f32,
    direction: Vec<f32>,
}

struct Parameter {
    name: String,
    kept: Vec<Vec<f32>>,
}

impl<R: Rule> Elementwise<R> {
    /// For parameters of these names and lengths.
    pub fn new(rule: R, lengths: &[(String, usize)]) -> Self {
        let parameter = |(name, length): &(String, usize)| {
            let kept = rule.kept().into_iter().map(|(_, first)| vec![first; *length]);
            Parameter { name: name.clone(), kept: kept.collect() }
        };
        let parameters = lengths.iter().map(parameter).collect();
        Self { rule, parameters, step: 0, rate: 0.0, direction: Vec::new() }
    }

    /// Steps the numbers of a parameter in `range`, which `values` and `gradient` hold.
    fn step(
        &mut self,
        parameter: usize,
        range: Range<usize>,
        values: &mut [f32],
        gradient: &[f32],
    ) {
        self.direction.clear();
        self.direction.extend_from_slice(gradient);
        let decay = self.rule.weight_decay();
        if decay > 0.0 {
            kernels::axpy(decay, values, &mut self.direction);
        }
        self.rule.direct(&mut self.parameters[parameter].kept, range, &mut self.direction);
        kernels::axpy(-self.rate, &self.direction, values);
    }
}

impl<R: Rule> Optimizer for Elementwise<R> {
    fn begin_step(&mut self, learning_rate: f32) {
        self.step += 1;
        self.rate = self.rule.rate(learning_rate, self.step);
    }

    fn update(&mut self, parameter: usize, values: &mut [f32], gradient: &[f32]) {
        self.step(parameter, 0..values.len(), values, gradient);
    }

    fn update_rows(
        &mut self,
        parameter: usize,
        table: &mut [f32],
        dimension: usize,
        rows: &[u32],
        gradient: &[f32],
    ) {
        for (&row, gradient) in rows.iter().zip(gradient.chunks_exact(dimension)) {
            let range = row as usize * dimension..(row as usize + 1) * dimension;
            self.step(parameter, range.clone(), &mut table[range], gradient);
        }
    }

    fn save(&self, into: &mut Arrays) {
        into.put("optimizer.step", vec![self.step]);
        for Parameter { name, kept } in &self.parameters {
            for ((kind, _), values) in self.rule.kept().iter().zip(kept) {
                into.put(&format!("optimizer.{name}.{kind}"), values.clone());
            }
        }
    }

    fn restore(&mut self, from: &Arrays) -> Result<(), ArraysError> {
        self.step = from.scalar("optimizer.step")?;
        for Parameter { name, kept } in &mut self.parameters {
            for ((kind, _), values) in self.rule.kept().iter().zip(kept) {
                let name = format!("optimizer.{name}.{kind}");
                *values = from.get_exact(&name, values.len())?.to_vec();
            }
        }
        Ok(())
    }
}
