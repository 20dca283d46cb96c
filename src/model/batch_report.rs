//! What can be said of records without labels: how accurate the model may be on them, what is new in
//! them, and which to label first.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::card::Unavailable;
use super::coverage::RecordCoverage;
use super::encoder::{Encoded, Encoder};
use super::{Model, Weighed};
use crate::eval::accuracy_estimate::{
    AccuracyEstimate, Labelled, MIN_CALIBRATION, Unlabelled, estimate_accuracy,
};
use crate::eval::labeling::{self, MAX_CHOSEN};
use crate::eval::similar::{MAX_GROUPS, similar_groups};
use crate::eval::terms::most_frequent;
use crate::eval::{Matrix, terms};
use crate::text::tokenizer;
use crate::text::vectorizer::UnknownToken;

/// Terms that are listed at most.
const MAX_TERMS: usize = 20;
/// Terms that name a group, at most.
const MAX_NAMES: usize = 3;
/// Examples of a group at most.
const MAX_EXAMPLES: usize = 3;
/// Characters of a text that are shown.
const EXCERPT: usize = 160;

/// What can be said of records without labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnlabelledReport {
    /// How accurate the model is on these records, estimated from how sure it is (average
    /// thresholded confidence: Garg et al. 2022). `null` where `unavailable` says why not.
    pub estimated_accuracy: Option<AccuracyEstimate>,
    /// The words that most records hold and the model does not know, at most 20; of rows, the columns
    /// whose values lie outside what training saw. Empty for images.
    pub uncovered_terms: Vec<UncoveredTerm>,
    /// The flagged records by likeness, at most ten groups, the largest first (spherical k-means of
    /// their vectors).
    pub groups: Vec<SimilarRecords>,
    /// The records whose labels would teach most and of which no two are alike, at most 50, the
    /// first to label first.
    pub label_first: Vec<ToLabel>,
}

/// A word that the model does not know, or a column whose values lie outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UncoveredTerm {
    /// The word, as it is compared; or the column.
    pub term: String,
    /// Records that hold it, however often.
    pub records: usize,
    /// The first of them, at most three.
    pub examples: Vec<Example>,
}

/// A record, to be found again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Example {
    /// Its row in the dataset, from 1.
    pub row: u64,
    /// Up to 160 characters of its text, around the term if there is one; absent for rows and images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Flagged records that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimilarRecords {
    /// What names the group: the uncovered terms that most of its records hold, at most three; empty
    /// where its records have none.
    pub terms: Vec<String>,
    /// Records.
    pub records: usize,
    /// Those closest to the group's centre, at most three.
    pub examples: Vec<Example>,
}

/// A record to label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToLabel {
    /// The record.
    #[serde(flatten)]
    pub example: Example,
    /// How much its label would teach, in \[0, 1\]: 1 − confidence · min(1, p / `max_false_alarm`); where
    /// numbers are predicted, 1 − p.
    pub informativeness: f64,
}

/// Records that were read, with what is needed to name them.
pub(super) struct Batch<'a> {
    pub weighed: &'a [Weighed],
    /// Of each record.
    pub coverage: &'a [RecordCoverage],
    /// The network's own confidence of each; `None` where numbers are predicted.
    pub raw_confidence: &'a [Option<f64>],
    /// Calibrated confidence of each, or where there is none, the network's own; `None` where numbers
    /// are predicted.
    pub confidence: Vec<Option<f64>>,
    /// Whether each is flagged; `None` where that cannot be told.
    pub flagged: Option<Vec<bool>>,
    /// The text of each record; empty for other records.
    pub texts: &'a [String],
    /// The row of each in its dataset, from 1.
    pub rows: &'a [u64],
    /// Level at which records are flagged.
    pub max_false_alarm: f64,
}

