//! Platt scaling (Platt 1999): a straight line through the log-odds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::logistic;
use crate::eval::sigmoid;

/// σ(slope · m + intercept) of log-odds m. Slope 1 and intercept 0 change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlattScaling {
    /// At least 0, so that more confident never becomes less; below 1 it lowers confidence.
    pub slope: f64,
    /// Above 0 it raises confidence.
    pub intercept: f64,
}

impl PlattScaling {
    /// Fits to log-odds and whether what they speak of holds, by log loss with Platt's targets.
    pub(super) fn fit(log_odds: &[f64], outcomes: &[bool]) -> Self {
        let features: Vec<[f64; 2]> = log_odds.iter().map(|m| [*m, 1.0]).collect();
        let targets = logistic::targets(outcomes);
        let identity = [1.0, 0.0];
        let [mut slope, mut intercept] =
            logistic::fit(&features, &targets, (identity, identity), [true; 2]);
        if slope < 0.0 {
            let level = (identity, [0.0, 0.0]);
            [slope, intercept] = logistic::fit(&features, &targets, level, [false, true]);
        }
        Self { slope, intercept }
    }

    /// The calibrated probability.
    pub fn probability(&self, log_odds: f64) -> f64 {
        sigmoid(self.slope * log_odds + self.intercept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    fn draws(records: usize, holds: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<bool>) {
        let mut rng = random::stream(1, "platt");
        let draw = |_| {
            let m = 3.0 * random::normal(&mut rng);
            (m, rng.random::<f64>() < holds(m))
        };
        (0..records).map(draw).unzip()
    }

    #[test]
    fn the_line_that_made_the_records_is_found() {
        let (log_odds, outcomes) = draws(20_000, |m| sigmoid(0.4 * m - 0.7));
        let fitted = PlattScaling::fit(&log_odds, &outcomes);
        // Standard errors are 0.008 and 0.018.
        assert!((fitted.slope - 0.4).abs() < 0.03, "{fitted:?}");
        assert!((fitted.intercept + 0.7).abs() < 0.07, "{fitted:?}");
    }

    #[test]
    fn confidence_never_turns_around() {
        let (log_odds, outcomes) = draws(500, |m| sigmoid(-m));
        let fitted = PlattScaling::fit(&log_odds, &outcomes);
        assert_eq!(fitted.slope, 0.0);
        let share = outcomes.iter().filter(|y| **y).count() as f64 / 500.0;
        assert!((fitted.probability(3.0) - share).abs() < 0.01);
    }

    /// All right, or all wrong, is not certainty: the rule of succession.
    #[test]
    fn one_kind_of_outcome_is_not_certainty() {
        let log_odds: Vec<f64> = (0..98).map(|i| f64::from(i) * 0.01).collect();
        let right = PlattScaling::fit(&log_odds, &[true; 98]).probability(0.5);
        let wrong = PlattScaling::fit(&log_odds, &[false; 98]).probability(0.5);
        assert!((right - 0.99).abs() < 1e-3 && (wrong - 0.01).abs() < 1e-3, "{right} {wrong}");
        let none = PlattScaling::fit(&[], &[]);
        assert_eq!((none.slope, none.intercept), (1.0, 0.0));
    }
}
