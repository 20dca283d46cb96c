//! What the model itself says of its records, without any training: each is read once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::cache::{Copies, Tested};
use super::workbench::{Workbench, shuffle_among};
use crate::eval::vocabulary_growth::{VocabularyGrowth, vocabulary_growth};
use crate::model::FitError;
use crate::model::coverage::RecordCoverage;
use crate::model::encoder::{Encoded, Encoder, Records};
use crate::model::leaks::{Leak, leaks};
use crate::random::fnv1a;
use crate::task::Output;
use crate::text::tokenizer::{self, TokenKind};
use crate::text::{TextAugmentation, TextAugmentationSpec};

/// Records that are to come, of which the vocabulary's growth tells.
pub const TO_COME: usize = 1_000;
/// Share of a text's words that get a typo where that is tried.
pub const TYPOS: f64 = 0.1;

impl Workbench {
    /// The records, as the encoder takes them.
    fn records(&self) -> Records {
        Records::new(self.spec().task.input(), self.table.inputs.clone())
    }

    /// What the model says of each test record. An error says why they cannot be read.
    pub fn tested(&self) -> Result<&[Tested], &str> {
        let read = || tested(self).map_err(|error| error.to_string());
        self.readings.tested.get_or_init(read).as_deref().map_err(String::as_str)
    }

    /// The loss of each test text with typos in `TYPOS` of its words; `None` where the records are no
    /// texts.
    pub fn misspelt(&self) -> Option<&[f64]> {
        self.readings.misspelt.get_or_init(|| misspelt(self)).as_deref()
    }

    /// The records that stand in more than one part.
    pub fn copies(&self) -> &Copies {
        self.readings.copies.get_or_init(|| copies(self))
    }

    /// The columns that alone tell a target; none where there are too many to look.
    pub fn leaks(&self) -> &[Leak] {
        self.readings.leaks.get_or_init(|| {
            leaks(&self.records(), &self.parts.train, &self.output, &self.outcomes)
                .unwrap_or_default()
        })
    }

    /// The unknown words that the next `TO_COME` texts will bring; `None` where the records are no
    /// texts, or too few.
    pub fn growth(&self) -> Option<VocabularyGrowth> {
        *self.readings.growth.get_or_init(|| growth(self))
    }
}

/// What a model does on the validation records as they are, and with the values of some columns shuffled
/// among them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reliance {
    /// Share of wrong records, or squared error over the variance, as they are.
    pub plain: f64,
    /// The same with shuffled columns.
    pub shuffled: f64,
}

impl Workbench {
    /// How far the model relies on columns; `None` without validation records.
    pub fn reliance(&self, columns: &[String]) -> Option<Reliance> {
        let positions = &self.parts.validation;
        let losses = |records: &Records| -> Option<Vec<f64>> {
            let encoded = self.model.reader.encoder.encode_all(records, positions).ok()?;
            let each = encoded.iter().zip(positions);
            let read = |(encoded, record): (&Encoded, &usize)| {
                loss(self, *record, &self.model.reader.evaluate(encoded).1)
            };
            Some(each.map(read).collect())
        };
        let mut inputs = self.table.inputs.clone();
        for column in inputs.iter_mut().filter(|column| columns.contains(&column.name)) {
            shuffle_among(&mut column.cells, positions);
        }
        let shuffled = losses(&Records::new(self.spec().task.input(), inputs))?;
        let plain = losses(&self.records())?;
        if positions.is_empty() {
            return None;
        }
        let unit = match &self.output {
            Output::Values { names, .. } if names.len() == 1 => {
                let deviation = self.model.card.targets.first()?.standard_deviation;
                deviation.powi(2).max(1e-12)
            }
            _ => 1.0,
        };
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64 / unit;
        Some(Reliance { plain: mean(&plain), shuffled: mean(&shuffled) })
    }
}