impl Batch<'_> {
    /// The report, and what is not in it.
    pub(super) fn report(self, model: &Model) -> (UnlabelledReport, Vec<Unavailable>) {
        let have = model.calibration.records();
        let mut unavailable = Vec::new();
        let estimated_accuracy = self.estimate(model).unwrap_or_else(|(reason, need)| {
            let statistic = "estimated_accuracy".to_owned();
            unavailable.push(Unavailable { statistic, reason, have, need });
            None
        });
        let terms: Vec<Vec<String>> = self.weighed.iter().map(|w| terms_of(model, w)).collect();
        let groups = match &self.flagged {
            Some(flagged) => self.groups(model, flagged, &terms),
            None => {
                let reason = "no record is flagged where that cannot be told".to_owned();
                let statistic = "groups".to_owned();
                unavailable.push(Unavailable { statistic, reason, have, need: None });
                Vec::new()
            }
        };
        let report = UnlabelledReport {
            estimated_accuracy,
            uncovered_terms: self.terms(model, &terms),
            groups,
            label_first: self.label_first(),
        };
        (report, unavailable)
    }

    /// The estimate, or in words why there is none and the calibration records that it takes.
    fn estimate(&self, model: &Model) -> Result<Option<AccuracyEstimate>, (String, Option<usize>)> {
        let calibration = &model.calibration;
        if model.reader.output.head().is_none() {
            let reason = "numbers are predicted: only labels are right or wrong".to_owned();
            return Err((reason, None));
        }
        let labelled: Vec<Labelled> = calibration
            .decisions
            .iter()
            .zip(&calibration.coverage)
            .map(|(&(score, right), coverage)| Labelled {
                score,
                coverage: coverage.share(),
                right,
            })
            .collect();
        let unlabelled: Vec<Unlabelled> = self
            .raw_confidence
            .iter()
            .flatten()
            .zip(self.coverage)
            .map(|(&score, coverage)| Unlabelled { score, coverage: coverage.share() })
            .collect();
        let need = (labelled.len() < MIN_CALIBRATION).then_some(MIN_CALIBRATION);
        estimate_accuracy(&labelled, &unlabelled, model.spec.training.seed)
            .map(Some)
            .map_err(|reason| (reason.to_string(), need))
    }

    fn terms(&self, model: &Model, terms: &[Vec<String>]) -> Vec<UncoveredTerm> {
        let found = most_frequent(terms.iter().map(Vec::as_slice), MAX_TERMS).into_iter();
        let term = |found: terms::UncoveredTerm| {
            let of = |&record: &usize| self.example(record, self.place(model, record, &found.term));
            UncoveredTerm {
                examples: found.examples.iter().map(of).collect(),
                records: found.records,
                term: found.term,
            }
        };
        found.map(term).collect()
    }

    /// Where a term stands in the text of a record.
    fn place(&self, model: &Model, record: usize, term: &str) -> Option<&UnknownToken> {
        let unknown = &self.weighed[record].reading.encoded.text()?.unknown;
        unknown.iter().find(|token| compared(model, &token.text) == term)
    }

    fn groups(
        &self,
        model: &Model,
        flagged: &[bool],
        terms: &[Vec<String>],
    ) -> Vec<SimilarRecords> {
        let flagged: Vec<usize> = (0..flagged.len()).filter(|&record| flagged[record]).collect();
        let vectors = self.vectors(flagged.iter().copied());
        let found = similar_groups(&vectors, MAX_GROUPS, model.spec.training.seed);
        let group = |members: Vec<usize>| {
            let of_members = members.iter().map(|&record| terms[record].as_slice());
            let names = most_frequent(of_members, MAX_NAMES).into_iter().map(|term| term.term);
            let closest = members.iter().take(MAX_EXAMPLES);
            SimilarRecords {
                terms: names.collect(),
                records: members.len(),
                examples: closest.map(|&record| self.example(record, None)).collect(),
            }
        };
        let members = |members: &[(usize, f64)]| -> Vec<usize> {
            members.iter().map(|(place, _)| flagged[*place]).collect()
        };
        found.groups.iter().map(|found| group(members(&found.members))).collect()
    }

    fn label_first(&self) -> Vec<ToLabel> {
        let weight = |(weighed, confidence): (&Weighed, &Option<f64>)| {
            let p_value = weighed.combined.as_ref().map(|c| c.p_value);
            match confidence {
                Some(confidence) => {
                    let p_value = p_value.unwrap_or(1.0);
                    labeling::informativeness(*confidence, p_value, self.max_false_alarm)
                }
                None => labeling::informativeness(1.0, p_value.unwrap_or(0.0), 1.0),
            }
        };
        let weights: Vec<f64> = self.weighed.iter().zip(&self.confidence).map(weight).collect();
        let vectors = self.vectors(0..self.weighed.len());
        let chosen = labeling::choose(&vectors, &weights, MAX_CHOSEN);
        let record = |choice: labeling::Choice| ToLabel {
            example: self.example(choice.record, None),
            informativeness: choice.informativeness,
        };
        chosen.into_iter().map(record).collect()
    }

    /// The vectors of records, by which they are alike.
    fn vectors(&self, records: impl Iterator<Item = usize>) -> Matrix {
        Matrix::of_rows(records.map(|record| self.weighed[record].reading.vector()))
    }

    fn example(&self, record: usize, around: Option<&UnknownToken>) -> Example {
        let text = self.texts.get(record).map(|text| excerpt(text, around));
        Example { row: self.rows[record], text }
    }
}

/// What of a record is not covered: unknown words in the form in which words are the same, or the
/// columns of values outside.
fn terms_of(model: &Model, weighed: &Weighed) -> Vec<String> {
    match &weighed.reading.encoded {
        Encoded::Text(text) => {
            text.unknown.iter().map(|token| compared(model, &token.text)).collect()
        }
        Encoded::Row(row) => row.coverage.outside.iter().map(|o| o.column.clone()).collect(),
        Encoded::Image(_) => Vec::new(),
    }
}

/// A word in the form in which the model compares words.
fn compared(model: &Model, word: &str) -> String {
    let Encoder::Text(vectorizer) = &model.reader.encoder else { return word.to_owned() };
    let token = tokenizer::tokens(word, vectorizer.spec().case_folding).next();
    token.map_or_else(|| word.to_owned(), |token| token.text.into_owned())
}

/// A part of a text: its beginning, or what stands around a word. What is left out shows as `…`.
fn excerpt(text: &str, around: Option<&UnknownToken>) -> String {
    let characters = text.chars().count();
    let middle = around.map_or(0, |token| token.start.midpoint(token.end));
    let from = middle.saturating_sub(EXCERPT / 2).min(characters.saturating_sub(EXCERPT));
    let mut part: String = text.chars().skip(from).take(EXCERPT).collect();
    if from > 0 {
        part.insert(0, '…');
    }
    if from + EXCERPT < characters {
        part.push('…');
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_hold_the_word_and_say_what_is_left_out() {
        let text = format!("{} zither {}", "ä".repeat(300), "b".repeat(300));
        let token = UnknownToken { text: "zither".to_owned(), start: 301, end: 307 };
        let found = excerpt(&text, Some(&token));
        assert!(found.starts_with("…ä") && found.ends_with("b…") && found.contains(" zither "));
        assert_eq!(found.chars().count(), EXCERPT + 2);
        let start = excerpt(&text, None);
        assert!(start.starts_with('ä') && start.ends_with("ä…"), "{start}");
        let end = UnknownToken { text: "b".to_owned(), start: 607, end: 608 };
        assert!(excerpt(&text, Some(&end)).ends_with('b'));
        assert_eq!(excerpt("short", Some(&token)), "short");
        assert_eq!(excerpt("", None), "");
    }
}
