//! Text to a weighted bag of known n-grams, with what was unknown on the side.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::augment::TextAugmentation;
use super::ngrams;
use super::tokenizer::{self, Token, TokenKind};
use super::vocabulary::{Frequency, Keep, KeyMap, Vocabulary, bucket};
use crate::json;

/// Stands for a token that the vocabulary does not hold.
pub const UNKNOWN: u32 = u32::MAX;

/// Unknown tokens of a text that are listed at most; a text can have hundreds of thousands.
pub const LISTED_UNKNOWN: usize = 100;

/// Lengths of character n-grams, in characters, the boundary marks of a word counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CharacterNgrams {
    /// Shortest.
    #[schema(minimum = 1, maximum = 10)]
    pub min: usize,
    /// Longest.
    #[schema(minimum = 1, maximum = 10)]
    pub max: usize,
}

/// How n-grams are weighted in the bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// Smoothed inverse document frequency, ln((1 + N) / (1 + n)) + 1, for N texts of which n hold it.
    Idf,
    /// All alike.
    Uniform,
}

/// How text becomes features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VectorizerSpec {
    /// Whether `The` and `the` are one word (full Unicode case folding).
    pub case_folding: bool,
    /// Longest run of tokens that is a feature of its own.
    #[schema(minimum = 1, maximum = 5)]
    pub word_ngrams: usize,
    /// Character n-grams; `null` leaves them out.
    pub character_ngrams: Option<CharacterNgrams>,
    /// Weight of all character n-grams of a text against all its word n-grams.
    #[schema(minimum = 0.0, maximum = 100.0)]
    #[serde(serialize_with = "json::decimal")]
    pub character_weight: f32,
    /// How n-grams are weighted within their kind.
    pub weighting: Weighting,
    /// Occurrences in training that a single word needs to be known.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub min_word_count: u32,
    /// Occurrences in training that any other n-gram needs to be known.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub min_ngram_count: u32,
    /// Known n-grams at most: single words first, then the most frequent.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub max_vocabulary: usize,
    /// Hash all n-grams but single words into this many buckets, instead of giving each frequent
    /// one an id; `max_vocabulary` then bounds the single words.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub hash_buckets: Option<u32>,
}

impl Default for VectorizerSpec {
    fn default() -> Self {
        Self {
            case_folding: true,
            word_ngrams: 2,
            character_ngrams: Some(CharacterNgrams { min: 2, max: 5 }),
            character_weight: 0.5,
            weighting: Weighting::Idf,
            min_word_count: 1,
            min_ngram_count: 2,
            max_vocabulary: 1_000_000,
            hash_buckets: None,
        }
    }
}

/// A token that training never saw. Offsets count characters, the end excluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnknownToken {
    /// The token as it stands in the text.
    pub text: String,
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
}

/// A text as the network sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Encoded {
    /// Known n-grams, ascending, each once.
    pub ids: Vec<u32>,
    /// Weight of each; the weights of the text's whole word block sum to 1, unknown n-grams
    /// included, and those of its character block to `character_weight`.
    pub weights: Vec<f32>,
    /// N-grams of both kinds, unknown ones and repeats included.
    pub ngrams: u32,
    /// The id of each word token in order, or [`UNKNOWN`].
    pub words: Vec<u32>,
    /// Share of the word tokens that are known, in \[0, 1\]; 0 for a text without any.
    pub token_coverage: f32,
    /// Share of the n-gram weight that is known, in \[0, 1\]; 0 for a text without any.
    pub ngram_coverage: f32,
    /// The first [`LISTED_UNKNOWN`] word tokens that are not known.
    pub unknown: Vec<UnknownToken>,
    /// Word tokens that are not known, those that are not listed included.
    pub unknown_count: usize,
}

/// A fitted vectorizer.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectorizer {
    spec: VectorizerSpec,
    vocabulary: Vocabulary,
    weights: Vec<f32>,
    unknown_weight: f32,
}

