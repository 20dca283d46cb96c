//! Texts that are changed a little in every epoch of training: typos, words left out, words swapped.
//!
//! Tokens are changed, not the text, so that a word stays one word whatever stands beside it, in any
//! script. What happens to a text is a function of seed, epoch and record alone, so that neither the
//! order of records nor a resume changes it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tokenizer::{Token, TokenKind};
use crate::random::{Rng, keyed, stream};

/// What is done to the texts that train; nothing by default. First come the typos, then words are
/// left out, then words are swapped; punctuation stays where it is. N-grams and unknown words
/// follow from the changed words; the vocabulary is that of the texts as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TextAugmentationSpec {
    /// Share of a text's words that are left out; one always stays.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub word_dropout: f64,
    /// Share of a text's words that change places with the word beside them. Words go in pairs, so
    /// that the one at an end may be left without another.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub swap: f64,
    /// Share of a text's words that get a typo: one character is put in, taken out, replaced or
    /// changes places with the next, each as likely where the word allows it. New characters are
    /// those of the text's own words, each as likely. Words without a letter get none.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub typos: f64,
}

impl TextAugmentationSpec {
    /// Whether it changes anything.
    pub fn is_on(&self) -> bool {
        *self != Self::default()
    }
}

/// What is done to texts in one epoch of a run.
#[derive(Debug, Clone, Copy)]
pub struct TextAugmentation {
    spec: TextAugmentationSpec,
    key: u64,
}

impl TextAugmentation {
    /// For one epoch of a run.
    pub fn new(spec: TextAugmentationSpec, seed: u64, epoch: usize) -> Self {
        Self { spec, key: keyed(seed ^ keyed(epoch as u64 ^ 0x7465_7874)) }
    }

    /// Changes the tokens of a record. Every way to change them draws from a stream of its own, so
    /// that switching one on does not move the others.
    pub fn apply(&self, record: usize, tokens: &mut Vec<Token<'_>>) {
        let key = keyed(self.key ^ keyed(record as u64));
        if self.spec.typos > 0.0 {
            misspell(tokens, self.spec.typos, &mut stream(key, "augment.typos"));
        }
        if self.spec.word_dropout > 0.0 {
            leave_out(tokens, self.spec.word_dropout, &mut stream(key, "augment.word_dropout"));
        }
        if self.spec.swap > 0.0 {
            swap(tokens, self.spec.swap, &mut stream(key, "augment.swap"));
        }
    }
}

fn is_word(token: &Token<'_>) -> bool {
    token.kind == TokenKind::Word
}

/// Where the words are.
fn words(tokens: &[Token<'_>]) -> Vec<usize> {
    (0..tokens.len()).filter(|&place| is_word(&tokens[place])).collect()
}

fn below(rng: &mut impl Rng, end: usize) -> usize {
    rng.random_range(0..end.max(1) as u64) as usize
}

fn leave_out(tokens: &mut Vec<Token<'_>>, rate: f64, rng: &mut impl Rng) {
    let words = words(tokens);
    let mut stays = vec![true; tokens.len()];
    for &place in &words {
        stays[place] = rng.random::<f64>() >= rate;
    }
    if !words.is_empty() && words.iter().all(|&place| !stays[place]) {
        stays[words[below(rng, words.len())]] = true;
    }
    let mut stays = stays.into_iter();
    tokens.retain(|_| stays.next().unwrap_or(true));
}

/// Swaps words in pairs that begin at the first word or at the second, each as likely.
fn swap(tokens: &mut [Token<'_>], rate: f64, rng: &mut impl Rng) {
    let words = words(tokens);
    let first = below(rng, 2).min(words.len());
    for pair in words[first..].chunks_exact(2) {
        if rng.random::<f64>() < rate {
            tokens.swap(pair[0], pair[1]);
        }
    }
}

fn misspell(tokens: &mut [Token<'_>], rate: f64, rng: &mut impl Rng) {
    let words = tokens.iter().filter(|token| is_word(token));
    let mut letters: Vec<char> = words.flat_map(|token| token.text.chars()).collect();
    letters.sort_unstable();
    letters.dedup();
    for token in tokens.iter_mut().filter(|token| is_word(token)) {
        if token.text.chars().any(char::is_alphabetic) && rng.random::<f64>() < rate {
            token.text = Cow::Owned(typo(&token.text, &letters, rng));
        }
    }
}

/// A word with one character put in, taken out, replaced, or changed with the next one; never the
/// same word, never none. `letters` are those to draw new ones from: sorted, the word's among them.
fn typo(word: &str, letters: &[char], rng: &mut impl Rng) -> String {
    let mut word: Vec<char> = word.chars().collect();
    let unlike: Vec<usize> =
        (1..word.len()).filter(|&place| word[place - 1] != word[place]).collect();
    let mut ways = vec![Typo::Insert];
    ways.extend((word.len() > 1).then_some(Typo::Delete));
    ways.extend((letters.len() > 1).then_some(Typo::Substitute));
    ways.extend((!unlike.is_empty()).then_some(Typo::Transpose));
    match ways[below(rng, ways.len())] {
        Typo::Insert => {
            let place = below(rng, word.len() + 1);
            word.insert(place, letters[below(rng, letters.len())]);
        }
        Typo::Delete => {
            word.remove(below(rng, word.len()));
        }
        Typo::Substitute => {
            let place = below(rng, word.len());
            let own = letters.partition_point(|letter| *letter < word[place]);
            let other = below(rng, letters.len() - 1);
            word[place] = letters[if other < own { other } else { other + 1 }];
        }
        Typo::Transpose => {
            let place = unlike[below(rng, unlike.len())];
            word.swap(place - 1, place);
        }
    }
    word.into_iter().collect()
}

/// The edits of Damerau (1964).
#[derive(Clone, Copy)]
enum Typo {
    Insert,
    Delete,
    Substitute,
    Transpose,
}

#[cfg(test)]
#[path = "augment_tests.rs"]
mod tests;
