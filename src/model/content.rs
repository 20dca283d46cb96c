//! What a model keeps of its calibration records to tell how a batch differs from them: which words a
//! text holds, the features of a row, what the network makes of an image.
//!
//! Of a text that is a number for each of its words: the id of one that the model knows, 31 bits of a
//! hash of one that it does not. Of words in the clear only those that many calibration texts hold. A
//! guess at the words of a text can be checked against that, and vectors hold what the records hold, so
//! that nothing is kept where `keep_training_vectors` is false.

use std::collections::BTreeMap;

use super::encoder::{Encoded, Encoder, Records};
use super::spec::TrainSpec;
use super::{Reader, Reading};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Matrix;
use crate::random;
use crate::text::tokenizer::{Token, TokenKind, tokens};
use crate::text::vectorizer::UNKNOWN;
use crate::text::{Vectorizer, ngrams};

/// Calibration records that are kept at most; a seeded sample beyond that. The noise of a comparison is
/// that of the smaller sample.
pub const MAX_KEPT: usize = 1_000;
/// Numbers that the vectors of a sample hold at most, 1 MiB of them: wide vectors are fewer.
const MAX_NUMBERS: usize = 1 << 18;
/// Records of a sample, however wide.
const LEAST: usize = 20;
/// Words of a text that are looked at; those after them are not.
const MAX_WORDS: usize = 1_000;
/// A word is kept in the clear if this share of the calibration texts holds it, and this many do.
const COMMON: (f64, usize) = (0.02, 5);
/// Marks the hash of a word that the model does not know, beside ids.
const HASHED: u32 = 1 << 31;

/// Calibration records to compare batches with.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Of texts.
    Words {
        /// The words of each text, ascending, none twice.
        texts: Vec<Vec<u32>>,
        /// Words that many of them hold, as they are compared.
        common: CommonWords,
    },
    /// Of rows and images: what distances are measured by.
    Vectors(Matrix),
}

/// Words in the clear by their numbers.
pub type CommonWords = BTreeMap<u32, String>;

impl Content {
    /// Keeps the calibration records, or a seeded sample of them; `None` without any, or where the
    /// spec forbids it. `common` is what [`common_words`] gives of them.
    pub(super) fn keep(
        spec: &TrainSpec,
        reader: &Reader,
        readings: &[Reading],
        common: CommonWords,
    ) -> Option<Self> {
        if readings.is_empty() || !spec.keep_training_vectors {
            return None;
        }
        let kept = sample(reader, readings.len(), MAX_KEPT, spec.training.seed);
        let kept: Vec<&Reading> = kept.into_iter().map(|i| &readings[i]).collect();
        Some(Self::of(reader, &kept, common))
    }

    /// Of records, all of them.
    pub(super) fn of(reader: &Reader, readings: &[&Reading], common: CommonWords) -> Self {
        if let Encoder::Text(vectorizer) = &reader.encoder {
            let texts = readings.iter().map(|reading| words(vectorizer, &reading.encoded));
            return Self::Words { texts: texts.collect(), common };
        }
        let mut vectors = Matrix::new(reader.vector_width());
        for reading in readings {
            if let Encoded::Row(row) = &reading.encoded {
                vectors.push(&row.features);
            } else {
                let (mut representation, _) = reader.evaluate(&reading.encoded);
                if representation.iter().any(|value| !value.is_finite()) {
                    representation.fill(0.0);
                }
                vectors.push(&representation);
            }
        }
        Self::Vectors(vectors)
    }

    /// Records.
    pub fn records(&self) -> usize {
        match self {
            Self::Words { texts, .. } => texts.len(),
            Self::Vectors(vectors) => vectors.len(),
        }
    }

    /// What is stored of it, and the words in the clear.
    pub(super) fn save(&self) -> (Arrays, Vec<String>) {
        let mut arrays = Arrays::default();
        match self {
            Self::Words { texts, common } => {
                arrays.put("counts", texts.iter().map(|words| words.len() as u32).collect());
                arrays.put("words", texts.concat());
                (arrays, common.values().cloned().collect())
            }
            Self::Vectors(vectors) => {
                let shape = vec![vectors.len(), vectors.columns()];
                arrays.put_shaped("vectors", shape, vectors.values().to_vec());
                (arrays, Vec::new())
            }
        }
    }

