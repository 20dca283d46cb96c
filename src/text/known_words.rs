//! The character n-grams of known words, looked up when a word is first read and kept from then on, since
//! most words of most texts are known ones.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::ngrams;

/// Words that are kept at most: the most frequent ones.
const MOST_WORDS: usize = 1 << 16;
/// Bytes of a word that is kept at most.
const LONGEST: usize = 64;

/// The known character n-grams of a word, in its order, repeats included.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Characters {
    pub ids: Vec<u32>,
    /// Weight of each.
    pub weights: Vec<f32>,
    /// Of all, unknown ones included.
    pub count: u32,
    pub known_weight: f32,
    pub total_weight: f32,
}

impl Characters {
    /// Of a word, those of `min` to `max` characters; `find` has the id of one, if it is known, and its
    /// weight.
    pub fn read(
        token: &str,
        (min, max): (usize, usize),
        find: impl Fn(u64) -> (Option<u32>, f32),
    ) -> Self {
        let mut read = Self::default();
        ngrams::character_ngrams(token, min, max, |key| {
            let (id, weight) = find(key);
            read.count += 1;
            read.total_weight += weight;
            if let Some(id) = id {
                read.ids.push(id);
                read.weights.push(weight);
                read.known_weight += weight;
            }
        });
        read
    }
}

/// A word whose character n-grams are kept.
struct Kept {
    token: Box<str>,
    characters: Characters,
}

/// A word, once it was read.
type Place = OnceLock<Box<Kept>>;

/// What was read so far. It changes nothing but the time that a text takes. Copies share it.
#[derive(Clone, Default)]
pub(super) struct KnownWords(Arc<OnceLock<Box<[Place]>>>);

impl KnownWords {
    /// The character n-grams of the word with an id, one of `words`, which are `read` where it is the
    /// first time. `None` for what is not kept.
    pub fn keep(
        &self,
        (id, words): (u32, usize),
        token: &str,
        read: impl FnOnce() -> Characters,
    ) -> Option<&Characters> {
        if token.len() > LONGEST {
            return None;
        }
        let places = || std::iter::repeat_with(OnceLock::new).take(words.min(MOST_WORDS)).collect();
        let place = self.0.get_or_init(places).get(id as usize)?;
        let kept = place.get_or_init(|| Box::new(Kept { token: token.into(), characters: read() }));
        // Words are known by a hash: another one may have it too.
        (*kept.token == *token).then_some(&kept.characters)
    }

    /// What is kept of the word with an id.
    pub fn get(&self, id: u32) -> Option<&Characters> {
        Some(&self.0.get()?.get(id as usize)?.get()?.characters)
    }
}

impl PartialEq for KnownWords {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for KnownWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownWords")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn characters(id: u32) -> Characters {
        Characters { ids: vec![id], ..Characters::default() }
    }

    #[test]
    fn a_word_is_read_once_and_another_one_of_its_hash_is_not_taken_for_it() {
        let known = KnownWords::default();
        assert_eq!(known.get(1), None);
        let first = known.keep((1, 2), "good", || characters(7)).unwrap().clone();
        assert_eq!(first, characters(7));
        assert_eq!(known.keep((1, 2), "good", || characters(8)), Some(&first));
        assert_eq!(known.keep((1, 2), "evil", || characters(9)), None);
        assert_eq!((known.get(1), known.get(0)), (Some(&first), None));
        assert_eq!(known.clone().get(1), Some(&first));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let known = KnownWords::default();
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(known.keep((0, 9), &long, || characters(1)), None);
        let last = MOST_WORDS as u32 - 1;
        assert!(known.keep((last, MOST_WORDS + 9), "a", || characters(1)).is_some());
        assert!(known.keep((last + 1, MOST_WORDS + 9), "a", || characters(1)).is_none());
    }
}
