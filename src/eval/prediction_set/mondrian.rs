//! Thresholds for each class by itself (Mondrian conformal prediction; Vovk et al. 2005).

use crate::eval::conformal::CalibrationScores;

/// q̂ of each class from its own calibration records: among new records of a class, a share of at
/// least 1 − α has that class in the set. `None` where a class has too few.
pub(super) fn thresholds(by_class: &[CalibrationScores], alpha: f64) -> Option<Vec<f64>> {
    by_class.iter().map(|scores| scores.quantile(alpha)).collect()
}
