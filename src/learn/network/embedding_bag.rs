//! The embedding bag: h = Σ w·E over a text's known n-grams, then dense layers to the logits.
//!
//! The table has no dense gradient. A step pools the rows that a batch uses into a leaf of candle's
//! graph, and takes the leaf's gradient back to just those rows.

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Var};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Activation, Frozen, Layer, NetworkSpec, View};
use crate::learn::LearnError;
use crate::learn::gradient::{Gradient, GradientSpec};
use crate::learn::kernels;
use crate::learn::loss::{Loss, mean_loss};
use crate::learn::optimizer::Optimizer;
use crate::learn::regularize::NgramDropout;
use crate::learn::rows::{SparseRows, Targets};
use crate::random::{self, Rng};

/// How the vectors of a text become one. Unknown n-grams count as zero vectors, so that little
/// coverage shrinks the logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The weighted mean.
    #[default]
    Mean,
    /// The weighted mean times √n, for n n-grams: longer texts speak louder.
    SqrtN,
}

impl Pooling {
    /// What the weighted mean of a text of `size` n-grams is multiplied by.
    pub fn scale(self, size: u32) -> f32 {
        match self {
            Self::Mean => 1.0,
            Self::SqrtN => (size as f32).sqrt(),
        }
    }
}

/// Settings of the embedding bag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EmbeddingBagSpec {
    /// Length of an n-gram's vector.
    #[schema(minimum = 1, maximum = 4096)]
    pub dimension: usize,
    /// How the vectors of a text become one.
    pub pooling: Pooling,
    /// Widths of the hidden layers between the pooled vector and the logits; none by default.
    #[schema(max_items = 16)]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
}

impl Default for EmbeddingBagSpec {
    fn default() -> Self {
        Self {
            dimension: 64,
            pooling: Pooling::default(),
            hidden: Vec::new(),
            activation: Activation::default(),
        }
    }
}

/// A network in training.
pub struct Network {
    spec: NetworkSpec,
    table: Vec<f32>,
    dense: Vec<(Var, Var)>,
    gradient: Gradient,
    loss: Loss,
    batch: Batch,
}

/// Room that every step uses again.
#[derive(Default)]
struct Batch {
    kept: Vec<Kept>,
    pooled: Vec<f32>,
}

/// What dropout left of a record.
#[derive(Default)]
struct Kept {
    ids: Vec<u32>,
    weights: Vec<f32>,
    scale: f32,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// Mean loss of the records before the step, without penalties.
    pub loss: f32,
    /// Euclidean norm of the whole gradient, penalties included, before it is clipped.
    pub gradient_norm: f32,
}

impl Network {
    /// A network with seeded parameters. Each parameter draws from a stream of its own name.
    pub fn new(
        spec: &NetworkSpec,
        vocabulary: usize,
        outputs: usize,
        seed: u64,
    ) -> Result<Self, LearnError> {
        let bag = spec.embedding_bag();
        let table = uniform(vocabulary * bag.dimension, 0.05, seed, "embedding.weight");
        let mut inputs = bag.dimension;
        let mut layers = Vec::new();
        for (position, width) in bag.hidden.iter().copied().chain([outputs]).enumerate() {
            // He et al. (2015) before a ReLU, LeCun's 1/√n before the logits.
            let last = position == bag.hidden.len();
            let bound = ((if last { 1.0 } else { 6.0 }) / inputs as f32).sqrt();
            let name = format!("layers.{position}.weight");
            let weight = uniform(width * inputs, bound, seed, &name);
            layers.push(Layer { weight, bias: vec![0.0; width] });
            inputs = width;
        }
        Self::from_parts(spec, table, &layers)
    }