    /// What [`Content::save`] stored of records of an encoder, whose vectors have `width` numbers.
    pub(super) fn load(
        (arrays, common): (&Arrays, Vec<String>),
        encoder: &Encoder,
        width: usize,
    ) -> Result<Self, ArraysError> {
        let refuse = |name: &str, expected: &str| ArraysError::Shape {
            name: name.to_owned(),
            expected: expected.to_owned(),
            found: "others".to_owned(),
        };
        let Encoder::Text(vectorizer) = encoder else {
            let values = arrays.get::<f32>("vectors")?;
            let whole = width > 0 && values.len().is_multiple_of(width);
            if !whole || values.is_empty() || values.iter().any(|value| !value.is_finite()) {
                return Err(refuse("vectors", "rows of finite numbers that fit the model"));
            }
            return Ok(Self::Vectors(Matrix::from_values(width, values.to_vec())));
        };
        let counts = arrays.get::<u32>("counts")?;
        let total = counts.iter().map(|&count| count as usize).sum();
        let mut flat = arrays.get_exact::<u32>("words", total)?.iter().copied();
        let texts: Vec<Vec<u32>> =
            counts.iter().map(|&count| flat.by_ref().take(count as usize).collect()).collect();
        let known = vectorizer.vocabulary().words();
        let is_word = |word: &u32| *word >= HASHED || (*word as usize) < known;
        let sound =
            |words: &Vec<u32>| words.is_sorted_by(|a, b| a < b) && words.iter().all(is_word);
        if texts.is_empty() || !texts.iter().all(sound) {
            return Err(refuse("words", "ascending words of the vocabulary for each text"));
        }
        let common = common.into_iter().map(|word| (number(vectorizer, &word), word)).collect();
        Ok(Self::Words { texts, common })
    }
}

/// Positions of at most `most` of `n` records, ascending, or fewer if their vectors are wide: all, or a
/// seeded sample.
pub(super) fn sample(reader: &Reader, n: usize, most: usize, seed: u64) -> Vec<usize> {
    let room = match &reader.encoder {
        Encoder::Text(_) => most,
        _ => (MAX_NUMBERS / reader.vector_width().max(1)).max(LEAST),
    };
    chosen(n, most.min(room), seed)
}

fn chosen(n: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    if n > most {
        random::shuffle(&mut order, &mut random::stream(seed, "content"));
        order.truncate(most);
        order.sort_unstable();
    }
    order
}

