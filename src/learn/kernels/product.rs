//! Products of matrices, of the sizes that small networks have: packed into panels, then tile by tile
//! in registers (Goto and van de Geijn 2008).
//!
//! Each number of the result is summed in one order, whatever the sizes of the parts and whoever
//! computes them. With FMA a product and its sum are rounded once, so that processors with and without
//! it differ in the last digit.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::lanes::{Fused, has_fused};
use super::lanes::{LANES, Lanes, Plain, at, count};

/// Rows of a tile. With [`COLUMNS`], the tile's sums fill 12 of the 16 registers of AVX2.
const ROWS: usize = 6;
/// Columns of a tile.
const COLUMNS: usize = 16;
/// Depth of what is packed at once: a panel of the right matrix, 16 KiB, stays in the nearest cache.
const DEPTH: usize = 256;
/// Rows of the left matrix that are packed at once.
const PACKED_ROWS: usize = 16 * ROWS;

/// A matrix, row by row or, transposed, column by column.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// Numbers from one row to the next, and from one column to the next.
    strides: (usize, usize),
}

impl<'a> Matrix<'a> {
    /// Of rows of `columns` numbers each.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        let rows = values.len() / columns.max(1);
        Self { values, rows, columns, strides: (columns, 1) }
    }

    /// Its rows.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Its columns.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// The same with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        let (rows, columns) = (self.columns, self.rows);
        Self { rows, columns, strides: (self.strides.1, self.strides.0), ..self }
    }
}

/// Room that products use again.
#[derive(Default)]
pub struct Packed {
    left: Vec<f32>,
    right: Vec<f32>,
}

/// The product of a panel of rows and a panel of columns.
type Tile = fn(&[f32], &[f32]) -> [[f32; COLUMNS]; ROWS];

/// c ← c + a · b, with `c` row by row; the sizes fit.
pub fn add_product(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], packed: &mut Packed) {
    product(best_tile(), (a, b), c, packed);
}

/// The tile of this processor.
fn best_tile() -> Tile {
    #[cfg(target_arch = "x86_64")]
    if has_fused() {
        // SAFETY: the processor has both, as was just asked.
        return |left, right| unsafe { fused_tile(left, right) };
    }
    portable_tile
}

fn product(
    tile: Tile,
    (a, b): (Matrix<'_>, Matrix<'_>),
    c: &mut [f32],
    Packed { left, right }: &mut Packed,
) {
    for start in (0..a.columns).step_by(DEPTH) {
        let depth = start..a.columns.min(start + DEPTH);
        pack::<COLUMNS>(b.transposed(), 0..b.columns, depth.clone(), right);
        for top in (0..a.rows).step_by(PACKED_ROWS) {
            let rows = top..a.rows.min(top + PACKED_ROWS);
            pack::<ROWS>(a, rows.clone(), depth.clone(), left);
            for (from, right) in
                (0..b.columns).step_by(COLUMNS).zip(right.chunks_exact(COLUMNS * depth.len()))
            {
                let columns = from..b.columns.min(from + COLUMNS);
                for (row, left) in
                    rows.clone().step_by(ROWS).zip(left.chunks_exact(ROWS * depth.len()))
                {
                    let sums = tile(left, right);
                    for (row, sums) in (row..rows.end).zip(&sums) {
                        let start = row * b.columns;
                        let c = &mut c[start + columns.start..start + columns.end];
                        for (c, sum) in c.iter_mut().zip(sums) {
                            *c += sum;
                        }
                    }
                }
            }
        }
    }
}

/// Copies rows of a matrix into panels of `WIDTH` rows, each column by column, padded with zeros.
#[inline(always)]
fn pack<const WIDTH: usize>(
    matrix: Matrix<'_>,
    rows: Range<usize>,
    columns: Range<usize>,
    packed: &mut Vec<f32>,
) {
    let (down, right) = matrix.strides;
    packed.clear();
    packed.resize(rows.len().div_ceil(WIDTH) * WIDTH * columns.len(), 0.0);
    for (panel, top) in
        packed.chunks_exact_mut(WIDTH * columns.len()).zip(rows.clone().step_by(WIDTH))
    {
        let count = WIDTH.min(rows.end - top);
        let (panel, _) = panel.as_chunks_mut::<WIDTH>();
        if down == 1 {
            for (cells, column) in panel.iter_mut().zip(columns.clone()) {
                let start = column * right + top;
                cells[..count].copy_from_slice(&matrix.values[start..start + count]);
            }
        } else {
            for place in 0..count {
                let start = (top + place) * down + columns.start * right;
                let row = matrix.values[start..].iter().step_by(right);
                panel.iter_mut().zip(row).for_each(|(cells, value)| cells[place] = *value);
            }
        }
    }
}

