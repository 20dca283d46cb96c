//! What a training will cost, before anything is allocated.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::encoder::input_kind;
use super::spec::TrainSpec;
use crate::data::profile::{Column, Profile};
use crate::image::ImageColors;
use crate::learn::network::{InputShape, TextForm};
use crate::tabular::InputKind;
use crate::task::{Input, MAX_LABELS, Wanted};

/// Upper bounds, from the dataset's profile alone; the vocabulary is usually far smaller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    /// Known n-grams at most; 0 where records are not texts.
    pub vocabulary_at_most: u64,
    /// Numbers that a record is to the network, at most; 0 for texts.
    #[serde(default)]
    pub features_at_most: u64,
    /// Trainable numbers at most.
    pub parameters_at_most: u64,
    /// Floating-point operations of one record's way through the network at most, lookups of
    /// n-grams not counted. A training step costs about three times as much a record.
    #[serde(default)]
    pub flops_per_record_at_most: u64,
    /// Bytes of memory at most.
    pub memory_bytes_at_most: u64,
    /// Seconds of training at most on one core of a common machine of 2025, or `max_seconds` where
    /// that is less; early stopping or a target may end it sooner.
    pub seconds_at_most: f64,
}

/// Bytes that a parameter costs besides its optimiser state: the value, the best epoch's copy, and
/// the two copies that a checkpoint holds for a moment.
const COPIES: u64 = 4;

/// What an average of the parameters adds to that: itself, its copy to measure and its copy in a
/// checkpoint.
const AVERAGES: u64 = 3;

/// What the records of a training are.
struct Records {
    shape: InputShape,
    /// Bytes of all of them, while they are learnt from.
    bytes: u64,
    /// Seconds of a record's way through what is before the dense layers, forward and back.
    seconds: f64,
}

/// Estimates a spec on a dataset.
pub fn estimate(spec: &TrainSpec, profile: &Profile, train_records: u64) -> Estimate {
    let records = match spec.task.input() {
        Input::Text(text) => texts(spec, text, profile, train_records),
        Input::Table(features) => table(spec, features.unwrap_or_default(), profile),
        Input::Image(image) => images(spec, image, profile),
    };
    let outputs = match spec.task.wanted() {
        Wanted::Labels(labels) => profile
            .column(&labels.label)
            .map_or(2, |(_, column)| (column.distinct as usize).clamp(2, MAX_LABELS)),
        Wanted::Values(targets) => targets.target.all().len(),
    };
    let layout = spec.network.layout(records.shape, outputs);
    let parameters = layout.parameters() as u64;
    let averages = if spec.training.ema_decay.is_some() { AVERAGES } else { 0 };
    let state = spec.optimizer.state_per_parameter() as u64 + COPIES + averages;
    let activations = spec.network.activations(records.shape, outputs);
    let batch = (spec.training.batch_size as u64).saturating_mul(activations).saturating_mul(16);
    let memory =
        parameters.saturating_mul(4 * state).saturating_add(records.bytes).saturating_add(batch);

    // Measured on 2.5 GHz Zen 3: about 0.3 ns an operation of the dense layers, forward and back,
    // and 0.2 ms a batch.
    let dense = layout.flops() as f64 * 3e-10;
    let batches = (train_records as f64 / spec.training.batch_size as f64).ceil();
    let epoch = train_records as f64 * (records.seconds + dense) + batches * 2e-4;
    let per_step = spec.training.batch_size.saturating_mul(spec.training.accumulate);
    let steps = (train_records as f64 / per_step as f64).ceil();
    let training = &spec.training;
    let epochs = match (&spec.range_test, training.max_steps) {
        (Some(range), _) => range.steps as f64 / steps,
        (None, Some(most)) => (most as f64 / steps).min(training.epochs as f64),
        (None, None) => training.epochs as f64,
    };
    let limit = training.max_seconds.filter(|_| spec.range_test.is_none());
    let seconds = (epoch * epochs).min(limit.unwrap_or(f64::INFINITY));
    let (vocabulary, features) = match records.shape {
        InputShape::Bag { vocabulary } => (vocabulary as u64, 0),
        shape => (0, shape.width() as u64),
    };
    Estimate {
        vocabulary_at_most: vocabulary,
        features_at_most: features,
        parameters_at_most: parameters,
        flops_per_record_at_most: layout.flops(),
        memory_bytes_at_most: memory,
        seconds_at_most: seconds,
    }
}