fn tested(bench: &Workbench) -> Result<Vec<Tested>, FitError> {
    let model = &bench.model;
    let positions = &bench.parts.test;
    let encoded = model.reader.encoder.encode_all(&bench.records(), positions)?;
    let read = |(encoded, record): (Encoded, &usize)| {
        let weighed = model.weigh(encoded);
        let logits = &weighed.reading.logits;
        let raw = model.reader.probabilities(logits);
        let calibrated = model.calibration.probabilities(&model.reader.output, logits);
        let head = bench.output.head();
        Tested {
            record: *record,
            loss: loss(bench, *record, logits),
            raw_confidence: head.map(|head| head.certainty(&raw, &raw)),
            confidence: head.zip(calibrated).map(|(head, p)| head.certainty(&p, &raw)),
            coverage: RecordCoverage::of(&weighed.reading),
            p_value: weighed.combined.map(|combined| combined.p_value),
        }
    };
    Ok(encoded.into_par_iter().zip(positions).map(read).collect())
}

/// The loss of a record, as `TestResults::losses` has it; of several targets, each as a share of its
/// variance among the training records.
fn loss(bench: &Workbench, record: usize, logits: &[f32]) -> f64 {
    let model = &bench.model;
    match &model.reader.output {
        Output::Labels { head, .. } => {
            let p = model.reader.probabilities(logits);
            f64::from(u8::from(head.labels(&p) != bench.outcomes.labels_of(record)))
        }
        Output::Values { names, .. } => {
            let unit = |target: usize| match names.len() {
                1 => 1.0,
                _ => model.card.targets.get(target).map_or(1.0, |t| t.standard_deviation.powi(2)),
            };
            let values = model.reader.values(logits);
            let errors = values.iter().zip(bench.outcomes.values_of(record)).enumerate();
            let errors = errors.map(|(target, (v, t))| (v - t).powi(2) / unit(target));
            errors.sum::<f64>() / names.len().max(1) as f64
        }
    }
}

fn misspelt(bench: &Workbench) -> Option<Vec<f64>> {
    let (Encoder::Text(vectorizer), Records::Texts(texts)) =
        (&bench.model.reader.encoder, bench.records())
    else {
        return None;
    };
    let spec = TextAugmentationSpec { typos: TYPOS, ..TextAugmentationSpec::default() };
    let typos = TextAugmentation::new(spec, bench.spec().training.seed, 0);
    let read = |record: &usize| {
        let text = vectorizer.encode_changed(&texts[*record], *record, &typos);
        loss(bench, *record, &bench.model.reader.evaluate(&Encoded::Text(text)).1)
    };
    Some(bench.parts.test.par_iter().map(read).collect())
}

fn copies(bench: &Workbench) -> Copies {
    let records = bench.records();
    let groups = records.groups();
    let parts = &bench.parts;
    let mut used = vec![false; groups.len()];
    let all = [&parts.train, &parts.validation, &parts.calibration, &parts.test];
    for record in all.into_iter().flatten() {
        used[*record] = true;
    }
    let kept: BTreeSet<u64> =
        groups.iter().zip(&used).filter(|(_, used)| **used).map(|(group, _)| *group).collect();
    let mut left_out: Vec<usize> = (0..groups.len())
        .filter(|record| parts.excluded > 0 && !used[*record] && kept.contains(&groups[*record]))
        .collect();
    let copied: BTreeSet<u64> = left_out.iter().map(|record| groups[*record]).collect();
    let mut by_words: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let words = |record: usize| match &records {
        Records::Texts(texts) => words_of(&texts[record]),
        Records::Rows(_) | Records::Images(_) => None,
    };
    for record in &parts.train {
        if let Some(words) = words(*record) {
            by_words.entry(words).or_default().push(*record);
        }
    }
    let mut found = Copies { left_out: left_out.len(), ..Copies::default() };
    let mut near: BTreeSet<usize> = BTreeSet::new();
    for record in parts.validation.iter().chain(&parts.test) {
        found.reporting += 1;
        found.exact += usize::from(copied.contains(&groups[*record]));
        if let Some(equal) = words(*record).and_then(|words| by_words.get(&words)) {
            found.near += 1;
            near.extend(equal);
        }
    }
    left_out.extend(near);
    left_out.sort_unstable();
    Copies { records: left_out, ..found }
}

