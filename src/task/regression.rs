//! The metrics of a regression, as they are reported.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A record with its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted<'a> {
    /// True value of each target.
    pub truth: &'a [f64],
    /// Predicted value of each target.
    pub values: Vec<f64>,
}

/// Metrics of a split or a slice of a regression. Of several targets, means over them; `mse` and
/// `rmse` are then of errors in different units, and `r2` compares better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegressionReport {
    /// Records measured.
    pub records: u64,
    /// Mean squared error, in the square of the target's unit; lower is better.
    pub mse: f64,
    /// Root of the mean squared error, in the target's unit; lower is better.
    pub rmse: f64,
    /// Mean absolute error, in the target's unit; lower is better.
    pub mae: f64,
    /// Share of the variance that is explained, 1 − Σ(y − ŷ)² / Σ(y − ȳ)², at most 1; 0 is as good
    /// as the mean of these records, below 0 is worse. Absent where a target does not vary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// The same of each target.
    pub per_target: Vec<TargetReport>,
}

/// Metrics of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetReport {
    /// The column.
    pub target: String,
    /// Mean squared error, in the square of the target's unit; lower is better.
    pub mse: f64,
    /// Root of it, in the target's unit; lower is better.
    pub rmse: f64,
    /// Mean absolute error, in the target's unit; lower is better.
    pub mae: f64,
    /// Share of the variance that is explained, at most 1; higher is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
}

impl RegressionReport {
    /// Measures records; `None` without any.
    pub fn of(names: &[String], records: &[Predicted<'_>]) -> Option<Self> {
        if records.is_empty() {
            return None;
        }
        let targets = names.iter().enumerate().map(|(i, name)| target(name, i, records));
        let per_target: Vec<TargetReport> = targets.collect();
        let n = per_target.len() as f64;
        let mean = |of: &dyn Fn(&TargetReport) -> f64| per_target.iter().map(of).sum::<f64>() / n;
        let mse = mean(&|t| t.mse);
        let r2: Option<Vec<f64>> = per_target.iter().map(|t| t.r2).collect();
        Some(Self {
            records: records.len() as u64,
            mse,
            rmse: mse.sqrt(),
            mae: mean(&|t| t.mae),
            r2: r2.map(|r2| r2.iter().sum::<f64>() / n),
            per_target,
        })
    }
}

fn target(name: &str, i: usize, records: &[Predicted<'_>]) -> TargetReport {
    let n = records.len() as f64;
    let average = records.iter().map(|r| r.truth[i]).sum::<f64>() / n;
    let spread: f64 = records.iter().map(|r| (r.truth[i] - average).powi(2)).sum();
    let squares: f64 = records.iter().map(|r| (r.truth[i] - r.values[i]).powi(2)).sum();
    let absolute: f64 = records.iter().map(|r| (r.truth[i] - r.values[i]).abs()).sum();
    let mse = squares / n;
    TargetReport {
        target: name.to_owned(),
        mse,
        rmse: mse.sqrt(),
        mae: absolute / n,
        r2: (spread > 0.0).then(|| 1.0 - squares / spread),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn's documented example: y = 3, −0.5, 2, 7; ŷ = 2.5, 0, 2, 8.
    #[test]
    fn known_values() {
        let names = ["y".to_owned()];
        let truth = [[3.0], [-0.5], [2.0], [7.0]];
        let values = [2.5, 0.0, 2.0, 8.0];
        let records: Vec<Predicted<'_>> = truth
            .iter()
            .zip(values)
            .map(|(t, v)| Predicted { truth: t, values: vec![v] })
            .collect();
        let report = RegressionReport::of(&names, &records).unwrap();
        assert_eq!((report.mse, report.mae), (0.375, 0.5));
        assert!((report.r2.unwrap() - 0.9486081370449679).abs() < 1e-12);
        assert!((report.rmse - 0.612372435695794).abs() < 1e-12);
    }

    #[test]
    fn a_target_that_does_not_vary_has_no_share_explained() {
        let names = ["y".to_owned()];
        let records = [Predicted { truth: &[1.0], values: vec![2.0] }];
        assert_eq!(RegressionReport::of(&names, &records).unwrap().r2, None);
        assert_eq!(RegressionReport::of(&names, &[]), None);
    }
}
