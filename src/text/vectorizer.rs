//! Text to a weighted bag of known n-grams, with what was unknown on the side.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::augment::TextAugmentation;
use super::known_words::{Characters, KnownWords};
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

/// A text as the network sees it: known n-grams of two kinds, in the order in which they were read,
/// repeats included. Their weights are those of the vectorizer; times the scale of its kind, those of
/// all words and runs sum to 1, unknown ones included, and those of all character n-grams to
/// `character_weight`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Encoded {
    /// Known tokens, then known runs of tokens.
    pub ids: Vec<u32>,
    /// Weight of each.
    pub weights: Vec<f32>,
    /// What these weights are multiplied by.
    pub scale: f32,
    /// The character n-grams of each word token in order; see [`Vectorizer::groups`].
    groups: Vec<Group>,
    /// Those of words that are not kept, one after another.
    own: (Vec<u32>, Vec<f32>),
    /// What the weights of character n-grams are multiplied by.
    pub characters_scale: f32,
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

/// Where the character n-grams of a word are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Group {
    /// With the vectorizer, by the id of the word.
    Kept(u32),
    /// With the text, from the first place up to the second.
    Own(u32, u32),
}

/// The known character n-grams of a word, in its order, repeats included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WordCharacters<'a> {
    /// The id of the word, where its n-grams are the same every time; else [`UNKNOWN`].
    pub word: u32,
    /// Ids.
    pub ids: &'a [u32],
    /// Weight of each.
    pub weights: &'a [f32],
}

