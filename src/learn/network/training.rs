//! A network in training: forward, backward, update.
//!
//! The embedding table has no dense gradient. A step pools the rows that a batch uses and takes the
//! gradient of what was pooled back to just those rows.

mod fused;
mod graph;

use candle_core::{
    CpuStorage, CudaStorage, Device, InplaceOp1, Layout as TensorLayout, Tensor, Var,
};

use super::direct::Direct;
use super::frozen::packed;
use super::layout::{TABLE, initial_table, layer_of};
use super::{Frozen, InputShape, Layout, NetworkSpec, Pooling, View};
use crate::learn::LearnError;
use crate::learn::augment::Augmentation;
use crate::learn::device::{DeviceName, on_host_in_place};
use crate::learn::gradient::{Gradient, GradientSpec};
use crate::learn::kernels;
use crate::learn::loss::{Loss, mean_loss};
use crate::learn::optimizer::Optimizer;
use crate::learn::regularize::NgramDropout;
use crate::learn::rows::{Features, NO_ROW, SparseRow, SparseRows, Targets};
use crate::random::keyed;

/// A network in training.
pub struct Network {
    spec: NetworkSpec,
    input: InputShape,
    outputs: usize,
    layout: Layout,
    device: Device,
    table: Vec<f32>,
    /// One for each slot of the layout; those that are not trained are only held here.
    values: Vec<Var>,
    /// The slots that are trained.
    trained: Vec<usize>,
    /// For each slot, whether it stays as it is; empty where none does.
    held: Vec<bool>,
    /// For each row of the table, whether it stays as it is; empty where none does.
    held_rows: Vec<bool>,
    /// Whether any row of a table is trained.
    trains_table: bool,
    gradient: Gradient,
    loss: Loss,
    batch: Batch,
    /// The stem's way without a graph, if it has one.
    stem: Option<Box<dyn Direct>>,
    room: fused::Room,
}

/// Room that every step uses again.
#[derive(Default)]
struct Batch {
    kept: Vec<Kept>,
    pooled: Vec<f32>,
    /// Words of each record, where texts go in word by word.
    words: Vec<usize>,
}

/// What dropout left of a record.
#[derive(Default)]
struct Kept {
    ids: Vec<u32>,
    weights: Vec<f32>,
    scale: f32,
    /// Where each stands, where texts go in word by word.
    places: Vec<u32>,
}

