//! What detectors compute of logits, without overflow for any finite ones.

use crate::eval::{Link, exponential};

/// ln(1 + e^z) without overflow.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// The place of the largest logit, and e^(z − largest) summed over all others.
fn largest_and_others(logits: &[f32]) -> Option<(f64, f64)> {
    let max = exponential::largest(logits, f32::NEG_INFINITY);
    let place = logits.iter().position(|z| *z == max)?;
    let max = f64::from(max);
    let (before, after) = (&logits[..place], &logits[place + 1..]);
    Some((max, exponential::sum(before, max) + exponential::sum(after, max)))
}

/// 1 − the largest probability, in \[0, 1\]; for independent labels, 1 − the certainty of the least
/// certain one, in \[0, ½\]. Computed from the smaller side, so that it does not round to 0 where the
/// network is sure. Without logits, 1.
pub(super) fn uncertainty(link: Link, logits: &[f32]) -> f64 {
    match link {
        Link::Softmax => {
            largest_and_others(logits).map_or(1.0, |(_, others)| others / (1.0 + others))
        }
        Link::Sigmoid => {
            let nearest = logits.iter().map(|z| f64::from(z.abs())).reduce(f64::min);
            nearest.map_or(1.0, |z| 1.0 / (1.0 + z.exp()))
        }
    }
}

/// ln Σ e^z; for independent labels Σ ln(1 + e^z), the same of the sum over all their combinations.
/// Without logits, 0.
pub(super) fn log_partition(link: Link, logits: &[f32]) -> f64 {
    match link {
        Link::Softmax => {
            largest_and_others(logits).map_or(0.0, |(max, others)| max + others.ln_1p())
        }
        Link::Sigmoid => logits.iter().map(|&z| softplus(f64::from(z))).sum(),
    }
}

/// −Σ p ln p, in nats: of the classes, in \[0, ln classes\], or of all combinations of independent
/// labels, in \[0, labels · ln 2\].
pub(super) fn entropy(link: Link, logits: &[f32]) -> f64 {
    match link {
        Link::Softmax => {
            let Some((max, others)) = largest_and_others(logits) else { return 0.0 };
            let below = |&z: &f32| (max - f64::from(z)) * exponential::exp(f64::from(z) - max);
            others.ln_1p() + logits.iter().map(below).sum::<f64>() / (1.0 + others)
        }
        Link::Sigmoid => {
            let of_label = |&z: &f32| {
                let z = f64::from(z.abs());
                softplus(-z) + z / (1.0 + z.exp())
            };
            logits.iter().map(of_label).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 3] = [1.5, -0.25, 0.75];

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{found} {expected}");
    }

    #[test]
    fn of_classes_they_follow_the_definitions() {
        let p = Link::Softmax.probabilities(&LOGITS, 1.0);
        near(uncertainty(Link::Softmax, &LOGITS), 1.0 - p[0]);
        near(entropy(Link::Softmax, &LOGITS), -p.iter().map(|p| p * p.ln()).sum::<f64>());
        let sum: f64 = LOGITS.iter().map(|&z| f64::from(z).exp()).sum();
        near(log_partition(Link::Softmax, &LOGITS), sum.ln());
    }

    /// By enumeration of the eight combinations of three independent labels.
    #[test]
    fn of_labels_they_are_those_of_all_combinations() {
        let energy = |set: usize| -> f64 {
            (0..3).filter(|label| set >> label & 1 == 1).map(|label| f64::from(LOGITS[label])).sum()
        };
        let partition: f64 = (0..8).map(|set| energy(set).exp()).sum();
        near(log_partition(Link::Sigmoid, &LOGITS), partition.ln());
        let p = (0..8).map(|set| energy(set).exp() / partition);
        near(entropy(Link::Sigmoid, &LOGITS), -p.map(|p| p * p.ln()).sum::<f64>());
        let p = Link::Sigmoid.probabilities(&LOGITS, 1.0);
        near(uncertainty(Link::Sigmoid, &LOGITS), p[1]);
    }

    #[test]
    fn sure_logits_still_differ_and_huge_ones_stay_finite() {
        let uncertain = |z: f32| uncertainty(Link::Softmax, &[z, 0.0]);
        assert!(uncertain(60.0) > uncertain(61.0) && uncertain(61.0) > 0.0);
        for link in [Link::Softmax, Link::Sigmoid] {
            for logits in [&[][..], &[f32::MAX, f32::MIN], &[f32::MAX; 3], &[f32::MIN; 3]] {
                let values =
                    [uncertainty(link, logits), log_partition(link, logits), entropy(link, logits)];
                assert!(values.iter().all(|value| value.is_finite()), "{logits:?} {values:?}");
            }
        }
    }
}
