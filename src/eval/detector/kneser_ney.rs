//! How surprising the words are in their order: an interpolated Kneser-Ney bigram model (Kneser and
//! Ney 1995, interpolated as in Chen and Goodman 1999) with one discount D = 0.75:
//!
//! P(w | v) = max(c(v, w) − D, 0) / c(v) + D · n(v, ·) / c(v) · P₁(w)
//! P₁(w)    = max(n(·, w) − D, 0) / n(·, ·) + D · n₁ / n(·, ·) · 1/V
//!
//! c counts pairs, n distinct pairs, n₁ the words that follow anything. V is the vocabulary and one
//! more for all unknown words together. The start of a text is a context too.

use super::bigrams::Bigrams;
use super::{Detector, Sample, Training, UNKNOWN_WORD};
use crate::arrays::{Arrays, ArraysError};

const DISCOUNT: f64 = 0.75;

pub(super) struct KneserNey {
    bigrams: Bigrams,
    /// How often each pair occurs.
    counts: Vec<u32>,
    /// What a context makes of a count and of P₁.
    contexts: Vec<Context>,
    /// P₁ of each word, and of an unknown one last.
    continuation: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Context {
    /// 1 / c(v), or 0 for a context without followers.
    per_count: f64,
    /// D · n(v, ·) / c(v), or 1 for a context without followers.
    backoff: f64,
}

/// Of a context that training never saw.
const UNSEEN: Context = Context { per_count: 0.0, backoff: 1.0 };

impl KneserNey {
    pub fn fit(training: &Training<'_>) -> Self {
        let (bigrams, counts) = Bigrams::count(training.words, training.records, true);
        Self::new(bigrams, counts)
    }

    fn new(bigrams: Bigrams, counts: Vec<u32>) -> Self {
        let context = |context| {
            let counts = &counts[bigrams.places(context)];
            let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
            if counts.is_empty() {
                return UNSEEN;
            }
            let backoff = DISCOUNT * counts.len() as f64 / total;
            Context { per_count: 1.0 / total, backoff }
        };
        let contexts: Vec<Context> = (0..bigrams.contexts()).map(context).collect();
        // As many contexts as words, the start of a text instead of the unknown word.
        let mut before = vec![0.0f64; contexts.len()];
        bigrams.followers().iter().for_each(|&word| before[word as usize] += 1.0);
        let pairs = counts.len() as f64;
        let kinds = before.iter().filter(|&&count| count > 0.0).count() as f64;
        let rest = if counts.is_empty() { 1.0 } else { DISCOUNT * kinds / pairs };
        let floor = rest / contexts.len() as f64;
        let share = |&count: &f64| (count - DISCOUNT).max(0.0) / pairs.max(1.0) + floor;
        let continuation = before.iter().map(share).collect();
        Self { bigrams, counts, contexts, continuation }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let bigrams = Bigrams::load(arrays, true)?;
        let counts = arrays.get_exact::<u32>("counts", bigrams.followers().len())?.to_vec();
        if counts.contains(&0) {
            return Err(ArraysError::Format("a word pair that never occurred".to_owned()));
        }
        Ok(Self::new(bigrams, counts))
    }

    /// P(word | context), above 0.
    fn probability(&self, context: u32, word: u32) -> f64 {
        let Context { per_count, backoff } =
            self.contexts.get(context as usize).copied().unwrap_or(UNSEEN);
        let unknown = self.continuation.len() - 1;
        let lower = backoff * self.continuation[(word as usize).min(unknown)];
        match self.bigrams.find(context, word) {
            Some(place) => (f64::from(self.counts[place]) - DISCOUNT) * per_count + lower,
            None => lower,
        }
    }
}

impl Detector for KneserNey {
    /// −(1/L) Σ ln P(word | the word before it), in nats. A text without words is as surprising as
    /// one unknown word.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        let words = if sample.words.is_empty() { &[UNKNOWN_WORD][..] } else { sample.words };
        let mut context = (self.contexts.len() - 1) as u32;
        let mut sum = 0.0;
        for &word in words {
            sum -= self.probability(context, word).ln();
            context = word;
        }
        sum / words.len() as f64
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        self.bigrams.save(&mut arrays);
        arrays.put("counts", self.counts.clone());
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::blank;
    use super::*;

    fn fitted() -> KneserNey {
        let records = vec![vec![0, 1, 0, 1, 2], vec![0, 2, UNKNOWN_WORD, 3], vec![1, 1]];
        KneserNey::fit(&Training { words: 5, records: &records, ..blank() })
    }

    fn score(detector: &KneserNey, words: &[u32]) -> f64 {
        detector.score(&Sample { words, ..Sample::default() })
    }

    #[test]
    fn every_context_has_a_distribution() {
        let detector = fitted();
        // The start of a text is 5; 4 is never a context.
        for context in [0, 1, 2, 3, 4, 5, UNKNOWN_WORD] {
            let words = (0..5).chain([UNKNOWN_WORD]);
            let sum: f64 = words.map(|word| detector.probability(context, word)).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{context}: {sum}");
        }
    }

    /// By hand. Pairs: start 0 twice, start 1; 0 1 twice, 0 2; 1 0, 1 2, 1 1: seven kinds. The
    /// words 0, 1, 2 follow 2, 3, 2 contexts; V = 6.
    #[test]
    fn follows_the_formula() {
        let detector = fitted();
        let floor = 0.75 * 3.0 / 7.0 / 6.0;
        let lower = [1.25 / 7.0 + floor, 2.25 / 7.0 + floor, 1.25 / 7.0 + floor];
        let seen = 1.25 / 3.0 + 0.75 * 2.0 / 3.0 * lower[1];
        assert!((detector.probability(0, 1) - seen).abs() < 1e-12);
        assert!((detector.probability(0, 0) - 0.5 * lower[0]).abs() < 1e-12);
        assert!((detector.probability(2, 2) - lower[2]).abs() < 1e-12);
        assert!((detector.probability(5, 0) - (1.25 / 3.0 + 0.5 * lower[0])).abs() < 1e-12);
        let text = -(detector.probability(5, 0).ln() + seen.ln() + (0.75 * floor).ln()) / 3.0;
        assert!((score(&detector, &[0, 1, UNKNOWN_WORD]) - text).abs() < 1e-12);
    }

    #[test]
    fn unseen_orders_and_unknown_words_are_further_away() {
        let detector = fitted();
        let (usual, turned) = (score(&detector, &[0, 1, 2]), score(&detector, &[2, 0, 0]));
        let unknown = score(&detector, &[UNKNOWN_WORD; 3]);
        assert!(usual < turned && turned < unknown, "{usual} {turned} {unknown}");
        assert_eq!(score(&detector, &[]), score(&detector, &[UNKNOWN_WORD]));
    }

    #[test]
    fn without_a_single_pair_every_word_is_as_likely() {
        for words in [0, 9] {
            let detector = KneserNey::fit(&Training { words, ..blank() });
            let expected = (words as f64 + 1.0).ln();
            assert!((score(&detector, &[3, UNKNOWN_WORD]) - expected).abs() < 1e-12, "{words}");
        }
    }

    #[test]
    fn a_count_of_zero_is_refused() {
        let mut saved = fitted().save();
        saved.put("counts", vec![0u32; 7]);
        assert!(KneserNey::load(&saved).is_err());
    }
}
