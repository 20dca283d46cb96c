//! Which records of a batch to flag, so that few of the flagged are false alarms.

use super::conformal;

/// What a batch's p-values say together, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Discoveries {
    /// Whether each is flagged at the level that was asked for.
    pub rejected: Vec<bool>,
    /// The least level at which each would be flagged (q-value), in \[0, 1\]; small means outside.
    pub q_values: Vec<f64>,
}

/// Benjamini and Hochberg (1995): flags the i smallest of m p-values, with the largest i for which
/// p₍ᵢ₎ ≤ αi/m. The expected share of false alarms among the flagged is at most α·m₀/m with m₀ true
/// nulls, for independent p-values and for conformal ones that share a calibration set (Bates et al.
/// 2021, theorem 2), as long as the batch's records are independent of one another.
pub fn benjamini_hochberg(p_values: &[f64], alpha: f64) -> Discoveries {
    let m = p_values.len();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut q_values = vec![1.0; m];
    let mut least: f64 = 1.0;
    for (rank, &i) in order.iter().enumerate().rev() {
        least = least.min(p_values[i] * m as f64 / (rank + 1) as f64);
        q_values[i] = least;
    }
    // A hair more, so that a p-value on the line is flagged in spite of rounding.
    let rejected = q_values.iter().map(|&q| q <= alpha * (1.0 + 1e-12)).collect();
    Discoveries { rejected, q_values }
}

/// The least number of calibration records with which `outside` records of a batch can be flagged at
/// α, when no other looks like them: ⌈m/(α·outside)⌉ − 1. `None` where no number would do.
pub fn records_needed(batch: usize, outside: usize, alpha: f64) -> Option<usize> {
    let outside = outside.min(batch);
    (outside > 0)
        .then(|| (alpha * outside as f64 / batch as f64).min(1.0))
        .and_then(conformal::records_needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::conformal::CalibrationScores;
    use crate::random;

    #[test]
    fn known_values() {
        let p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216];
        let found = benjamini_hochberg(&p, 0.05);
        assert_eq!(found.rejected.iter().filter(|r| **r).count(), 2);
        assert!(found.rejected[0] && found.rejected[1]);
        // By hand: 10·p/i, then the least from the right.
        let expected = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.105_714_286, 0.216, 0.216, 0.216];
        for (q, expected) in found.q_values.iter().zip(expected) {
            assert!((q - expected).abs() < 1e-9, "{q} {expected}");
        }
        // The order of the batch does not matter.
        let mut reversed = p;
        reversed.reverse();
        let mut q_values = benjamini_hochberg(&reversed, 0.05).q_values;
        q_values.reverse();
        assert_eq!(q_values, found.q_values);
    }

    #[test]
    fn edges() {
        assert_eq!(benjamini_hochberg(&[], 0.05).rejected.len(), 0);
        assert_eq!(benjamini_hochberg(&[0.05], 0.05).rejected, [true]);
        assert_eq!(benjamini_hochberg(&[0.05; 4], 0.05).rejected, [true; 4]);
        assert_eq!(benjamini_hochberg(&[1.0; 3], 0.05).rejected, [false; 3]);
        assert_eq!(records_needed(50, 1, 0.05), Some(999));
        assert_eq!(records_needed(50, 10, 0.05), Some(99));
        assert_eq!((records_needed(50, 0, 0.05), records_needed(5, 1, 0.0)), (None, None));
    }

    #[test]
    fn the_number_of_records_that_is_needed_is_the_least() {
        for (batch, outside) in [(50, 1), (50, 7), (3, 3)] {
            let n = records_needed(batch, outside, 0.1).unwrap();
            let flagged = |n: usize| {
                let mut p = vec![1.0; batch];
                p[..outside].fill(1.0 / (n + 1) as f64);
                benjamini_hochberg(&p, 0.1).rejected[0]
            };
            assert!(flagged(n) && !flagged(n - 1), "{batch} {outside}: {n}");
        }
    }

    /// The false discovery rate over 2,000 trials, each with a calibration set that a batch of 50
    /// shares, of which 10 lie outside. It is at most α·40/50, within three standard errors. Flagging
    /// p ≤ α one by one, and p-values that forget the record itself, fail the same test.
    #[test]
    fn the_false_discovery_rate_stays_within_alpha() {
        let (trials, records, alpha) = (2_000, 300, 0.1);
        let mut rng = random::stream(9, "false discovery");
        let (mut kept, mut one_by_one) = (Vec::new(), Vec::new());
        let (mut power, mut any, mut any_broken) = (0, 0, 0);
        for _ in 0..trials {
            let scores = (0..records).map(|_| random::normal(&mut rng)).collect();
            let calibration = CalibrationScores::new(scores);
            let batch: Vec<f64> = (0..50)
                .map(|i| random::normal(&mut rng) + if i < 10 { 3.5 } else { 0.0 })
                .collect();
            let p: Vec<f64> = batch.iter().map(|&score| calibration.p_value(score)).collect();
            let share = |rejected: &[bool]| {
                let all = rejected.iter().filter(|r| **r).count();
                let wrong = rejected[10..].iter().filter(|r| **r).count();
                wrong as f64 / all.max(1) as f64
            };
            let found = benjamini_hochberg(&p, alpha);
            kept.push(share(&found.rejected));
            one_by_one.push(share(&p.iter().map(|&p| p <= alpha).collect::<Vec<bool>>()));
            power += found.rejected[..10].iter().filter(|r| **r).count();
            // Only records from inside: any discovery is false.
            let inside = benjamini_hochberg(&p[10..], alpha).rejected;
            any += usize::from(inside.contains(&true));
            let broken: Vec<f64> = batch[10..]
                .iter()
                .map(|&score| calibration.at_least(score) as f64 / records as f64)
                .collect();
            let broken = benjamini_hochberg(&broken, alpha).rejected;
            any_broken += usize::from(broken.contains(&true));
        }
        let mean = |shares: &[f64]| shares.iter().sum::<f64>() / f64::from(trials);
        let error = |shares: &[f64]| {
            let mean = mean(shares);
            let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
            3.0 * (squares / f64::from(trials).powi(2)).sqrt()
        };
        assert!(mean(&kept) <= alpha * 0.8 + error(&kept), "{}", mean(&kept));
        assert!(mean(&one_by_one) > alpha * 0.8 + error(&one_by_one), "{}", mean(&one_by_one));
        // Three standard errors of a share of 0.1 are 0.02.
        let (any, any_broken) =
            (any as f64 / f64::from(trials), any_broken as f64 / f64::from(trials));
        assert!(any <= alpha + 0.02, "{any}");
        assert!(any_broken > alpha + 0.02, "{any_broken}");
        // And it is not kept by flagging nothing.
        assert!(power as f64 / f64::from(trials * 10) > 0.7, "{power}");
    }
}
