//! Windows of images and of texts as rows of a matrix, so that a convolution is a matrix product;
//! and what is taken of them afterwards. candle's own convolutions and poolings have gradients that
//! are silently wrong in places, so that these bring their own.
//!
//! Images are records × rows × columns × channels, texts records × tokens × dimensions.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Size of an image: rows, columns, channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Size {
    pub fn values(self) -> usize {
        self.height * self.width * self.channels
    }

    /// After a 2 × 2 pooling; what has one row or column keeps it.
    pub fn halved(self) -> Self {
        let half = |side: usize| if side < 2 { side } else { side / 2 };
        Self { height: half(self.height), width: half(self.width), ..self }
    }
}

/// Calls `f(place in the patch, place in the image)` for each pixel that the patch around a position
/// covers; places are of the first channel.
fn patch(size: Size, side: usize, (y, x): (usize, usize), mut f: impl FnMut(usize, usize)) {
    let reach = side / 2;
    for dy in 0..side {
        for dx in 0..side {
            let (row, column) = (y + dy, x + dx);
            if row < reach || column < reach {
                continue;
            }
            let (row, column) = (row - reach, column - reach);
            if row < size.height && column < size.width {
                let of_patch = (dy * side + dx) * size.channels;
                f(of_patch, (row * size.width + column) * size.channels);
            }
        }
    }
}

/// Writes the patches of an image, zeros beyond its edges: positions × (side² × channels).
pub(super) fn patches(image: &[f32], size: Size, side: usize, out: &mut [f32]) {
    let length = side * side * size.channels;
    out.fill(0.0);
    for (position, out) in out.chunks_exact_mut(length).enumerate() {
        let at = (position / size.width, position % size.width);
        patch(size, side, at, |of_patch, of_image| {
            out[of_patch..of_patch + size.channels]
                .copy_from_slice(&image[of_image..of_image + size.channels]);
        });
    }
}

/// The patches of a batch, row by row.
pub(super) struct Patches {
    pub size: Size,
    pub side: usize,
}

impl CustomOp1 for Patches {
    fn name(&self) -> &'static str {
        "patches"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let images = contiguous(storage, layout)?;
        let positions = self.size.height * self.size.width;
        let length = self.side * self.side * self.size.channels;
        let records = images.len() / self.size.values();
        let mut out = vec![0.0; records * positions * length];
        for (image, out) in
            images.chunks_exact(self.size.values()).zip(out.chunks_exact_mut(positions * length))
        {
            patches(image, self.size, self.side, out);
        }
        Ok((CpuStorage::F32(out), Shape::from((records * positions, length))))
    }

    fn bwd(&self, images: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let Self { size, side } = *self;
        let upstream = upstream.flatten_all()?.to_vec1::<f32>()?;
        let positions = size.height * size.width;
        let length = side * side * size.channels;
        let mut gradient = vec![0.0f32; images.elem_count()];
        for (gradient, upstream) in
            gradient.chunks_exact_mut(size.values()).zip(upstream.chunks_exact(positions * length))
        {
            for (position, upstream) in upstream.chunks_exact(length).enumerate() {
                let at = (position / size.width, position % size.width);
                patch(size, side, at, |of_patch, of_image| {
                    let to = &mut gradient[of_image..of_image + size.channels];
                    let from = &upstream[of_patch..of_patch + size.channels];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                });
            }
        }
        Tensor::from_vec(gradient, images.shape(), images.device()).map(Some)
    }
}

/// What is taken of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    Max,
    Mean,
}

/// For each channel the largest or the mean of a group of rows. Groups are lists of row numbers. Of
/// equal values the first is the largest, and alone has a gradient.
pub(super) fn reduce(
    values: &[f32],
    channels: usize,
    group: &[usize],
    take: Take,
    out: &mut [f32],
) {
    for (channel, out) in out.iter_mut().enumerate() {
        let of_group = group.iter().map(|row| values[row * channels + channel]);
        *out = match take {
            Take::Max => of_group.fold(f32::NEG_INFINITY, f32::max),
            Take::Mean => of_group.sum::<f32>() / group.len() as f32,
        };
    }
}

/// [`reduce`] for each of several groups.
pub(super) struct Reduce {
    pub groups: Vec<Vec<usize>>,
    pub channels: usize,
    pub take: Take,
}

