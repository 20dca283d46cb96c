//! What the training records are about.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::eval::topics::{Topic, TopicAssignment, Topics, find_topics, tf_idf};
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

/// The topics that the records of the dataset are said to be about, by position among the training records.
pub fn named(of_record: &[Option<String>], train: &[usize]) -> TopicAssignment {
    let of = |record: &usize| of_record.get(*record).and_then(Option::as_deref);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in train.iter().filter_map(of) {
        *counts.entry(name).or_default() += 1;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, records)| Reverse(*records));
    let place: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
    let of_record: Vec<Option<usize>> =
        train.iter().map(|record| place.get(of(record)?).copied()).collect();
    let topic = |(name, records): &(&str, usize)| Topic {
        name: (*name).to_owned(),
        terms: Vec::new(),
        records: *records,
    };
    let topics = Topics {
        topics: names.iter().map(topic).collect(),
        silhouette: 0.0,
        unassigned: of_record.iter().filter(|topic| topic.is_none()).count(),
    };
    TopicAssignment { topics, of_record }
}
