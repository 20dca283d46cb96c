//! What is taken of windows of positions, and how a gradient goes back to them. A position has whole
//! lanes of values.

use super::lanes::{LANES, count, with_lanes};

/// Windows in a row, each a grid of positions. Strides are in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Windows.
    pub count: usize,
    /// From a window to the next.
    pub step: usize,
    /// Rows of a window.
    pub rows: usize,
    /// From a row to the next.
    pub stride: usize,
    /// Positions of a row, one beside the other.
    pub columns: usize,
}

impl Windows {
    /// Numbers from the first to the last, of positions of `width` numbers.
    fn extent(&self, width: usize) -> usize {
        if self.count * self.rows * self.columns == 0 {
            return 0;
        }
        (self.count - 1) * self.step + (self.rows - 1) * self.stride + self.columns * width
    }

    fn check(&self, width: usize, positions: usize, windows: usize) {
        assert!(width.is_multiple_of(LANES) && windows >= self.count * width, "whole lanes");
        assert!(positions >= self.extent(width), "the windows are there");
    }
}

with_lanes! {
    /// The largest of each window, and which position of it that is, counted row by row; of equal ones
    /// the first. `out` and `places` have `width` numbers for each window.
    pub fn largest, largest_by<L>(
        windows: Windows,
        values: &[f32],
        width: usize,
        out: &mut [f32],
        places: &mut [f32],
    ) {
        windows.check(width, values.len(), out.len().min(places.len()));
        count!(window < windows.count, {
            count!(chunk < width / LANES, {
                let lane = chunk * LANES;
                // SAFETY: the sizes were checked above.
                unsafe {
                    let start = values.as_ptr().add(window * windows.step + lane);
                    let mut most = L::load(start);
                    let mut place = L::splat(0.0);
                    let mut at = 0.0;
                    count!(row < windows.rows, {
                        count!(column < windows.columns, {
                            let value = L::load(start.add(row * windows.stride + column * width));
                            place = value.where_above(most, L::splat(at), place);
                            most = value.where_above(most, value, most);
                            at += 1.0;
                        });
                    });
                    most.store(out.as_mut_ptr().add(window * width + lane));
                    place.store(places.as_mut_ptr().add(window * width + lane));
                }
            });
        });
    }
}

with_lanes! {
    /// The mean of each window; `out` has `width` numbers for each.
    pub fn mean, mean_by<L>(windows: Windows, values: &[f32], width: usize, out: &mut [f32]) {
        windows.check(width, values.len(), out.len());
        let share = L::splat(1.0 / (windows.rows * windows.columns) as f32);
        count!(window < windows.count, {
            count!(chunk < width / LANES, {
                let lane = chunk * LANES;
                // SAFETY: the sizes were checked above.
                unsafe {
                    let start = values.as_ptr().add(window * windows.step + lane);
                    let mut sum = L::splat(0.0);
                    count!(row < windows.rows, {
                        count!(column < windows.columns, {
                            let value = L::load(start.add(row * windows.stride + column * width));
                            sum = sum.add_product(value, share);
                        });
                    });
                    sum.store(out.as_mut_ptr().add(window * width + lane));
                }
            });
        });
    }
}

with_lanes! {
    /// The way back of [`largest`]: writes each window's gradient where its largest was, and 0 beside.
    pub fn to_largest, to_largest_by<L>(
        windows: Windows,
        upstream: &[f32],
        places: &[f32],
        width: usize,
        to: &mut [f32],
    ) {
        windows.check(width, to.len(), upstream.len().min(places.len()));
        let none = L::splat(0.0);
        count!(window < windows.count, {
            count!(chunk < width / LANES, {
                let lane = chunk * LANES;
                // SAFETY: the sizes were checked above.
                unsafe {
                    let of = window * width + lane;
                    let (gradient, place) =
                        (L::load(upstream.as_ptr().add(of)), L::load(places.as_ptr().add(of)));
                    let start = to.as_mut_ptr().add(window * windows.step + lane);
                    let mut at = 0.0;
                    count!(row < windows.rows, {
                        count!(column < windows.columns, {
                            place
                                .where_equal(L::splat(at), gradient, none)
                                .store(start.add(row * windows.stride + column * width));
                            at += 1.0;
                        });
                    });
                }
            });
        });
    }
}

