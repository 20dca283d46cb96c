//! Beta calibration (Kull, Silva Filho and Flach 2017).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::logistic::{self, softplus};
use crate::eval::sigmoid;

/// σ(a · ln p − b · ln(1 − p) + c) of a probability p. a = b = 1 and c = 0 change nothing. Unlike
/// Platt's line it can bend the two ends apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BetaCalibration {
    /// At least 0; the steepness near 0.
    pub a: f64,
    /// At least 0; the steepness near 1.
    pub b: f64,
    /// Above 0 it raises confidence.
    pub c: f64,
}

/// ln p, −ln(1 − p) and 1 of p = σ(m), without p, which may round to 1.
fn features(log_odds: f64) -> [f64; 3] {
    [-softplus(-log_odds), softplus(log_odds), 1.0]
}

impl BetaCalibration {
    /// Fits to log-odds and whether what they speak of holds, by log loss with Platt's targets.
    /// Where a or b would be negative it is set to 0 and the rest fitted again, as in the paper.
    pub(super) fn fit(log_odds: &[f64], outcomes: &[bool]) -> Self {
        let features: Vec<[f64; 3]> = log_odds.iter().map(|m| features(*m)).collect();
        let targets = logistic::targets(outcomes);
        let identity = [1.0, 1.0, 0.0];
        let (mut start, mut free) = (identity, [true; 3]);
        loop {
            let weights = logistic::fit(&features, &targets, (identity, start), free);
            let Some(negative) = (0..2).find(|&i| weights[i] < 0.0) else {
                let [a, b, c] = weights;
                return Self { a, b, c };
            };
            // At most twice: what is set to 0 stays there.
            (start[negative], free[negative]) = (0.0, false);
        }
    }

    /// The calibrated probability.
    pub fn probability(&self, log_odds: f64) -> f64 {
        let [ln_p, minus_ln_q, _] = features(log_odds);
        sigmoid(self.a * ln_p + self.b * minus_ln_q + self.c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    fn draws(records: usize, holds: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<bool>) {
        let mut rng = random::stream(1, "beta");
        let draw = |_| {
            let m = 3.0 * random::normal(&mut rng);
            (m, rng.random::<f64>() < holds(m))
        };
        (0..records).map(draw).unzip()
    }

    #[test]
    fn the_curve_that_made_the_records_is_found() {
        let truth = BetaCalibration { a: 0.3, b: 1.4, c: -0.5 };
        let (log_odds, outcomes) = draws(20_000, |m| truth.probability(m));
        let fitted = BetaCalibration::fit(&log_odds, &outcomes);
        for m in [-4.0, -1.0, 0.0, 1.0, 4.0] {
            let (found, expected) = (fitted.probability(m), truth.probability(m));
            assert!((found - expected).abs() < 0.02, "{m}: {found}, expected {expected}");
        }
    }

    #[test]
    fn it_never_turns_around_and_bears_extremes() {
        let (log_odds, outcomes) = draws(500, |m| sigmoid(-m));
        let fitted = BetaCalibration::fit(&log_odds, &outcomes);
        assert!(fitted.a >= 0.0 && fitted.b >= 0.0, "{fitted:?}");
        for m in [-3e38, -800.0, 0.0, 800.0, 3e38] {
            let p = BetaCalibration { a: 0.7, b: 1.2, c: 0.1 }.probability(m);
            assert!((0.0..=1.0).contains(&p), "{m}: {p}");
        }
        assert_eq!(BetaCalibration::fit(&[], &[]), BetaCalibration { a: 1.0, b: 1.0, c: 0.0 });
    }

    #[test]
    fn the_identity_changes_nothing() {
        let identity = BetaCalibration { a: 1.0, b: 1.0, c: 0.0 };
        for m in [-30.0, -2.0, 0.0, 0.5, 30.0] {
            assert!((identity.probability(m) / sigmoid(m) - 1.0).abs() < 1e-12, "{m}");
        }
    }
}
