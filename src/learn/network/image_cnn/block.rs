//! A block of an image network on one image, for training and scoring alike: where its numbers lie,
//! and what each of its steps is.
//!
//! What a block takes is a plane: rows × columns × channels with a margin of zeros around, channels
//! padded to whole lanes but for those of the images themselves.

use super::super::activation::Activation;
use super::super::windows::{Size, Take};
use crate::learn::kernels::{self, Filters, Grid, Patches, Windows};

/// A plane's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plane {
    pub size: Size,
    /// Numbers of a position: the channels, perhaps padded.
    pub width: usize,
    /// Zeros on each side.
    pub margin: usize,
}

impl Plane {
    /// Numbers from a row to the next.
    pub fn stride(self) -> usize {
        (self.size.width + 2 * self.margin) * self.width
    }

    /// Numbers of all.
    pub fn numbers(self) -> usize {
        (self.size.height + 2 * self.margin) * self.stride()
    }

    /// Where the first position of a row is.
    pub fn row(self, row: usize) -> usize {
        (row + self.margin) * self.stride() + self.margin * self.width
    }

    /// Writes an image, channel by channel as it comes.
    pub fn fill(self, image: &[f32], plane: &mut [f32]) {
        let Size { height, width, .. } = self.size;
        for (channel, values) in image.chunks_exact((height * width).max(1)).enumerate() {
            for (row, values) in values.chunks_exact(width).enumerate() {
                let start = self.row(row) + channel;
                let to = plane[start..].iter_mut().step_by(self.width.max(1));
                to.zip(values).for_each(|(to, value)| *to = *value);
            }
        }
    }
}

/// Which block it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// What it takes.
    pub from: Plane,
    /// What it gives.
    pub to: Plane,
    /// Side of a filter.
    pub side: usize,
    pub take: Take,
    pub activation: Activation,
    /// Whether statistics are of every position, those too that no pooling sees.
    pub whole: bool,
}

impl Block {
    /// Rows and columns of a pooling's window.
    fn window(&self) -> (usize, usize) {
        (self.from.size.height.min(2), self.from.size.width.min(2))
    }

    /// Rows and columns of the positions that are computed.
    pub fn grid(&self) -> (usize, usize) {
        let Size { height, width, .. } = self.from.size;
        let (rows, columns) = self.window();
        match self.whole {
            true => (height, width),
            false => (self.to.size.height * rows, self.to.size.width * columns),
        }
    }

    /// Numbers of the positions that are computed.
    pub fn numbers(&self) -> usize {
        let (rows, columns) = self.grid();
        rows * columns * self.to.width
    }

    fn patches(&self) -> Patches {
        let (rows, columns) = self.grid();
        let Plane { width, .. } = self.from;
        let length = self.side * width;
        Patches { rows, columns, step: width, runs: self.side, length, stride: self.from.stride() }
    }

    /// Numbers of a patch.
    pub fn patch(&self) -> usize {
        self.patches().size()
    }

    /// Packs the filters, each multiplied by a factor of its own.
    pub fn pack(&self, weight: &[f32], factor: impl Fn(usize) -> f32, filters: &mut Filters) {
        let (width, channels) = (self.from.width, self.from.size.channels);
        let of_filter = self.side * self.side * channels;
        filters.pack((self.to.size.channels, self.patch()), |filter, k| {
            let (cell, channel) = (k / width, k % width);
            match channel < channels {
                true => weight[filter * of_filter + cell * channels + channel] * factor(filter),
                false => 0.0,
            }
        });
    }

    /// Packs them for the way back: the filters of the transposed convolution, which is one too.
    pub fn pack_turned(&self, weight: &[f32], filters: &mut Filters) {
        let (width, channels) = (self.to.width, self.from.size.channels);
        let cells = self.side * self.side;
        filters.pack((channels, cells * width), |channel, k| {
            let (cell, filter) = (cells - 1 - k / width, k % width);
            match filter < self.to.size.channels {
                true => weight[(filter * cells + cell) * channels + channel],
                false => 0.0,
            }
        });
    }

