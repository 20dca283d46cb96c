//! Which records train, steer, calibrate and test: stratified, seeded, and with exact duplicates
//! on one side.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::random;

/// The part a record plays.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Fits the vocabulary and the network.
    Train,
    /// Steers training: early stopping and the choice of the best epoch.
    Validation,
    /// Fits the calibrator, the detectors' thresholds and the conformal quantiles.
    Calibration,
    /// Reports.
    Test,
}

impl Split {
    /// All four, in the order of [`Shares`].
    pub const ALL: [Split; 4] = [Split::Train, Split::Validation, Split::Calibration, Split::Test];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Calibration => "calibration",
            Self::Test => "test",
        }
    }

    /// The split that a cell of a split column names, as common data sets write it.
    pub fn parse(value: &str) -> Option<Self> {
        match value.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "validation" | "valid" | "val" | "dev" => Some(Self::Validation),
            "calibration" | "cal" => Some(Self::Calibration),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

/// Shares of train, validation, calibration and test; they sum to 1.
pub type Shares = [f64; 4];

/// Gives every record a split, by shares.
///
/// `strata` is what to stratify by (a class), `groups` what must stay together (records of the same
/// text). A group goes where its stratum lacks most; ties go where the whole lacks most. Within a
/// stratum every split's share is met to within one group.
pub fn assign(strata: &[u32], groups: &[u64], shares: Shares, seed: u64) -> Vec<Split> {
    assert_eq!(strata.len(), groups.len());
    // A group belongs to the stratum of its first record.
    let mut members: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut by_stratum: Vec<Vec<u64>> = Vec::new();
    for (record, (&stratum, &group)) in strata.iter().zip(groups).enumerate() {
        let list = members.entry(group).or_default();
        if list.is_empty() {
            let stratum = stratum as usize;
            if by_stratum.len() <= stratum {
                by_stratum.resize_with(stratum + 1, Vec::new);
            }
            by_stratum[stratum].push(group);
        }
        list.push(record);
    }

    let mut rng = random::stream(seed, "split");
    let mut splits = vec![Split::Train; strata.len()];
    let mut lacks_overall = shares.map(|share| share * strata.len() as f64);
    for groups in &mut by_stratum {
        random::shuffle(groups, &mut rng);
        let records: usize = groups.iter().map(|group| members[group].len()).sum();
        let mut lacks = shares.map(|share| share * records as f64);
        for group in groups.iter() {
            let size = members[group].len() as f64;
            let chosen = (0..4)
                .filter(|&i| shares[i] > 0.0)
                .max_by(|&a, &b| {
                    let by_stratum = lacks[a].total_cmp(&lacks[b]);
                    by_stratum.then(lacks_overall[a].total_cmp(&lacks_overall[b])).then(b.cmp(&a))
                })
                .unwrap_or(0);
            lacks[chosen] -= size;
            lacks_overall[chosen] -= size;
            for &record in &members[group] {
                splits[record] = Split::ALL[chosen];
            }
        }
    }
    splits
}

/// Moves a share of the records that are `from` now to `to`, stratified and with groups together.
pub fn set_aside(
    splits: &mut [Split],
    (from, to): (Split, Split),
    share: f64,
    (strata, groups): (&[u32], &[u64]),
    seed: u64,
) {
    let pool: Vec<usize> = (0..splits.len()).filter(|&i| splits[i] == from).collect();
    let pick = |values: &[u32]| pool.iter().map(|&i| values[i]).collect::<Vec<u32>>();
    let pool_groups: Vec<u64> = pool.iter().map(|&i| groups[i]).collect();
    // Two shares suffice: what stays is "train" of this draw, what goes is "test".
    let drawn = assign(&pick(strata), &pool_groups, [1.0 - share, 0.0, 0.0, share], seed);
    for (&record, drawn) in pool.iter().zip(drawn) {
        if drawn == Split::Test {
            splits[record] = to;
        }
    }
}

/// Leaves every group in one split only: the one nearest to reporting (test, then calibration, then
/// validation, then train). Returns which records to leave out, so that no text that trains also
/// tests.
pub fn straddling(splits: &[Split], groups: &[u64]) -> Vec<bool> {
    let mut keep: HashMap<u64, Split> = HashMap::new();
    for (&split, &group) in splits.iter().zip(groups) {
        keep.entry(group).and_modify(|kept| *kept = (*kept).max(split)).or_insert(split);
    }
    splits.iter().zip(groups).map(|(split, group)| keep[group] != *split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: Shares = [0.7, 0.1, 0.1, 0.1];

    fn count(splits: &[Split], split: Split) -> usize {
        splits.iter().filter(|&&s| s == split).count()
    }

    #[test]
    fn shares_hold_in_every_class() {
        let strata: Vec<u32> = (0..1000).map(|i| i % 4).collect();
        let groups: Vec<u64> = (0..1000).collect();
        let splits = assign(&strata, &groups, SHARES, 3);
        for class in 0..4 {
            let of_class: Vec<Split> =
                (0..1000).filter(|&i| strata[i] == class).map(|i| splits[i]).collect();
            assert_eq!(count(&of_class, Split::Train), 175);
            assert_eq!(count(&of_class, Split::Validation), 25);
        }
    }

    #[test]
    fn small_classes_share_out_between_them() {
        // 20 classes of 5 records: no class can give half a record, all together give 10 a split.
        let strata: Vec<u32> = (0..100).map(|i| i / 5).collect();
        let groups: Vec<u64> = (0..100).collect();
        let splits = assign(&strata, &groups, SHARES, 3);
        for split in [Split::Validation, Split::Calibration, Split::Test] {
            assert!((8..=14).contains(&count(&splits, split)), "{split:?}");
        }
    }

    #[test]
    fn duplicates_stay_together_and_the_seed_decides() {
        let strata = vec![0; 300];
        let groups: Vec<u64> = (0..300).map(|i| i / 3).collect();
        let splits = assign(&strata, &groups, SHARES, 1);
        assert!(splits.chunks(3).all(|c| c[0] == c[1] && c[1] == c[2]));
        assert_eq!(splits, assign(&strata, &groups, SHARES, 1));
        assert_ne!(splits, assign(&strata, &groups, SHARES, 2));
    }

    #[test]
    fn a_share_of_zero_gets_nothing() {
        let splits = assign(&[0; 6], &[0, 1, 2, 3, 4, 5], [1.0, 0.0, 0.0, 0.0], 0);
        assert_eq!(count(&splits, Split::Train), 6);
    }

    #[test]
    fn set_aside_takes_from_one_split_only() {
        let mut splits = [vec![Split::Train; 100], vec![Split::Validation; 40]].concat();
        let groups: Vec<u64> = (0..140).collect();
        let pair = (Split::Validation, Split::Calibration);
        set_aside(&mut splits, pair, 0.5, (&[0; 140], &groups), 9);
        assert_eq!(count(&splits, Split::Train), 100);
        assert_eq!(count(&splits, Split::Calibration), 20);
    }

    #[test]
    fn straddling_duplicates_leave_the_training_side() {
        let splits = [Split::Train, Split::Test, Split::Train, Split::Validation];
        assert_eq!(straddling(&splits, &[1, 1, 2, 2]), [true, false, true, false]);
    }
}