fn texts(spec: &TrainSpec, text: &str, profile: &Profile, train_records: u64) -> Records {
    let characters = profile
        .column(text)
        .and_then(|(_, column)| column.characters)
        .map_or(0.0, |lengths| lengths.mean);
    // A token is at least one character; a run of tokens starts at each; so do character n-grams,
    // which also start at the two marks of each word.
    let vectorizer = &spec.vectorizer;
    let tokens = characters * train_records as f64;
    let lengths = vectorizer.character_ngrams.map_or(0, |range| range.max - range.min + 1) as f64;
    let runs = (vectorizer.word_ngrams - 1) as f64 + 2.0 * lengths;
    let words = tokens / f64::from(vectorizer.min_word_count);
    let ngrams = tokens * runs / f64::from(vectorizer.min_ngram_count);
    let vocabulary = match vectorizer.hash_buckets {
        Some(buckets) => (words as usize).min(vectorizer.max_vocabulary) + buckets as usize,
        None => ((words + ngrams) as usize).min(vectorizer.max_vocabulary),
    };
    let vocabulary = match spec.network.text_form() {
        TextForm::Bag(_) => vocabulary,
        TextForm::Words { .. } => (words as usize).min(vocabulary),
    };
    let dimension = spec.network.layout(InputShape::Bag { vocabulary: 1 }, 1).dimension() as f64;
    // Texts that are changed are encoded anew in every epoch, beside the plain ones.
    let anew = f64::from(u8::from(spec.augmentation.text.is_on()));
    Records {
        shape: InputShape::Bag { vocabulary },
        // Texts, ids and weights of every n-gram, and the counts that the vocabulary is chosen from.
        bytes: (tokens * 4.0 + tokens * (1.0 + runs) * (8.0 + 24.0 + 8.0 * anew)) as u64,
        // About 1.5 ns for each n-gram and dimension of a record, and 300 ns to find an n-gram.
        seconds: characters * 0.6 * (1.0 + runs / 2.0) * (dimension * 1.5e-9 + anew * 3e-7),
    }
}

/// Images of the size that the spec gives, or else of the largest that is kept.
fn images(spec: &TrainSpec, image: &str, profile: &Profile) -> Records {
    let side = |given: Option<u32>, other: Option<u32>| given.or(other).unwrap_or(64) as usize;
    let (height, width) = (spec.image.height, spec.image.width);
    let channels = if spec.image.colors == Some(ImageColors::Grey) { 1 } else { 3 };
    let shape =
        InputShape::Image { channels, height: side(height, width), width: side(width, height) };
    let characters = profile
        .column(image)
        .and_then(|(_, column)| column.characters)
        .map_or(0.0, |lengths| lengths.mean);
    // The file as base64, and its pixels as they are read and as they are learnt from.
    let record = characters as u64 + shape.width() as u64 * 8;
    Records { shape, bytes: profile.rows.saturating_mul(record), seconds: 0.0 }
}

fn table(spec: &TrainSpec, features: &[String], profile: &Profile) -> Records {
    let columns = features.iter().filter_map(|name| profile.column(name)).map(|(_, c)| c);
    let width = |column: &Column| {
        let missing = usize::from(column.missing > 0);
        missing
            + match input_kind(column.kind) {
                InputKind::Numeric => 1,
                // The days, and sine and cosine of three cycles.
                InputKind::Date => 7,
                InputKind::Categorical => {
                    (column.distinct as usize).min(spec.tabular.max_categories) + 1
                }
            }
    };
    let (count, width) = columns.fold((0u64, 0usize), |(n, sum), c| (n + 1, sum + width(c)));
    // A cell of the table, and each feature as it is encoded and as it is learnt from.
    let record = count * 48 + width as u64 * 8;
    Records {
        shape: InputShape::Vector { width },
        bytes: profile.rows.saturating_mul(record),
        seconds: 0.0,
    }
}
