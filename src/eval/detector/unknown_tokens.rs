//! The share of words that training never saw.

use super::{Detector, Sample, UNKNOWN_WORD};
use crate::arrays::Arrays;

pub(super) struct UnknownTokens;

impl Detector for UnknownTokens {
    /// In \[0, 1\]; 1 for a text without words, in which nothing is known.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        let unknown = sample.words.iter().filter(|&&word| word == UNKNOWN_WORD).count();
        if sample.words.is_empty() { 1.0 } else { unknown as f64 / sample.words.len() as f64 }
    }

    fn save(&self) -> Arrays {
        Arrays::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_unknown_words() {
        let score = |words: &[u32]| UnknownTokens.score(&Sample { words, ..Sample::default() });
        assert_eq!(score(&[3, UNKNOWN_WORD, 0, 0]), 0.25);
        assert_eq!(score(&[3, 0]), 0.0);
        assert_eq!((score(&[UNKNOWN_WORD]), score(&[])), (1.0, 1.0));
    }
}
