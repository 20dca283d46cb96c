//! A vocabulary that grows: what another one knew stays known, and the new words come to it.

use super::vectorizer::Vectorizer;
use super::vocabulary::Vocabulary;

impl Vectorizer {
    /// The same vectorizer, which also knows what another one of the same settings knew.
    pub fn grown_from(self, other: &Self) -> Self {
        let vocabulary =
            self.vocabulary().grown_from(other.vocabulary(), self.spec().max_vocabulary);
        Self::new(self.spec().clone(), vocabulary)
    }
}

impl Vocabulary {
    /// This vocabulary and, behind its own words and its own n-grams, those of another one, as long
    /// as there are no more than `max_size`. Texts are counted in both trainings together.
    pub fn grown_from(&self, other: &Self, max_size: usize) -> Self {
        let (own_words, own_ngrams) = self.keys().split_at(self.words());
        let (other_words, other_ngrams) = other.keys().split_at(other.words());
        let mut room = max_size.saturating_sub(self.keys().len());
        let mut rest = |keys: &[u64], known: &dyn Fn(u64) -> Option<u32>| -> Vec<u64> {
            let unknown = keys.iter().copied().filter(|&key| known(key).is_none());
            let taken: Vec<u64> = unknown.take(room).collect();
            room -= taken.len();
            taken
        };
        let more_words = rest(other_words, &|key| self.word(key));
        let more_ngrams = if self.buckets() > 0 {
            Vec::new()
        } else {
            rest(other_ngrams, &|key| self.ngram(key))
        };
        let keys = [own_words, &more_words, own_ngrams, &more_ngrams].concat();
        let words = own_words.len() + more_words.len();
        let count =
            |vocabulary: &Self, id: Option<u32>| id.map_or(0, |id| vocabulary.texts()[id as usize]);
        let both = |id: usize, key: u64| {
            let find = |vocabulary: &Self| {
                let id = if id < words { vocabulary.word(key) } else { vocabulary.ngram(key) };
                count(vocabulary, id)
            };
            find(self).saturating_add(find(other))
        };
        let mut texts: Vec<u32> = keys.iter().enumerate().map(|(id, key)| both(id, *key)).collect();
        for bucket in 0..self.buckets() {
            let own = self.texts()[self.words() + bucket];
            let before = other.texts().get(other.words() + bucket).copied().unwrap_or(0);
            texts.push(own.saturating_add(before));
        }
        let total = self.total_texts().saturating_add(other.total_texts());
        Self::from_parts(keys, words, texts, total, self.buckets())
    }

    /// For each id, the id that another vocabulary has for the same word or n-gram.
    pub fn ids_in(&self, other: &Self) -> Vec<Option<u32>> {
        let of_keys =
            self.keys().iter().enumerate().map(|(id, &key)| {
                if id < self.words() { other.word(key) } else { other.ngram(key) }
            });
        let same = self.buckets() == other.buckets();
        let of_buckets = (0..self.buckets()).map(|b| same.then_some((other.words() + b) as u32));
        of_keys.chain(of_buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::text::{Vectorizer, VectorizerSpec};

    #[test]
    fn known_words_stay_and_new_ones_come_whatever_their_ids() {
        let spec = VectorizerSpec { character_ngrams: None, ..VectorizerSpec::default() };
        let source = Vectorizer::fit(&spec, &["good film", "good film", "bad plot"]);
        let fresh = Vectorizer::fit(&spec, &["clunky plot", "clunky film", "clunky film"]);
        let grown = fresh.clone().grown_from(&source);
        let words = |v: &Vectorizer, text: &str| v.encode(text).words;
        for text in ["good", "film", "bad", "plot", "clunky"] {
            assert_ne!(words(&grown, text), [crate::text::vectorizer::UNKNOWN], "{text}");
        }
        assert_eq!(grown.vocabulary().words(), 5);
        assert_eq!(grown.vocabulary().total_texts(), 6);
        let ids = grown.vocabulary().ids_in(source.vocabulary());
        assert_eq!(ids.len(), grown.vocabulary().len());
        for text in ["good", "film", "bad", "plot"] {
            let (new, old) = (words(&grown, text)[0], words(&source, text)[0]);
            assert_eq!(ids[new as usize], Some(old), "{text}");
        }
        assert_eq!(ids[words(&grown, "clunky")[0] as usize], None);
        // In how many texts of both: film in 2 + 2.
        let film = words(&grown, "film")[0];
        assert_eq!(grown.vocabulary().texts()[film as usize], 4);
        // N-grams of several words as well: "good film" is in the source alone.
        let ngram = grown.vocabulary().len() - 1;
        assert!(ids[ngram].is_some());
    }

    #[test]
    fn a_full_vocabulary_grows_no_further_and_buckets_go_by_place() {
        let spec = VectorizerSpec { max_vocabulary: 3, ..VectorizerSpec::default() };
        let source = Vectorizer::fit(&spec, &["a b c", "d e f"]);
        let grown = Vectorizer::fit(&spec, &["g h", "i j"]).grown_from(&source);
        assert_eq!(grown.vocabulary().len(), 3);
        let spec = VectorizerSpec { hash_buckets: Some(7), ..VectorizerSpec::default() };
        let source = Vectorizer::fit(&spec, &["one two", "one two"]);
        let grown = Vectorizer::fit(&spec, &["three four"]).grown_from(&source);
        assert_eq!((grown.vocabulary().words(), grown.vocabulary().len()), (4, 11));
        let ids = grown.vocabulary().ids_in(source.vocabulary());
        let buckets: Vec<Option<u32>> = (2..9).map(Some).collect();
        assert_eq!(ids[4..], buckets);
    }
}
