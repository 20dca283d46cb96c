//! Sums over groups of rows of a table, each computed when it is first asked for and kept from then on.

use std::fmt;
use std::sync::OnceLock;

use crate::learn::kernels;
use crate::learn::rows::Group;

/// Groups that are kept at most: those with the smallest keys.
const MOST_GROUPS: usize = 1 << 16;
/// Numbers that are kept at most.
const MOST_NUMBERS: usize = 1 << 22;

/// A sum, once it is known.
type Place = OnceLock<Box<[f32]>>;

/// The sums over the groups of a table whose rows stay as they are. They change nothing but the time that
/// a record takes.
#[derive(Default)]
pub struct GroupSums(OnceLock<Box<[Place]>>);

impl GroupSums {
    /// Adds to `out` `scale` times the weighted sum of a group's rows of `table`. The same bits whether
    /// it was kept or not.
    pub(super) fn add(&self, table: &[f32], group: &Group<'_>, scale: f32, out: &mut [f32]) {
        let dimension = out.len();
        let most = || MOST_GROUPS.min(MOST_NUMBERS / dimension.max(1));
        let places = || std::iter::repeat_with(OnceLock::new).take(most()).collect();
        match self.0.get_or_init(places).get(group.key as usize) {
            Some(place) => {
                kernels::axpy(scale, place.get_or_init(|| sum(table, group, dimension)), out);
            }
            None => kernels::axpy(scale, &sum(table, group, dimension), out),
        }
    }
}

/// The weighted sum of a group's rows of a table.
pub(super) fn sum(table: &[f32], group: &Group<'_>, dimension: usize) -> Box<[f32]> {
    let mut sum = vec![0.0; dimension];
    kernels::pool(table, group.ids, group.weights, 1.0, &mut sum);
    sum.into()
}

impl Clone for GroupSums {
    /// A copy begins anew: it may come to stand beside other rows.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for GroupSums {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for GroupSums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupSums")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::rows::NO_ROW;

    #[test]
    fn kept_or_not_it_is_the_same_sum() {
        let table: Vec<f32> = (0..30).map(|i| (i as f32).sin()).collect();
        let weights = [0.3, 1.7, 0.9];
        let group = |key| Group { key, ids: &[4, 0, 9], weights: &weights };
        let sums = GroupSums::default();
        let added = |key| {
            let mut out = [0.25; 3];
            sums.add(&table, &group(key), 0.7, &mut out);
            out
        };
        let expected = added(NO_ROW);
        let plain = |column: usize| -> f32 {
            let rows = [4, 0, 9].iter().zip(weights);
            rows.map(|(row, weight)| weight * table[row * 3 + column]).sum::<f32>() * 0.7 + 0.25
        };
        for (column, found) in expected.iter().enumerate() {
            assert!((found - plain(column)).abs() < 1e-6);
        }
        for key in [0, 1, 0, MOST_GROUPS as u32] {
            assert_eq!(added(key), expected);
        }
    }
}
