//! Images that show several shapes at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Generator;
use super::points::Draws;
use crate::data::{Cell, DataError, Sink};
use crate::problem::FieldError;
use crate::random::{self, Rng};

/// Values (pixels times channels) that the images of a dataset hold at most.
const MAX_VALUES: u64 = 64_000_000;

/// Kinds of shape, sorted by name.
const KINDS: [(&str, Covers); 4] = [
    ("circle", |x, y| x.hypot(y) <= 1.0),
    ("cross", |x, y| x.abs().max(y.abs()) <= 1.0 && x.abs().min(y.abs()) <= 1.0 / 3.0),
    ("square", |x, y| x.abs().max(y.abs()) <= 0.9),
    // Point up: as wide as high.
    ("triangle", |x, y| y <= 1.0 && 2.0 * x.abs() <= y + 1.0),
];

/// Whether a shape of half extent 1 around (0, 0) covers a point; y grows downwards.
type Covers = fn(f64, f64) -> bool;

/// Points a pixel is judged by in each direction, for smooth edges.
const SAMPLES: usize = 4;
/// Half extent of a shape, as a share of the image.
const EXTENT: (f64, f64) = (0.12, 0.22);
/// No shape is smaller than this many pixels, half.
const LEAST_EXTENT: f64 = 3.0;
/// Layouts that are tried before shapes are put into quarters of the image.
const LAYOUTS: usize = 100;
/// By how much a shape differs from the background, in one channel at least (black 0, white 1).
const LEAST_CONTRAST: f64 = 0.35;

/// Settings of the images. Each holds 1 to `max_shapes` shapes of different kinds (circle, cross,
/// square, triangle), each kind as likely as the others, on a plain background; number, place, size
/// (half extent 12 to 22 % of the image, at least 3 pixels) and colours are drawn uniformly. Shapes
/// never overlap, and each differs from the background by at least 0.35 in some channel (black 0,
/// white 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ShapesSpec {
    /// Images: records. All together may have 64 million values (width × height × channels).
    #[schema(minimum = 1, maximum = 100_000)]
    pub images: usize,
    /// Width and height in pixels.
    #[schema(minimum = 16, maximum = 128)]
    pub size: usize,
    /// 1 for grey, 3 for colour.
    #[schema(minimum = 1, maximum = 3)]
    pub channels: usize,
    /// Shapes that an image shows at most.
    #[schema(minimum = 1, maximum = 4)]
    pub max_shapes: usize,
    /// Standard deviation of the normal noise that is added to every value of a pixel (black 0,
    /// white 1), before it is cut to this range.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub noise: f64,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Default for ShapesSpec {
    fn default() -> Self {
        Self { images: 1_000, size: 32, channels: 1, max_shapes: 3, noise: 0.05, seed: 1 }
    }
}

impl Generator for ShapesSpec {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if ![1, 3].contains(&self.channels) {
            let message = format!("{} channels are not known", self.channels);
            faults.push(FieldError::new("channels", message).hint("1 for grey, 3 for colour"));
        }
        let each = (self.size * self.size * self.channels) as u64;
        let values = self.images as u64 * each;
        if values > MAX_VALUES {
            let message = format!("have {values} values; at most {MAX_VALUES} are generated");
            let hint = format!("use at most {} images of this size", MAX_VALUES / each);
            faults.push(FieldError::new("images", message).hint(hint));
        }
        faults
    }

    fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError> {
        sink.columns(&["image".to_owned(), "labels".to_owned()])?;
        let mut rng = random::stream(self.seed, "generator.shapes");
        for _ in 0..self.images {
            let shapes = self.draw(&mut rng);
            let pixels = self.paint(&shapes, &mut rng);
            let png = self.encode(&pixels)?;
            let mut labels: Vec<&str> = shapes.iter().map(|shape| KINDS[shape.kind].0).collect();
            labels.sort_unstable();
            let labels = labels.into_iter().map(str::to_owned).collect();
            sink.record(&[Cell::Text(STANDARD.encode(png)), Cell::List(labels)])?;
        }
        Ok(())
    }
}

/// A shape in pixels.
#[derive(Debug, Clone, PartialEq)]
struct Shape {
    /// Position in [`KINDS`].
    kind: usize,
    x: f64,
    y: f64,
    /// Half of its width and height.
    extent: f64,
}

