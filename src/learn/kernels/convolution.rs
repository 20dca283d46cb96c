//! Convolutions: each filter's product with every patch of a record, and the gradients of that.
//!
//! Patches are not copied anywhere. A tile of some positions and 16 filters is summed in registers: the
//! numbers of a patch are read where they lie in the record, those of the filters from panels that
//! were packed once. Each number of a result is summed in one order, whatever else is computed.

use super::lanes::{LANES, Lanes, at, count, with_lanes};

/// Most positions of a tile. With 16 filters its sums fill 12 of the 16 registers of AVX2.
const MOST: usize = 6;

/// `count` rounded up to whole lanes: what a position's values take.
pub fn padded(count: usize) -> usize {
    count.next_multiple_of(LANES)
}

/// Where the patches of a record lie: a grid of positions, each with a patch of several runs of
/// numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patches {
    /// Rows of positions.
    pub rows: usize,
    /// Positions of a row.
    pub columns: usize,
    /// Numbers from a position to the one to its right.
    pub step: usize,
    /// Runs of a patch.
    pub runs: usize,
    /// Numbers of a run.
    pub length: usize,
    /// Numbers from a run to the next, and from a position to the one below.
    pub stride: usize,
}

impl Patches {
    /// Numbers of a patch.
    pub fn size(&self) -> usize {
        self.runs * self.length
    }

    /// Numbers that a record has at least.
    fn extent(&self) -> usize {
        if self.rows * self.columns * self.size() == 0 {
            return 0;
        }
        (self.rows + self.runs - 2) * self.stride + (self.columns - 1) * self.step + self.length
    }
}

/// Filters in panels of 16 (the last may be of 8), each number by number, padded with zeros.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filters {
    size: usize,
    panels: Vec<f32>,
    bias: Vec<f32>,
}

impl Filters {
    /// Packs `count` filters of `size` numbers each, in room that is used again. `weight` gives a
    /// number of a filter by the filter's place and its own.
    pub fn pack(&mut self, (count, size): (usize, usize), weight: impl Fn(usize, usize) -> f32) {
        let width = padded(count);
        self.size = size;
        self.panels.clear();
        self.panels.resize(width * size, 0.0);
        self.bias.clear();
        self.bias.resize(width, 0.0);
        for first in (0..count).step_by(2 * LANES) {
            let lanes = (width - first).min(2 * LANES);
            let panel = &mut self.panels[first * size..(first + lanes) * size];
            for filter in first..count.min(first + lanes) {
                let place = filter - first;
                for (k, cells) in panel.chunks_exact_mut(lanes).enumerate() {
                    cells[place] = weight(filter, k);
                }
            }
        }
    }

    /// What is added to each filter's products.
    pub fn set_bias(&mut self, bias: &[f32]) {
        self.bias[..bias.len()].copy_from_slice(bias);
    }

    /// Numbers of a position's results: the filters, padded.
    pub fn width(&self) -> usize {
        self.bias.len()
    }
}

/// How many parts something is done in, as equal as can be: so many, how much each has, and how many of
/// them have one more.
#[inline(always)]
fn parts(columns: usize) -> (usize, usize, usize) {
    let parts = columns.div_ceil(MOST);
    (parts, columns / parts.max(1), columns % parts.max(1))
}

with_lanes! {
    /// Writes bias + filter · patch for each position, row by row, and each filter, padded to
    /// [`Filters::width`].
    pub fn convolve, convolve_by<L>(patches: Patches, record: &[f32], filters: &Filters, out: &mut [f32]) {
        let width = filters.width();
        assert!(record.len() >= patches.extent(), "the record has all patches");
        assert!(out.len() >= patches.rows * patches.columns * width, "every position has a place");
        assert_eq!(filters.size, patches.size(), "filters are as large as patches");
        let (count, least, more) = parts(patches.columns);
        for first in (0..width).step_by(2 * LANES) {
            let panel = filters.panels[first * filters.size..].as_ptr();
            let bias = filters.bias[first..].as_ptr();
            for row in 0..patches.rows {
                let mut column = 0;
                for part in 0..count {
                    let positions = least + usize::from(part < more);
                    // SAFETY: the sizes were checked above; a panel has 8 filters or 16.
                    unsafe {
                        let from = record.as_ptr().add(row * patches.stride + column * patches.step);
                        let to = out.as_mut_ptr().add((row * patches.columns + column) * width + first);
                        let tile = (patches, from, panel, bias, to, width);
                        match (positions, width - first > LANES) {
                            (1, true) => product::<L, 1, 2>(tile),
                            (2, true) => product::<L, 2, 2>(tile),
                            (3, true) => product::<L, 3, 2>(tile),
                            (4, true) => product::<L, 4, 2>(tile),
                            (5, true) => product::<L, 5, 2>(tile),
                            (_, true) => product::<L, 6, 2>(tile),
                            (1, false) => product::<L, 1, 1>(tile),
                            (2, false) => product::<L, 2, 1>(tile),
                            (3, false) => product::<L, 3, 1>(tile),
                            (4, false) => product::<L, 4, 1>(tile),
                            (5, false) => product::<L, 5, 1>(tile),
                            (_, false) => product::<L, 6, 1>(tile),
                        }
                    }
                    column += positions;
                }
            }
        }
    }
}

