//! Least ambiguous sets (Sadinle, Lei and Wasserman 2019).

/// 1 − p_y, in \[0, 1\].
pub(super) fn scores(probabilities: &[f64]) -> Vec<f64> {
    probabilities.iter().map(|p| 1.0 - p).collect()
}
