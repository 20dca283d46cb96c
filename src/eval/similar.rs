//! Groups of records that are alike: what the uncovered part of a batch is about.

use rayon::prelude::*;

use super::Matrix;
use super::prototypes::{dot, nearest, unit};
use crate::random::{self, Rng};

/// Groups at most.
pub const MAX_GROUPS: usize = 10;
/// Records that are clustered at most; a seeded sample beyond that, to which the others are added.
const MAX_SAMPLE: usize = 8_192;
/// Starts, of which the best counts.
const STARTS: u64 = 4;
const ITERATIONS: usize = 20;

/// Records that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Positions and their cosine to the group's centre, the closest first.
    pub members: Vec<(usize, f64)>,
}

/// Records by likeness.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups {
    /// The largest first.
    pub groups: Vec<Group>,
    /// Positions of zero vectors, which are like nothing.
    pub ungrouped: Vec<usize>,
}

/// Groups vectors by cosine: spherical k-means (Dhillon and Modha 2001) from k-means++ starts (Arthur and
/// Vassilvitskii 2007), with √(n/2) groups rounded up, at most `most` and [`MAX_GROUPS`]. A group that lost
/// its last member is left out.
pub fn similar_groups(vectors: &Matrix, most: usize, seed: u64) -> Groups {
    let mut places = Vec::new();
    let mut ungrouped = Vec::new();
    let mut units = Matrix::new(vectors.columns());
    for (place, row) in vectors.rows().enumerate() {
        match unit(row) {
            Some(unit) => {
                places.push(place);
                units.push(&unit);
            }
            None => ungrouped.push(place),
        }
    }
    let wanted = (units.len() as f64 / 2.0).sqrt().ceil() as usize;
    let wanted = wanted.min(most).min(MAX_GROUPS);
    if wanted == 0 {
        return Groups { groups: Vec::new(), ungrouped };
    }
    let centres = centres(&units, wanted, seed);
    let mut groups = vec![Group { members: Vec::new() }; centres.len()];
    for (place, (group, cosine)) in places.into_iter().zip(assign(&centres, &units)) {
        groups[group].members.push((place, f64::from(cosine).clamp(-1.0, 1.0)));
    }
    groups.retain(|group| !group.members.is_empty());
    for group in &mut groups {
        group.members.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    }
    groups.sort_by(|a, b| {
        b.members.len().cmp(&a.members.len()).then(a.members[0].0.cmp(&b.members[0].0))
    });
    Groups { groups, ungrouped }
}

/// Centres of at most `wanted` clusters of vectors of length 1: the best of several starts.
pub(super) fn centres(units: &Matrix, wanted: usize, seed: u64) -> Matrix {
    let sample = sample(units, seed);
    let fits = (0..STARTS).map(|start| fit(&sample, wanted, seed.wrapping_add(start)));
    // The first of equals.
    let best = fits.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or_else(|| Matrix::new(units.columns()), |(centres, _)| centres)
}

fn sample(units: &Matrix, seed: u64) -> Matrix {
    if units.len() <= MAX_SAMPLE {
        return units.clone();
    }
    let mut order: Vec<usize> = (0..units.len()).collect();
    random::shuffle(&mut order, &mut random::stream(seed, "similar.sample"));
    let mut sample = Matrix::new(units.columns());
    order[..MAX_SAMPLE].iter().for_each(|&record| sample.push(units.row(record)));
    sample
}

/// The group of each vector and its cosine to the centre.
pub(super) fn assign(centres: &Matrix, units: &Matrix) -> Vec<(usize, f32)> {
    let of = |record| nearest(centres, units.row(record)).unwrap_or((0, 0.0));
    (0..units.len()).into_par_iter().map(of).collect()
}

