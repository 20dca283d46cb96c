//! How well a score orders positives above negatives.

/// Scores with their class, highest first.
fn sorted(scores: &[f64], positive: &[bool]) -> Vec<(f64, bool)> {
    let mut pairs: Vec<_> = scores.iter().copied().zip(positive.iter().copied()).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs
}

/// Area under the ROC curve: the chance that a positive scores above a negative, ties half. In
/// \[0, 1\], 0.5 is chance, higher is better. NaN where a class is missing.
pub fn auroc(scores: &[f64], positive: &[bool]) -> f64 {
    let pairs = sorted(scores, positive);
    let (mut below, mut area) = (0.0, 0.0);
    for tie in pairs.chunk_by(|a, b| a.0 == b.0) {
        let positives = tie.iter().filter(|pair| pair.1).count() as f64;
        let negatives = tie.len() as f64 - positives;
        area += negatives * (below + positives / 2.0);
        below += positives;
    }
    area / (below * (pairs.len() as f64 - below))
}

/// Average precision: Σ (R_k − R_(k−1)) P_k over thresholds, as in scikit-learn. In \[0, 1\], higher
/// is better. NaN without a positive.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> f64 {
    let total = positive.iter().filter(|&&p| p).count() as f64;
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for tie in sorted(scores, positive).chunk_by(|a, b| a.0 == b.0) {
        let new = tie.iter().filter(|pair| pair.1).count() as f64;
        hits += new;
        seen += tie.len() as f64;
        sum += new * (hits / seen);
    }
    if total == 0.0 { f64::NAN } else { sum / total }
}

/// The share of negatives above the highest threshold that finds at least `recall` of the positives.
/// With outliers as positives and `recall` 0.95 this is FPR95 in the convention of OpenOOD: the share
/// of in-distribution inputs flagged. In \[0, 1\], lower is better. NaN where a class is missing.
pub fn false_positive_rate_at_recall(scores: &[f64], positive: &[bool], recall: f64) -> f64 {
    let total = positive.iter().filter(|&&p| p).count() as f64;
    let negatives = positive.len() as f64 - total;
    if total == 0.0 || negatives == 0.0 {
        return f64::NAN;
    }
    let (mut hits, mut false_alarms) = (0.0, 0.0);
    for tie in sorted(scores, positive).chunk_by(|a, b| a.0 == b.0) {
        let new = tie.iter().filter(|pair| pair.1).count() as f64;
        hits += new;
        false_alarms += tie.len() as f64 - new;
        if hits / total >= recall {
            break;
        }
    }
    false_alarms / negatives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4, 0.9, 0.2, 0.7];
        let positive = [0, 0, 1, 1, 1, 1, 0, 0].map(|y| y == 1);
        assert!((auroc(&scores, &positive) - 0.78125).abs() < 1e-12);
        assert!((average_precision(&scores, &positive) - 0.816667).abs() < 1e-6);
        assert!((false_positive_rate_at_recall(&scores, &positive, 0.95) - 0.5).abs() < 1e-12);

        let scores = [vec![0.9; 100], vec![0.95; 50], vec![0.85; 50]].concat();
        let positive: Vec<bool> = (0..200).map(|i| i < 100).collect();
        assert!((false_positive_rate_at_recall(&scores, &positive, 0.95) - 0.5).abs() < 1e-12);
    }

    /// Not almost: a target of 1 can be reached.
    #[test]
    fn a_perfect_ranking_is_one() {
        for positives in 1..60 {
            let scores: Vec<f64> = (0..100).map(|i| -f64::from(i)).collect();
            let positive: Vec<bool> = (0..100).map(|i| i < positives).collect();
            assert_eq!(average_precision(&scores, &positive), 1.0);
        }
    }

    #[test]
    fn a_missing_class_is_undefined() {
        assert!(auroc(&[0.1, 0.2], &[true, true]).is_nan());
        assert!(average_precision(&[0.1], &[false]).is_nan());
    }
}