/// A fitted vectorizer.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectorizer {
    spec: VectorizerSpec,
    vocabulary: Vocabulary,
    weights: Vec<f32>,
    unknown_weight: f32,
    known_words: KnownWords,
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
        Self { spec, vocabulary, weights, unknown_weight, known_words: KnownWords::default() }
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
        self.encode_tokens(tokenizer::tokens(text, self.spec.case_folding))
    }

    /// The tokens of a text, as [`Vectorizer::encode`] reads them.
    pub fn tokens<'a>(&self, text: &'a str) -> Vec<Token<'a>> {
        tokenizer::tokens(text, self.spec.case_folding).collect()
    }

    /// The features of a text of these tokens but one: those before and after it stand side by side,
    /// so that no n-gram holds it. Offsets stay those of the whole text.
    pub fn encode_without(&self, tokens: &[Token<'_>], left_out: usize) -> Encoded {
        let others = tokens.iter().enumerate().filter(|(position, _)| *position != left_out);
        self.encode_tokens(others.map(|(_, token)| token.borrowed()))
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
        self.encode_tokens(tokens.into_iter())
    }

    fn encode_tokens<'a>(&self, tokens: impl Iterator<Item = Token<'a>>) -> Encoded {
        let mut encoded = Encoded {
            ids: Vec::with_capacity(32),
            weights: Vec::with_capacity(32),
            words: Vec::with_capacity(16),
            groups: Vec::with_capacity(16),
            ..Encoded::default()
        };
        let mut words = Sums::default();
        let mut characters = Sums::default();
        let mut keys = Vec::with_capacity(16);
        for token in tokens {
            let key = ngrams::word(&token.text);
            keys.push(key);
            let id = self.vocabulary.word(key);
            words.add(id, self.weight(id), &mut encoded);
            if token.kind == TokenKind::Word {
                encoded.words.push(id.unwrap_or(UNKNOWN));
                if id.is_none() {
                    encoded.unknown_count += 1;
                }
                if id.is_none() && encoded.unknown.len() < LISTED_UNKNOWN {
                    let (start, end) = (token.start, token.end);
                    encoded.unknown.push(UnknownToken { text: token.raw.to_owned(), start, end });
                }
                if let Some(range) = self.spec.character_ngrams {
                    self.add_characters(id, &token.text, range, &mut characters, &mut encoded);
                }
            }
        }
        ngrams::word_ngrams(&keys, self.spec.word_ngrams, |key| {
            let id = self.vocabulary.ngram(key);
            words.add(id, self.weight(id), &mut encoded);
        });
        let known = encoded.words.len() - encoded.unknown_count;
        encoded.token_coverage = known as f32 / encoded.words.len().max(1) as f32;
        // Each kind sums to its share, what is unknown included, so that unknown n-grams count as
        // zero vectors and little coverage shrinks the logits.
        let (mut known, mut total) = (0.0, 0.0);
        let kinds = [
            (words, 1.0, &mut encoded.scale),
            (characters, self.spec.character_weight, &mut encoded.characters_scale),
        ];
        for (sums, share, scale) in kinds {
            encoded.ngrams += sums.count;
            if sums.total_weight > 0.0 {
                *scale = share / sums.total_weight;
                known += sums.known_weight * *scale;
                total += share;
            }
        }
        encoded.ngram_coverage = if total > 0.0 { (known / total).clamp(0.0, 1.0) } else { 0.0 };
        encoded
    }

    /// Adds the character n-grams of a word.
    fn add_characters(
        &self,
        id: Option<u32>,
        token: &str,
        range: CharacterNgrams,
        sums: &mut Sums,
        encoded: &mut Encoded,
    ) {
        let find = |key| {
            let id = self.vocabulary.ngram(key);
            (id, self.weight(id))
        };
        let read = || Characters::read(token, (range.min, range.max), find);
        let words = self.vocabulary.words();
        let kept = id.and_then(|id| Some((id, self.known_words.keep((id, words), token, read)?)));
        if let Some((id, characters)) = kept {
            sums.add_all(characters);
            encoded.groups.push(Group::Kept(id));
        } else {
            let characters = read();
            sums.add_all(&characters);
            let (ids, weights) = &mut encoded.own;
            let start = ids.len() as u32;
            ids.extend(characters.ids);
            weights.extend(characters.weights);
            encoded.groups.push(Group::Own(start, ids.len() as u32));
        }
    }

    /// The character n-grams of each word of a text that this vectorizer encoded, in order.
    pub fn groups<'a>(
        &'a self,
        encoded: &'a Encoded,
    ) -> impl ExactSizeIterator<Item = WordCharacters<'a>> {
        encoded.groups.iter().map(|group| match *group {
            Group::Kept(word) => {
                let kept = self.known_words.get(word);
                let (ids, weights) =
                    kept.map_or((&[][..], &[][..]), |kept| (&kept.ids, &kept.weights));
                WordCharacters { word, ids, weights }
            }
            Group::Own(start, end) => {
                let (start, end) = (start as usize, end as usize);
                let (ids, weights) = (&encoded.own.0[start..end], &encoded.own.1[start..end]);
                WordCharacters { word: UNKNOWN, ids, weights }
            }
        })
    }

    /// A text that this vectorizer encoded as one bag: ids, ascending, each once, and the weight of
    /// each, scaled.
    pub fn flatten(&self, encoded: &Encoded) -> (Vec<u32>, Vec<f32>) {
        let characters = self.groups(encoded).flat_map(|group| group.ids);
        let mut entries = Vec::with_capacity(256);
        let entry = |(order, id): (u64, &u32)| Entry(u64::from(*id) << 32 | order);
        entries.extend((0..).zip(encoded.ids.iter().chain(characters)).map(entry));
        // By id, and equal ids in text order, so that sums are the same every time.
        entries.sort_unstable();
        let mut ids: Vec<u32> = Vec::with_capacity(entries.len());
        let mut weights: Vec<f32> = Vec::with_capacity(entries.len());
        for Entry(entry) in entries {
            let (id, order) = ((entry >> 32) as u32, entry as u32 as usize);
            let of_characters = order >= encoded.ids.len();
            let scale = if of_characters { encoded.characters_scale } else { encoded.scale };
            let weight = self.weights[id as usize] * scale;
            match (ids.last(), weights.last_mut()) {
                (Some(&last), Some(sum)) if last == id => *sum += weight,
                _ => {
                    ids.push(id);
                    weights.push(weight);
                }
            }
        }
        (ids, weights)
    }

    fn weight(&self, id: Option<u32>) -> f32 {
        id.map_or(self.unknown_weight, |id| self.weights[id as usize])
    }
}

/// The id of a known n-gram, then its place in the text, in one number. A type of our own, so that its
/// sort is compiled here, and not taken over from a dependency that is built without optimisation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

/// What the n-grams of one kind in a text sum to.
#[derive(Default)]
struct Sums {
    count: u32,
    known_weight: f32,
    total_weight: f32,
}

impl Sums {
    /// Adds a token or a run, which goes to the text if it is known.
    fn add(&mut self, id: Option<u32>, weight: f32, encoded: &mut Encoded) {
        self.count += 1;
        self.total_weight += weight;
        if let Some(id) = id {
            encoded.ids.push(id);
            encoded.weights.push(weight);
            self.known_weight += weight;
        }
    }

    /// Adds the character n-grams of a word.
    fn add_all(&mut self, characters: &Characters) {
        self.count += characters.count;
        self.known_weight += characters.known_weight;
        self.total_weight += characters.total_weight;
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
