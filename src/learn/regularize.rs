//! What keeps a network from memorising.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::SparseRow;
use crate::json;
use crate::random::keyed;

/// Regularisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RegularizationSpec {
    /// Share of a record's n-grams that are left out of each training step at random; the others
    /// are scaled up to keep the mean. Never applied when scoring.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(serialize_with = "json::decimal")]
    pub ngram_dropout: f32,
    /// L1 penalty λ on weights: adds λ sign(w) to the gradient of a weight w, nothing where w is 0.
    /// Biases are free; an n-gram's vector is penalised in the steps whose batch holds the n-gram.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    #[serde(serialize_with = "json::decimal")]
    pub l1: f32,
    /// L2 penalty λ on weights, before any optimiser divides by the gradient's size: adds λw to the
    /// gradient of a weight w. Biases are free; an n-gram's vector is penalised in the steps whose
    /// batch holds the n-gram. For decay apart from the gradient, see the optimiser `adamw`.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    #[serde(serialize_with = "json::decimal")]
    pub l2: f32,
}

impl Default for RegularizationSpec {
    fn default() -> Self {
        Self { ngram_dropout: 0.5, l1: 0.0, l2: 0.0 }
    }
}

/// Values that the 16 bits which decide on an n-gram take.
const DRAWS: u32 = 1 << 16;

/// Which n-grams of a record stay in an epoch. A function of seed, epoch and record alone, so that
/// neither the order of records nor a resume changes it.
pub struct NgramDropout {
    threshold: u32,
    scale: f32,
    key: u64,
}

impl NgramDropout {
    /// For one epoch of a run.
    pub fn new(share: f32, seed: u64, epoch: usize) -> Self {
        let threshold = (share * DRAWS as f32) as u32;
        Self {
            threshold,
            // The share as the draws have it, so that the mean is kept near 0 and 1 too.
            scale: DRAWS as f32 / (DRAWS - threshold.min(DRAWS - 1)) as f32,
            key: keyed(seed ^ keyed(epoch as u64 ^ 0x6e67_7261_6d73)),
        }
    }

    /// Writes what stays of `row` to `ids` and `weights`.
    pub fn apply(&self, record: usize, row: SparseRow, ids: &mut Vec<u32>, weights: &mut Vec<f32>) {
        ids.clear();
        weights.clear();
        if self.threshold == 0 {
            ids.extend_from_slice(row.ids);
            weights.extend_from_slice(row.weights);
            return;
        }
        let key = keyed(self.key ^ record as u64);
        for (chunk, (row_ids, row_weights)) in
            row.ids.chunks(4).zip(row.weights.chunks(4)).enumerate()
        {
            // One draw of 64 bits decides on four n-grams.
            let mut bits = keyed(key.wrapping_add(chunk as u64));
            for (&id, &weight) in row_ids.iter().zip(row_weights) {
                if (bits & 0xffff) as u32 >= self.threshold {
                    ids.push(id);
                    weights.push(weight * self.scale);
                }
                bits >>= 16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_holds_and_the_mean_stays() {
        let ids: Vec<u32> = (0..1_000).collect();
        let weights = vec![1.0; 1_000];
        let dropout = NgramDropout::new(0.4, 1, 0);
        let (mut kept, mut scaled) = (Vec::new(), Vec::new());
        let (mut count, mut sum) = (0, 0.0);
        for record in 0..200 {
            let row = SparseRow { ids: &ids, weights: &weights, size: 1_000 };
            dropout.apply(record, row, &mut kept, &mut scaled);
            count += kept.len();
            sum += scaled.iter().sum::<f32>();
        }
        // 200,000 draws: the standard error of the share is 0.0011.
        assert!((count as f64 / 200_000.0 - 0.6).abs() < 0.006);
        assert!((sum / 200_000.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn the_mean_is_kept_where_draws_are_coarse() {
        for share in [0.000_01f32, 0.000_02, 0.3, 0.999, 0.999_98, 0.999_999] {
            let dropout = NgramDropout::new(share, 1, 0);
            let kept = f64::from(DRAWS - dropout.threshold) / f64::from(DRAWS);
            let mean = kept * f64::from(dropout.scale);
            assert!((mean - 1.0).abs() < 1e-6, "{share}: {mean}");
        }
    }

    #[test]
    fn masks_differ_by_epoch_and_record_and_repeat() {
        let ids: Vec<u32> = (0..100).collect();
        let mask = |epoch, record| {
            let (mut kept, mut scaled) = (Vec::new(), Vec::new());
            let row = SparseRow { ids: &ids, weights: &[1.0; 100], size: 100 };
            NgramDropout::new(0.5, 1, epoch).apply(record, row, &mut kept, &mut scaled);
            kept
        };
        assert_eq!(mask(0, 0), mask(0, 0));
        assert_ne!(mask(0, 0), mask(1, 0));
        assert_ne!(mask(0, 0), mask(0, 1));
    }
}