impl Shape {
    fn is_apart_from(&self, other: &Shape) -> bool {
        let gap = self.extent + other.extent;
        (self.x - other.x).abs() >= gap || (self.y - other.y).abs() >= gap
    }
}

impl ShapesSpec {
    /// The shapes of an image, apart from one another.
    fn draw(&self, rng: Draws<'_>) -> Vec<Shape> {
        let size = self.size as f64;
        let count = rng.random_range(1..=self.max_shapes as u64) as usize;
        let mut kinds: [usize; KINDS.len()] = std::array::from_fn(|kind| kind);
        for i in 0..count {
            let other = rng.random_range(i as u64..KINDS.len() as u64) as usize;
            kinds.swap(i, other);
        }
        let least = (EXTENT.0 * size).max(LEAST_EXTENT);
        let mut shapes: Vec<Shape> = kinds[..count]
            .iter()
            .map(|&kind| {
                let extent = rng.random_range(least..EXTENT.1 * size);
                Shape { kind, x: 0.0, y: 0.0, extent }
            })
            .collect();
        for _ in 0..LAYOUTS {
            for shape in &mut shapes {
                shape.x = rng.random_range(shape.extent..size - shape.extent);
                shape.y = rng.random_range(shape.extent..size - shape.extent);
            }
            let apart = |(i, shape): (usize, &Shape)| {
                shapes[..i].iter().all(|other| shape.is_apart_from(other))
            };
            if shapes.iter().enumerate().all(apart) {
                return shapes;
            }
        }
        // A shape is less than half an image wide, so that each fits into a quarter.
        let half = size / 2.0;
        for (quarter, shape) in shapes.iter_mut().enumerate() {
            let (left, top) = ((quarter % 2) as f64 * half, (quarter / 2) as f64 * half);
            shape.x = left + rng.random_range(shape.extent..half - shape.extent);
            shape.y = top + rng.random_range(shape.extent..half - shape.extent);
        }
        shapes
    }

    /// The values of an image, row by row, the channels of a pixel side by side.
    fn paint(&self, shapes: &[Shape], rng: Draws<'_>) -> Vec<u8> {
        let channels = self.channels;
        let background = colour(channels, rng);
        let mut values = background.repeat(self.size * self.size);
        for shape in shapes {
            let ink = loop {
                let ink = colour(channels, rng);
                let contrast = ink.iter().zip(&background).map(|(a, b)| (a - b).abs());
                if contrast.fold(0.0, f64::max) >= LEAST_CONTRAST {
                    break ink;
                }
            };
            let covers = KINDS[shape.kind].1;
            let reach = |center: f64| {
                let first = (center - shape.extent).floor().max(0.0) as usize;
                first..((center + shape.extent).ceil() as usize).min(self.size)
            };
            for row in reach(shape.y) {
                for column in reach(shape.x) {
                    let inside = (0..SAMPLES * SAMPLES).filter(|sample| {
                        let place = |pixel: usize, part: usize, center: f64| {
                            let at = pixel as f64 + (part as f64 + 0.5) / SAMPLES as f64;
                            (at - center) / shape.extent
                        };
                        let x = place(column, sample % SAMPLES, shape.x);
                        covers(x, place(row, sample / SAMPLES, shape.y))
                    });
                    let share = inside.count() as f64 / (SAMPLES * SAMPLES) as f64;
                    let first = (row * self.size + column) * channels;
                    for (value, ink) in values[first..first + channels].iter_mut().zip(&ink) {
                        *value += share * (ink - *value);
                    }
                }
            }
        }
        let byte = |value: f64| {
            let noise = if self.noise > 0.0 { self.noise * random::normal(rng) } else { 0.0 };
            ((value + noise).clamp(0.0, 1.0) * 255.0).round() as u8
        };
        values.into_iter().map(byte).collect()
    }

    fn encode(&self, values: &[u8]) -> Result<Vec<u8>, DataError> {
        let mut file = Vec::new();
        let side = self.size as u32;
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(if self.channels == 1 {
            png::ColorType::Grayscale
        } else {
            png::ColorType::Rgb
        });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(values)?;
            writer.finish()
        });
        written.map_err(std::io::Error::from)?;
        Ok(file)
    }
}

/// A colour, each channel uniform in \[0, 1).
fn colour(channels: usize, rng: Draws<'_>) -> Vec<f64> {
    (0..channels).map(|_| rng.random()).collect()
}

#[cfg(test)]
#[path = "shapes_tests.rs"]
mod tests;
