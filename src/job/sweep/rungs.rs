//! The stages of a sweep: who trains how long, and who goes on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Strategy, SuccessiveHalving};
use crate::learn::stopping::StoppingMetric;

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rung {
    /// Settings that take part.
    pub trials: usize,
    /// Epochs that each is trained to, those of earlier stages among them; absent where each is trained
    /// to its own end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
}

/// The stages for a number of settings, whose trainings have `epochs` at most.
pub fn rungs(strategy: &Strategy, trials: usize, epochs: usize) -> Vec<Rung> {
    let Strategy::SuccessiveHalving(SuccessiveHalving { eta, min_epochs, .. }) = strategy else {
        return vec![Rung { trials, epochs: None }];
    };
    let mut rungs = Vec::new();
    let (mut left, mut until) = (trials, *min_epochs);
    while until < epochs && left > 1 {
        rungs.push(Rung { trials: left, epochs: Some(until) });
        left = (left / eta).max(1);
        until = until.saturating_mul(*eta);
    }
    rungs.push(Rung { trials: left, epochs: None });
    rungs
}

/// Epochs of all trainings together at most: each stage costs what it adds to the one before.
pub fn total_epochs(rungs: &[Rung], epochs: usize, seeds: usize) -> usize {
    let mut before = 0;
    let mut total = 0usize;
    for rung in rungs {
        let until = rung.epochs.unwrap_or(epochs);
        total = total.saturating_add(rung.trials.saturating_mul(until - before));
        before = until;
    }
    total.saturating_mul(seeds)
}

/// The order of settings, best first: those with a value before those without, the earlier of equals
/// first.
pub fn ranking(values: &[Option<f64>], metric: StoppingMetric) -> Vec<usize> {
    let cost = |i: &usize| match values[*i] {
        Some(value) if !value.is_nan() => metric.to_minimise(value),
        _ => f64::INFINITY,
    };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halving(trials: usize, eta: usize, min_epochs: usize) -> Strategy {
        Strategy::SuccessiveHalving(SuccessiveHalving { trials, eta, min_epochs })
    }

    fn pairs(rungs: &[Rung]) -> Vec<(usize, Option<usize>)> {
        rungs.iter().map(|rung| (rung.trials, rung.epochs)).collect()
    }

    #[test]
    fn each_stage_keeps_one_in_eta() {
        let rungs = rungs(&halving(60, 3, 1), 60, 9);
        assert_eq!(pairs(&rungs), [(60, Some(1)), (20, Some(3)), (6, None)]);
        // 60 · 1 + 20 · 2 + 6 · 6, a quarter of 60 · 9
        assert_eq!(total_epochs(&rungs, 9, 1), 136);
        assert_eq!(total_epochs(&rungs, 9, 2), 272);
    }

    #[test]
    fn few_epochs_or_few_trials_make_few_stages() {
        assert_eq!(pairs(&rungs(&halving(60, 3, 5), 60, 5)), [(60, None)]);
        assert_eq!(pairs(&rungs(&halving(2, 3, 1), 2, 100)), [(2, Some(1)), (1, None)]);
        assert_eq!(
            pairs(&rungs(&halving(10, 3, 2), 10, 20)),
            [(10, Some(2)), (3, Some(6)), (1, None)]
        );
        let all = Strategy::Grid(Default::default());
        assert_eq!(total_epochs(&rungs(&all, 60, 9), 9, 1), 540);
    }

    #[test]
    fn the_best_come_first_and_those_without_a_value_last() {
        let values = [Some(0.5), None, Some(0.9), Some(f64::NAN), Some(0.9)];
        assert_eq!(ranking(&values, StoppingMetric::Accuracy), [2, 4, 0, 1, 3]);
        assert_eq!(ranking(&values, StoppingMetric::Mse), [0, 2, 4, 1, 3]);
    }
}
