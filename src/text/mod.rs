//! Text to features: tokens with their place in the text, n-grams of words and of characters, and
//! the vocabulary that tells the known from the unknown.

mod ascii_bounds;
mod augment;
mod grow;
mod known_words;
pub mod ngrams;
pub mod tokenizer;
pub mod vectorizer;
pub mod vocabulary;

pub use augment::{TextAugmentation, TextAugmentationSpec};
pub use vectorizer::{Encoded, Vectorizer, VectorizerSpec};