impl Vectorizer {
    /// Learns the vocabulary from training texts. Runs on the current rayon pool; the result does
    /// not depend on how many threads that has.
    pub fn fit(spec: &VectorizerSpec, texts: &[&str]) -> Self {
        let counts = texts
            .par_chunks(512)
            .map(|texts| {
                let mut counts = Counts::default();
                texts.iter().for_each(|text| counts.add(spec, text));
                counts
            })
            .reduce(Counts::default, Counts::merge);
        let keep = Keep {
            min_word_count: spec.min_word_count,
            min_ngram_count: spec.min_ngram_count,
            max_size: spec.max_vocabulary,
            buckets: spec.hash_buckets,
        };
        let total = u32::try_from(texts.len()).unwrap_or(u32::MAX);
        Self::new(spec.clone(), Vocabulary::build(&counts.words, &counts.ngrams, total, keep))
    }

    /// Puts a stored vectorizer together again.
    pub fn new(spec: VectorizerSpec, vocabulary: Vocabulary) -> Self {
        let total = vocabulary.total_texts() as f32;
        let weight = |texts: f32| match spec.weighting {
            Weighting::Idf => ((1.0 + total) / (1.0 + texts)).ln() + 1.0,
            Weighting::Uniform => 1.0,
        };
        let weights = vocabulary.texts().iter().map(|&texts| weight(texts as f32)).collect();
        let unknown_weight = weight(0.0);
        Self { spec, vocabulary, weights, unknown_weight }
    }

    /// How it was made.
    pub fn spec(&self) -> &VectorizerSpec {
        &self.spec
    }

    /// What it knows.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The features of a text.
    pub fn encode(&self, text: &str) -> Encoded {
        self.encode_tokens(&mut tokenizer::tokens(text, self.spec.case_folding))
    }

    /// The tokens of a text, as [`Vectorizer::encode`] reads them.
    pub fn tokens<'a>(&self, text: &'a str) -> Vec<Token<'a>> {
        tokenizer::tokens(text, self.spec.case_folding).collect()
    }

    /// The features of a text of these tokens but one: those before and after it stand side by side,
    /// so that no n-gram holds it. Offsets stay those of the whole text.
    pub fn encode_without(&self, tokens: &[Token<'_>], left_out: usize) -> Encoded {
        let others = tokens.iter().enumerate().filter(|(position, _)| *position != left_out);
        self.encode_tokens(&mut others.map(|(_, token)| token.borrowed()))
    }

    /// The features of a text in an epoch of training: of its tokens, changed.
    pub fn encode_changed(
        &self,
        text: &str,
        record: usize,
        augmentation: &TextAugmentation,
    ) -> Encoded {
        let mut tokens = tokenizer::tokens(text, self.spec.case_folding).collect();
        augmentation.apply(record, &mut tokens);
        self.encode_tokens(&mut tokens.into_iter())
    }

    fn encode_tokens<'a>(&self, tokens: &mut dyn Iterator<Item = Token<'a>>) -> Encoded {
        let mut words = Block::with_capacity(32);
        let mut characters = Block::with_capacity(256);
        let mut encoded = Encoded { words: Vec::with_capacity(16), ..Encoded::default() };
        let mut keys = Vec::with_capacity(16);
        for token in tokens {
            let key = ngrams::word(&token.text);
            keys.push(key);
            let id = self.vocabulary.word(key);
            words.add(id, self.weight(id));
            if token.kind == TokenKind::Word {
                encoded.words.push(id.unwrap_or(UNKNOWN));
                if id.is_none() {
                    encoded.unknown_count += 1;
                }
                if id.is_none() && encoded.unknown.len() < LISTED_UNKNOWN {
                    let (start, end) = (token.start, token.end);
                    encoded.unknown.push(UnknownToken { text: token.raw.to_owned(), start, end });
                }
                if let Some(CharacterNgrams { min, max }) = self.spec.character_ngrams {
                    ngrams::character_ngrams(&token.text, min, max, |key| {
                        let id = self.vocabulary.ngram(key);
                        characters.add(id, self.weight(id));
                    });
                }
            }
        }
        ngrams::word_ngrams(&keys, self.spec.word_ngrams, |key| {
            let id = self.vocabulary.ngram(key);
            words.add(id, self.weight(id));
        });
        let known = encoded.words.len() - encoded.unknown_count;
        encoded.token_coverage = known as f32 / encoded.words.len().max(1) as f32;
        self.fill([(words, 1.0), (characters, self.spec.character_weight)], &mut encoded);
        encoded
    }

    /// Each block of n-grams sums to its share, what is unknown included, so that unknown n-grams
    /// count as zero vectors and little coverage shrinks the logits.
    fn fill(&self, blocks: [(Block, f32); 2], encoded: &mut Encoded) {
        let split = blocks[0].0.known.len();
        let mut entries = Vec::with_capacity(split + blocks[1].0.known.len());
        let (mut known, mut total) = (0.0, 0.0);
        let mut scales = [0.0; 2];
        for ((block, share), scale) in blocks.iter().zip(&mut scales) {
            encoded.ngrams += block.count;
            if block.total_weight > 0.0 {
                *scale = share / block.total_weight;
                let order = entries.len() as u64;
                let entry = |(order, id): (u64, &u32)| Entry(u64::from(*id) << 32 | order);
                entries.extend((order..).zip(&block.known).map(entry));
                known += block.known_weight * *scale;
                total += share;
            }
        }
        // By id, and equal ids in text order, so that sums are the same every time.
        entries.sort_unstable();
        encoded.ids.reserve(entries.len());
        encoded.weights.reserve(entries.len());
        for Entry(entry) in entries {
            let (id, order) = ((entry >> 32) as u32, entry as u32 as usize);
            let weight = self.weights[id as usize] * scales[usize::from(order >= split)];
            match (encoded.ids.last(), encoded.weights.last_mut()) {
                (Some(&last), Some(sum)) if last == id => *sum += weight,
                _ => {
                    encoded.ids.push(id);
                    encoded.weights.push(weight);
                }
            }
        }
        encoded.ngram_coverage = if total > 0.0 { (known / total).clamp(0.0, 1.0) } else { 0.0 };
    }

    fn weight(&self, id: Option<u32>) -> f32 {
        id.map_or(self.unknown_weight, |id| self.weights[id as usize])
    }
}

