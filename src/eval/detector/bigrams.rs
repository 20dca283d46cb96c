//! Which words follow which in training texts.

use rayon::prelude::*;

use super::UNKNOWN_WORD;
use crate::arrays::{Arrays, ArraysError};

/// The words that follow each context, ascending, each once. Contexts are the words, and, where it
/// is counted, the start of a text behind them.
pub(super) struct Bigrams {
    /// Where the followers of each context start, and their number at the end.
    starts: Vec<u64>,
    followers: Vec<u32>,
}

impl Bigrams {
    /// Counts the pairs of adjacent words, and how often each occurs. With `from_start`, the first
    /// word of a text follows the context `words`. A pair with a word that the vocabulary does not
    /// hold does not count.
    pub fn count(words: usize, records: &[Vec<u32>], from_start: bool) -> (Self, Vec<u32>) {
        let known = |word: u32| (word as usize) < words;
        let start = if from_start { words as u32 } else { UNKNOWN_WORD };
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for record in records {
            let contexts = std::iter::once(&start).chain(record);
            let adjacent = contexts.zip(record).map(|(&context, &word)| (context, word));
            pairs.extend(adjacent.filter(|&(context, word)| {
                known(word) && (known(context) || (from_start && context == start))
            }));
        }
        pairs.par_sort_unstable();
        let mut starts = vec![0; words + usize::from(from_start) + 1];
        let (mut followers, mut counts) = (Vec::new(), Vec::new());
        for run in pairs.chunk_by(|a, b| a == b) {
            let (context, word) = run[0];
            followers.push(word);
            counts.push(u32::try_from(run.len()).unwrap_or(u32::MAX));
            starts[context as usize + 1] = followers.len() as u64;
        }
        // The followers of a context without any end where those of the one before it do.
        let mut end = 0;
        for start in &mut starts {
            end = end.max(*start);
            *start = end;
        }
        (Self { starts, followers }, counts)
    }

    /// Takes up what [`Bigrams::save`] stored; `from_start` as it was counted.
    pub fn load(arrays: &Arrays, from_start: bool) -> Result<Self, ArraysError> {
        let starts = arrays.get::<u64>("starts")?.to_vec();
        let followers = arrays.get::<u32>("followers")?.to_vec();
        let words = starts.len().checked_sub(1 + usize::from(from_start));
        let bounded = starts.first() == Some(&0)
            && starts.is_sorted()
            && starts.last() == Some(&(followers.len() as u64));
        let bigrams = Self { starts, followers };
        let ordered = |words: usize| {
            (0..bigrams.contexts()).all(|context| {
                let row = &bigrams.followers[bigrams.places(context)];
                row.is_sorted_by(|a, b| a < b)
                    && row.last().is_none_or(|&last| (last as usize) < words)
            })
        };
        if !bounded || !words.is_some_and(ordered) {
            return Err(ArraysError::Format("the word pairs contradict one another".to_owned()));
        }
        Ok(bigrams)
    }

    /// Stores them.
    pub fn save(&self, arrays: &mut Arrays) {
        arrays.put("starts", self.starts.clone());
        arrays.put("followers", self.followers.clone());
    }

    /// Contexts, with or without followers.
    pub fn contexts(&self) -> usize {
        self.starts.len() - 1
    }

    /// The follower of each place.
    pub fn followers(&self) -> &[u32] {
        &self.followers
    }

    /// The places of a context's followers. None for a context that was not counted.
    pub fn places(&self, context: usize) -> std::ops::Range<usize> {
        if context >= self.contexts() {
            return 0..0;
        }
        self.starts[context] as usize..self.starts[context + 1] as usize
    }

    /// The place of a pair, if training holds it.
    pub fn find(&self, context: u32, word: u32) -> Option<usize> {
        let places = self.places(context as usize);
        let first = places.start;
        self.followers[places].binary_search(&word).ok().map(|place| first + place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Vec<u32>> {
        vec![vec![0, 1, 0, 1], vec![2, UNKNOWN_WORD, 1], vec![], vec![2]]
    }

    #[test]
    fn pairs_are_counted_within_a_text_and_not_across_unknown_words() {
        let (bigrams, counts) = Bigrams::count(3, &records(), true);
        let count = |context, word| bigrams.find(context, word).map_or(0, |place| counts[place]);
        assert_eq!(count(0, 1), 2);
        assert_eq!(count(1, 0), 1);
        // The start of a text is the context 3.
        assert_eq!((count(3, 0), count(3, 2), count(3, 1)), (1, 2, 0));
        assert_eq!((count(2, 1), count(UNKNOWN_WORD, 1), count(1, UNKNOWN_WORD)), (0, 0, 0));
        assert_eq!(counts.iter().sum::<u32>(), 6);
        let (bigrams, counts) = Bigrams::count(3, &records(), false);
        assert_eq!((bigrams.contexts(), counts), (3, vec![2, 1]));
    }

    #[test]
    fn damage_is_refused() {
        let (bigrams, _) = Bigrams::count(3, &records(), false);
        let mut saved = Arrays::default();
        bigrams.save(&mut saved);
        assert!(Bigrams::load(&saved, false).is_ok());
        for starts in [vec![], vec![0, 2, 1, 2], vec![1, 1, 2, 2], vec![0, 1, 2, 3]] {
            let mut damaged = saved.clone();
            damaged.put::<u64>("starts", starts);
            assert!(Bigrams::load(&damaged, false).is_err());
        }
        for (starts, followers) in [(vec![0u64, 2, 2, 2], vec![1u32, 0]), (vec![0, 1], vec![1])] {
            let mut damaged = Arrays::default();
            damaged.put("starts", starts);
            damaged.put("followers", followers);
            assert!(Bigrams::load(&damaged, false).is_err());
        }
    }
}
