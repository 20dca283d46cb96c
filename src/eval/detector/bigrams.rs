//! Which words follow which in training texts.

use rayon::prelude::*;

use crate::arrays::{Arrays, ArraysError};

/// The words that follow each word, ascending, each once. Where the edges of texts are counted, they
/// are one more word behind the others: the start of a text as what is followed, the end as what
/// follows.
pub(super) struct Bigrams {
    /// Where the followers of each word start, and their number at the end.
    starts: Vec<u64>,
    followers: Vec<u32>,
}

impl Bigrams {
    /// Counts the pairs of adjacent words, and how often each occurs. A pair with a word that the
    /// vocabulary does not hold does not count; nor do the edges of a text without words.
    pub fn count(words: usize, records: &[Vec<u32>], edges: bool) -> (Self, Vec<u32>) {
        let edge = words as u32;
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for record in records {
            let known = |word: &&u32| (**word as usize) < words;
            if edges {
                pairs.extend(record.first().filter(known).map(|&first| (edge, first)));
            }
            let adjacent = record.windows(2).filter(|pair| pair.iter().all(|word| known(&word)));
            pairs.extend(adjacent.map(|pair| (pair[0], pair[1])));
            if edges {
                pairs.extend(record.last().filter(known).map(|&last| (last, edge)));
            }
        }
        pairs.par_sort_unstable();
        let mut starts = vec![0; words + usize::from(edges) + 1];
        let (mut followers, mut counts) = (Vec::new(), Vec::new());
        for run in pairs.chunk_by(|a, b| a == b) {
            let (before, word) = run[0];
            followers.push(word);
            counts.push(u32::try_from(run.len()).unwrap_or(u32::MAX));
            starts[before as usize + 1] = followers.len() as u64;
        }
        // The followers of a word without any end where those of the one before it do.
        let mut end = 0;
        for start in &mut starts {
            end = end.max(*start);
            *start = end;
        }
        (Self { starts, followers }, counts)
    }

    /// Takes up what [`Bigrams::save`] stored.
    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let starts = arrays.get::<u64>("starts")?.to_vec();
        let followers = arrays.get::<u32>("followers")?.to_vec();
        let bounded = starts.first() == Some(&0)
            && starts.is_sorted()
            && starts.last() == Some(&(followers.len() as u64));
        let bigrams = Self { starts, followers };
        let ordered = |word: usize| {
            let row = &bigrams.followers[bigrams.places(word)];
            let last = row.last().map_or(0, |&last| last as usize);
            row.is_sorted_by(|a, b| a < b) && last < bigrams.words()
        };
        if !(bounded && (0..bigrams.words()).all(ordered)) {
            return Err(ArraysError::Format("the word pairs contradict one another".to_owned()));
        }
        Ok(bigrams)
    }

    /// Stores them.
    pub fn save(&self, arrays: &mut Arrays) {
        arrays.put("starts", self.starts.clone());
        arrays.put("followers", self.followers.clone());
    }

    /// Words, with or without followers; the edges of texts count as one where they are counted.
    pub fn words(&self) -> usize {
        self.starts.len() - 1
    }

    /// The follower of each place.
    pub fn followers(&self) -> &[u32] {
        &self.followers
    }

    /// The places of a word's followers; none for a word that is not known.
    pub fn places(&self, word: usize) -> std::ops::Range<usize> {
        if word >= self.words() {
            return 0..0;
        }
        self.starts[word] as usize..self.starts[word + 1] as usize
    }

    /// The place of a pair, if training holds it.
    pub fn find(&self, before: u32, word: u32) -> Option<usize> {
        let places = self.places(before as usize);
        let first = places.start;
        self.followers[places].binary_search(&word).ok().map(|place| first + place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::UNKNOWN_WORD;
    use super::*;

    fn records() -> Vec<Vec<u32>> {
        vec![vec![0, 1, 0, 1], vec![2, UNKNOWN_WORD, 1], vec![], vec![2]]
    }

    #[test]
    fn pairs_are_counted_within_a_text_and_not_across_unknown_words() {
        let (bigrams, counts) = Bigrams::count(3, &records(), true);
        let count = |before, word| bigrams.find(before, word).map_or(0, |place| counts[place]);
        assert_eq!((count(0, 1), count(1, 0)), (2, 1));
        // The edges of a text are the word 3.
        assert_eq!((count(3, 0), count(3, 2), count(3, 1)), (1, 2, 0));
        assert_eq!((count(1, 3), count(2, 3), count(0, 3), count(3, 3)), (2, 1, 0, 0));
        assert_eq!((count(2, 1), count(UNKNOWN_WORD, 1), count(1, UNKNOWN_WORD)), (0, 0, 0));
        assert_eq!(counts.iter().sum::<u32>(), 9);
        let (bigrams, counts) = Bigrams::count(3, &records(), false);
        assert_eq!((bigrams.words(), counts), (3, vec![2, 1]));
    }

    #[test]
    fn damage_is_refused() {
        let (bigrams, _) = Bigrams::count(3, &records(), false);
        let mut saved = Arrays::default();
        bigrams.save(&mut saved);
        assert!(Bigrams::load(&saved).is_ok());
        for starts in [vec![], vec![0, 2, 1, 2], vec![1, 1, 2, 2], vec![0, 1, 2, 3]] {
            let mut damaged = saved.clone();
            damaged.put::<u64>("starts", starts);
            assert!(Bigrams::load(&damaged).is_err());
        }
        for (starts, followers) in [(vec![0u64, 2, 2, 2], vec![1u32, 0]), (vec![0, 1], vec![1])] {
            let mut damaged = Arrays::default();
            damaged.put("starts", starts);
            damaged.put("followers", followers);
            assert!(Bigrams::load(&damaged).is_err());
        }
    }
}
