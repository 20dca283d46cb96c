//! Augmentation: training records that are changed a little in every epoch, never those of
//! validation, calibration or test. What happens to a record is a function of seed, epoch and record
//! alone, so that neither the order of records nor a resume changes it.

mod image;
mod tabular;

pub use image::{ImageAugmentation, ImageAugmentationSpec, ImageShape};
pub use tabular::{TabularAugmentation, TabularAugmentationSpec};

use tabular::mix;

use super::rows::DenseRows;
use crate::random::keyed;

/// What is done to the features of training records in every epoch. Texts are changed before they
/// become features, by the [`Source`](super::rows::Source) of a training.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AugmentationSpec {
    /// Of images.
    pub image: ImageAugmentationSpec,
    /// Of rows of a table.
    pub tabular: TabularAugmentationSpec,
}

/// What is done to records in one epoch.
#[derive(Debug, Clone, Default)]
pub struct Augmentation {
    image: Option<ImageAugmentation>,
    tabular: Option<TabularAugmentation>,
}

/// Records that were changed.
pub(super) struct Augmented {
    /// One after another.
    pub values: Vec<f32>,
    /// Which record each was mixed with, and its own weight in \[0, 1\], if records are mixed.
    pub partners: Option<(Vec<usize>, Vec<f32>)>,
}

impl Augmentation {
    /// For one epoch of a run.
    pub fn new(spec: &AugmentationSpec, seed: u64, epoch: usize) -> Self {
        let image = (spec.image != ImageAugmentationSpec::default())
            .then(|| ImageAugmentation::new(spec.image.clone(), seed, epoch));
        let tabular = (spec.tabular != TabularAugmentationSpec::default())
            .then(|| TabularAugmentation::new(spec.tabular.clone(), seed, epoch));
        Self { image, tabular }
    }

    /// The records of a batch, changed. `shape` is that of images; rows have none.
    pub(super) fn apply(
        &self,
        rows: &DenseRows,
        records: &[usize],
        shape: Option<ImageShape>,
    ) -> Augmented {
        match (shape, &self.image, &self.tabular) {
            (Some(shape), Some(augmentation), _) => {
                let (mut values, mut image) = (Vec::new(), Vec::new());
                for &record in records {
                    augmentation.apply(record, rows.row(record), shape, &mut image);
                    values.extend_from_slice(&image);
                }
                Augmented { values, partners: None }
            }
            (None, _, Some(augmentation)) => rows_of(augmentation, rows, records),
            _ => Augmented { values: rows.batch(records), partners: None },
        }
    }
}

fn rows_of(augmentation: &TabularAugmentation, rows: &DenseRows, records: &[usize]) -> Augmented {
    let mut values = Vec::new();
    let (mut partners, mut weights) = (Vec::new(), Vec::new());
    for &record in records {
        let mut row = rows.row(record).to_vec();
        let mut numbers: Vec<f32> = rows.numbers().iter().map(|&i| row[i]).collect();
        augmentation.add_noise(record, &mut numbers);
        rows.numbers().iter().zip(numbers).for_each(|(&i, number)| row[i] = number);
        if let Some((partner, weight)) = augmentation.mixup(record, rows.len()) {
            mix(&mut row, rows.row(partner), weight);
            partners.push(partner);
            weights.push(weight);
        }
        values.extend(row);
    }
    Augmented { values, partners: (!partners.is_empty()).then_some((partners, weights)) }
}

/// What all draws for a record in an epoch derive from. Every way to change a record draws from a
/// stream of its own, so that switching one on does not move the others.
fn record_key(seed: u64, epoch: usize, record: usize) -> u64 {
    let epoch = keyed(seed ^ keyed(epoch as u64 ^ 0x6175_676d_656e_7473));
    keyed(epoch ^ keyed(record as u64))
}

#[cfg(test)]
mod tests {
    use super::record_key;

    #[test]
    fn keys_differ_by_seed_epoch_and_record() {
        let mut keys = std::collections::HashSet::new();
        for seed in 0..20 {
            for epoch in 0..20 {
                for record in 0..20 {
                    assert!(keys.insert(record_key(seed, epoch, record)));
                }
            }
        }
        assert_eq!(record_key(1, 2, 3), record_key(1, 2, 3));
    }
}
