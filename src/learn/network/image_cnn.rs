//! A convolutional network for images: blocks of a convolution, normalisation, activation and 2 × 2
//! pooling, then dense layers.

mod block;
mod direct;

use block::{Block, Plane};
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::direct::Direct;
use super::layout::Slot;
use super::pass::Pass;
use super::windows::{Patches, Reduce, Size, Take, quarters};
use super::{DenseSpec, Filters, InputShape, Normalization, Stem, normalization};
use crate::learn::kernels::{self, Windows, padded};

/// What a pooling takes of the values that it covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImagePooling {
    /// The largest.
    #[default]
    Max,
    /// The mean.
    Average,
}

/// What becomes of the last block's positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GlobalPooling {
    /// Each goes to the dense layers by itself.
    #[default]
    None,
    /// The largest of each filter: whether it was found anywhere.
    Max,
    /// The mean of each filter.
    Average,
}

/// Settings of the convolutional network. `normalization` and `activation` are the blocks' too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ImageCnnSpec {
    /// Filters of each block, first to last. Each block halves height and width.
    #[schema(max_items = 12)]
    pub filters: Vec<usize>,
    /// Side of a filter in pixels, odd; beyond the edges are zeros.
    #[schema(minimum = 1, maximum = 15)]
    pub kernel: usize,
    /// What the 2 × 2 pooling at the end of a block takes.
    pub pooling: ImagePooling,
    /// What becomes of the last block's positions.
    pub global_pooling: GlobalPooling,
    /// The layers after the last block.
    #[serde(flatten)]
    pub dense: DenseSpec,
}

impl Default for ImageCnnSpec {
    fn default() -> Self {
        Self {
            filters: vec![16, 32],
            kernel: 3,
            pooling: ImagePooling::default(),
            global_pooling: GlobalPooling::default(),
            dense: DenseSpec::default(),
        }
    }
}

impl ImageCnnSpec {
    /// Size of the images that each block takes, and of what the last one gives.
    fn sizes(&self, input: InputShape) -> Vec<Size> {
        let mut size = match input {
            InputShape::Image { channels, height, width } => Size { height, width, channels },
            other => Size { height: 1, width: 1, channels: other.width() },
        };
        let mut sizes = vec![size];
        for &filters in &self.filters {
            size = Size { channels: filters, ..size.halved() };
            sizes.push(size);
        }
        sizes
    }

    fn take(&self) -> Take {
        match self.pooling {
            ImagePooling::Max => Take::Max,
            ImagePooling::Average => Take::Mean,
        }
    }

    fn global(&self) -> Option<Take> {
        match self.global_pooling {
            GlobalPooling::None => None,
            GlobalPooling::Max => Some(Take::Max),
            GlobalPooling::Average => Some(Take::Mean),
        }
    }

    /// What the first block takes, and the blocks.
    fn blocks(&self, input: InputShape) -> (Plane, Vec<Block>) {
        let sizes = self.sizes(input);
        let blocks = self.filters.len();
        let plane = |block: usize| {
            let (size, margin) = (sizes[block], if block < blocks { self.kernel / 2 } else { 0 });
            // Images come with few channels, all of which are multiplied.
            let packs = block > 0 || blocks == 0;
            let width = if packs { padded(size.channels) } else { size.channels };
            Plane { size, width, margin }
        };
        let block = |block| Block {
            from: plane(block),
            to: plane(block + 1),
            side: self.kernel,
            take: self.take(),
            activation: self.dense.activation,
            whole: self.dense.normalization == Normalization::Batch,
        };
        (plane(0), (0..blocks).map(block).collect())
    }

    /// Parameters of a block.
    fn parameters(&self) -> usize {
        2 + self.dense.normalization.parameters()
    }
}

impl Stem for ImageCnnSpec {
    fn accepts(&self, input: InputShape) -> bool {
        matches!(input, InputShape::Image { .. })
    }

    fn filters(&self) -> Vec<usize> {
        self.filters.clone()
    }

    fn dense(&self) -> &DenseSpec {
        &self.dense
    }

    fn width(&self, input: InputShape) -> usize {
        let sizes = self.sizes(input);
        let Size { height, width, channels } = sizes[sizes.len() - 1];
        match self.global_pooling {
            GlobalPooling::None => channels.saturating_mul(height).saturating_mul(width),
            _ => channels,
        }
    }

