//! The blocks of an image network on a batch, without a graph.

use candle_core::{Result, Var};

use super::super::direct::{Batch, Direct, Sums, read};
use super::super::normalization::Normalization;
use super::super::normalized::{Normalized, Place};
use super::super::windows::Take;
use super::block::{Block, Plane};
use crate::learn::kernels::{self, Filters, Windows};

/// The blocks, and room for a batch.
pub(super) struct Blocks {
    normalization: Normalization,
    global: Option<Take>,
    rooms: Vec<Room>,
    /// What the first block takes, then what each gives, record by record.
    planes: Vec<(Plane, Vec<f32>)>,
    /// Where the largest of each filter was, if that is what is taken of the last plane.
    places: Vec<f32>,
    /// The gradient of what a block gave, then of what it took, without margins.
    upstream: Vec<f32>,
    downstream: Vec<f32>,
    row: Vec<f32>,
}

/// Room of a block.
struct Room {
    block: Block,
    filters: Filters,
    turned: Filters,
    /// Sums of every record, normalised, or of one where no way back needs them.
    sums: Vec<f32>,
    /// What the activation makes of them, where it comes before the pooling.
    values: Vec<f32>,
    /// The gradient of the values, then of the sums, where those are kept.
    kept: Vec<f32>,
    normalized: Normalized,
    /// Where the largest of each window was.
    places: Vec<f32>,
    /// The gradient of one record's sums.
    slopes: Vec<f32>,
    gradient: Vec<f32>,
    bias: Vec<f32>,
}

impl Room {
    /// Whether the sums of every record are kept for the way back.
    fn keeps(&self, normalization: Normalization) -> bool {
        normalization != Normalization::None || !self.block.pools_first()
    }
}

/// Makes room for so many numbers; what is there stays.
fn enough(room: &mut Vec<f32>, numbers: usize) {
    if room.len() < numbers {
        room.resize(numbers, 0.0);
    }
}

impl Blocks {
    pub fn new(
        blocks: Vec<Block>,
        first: Plane,
        normalization: Normalization,
        global: Option<Take>,
    ) -> Self {
        let planes = std::iter::once(first).chain(blocks.iter().map(|block| block.to));
        let room = |block| Room {
            block,
            filters: Filters::default(),
            turned: Filters::default(),
            sums: Vec::new(),
            values: Vec::new(),
            kept: Vec::new(),
            normalized: Normalized::default(),
            places: Vec::new(),
            slopes: Vec::new(),
            gradient: Vec::new(),
            bias: Vec::new(),
        };
        Self {
            normalization,
            global,
            planes: planes.map(|plane| (plane, Vec::new())).collect(),
            rooms: blocks.into_iter().map(room).collect(),
            places: Vec::new(),
            upstream: Vec::new(),
            downstream: Vec::new(),
            row: Vec::new(),
        }
    }

    /// The place of a block's first parameter.
    fn at(&self, block: usize) -> usize {
        block * (2 + self.normalization.parameters())
    }

    /// What of the last plane goes to the dense layers.
    fn last(&self) -> (Plane, Windows) {
        let (plane, _) = self.planes[self.rooms.len()];
        let columns = plane.size.height * plane.size.width;
        (plane, Windows { count: 1, step: 0, rows: 1, stride: 0, columns })
    }