    fn from_parts(
        spec: &NetworkSpec,
        table: Vec<f32>,
        layers: &[Layer],
    ) -> Result<Self, LearnError> {
        let mut dense = Vec::new();
        let mut inputs = spec.embedding_bag().dimension;
        for layer in layers {
            let outputs = layer.bias.len();
            dense.push((
                Var::from_slice(&layer.weight, (outputs, inputs), &Device::Cpu)?,
                Var::from_slice(&layer.bias, outputs, &Device::Cpu)?,
            ));
            inputs = outputs;
        }
        let dimension = spec.embedding_bag().dimension;
        let gradient = Gradient::new(table.len() / dimension, dimension, 2 * dense.len());
        let (spec, loss, batch) = (spec.clone(), Loss::default(), Batch::default());
        Ok(Self { spec, table, dense, gradient, loss, batch })
    }

    /// Goes on from parameters that were saved.
    pub fn thaw(frozen: &Frozen, spec: &NetworkSpec) -> Result<Self, LearnError> {
        let (table, layers) = frozen.parts();
        Self::from_parts(spec, table.to_vec(), layers)
    }

    /// Learns by another loss than the plain cross-entropy.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// A copy of the parameters as they are now.
    pub fn freeze(&self) -> Result<Frozen, LearnError> {
        Ok(Frozen::new(self.spec.clone(), self.table.clone(), self.layers()?))
    }

