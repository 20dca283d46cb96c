//! Images: flipped, shifted, cropped, rotated, noised, cut out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record_key;
use crate::random::{self, Rng};

/// What is done to the images that train; nothing by default. Flip, crop, rotation and shift are one
/// movement, so that an image is resampled once (linearly between pixels); what comes in from beyond
/// an edge repeats the edge. Then noise is added, then a square is cut out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ImageAugmentationSpec {
    /// Share of the images that are mirrored, left and right changed.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub flip: f64,
    /// Share of the images that are turned upside down as in a mirror.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub vertical_flip: f64,
    /// Largest shift in each direction, as a share of width and height; by whole pixels.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub shift: f64,
    /// Largest share of width and height that is cropped away; what is left, from a random place, is
    /// scaled up to the whole image.
    #[schema(minimum = 0.0, maximum = 0.9)]
    pub crop: f64,
    /// Largest rotation about the middle, in degrees, in either direction.
    #[schema(minimum = 0.0, maximum = 180.0)]
    pub rotate: f64,
    /// Standard deviation of the normal noise that is added to every value.
    #[schema(minimum = 0.0, maximum = 10.0)]
    pub noise: f64,
    /// Side of a square that is cut out (DeVries and Taylor 2017), as a share of the shorter side of
    /// the image. Its middle may be anywhere in the image, so that a part of it may lie outside. It
    /// is filled with the mean of each channel.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub cut_out: f64,
}

/// The shape of an image: channel by channel, row by row; each at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// What is done to the images in one epoch of a run.
#[derive(Debug, Clone)]
pub struct ImageAugmentation {
    spec: ImageAugmentationSpec,
    seed: u64,
    epoch: usize,
}

impl ImageAugmentation {
    /// For one epoch of a run.
    pub fn new(spec: ImageAugmentationSpec, seed: u64, epoch: usize) -> Self {
        Self { spec, seed, epoch }
    }

    /// Writes the augmented `image` of a record to `out`; both have channels × height × width values.
    pub fn apply(&self, record: usize, image: &[f32], shape: ImageShape, out: &mut Vec<f32>) {
        debug_assert_eq!(image.len(), shape.channels * shape.height * shape.width);
        let key = record_key(self.seed, self.epoch, record);
        out.clear();
        match self.movement(key, shape) {
            Some(movement) => movement.resample(image, shape, out),
            None => out.extend_from_slice(image),
        }
        if self.spec.noise > 0.0 {
            let mut rng = random::stream(key, "augment.noise");
            out.iter_mut().for_each(|x| *x += (self.spec.noise * random::normal(&mut rng)) as f32);
        }
        self.cut_out(key, shape, out);
    }

    /// How the image moves; `None` if it stays.
    fn movement(&self, key: u64, shape: ImageShape) -> Option<Movement> {
        let spec = &self.spec;
        let flipped =
            |share: f64, name| share > 0.0 && random::stream(key, name).random_bool(share.min(1.0));
        let mirror = |flipped: bool| if flipped { -1.0 } else { 1.0 };
        let mut movement = Movement {
            x_mirror: mirror(flipped(spec.flip, "augment.flip")),
            y_mirror: mirror(flipped(spec.vertical_flip, "augment.vertical_flip")),
            ..Movement::NONE
        };
        if spec.crop > 0.0 {
            let mut rng = random::stream(key, "augment.crop");
            movement.scale = 1.0 - rng.random_range(0.0..=spec.crop);
            let free = 1.0 - movement.scale;
            movement.x = rng.random_range(-0.5..=0.5) * free * shape.width as f64;
            movement.y = rng.random_range(-0.5..=0.5) * free * shape.height as f64;
        }
        if spec.shift > 0.0 {
            let mut rng = random::stream(key, "augment.shift");
            let mut shift = |length: usize| {
                let most = (spec.shift * length as f64).floor() as i64;
                rng.random_range(-most..=most) as f64
            };
            movement.x += shift(shape.width);
            movement.y += shift(shape.height);
        }
        if spec.rotate > 0.0 {
            let angle =
                random::stream(key, "augment.rotate").random_range(-spec.rotate..=spec.rotate);
            (movement.sin, movement.cos) = angle.to_radians().sin_cos();
        }
        (movement != Movement::NONE).then_some(movement)
    }

    fn cut_out(&self, key: u64, shape: ImageShape, values: &mut [f32]) {
        let ImageShape { height, width, .. } = shape;
        let side = (self.spec.cut_out * height.min(width) as f64).round() as usize;
        if side == 0 {
            return;
        }
        let mut rng = random::stream(key, "augment.cut_out");
        let mut reach = |length: usize| {
            let middle = rng.random_range(0..length as u64) as usize;
            let first = middle.saturating_sub(side / 2);
            first..(middle + side - side / 2).min(length)
        };
        let (rows, columns) = (reach(height), reach(width));
        for channel in values.chunks_mut(height * width) {
            let sum: f64 = channel.iter().map(|x| f64::from(*x)).sum();
            let mean = (sum / (height * width) as f64) as f32;
            for row in rows.clone() {
                channel[row * width..][columns.clone()].fill(mean);
            }
        }
    }
}

/// Where each pixel comes from: mirrored, scaled and rotated about the middle, then moved by (x, y).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Movement {
    x_mirror: f64,
    y_mirror: f64,
    scale: f64,
    sin: f64,
    cos: f64,
    x: f64,
    y: f64,
}

impl Movement {
    const NONE: Self =
        Self { x_mirror: 1.0, y_mirror: 1.0, scale: 1.0, sin: 0.0, cos: 1.0, x: 0.0, y: 0.0 };

    fn resample(&self, image: &[f32], shape: ImageShape, out: &mut Vec<f32>) {
        let ImageShape { height, width, .. } = shape;
        for channel in image.chunks(height * width) {
            for row in 0..height {
                for column in 0..width {
                    let (x, y) = self.source(row, column, shape);
                    out.push(between(channel, (height, width), x, y));
                }
            }
        }
    }

    /// The place in the image, in pixels from the middle of the first one, that a pixel shows.
    fn source(&self, row: usize, column: usize, shape: ImageShape) -> (f64, f64) {
        let (half_width, half_height) = (shape.width as f64 / 2.0, shape.height as f64 / 2.0);
        let x = (column as f64 + 0.5 - half_width) * self.x_mirror * self.scale;
        let y = (row as f64 + 0.5 - half_height) * self.y_mirror * self.scale;
        let turned = (self.cos * x - self.sin * y, self.sin * x + self.cos * y);
        (turned.0 + half_width - 0.5 + self.x, turned.1 + half_height - 0.5 + self.y)
    }
}

/// The value at a place, linearly between the four pixels around it; beyond an edge, the edge's.
fn between(channel: &[f32], (height, width): (usize, usize), x: f64, y: f64) -> f32 {
    let split = |at: f64, length: usize| {
        let at = at.clamp(0.0, (length - 1) as f64);
        let first = at.floor();
        (first as usize, (first as usize + 1).min(length - 1), (at - first) as f32)
    };
    let ((left, right, across), (top, bottom, down)) = (split(x, width), split(y, height));
    let row = |row: usize| {
        let (a, b) = (channel[row * width + left], channel[row * width + right]);
        a + across * (b - a)
    };
    let (above, below) = (row(top), row(bottom));
    above + down * (below - above)
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