    /// The sums of every position.
    pub fn convolve(&self, plane: &[f32], filters: &Filters, sums: &mut [f32]) {
        kernels::convolve(self.patches(), plane, filters, sums);
    }

    /// Whether the activation may follow the pooling: the largest value is that of the largest sum.
    pub fn pools_first(&self) -> bool {
        self.take == Take::Max && self.activation.rises()
    }

    /// The windows of a row, over rows of so many numbers.
    fn windows(&self, stride: usize) -> Windows {
        let (rows, columns) = self.window();
        let (count, width) = (self.to.size.width, self.to.width);
        Windows { count, step: columns * width, rows, stride, columns }
    }

    /// Pools values into the plane that the block gives; `places` remembers where each largest was.
    pub fn pool(&self, values: &[f32], plane: &mut [f32], places: &mut [f32]) {
        let Plane { size, width, .. } = self.to;
        let stride = self.grid().1 * width;
        let windows = self.windows(stride);
        for row in 0..size.height {
            let from = &values[row * windows.rows * stride..];
            let start = self.to.row(row);
            let to = &mut plane[start..start + size.width * width];
            match self.take {
                Take::Mean => kernels::mean(windows, from, width, to),
                Take::Max => {
                    let places = &mut places[row * size.width * width..][..size.width * width];
                    kernels::largest(windows, from, width, to, places);
                    if self.pools_first() {
                        self.activation.apply(to);
                    }
                }
            }
        }
    }

    /// The way back of the pooling, from the gradient of what it gave to that of what it took, in rows
    /// of `stride` numbers.
    pub fn unpool(&self, upstream: &[f32], places: &[f32], (stride, to): (usize, &mut [f32])) {
        let Plane { size, width, .. } = self.to;
        let windows = self.windows(stride);
        let row_of = size.width * width;
        for row in 0..size.height {
            let upstream = &upstream[row * row_of..(row + 1) * row_of];
            let to = &mut to[row * windows.rows * stride..];
            match self.take {
                Take::Mean => kernels::to_all(windows, upstream, width, to),
                Take::Max => {
                    let places = &places[row * row_of..(row + 1) * row_of];
                    kernels::to_largest(windows, upstream, places, width, to);
                }
            }
        }
    }

    /// The shape of the gradient of the sums: a plane too, since the way back is a convolution.
    pub fn slopes(&self) -> Plane {
        let size = Size { channels: self.to.size.channels, ..self.from.size };
        Plane { size, width: self.to.width, margin: self.from.margin }
    }

    /// Adds to `sums` (numbers of a patch × [`Plane::width`] of what it gives) the filters' gradient.
    pub fn add_filter_gradient(&self, plane: &[f32], slopes: &[f32], sums: &mut [f32]) {
        let of = self.slopes();
        let grid = Grid { width: of.width, stride: of.stride() };
        kernels::add_filter_gradient(self.patches(), plane, grid, &slopes[of.row(0)..], sums);
    }

    /// Adds such sums to the gradient of the filters as they are stored.
    pub fn unpack(&self, sums: &[f32], gradient: &mut [f32]) {
        let (width, channels) = (self.from.width, self.from.size.channels);
        let of_filter = self.side * self.side * channels;
        for (k, sums) in sums.chunks_exact(self.to.width).enumerate() {
            let (cell, channel) = (k / width, k % width);
            if channel < channels {
                let to = gradient[cell * channels + channel..].iter_mut().step_by(of_filter);
                to.zip(sums).for_each(|(to, sum)| *to += sum);
            }
        }
    }

    /// The gradient of what the block took, without margins, from that of the sums.
    pub fn convolve_back(&self, slopes: &[f32], turned: &Filters, to: &mut [f32]) {
        let of = self.slopes();
        let length = self.side * of.width;
        let (rows, columns) = (of.size.height, of.size.width);
        let stride = of.stride();
        let patches = Patches { rows, columns, step: of.width, runs: self.side, length, stride };
        kernels::convolve(patches, slopes, turned, to);
    }
}