    /// Evaluates the parameters as they are now.
    pub fn evaluate<T>(&self, f: impl FnOnce(View<'_>) -> T) -> Result<T, LearnError> {
        let layers = self.layers()?;
        Ok(f(View { spec: self.spec.embedding_bag(), table: &self.table, layers: &layers }))
    }

    fn layers(&self) -> Result<Vec<Layer>, LearnError> {
        let layer = |(weight, bias): &(Var, Var)| {
            Ok(Layer { weight: weight.flatten_all()?.to_vec1()?, bias: bias.to_vec1()? })
        };
        self.dense.iter().map(layer).collect()
    }

    /// Names and lengths of the parameters, the table first, as an optimiser wants them.
    pub fn parameter_lengths(&self) -> Vec<(String, usize)> {
        let mut lengths = vec![("embedding.weight".to_owned(), self.table.len())];
        for (position, (weight, bias)) in self.dense.iter().enumerate() {
            lengths.push((format!("layers.{position}.weight"), weight.elem_count()));
            lengths.push((format!("layers.{position}.bias"), bias.elem_count()));
        }
        lengths
    }

    /// One step on records: forward and backward, batch by batch, then the update.
    pub fn step(
        &mut self,
        data: (&SparseRows, &Targets),
        records: &[usize],
        dropout: &NgramDropout,
        spec: &GradientSpec,
        optimizer: &mut dyn Optimizer,
    ) -> Result<StepOutcome, LearnError> {
        self.gradient.clear();
        let mut loss = 0.0;
        for batch in records.chunks(spec.batch_size) {
            let share = batch.len() as f32 / records.len() as f32;
            loss += share * self.differentiate(data, batch, share, dropout)?;
            if !loss.is_finite() {
                return Ok(StepOutcome { loss, gradient_norm: f32::NAN });
            }
        }
        if spec.penalises() {
            self.gradient.penalise_table(spec, &self.table);
            for (position, (weight, _)) in self.dense.iter().enumerate() {
                let weights = weight.flatten_all()?.to_vec1::<f32>()?;
                self.gradient.penalise_dense(spec, 2 * position, &weights);
            }
        }
        let norm = self.gradient.clip(spec);
        let (rows, gradient) = self.gradient.table();
        let dimension = self.spec.embedding_bag().dimension;
        optimizer.update_rows(0, &mut self.table, dimension, rows, gradient);
        for (position, (weight, bias)) in self.dense.iter().enumerate() {
            for (offset, var) in [weight, bias].into_iter().enumerate() {
                let parameter = 2 * position + offset;
                var.inplace_op1(&Update {
                    optimizer: std::sync::Mutex::new(&mut *optimizer),
                    parameter: 1 + parameter,
                    gradient: self.gradient.dense(parameter),
                })?;
            }
        }
        Ok(StepOutcome { loss, gradient_norm: norm as f32 })
    }

    /// The mean loss of a batch. Adds `share` of its gradient to the step's, if it is finite.
    fn differentiate(
        &mut self,
        (rows, targets): (&SparseRows, &Targets),
        records: &[usize],
        share: f32,
        dropout: &NgramDropout,
    ) -> Result<f32, LearnError> {
        let spec = self.spec.embedding_bag().clone();
        let dimension = spec.dimension;
        self.pool(rows, records, dropout, &spec);

        let shape = (records.len(), dimension);
        let pooled = Var::from_slice(&self.batch.pooled, shape, &Device::Cpu)?;
        let mut x = pooled.as_tensor().clone();
        for (position, (weight, bias)) in self.dense.iter().enumerate() {
            x = x.matmul(&weight.t()?)?.broadcast_add(bias)?;
            if position + 1 < self.dense.len() {
                x = spec.activation.forward(&x)?;
            }
        }
        let loss = mean_loss(&x.contiguous()?, targets, records, &self.loss)?;
        let value = loss.to_scalar::<f32>()?;
        if !value.is_finite() {
            return Ok(value);
        }
        let gradients = loss.backward()?;
        let gradient = |var: &Var, name: &str| -> Result<Vec<f32>, LearnError> {
            let missing = || LearnError::NoGradient { name: name.to_owned() };
            let gradient = gradients.get(var.as_tensor()).ok_or_else(missing)?;
            Ok(gradient.flatten_all()?.to_vec1()?)
        };

        let upstream = gradient(&pooled, "embedding.weight")?;
        for (Kept { ids, weights, scale }, upstream) in
            self.batch.kept.iter().zip(upstream.chunks_exact(dimension))
        {
            for (&id, &weight) in ids.iter().zip(weights) {
                self.gradient.add_row(id, weight * scale * share, upstream);
            }
        }
        for (position, (weight, bias)) in self.dense.iter().enumerate() {
            for (offset, (var, name)) in
                [(weight, "weight"), (bias, "bias")].into_iter().enumerate()
            {
                let values = gradient(var, &format!("layers.{position}.{name}"))?;
                self.gradient.add_dense(2 * position + offset, share, &values);
            }
        }
        Ok(value)
    }

    /// Pools the records that a batch holds, after dropout.
    fn pool(
        &mut self,
        rows: &SparseRows,
        records: &[usize],
        dropout: &NgramDropout,
        spec: &EmbeddingBagSpec,
    ) {
        let dimension = spec.dimension;
        let batch = &mut self.batch;
        batch.pooled.clear();
        batch.pooled.resize(records.len() * dimension, 0.0);
        batch.kept.resize_with(records.len(), Default::default);
        for ((&record, kept), pooled) in
            records.iter().zip(&mut batch.kept).zip(batch.pooled.chunks_exact_mut(dimension))
        {
            let row = rows.row(record);
            dropout.apply(record, row, &mut kept.ids, &mut kept.weights);
            kept.scale = spec.pooling.scale(row.size);
            kernels::pool(&self.table, &kept.ids, &kept.weights, kept.scale, pooled);
        }
    }
}

fn uniform(length: usize, bound: f32, seed: u64, name: &str) -> Vec<f32> {
    let mut rng = random::stream(seed, name);
    (0..length).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound).collect()
}

/// Lets an optimiser change a candle variable in place.
struct Update<'a> {
    optimizer: std::sync::Mutex<&'a mut dyn Optimizer>,
    parameter: usize,
    gradient: &'a [f32],
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimizer-update"
    }

    fn cpu_fwd(&self, values: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (values, layout.contiguous_offsets())
        else {
            candle_core::bail!("parameters are 32-bit and contiguous")
        };
        let mut optimizer = self.optimizer.lock().unwrap_or_else(|e| e.into_inner());
        optimizer.update(self.parameter, &mut values[start..end], self.gradient);
        Ok(())
    }
}

#[cfg(test)]
#[path = "embedding_bag_tests.rs"]
mod tests;