/// A number for the words of a text in their order, whatever case and punctuation; `None` without any.
fn words_of(text: &str) -> Option<u64> {
    let words = tokenizer::tokens(text, true).filter(|token| token.kind == TokenKind::Word);
    let mut joined = String::new();
    for word in words {
        joined.push_str(&word.text);
        joined.push(' ');
    }
    (!joined.is_empty()).then(|| fnv1a(joined.as_bytes()))
}

fn growth(bench: &Workbench) -> Option<VocabularyGrowth> {
    let (Encoder::Text(vectorizer), Records::Texts(texts)) =
        (&bench.model.reader.encoder, bench.records())
    else {
        return None;
    };
    let mut ids: HashMap<String, u32> = HashMap::new();
    let mut words_of = |record: &usize| -> Vec<u32> {
        let tokens = tokenizer::tokens(&texts[*record], vectorizer.spec().case_folding);
        let words = tokens.filter(|token| token.kind == TokenKind::Word);
        let id = |token: tokenizer::Token<'_>| {
            let next = ids.len() as u32;
            *ids.entry(token.text.into_owned()).or_insert(next)
        };
        words.map(id).collect()
    };
    let words: Vec<Vec<u32>> = bench.parts.train.iter().map(&mut words_of).collect();
    vocabulary_growth(&words, TO_COME)
}

/// Records set apart from the others, and how the losses differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Apart {
    /// Records set apart.
    pub records: usize,
    /// Their share of all, in \[0, 1\].
    pub share: f64,
    /// Their mean loss.
    pub inside: f64,
    /// The mean loss of the others.
    pub outside: f64,
    /// Share of all losses that would not be there if they did as well as the others, at most 1;
    /// negative where they do better.
    pub excess: f64,
    /// Their mean loss − that of the others, in standard errors of equal records.
    pub z: f64,
}

impl Apart {
    /// `None` where all records or none are set apart, or no record has a loss.
    pub fn of(losses: &[f64], apart: &[bool]) -> Option<Self> {
        let n = losses.len() as f64;
        let total: f64 = losses.iter().sum();
        let chosen: Vec<f64> =
            losses.iter().zip(apart).filter(|(_, apart)| **apart).map(|(loss, _)| *loss).collect();
        let records = chosen.len();
        let (inside_n, outside_n) = (records as f64, n - records as f64);
        if inside_n == 0.0 || outside_n == 0.0 || total <= 0.0 {
            return None;
        }
        let sum: f64 = chosen.iter().sum();
        let (inside, outside) = (sum / inside_n, (total - sum) / outside_n);
        let mean = total / n;
        let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / n;
        let error = (variance * (1.0 / inside_n + 1.0 / outside_n)).sqrt();
        let z = if error > 0.0 { (inside - outside) / error } else { 0.0 };
        let excess = inside_n * (inside - outside) / total;
        Some(Self { records, share: inside_n / n, inside, outside, excess, z })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_in_excess_are_a_share_of_all() {
        // Two of four wrong inside, one of six outside: 4 · (1/2 − 1/6) / 3.
        let losses = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let apart: Vec<bool> = (0..10).map(|i| i < 4).collect();
        let found = Apart::of(&losses, &apart).unwrap();
        assert_eq!((found.records, found.share, found.inside), (4, 0.4, 0.5));
        assert!((found.excess - 4.0 / 9.0).abs() < 1e-12, "{found:?}");
        assert!(found.z > 1.0 && found.z < 1.3, "{found:?}");
        assert_eq!(Apart::of(&losses, &[false; 10]), None);
        assert_eq!(Apart::of(&[0.0; 10], &apart), None);
    }

    #[test]
    fn equal_words_are_equal_whatever_stands_between() {
        assert_eq!(words_of("The cat, sat!"), words_of("the  CAT sat"));
        assert_ne!(words_of("the cat sat"), words_of("the cats at"));
        assert_eq!(words_of("?!"), None);
    }
}