/// A tile by these lanes.
#[inline(always)]
fn tile_by<L: Lanes>(left: &[f32], right: &[f32]) -> [[f32; COLUMNS]; ROWS] {
    let depth = (left.len() / ROWS).min(right.len() / COLUMNS);
    let mut out = [[0.0; COLUMNS]; ROWS];
    // SAFETY: both panels have `depth` times what a step reads; a row of sums is two times 8.
    unsafe {
        let (left, right) = (left.as_ptr(), right.as_ptr());
        let mut sums = [[L::splat(0.0); 2]; ROWS];
        count!(k < depth, {
            let b = right.add(k * COLUMNS);
            let b = [L::load(b), L::load(b.add(LANES))];
            count!(row < ROWS, {
                let a = L::splat(at(left, k * ROWS + row));
                sums[row][0] = sums[row][0].add_product(a, b[0]);
                sums[row][1] = sums[row][1].add_product(a, b[1]);
            });
        });
        count!(row < ROWS, {
            sums[row][0].store(out[row].as_mut_ptr());
            sums[row][1].store(out[row].as_mut_ptr().add(LANES));
        });
    }
    out
}

fn portable_tile(left: &[f32], right: &[f32]) -> [[f32; COLUMNS]; ROWS] {
    tile_by::<Plain>(left, right)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fused_tile(left: &[f32], right: &[f32]) -> [[f32; COLUMNS]; ROWS] {
    tile_by::<Fused>(left, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.37 + seed).sin()).collect()
    }

    /// Every kind of edge: less than a tile, a tile and a bit, deeper than what is packed at once.
    #[test]
    fn products_are_those_of_plain_sums_with_and_without_fma() {
        for (m, n, k) in
            [(1, 1, 1), (6, 16, 8), (7, 17, 3), (13, 5, 300), (100, 33, 2), (3, 40, 513)]
        {
            let (a, b, c) = (values(m * k, 0.1), values(k * n, 0.2), values(m * n, 0.3));
            let expected: Vec<f64> = (0..m * n)
                .map(|at| {
                    let (i, j) = (at / n, at % n);
                    let term = |p: usize| f64::from(a[i * k + p]) * f64::from(b[p * n + j]);
                    f64::from(c[at]) + (0..k).map(term).sum::<f64>()
                })
                .collect();
            let across = |values: &[f32], columns: usize| {
                let rows = values.len() / columns;
                (0..columns * rows).map(|at| values[at % rows * columns + at / rows]).collect()
            };
            let (a_down, b_down): (Vec<f32>, Vec<f32>) = (across(&a, k), across(&b, n));
            let plain = (Matrix::new(&a, k), Matrix::new(&b, n));
            let turned =
                (Matrix::new(&a_down, m).transposed(), Matrix::new(&b_down, k).transposed());
            let mut found = Vec::new();
            for (a, b) in [plain, turned, (plain.0, turned.1), (turned.0, plain.1)] {
                for portable in [false, true] {
                    let (mut sums, mut packed) = (c.clone(), Packed::default());
                    let tile = if portable { portable_tile } else { best_tile() };
                    product(tile, (a, b), &mut sums, &mut packed);
                    for (found, expected) in sums.iter().zip(&expected) {
                        let error = (f64::from(*found) - expected).abs();
                        assert!(error < 1e-5 * (1.0 + k as f64 / 8.0), "{m} {n} {k}: {error}");
                    }
                    found.push((portable, sums));
                }
            }
            // How a matrix lies in memory changes nothing.
            for portable in [false, true] {
                let mut of = found.iter().filter(|(of, _)| *of == portable).map(|(_, sums)| sums);
                let first = of.next();
                assert!(of.all(|sums| Some(sums) == first), "{m} {n} {k}");
            }
        }
    }
}
