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
/// text). Within a stratum every split's share is met to within one group; what a stratum cannot
/// divide goes where the strata so far lack most, so that many small ones fill every split together.
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
    let mut lacks_overall = [0.0; 4];
    for groups in &mut by_stratum {
        random::shuffle(groups, &mut rng);
        let records: usize = groups.iter().map(|group| members[group].len()).sum();
        let mut lacks = shares.map(|share| share * records as f64);
        lacks.iter().zip(&mut lacks_overall).for_each(|(lack, overall)| *overall += lack);
        for group in groups.iter() {
            let size = members[group].len() as f64;
            let chosen = choose(&lacks, &lacks_overall, size);
            lacks[chosen] -= size;
            lacks_overall[chosen] -= size;
            for &record in &members[group] {
                splits[record] = Split::ALL[chosen];
            }
        }
    }
    splits
}

/// Where a group of `size` goes: to the split whose stratum lacks most, if that is a whole group;
/// otherwise, of those that lack anything, to the one that lacks most overall.
fn choose(lacks: &[f64; 4], overall: &[f64; 4], size: f64) -> usize {
    // Shares such as 0.7 × 10 are not quite whole numbers.
    const HAIR: f64 = 1e-9;
    let most = |values: &[f64; 4], least: f64| {
        let fits = (0..4).filter(|&i| lacks[i] >= least);
        fits.max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a)))
    };
    most(lacks, size - HAIR).or_else(|| most(overall, HAIR)).unwrap_or(0)
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
    use proptest::prelude::*;

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

    /// Shares that no class can give a record of by itself are still given.
    #[test]
    fn a_share_below_one_record_of_each_class_is_given_overall() {
        let groups: Vec<u64> = (0..2_000).collect();
        for (class_size, shares) in
            [(2, SHARES), (20, [0.98, 0.0, 0.0, 0.02]), (7, [0.9, 0.05, 0.05, 0.0])]
        {
            let strata: Vec<u32> = (0..2_000).map(|i| i / class_size).collect();
            let splits = assign(&strata, &groups, shares, 1);
            for (split, share) in Split::ALL.into_iter().zip(shares) {
                let gap = count(&splits, split) as f64 - share * 2_000.0;
                assert!(gap.abs() <= 1.0, "classes of {class_size}, {split:?}: off by {gap}");
            }
        }
    }

    #[test]
    fn a_column_may_name_splits_as_data_sets_do() {
        for split in Split::ALL {
            assert_eq!(Split::parse(split.name()), Some(split));
        }
        assert_eq!(Split::parse(" Dev "), Some(Split::Validation));
        assert_eq!(Split::parse("traine"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn shares_hold_to_within_one_record_of_every_class(
            strata in prop::collection::vec(0u32..6, 1..300),
            parts in prop::array::uniform4(0u32..20),
            seed in any::<u64>(),
        ) {
            let total: u32 = parts.iter().sum();
            prop_assume!(total > 0);
            let shares = parts.map(|part| f64::from(part) / f64::from(total));
            let groups: Vec<u64> = (0..strata.len() as u64).collect();
            let splits = assign(&strata, &groups, shares, seed);
            prop_assert_eq!(&splits, &assign(&strata, &groups, shares, seed));
            for class in 0..6 {
                let of_class: Vec<Split> =
                    splits.iter().zip(&strata).filter(|(_, c)| **c == class).map(|(s, _)| *s).collect();
                for (split, share) in Split::ALL.into_iter().zip(shares) {
                    let gap = count(&of_class, split) as f64 - share * of_class.len() as f64;
                    prop_assert!(gap.abs() < 1.0 + 1e-6, "{:?} of class {} is off by {}", split, class, gap);
                    prop_assert!(share > 0.0 || count(&of_class, split) == 0);
                }
            }
        }

        #[test]
        fn duplicates_never_straddle(
            records in prop::collection::vec((0u32..4, 0u64..40), 1..200),
            share in 0.0..1.0f64,
            seed in any::<u64>(),
        ) {
            let (strata, groups): (Vec<u32>, Vec<u64>) = records.into_iter().unzip();
            let mut splits = assign(&strata, &groups, SHARES, seed);
            prop_assert!(!straddling(&splits, &groups).contains(&true));
            let before = splits.clone();
            let from_to = (Split::Train, Split::Validation);
            set_aside(&mut splits, from_to, share, (&strata, &groups), seed);
            prop_assert!(!straddling(&splits, &groups).contains(&true));
            for (old, new) in before.iter().zip(&splits) {
                prop_assert!(old == new || (*old, *new) == from_to);
            }
        }

        /// However a column splits them, what is left after the straddling are out does not straddle,
        /// and every text is left in one split.
        #[test]
        fn one_split_keeps_each_text(records in prop::collection::vec((0usize..4, 0u64..20), 1..100)) {
            let (splits, groups): (Vec<Split>, Vec<u64>) =
                records.into_iter().map(|(split, group)| (Split::ALL[split], group)).unzip();
            let out = straddling(&splits, &groups);
            let mut kept: HashMap<u64, Split> = HashMap::new();
            for ((split, group), out) in splits.iter().zip(&groups).zip(out) {
                if !out {
                    prop_assert_eq!(*kept.entry(*group).or_insert(*split), *split);
                }
            }
            prop_assert!(groups.iter().all(|group| kept.contains_key(group)));
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
