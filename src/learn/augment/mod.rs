//! Augmentation: training records that are changed a little in every epoch, never those of
//! validation, calibration or test. What happens to a record is a function of seed, epoch and record
//! alone, so that neither the order of records nor a resume changes it.

mod image;
mod tabular;

pub use image::{ImageAugmentation, ImageAugmentationSpec, ImageShape};
pub use tabular::{TabularAugmentation, TabularAugmentationSpec, mix};

use crate::random::keyed;

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
