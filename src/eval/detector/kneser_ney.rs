//! How surprising the words are in their order: an interpolated Kneser-Ney bigram model (Kneser and
//! Ney 1995, interpolated as in Chen and Goodman 1999) with one discount D = 0.75:
//!
//! P(w | v) = max(c(v, w) − D, 0) / c(v) + D · n(v, ·) / c(v) · P₁(w)
//! P₁(w)    = max(n(·, w) − D, 0) / n(·, ·) + D · n₁ / n(·, ·) · 1/V
//!
//! c counts pairs, n distinct pairs, n₁ the words that follow anything. A text starts behind its
//! edge and ends with it: the edge is a word too. V is the vocabulary, the edge, and one more for
//! all unknown words together.

use super::bigrams::Bigrams;
use super::{Detector, Sample, Training, UNKNOWN_WORD};
use crate::arrays::{Arrays, ArraysError};

const DISCOUNT: f64 = 0.75;

pub(super) struct KneserNey {
    /// With edges.
    bigrams: Bigrams,
    /// How often each pair occurs.
    counts: Vec<u32>,
    /// What the word before makes of a count and of P₁; the edge's last.
    contexts: Vec<Context>,
    /// P₁ of each word, then of the edge, and of an unknown word last.
    continuation: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Context {
    /// 1 / c(v), or 0 for a word without followers.
    per_count: f64,
    /// D · n(v, ·) / c(v), or 1 for a word without followers.
    backoff: f64,
}

/// Of a word without followers.
const UNSEEN: Context = Context { per_count: 0.0, backoff: 1.0 };

impl KneserNey {
    pub fn fit(training: &Training<'_>) -> Self {
        let (bigrams, counts) = Bigrams::count(training.words, training.records, true);
        Self::new(bigrams, counts)
    }

    fn new(bigrams: Bigrams, counts: Vec<u32>) -> Self {
        let context = |word| {
            let counts = &counts[bigrams.places(word)];
            let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
            if counts.is_empty() {
                return UNSEEN;
            }
            let backoff = DISCOUNT * counts.len() as f64 / total;
            Context { per_count: 1.0 / total, backoff }
        };
        let contexts: Vec<Context> = (0..bigrams.words()).map(context).collect();
        let mut before = vec![0.0f64; contexts.len() + 1];
        bigrams.followers().iter().for_each(|&word| before[word as usize] += 1.0);
        let pairs = counts.len() as f64;
        let following = before.iter().filter(|&&count| count > 0.0).count() as f64;
        let rest = if counts.is_empty() { 1.0 } else { DISCOUNT * following / pairs };
        let floor = rest / before.len() as f64;
        let share = |&count: &f64| (count - DISCOUNT).max(0.0) / pairs.max(1.0) + floor;
        let continuation = before.iter().map(share).collect();
        Self { bigrams, counts, contexts, continuation }
    }

    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let bigrams = Bigrams::load(arrays)?;
        let counts = arrays.get_exact::<u32>("counts", bigrams.followers().len())?.to_vec();
        if bigrams.words() == 0 || counts.contains(&0) {
            return Err(ArraysError::Format("word pairs without an edge or a count".to_owned()));
        }
        Ok(Self::new(bigrams, counts))
    }

    /// What stands for the start and the end of a text.
    fn edge(&self) -> u32 {
        (self.contexts.len() - 1) as u32
    }

    /// P(word | the one before), above 0.
    fn probability(&self, before: u32, word: u32) -> f64 {
        let Context { per_count, backoff } =
            self.contexts.get(before as usize).copied().unwrap_or(UNSEEN);
        let unknown = self.continuation.len() - 1;
        let lower = backoff * self.continuation[(word as usize).min(unknown)];
        match self.bigrams.find(before, word) {
            Some(place) => (f64::from(self.counts[place]) - DISCOUNT) * per_count + lower,
            None => lower,
        }
    }
}

impl Detector for KneserNey {
    /// −1/(L + 1) Σ ln P(word | the one before it), in nats, over the L words and the end of the
    /// text. A text without words is as surprising as one unknown word.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        let words = if sample.words.is_empty() { &[UNKNOWN_WORD][..] } else { sample.words };
        let edge = self.edge();
        let (mut before, mut sum, mut product) = (edge, 0.0, 1.0);
        for &word in words {
            let word = if word < edge { word } else { UNKNOWN_WORD };
            product *= self.probability(before, word);
            // One logarithm for many words; a single probability is far above 1e-100.
            if product < 1e-200 {
                sum -= f64::ln(product);
                product = 1.0;
            }
            before = word;
        }
        sum -= f64::ln(product * self.probability(before, edge));
        sum / (words.len() + 1) as f64
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
        // The edge of a text is 5; nothing follows 4.
        for before in [0, 1, 2, 3, 4, 5, UNKNOWN_WORD] {
            let words = (0..6).chain([UNKNOWN_WORD]);
            let sum: f64 = words.map(|word| detector.probability(before, word)).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{before}: {sum}");
        }
    }

    /// By hand. Pairs: edge 0 twice, edge 1; 0 1 twice, 0 2; 1 0, 1 1, 1 2, 1 edge; 2 edge; 3 edge:
    /// ten kinds. 0, 1, 2 and the edge follow 2, 3, 2 and 3 words; V = 7.
    #[test]
    fn follows_the_formula() {
        let detector = fitted();
        let floor = 0.75 * 4.0 / 10.0 / 7.0;
        let lower = |kinds: f64| (kinds - 0.75) / 10.0 + floor;
        let near = |before, word, expected: f64| {
            let found = detector.probability(before, word);
            assert!((found - expected).abs() < 1e-12, "{before} {word}: {found} {expected}");
        };
        let (first, second) = (1.25 / 3.0 + 0.5 * lower(2.0), 1.25 / 3.0 + 0.5 * lower(3.0));
        near(5, 0, first);
        near(0, 1, second);
        near(0, 0, 0.5 * lower(2.0));
        near(2, 2, 0.75 * lower(2.0));
        near(4, 2, lower(2.0));
        near(1, 5, 0.25 / 4.0 + 0.75 * lower(3.0));
        let text = first.ln() + second.ln() + (0.75 * floor).ln() + lower(3.0).ln();
        assert!((score(&detector, &[0, 1, UNKNOWN_WORD]) + text / 4.0).abs() < 1e-12);
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
            let expected = (words as f64 + 2.0).ln();
            assert!((score(&detector, &[3, UNKNOWN_WORD]) - expected).abs() < 1e-12, "{words}");
        }
    }

    #[test]
    fn a_count_of_zero_is_refused() {
        let mut saved = fitted().save();
        saved.put("counts", vec![0u32; 10]);
        assert!(KneserNey::load(&saved).is_err());
    }
}