/// The words that many of these texts hold; none of other records, or where the spec forbids it.
pub(super) fn common_words(
    spec: &TrainSpec,
    encoder: &Encoder,
    records: &Records,
    positions: &[usize],
) -> CommonWords {
    let mut texts_with: BTreeMap<u32, (usize, String)> = BTreeMap::new();
    let (Encoder::Text(vectorizer), Records::Texts(texts)) = (encoder, records) else {
        return CommonWords::new();
    };
    if !spec.keep_training_vectors {
        return CommonWords::new();
    }
    for &position in positions {
        let mut of_text: Vec<(u32, Token<'_>)> = word_tokens(vectorizer, &texts[position]);
        of_text.sort_by_key(|(number, _)| *number);
        of_text.dedup_by_key(|(number, _)| *number);
        for (number, token) in of_text {
            let entry = texts_with.entry(number);
            entry.or_insert_with(|| (0, token.text.into_owned())).0 += 1;
        }
    }
    let (share, least) = COMMON;
    let enough = least.max((share * positions.len() as f64).ceil() as usize);
    let common = texts_with.into_iter().filter(|(_, (texts, _))| *texts >= enough);
    common.map(|(number, (_, word))| (number, word)).collect()
}

/// The words of a text, ascending, none twice: the first 1,000 and of those that the model does not
/// know the first [`crate::text::vectorizer::LISTED_UNKNOWN`]. None of other records.
fn words(vectorizer: &Vectorizer, encoded: &Encoded) -> Vec<u32> {
    let Some(text) = encoded.text() else { return Vec::new() };
    let known = text.words.iter().take(MAX_WORDS).copied().filter(|&id| id != UNKNOWN);
    let unknown = text.unknown.iter().flat_map(|token| word_tokens(vectorizer, &token.text));
    let mut words: Vec<u32> = known.chain(unknown.map(|(number, _)| number)).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The word of a text that has a number, in the form in which words are compared.
pub(super) fn word_of(vectorizer: &Vectorizer, text: &str, wanted: u32) -> Option<String> {
    let mut words = word_tokens(vectorizer, text).into_iter();
    words.find(|(number, _)| *number == wanted).map(|(_, token)| token.text.into_owned())
}

fn word_tokens<'a>(vectorizer: &Vectorizer, text: &'a str) -> Vec<(u32, Token<'a>)> {
    let words = tokens(text, vectorizer.spec().case_folding);
    let words = words.filter(|token| token.kind == TokenKind::Word);
    words.map(|token| (number(vectorizer, &token.text), token)).collect()
}

/// The number of a word in the form in which words are compared.
fn number(vectorizer: &Vectorizer, word: &str) -> u32 {
    let key = ngrams::word(word);
    vectorizer.vocabulary().word(key).unwrap_or(HASHED | (key >> 33) as u32)
}

/// How much a word tells: ln((1 + N)/(1 + n)) + 1 for N training texts of which n hold it. Neither
/// the calibration texts nor a batch's have a part in it.
pub(super) fn weight(vectorizer: &Vectorizer, word: u32) -> f64 {
    let vocabulary = vectorizer.vocabulary();
    let holding = if word < HASHED { vocabulary.texts().get(word as usize).copied() } else { None };
    let holding = f64::from(holding.unwrap_or(0));
    ((1.0 + f64::from(vocabulary.total_texts())) / (1.0 + holding)).ln().max(0.0) + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageSize;
    use crate::text::VectorizerSpec;
    use crate::text::vectorizer::LISTED_UNKNOWN;

    fn vectorizer() -> Vectorizer {
        let texts = ["The lute is new", "the oud is old", "a lute"];
        Vectorizer::fit(&VectorizerSpec::default(), &texts)
    }

    #[test]
    fn texts_are_their_words_and_every_word_has_its_name() {
        let vectorizer = vectorizer();
        let text = "The zither, the LUTE: the Zither!";
        let found = words(&vectorizer, &Encoded::Text(vectorizer.encode(text)));
        // Two that are known, and one that is not.
        assert_eq!(found.iter().filter(|word| **word < HASHED).count(), 2);
        assert_eq!(found.len(), 3);
        let mut names: Vec<String> =
            found.iter().map(|&word| word_of(&vectorizer, text, word).unwrap()).collect();
        names.sort();
        assert_eq!(names, ["lute", "the", "zither"]);
        assert_eq!(word_of(&vectorizer, "nothing of it", found[2]), None);
        assert!(words(&vectorizer, &Encoded::Image(vec![0.5])).is_empty());
        let long: String = (0..300).map(|i| format!("w{i} ")).collect();
        let found = words(&vectorizer, &Encoded::Text(vectorizer.encode(&long)));
        assert_eq!(found.len(), LISTED_UNKNOWN);
    }

    #[test]
    fn rare_words_weigh_more_and_unknown_ones_most() {
        let vectorizer = vectorizer();
        let of = |word: &str| weight(&vectorizer, number(&vectorizer, word));
        assert!(of("lute") < of("oud") && of("oud") < of("zither"));
        assert!((of("lute") - ((4.0f64 / 3.0).ln() + 1.0)).abs() < 1e-12);
        assert!((of("zither") - (4f64.ln() + 1.0)).abs() < 1e-12);
    }

    #[test]
    fn stored_and_damaged() {
        let encoder = Encoder::Text(vectorizer());
        let Encoder::Text(vectorizer) = &encoder else { unreachable!() };
        let lute = number(vectorizer, "lute");
        let zither = number(vectorizer, "zither");
        let common = CommonWords::from([(lute, "lute".to_owned()), (zither, "zither".to_owned())]);
        let texts =
            Content::Words { texts: vec![vec![lute, zither], vec![], vec![zither]], common };
        let (saved, common) = texts.save();
        let load = |arrays: &Arrays| Content::load((arrays, common.clone()), &encoder, 2);
        assert_eq!(load(&saved).unwrap(), texts);
        for (what, damaged) in saved.damaged() {
            assert!(load(&damaged).is_err(), "{what}");
        }
        for words in
            [vec![zither, lute, zither], vec![lute, lute, zither], vec![9_999, zither, zither]]
        {
            let mut damaged = saved.clone();
            damaged.put("words", words);
            assert!(load(&damaged).is_err());
        }

        let image = Encoder::Image(ImageSize { channels: 1, height: 1, width: 1 });
        let vectors = Content::Vectors(Matrix::from_values(2, vec![1.0, 2.0, 3.0, 4.0]));
        let (saved, common) = vectors.save();
        let load = |arrays: &Arrays, width| Content::load((arrays, Vec::new()), &image, width);
        assert!(common.is_empty() && vectors.records() == 2);
        assert_eq!(load(&saved, 2).unwrap(), vectors);
        assert!(load(&saved, 3).is_err());
        for (what, damaged) in saved.damaged() {
            assert!(load(&damaged, 2).is_err(), "{what}");
        }
    }

    #[test]
    fn samples_are_seeded_and_ascending() {
        assert_eq!(chosen(3, 3, 1), [0, 1, 2]);
        let few = chosen(100, 10, 1);
        assert!(few.len() == 10 && few.is_sorted_by(|a, b| a < b));
        assert_eq!(few, chosen(100, 10, 1));
        assert_ne!(few, chosen(100, 10, 2));
    }
}
