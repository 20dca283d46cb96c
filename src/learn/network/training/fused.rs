//! The way of a batch through a network and back, without a graph of tensors: what a step needs is
//! there from the step before, and every product goes straight into its place.
//!
//! It computes what the graph computes but for the order of sums.

use candle_core::{Device, Tensor, Var};

use super::Network;
use crate::learn::LearnError;
use crate::learn::augment::Augmented;
use crate::learn::kernels::{self, Matrix, Packed, add_product};
use crate::learn::loss::{self, Loss};
use crate::learn::network::direct::{Batch, Sums, read};
use crate::learn::network::normalized::{Normalized, Place};
use crate::learn::network::pass::mask;
use crate::learn::network::{DenseSpec, Noise, Normalization, TextForm};
use crate::learn::rows::{Features, Targets};

/// Room that every step uses again.
#[derive(Default)]
pub(super) struct Room {
    /// What the stem takes.
    x: Vec<f32>,
    layers: Vec<Layer>,
    /// The gradient of a layer's values, then of its sums.
    upstream: Vec<f32>,
    /// That of its inputs.
    downstream: Vec<f32>,
    packed: Packed,
}

/// A layer of a batch, row by row.
#[derive(Default)]
struct Layer {
    inputs: Vec<f32>,
    sums: Vec<f32>,
    /// What the activation makes of the sums; not of the last layer.
    values: Vec<f32>,
    /// What dropout multiplies the values by; empty without.
    mask: Vec<f32>,
    normalized: Normalized,
}

/// What a loss is computed of, besides the outputs.
struct Wanted<'a> {
    targets: &'a Targets,
    records: &'a [usize],
    loss: &'a Loss,
    /// Records that are mixed in, and the weight of their own.
    partners: Option<(Vec<usize>, Vec<f32>)>,
}

impl Network {
    /// Whether a step needs no graph.
    pub(super) fn needs_no_graph(&self) -> bool {
        self.device.is_cpu() && (self.spec.stem().is_plain() || self.stem.is_some())
    }

    /// The mean loss of a batch. Adds `share` of its gradient to the step's, if it is finite.
    pub(super) fn differentiate_direct(
        &mut self,
        (features, targets): (&Features, &Targets),
        records: &[usize],
        share: f32,
        noise: Noise<'_>,
    ) -> Result<f32, LearnError> {
        let dense = self.spec.dense().clone();
        let first = self.spec.stem().slots(self.input).len();
        let mut partners = None;
        match features {
            Features::Sparse(rows) => {
                match self.spec.text_form() {
                    TextForm::Bag(pooling) => self.pool(rows, records, noise.ngrams, pooling),
                    TextForm::Words { max, min } => {
                        self.words(rows, records, noise.ngrams, (min, max));
                    }
                }
                std::mem::swap(&mut self.room.x, &mut self.batch.pooled);
            }
            Features::Dense(rows) => {
                let changed = noise.augmentation.apply(rows, records, self.input.image());
                let Augmented { values, partners: mixed } = changed;
                (self.room.x, partners) = (values, mixed);
            }
        }
        let Self { values, held, trained, gradient, stem, room, loss, .. } = self;
        let count = records.len();
        let batch = Batch { parameters: values, held, records: count, words: &self.batch.words };
        room.layers.resize_with(dense.hidden.len() + 1, Layer::default);
        match stem {
            Some(stem) => stem.forward(batch, &room.x, &mut room.layers[0].inputs)?,
            None => std::mem::swap(&mut room.x, &mut room.layers[0].inputs),
        }
        forward(&dense, batch, first, room, noise.key)?;
        let wanted = Wanted { targets, records, loss, partners };
        room.upstream.clone_from(&room.layers[dense.hidden.len()].sums);
        let value = wanted.differentiate(&mut room.upstream, share)?;
        if !value.is_finite() {
            return Ok(value);
        }
        let mut gradients = Sums { gradient, trained };
        let before = self.trains_table || gradients.any_before(first);
        backward(&dense, batch, first, room, &mut gradients, before)?;
        let Room { layers, x, upstream, downstream, .. } = room;
        if let Some(stem) = stem {
            if before {
                let table = self.trains_table.then_some(&mut *downstream);
                stem.backward(batch, x, upstream, &mut gradients, table)?;
                std::mem::swap(upstream, downstream);
            }
            stem.commit(values)?;
        }
        let places = (first..).step_by(2 + dense.normalization.parameters());
        for (layer, at) in layers.iter_mut().zip(places).take(dense.hidden.len()) {
            layer.normalized.commit(values, at + 2)?;
        }
        if self.trains_table {
            let upstream = std::mem::take(&mut self.room.upstream);
            self.scatter(&upstream, count, 1.0);
            self.room.upstream = upstream;
        }
        Ok(value)
    }
}

