//! Conformal p-values and quantiles: guarantees that hold for any network, as long as new records
//! are exchangeable with those of the calibration split.

use serde::{Deserialize, Serialize};

/// Scores of the calibration split, ready to rank a new one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationScores {
    ascending: Vec<f64>,
}

impl CalibrationScores {
    /// From scores in any order.
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        Self { ascending: scores }
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.ascending.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ascending.is_empty()
    }

    /// The scores, lowest first.
    pub fn ascending(&self) -> &[f64] {
        &self.ascending
    }

    /// Calibration scores that are at least `score`.
    pub fn at_least(&self, score: f64) -> usize {
        self.ascending.len() - self.ascending.partition_point(|s| *s < score)
    }

    /// (1 + #{scores ≥ s}) / (n + 1), in (0, 1\]; small means that few calibration records are as
    /// extreme. For an exchangeable record, P(p ≤ α) ≤ α (Vovk et al. 2005; Bates et al. 2021).
    pub fn p_value(&self, score: f64) -> f64 {
        (1 + self.at_least(score)) as f64 / (self.len() + 1) as f64
    }

    /// The ⌈(n + 1)(1 − α)⌉-th smallest score, not interpolated; `None` where n is too small for α.
    /// A new exchangeable score is at most this with probability at least 1 − α.
    pub fn quantile(&self, alpha: f64) -> Option<f64> {
        // A hair less, so that 0.9 × 10 is 9 and not 10 after rounding.
        let rank = ((self.len() + 1) as f64 * (1.0 - alpha) - 1e-9).ceil() as usize;
        self.ascending.get(rank.max(1) - 1).copied()
    }
}

/// The least number of calibration records with which a p-value can be as small as `alpha`:
/// ⌈1/α⌉ − 1. `None` for α ≤ 0, which no number reaches.
pub fn records_needed(alpha: f64) -> Option<usize> {
    (alpha > 0.0).then(|| ((1.0 / alpha - 1e-9).ceil() as usize).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        let scores = CalibrationScores::new(vec![0.3, 0.1, 0.8, 0.2, 0.25, 0.4, 0.5, 0.6, 0.7]);
        assert!((scores.p_value(0.65) - 0.3).abs() < 1e-12);
        assert!((scores.p_value(0.9) - 0.1).abs() < 1e-12);
        assert_eq!(scores.quantile(0.2), Some(0.7));
        assert_eq!(scores.quantile(0.1), Some(0.8));
        assert_eq!(scores.quantile(0.05), None);
    }

    #[test]
    fn how_many_records_an_alpha_needs() {
        assert_eq!(records_needed(0.05), Some(19));
        assert_eq!(records_needed(0.1), Some(9));
        assert_eq!(records_needed(0.3), Some(3));
        assert_eq!(records_needed(0.0), None);
        for alpha in [0.05, 0.1, 0.3, 0.01] {
            let n = records_needed(alpha).unwrap();
            let smallest = |n: usize| CalibrationScores::new(vec![0.0; n]).p_value(1.0);
            assert!(smallest(n) <= alpha + 1e-12 && smallest(n - 1) > alpha, "{alpha}");
        }
    }

    /// The guarantee, over 2,000 seeded calibration sets: at most a share α of new records of the
    /// same distribution is flagged. A p-value that forgets itself (no 1 + …) must fail the test.
    #[test]
    fn false_alarms_stay_within_alpha() {
        let mut rng = random::stream(5, "conformal");
        let (trials, n, alpha) = (2_000, 20, 0.05);
        let (mut flagged, mut flagged_by_a_broken_one) = (0, 0);
        for _ in 0..trials {
            let scores = CalibrationScores::new((0..n).map(|_| rng.random::<f64>()).collect());
            let new = rng.random::<f64>();
            flagged += usize::from(scores.p_value(new) <= alpha);
            let broken = scores.at_least(new) as f64 / n as f64;
            flagged_by_a_broken_one += usize::from(broken <= alpha);
        }
        // Exactly 1/21 expected; three standard errors are 0.0143.
        let share = flagged as f64 / f64::from(trials);
        assert!((share - 1.0 / 21.0).abs() < 0.0143, "{share}");
        let broken = flagged_by_a_broken_one as f64 / f64::from(trials);
        assert!(broken > 0.05 + 0.0143, "{broken}");
    }

    /// The same for many sizes and levels. Without ties the chance is exactly ⌊α(n + 1)⌋ / (n + 1);
    /// with ties it is at most that.
    #[test]
    fn false_alarms_at_any_size_and_level() {
        let mut rng = random::stream(7, "sizes");
        let trials = 2_000;
        for n in [1, 2, 3, 5, 9, 10, 19, 20, 33, 60] {
            let mut smooth = Vec::new();
            let mut tied = Vec::new();
            for _ in 0..trials {
                let draws: Vec<f64> = (0..=n).map(|_| rng.random::<f64>()).collect();
                let p = |values: &[f64]| {
                    CalibrationScores::new(values[1..].to_vec()).p_value(values[0])
                };
                smooth.push(p(&draws));
                tied.push(p(&draws.iter().map(|d| (d * 4.0).floor()).collect::<Vec<f64>>()));
            }
            for alpha in [0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 0.9] {
                let share = |values: &[f64]| {
                    values.iter().filter(|&&p| p <= alpha).count() as f64 / f64::from(trials)
                };
                let expected = (alpha * (n + 1) as f64 + 1e-9).floor() / (n + 1) as f64;
                let chance = 4.0 * (expected * (1.0 - expected) / f64::from(trials)).sqrt();
                let found = share(&smooth);
                assert!((found - expected).abs() <= chance, "n {n}, alpha {alpha}: {found}");
                assert!(expected <= alpha + 1e-12);
                let found = share(&tied);
                assert!(found <= expected + chance, "ties, n {n}, alpha {alpha}: {found}");
            }
        }
    }
}
