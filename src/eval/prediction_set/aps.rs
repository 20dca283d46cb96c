//! Adaptive sets (Romano, Sesia and Candès 2020).

/// Σ over p_j > p_y of p_j, + u·p_y, in \[0, 1\] up to rounding. Classes of the same probability
/// have the same score.
pub(super) fn scores(probabilities: &[f64], ranked: &[usize], u: f64) -> Vec<f64> {
    let mut scores = vec![0.0; probabilities.len()];
    // The mass of all that stands before, and of all that is more probable.
    let (mut before, mut above, mut last) = (0.0, 0.0, f64::INFINITY);
    for &class in ranked {
        let p = probabilities[class];
        if p < last {
            (above, last) = (before, p);
        }
        scores[class] = above + u * p;
        before += p;
    }
    scores
}
