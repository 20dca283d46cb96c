//! The way of a batch through plain dense layers and back, without a graph of tensors: nothing is
//! allocated in a step that was not there before, and every product goes straight into its place.
//!
//! It computes what the graph computes but for the order of sums.

use candle_core::{CpuStorage, Device, Storage, Tensor, Var};

use super::Network;
use crate::learn::LearnError;
use crate::learn::augment::Augmented;
use crate::learn::kernels::{Matrix, Packed, add_product};
use crate::learn::loss::{self, Loss};
use crate::learn::network::pass::mask;
use crate::learn::network::{DenseSpec, Noise, Normalization, TextForm};
use crate::learn::rows::{Features, Targets};

/// Room that every step uses again.
#[derive(Default)]
pub(super) struct Room {
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
        let stem = self.spec.stem();
        stem.is_plain() && stem.dense().normalization == Normalization::None && self.device.is_cpu()
    }

    /// The mean loss of a batch. Adds `share` of its gradient to the step's, if it is finite.
    pub(super) fn differentiate_plain(
        &mut self,
        (features, targets): (&Features, &Targets),
        records: &[usize],
        share: f32,
        noise: Noise<'_>,
    ) -> Result<f32, LearnError> {
        let mut room = std::mem::take(&mut self.room);
        let dense = self.spec.dense().clone();
        room.layers.resize_with(dense.hidden.len() + 1, Layer::default);
        let first = &mut room.layers[0].inputs;
        let mut partners = None;
        match features {
            Features::Sparse(rows) => {
                if let TextForm::Bag(pooling) = self.spec.text_form() {
                    self.pool(rows, records, noise.ngrams, pooling);
                }
                std::mem::swap(first, &mut self.batch.pooled);
            }
            Features::Dense(rows) => {
                let changed = noise.augmentation.apply(rows, records, self.input.image());
                let Augmented { values, partners: mixed } = changed;
                (*first, partners) = (values, mixed);
            }
        }
        self.forward(&dense, &mut room, records.len(), noise.key)?;
        let wanted = Wanted { targets, records, loss: &self.loss, partners };
        let outputs = &room.layers[dense.hidden.len()].sums;
        room.upstream.clone_from(outputs);
        let value = wanted.differentiate(&mut room.upstream, share)?;
        if value.is_finite() {
            self.backward(&dense, &mut room)?;
            if self.trains_table() {
                self.scatter(&room.upstream, records.len(), 1.0);
            }
        }
        self.room = room;
        Ok(value)
    }

    fn forward(
        &self,
        dense: &DenseSpec,
        Room { layers, packed, .. }: &mut Room,
        records: usize,
        key: u64,
    ) -> Result<(), LearnError> {
        for position in 0..layers.len() {
            let (before, after) = layers.split_at_mut(position + 1);
            let Layer { inputs, sums, values, mask: kept } = &mut before[position];
            let (weight, bias) = (&self.values[2 * position], &self.values[2 * position + 1]);
            sums.clear();
            read(bias, |bias| (0..records).for_each(|_| sums.extend_from_slice(bias)))?;
            let x = Matrix::new(inputs, inputs.len() / records);
            read(weight, |weight| {
                add_product(x, Matrix::new(weight, x.columns()).transposed(), sums, packed);
            })?;
            let Some(next) = after.first_mut() else { break };
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

    /// From the gradient of the outputs in `upstream` to every trained layer's; leaves that of the
    /// first inputs there, where a table wants it.
    fn backward(&mut self, dense: &DenseSpec, room: &mut Room) -> Result<(), LearnError> {
        let Room { layers, upstream, downstream, packed } = room;
        for (position, layer) in layers.iter().enumerate().rev() {
            let Layer { inputs, sums, values, mask } = layer;
            let hidden = position < dense.hidden.len();
            downstream.clear();
            downstream.resize(inputs.len(), 0.0);
            if hidden {
                if dense.residual && inputs.len() == values.len() {
                    downstream.copy_from_slice(upstream);
                }
                upstream.iter_mut().zip(mask).for_each(|(g, kept)| *g *= kept);
                dense.activation.differentiate(sums, values, upstream);
            }
            let (weight, bias) = (2 * position, 2 * position + 1);
            let outputs = self.layout.slots[bias].size();
            let of_sums = Matrix::new(upstream, outputs);
            let records = of_sums.rows();
            let x = Matrix::new(inputs, inputs.len() / records);
            for (place, &slot) in self.trained.iter().enumerate() {
                if slot == weight {
                    let sum = self.gradient.dense_mut(place, outputs * x.columns());
                    add_product(of_sums.transposed(), x, sum, packed);
                } else if slot == bias {
                    let sum = self.gradient.dense_mut(place, outputs);
                    for row in upstream.chunks_exact(outputs) {
                        sum.iter_mut().zip(row).for_each(|(sum, g)| *sum += g);
                    }
                }
            }
            if position > 0 || self.trains_table {
                read(&self.values[weight], |weight| {
                    add_product(of_sums, Matrix::new(weight, x.columns()), downstream, packed);
                })?;
            }
            std::mem::swap(upstream, downstream);
        }
        Ok(())
    }
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

/// Reads a parameter where it lies.
fn read<T>(var: &Var, f: impl FnOnce(&[f32]) -> T) -> candle_core::Result<T> {
    let (storage, layout) = var.as_tensor().storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => Ok(f(&values[start..end])),
        _ => candle_core::bail!("parameters are 32-bit, contiguous and in main memory"),
    }
}