    fn forward_block(&mut self, position: usize, batch: Batch<'_>) -> Result<()> {
        let (at, normalization) = (self.at(position), self.normalization);
        let Batch { parameters, held, records, .. } = batch;
        let (before, after) = self.planes.split_at_mut(position + 1);
        let ((from, inputs), (to, outputs)) = (&before[position], &mut after[0]);
        let room = &mut self.rooms[position];
        let keeps = room.keeps(normalization);
        let Room { block, filters, sums, values, normalized, places, .. } = room;
        block.pack(&read(&parameters[at])?, |_| 1.0, filters);
        filters.set_bias(&read(&parameters[at + 1])?);
        let (numbers, pooled) = (block.numbers(), to.size.height * to.size.width * to.width);
        enough(sums, numbers * if keeps { records } else { 1 });
        enough(places, pooled * records);
        enough(outputs, to.numbers() * records);
        let each = inputs
            .chunks_exact(from.numbers())
            .zip(outputs.chunks_exact_mut(to.numbers()))
            .zip(places.chunks_exact_mut(pooled))
            .take(records);
        if !keeps {
            for ((plane, out), places) in each {
                block.convolve(plane, filters, sums);
                block.pool(sums, out, places);
            }
            return Ok(());
        }
        let sums = &mut sums[..numbers * records];
        for (((plane, _), _), sums) in each.zip(sums.chunks_exact_mut(numbers)) {
            block.convolve(plane, filters, sums);
        }
        if normalization != Normalization::None {
            let place = place(normalization, parameters, held, at + 2, block);
            normalized.forward(place, sums)?;
        }
        let values = if block.pools_first() {
            &*sums
        } else {
            values.clear();
            values.extend_from_slice(sums);
            block.activation.apply(values);
            values
        };
        let each = outputs.chunks_exact_mut(to.numbers()).zip(places.chunks_exact_mut(pooled));
        for ((out, places), values) in each.zip(values.chunks_exact(numbers)) {
            block.pool(values, out, places);
        }
        Ok(())
    }

    /// From the gradient of what a block gave, in `upstream`, to that of what it took, there too.
    fn backward_block(
        &mut self,
        position: usize,
        batch: Batch<'_>,
        gradients: &mut Sums<'_>,
    ) -> Result<()> {
        let (at, normalization) = (self.at(position), self.normalization);
        let Batch { parameters, held, records, .. } = batch;
        let ((from, inputs), (to, outputs)) = (&self.planes[position], &self.planes[position + 1]);
        let room = &mut self.rooms[position];
        let keeps = room.keeps(normalization);
        let block = room.block;
        let (numbers, row) = (block.numbers(), to.size.width * to.width);
        let pooled = to.size.height * row;
        let of = |record: usize, count: usize| record * count..(record + 1) * count;
        room.bias.clear();
        room.bias.resize(to.width, 0.0);
        if block.pools_first() {
            // The derivative at each largest sum, whose value says enough of it.
            for (record, upstream) in
                self.upstream.chunks_exact_mut(pooled).take(records).enumerate()
            {
                for (row, upstream) in upstream.chunks_exact_mut(row).enumerate() {
                    let start = record * to.numbers() + to.row(row);
                    let values = &outputs[start..start + upstream.len()];
                    block.activation.differentiate(values, values, upstream);
                }
            }
        }
        if keeps {
            enough(&mut room.kept, numbers * records);
            let kept = &mut room.kept[..numbers * records];
            let (_, columns) = block.grid();
            for (record, kept) in kept.chunks_exact_mut(numbers).enumerate() {
                if block.whole {
                    kept.fill(0.0);
                }
                let upstream = &self.upstream[of(record, pooled)];
                let places = &room.places[of(record, pooled)];
                block.unpool(upstream, places, (columns * to.width, kept));
            }
            if !block.pools_first() {
                let (sums, values) = (&room.sums[..kept.len()], &room.values[..kept.len()]);
                block.activation.differentiate(sums, values, kept);
            }
            let place = place(normalization, parameters, held, at + 2, &block);
            room.normalized.backward(place, kept, gradients);
            kernels::add_rows(kept, &mut room.bias);
        } else {
            kernels::add_rows(&self.upstream[..pooled * records], &mut room.bias);
        }
        let given = from.size.height * from.size.width * from.width;
        let trains = gradients.wants(at);
        let goes_on = position > 0 && gradients.any_before(at);
        if goes_on {
            block.pack_turned(&read(&parameters[at])?, &mut room.turned);
            enough(&mut self.downstream, given * records);
        }
        room.gradient.clear();
        room.gradient.resize(block.patch() * to.width, 0.0);
        let plane = block.slopes();
        enough(&mut room.slopes, plane.numbers());
        for record in 0..records {
            if keeps {
                let (rows, columns) = block.grid();
                let kept = &room.kept[of(record, numbers)];
                for (row, kept) in kept.chunks_exact(columns * to.width).enumerate().take(rows) {
                    let start = plane.row(row);
                    room.slopes[start..start + kept.len()].copy_from_slice(kept);
                }
            } else {
                let upstream = &self.upstream[of(record, pooled)];
                let places = &room.places[of(record, pooled)];
                let slopes = &mut room.slopes[plane.row(0)..];
                block.unpool(upstream, places, (plane.stride(), slopes));
            }
            if trains {
                let inputs = &inputs[of(record, from.numbers())];
                block.add_filter_gradient(inputs, &room.slopes, &mut room.gradient);
            }
            if goes_on {
                let to = &mut self.downstream[of(record, given)];
                block.convolve_back(&room.slopes, &room.turned, to);
            }
        }
        let cells = block.side * block.side * from.size.channels;
        if let Some(sums) = gradients.of(at, to.size.channels * cells) {
            block.unpack(&room.gradient, sums);
        }
        if let Some(sums) = gradients.of(at + 1, to.size.channels) {
            kernels::axpy(1.0, &room.bias[..to.size.channels], sums);
        }
        std::mem::swap(&mut self.upstream, &mut self.downstream);
        Ok(())
    }
}