/// Patches, the first one, a panel, its biases, the first result, and from a result to the next.
type Tile = (Patches, *const f32, *const f32, *const f32, *mut f32, usize);

/// A tile of `P` positions and `V` lanes of filters.
///
/// # Safety
/// All that the tile names is there.
#[inline(always)]
unsafe fn product<L: Lanes, const P: usize, const V: usize>(
    (patches, from, mut panel, bias, to, width): Tile,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[L::splat(0.0); V]; P];
        count!(v < V, {
            let bias = L::load(bias.add(v * LANES));
            count!(p < P, { sums[p][v] = bias });
        });
        count!(run < patches.runs, {
            let start = from.add(run * patches.stride);
            count!(k < patches.length, {
                let mut b = [L::splat(0.0); V];
                count!(v < V, { b[v] = L::load(panel.add(v * LANES)) });
                panel = panel.add(V * LANES);
                count!(p < P, {
                    let a = L::splat(at(start, p * patches.step + k));
                    count!(v < V, { sums[p][v] = sums[p][v].add_product(a, b[v]) });
                });
            });
        });
        count!(p < P, {
            count!(v < V, { sums[p][v].store(to.add(p * width + v * LANES)) });
        });
    }
}

/// Where the gradient of a convolution's results lies: `width` numbers for each position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Numbers of a position, whole lanes.
    pub width: usize,
    /// Numbers from a position to the one below.
    pub stride: usize,
}

with_lanes! {
    /// Adds to `sums` (numbers of a patch × [`Grid::width`]) the gradient of the filters' numbers: for
    /// each of them the sum over positions of the patch's number times the result's gradient.
    pub fn add_filter_gradient, add_filter_gradient_by<L>(
        patches: Patches,
        record: &[f32],
        grid: Grid,
        upstream: &[f32],
        sums: &mut [f32],
    ) {
        let Grid { width, stride } = grid;
        assert!(record.len() >= patches.extent(), "the record has all patches");
        assert!(width % LANES == 0 && sums.len() >= patches.size() * width, "a sum for each number");
        let last = patches.rows.saturating_sub(1) * stride + patches.columns * width;
        assert!(upstream.len() >= last, "every position has a gradient");
        let (count, least, more) = parts(patches.size());
        let mut first = 0;
        while first < width {
            let two = width - first > LANES;
            let mut number = 0;
            for part in 0..count {
                let numbers = least + usize::from(part < more);
                let mut places = [0; MOST];
                for (k, place) in places.iter_mut().enumerate().take(numbers) {
                    let at = number + k;
                    *place = at / patches.length * patches.stride + at % patches.length;
                }
                // SAFETY: the sizes were checked above.
                unsafe {
                    let of = (patches, record.as_ptr(), places);
                    let up = (upstream.as_ptr().add(first), grid);
                    let to = sums.as_mut_ptr().add(number * width + first);
                    match (numbers, two) {
                        (1, true) => outer::<L, 1, 2>(of, up, to),
                        (2, true) => outer::<L, 2, 2>(of, up, to),
                        (3, true) => outer::<L, 3, 2>(of, up, to),
                        (4, true) => outer::<L, 4, 2>(of, up, to),
                        (5, true) => outer::<L, 5, 2>(of, up, to),
                        (_, true) => outer::<L, 6, 2>(of, up, to),
                        (1, false) => outer::<L, 1, 1>(of, up, to),
                        (2, false) => outer::<L, 2, 1>(of, up, to),
                        (3, false) => outer::<L, 3, 1>(of, up, to),
                        (4, false) => outer::<L, 4, 1>(of, up, to),
                        (5, false) => outer::<L, 5, 1>(of, up, to),
                        (_, false) => outer::<L, 6, 1>(of, up, to),
                    }
                }
                number += numbers;
            }
            first += 2 * LANES;
        }
    }
}

