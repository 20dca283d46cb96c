//! Regularised adaptive sets (Angelopoulos, Bates, Malik and Jordan 2021).

use super::aps;

/// The price of a rank beyond [`FREE_RANKS`]; the authors' own example value, not tuned here.
pub(super) const LAMBDA: f64 = 0.01;
/// Ranks that cost nothing; likewise. With no more classes than this, the sets are those of APS.
pub(super) const FREE_RANKS: usize = 5;

/// The score of APS + λ·(rank − k)₊, where the rank of y is 1 + #{p_j > p_y}.
pub(super) fn scores(probabilities: &[f64], ranked: &[usize], u: f64) -> Vec<f64> {
    let mut scores = aps::scores(probabilities, ranked, u);
    let (mut rank, mut last) = (1, f64::INFINITY);
    for (place, &class) in ranked.iter().enumerate() {
        if probabilities[class] < last {
            (rank, last) = (place + 1, probabilities[class]);
        }
        scores[class] += LAMBDA * rank.saturating_sub(FREE_RANKS) as f64;
    }
    scores
}
