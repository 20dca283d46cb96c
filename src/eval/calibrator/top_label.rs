//! Calibration of the top label alone: its log-odds against all others, and back to probabilities.

use crate::eval::{argmax, exponential, normalize};

/// The top label is kept ahead of the next by at least this, relative to all there is.
const LEAD: f64 = 1e-9;

/// What a record's logits say of its top label, and of the others among themselves.
pub(super) struct TopLabel {
    /// The label of the largest logit; the first of equals.
    pub label: usize,
    /// ln p/(1 − p) of its probability by softmax: z_top − ln Σ e^z of the others, which for two
    /// labels is the margin between their logits. Infinite where there is no other.
    pub log_odds: f64,
    /// The share of each label in the mass of the others; 0 for the top label.
    shares: Vec<f64>,
}

impl TopLabel {
    pub(super) fn of(logits: &[f32]) -> Self {
        let mut shares: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
        let label = argmax(&shares);
        let Some(top) = shares.get(label).copied() else {
            return Self { label, log_odds: f64::INFINITY, shares };
        };
        shares[label] = f64::NEG_INFINITY;
        let second = exponential::largest(&shares, f64::NEG_INFINITY);
        if second == f64::NEG_INFINITY {
            shares.fill(0.0);
            return Self { label, log_odds: f64::INFINITY, shares };
        }
        let mass = normalize(&mut shares, second);
        Self { label, log_odds: top - second - mass.ln(), shares }
    }

    /// All probabilities where that of the top label is `confidence`: the others keep their
    /// proportions and share the rest, so that all sum to 1.
    ///
    /// The top label stays the top. A confidence c that would leave the runner-up, with a share q
    /// of the rest, at (1 − c)·q ≥ c is raised to where they meet, c = q/(1 + q), and a billionth
    /// more: less cannot be said of a label that is still the answer.
    pub(super) fn spread(self, confidence: f64) -> Vec<f64> {
        let runner_up = exponential::largest(&self.shares, 0.0);
        if runner_up == 0.0 {
            // Nothing else can take the rest.
            let one = |(i, _)| f64::from(u8::from(i == self.label));
            return self.shares.iter().enumerate().map(one).collect();
        }
        let floor = runner_up / (1.0 + runner_up) + LEAD;
        let confidence = confidence.clamp(floor, 1.0);
        let mut probabilities = self.shares;
        probabilities.iter_mut().for_each(|share| *share *= 1.0 - confidence);
        probabilities[self.label] = confidence;
        probabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{sigmoid, softmax};
    use crate::random::{self, Rng};

    #[test]
    fn the_networks_own_confidence_gives_its_own_probabilities() {
        let mut rng = random::stream(1, "top label");
        for labels in 2..9 {
            let logits: Vec<f32> = (0..labels).map(|_| rng.random::<f32>() * 9.0 - 4.0).collect();
            let top = TopLabel::of(&logits);
            let confidence = sigmoid(top.log_odds);
            let (found, expected) = (top.spread(confidence), softmax(&logits, 1.0));
            for (f, e) in found.iter().zip(&expected) {
                // The softmax takes the largest logit off in 32 bits.
                assert!((f - e).abs() < 1e-6, "{found:?}, expected {expected:?}");
            }
        }
    }

    #[test]
    fn two_labels_have_their_margin() {
        assert!((TopLabel::of(&[1.5, -0.5]).log_odds - 2.0).abs() < 1e-12);
    }

    #[test]
    fn any_confidence_leaves_the_top_label_first_and_a_sum_of_one() {
        let cases: [&[f32]; 6] = [
            &[1.0, 1.0],
            &[0.0, 2.0, 2.0],
            &[f32::MAX, f32::MIN, 0.0],
            &[-200.0, 300.0, 1.0],
            &[0.0; 20],
            &[3.0, 2.9, -8.0, 1.0],
        ];
        for logits in cases {
            let first = TopLabel::of(logits).label;
            for confidence in [0.0, 1e-12, 0.04, 0.3, 0.5, 0.9, 1.0] {
                let p = TopLabel::of(logits).spread(confidence);
                assert_eq!(argmax(&p), first, "{logits:?} {confidence}");
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{p:?}");
                assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{p:?}");
                assert!(p[first] >= confidence, "{p:?} {confidence}");
            }
        }
        assert_eq!(TopLabel::of(&[3.0]).spread(0.2), [1.0]);
        assert!(TopLabel::of(&[]).spread(0.2).is_empty());
    }
}