/// The id of a known n-gram, then its place in the text, in one number. A type of our own, so that its
/// sort is compiled here, and not taken over from a dependency that is built without optimisation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

/// The n-grams of one kind in a text.
struct Block {
    count: u32,
    /// Ids of the known ones, in text order.
    known: Vec<u32>,
    known_weight: f32,
    total_weight: f32,
}

impl Block {
    fn with_capacity(known: usize) -> Self {
        Self { count: 0, known: Vec::with_capacity(known), known_weight: 0.0, total_weight: 0.0 }
    }

    fn add(&mut self, id: Option<u32>, weight: f32) {
        self.count += 1;
        self.total_weight += weight;
        if let Some(id) = id {
            self.known.push(id);
            self.known_weight += weight;
        }
    }
}

#[derive(Default)]
struct Counts {
    words: KeyMap<Frequency>,
    ngrams: KeyMap<Frequency>,
}

impl Counts {
    fn add(&mut self, spec: &VectorizerSpec, text: &str) {
        let mut words = Vec::new();
        let mut others = Vec::new();
        for token in tokenizer::tokens(text, spec.case_folding) {
            words.push(ngrams::word(&token.text));
            if let (TokenKind::Word, Some(range)) = (token.kind, spec.character_ngrams) {
                ngrams::character_ngrams(&token.text, range.min, range.max, |key| others.push(key));
            }
        }
        ngrams::word_ngrams(&words, spec.word_ngrams, |key| others.push(key));
        if let Some(buckets) = spec.hash_buckets {
            others.iter_mut().for_each(|key| *key = bucket(*key, buckets as usize) as u64);
        }
        count(&mut self.words, words);
        count(&mut self.ngrams, others);
    }

    fn merge(self, other: Self) -> Self {
        Self { words: merge(self.words, other.words), ngrams: merge(self.ngrams, other.ngrams) }
    }
}

fn count(map: &mut KeyMap<Frequency>, mut keys: Vec<u64>) {
    keys.sort_unstable();
    for run in keys.chunk_by(|a, b| a == b) {
        let frequency = map.entry(run[0]).or_default();
        frequency.count = frequency.count.saturating_add(run.len() as u32);
        frequency.texts += 1;
    }
}

fn merge(mut into: KeyMap<Frequency>, mut from: KeyMap<Frequency>) -> KeyMap<Frequency> {
    if into.len() < from.len() {
        std::mem::swap(&mut into, &mut from);
    }
    for (key, frequency) in from {
        let sum = into.entry(key).or_default();
        sum.count = sum.count.saturating_add(frequency.count);
        sum.texts += frequency.texts;
    }
    into
}

#[cfg(test)]
#[path = "vectorizer_tests.rs"]
mod tests;
