//! Resizing row by row, so that a large image never lies in memory as floating point.

use super::ImageSize;

/// Where a new pixel lies among the old ones along one side: the first that it covers, and their
/// weights, which sum to 1.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// A triangle as wide as two new pixels when shrinking, and as two old ones (bilinear) when growing.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let radius = scale.max(1.0);
    let tap = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let first = (centre - radius).floor().max(0.0) as usize;
        let last = ((centre + radius).ceil() as usize).min(from);
        let weight = |old: usize| (1.0 - (old as f64 + 0.5 - centre).abs() / radius).max(0.0);
        let mut weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Taps { first, weights }
    };
    (0..to).map(tap).collect()
}

/// Takes the rows of an image from top to bottom and gives the resized one.
pub struct Resizer {
    size: ImageSize,
    across: Vec<Taps>,
    down: Vec<Taps>,
    /// The next row that comes.
    row: usize,
    /// The first new row that is not complete.
    open: usize,
    /// The row that came, resized across; its channels beside one another.
    resized: Vec<f64>,
    sums: Vec<f64>,
}

impl Resizer {
    /// From `height` × `width` to `size`; every side at least 1.
    pub fn new(height: u32, width: u32, size: &ImageSize) -> Self {
        Self {
            size: *size,
            across: taps(width as usize, size.width as usize),
            down: taps(height as usize, size.height as usize),
            row: 0,
            open: 0,
            resized: vec![0.0; size.channels as usize * size.width as usize],
            sums: vec![0.0; size.values()],
        }
    }

    /// The next row: width × channels, the channels of a pixel together.
    pub fn push(&mut self, row: &[f32]) {
        let channels = self.size.channels as usize;
        let width = self.across.len();
        for (place, tap) in self.across.iter().enumerate() {
            for channel in 0..channels {
                let old = row[tap.first * channels + channel..].iter().step_by(channels);
                let sum = old.zip(&tap.weights).map(|(old, weight)| f64::from(*old) * weight).sum();
                self.resized[channel * width + place] = sum;
            }
        }
        let end = |tap: &Taps| tap.first + tap.weights.len();
        while self.down.get(self.open).is_some_and(|tap| end(tap) <= self.row) {
            self.open += 1;
        }
        for (place, tap) in self.down.iter().enumerate().skip(self.open) {
            let Some(offset) = self.row.checked_sub(tap.first) else { break };
            let Some(weight) = tap.weights.get(offset) else { continue };
            for channel in 0..channels {
                let start = (channel * self.down.len() + place) * width;
                let sums = &mut self.sums[start..start + width];
                let new = &self.resized[channel * width..(channel + 1) * width];
                sums.iter_mut().zip(new).for_each(|(sum, new)| *sum += weight * new);
            }
        }
        self.row += 1;
    }

    /// The resized image, channels × height × width, in \[0, 1\].
    pub fn finish(self) -> Vec<f32> {
        self.sums.into_iter().map(|sum| sum.clamp(0.0, 1.0) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resize(rows: &[Vec<f32>], size: ImageSize) -> Vec<f32> {
        let width = rows[0].len() / size.channels as usize;
        let mut resizer = Resizer::new(rows.len() as u32, width as u32, &size);
        rows.iter().for_each(|row| resizer.push(row));
        resizer.finish()
    }

    fn size(channels: u32, height: u32, width: u32) -> ImageSize {
        ImageSize { channels, height, width }
    }

    #[test]
    fn the_same_size_changes_nothing_but_the_layout() {
        let rows = [vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6], vec![0.7, 0.8, 0.9, 1.0, 0.0, 0.25]];
        let planes = [0.1, 0.4, 0.7, 1.0, 0.2, 0.5, 0.8, 0.0, 0.3, 0.6, 0.9, 0.25];
        assert_eq!(resize(&rows, size(3, 2, 2)), planes);
    }

    /// As Pillow's `resize` with `BILINEAR` gives it.
    #[test]
    fn known_values() {
        assert_eq!(resize(&[vec![0.0, 1.0]], size(1, 1, 4)), [0.0, 0.25, 0.75, 1.0]);
        let shrunk = resize(&[vec![0.0, 0.0, 1.0, 1.0]], size(1, 1, 2));
        assert!((shrunk[0] - 1.0 / 7.0).abs() < 1e-6 && (shrunk[1] - 6.0 / 7.0).abs() < 1e-6);
    }

    proptest! {
        /// A constant image stays constant, no value leaves the range of the old ones, and the
        /// rows turned into columns give the same image turned.
        #[test]
        fn it_averages(
            height in 1usize..12, width in 1usize..12, to_height in 1u32..9, to_width in 1u32..9,
            values in proptest::collection::vec(0.0f32..=1.0, 144),
        ) {
            let rows: Vec<Vec<f32>> = (0..height).map(|y| values[y * width..(y + 1) * width].to_vec()).collect();
            let flat = vec![vec![values[0]; width]; height];
            let to = size(1, to_height, to_width);
            prop_assert!(resize(&flat, to).iter().all(|new| (new - values[0]).abs() < 1e-6));
            let new = resize(&rows, to);
            let old = rows.as_slice().concat();
            let (min, max) = old.iter().fold((1.0f32, 0.0f32), |(a, b), v| (a.min(*v), b.max(*v)));
            prop_assert!(new.iter().all(|v| (min - 1e-6..=max + 1e-6).contains(v)));
            let turned: Vec<Vec<f32>> =
                (0..width).map(|x| rows.iter().map(|row| row[x]).collect()).collect();
            let turned = resize(&turned, size(1, to_width, to_height));
            for y in 0..to_height as usize {
                for x in 0..to_width as usize {
                    let there = turned[x * to_height as usize + y];
                    prop_assert!((new[y * to_width as usize + x] - there).abs() < 1e-6);
                }
            }
        }
    }
}
