//! What of a record a model does not know, in words.

use super::Model;
use super::encoder::{Encoded, Encoder};
use crate::text::tokenizer;
use crate::text::vectorizer::UnknownToken;

/// What of a record is not covered: unknown words in the form in which words are the same, or the
/// columns of values outside.
pub(super) fn terms_of(model: &Model, encoded: &Encoded) -> Vec<String> {
    match encoded {
        Encoded::Text(text) => {
            text.unknown.iter().map(|token| compared(model, &token.text)).collect()
        }
        Encoded::Row(row) => row.coverage.outside.iter().map(|o| o.column.clone()).collect(),
        Encoded::Image(_) => Vec::new(),
    }
}

/// Where a term stands in the text of a record.
pub(super) fn place<'a>(
    model: &Model,
    encoded: &'a Encoded,
    term: &str,
) -> Option<&'a UnknownToken> {
    encoded.text()?.unknown.iter().find(|token| compared(model, &token.text) == term)
}

/// A word in the form in which the model compares words.
fn compared(model: &Model, word: &str) -> String {
    let Encoder::Text(vectorizer) = &model.reader.encoder else { return word.to_owned() };
    let token = tokenizer::tokens(word, vectorizer.spec().case_folding).next();
    token.map_or_else(|| word.to_owned(), |token| token.text.into_owned())
}