fn place<'a>(
    kind: Normalization,
    parameters: &'a [Var],
    held: &[bool],
    at: usize,
    block: &Block,
) -> Place<'a> {
    let held = held.get(at).is_some_and(|held| *held);
    Place { kind, parameters, at, held, units: block.to.size.channels, width: block.to.width }
}

impl Direct for Blocks {
    fn forward(&mut self, batch: Batch<'_>, x: &[f32], vectors: &mut Vec<f32>) -> Result<()> {
        let (plane, values) = &mut self.planes[0];
        enough(values, plane.numbers() * batch.records);
        let images = x.chunks_exact(plane.size.values().max(1));
        for (image, values) in images.zip(values.chunks_exact_mut(plane.numbers().max(1))) {
            plane.fill(image, values);
        }
        for position in 0..self.rooms.len() {
            self.forward_block(position, batch)?;
        }
        let (plane, windows) = self.last();
        let Plane { size, width, .. } = plane;
        let (_, values) = &self.planes[self.rooms.len()];
        vectors.clear();
        enough(&mut self.places, width * batch.records);
        self.row.clear();
        self.row.resize(width, 0.0);
        for (record, values) in
            values.chunks_exact(plane.numbers().max(1)).take(batch.records).enumerate()
        {
            match self.global {
                None => {
                    for position in values.chunks_exact(width.max(1)) {
                        vectors.extend_from_slice(&position[..size.channels]);
                    }
                    continue;
                }
                Some(Take::Mean) => kernels::mean(windows, values, width, &mut self.row),
                Some(Take::Max) => {
                    let places = &mut self.places[record * width..(record + 1) * width];
                    kernels::largest(windows, values, width, &mut self.row, places);
                }
            }
            vectors.extend_from_slice(&self.row[..size.channels]);
        }
        Ok(())
    }

    fn backward(
        &mut self,
        batch: Batch<'_>,
        _: &[f32],
        upstream: &mut [f32],
        gradients: &mut Sums<'_>,
        _: Option<&mut Vec<f32>>,
    ) -> Result<()> {
        let (plane, windows) = self.last();
        let Plane { size, width, .. } = plane;
        let positions = size.height * size.width;
        enough(&mut self.upstream, positions * width * batch.records);
        let of_record = upstream.len() / batch.records;
        for (record, (up, to)) in upstream
            .chunks_exact(of_record.max(1))
            .zip(self.upstream.chunks_exact_mut((positions * width).max(1)))
            .enumerate()
        {
            if self.global.is_none() {
                let each = up.chunks_exact(size.channels.max(1)).zip(to.chunks_exact_mut(width));
                for (up, to) in each {
                    to[..size.channels].copy_from_slice(up);
                    to[size.channels..].fill(0.0);
                }
                continue;
            }
            self.row[size.channels..].fill(0.0);
            self.row[..size.channels].copy_from_slice(up);
            match self.global {
                Some(Take::Mean) => kernels::to_all(windows, &self.row, width, to),
                _ => {
                    let places = &self.places[record * width..(record + 1) * width];
                    kernels::to_largest(windows, &self.row, places, width, to);
                }
            }
        }
        for position in (0..self.rooms.len()).rev() {
            self.backward_block(position, batch, gradients)?;
            if !gradients.any_before(self.at(position)) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, parameters: &[Var]) -> Result<()> {
        for position in 0..self.rooms.len() {
            let at = self.at(position) + 2;
            self.rooms[position].normalized.commit(parameters, at)?;
        }
        Ok(())
    }
}