/// Where a hidden layer's normalisation is.
fn place<'a>(dense: &DenseSpec, batch: Batch<'a>, layer: usize, position: usize) -> Place<'a> {
    let (at, units) = (layer + 2, dense.hidden[position]);
    let held = batch.held.get(at).is_some_and(|held| *held);
    let (kind, parameters) = (dense.normalization, batch.parameters);
    Place { kind, parameters, at, held, units, width: units }
}

/// The layers' way forward; `first` is the place of the first parameter.
fn forward(
    dense: &DenseSpec,
    batch: Batch<'_>,
    first: usize,
    Room { layers, packed, .. }: &mut Room,
    key: u64,
) -> Result<(), LearnError> {
    let (parameters, records) = (batch.parameters, batch.records);
    for position in 0..layers.len() {
        let (before, after) = layers.split_at_mut(position + 1);
        let Layer { inputs, sums, values, mask: kept, normalized } = &mut before[position];
        let at = first + position * (2 + dense.normalization.parameters());
        let (weight, bias) = (read(&parameters[at])?, read(&parameters[at + 1])?);
        sums.clear();
        (0..records).for_each(|_| sums.extend_from_slice(&bias));
        let x = Matrix::new(inputs, inputs.len() / records);
        add_product(x, Matrix::new(&weight, x.columns()).transposed(), sums, packed);
        let Some(next) = after.first_mut() else { break };
        if dense.normalization != Normalization::None {
            normalized.forward(place(dense, batch, at, position), sums)?;
        }
        values.clone_from(sums);
        dense.activation.apply(values);
        next.inputs.clone_from(values);
        kept.clear();
        if dense.dropout > 0.0 {
            *kept = mask(key, dense.dropout, position, values.len());
            next.inputs.iter_mut().zip(&*kept).for_each(|(y, kept)| *y *= kept);
        }
        if dense.residual && inputs.len() == values.len() {
            next.inputs.iter_mut().zip(&*inputs).for_each(|(y, x)| *y += x);
        }
    }
    Ok(())
}

/// From the gradient of the outputs in `upstream` to every trained layer's; leaves that of the first
/// inputs there, where it is wanted.
fn backward(
    dense: &DenseSpec,
    batch: Batch<'_>,
    first: usize,
    room: &mut Room,
    gradients: &mut Sums<'_>,
    wanted: bool,
) -> Result<(), LearnError> {
    let Room { layers, upstream, downstream, packed, .. } = room;
    for (position, layer) in layers.iter_mut().enumerate().rev() {
        let Layer { inputs, sums, values, mask, normalized } = layer;
        let at = first + position * (2 + dense.normalization.parameters());
        downstream.clear();
        downstream.resize(inputs.len(), 0.0);
        if position < dense.hidden.len() {
            if dense.residual && inputs.len() == values.len() {
                downstream.copy_from_slice(upstream);
            }
            upstream.iter_mut().zip(mask).for_each(|(g, kept)| *g *= *kept);
            dense.activation.differentiate(sums, values, upstream);
            if dense.normalization != Normalization::None {
                normalized.backward(place(dense, batch, at, position), upstream, gradients);
            }
        }
        let outputs = sums.len() / batch.records;
        let of_sums = Matrix::new(upstream, outputs);
        let x = Matrix::new(inputs, inputs.len() / batch.records);
        if let Some(sum) = gradients.of(at, outputs * x.columns()) {
            add_product(of_sums.transposed(), x, sum, packed);
        }
        if let Some(sum) = gradients.of(at + 1, outputs) {
            kernels::add_rows(upstream, sum);
        }
        if position > 0 || wanted {
            let weight = read(&batch.parameters[at])?;
            add_product(of_sums, Matrix::new(&weight, x.columns()), downstream, packed);
        }
        std::mem::swap(upstream, downstream);
    }
    Ok(())
}

impl Wanted<'_> {
    /// The mean loss of outputs, which become its gradient times `share`.
    fn differentiate(&self, outputs: &mut [f32], share: f32) -> Result<f32, LearnError> {
        let Self { targets, records, loss, partners } = self;
        if partners.is_none()
            && let Some(value) = loss::differentiate(outputs, targets, records, loss, share)
        {
            return Ok(value);
        }
        let shape = (records.len(), outputs.len() / records.len());
        let leaf = Var::from_slice(outputs, shape, &Device::Cpu)?;
        let value = loss::mixed_loss(&leaf, targets, records, loss, partners.as_ref())?;
        let gradients = value.backward()?;
        let missing = || LearnError::NoGradient { name: "outputs".to_owned() };
        let gradient = gradients.get(leaf.as_tensor()).ok_or_else(missing)?;
        let gradient: Vec<f32> = Tensor::flatten_all(gradient)?.to_vec1()?;
        outputs.iter_mut().zip(gradient).for_each(|(z, g)| *z = share * g);
        Ok(value.to_scalar()?)
    }
}