with_lanes! {
    /// The way back of [`mean`]: writes to each position its share of the window's gradient.
    pub fn to_all, to_all_by<L>(windows: Windows, upstream: &[f32], width: usize, to: &mut [f32]) {
        windows.check(width, to.len(), upstream.len());
        let share = L::splat(1.0 / (windows.rows * windows.columns) as f32);
        count!(window < windows.count, {
            count!(chunk < width / LANES, {
                let lane = chunk * LANES;
                // SAFETY: the sizes were checked above.
                unsafe {
                    let gradient = L::load(upstream.as_ptr().add(window * width + lane));
                    let gradient = L::splat(0.0).add_product(gradient, share);
                    let start = to.as_mut_ptr().add(window * windows.step + lane);
                    count!(row < windows.rows, {
                        count!(column < windows.columns, {
                            gradient.store(start.add(row * windows.stride + column * width));
                        });
                    });
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Plain;
    use super::*;

    const WIDTH: usize = 16;

    fn values(count: usize) -> Vec<f32> {
        // Few different ones, so that some are equal.
        (0..count).map(|i| ((i as f32 * 1.7).sin() * 3.0).round()).collect()
    }

    /// Both lanes against plain loops, forward and back.
    #[test]
    fn windows_are_reduced_and_filled() {
        let stride = 7 * WIDTH;
        let windows = Windows { count: 3, step: 2 * WIDTH, rows: 2, stride, columns: 2 };
        let of = values(2 * stride);
        let at = |window: usize, place: usize| {
            window * windows.step + place / 2 * stride + place % 2 * WIDTH
        };
        let (mut out, mut places) = (vec![0.0; 3 * WIDTH], vec![0.0; 3 * WIDTH]);
        for plain in [false, true] {
            let upstream = values(3 * WIDTH);
            let (mut means, mut back, mut shares) =
                (vec![0.0; 3 * WIDTH], vec![9.0; 2 * stride], vec![9.0; 2 * stride]);
            if plain {
                largest_by::<Plain>(windows, &of, WIDTH, &mut out, &mut places);
                mean_by::<Plain>(windows, &of, WIDTH, &mut means);
                to_largest_by::<Plain>(windows, &upstream, &places, WIDTH, &mut back);
                to_all_by::<Plain>(windows, &upstream, WIDTH, &mut shares);
            } else {
                largest(windows, &of, WIDTH, &mut out, &mut places);
                mean(windows, &of, WIDTH, &mut means);
                to_largest(windows, &upstream, &places, WIDTH, &mut back);
                to_all(windows, &upstream, WIDTH, &mut shares);
            }
            let mut untouched = vec![true; 2 * stride];
            for (window, lane) in (0..3).flat_map(|w| (0..WIDTH).map(move |lane| (w, lane))) {
                let of = |place: usize| of[at(window, place) + lane];
                let most = (0..4).map(of).fold(f32::NEG_INFINITY, f32::max);
                let first = (0..4).position(|place| of(place) == most).unwrap();
                let i = window * WIDTH + lane;
                assert_eq!((out[i], places[i]), (most, first as f32));
                assert_eq!(means[i], (0..4).map(of).sum::<f32>() / 4.0);
                for place in 0..4 {
                    let to = at(window, place) + lane;
                    untouched[to] = false;
                    assert_eq!(back[to], if place == first { upstream[i] } else { 0.0 });
                    assert_eq!(shares[to], upstream[i] / 4.0);
                }
            }
            for to in (0..2 * stride).filter(|to| untouched[*to]) {
                assert_eq!((back[to], shares[to]), (9.0, 9.0));
            }
        }
    }
}