/// Adds for `P` numbers of a patch and `V` lanes of filters the products over all positions.
///
/// # Safety
/// All of it is there.
#[inline(always)]
unsafe fn outer<L: Lanes, const P: usize, const V: usize>(
    (patches, record, places): (Patches, *const f32, [usize; MOST]),
    (upstream, Grid { width, stride }): (*const f32, Grid),
    to: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[L::splat(0.0); V]; P];
        count!(p < P, {
            count!(v < V, { sums[p][v] = L::load(to.add(p * width + v * LANES)) });
        });
        count!(row < patches.rows, {
            let mut here = record.add(row * patches.stride);
            let mut up = upstream.add(row * stride);
            count!(_column < patches.columns, {
                let mut b = [L::splat(0.0); V];
                count!(v < V, { b[v] = L::load(up.add(v * LANES)) });
                count!(p < P, {
                    let a = L::splat(at(here, places[p]));
                    count!(v < V, { sums[p][v] = sums[p][v].add_product(a, b[v]) });
                });
                here = here.add(patches.step);
                up = up.add(width);
            });
        });
        count!(p < P, {
            count!(v < V, { sums[p][v].store(to.add(p * width + v * LANES)) });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Plain;
    use super::*;

    fn values(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.37 + seed).sin()).collect()
    }

    fn assert_close(found: &[f32], expected: &[f64], of: &str) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{of}: {found} {expected}");
        }
    }

    /// Both lanes, on tiles of every width, panels of 8 and of 16, filters that fill no panel.
    #[test]
    fn convolutions_and_their_gradients_are_those_of_plain_sums() {
        for (rows, columns, step, runs, length, count) in [
            (1, 1, 1, 1, 1, 1),
            (2, 2, 3, 3, 9, 5),
            (3, 9, 1, 3, 3, 16),
            (1, 13, 7, 1, 21, 24),
            (2, 5, 8, 1, 8, 33),
            (4, 17, 2, 5, 10, 11),
        ] {
            let stride = (columns - 1) * step + length;
            let patches = Patches { rows, columns, step, runs, length, stride };
            let of = format!("{patches:?} {count}");
            let (size, width) = (patches.size(), padded(count));
            let record = values((rows + runs - 1) * stride, 0.1);
            let (weight, bias) = (values(count * size, 0.2), values(count, 0.3));
            let number = |position: usize, k: usize| {
                let start = position / columns * stride + position % columns * step;
                f64::from(record[start + k / length * stride + k % length])
            };
            let mut filters = Filters::default();
            // Room that was used for more.
            filters.pack((count + 9, size), |_, _| 7.0);
            filters.set_bias(&vec![7.0; count + 9]);
            filters.pack((count, size), |filter, k| weight[filter * size + k]);
            filters.set_bias(&bias);
            let upstream = values(rows * columns * width, 0.4);
            let start = values(size * width, 0.5);
            let mut expected = vec![0.0; rows * columns * width];
            let mut gradient: Vec<f64> = start.iter().map(|x| f64::from(*x)).collect();
            for position in 0..rows * columns {
                for filter in 0..count {
                    let products = (0..size)
                        .map(|k| number(position, k) * f64::from(weight[filter * size + k]));
                    let sum = f64::from(bias[filter]) + products.sum::<f64>();
                    expected[position * width + filter] = sum;
                }
                for (k, lane) in (0..size).flat_map(|k| (0..width).map(move |lane| (k, lane))) {
                    let up = f64::from(upstream[position * width + lane]);
                    gradient[k * width + lane] += number(position, k) * up;
                }
            }
            let grid = Grid { width, stride: columns * width };
            for plain in [false, true] {
                let (mut out, mut sums) = (vec![9.0; expected.len()], start.clone());
                if plain {
                    convolve_by::<Plain>(patches, &record, &filters, &mut out);
                    add_filter_gradient_by::<Plain>(patches, &record, grid, &upstream, &mut sums);
                } else {
                    convolve(patches, &record, &filters, &mut out);
                    add_filter_gradient(patches, &record, grid, &upstream, &mut sums);
                }
                assert_close(&out, &expected, &of);
                assert_close(&sums, &gradient, &of);
            }
        }
    }
}
