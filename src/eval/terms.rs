//! What is new in a batch: the words that most of its records hold and the model does not know.

use std::collections::HashMap;

/// Examples of a term at most.
const MAX_EXAMPLES: usize = 3;

/// A word that the model does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncoveredTerm {
    /// The word.
    pub term: String,
    /// Records that hold it, however often.
    pub records: usize,
    /// Positions of the first of them, at most three, from 0.
    pub examples: Vec<usize>,
}

/// The `limit` terms that most records hold, most frequent first, then by the alphabet. Each record comes
/// as its unknown words, in the form in which words are the same.
pub fn most_frequent<'a, W: AsRef<str> + 'a>(
    records: impl IntoIterator<Item = &'a [W]>,
    limit: usize,
) -> Vec<UncoveredTerm> {
    let mut found: HashMap<&str, (usize, Vec<usize>)> = HashMap::new();
    for (position, words) in records.into_iter().enumerate() {
        let mut words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            let (count, examples) = found.entry(word).or_default();
            *count += 1;
            if examples.len() < MAX_EXAMPLES {
                examples.push(position);
            }
        }
    }
    let mut terms: Vec<(&str, (usize, Vec<usize>))> = found.into_iter().collect();
    terms.sort_unstable_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
    terms.truncate(limit);
    let term = |(term, (records, examples)): (&str, (usize, Vec<usize>))| UncoveredTerm {
        term: term.to_owned(),
        records,
        examples,
    };
    terms.into_iter().map(term).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_counted_once_a_record() {
        let records = vec![
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
}
