//! Calibration of multi-label records: each label by itself, from its own logit.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BetaCalibration, CalibratorKind, IsotonicRegression, PlattScaling, temperature};
use crate::eval::{Matrix, sigmoid};

/// The calibrator of one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LabelCalibrator {
    /// Its logit divided by a temperature.
    Temperature {
        /// Above 1 it moves probabilities towards one half, below 1 away from it.
        temperature: f64,
    },
    /// A line through its logit.
    Platt(PlattScaling),
    /// A beta curve of its probability.
    Beta(BetaCalibration),
    /// A non-decreasing curve of its probability.
    Isotonic(IsotonicRegression),
}

impl LabelCalibrator {
    /// The probability that the label holds.
    pub(super) fn probability(&self, logit: f64) -> f64 {
        match self {
            Self::Temperature { temperature } => sigmoid(logit / temperature),
            Self::Platt(platt) => platt.probability(logit),
            Self::Beta(beta) => beta.probability(logit),
            Self::Isotonic(curve) => curve.probability(logit),
        }
    }
}

/// Fits one kind to each label of `records`; `None` where the kind is not for labels by themselves.
pub(super) fn fit(
    kind: CalibratorKind,
    logits: &Matrix,
    labels: &[Vec<bool>],
    records: &[usize],
) -> Option<Vec<LabelCalibrator>> {
    let label = |label: usize| {
        let z: Vec<f64> = records.iter().map(|&i| f64::from(logits.row(i)[label])).collect();
        let holds: Vec<bool> = records.iter().map(|&i| labels[i][label]).collect();
        Some(match kind {
            CalibratorKind::TemperaturePerLabel => {
                LabelCalibrator::Temperature { temperature: temperature::fit_label(&z, &holds) }
            }
            CalibratorKind::Platt => LabelCalibrator::Platt(PlattScaling::fit(&z, &holds)),
            CalibratorKind::Beta => LabelCalibrator::Beta(BetaCalibration::fit(&z, &holds)),
            CalibratorKind::Isotonic => {
                LabelCalibrator::Isotonic(IsotonicRegression::fit(&z, &holds))
            }
            CalibratorKind::Identity | CalibratorKind::Temperature | CalibratorKind::Vector => {
                return None;
            }
        })
    };
    (0..logits.columns()).into_par_iter().map(label).collect()
}
