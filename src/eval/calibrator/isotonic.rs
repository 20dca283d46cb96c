//! Isotonic regression (Zadrozny and Elkan 2002), by pooling adjacent violators.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::eval::sigmoid;

/// A non-decreasing curve through knots: straight between two, level outside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IsotonicRegression {
    /// The network's own probabilities, ascending, none twice.
    pub inputs: Vec<f64>,
    /// The calibrated probability at each, never descending.
    pub outputs: Vec<f64>,
}

/// Records that are pooled, with inputs from `low` to `high`.
struct Block {
    low: f64,
    high: f64,
    count: f64,
    holding: f64,
}

impl Block {
    fn share(&self) -> f64 {
        self.holding / self.count
    }
}

impl IsotonicRegression {
    /// Fits to log-odds and whether what they speak of holds, by least squares (and so by log
    /// loss). Shares stay within \[1/(n + 2), 1 − 1/(n + 2)\]: a few alike at an end are not
    /// certainty.
    pub(super) fn fit(log_odds: &[f64], outcomes: &[bool]) -> Self {
        let mut records: Vec<(f64, f64)> = log_odds
            .iter()
            .zip(outcomes)
            .map(|(m, y)| (sigmoid(*m), f64::from(u8::from(*y))))
            .collect();
        records.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut blocks: Vec<Block> = Vec::new();
        for tied in records.chunk_by(|a, b| a.0 == b.0) {
            let holding = tied.iter().map(|record| record.1).sum();
            let mut block =
                Block { low: tied[0].0, high: tied[0].0, count: tied.len() as f64, holding };
            while let Some(last) = blocks.pop_if(|last| last.share() >= block.share()) {
                block.low = last.low;
                block.count += last.count;
                block.holding += last.holding;
            }
            blocks.push(block);
        }
        let least = 1.0 / (log_odds.len() + 2) as f64;
        let mut curve = Self::default();
        for block in &blocks {
            let share = block.share().clamp(least, 1.0 - least);
            curve.knot(block.low, share);
            if block.high > block.low {
                curve.knot(block.high, share);
            }
        }
        curve
    }

    fn knot(&mut self, input: f64, output: f64) {
        self.inputs.push(input);
        self.outputs.push(output);
    }

    /// The calibrated probability; the network's own where there are no knots.
    pub fn probability(&self, log_odds: f64) -> f64 {
        let input = sigmoid(log_odds);
        let knots = self.inputs.len().min(self.outputs.len());
        let after = self.inputs[..knots].partition_point(|knot| *knot < input);
        let Some(last) = knots.checked_sub(1) else { return input };
        if after == 0 || after > last {
            return self.outputs[after.min(last)];
        }
        let (low, high) = (self.inputs[after - 1], self.inputs[after]);
        let share = (input - low) / (high - low);
        self.outputs[after - 1] + share * (self.outputs[after] - self.outputs[after - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    fn logit(p: f64) -> f64 {
        (p / (1.0 - p)).ln()
    }

    #[test]
    fn violators_are_pooled() {
        // Outcomes 0 1 0 1 1: the second and third are pooled at one half.
        let log_odds = [0.1, 0.3, 0.4, 0.6, 0.8].map(logit);
        let curve = IsotonicRegression::fit(&log_odds, &[false, true, false, true, true]);
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
        };
        let (low, high) = (1.0 / 7.0, 6.0 / 7.0);
        for (input, output) in [
            (0.05, low),
            (0.1, low),
            (0.2, (low + 0.5) / 2.0),
            (0.3, 0.5),
            (0.35, 0.5),
            (0.4, 0.5),
            (0.6, high),
            (0.7, high),
            (0.99, high),
        ] {
            near(curve.probability(logit(input)), output);
        }
        assert_eq!(IsotonicRegression::fit(&[], &[]).probability(0.0), 0.5);
    }

    #[test]
    fn ties_share_a_knot_whatever_their_order() {
        let one = IsotonicRegression::fit(&[0.0, 0.0, 0.0], &[true, false, false]);
        let other = IsotonicRegression::fit(&[0.0, 0.0, 0.0], &[false, false, true]);
        assert_eq!(one, other);
        assert_eq!(one.inputs, [0.5]);
        assert!((one.probability(7.0) - 1.0 / 3.0).abs() < 1e-12);
        // They are pooled with one another before anything below.
        let above = IsotonicRegression::fit(&[-1.0, 0.0, 0.0], &[false, false, true]);
        assert_eq!(above.outputs, [0.2, 0.5]);
        // Log-odds that round to one probability are ties as well.
        let far = IsotonicRegression::fit(&[800.0, 900.0, 3e38], &[true, false, true]);
        assert_eq!(far.inputs, [1.0]);
    }

    #[test]
    fn it_ascends_and_finds_a_curve_that_is_no_line() {
        let mut rng = random::stream(1, "isotonic");
        let truth = |m: f64| 0.3 + 0.4 * f64::from(u8::from(m > 0.5));
        let (log_odds, outcomes): (Vec<f64>, Vec<bool>) = (0..20_000)
            .map(|_| {
                let m = 2.0 * random::normal(&mut rng);
                (m, rng.random::<f64>() < truth(m))
            })
            .unzip();
        let curve = IsotonicRegression::fit(&log_odds, &outcomes);
        assert!(curve.inputs.windows(2).all(|w| w[0] < w[1]));
        assert!(curve.outputs.windows(2).all(|w| w[0] <= w[1]));
        for m in [-2.0, 0.0, 1.0, 2.0] {
            assert!((curve.probability(m) - truth(m)).abs() < 0.05, "{m}");
        }
    }
}
