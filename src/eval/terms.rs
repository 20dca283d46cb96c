//! What is new in a batch: the words that most of its records hold and the model does not know.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Examples of a term at most.
const MAX_EXAMPLES: usize = 3;
/// Distinct words that are counted at a time.
pub const MAX_COUNTED: usize = 1_000_000;

/// A word that the model does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncoveredTerm {
    /// The word.
    pub term: String,
    /// Records that hold it, however often.
    pub records: usize,
    /// Positions of the first of them, at most three, from 0.
    pub examples: Vec<usize>,
}

/// Counts the unknown words of records, batch by batch.
///
/// Exact up to [`MAX_COUNTED`] distinct words. Beyond that, the rarer half is forgotten and begins
/// anew where it comes again: a count may then be too low, for words that few records held so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TermCounts {
    /// Records that hold each, and the first of them.
    counts: HashMap<String, (usize, Vec<usize>)>,
    /// Records that were counted.
    records: usize,
}

impl TermCounts {
    /// Counts a record, which comes as its unknown words, in the form in which words are the same.
    pub fn add<W: AsRef<str>>(&mut self, words: &[W]) {
        let position = self.records;
        self.records += 1;
        let mut words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            if let Some((count, examples)) = self.counts.get_mut(word) {
                *count += 1;
                if examples.len() < MAX_EXAMPLES {
                    examples.push(position);
                }
            } else {
                self.counts.insert(word.to_owned(), (1, vec![position]));
            }
        }
        self.bound(MAX_COUNTED);
    }

    /// Adds the counts of the records that come next.
    pub fn absorb(&mut self, next: TermCounts) {
        for (word, (count, places)) in next.counts {
            let (sum, examples) = self.counts.entry(word).or_default();
            *sum += count;
            let wanted = MAX_EXAMPLES - examples.len();
            examples.extend(places.iter().take(wanted).map(|place| self.records + place));
        }
        self.records += next.records;
        self.bound(MAX_COUNTED);
    }

    /// Forgets the rarer half where there are more than `most` words.
    fn bound(&mut self, most: usize) {
        if self.counts.len() > most {
            let kept = self.most_frequent(most / 2);
            let kept = kept.into_iter().map(|t| (t.term, (t.records, t.examples)));
            self.counts = kept.collect();
        }
    }

    /// The `limit` terms that most records hold, most frequent first, then by the alphabet.
    pub fn most_frequent(&self, limit: usize) -> Vec<UncoveredTerm> {
        let mut terms: Vec<(&String, &(usize, Vec<usize>))> = self.counts.iter().collect();
        terms.sort_unstable_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
        terms.truncate(limit);
        let term = |(term, (records, examples)): (&String, &(usize, Vec<usize>))| UncoveredTerm {
            term: term.clone(),
            records: *records,
            examples: examples.clone(),
        };
        terms.into_iter().map(term).collect()
    }

    /// All of them, in the order of the alphabet, and the records that were counted: what
    /// [`TermCounts::load`] takes.
    pub fn save(&self) -> (usize, Vec<UncoveredTerm>) {
        let mut all = self.most_frequent(self.counts.len());
        all.sort_unstable_by(|a, b| a.term.cmp(&b.term));
        (self.records, all)
    }

    /// From what [`TermCounts::save`] gave.
    pub fn load((records, terms): (usize, Vec<UncoveredTerm>)) -> Self {
        let counts = terms.into_iter().map(|t| (t.term, (t.records, t.examples))).collect();
        Self { counts, records }
    }
}

/// The `limit` terms that most records hold, most frequent first, then by the alphabet. Each record comes
/// as its unknown words, in the form in which words are the same.
pub fn most_frequent<'a, W: AsRef<str> + 'a>(
    records: impl IntoIterator<Item = &'a [W]>,
    limit: usize,
) -> Vec<UncoveredTerm> {
    let mut counts = TermCounts::default();
    records.into_iter().for_each(|words| counts.add(words));
    counts.most_frequent(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_counted_once_a_record() {
        let records = [
            vec!["zither", "lute", "lute", "lute"],
            vec![],
            vec!["oud", "zither"],
            vec!["zither"],
            vec!["lute", "zither"],
            vec!["ähre"],
        ];
        let most_frequent = |limit| most_frequent(records.iter().map(Vec::as_slice), limit);
        let found = most_frequent(3);
        let term = |term: &str, records, examples: &[usize]| UncoveredTerm {
            term: term.to_owned(),
            records,
            examples: examples.to_vec(),
        };
        let expected =
            [term("zither", 4, &[0, 2, 3]), term("lute", 2, &[0, 4]), term("oud", 1, &[2])];
        assert_eq!(found, expected);
        assert_eq!(most_frequent(99).len(), 4);
        assert_eq!(most_frequent(0), []);
        assert_eq!(super::most_frequent::<String>([], 5), []);
    }

    #[test]
    fn counts_in_parts_are_those_of_the_whole() {
        let records: Vec<Vec<String>> =
            (0..60).map(|i| (0..i % 7).map(|j| format!("w{}", (i * j) % 11)).collect()).collect();
        let mut parts = TermCounts::default();
        for part in records.chunks(13) {
            let mut counts = TermCounts::default();
            part.iter().for_each(|words| counts.add(words));
            parts.absorb(TermCounts::load(counts.save()));
        }
        assert_eq!(parts.most_frequent(99), most_frequent(records.iter().map(Vec::as_slice), 99));
    }

    #[test]
    fn the_rarer_half_is_forgotten() {
        let mut counts = TermCounts::default();
        for words in [vec!["a", "b", "c"], vec!["b", "c"], vec!["c", "d"]] {
            counts.add(&words);
        }
        counts.bound(4);
        assert_eq!(counts.most_frequent(9).len(), 4);
        counts.bound(3);
        let left = counts.most_frequent(9);
        assert_eq!((left.len(), left[0].term.as_str(), left[0].records), (1, "c", 3));
    }
}
