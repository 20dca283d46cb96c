//! The score below which as many records lie as are wrong.

/// A score, and the share of records that have just this score and count as at least it, so that ties are
/// split as the number of errors wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Threshold {
    /// The score.
    score: f64,
    /// The share, in [0, 1].
    tied: f64,
}

impl Threshold {
    /// The threshold below which there are `errors` of the records; those come in ascending order, each
    /// with how often it counts.
    pub fn at(ascending: impl Iterator<Item = (f64, usize)>, errors: usize) -> Self {
        if errors == 0 {
            return Self { score: f64::NEG_INFINITY, tied: 1.0 };
        }
        let (mut score, mut below, mut tied) = (f64::NEG_INFINITY, 0, 0);
        for (next, count) in ascending.filter(|(_, count)| *count > 0) {
            if next != score {
                if below + tied > errors {
                    break;
                }
                below += tied;
                (score, tied) = (next, 0);
            }
            tied += count;
        }
        // Every record is wrong: also the highest score is not enough.
        Self { score, tied: 1.0 - (errors.min(below + tied) - below) as f64 / tied.max(1) as f64 }
    }

    /// How much a record of this score counts as at least the threshold, in \[0, 1\].
    pub fn counts(self, score: f64) -> f64 {
        if score == self.score { self.tied } else { f64::from(u8::from(score > self.score)) }
    }

    /// The share of scores, in ascending order, that are at least the threshold.
    pub fn share_at_least(self, ascending: &[f64]) -> f64 {
        let from = ascending.partition_point(|&score| score < self.score);
        let above = ascending.partition_point(|&score| score <= self.score);
        let count = (ascending.len() - above) as f64 + self.tied * (above - from) as f64;
        count / ascending.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_lie_below_as_are_wrong() {
        for values in [&[1.0, 2.0, 3.0, 4.0, 5.0][..], &[1.0, 1.0, 2.0, 2.0, 2.0], &[0.5; 5]] {
            for errors in 0..=5 {
                let threshold = Threshold::at(values.iter().map(|&value| (value, 1)), errors);
                let share = threshold.share_at_least(values);
                assert!((share - (5 - errors) as f64 / 5.0).abs() < 1e-12, "{values:?} {errors}");
            }
        }
        // Counted twice or not at all.
        let counted = [(1.0, 2), (2.0, 0), (3.0, 2), (4.0, 1)];
        let threshold = Threshold::at(counted.into_iter(), 3);
        assert_eq!([1.0, 2.0, 3.0, 4.0].map(|score| threshold.counts(score)), [0.0, 0.0, 0.5, 1.0]);
    }
}