/// What a step leaves to chance.
#[derive(Clone, Copy)]
pub struct Noise<'a> {
    /// Which n-grams of a text stay.
    pub ngrams: &'a NgramDropout,
    /// What is done to images and rows.
    pub augmentation: &'a Augmentation,
    /// Decides on the rest: of seed and step.
    pub key: u64,
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
        input: InputShape,
        outputs: usize,
        seed: u64,
    ) -> Result<Self, LearnError> {
        let layout = spec.layout(input, outputs);
        let table = initial_table(&layout, seed);
        let first = &spec.dense().initialization;
        let values = layout.slots.iter().map(|slot| slot.initial(first, seed)).collect();
        Self::thaw(&Frozen::new(spec.clone(), input, outputs, table, values))
    }

    /// Goes on from parameters that were saved.
    pub fn thaw(frozen: &Frozen) -> Result<Self, LearnError> {
        let layout = frozen.layout().clone();
        let (table, values) = frozen.parts();
        let var = |(slot, values): (&super::Slot, &Vec<f32>)| {
            Var::from_slice(values, slot.shape.as_slice(), &Device::Cpu)
        };
        let values: candle_core::Result<Vec<Var>> =
            layout.slots.iter().zip(values).map(var).collect();
        let trained: Vec<usize> =
            (0..layout.slots.len()).filter(|&i| layout.slots[i].trainable()).collect();
        let rows = layout.table.map_or(0, |(rows, _)| rows);
        let gradient = Gradient::new(rows, layout.dimension(), trained.len());
        Ok(Self {
            trains_table: layout.table.is_some(),
            spec: frozen.spec().clone(),
            input: frozen.input(),
            outputs: frozen.outputs(),
            table: table.to_vec(),
            values: values?,
            trained,
            held: Vec::new(),
            held_rows: Vec::new(),
            gradient,
            loss: Loss::default(),
            batch: Batch::default(),
            stem: frozen.spec().stem().direct(frozen.input()),
            room: fused::Room::default(),
            layout,
            device: Device::Cpu,
        })
    }

    /// The same network on another device. The embedding table and the optimiser stay on the
    /// processor.
    pub fn on(mut self, device: DeviceName) -> Result<Self, LearnError> {
        self.device = device.open()?;
        for value in &mut self.values {
            *value = Var::from_tensor(&value.to_device(&self.device)?)?;
        }
        Ok(self)
    }

    /// The same network with another loss.
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// The same network, in which some slots and some rows of the table stay as they are: they have
    /// no gradient, no penalty and no part in its norm, and no statistics are gathered in them.
    pub fn hold(mut self, slots: Vec<bool>, rows: Vec<bool>) -> Self {
        self.trained.retain(|&slot| !slots.get(slot).is_some_and(|held| *held));
        let table = self.layout.table.map_or(0, |(rows, _)| rows);
        self.gradient = Gradient::new(table, self.layout.dimension(), self.trained.len());
        let all_held = !rows.is_empty() && rows.iter().all(|held| *held);
        self.trains_table = self.layout.table.is_some() && !all_held;
        (self.held, self.held_rows) = (slots, rows);
        self
    }

    /// The slots that are trained, in order.
    pub fn trained(&self) -> &[usize] {
        &self.trained
    }

    /// Whether any row of a table is trained.
    pub fn trains_table(&self) -> bool {
        self.trains_table
    }

    /// A copy of the parameters as they are now.
    pub fn freeze(&self) -> Result<Frozen, LearnError> {
        let (table, values) = (self.table.clone(), self.values()?);
        Ok(Frozen::new(self.spec.clone(), self.input, self.outputs, table, values))
    }

    /// Evaluates the parameters as they are now.
    pub fn evaluate<T>(&self, f: impl FnOnce(View<'_>) -> T) -> Result<T, LearnError> {
        let values = self.values()?;
        let packed = packed(&self.spec, self.input, &values);
        let Self { spec, input, table, .. } = self;
        Ok(f(View { spec, input: *input, table, values: &values, packed: &packed, sums: None }))
    }

    fn values(&self) -> Result<Vec<Vec<f32>>, LearnError> {
        self.values.iter().map(|value| Ok(value.flatten_all()?.to_vec1()?)).collect()
    }

    /// Names and lengths of the parameters, the table first, as an optimiser wants them.
    pub fn parameter_lengths(&self) -> Vec<(String, usize)> {
        let table = self.trains_table().then(|| (TABLE.to_owned(), self.layout.table_size()));
        let slots = self.trained.iter().map(|&slot| &self.layout.slots[slot]);
        table.into_iter().chain(slots.map(|slot| (slot.name.clone(), slot.size()))).collect()
    }

    /// The mean loss of records before any step: that of the network or of outputs of 0, whichever is
    /// larger, so that a lucky start makes no later loss look like an explosion.
    pub fn first_loss(
        &self,
        (features, targets): (&Features, &Targets),
        records: &[usize],
    ) -> Result<f64, LearnError> {
        let outputs: Vec<f32> = self.evaluate(|view| {
            records.iter().flat_map(|&record| view.evaluate(features.row(record)).1).collect()
        })?;
        let zeros = vec![0.0; outputs.len()];
        let mut largest = 0f64;
        for outputs in [outputs, zeros] {
            let shape = (records.len(), self.outputs);
            let outputs = Tensor::from_vec(outputs, shape, &Device::Cpu)?;
            let loss = mean_loss(&outputs, targets, records, &self.loss)?.to_scalar::<f32>()?;
            largest = largest.max(loss.into());
        }
        Ok(largest)
    }

    /// One step on records: forward and backward, batch by batch, then the update.
    pub fn step(
        &mut self,
        data: (&Features, &Targets),
        records: &[usize],
        noise: Noise<'_>,
        spec: &GradientSpec,
        optimizer: &mut dyn Optimizer,
    ) -> Result<StepOutcome, LearnError> {
        self.gradient.clear();
        let mut loss = 0.0;
        for (position, batch) in records.chunks(spec.batch_size).enumerate() {
            let share = batch.len() as f32 / records.len() as f32;
            let noise = Noise { key: keyed(noise.key ^ position as u64), ..noise };
            loss += share * self.differentiate(data, batch, share, noise)?;
            if !loss.is_finite() {
                return Ok(StepOutcome { loss, gradient_norm: f32::NAN });
            }
        }
        if spec.penalises() {
            self.gradient.penalise_table(spec, &self.table);
            for (position, &slot) in self.trained.iter().enumerate() {
                if self.layout.slots[slot].is_weight() {
                    let weights = self.values[slot].flatten_all()?.to_vec1::<f32>()?;
                    self.gradient.penalise_dense(spec, position, &weights);
                }
            }
        }
        let norm = self.gradient.clip(spec);
        let tables = usize::from(self.trains_table());
        if tables == 1 {
            let (rows, gradient) = self.gradient.table();
            optimizer.update_rows(0, &mut self.table, self.layout.dimension(), rows, gradient);
        }
        for (position, &slot) in self.trained.iter().enumerate() {
            self.values[slot].inplace_op1(&Update {
                optimizer: std::sync::Mutex::new(&mut *optimizer),
                parameter: tables + position,
                gradient: self.gradient.dense(position),
            })?;
        }
        Ok(StepOutcome { loss, gradient_norm: norm as f32 })
    }

    /// The Euclidean norm of each layer's gradient of the mean loss of records, from the input on, and
    /// that loss; not a number where the loss is not finite.
    pub fn layer_gradients(
        &mut self,
        data: (&Features, &Targets),
        records: &[usize],
        noise: Noise<'_>,
    ) -> Result<(Vec<(String, f64)>, f32), LearnError> {
        self.gradient.clear();
        let loss = self.differentiate(data, records, 1.0, noise)?;
        let squares = |values: &[f32]| values.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
        let mut layers: Vec<(String, f64)> =
            self.layout.layers().into_iter().map(|name| (name, 0.0)).collect();
        let mut add = |layer: &str, square: f64| {
            if let Some((_, sum)) = layers.iter_mut().find(|(name, _)| name == layer) {
                *sum += square;
            }
        };
        add(layer_of(TABLE), squares(self.gradient.table().1));
        for (position, &slot) in self.trained.iter().enumerate() {
            let name = layer_of(&self.layout.slots[slot].name);
            add(name, squares(self.gradient.dense(position)));
        }
        let norm = |sum: f64| if loss.is_finite() { sum.sqrt() } else { f64::NAN };
        Ok((layers.into_iter().map(|(name, sum)| (name, norm(sum))).collect(), loss))
    }

    /// The mean loss of a batch. Adds `share` of its gradient to the step's, if it is finite.
    fn differentiate(
        &mut self,
        data: (&Features, &Targets),
        records: &[usize],
        share: f32,
        noise: Noise<'_>,
    ) -> Result<f32, LearnError> {
        match self.needs_no_graph() {
            true => self.differentiate_direct(data, records, share, noise),
            false => self.differentiate_graph(data, records, share, noise),
        }
    }

    /// Adds `scale` times the gradient of what was pooled, or of the words, to that of the table's rows.
    fn scatter(&mut self, upstream: &[f32], records: usize, scale_all: f32) {
        let dimension = self.layout.dimension();
        let of_record = upstream.len() / records;
        for (Kept { ids, weights, scale, places }, upstream) in
            self.batch.kept.iter().zip(upstream.chunks_exact(of_record))
        {
            for (i, (&id, &weight)) in ids.iter().zip(weights).enumerate() {
                if self.held_rows.get(id as usize).is_some_and(|held| *held) {
                    continue;
                }
                let start = places.get(i).map_or(0, |&place| place as usize * dimension);
                let upstream = &upstream[start..start + dimension];
                self.gradient.add_row(id, weight * scale * scale_all, upstream);
            }
        }
    }

    /// Pools the records that a batch holds, after dropout.
    fn pool(
        &mut self,
        rows: &SparseRows,
        records: &[usize],
        dropout: &NgramDropout,
        pooling: Pooling,
    ) {
        let dimension = self.layout.dimension();
        let batch = &mut self.batch;
        batch.pooled.clear();
        batch.pooled.resize(records.len() * dimension, 0.0);
        batch.kept.resize_with(records.len(), Default::default);
        for ((&record, kept), pooled) in
            records.iter().zip(&mut batch.kept).zip(batch.pooled.chunks_exact_mut(dimension))
        {
            let row = rows.row(record);
            dropout.apply(record, row, &mut kept.ids, &mut kept.weights);
            kept.scale = pooling.scale(row.size);
            kernels::pool(&self.table, &kept.ids, &kept.weights, kept.scale, pooled);
        }
    }

    /// Writes the vectors of the records' words, zeros for those that are unknown or left out, each
    /// record padded to as many words; returns how many.
    fn words(
        &mut self,
        rows: &SparseRows,
        records: &[usize],
        dropout: &NgramDropout,
        (min, max): (usize, usize),
    ) -> usize {
        let dimension = self.layout.dimension();
        let batch = &mut self.batch;
        let words = records.iter().map(|&record| rows.row(record).ids.len().min(max));
        batch.words = words.collect();
        let longest = batch.words.iter().copied().max().unwrap_or(0).max(min);
        batch.pooled.clear();
        batch.pooled.resize(records.len() * longest * dimension, 0.0);
        batch.kept.resize_with(records.len(), Default::default);
        let ones = vec![1.0; longest];
        let all: Vec<u32> = (0..longest as u32).collect();
        for (i, (&record, kept)) in records.iter().zip(&mut batch.kept).enumerate() {
            let (row, count) = (rows.row(record), batch.words[i]);
            let places = SparseRow { ids: &all[..count], weights: &ones[..count], size: 0 };
            dropout.apply(record, places, &mut kept.places, &mut kept.weights);
            let known = |place: &u32| row.ids[*place as usize] != NO_ROW;
            let mut keep = kept.places.iter().map(known).collect::<Vec<_>>().into_iter();
            kept.weights.retain(|_| keep.next().unwrap_or(false));
            kept.places.retain(known);
            kept.ids.clear();
            kept.ids.extend(kept.places.iter().map(|&place| row.ids[place as usize]));
            kept.scale = 1.0;
            for ((&id, &place), &weight) in kept.ids.iter().zip(&kept.places).zip(&kept.weights) {
                let from = id as usize * dimension;
                let to = (i * longest + place as usize) * dimension;
                let vector = &self.table[from..from + dimension];
                kernels::axpy(weight, vector, &mut batch.pooled[to..to + dimension]);
            }
        }
        longest
    }
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

    fn cpu_fwd(&self, values: &mut CpuStorage, layout: &TensorLayout) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (values, layout.contiguous_offsets())
        else {
            candle_core::bail!("parameters are 32-bit and contiguous")
        };
        let mut optimizer = self.optimizer.lock().unwrap_or_else(|e| e.into_inner());
        optimizer.update(self.parameter, &mut values[start..end], self.gradient);
        Ok(())
    }

    fn cuda_fwd(&self, values: &mut CudaStorage, layout: &TensorLayout) -> candle_core::Result<()> {
        on_host_in_place(self, values, layout)
    }
}

#[cfg(test)]
#[path = "training_tests.rs"]
pub(super) mod tests;
