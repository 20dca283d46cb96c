//! Tables: noise, and mixup.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record_key;
use crate::random::{self, Rng};

/// What is done to the rows of numbers that train; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TabularAugmentationSpec {
    /// Standard deviation of the normal noise that is added to every standardised number.
    #[schema(minimum = 0.0, maximum = 10.0)]
    pub noise: f64,
    /// Mixup (Zhang et al. 2018): every record is mixed with another one, and so are their losses,
    /// with a weight from the Beta(α, α) distribution. The training loss is then of mixed records. 0.2 leaves most records nearly as they are,
    /// 1 takes every weight alike, 0 is off.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub mixup: f64,
}

/// What is done to the rows in one epoch of a run.
#[derive(Debug, Clone)]
pub struct TabularAugmentation {
    spec: TabularAugmentationSpec,
    seed: u64,
    epoch: usize,
}

impl TabularAugmentation {
    /// For one epoch of a run.
    pub fn new(spec: TabularAugmentationSpec, seed: u64, epoch: usize) -> Self {
        Self { spec, seed, epoch }
    }

    /// Adds noise to a record's standardised numbers; categories and flags are not among them.
    pub fn add_noise(&self, record: usize, numbers: &mut [f32]) {
        if self.spec.noise > 0.0 {
            let key = record_key(self.seed, self.epoch, record);
            let mut rng = random::stream(key, "augment.noise");
            numbers
                .iter_mut()
                .for_each(|x| *x += (self.spec.noise * random::normal(&mut rng)) as f32);
        }
    }

    /// With which of `records` records a record is mixed, and its own weight in \[0, 1\]; `None` where
    /// mixup is off. The partner may be the record itself, which then stays as it is.
    pub fn mixup(&self, record: usize, records: usize) -> Option<(usize, f32)> {
        if self.spec.mixup <= 0.0 || records == 0 {
            return None;
        }
        let key = record_key(self.seed, self.epoch, record);
        let mut rng = random::stream(key, "augment.mixup");
        let partner = rng.random_range(0..records as u64) as usize;
        Some((partner, symmetric_beta(self.spec.mixup, &mut rng) as f32))
    }
}

/// Mixes features in place: x ← w x + (1 − w) y.
pub(super) fn mix(values: &mut [f32], partner: &[f32], weight: f32) {
    values.iter_mut().zip(partner).for_each(|(x, y)| *x = weight * *x + (1.0 - weight) * y);
}

/// A draw from Beta(α, α) for α in (0, 1] by Jöhnk's rejection (1964), in logarithms, as u^(1/α)
/// underflows for small α. At least half of the draws are taken.
fn symmetric_beta(alpha: f64, rng: &mut impl Rng) -> f64 {
    loop {
        // 1 − u is above 0, so that the logarithm is finite.
        let mut log = || (1.0 - rng.random::<f64>()).ln() / alpha;
        let (x, y) = (log(), log());
        let largest = x.max(y);
        if largest + ((x - largest).exp() + (y - largest).exp()).ln() <= 0.0 {
            return 1.0 / (1.0 + (y - x).exp());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(noise: f64, mixup: f64, epoch: usize) -> TabularAugmentation {
        TabularAugmentation::new(TabularAugmentationSpec { noise, mixup }, 1, epoch)
    }

    #[test]
    fn noise_has_its_deviation_and_is_the_records_own() {
        let mut squares = 0.0;
        for record in 0..2_000 {
            let mut row = [1.0f32; 10];
            epoch(0.3, 0.0, 0).add_noise(record, &mut row);
            squares += row.iter().map(|x| f64::from(x - 1.0).powi(2)).sum::<f64>();
        }
        let variance = squares / 20_000.0;
        assert!((variance - 0.09).abs() < 5.0 * 0.09 * (2.0 / 20_000.0f64).sqrt(), "{variance}");
        let noised = |epoch: TabularAugmentation, record| {
            let mut row = [0.0f32; 4];
            epoch.add_noise(record, &mut row);
            row
        };
        assert_eq!(noised(epoch(0.3, 0.0, 0), 5), noised(epoch(0.3, 0.2, 0), 5));
        assert_ne!(noised(epoch(0.3, 0.0, 0), 5), noised(epoch(0.3, 0.0, 1), 5));
        assert_ne!(noised(epoch(0.3, 0.0, 0), 5), noised(epoch(0.3, 0.0, 0), 6));
        assert_eq!(noised(epoch(0.0, 0.0, 0), 5), [0.0; 4]);
    }

    /// Beta(α, α) has mean 1/2 and variance 1 / (4 (2α + 1)).
    #[test]
    fn weights_have_the_moments_of_the_beta_distribution() {
        for alpha in [0.01, 0.2, 0.5, 1.0] {
            let weights: Vec<f64> = (0..20_000)
                .map(|record| f64::from(epoch(0.0, alpha, 0).mixup(record, 100).unwrap().1))
                .collect();
            assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)));
            let mean = weights.iter().sum::<f64>() / 20_000.0;
            let variance = weights.iter().map(|w| (w - 0.5).powi(2)).sum::<f64>() / 20_000.0;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 5.0 * (expected / 20_000.0).sqrt(), "{alpha}: {mean}");
            // (w − ½)² lies in [0, ¼], so that its deviation is at most ⅛.
            assert!((variance - expected).abs() < 5.0 * 0.125 / 20_000f64.sqrt(), "{alpha}");
        }
    }

    #[test]
    fn partners_are_any_record_and_repeat() {
        let partners: Vec<usize> =
            (0..5_000).map(|record| epoch(0.0, 0.4, 3).mixup(record, 5).unwrap().0).collect();
        for partner in 0..5 {
            let count = partners.iter().filter(|p| **p == partner).count();
            assert!(count.abs_diff(1_000) < 142, "{partner}: {count}");
        }
        assert_eq!(epoch(0.0, 0.4, 3).mixup(7, 5), epoch(0.5, 0.4, 3).mixup(7, 5));
        assert_ne!(epoch(0.0, 0.4, 3).mixup(7, 5), epoch(0.0, 0.4, 4).mixup(7, 5));
        assert_eq!(epoch(0.0, 0.0, 3).mixup(7, 5), None);
        assert_eq!(epoch(0.0, 0.4, 3).mixup(7, 0), None);
    }

    #[test]
    fn mixing_is_linear() {
        let mut values = [1.0, -2.0];
        mix(&mut values, &[3.0, 2.0], 0.75);
        assert_eq!(values, [1.5, -1.0]);
        mix(&mut values, &[9.0, 9.0], 1.0);
        assert_eq!(values, [1.5, -1.0]);
    }
}