/// Centres from one start, and the sum of all cosines to them.
fn fit(units: &Matrix, wanted: usize, seed: u64) -> (Matrix, f64) {
    let mut centres = starts(units, wanted, seed);
    let columns = units.columns();
    let mut groups = assign(&centres, units);
    for _ in 0..ITERATIONS {
        // In the order of records, so that the sums do not depend on threads.
        let mut sums = vec![0.0f32; centres.values().len()];
        for (row, &(group, _)) in units.rows().zip(&groups) {
            let sum = &mut sums[group * columns..(group + 1) * columns];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let mut next = Matrix::new(columns);
        for (sum, old) in sums.chunks_exact(columns.max(1)).zip(centres.rows()) {
            match unit(sum) {
                Some(centre) => next.push(&centre),
                None => next.push(old),
            }
        }
        centres = next;
        let again = assign(&centres, units);
        let settled = again.iter().zip(&groups).all(|(a, b)| a.0 == b.0);
        groups = again;
        if settled {
            break;
        }
    }
    let sum = groups.iter().map(|(_, cosine)| f64::from(*cosine)).sum();
    (centres, sum)
}

/// Vectors drawn one after the other, each as likely as it is far from those drawn before (1 − cosine, half
/// the squared distance of unit vectors); fewer where no others are left.
fn starts(units: &Matrix, wanted: usize, seed: u64) -> Matrix {
    let mut rng = random::stream(seed, "similar.starts");
    let mut centres = Matrix::new(units.columns());
    let mut record = (rng.random::<f64>() * units.len() as f64) as usize;
    let mut distances = vec![f64::INFINITY; units.len()];
    loop {
        let centre = units.row(record.min(units.len() - 1)).to_vec();
        centres.push(&centre);
        if centres.len() == wanted {
            return centres;
        }
        for (distance, row) in distances.iter_mut().zip(units.rows()) {
            let apart = 1.0 - f64::from(dot(&centre, row));
            // Below this, rounding alone tells them apart.
            *distance = distance.min(if apart < 1e-6 { 0.0 } else { apart });
        }
        let total: f64 = distances.iter().sum();
        if total == 0.0 {
            return centres;
        }
        let mut rest = rng.random::<f64>() * total;
        let reached = |distance: &f64| {
            rest -= distance;
            rest < 0.0
        };
        // Rounding may leave a rest beyond the last.
        let far = distances.iter().position(reached);
        record = far.or_else(|| distances.iter().rposition(|d| *d > 0.0)).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors around the axes in turn, the i-th of which has the most.
    fn vectors(counts: &[usize]) -> Matrix {
        let mut rng = random::stream(1, "groups");
        let mut vectors = Matrix::new(counts.len());
        for (direction, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                let scale = 1.0 + 3.0 * rng.random::<f32>();
                let row = (0..counts.len()).map(|axis| {
                    let on = f32::from(u8::from(axis == direction));
                    scale * (on + 0.05 * random::normal(&mut rng) as f32)
                });
                vectors.push(&row.collect::<Vec<_>>());
            }
        }
        vectors
    }

    #[test]
    fn groups_are_found_largest_first() {
        let vectors = vectors(&[10, 40, 20]);
        let found = similar_groups(&vectors, 3, 7);
        let sizes: Vec<usize> = found.groups.iter().map(|group| group.members.len()).collect();
        assert_eq!(sizes, [40, 20, 10]);
        for (group, range) in found.groups.iter().zip([10..50, 50..70, 0..10]) {
            assert!(group.members.iter().all(|(record, _)| range.contains(record)));
            assert!(group.members.is_sorted_by(|a, b| a.1 >= b.1));
            assert!(group.members.iter().all(|(_, cosine)| *cosine > 0.9));
        }
        assert_eq!(similar_groups(&vectors, 3, 7), found);
    }

    #[test]
    fn there_are_never_too_many_groups() {
        let many = vectors(&[30; 16]);
        let found = similar_groups(&many, 99, 1);
        assert!(found.groups.len() <= MAX_GROUPS && found.groups.len() > 5);
        let members: usize = found.groups.iter().map(|group| group.members.len()).sum();
        assert_eq!(members, 480);
        assert_eq!(similar_groups(&many, 0, 1), Groups::default());
        assert_eq!(similar_groups(&Matrix::new(3), 5, 1), Groups::default());
    }

    #[test]
    fn equal_and_zero_vectors() {
        let mut same = Matrix::from_values(2, [1.0, 1.0].repeat(50));
        same.push(&[0.0, 0.0]);
        let found = similar_groups(&same, 10, 1);
        assert_eq!((found.groups.len(), found.groups[0].members.len()), (1, 50));
        assert_eq!(found.ungrouped, [50]);
        let zero = Matrix::from_values(2, vec![0.0; 8]);
        assert_eq!(similar_groups(&zero, 10, 1).ungrouped, [0, 1, 2, 3]);
        let opposite = Matrix::from_values(1, vec![1.0, -1.0, 2.0, -3.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(similar_groups(&opposite, 10, 1).groups.len(), 2);
    }

    #[test]
    fn a_sample_of_many_groups_them_all() {
        let many = vectors(&[6_000, 3_000, 1]);
        let found = similar_groups(&many, 2, 1);
        let members: usize = found.groups.iter().map(|group| group.members.len()).sum();
        assert_eq!(members, 9_001);
        assert!(found.groups[0].members.len() >= 6_000);
    }
}
