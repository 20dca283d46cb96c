//! The share of pairs of adjacent words that training never saw.

use super::bigrams::Bigrams;
use super::{Detector, Sample, Training, UNKNOWN_WORD};
use crate::arrays::{Arrays, ArraysError};

pub(super) struct UnseenBigrams {
    bigrams: Bigrams,
}

impl UnseenBigrams {
    pub fn fit(training: &Training<'_>) -> Self {
        Self { bigrams: Bigrams::count(training.words, training.records, false).0 }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        Ok(Self { bigrams: Bigrams::load(arrays)? })
    }
}

impl Detector for UnseenBigrams {
    /// In \[0, 1\]; a pair with an unknown word is unseen. A text without a pair scores 0 if its
    /// word is known, else 1: without a known word, nothing in it was seen.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        match sample.words {
            [] | [UNKNOWN_WORD] => 1.0,
            [_] => 0.0,
            words => {
                let unseen = |pair: &&[u32]| self.bigrams.find(pair[0], pair[1]).is_none();
                words.windows(2).filter(unseen).count() as f64 / (words.len() - 1) as f64
            }
        }
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        self.bigrams.save(&mut arrays);
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::blank;
    use super::*;

    #[test]
    fn counts_unseen_pairs() {
        let records = vec![vec![0, 1, 2], vec![2, 0]];
        let training = Training { words: 3, records: &records, ..blank() };
        let detector = UnseenBigrams::fit(&training);
        let score = |words: &[u32]| detector.score(&Sample { words, ..Sample::default() });
        assert_eq!(score(&[0, 1, 2, 0]), 0.0);
        // 1 0 and 0 0 are unseen, 0 1 is not.
        assert!((score(&[1, 0, 0, 1]) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(score(&[0, UNKNOWN_WORD, 1]), 1.0);
        assert_eq!((score(&[0]), score(&[UNKNOWN_WORD]), score(&[])), (0.0, 1.0, 1.0));
    }
}
