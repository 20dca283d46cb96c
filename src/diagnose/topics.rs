//! What the training texts are about.

use rayon::prelude::*;

use crate::eval::topics::{TopicAssignment, find_topics, tf_idf};
use crate::model::Model;
use crate::model::encoder::{Encoder, Records};
use crate::model::splits::Parts;
use crate::text::tokenizer;

/// The topics of the training texts, by position among the training records. `None` for other records,
/// and where there are too few texts.
pub fn find(model: &Model, records: &Records, parts: &Parts, seed: u64) -> Option<TopicAssignment> {
    let (Encoder::Text(vectorizer), Records::Texts(texts)) = (&model.reader.encoder, records)
    else {
        return None;
    };
    let words = vectorizer.vocabulary().words();
    let read = |record: &usize| vectorizer.encode(&texts[*record]).words;
    let ids: Vec<Vec<u32>> = parts.train.par_iter().map(read).collect();
    // The vocabulary knows words by their hashes; the texts know them by name.
    let mut names = vec![String::new(); words];
    for (record, ids) in parts.train.iter().zip(&ids) {
        let tokens = tokenizer::tokens(&texts[*record], vectorizer.spec().case_folding);
        for (token, id) in tokens.zip(ids) {
            if let Some(name) = names.get_mut(*id as usize).filter(|name| name.is_empty()) {
                *name = token.text.into_owned();
            }
        }
    }
    let known = |ids: Vec<u32>| ids.into_iter().filter(|id| (*id as usize) < words).collect();
    let known: Vec<Vec<u32>> = ids.into_iter().map(known).collect();
    find_topics(&tf_idf(&known, words), &names, seed)
}
