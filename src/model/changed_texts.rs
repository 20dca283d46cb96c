//! Training texts that are changed before they become features.

use std::borrow::Cow;

use rayon::prelude::*;

use super::encoder::{Encoder, Records, TextRow};
use super::spec::TrainSpec;
use crate::learn::network::TextForm;
use crate::learn::rows::{Features, Source, SparseRows};
use crate::text::{TextAugmentation, TextAugmentationSpec, Vectorizer};

/// Texts that are encoded at a time.
const AT_A_TIME: usize = 8_192;

/// Training texts that are changed and encoded anew in every epoch.
pub(super) struct ChangedTexts<'a> {
    spec: TextAugmentationSpec,
    seed: u64,
    form: TextForm,
    vectorizer: &'a Vectorizer,
    texts: &'a [String],
    training: &'a [usize],
}

impl<'a> ChangedTexts<'a> {
    /// Of a training, if it changes texts.
    pub fn new(
        spec: &TrainSpec,
        encoder: &'a Encoder,
        records: &'a Records,
        training: &'a [usize],
    ) -> Option<Self> {
        match (encoder, records) {
            (Encoder::Text(vectorizer), Records::Texts(texts))
                if spec.augmentation.text.is_on() =>
            {
                Some(Self {
                    spec: spec.augmentation.text,
                    seed: spec.training.seed,
                    form: spec.network.text_form(),
                    vectorizer,
                    texts,
                    training,
                })
            }
            _ => None,
        }
    }
}

impl Source for ChangedTexts<'_> {
    fn records(&self) -> usize {
        self.training.len()
    }

    fn epoch(&self, epoch: usize) -> Cow<'_, Features> {
        let augmentation = TextAugmentation::new(self.spec, self.seed, epoch);
        let encode = |(record, &i): (usize, &usize)| {
            let text = self.vectorizer.encode_changed(&self.texts[i], record, &augmentation);
            TextRow::of(self.vectorizer, &text, self.form)
        };
        let mut rows = SparseRows::default();
        for first in (0..self.training.len()).step_by(AT_A_TIME) {
            let texts = &self.training[first..self.training.len().min(first + AT_A_TIME)];
            let places = (first..first + texts.len()).into_par_iter();
            let encoded: Vec<TextRow> = places.zip(texts).map(encode).collect();
            encoded.iter().for_each(|row| row.push_to(&mut rows));
        }
        Cow::Owned(Features::Sparse(rows))
    }
}

#[cfg(test)]
#[path = "changed_texts_tests.rs"]
mod tests;
