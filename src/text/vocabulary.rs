//! The n-grams that the network has parameters for, and how common each is.
//!
//! Ids: single words first, most frequent first, then all other n-grams. With hash buckets the other
//! n-grams share `buckets` ids by their key, as in fastText, and a bucket is known if training
//! filled it often enough.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are already well mixed 64-bit values.
pub type KeyMap<V> = HashMap<u64, V, BuildHasherDefault<KeyHasher>>;

/// Hands a 64-bit key through.
#[derive(Default, Clone, Copy)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How often an n-gram occurs, and in how many texts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Frequency {
    /// Occurrences.
    pub count: u32,
    /// Texts that hold it.
    pub texts: u32,
}

/// What the vocabulary keeps.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Occurrences a single word needs.
    pub min_word_count: u32,
    /// Occurrences any other n-gram needs.
    pub min_ngram_count: u32,
    /// Ids at most, single words first, then the most frequent n-grams; buckets come on top.
    pub max_size: usize,
    /// Ids that all n-grams other than single words share, instead of one id each.
    pub buckets: Option<u32>,
}

/// Known n-grams.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// Key of each id that is not a bucket.
    keys: Vec<u64>,
    words: usize,
    buckets: usize,
    /// Texts that hold each id, in training.
    texts: Vec<u32>,
    /// Texts in training.
    total_texts: u32,
    ids: KeyMap<u32>,
}

impl Vocabulary {
    /// Chooses what to keep from the frequencies of single words and of all other n-grams. With
    /// buckets, `ngrams` is keyed by bucket.
    pub fn build(
        words: &KeyMap<Frequency>,
        ngrams: &KeyMap<Frequency>,
        total_texts: u32,
        keep: Keep,
    ) -> Self {
        let sorted = |map: &KeyMap<Frequency>, min: u32| {
            let mut entries: Vec<(u64, Frequency)> =
                map.iter().filter(|(_, f)| f.count >= min).map(|(key, f)| (*key, *f)).collect();
            entries.sort_unstable_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(&b.0)));
            entries
        };
        let mut entries = sorted(words, keep.min_word_count);
        entries.truncate(keep.max_size);
        let word_count = entries.len();
        let mut buckets = 0;
        let mut bucket_texts = Vec::new();
        if let Some(count) = keep.buckets {
            buckets = count as usize;
            bucket_texts = vec![0; buckets];
            for (&bucket, frequency) in ngrams {
                if frequency.count >= keep.min_ngram_count {
                    bucket_texts[bucket as usize] = frequency.texts;
                }
            }
        } else {
            let mut others = sorted(ngrams, keep.min_ngram_count);
            others.truncate(keep.max_size - word_count);
            entries.extend(others);
        }
        let keys = entries.iter().map(|(key, _)| *key).collect();
        let texts = entries.iter().map(|(_, f)| f.texts).chain(bucket_texts).collect();
        Self::from_parts(keys, word_count, texts, total_texts, buckets)
    }

    /// Puts a stored vocabulary together again.
    pub fn from_parts(
        keys: Vec<u64>,
        words: usize,
        texts: Vec<u32>,
        total_texts: u32,
        buckets: usize,
    ) -> Self {
        let ids = keys.iter().enumerate().map(|(id, &key)| (key, id as u32)).collect();
        Self { keys, words, buckets, texts, total_texts, ids }
    }

    /// Keys of the ids that are not buckets.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// In how many training texts each id occurs.
    pub fn texts(&self) -> &[u32] {
        &self.texts
    }

    /// Texts that the vocabulary was built from.
    pub fn total_texts(&self) -> u32 {
        self.total_texts
    }

    /// Ids, buckets included.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Single words; their ids are 0 to this.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Buckets, 0 without hashing.
    pub fn buckets(&self) -> usize {
        self.buckets
    }

    /// The id of a single word, if known.
    pub fn word(&self, key: u64) -> Option<u32> {
        self.ids.get(&key).copied().filter(|&id| (id as usize) < self.words)
    }

    /// The id of any other n-gram, if known.
    pub fn ngram(&self, key: u64) -> Option<u32> {
        if self.buckets == 0 {
            return self.ids.get(&key).copied().filter(|&id| (id as usize) >= self.words);
        }
        let id = self.words + bucket(key, self.buckets);
        (self.texts[id] > 0).then_some(id as u32)
    }
}

/// The bucket of a key.
pub fn bucket(key: u64, buckets: usize) -> usize {
    // The upper bits pick the bucket without the bias of a remainder.
    ((u128::from(key) * buckets as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(entries: &[(u64, u32)]) -> KeyMap<Frequency> {
        entries.iter().map(|&(key, count)| (key, Frequency { count, texts: count })).collect()
    }

    const KEEP: Keep = Keep { min_word_count: 1, min_ngram_count: 2, max_size: 100, buckets: None };

    #[test]
    fn frequent_first_and_rare_ngrams_left_out() {
        let vocabulary = Vocabulary::build(
            &frequencies(&[(10, 1), (11, 5)]),
            &frequencies(&[(20, 1), (21, 2)]),
            9,
            KEEP,
        );
        assert_eq!(vocabulary.word(11), Some(0));
        assert_eq!(vocabulary.word(10), Some(1));
        assert_eq!(vocabulary.ngram(21), Some(2));
        assert_eq!(vocabulary.ngram(20), None);
        assert_eq!(vocabulary.word(21), None);
        assert_eq!(vocabulary.len(), 3);
    }

    #[test]
    fn the_size_limit_keeps_words_first() {
        let words = frequencies(&[(10, 1), (11, 5)]);
        let ngrams = frequencies(&[(20, 50), (21, 60)]);
        let small = Vocabulary::build(&words, &ngrams, 9, Keep { max_size: 3, ..KEEP });
        assert_eq!((small.words(), small.len()), (2, 3));
        assert_eq!(small.ngram(21), Some(2));
    }

    #[test]
    fn buckets_know_what_training_filled() {
        let keep = Keep { buckets: Some(10), ..KEEP };
        let full = bucket(u64::MAX, 10) as u64;
        let vocabulary =
            Vocabulary::build(&frequencies(&[(10, 1)]), &frequencies(&[(full, 3)]), 9, keep);
        assert_eq!(vocabulary.len(), 11);
        assert_eq!(vocabulary.ngram(u64::MAX), Some(1 + full as u32));
        assert_eq!(vocabulary.ngram(0), None);
    }
}
