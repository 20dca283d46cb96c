//! A network without its training: plain arrays and one way to evaluate them. Validation during
//! training and scoring afterwards both come through [`View`], one record at a time, so that a
//! text scores the same alone and in a batch.

use super::{EmbeddingBagSpec, NetworkSpec};
use crate::arrays::{Arrays, ArraysError};
use crate::learn::kernels;
use crate::learn::rows::SparseRow;

/// A dense layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Outputs × inputs.
    pub weight: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
}

/// Parameters that no longer change.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    spec: NetworkSpec,
    table: Vec<f32>,
    layers: Vec<Layer>,
}

impl Frozen {
    /// From parameters.
    pub fn new(spec: NetworkSpec, table: Vec<f32>, layers: Vec<Layer>) -> Self {
        Self { spec, table, layers }
    }

    /// The same network with other parameters.
    pub fn with(&self, table: Vec<f32>, layers: Vec<Layer>) -> Self {
        Self { spec: self.spec.clone(), table, layers }
    }

    /// The network, ready to be evaluated.
    pub fn view(&self) -> View<'_> {
        View { spec: self.spec.embedding_bag(), table: &self.table, layers: &self.layers }
    }

    /// Parameters: the embedding table (n-grams × dimension) and the layers.
    pub fn parts(&self) -> (&[f32], &[Layer]) {
        (&self.table, &self.layers)
    }

    /// Whether every parameter is a finite number.
    pub fn is_finite(&self) -> bool {
        let layers = self.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias));
        self.table.iter().chain(layers).all(|value| value.is_finite())
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> usize {
        let layers = self.layers.iter().map(|layer| layer.weight.len() + layer.bias.len());
        self.table.len() + layers.sum::<usize>()
    }

    /// The parameters by name.
    pub fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        let mut inputs = self.spec.embedding_bag().dimension;
        let shape = vec![self.table.len() / inputs, inputs];
        arrays.put_shaped("embedding.weight", shape, self.table.clone());
        for (position, layer) in self.layers.iter().enumerate() {
            let shape = vec![layer.bias.len(), inputs];
            arrays.put_shaped(&format!("layers.{position}.weight"), shape, layer.weight.clone());
            arrays.put(&format!("layers.{position}.bias"), layer.bias.clone());
            inputs = layer.bias.len();
        }
        arrays
    }

    /// Takes the parameters that [`Frozen::save`] gave, if they fit.
    pub fn load(
        spec: &NetworkSpec,
        vocabulary: usize,
        outputs: usize,
        arrays: &Arrays,
    ) -> Result<Self, ArraysError> {
        let bag = spec.embedding_bag();
        let mut inputs = bag.dimension;
        let table =
            arrays.get_exact("embedding.weight", vocabulary.saturating_mul(inputs))?.to_vec();
        let mut layers = Vec::new();
        for (position, width) in bag.hidden.iter().copied().chain([outputs]).enumerate() {
            let weight = format!("layers.{position}.weight");
            let bias = format!("layers.{position}.bias");
            layers.push(Layer {
                weight: arrays.get_exact(&weight, inputs.saturating_mul(width))?.to_vec(),
                bias: arrays.get_exact(&bias, width)?.to_vec(),
            });
            inputs = width;
        }
        Ok(Self { spec: spec.clone(), table, layers })
    }
}

/// A network to evaluate.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub(super) spec: &'a EmbeddingBagSpec,
    pub(super) table: &'a [f32],
    pub(super) layers: &'a [Layer],
}

impl View<'_> {
    /// Length of the pooled vector.
    pub fn dimension(&self) -> usize {
        self.spec.dimension
    }

    /// Outputs.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.len())
    }

    /// The pooled vector and the logits of a record.
    pub fn evaluate(&self, row: SparseRow) -> (Vec<f32>, Vec<f32>) {
        let mut pooled = vec![0.0; self.spec.dimension];
        let scale = self.spec.pooling.scale(row.size);
        kernels::pool(self.table, row.ids, row.weights, scale, &mut pooled);
        let mut x = pooled.clone();
        for (position, layer) in self.layers.iter().enumerate() {
            let mut out = vec![0.0; layer.bias.len()];
            kernels::dense(&layer.weight, &layer.bias, &x, &mut out);
            if position + 1 < self.layers.len() {
                self.spec.activation.apply(&mut out);
            }
            x = out;
        }
        (pooled, x)
    }
}