    fn slots(&self, input: InputShape) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (position, (size, &filters)) in self.sizes(input).iter().zip(&self.filters).enumerate()
        {
            let prefix = format!("blocks.{position}.");
            let shape = vec![filters, self.kernel, self.kernel, size.channels];
            let uses = size.height.saturating_mul(size.width) as u64;
            let after = self.dense.activation.nonlinearity();
            let [weight, bias] = Slot::layer(&prefix, shape, self.kernel * self.kernel, after);
            slots.extend([Slot { uses, ..weight }, bias]);
            slots.extend(self.dense.normalization.slots(&prefix, filters));
        }
        slots
    }

    fn activations(&self, input: InputShape) -> usize {
        let sizes = self.sizes(input);
        let blocks = sizes.iter().zip(&self.filters).map(|(size, filters)| {
            let positions = size.height.saturating_mul(size.width);
            let patch = (self.kernel * self.kernel).saturating_mul(size.channels);
            positions.saturating_mul(patch.saturating_add(filters.saturating_mul(4)))
        });
        blocks.fold(0, usize::saturating_add)
    }

    fn forward(
        &self,
        parameters: &[Var],
        x: Tensor,
        pass: &mut Pass,
    ) -> candle_core::Result<Tensor> {
        let (records, channels, height, width) = x.dims4()?;
        let sizes = self.sizes(InputShape::Image { channels, height, width });
        let mut x = x.permute((0, 2, 3, 1))?.contiguous()?;
        for (block, (&size, &filters)) in sizes.iter().zip(&self.filters).enumerate() {
            let at = block * self.parameters();
            let (weight, bias) = (&parameters[at], &parameters[at + 1]);
            let rows = x.contiguous()?.apply_op1(Patches { size, side: self.kernel })?;
            let weight = weight.reshape((filters, ()))?;
            let sums = rows.matmul(&weight.t()?)?.broadcast_add(bias)?;
            let sums = self.dense.normalization.forward(parameters, at + 2, &sums, pass)?;
            let values = self.dense.activation.forward(&sums)?;
            let of_block = Size { channels: filters, ..size };
            let groups = quarters(of_block, records);
            let take = self.take();
            x = values.contiguous()?.apply_op1(Reduce { groups, channels: filters, take })?;
        }
        let last = sizes[sizes.len() - 1];
        let positions = last.height * last.width;
        match self.global() {
            None => x.reshape((records, last.values())),
            Some(take) => {
                let group = |record| (record * positions..(record + 1) * positions).collect();
                let groups = (0..records).map(group).collect();
                let rows = x.reshape((records * positions, last.channels))?.contiguous()?;
                rows.apply_op1(Reduce { groups, channels: last.channels, take })
            }
        }
    }

    fn direct(&self, input: InputShape) -> Option<Box<dyn Direct>> {
        let (first, blocks) = self.blocks(input);
        let normalization = self.dense.normalization;
        Some(Box::new(direct::Blocks::new(blocks, first, normalization, self.global())))
    }

    /// A batch normalisation scales and shifts what each filter gives, and so is one with it.
    fn pack(&self, parameters: &[Vec<f32>], input: InputShape) -> Vec<Filters> {
        let (_, blocks) = self.blocks(input);
        let of_block = parameters.chunks_exact(self.parameters());
        let packed = blocks.into_iter().zip(of_block).map(|(block, of)| {
            let (scale, shift) = normalization::affine(of);
            let mut filters = Filters::default();
            block.pack(&of[0], |filter| scale[filter], &mut filters);
            filters.set_bias(&shift);
            filters
        });
        packed.collect()
    }

    fn evaluate(
        &self,
        parameters: &[Vec<f32>],
        packed: &[Filters],
        input: InputShape,
        x: Vec<f32>,
    ) -> Vec<f32> {
        let (mut plane, blocks) = self.blocks(input);
        let mut values = vec![0.0; plane.numbers()];
        plane.fill(&x, &mut values);
        let of_block = parameters.chunks_exact(self.parameters());
        for ((block, filters), of) in blocks.into_iter().zip(packed).zip(of_block) {
            let mut sums = vec![0.0; block.numbers()];
            block.convolve(&values, filters, &mut sums);
            plane = block.to;
            if self.dense.normalization == Normalization::Layer {
                for sums in sums.chunks_exact_mut(plane.width) {
                    let units = &mut sums[..plane.size.channels];
                    normalization::apply(Normalization::Layer, &of[2..], units);
                }
            }
            if !block.pools_first() {
                block.activation.apply(&mut sums);
            }
            values = vec![0.0; plane.numbers()];
            let mut places = vec![0.0; plane.numbers()];
            block.pool(&sums, &mut values, &mut places);
        }
        let Plane { size, width, .. } = plane;
        let columns = size.height * size.width;
        let windows = Windows { count: 1, step: 0, rows: 1, stride: 0, columns };
        let mut out = vec![0.0; width];
        match self.global() {
            None => {
                let each = values.chunks_exact(width).flat_map(|values| &values[..size.channels]);
                return each.copied().collect();
            }
            Some(Take::Mean) => kernels::mean(windows, &values, width, &mut out),
            Some(Take::Max) => {
                kernels::largest(windows, &values, width, &mut out, &mut vec![0.0; width]);
            }
        }
        out.truncate(size.channels);
        out
    }
}
