//! The filters over texts on a batch, without a graph.
//!
//! Of a filter's answers to a text only the largest counts, so that its gradient is that of a single
//! run of words: the way back is short.

use candle_core::Result;

use super::super::direct::{Batch, Direct, Sums, read};
use super::TextCnnSpec;
use crate::learn::kernels::{self, Filters};

/// The filters, and room for a batch.
pub(super) struct Runs {
    spec: TextCnnSpec,
    packed: Vec<Filters>,
    room: Answers,
    /// The sum at the largest value of each filter, record by record.
    sums: Vec<f32>,
    /// The run that it is of.
    places: Vec<f32>,
    /// The largest values.
    values: Vec<f32>,
}

/// Room for the answers to one text.
#[derive(Default)]
pub(super) struct Answers {
    sums: Vec<f32>,
    values: Vec<f32>,
    largest: Vec<f32>,
    places: Vec<f32>,
}

/// What is kept of a text.
pub(super) struct Found<'a> {
    pub sums: &'a mut Vec<f32>,
    pub places: &'a mut Vec<f32>,
    pub values: &'a mut Vec<f32>,
}

impl Runs {
    pub fn new(spec: TextCnnSpec) -> Self {
        let packed = spec.widths.iter().map(|_| Filters::default()).collect();
        let (room, [sums, places, values]) = Default::default();
        Self { spec, packed, room, sums, places, values }
    }
}

impl TextCnnSpec {
    /// Packs the filters of a width.
    pub(super) fn pack_width(
        &self,
        width: usize,
        weight: &[f32],
        bias: &[f32],
        filters: &mut Filters,
    ) {
        let size = width * self.dimension;
        filters.pack((self.filters, size), |filter, k| weight[filter * size + k]);
        filters.set_bias(bias);
    }

    /// Adds the largest value of each filter over a text of so many words, padded to `x`.
    pub(super) fn largest(
        &self,
        packed: &[Filters],
        (x, words): (&[f32], usize),
        Answers { sums, values, largest, places }: &mut Answers,
        found: Found<'_>,
    ) {
        let most = x.len() / self.dimension;
        for (&width, filters) in self.widths.iter().zip(packed) {
            // Runs that reach into the padding of a batch are no part of a text.
            let runs = Self::runs(words, width).min(most + 1 - width);
            let patches = kernels::Patches {
                rows: 1,
                columns: runs,
                step: self.dimension,
                runs: 1,
                length: width * self.dimension,
                stride: 0,
            };
            let lanes = filters.width();
            sums.clear();
            sums.resize(runs * lanes, 0.0);
            kernels::convolve(patches, x, filters, sums);
            for room in [&mut *largest, &mut *places] {
                room.clear();
                room.resize(lanes, 0.0);
            }
            let windows = kernels::Windows { count: 1, step: 0, rows: 1, stride: 0, columns: runs };
            let rises = self.dense.activation.rises();
            if !rises {
                values.clone_from(sums);
                self.dense.activation.apply(values);
            }
            let of = if rises { &*sums } else { &*values };
            kernels::largest(windows, of, lanes, largest, places);
            let places = &places[..self.filters];
            found.places.extend_from_slice(places);
            let at = places.iter().enumerate().map(|(filter, run)| *run as usize * lanes + filter);
            found.sums.extend(at.map(|at| sums[at]));
            if rises {
                self.dense.activation.apply(largest);
            }
            found.values.extend_from_slice(&largest[..self.filters]);
        }
    }
}

impl Direct for Runs {
    fn forward(&mut self, batch: Batch<'_>, x: &[f32], vectors: &mut Vec<f32>) -> Result<()> {
        let Self { spec, packed, room, sums, places, values } = self;
        for (position, (&width, filters)) in spec.widths.iter().zip(&mut *packed).enumerate() {
            let [weight, bias] = [0, 1].map(|of| read(&batch.parameters[2 * position + of]));
            spec.pack_width(width, &weight?, &bias?, filters);
        }
        [&mut *sums, places, values].into_iter().for_each(Vec::clear);
        for (record, x) in x.chunks_exact(x.len() / batch.records).enumerate() {
            let words = batch.words.get(record).copied().unwrap_or(x.len() / spec.dimension);
            let found = Found { sums: &mut *sums, places: &mut *places, values: &mut *values };
            spec.largest(packed, (x, words), room, found);
        }
        vectors.clone_from(values);
        Ok(())
    }

    fn backward(
        &mut self,
        batch: Batch<'_>,
        x: &[f32],
        upstream: &mut [f32],
        gradients: &mut Sums<'_>,
        downstream: Option<&mut Vec<f32>>,
    ) -> Result<()> {
        let Self { spec, sums, places, values, .. } = self;
        spec.dense.activation.differentiate(sums, values, upstream);
        let all = spec.widths.len() * spec.filters;
        let of_record = x.len() / batch.records;
        let (spec, mut downstream) = (&*spec, downstream);
        if let Some(downstream) = &mut downstream {
            downstream.clear();
            downstream.resize(x.len(), 0.0);
        }
        for (position, width) in spec.widths.iter().enumerate() {
            let (weight, bias) = (2 * position, 2 * position + 1);
            let size = width * spec.dimension;
            let of = position * spec.filters..(position + 1) * spec.filters;
            // Of each record: where its run starts in `x`, and its gradient.
            let each = upstream.chunks_exact(all).zip(places.chunks_exact(all)).enumerate();
            let each = each.flat_map(|(record, (upstream, places))| {
                let of = upstream[of.clone()].iter().zip(&places[of.clone()]).enumerate();
                of.filter(|(_, (g, _))| **g != 0.0).map(move |(filter, (g, place))| {
                    (filter, record * of_record + *place as usize * spec.dimension, *g)
                })
            });
            if let Some(sums) = gradients.of(weight, spec.filters * size) {
                for (filter, start, g) in each.clone() {
                    let sums = &mut sums[filter * size..(filter + 1) * size];
                    kernels::axpy(g, &x[start..start + size], sums);
                }
            }
            if let Some(sums) = gradients.of(bias, spec.filters) {
                each.clone().for_each(|(filter, _, g)| sums[filter] += g);
            }
            if let Some(downstream) = &mut downstream {
                let weight = read(&batch.parameters[weight])?;
                for (filter, start, g) in each {
                    let weight = &weight[filter * size..(filter + 1) * size];
                    kernels::axpy(g, weight, &mut downstream[start..start + size]);
                }
            }
        }
        Ok(())
    }
}
