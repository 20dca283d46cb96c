//! The dense layers that every network ends with: for each hidden width an affine map,
//! normalisation, activation, dropout and perhaps a shortcut, then an affine map to the outputs.

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::layout::Slot;
use super::pass::Pass;
use super::{Activation, Normalization, normalization};
use crate::json;
use crate::learn::init::{InitializationSpec, Nonlinearity};
use crate::learn::kernels;

/// The dense layers of a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DenseSpec {
    /// Widths of the hidden layers, first to last; `[]` leaves one affine map.
    #[schema(max_items = 16)]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// What is done to a hidden layer's sums before its activation.
    pub normalization: Normalization,
    /// Share of a hidden layer's values that a training step leaves out at random; the others are
    /// scaled up to keep the mean (Srivastava et al. 2014). Never applied when scoring.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(serialize_with = "json::decimal")]
    pub dropout: f32,
    /// Whether a hidden layer adds its inputs to its values, where it has as many (He et al. 2016).
    pub residual: bool,
    /// What weights and biases start from; the vectors of words and n-grams start uniform in ±0.05.
    pub initialization: InitializationSpec,
}

impl DenseSpec {
    /// Layers of these widths, plain ones.
    pub fn hidden(widths: &[usize]) -> Self {
        Self { hidden: widths.to_vec(), ..Self::default() }
    }

    /// Its parameters, for a number of inputs and of outputs.
    pub fn slots(&self, mut inputs: usize, outputs: usize) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (position, width) in self.hidden.iter().copied().chain([outputs]).enumerate() {
            let last = position == self.hidden.len();
            let prefix = format!("layers.{position}.");
            let after = if last { Nonlinearity::Linear } else { self.activation.nonlinearity() };
            slots.extend(Slot::layer(&prefix, vec![width, inputs], 1, after));
            if !last {
                slots.extend(self.normalization.slots(&prefix, width));
            }
            inputs = width;
        }
        slots
    }

    /// The outputs of a batch (records × inputs). `first` is the place of the first parameter.
    pub(super) fn forward(
        &self,
        parameters: &[Var],
        first: usize,
        mut x: Tensor,
        pass: &mut Pass,
    ) -> candle_core::Result<Tensor> {
        let mut at = first;
        for position in 0..self.hidden.len() {
            let sums = affine(&x, &parameters[at], &parameters[at + 1])?;
            at += 2;
            let sums = self.normalization.forward(parameters, at, &sums, pass)?;
            at += self.normalization.parameters();
            let mut values = self.activation.forward(&sums)?;
            values = pass.dropout(self.dropout, position, &values)?;
            if self.residual && values.dims() == x.dims() {
                values = (values + &x)?;
            }
            x = values;
        }
        affine(&x, &parameters[at], &parameters[at + 1])
    }

    /// The last hidden layer's values and the outputs of one record; `seen` is shown the values of each
    /// hidden layer.
    pub(super) fn evaluate(
        &self,
        parameters: &[Vec<f32>],
        mut x: Vec<f32>,
        mut seen: impl FnMut(usize, &[f32]),
    ) -> [Vec<f32>; 2] {
        let mut at = 0;
        for (position, width) in self.hidden.iter().enumerate() {
            let mut values = vec![0.0; *width];
            kernels::dense(&parameters[at], &parameters[at + 1], &x, &mut values);
            at += 2;
            let of = self.normalization.parameters();
            normalization::apply(self.normalization, &parameters[at..at + of], &mut values);
            at += of;
            self.activation.apply(&mut values);
            seen(position, &values);
            if self.residual && values.len() == x.len() {
                kernels::axpy(1.0, &x, &mut values);
            }
            x = values;
        }
        let mut outputs = vec![0.0; parameters[at + 1].len()];
        kernels::dense(&parameters[at], &parameters[at + 1], &x, &mut outputs);
        [x, outputs]
    }
}

fn affine(x: &Tensor, weight: &Var, bias: &Var) -> candle_core::Result<Tensor> {
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}
