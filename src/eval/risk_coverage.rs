//! The error among accepted predictions as the acceptance grows, and the area under that curve.
//!
//! Records are accepted from the most to the least confident. Of the several conventions for the area
//! (AURC), this is the trapezoid rule over acceptances 1/n, 2/n, … 1, divided by their range 1 − 1/n;
//! that is the mean error of the curve. Within records of one confidence errors count as spread evenly,
//! so that their order does not matter.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Points of a curve at most.
const MAX_POINTS: usize = 200;

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RiskPoint {
    /// Share of records that are accepted, in (0, 1\].
    pub acceptance: f64,
    /// Share of errors among them, in \[0, 1\].
    pub risk: f64,
    /// The lowest confidence that is accepted.
    pub threshold: f64,
}

/// The curve and its areas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RiskCoverage {
    /// From the smallest acceptance to all records, at most 200 points; records of one confidence are
    /// accepted together.
    pub curve: Vec<RiskPoint>,
    /// Area under the curve, in \[0, 1\]; lower is better.
    pub aurc: f64,
    /// What it exceeds the area by that the best possible order of the same errors has (E-AURC,
    /// Geifman, Uziel and El-Yaniv 2019); 0 where every error is less confident than every right answer.
    pub excess_aurc: f64,
}

/// The curve of pairs of a confidence and whether the prediction is right; `None` for fewer than two.
pub fn risk_coverage(records: &[(f64, bool)]) -> Option<RiskCoverage> {
    let n = records.len();
    if n < 2 {
        return None;
    }
    let mut sorted = records.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut points = Vec::new();
    // Errors among the first i records, ties spread evenly.
    let mut errors = vec![0.0; n + 1];
    let mut start = 0;
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let wrong = group.iter().filter(|(_, right)| !right).count() as f64;
        for i in 1..=group.len() {
            errors[start + i] = errors[start] + wrong * i as f64 / group.len() as f64;
        }
        start += group.len();
        points.push(RiskPoint {
            acceptance: start as f64 / n as f64,
            risk: errors[start] / start as f64,
            threshold: group[0].0,
        });
    }
    let all = errors[n].round() as usize;
    let best: Vec<f64> = (0..=n).map(|i| (i + all).saturating_sub(n) as f64).collect();
    let aurc = area(&errors);
    Some(RiskCoverage { curve: thinned(points), aurc, excess_aurc: (aurc - area(&best)).max(0.0) })
}

/// The mean over the curve of risks errors\[i\] / i for i from 1 to n.
fn area(errors: &[f64]) -> f64 {
    let risk = |i: usize| errors[i] / i as f64;
    let n = errors.len() - 1;
    let sum: f64 = (2..=n).map(|i| 0.5 * (risk(i - 1) + risk(i))).sum();
    sum / (n - 1) as f64
}

/// At most [`MAX_POINTS`], evenly chosen, with the first and the last.
fn thinned(points: Vec<RiskPoint>) -> Vec<RiskPoint> {
    let (n, last) = (points.len(), MAX_POINTS - 1);
    if n <= MAX_POINTS {
        return points;
    }
    (0..MAX_POINTS).map(|i| points[i * (n - 1) / last]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        // p .1 .2 .3 .4 .2, y 0 0 1 1 0: the class 0 is predicted with confidence 1 − p.
        let records = [(0.9, true), (0.8, true), (0.7, false), (0.6, false), (0.8, true)];
        let found = risk_coverage(&records).unwrap();
        assert!((found.aurc - 0.1125).abs() < 1e-12, "{}", found.aurc);
        assert!(found.excess_aurc < 1e-12, "the errors come last");
        let points: Vec<f64> = found.curve.iter().map(|point| point.risk).collect();
        assert_eq!(points, [0.0, 0.0, 0.25, 0.4]);
        assert_eq!(found.curve[1].acceptance, 0.6);
        // The worst order: risks 1, 1, 2/3, 1/2, 2/5 against 0, 0, 0, 1/4, 2/5.
        let worst = records.map(|(confidence, right)| (1.0 - confidence, right));
        let found = risk_coverage(&worst).unwrap();
        let expected = (0.5 + 1.0 + 2.0 / 3.0 + 0.5 + 0.2) / 4.0;
        assert!((found.aurc - expected).abs() < 1e-12);
        assert!((found.excess_aurc - (expected - 0.1125)).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_ties_does_not_matter() {
        let records = [(0.5, true), (0.5, false), (0.5, true), (0.5, false), (0.9, true)];
        let mut reversed = records;
        reversed.reverse();
        assert_eq!(risk_coverage(&records), risk_coverage(&reversed));
        assert_eq!(risk_coverage(&[]), None);
        assert_eq!(risk_coverage(&[(0.3, true)]), None);
        let wrong = risk_coverage(&[(0.3, false); 7]).unwrap();
        assert_eq!((wrong.aurc, wrong.excess_aurc, wrong.curve.len()), (1.0, 0.0, 1));
    }

    #[test]
    fn a_long_curve_is_thinned() {
        let mut rng = random::stream(1, "curve");
        let records: Vec<(f64, bool)> =
            (0..5_000).map(|_| (rng.random(), rng.random::<f64>() < 0.8)).collect();
        let found = risk_coverage(&records).unwrap();
        assert_eq!(found.curve.len(), 200);
        assert_eq!(found.curve[199].acceptance, 1.0);
        assert!(found.curve.is_sorted_by(|a, b| a.acceptance < b.acceptance));
        assert!((found.aurc - 0.2).abs() < 0.03, "{}", found.aurc);
        assert!(found.excess_aurc > 0.1);
    }
}