impl CustomOp1 for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let values = contiguous(storage, layout)?;
        let mut out = vec![0.0; self.groups.len() * self.channels];
        for (group, out) in self.groups.iter().zip(out.chunks_exact_mut(self.channels)) {
            reduce(values, self.channels, group, self.take, out);
        }
        Ok((CpuStorage::F32(out), Shape::from((self.groups.len(), self.channels))))
    }

    fn bwd(&self, values: &Tensor, taken: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let channels = self.channels;
        let [of, taken, upstream] = [values, taken, upstream].map(Tensor::flatten_all);
        let (of, taken) = (of?.to_vec1::<f32>()?, taken?.to_vec1::<f32>()?);
        let upstream = upstream?.to_vec1::<f32>()?;
        let mut gradient = vec![0.0f32; of.len()];
        for (i, group) in self.groups.iter().enumerate() {
            for channel in 0..channels {
                let (up, taken) = (upstream[i * channels + channel], taken[i * channels + channel]);
                match self.take {
                    Take::Max => {
                        let first = group.iter().find(|row| of[*row * channels + channel] == taken);
                        if let Some(row) = first {
                            gradient[row * channels + channel] += up;
                        }
                    }
                    Take::Mean => {
                        let share = up / group.len() as f32;
                        for row in group {
                            gradient[row * channels + channel] += share;
                        }
                    }
                }
            }
        }
        Tensor::from_vec(gradient, values.shape(), values.device()).map(Some)
    }
}

/// The groups of a 2 × 2 pooling over images, record by record; a last odd row or column is left out.
pub(super) fn quarters(size: Size, records: usize) -> Vec<Vec<usize>> {
    let half = size.halved();
    let (rows, columns) = (size.height / half.height, size.width / half.width);
    let mut groups = Vec::with_capacity(records * half.height * half.width);
    for record in 0..records {
        for y in 0..half.height {
            for x in 0..half.width {
                // A last odd one is in no group.
                let of = |dy: usize, dx: usize| {
                    let row = y * rows.min(2) + dy;
                    let column = x * columns.min(2) + dx;
                    (record * size.height + row) * size.width + column
                };
                let pairs =
                    (0..rows.min(2)).flat_map(|dy| (0..columns.min(2)).map(move |dx| (dy, dx)));
                groups.push(pairs.map(|(dy, dx)| of(dy, dx)).collect());
            }
        }
    }
    groups
}

/// Runs of `length` tokens of each text: (records × (tokens − length + 1)) × (length × dimension).
pub(super) struct Runs {
    pub tokens: usize,
    pub dimension: usize,
    pub length: usize,
}

impl Runs {
    fn starts(&self, records: usize) -> impl Iterator<Item = usize> + use<> {
        let (tokens, runs) = (self.tokens, self.tokens + 1 - self.length);
        let dimension = self.dimension;
        (0..records)
            .flat_map(move |record| (0..runs).map(move |run| (record * tokens + run) * dimension))
    }
}

impl CustomOp1 for Runs {
    fn name(&self) -> &'static str {
        "runs"
    }

    crate::learn::device::cuda_on_host!();

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let values = contiguous(storage, layout)?;
        let records = values.len() / (self.tokens * self.dimension);
        let length = self.length * self.dimension;
        let mut out = Vec::with_capacity(records * (self.tokens + 1 - self.length) * length);
        self.starts(records).for_each(|start| out.extend(&values[start..start + length]));
        let rows = out.len() / length;
        Ok((CpuStorage::F32(out), Shape::from((rows, length))))
    }

    fn bwd(&self, values: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let upstream = upstream.flatten_all()?.to_vec1::<f32>()?;
        let mut gradient = vec![0.0f32; values.elem_count()];
        let records = gradient.len() / (self.tokens * self.dimension);
        let length = self.length * self.dimension;
        for (start, upstream) in self.starts(records).zip(upstream.chunks_exact(length)) {
            let to = &mut gradient[start..start + length];
            to.iter_mut().zip(upstream).for_each(|(to, from)| *to += from);
        }
        Tensor::from_vec(gradient, values.shape(), values.device()).map(Some)
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
    else {
        candle_core::bail!("windows are of contiguous 32-bit values")
    };
    Ok(&values[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_what_lies_around() {
        let size = Size { height: 2, width: 3, channels: 1 };
        let mut out = vec![9.0; 6 * 9];
        patches(&[1., 2., 3., 4., 5., 6.], size, 3, &mut out);
        assert_eq!(out[..9], [0., 0., 0., 0., 1., 2., 0., 4., 5.]);
        assert_eq!(out[4 * 9..5 * 9], [1., 2., 3., 4., 5., 6., 0., 0., 0.]);
    }

    #[test]
    fn quarters_leave_out_the_last_odd_row_and_keep_a_single_one() {
        let size = |height, width| Size { height, width, channels: 1 };
        assert_eq!(quarters(size(3, 2), 1), [[0, 1, 2, 3]]);
        assert_eq!(quarters(size(1, 2), 2), [[0, 1], [2, 3]]);
        assert_eq!(quarters(size(2, 4), 1), [[0, 1, 4, 5], [2, 3, 6, 7]]);
    }
}
