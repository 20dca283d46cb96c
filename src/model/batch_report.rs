//! What can be said of records without labels: how accurate the model may be on them, what is new in
//! them, and which to label first.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Model;
use super::card::Unavailable;
use super::measured::{Measured, Recall, Recalled};
use super::uncovered::{place, terms_of};
use crate::eval::accuracy_estimate::{
    AccuracyEstimate, Labelled, MIN_CALIBRATION, Unlabelled, estimate_accuracy,
};
use crate::eval::labeling::{self, MAX_CHOSEN};
use crate::eval::similar::{MAX_GROUPS, similar_groups};
use crate::eval::terms::{TermCounts, most_frequent};
use crate::eval::{Matrix, terms};
use crate::problem::Problem;
use crate::random;
use crate::text::vectorizer::UnknownToken;

/// Terms that are listed at most.
const MAX_TERMS: usize = 20;
/// Terms that name a group, at most.
const MAX_NAMES: usize = 3;
/// Examples of a group at most.
const MAX_EXAMPLES: usize = 3;
/// Characters of a text that are shown.
const EXCERPT: usize = 160;
/// Records that are compared with one another at most; beyond that, the most informative ones, and a
/// seeded sample of the flagged ones.
pub const MAX_LOOKED_AT: usize = 10_000;
/// Records that are in memory again at a time.
const RECALLED_AT_A_TIME: usize = 1_000;

/// What can be said of records without labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnlabelledReport {
    /// How accurate the model is on these records, estimated from how sure it is (average
    /// thresholded confidence: Garg et al. 2022). `null` where `unavailable` says why not.
    pub estimated_accuracy: Option<AccuracyEstimate>,
    /// The words that most records hold and the model does not know, at most 20; of rows, the columns
    /// whose values lie outside what training saw. Empty for images. Beyond a million distinct words
    /// the rarer half is forgotten now and then, and counts of rare words may be too low.
    pub uncovered_terms: Vec<UncoveredTerm>,
    /// The flagged records by likeness, at most ten groups, the largest first (spherical k-means of
    /// their vectors). Of more than 10,000 flagged records, a seeded sample of so many.
    pub groups: Vec<SimilarRecords>,
    /// The records whose labels would teach most and of which no two are alike, at most 50, the
    /// first to label first. Chosen among the 10,000 most informative.
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

/// Records that were measured, with what is needed to name them.
pub(super) struct Batch<'a> {
    pub model: &'a Model,
    pub records: &'a [Measured],
    /// What of them is not covered.
    pub terms: &'a TermCounts,
    /// Gives some of them again.
    pub recall: &'a dyn Recall,
    /// Level at which records are flagged.
    pub max_false_alarm: f64,
}

/// Records that were looked at again.
#[derive(Default)]
struct Seen {
    /// By which they are alike.
    vectors: Matrix,
    /// What of each is not covered.
    terms: Vec<Vec<String>>,
}

impl Batch<'_> {
    /// The report, and what is not in it.
    pub(super) fn report(self) -> Result<(UnlabelledReport, Vec<Unavailable>), Problem> {
        let have = self.model.calibration.records();
        let mut unavailable = Vec::new();
        let estimated_accuracy = self.estimate().unwrap_or_else(|(reason, need)| {
            let statistic = "estimated_accuracy".to_owned();
            unavailable.push(Unavailable { statistic, reason, have, need });
            None
        });
        let flagged: Option<Vec<bool>> = self.records.iter().map(|r| r.flagged).collect();
        let groups = match &flagged {
            Some(flagged) => self.groups(flagged)?,
            None => {
                let reason = "no record is flagged where that cannot be told".to_owned();
                let statistic = "groups".to_owned();
                unavailable.push(Unavailable { statistic, reason, have, need: None });
                Vec::new()
            }
        };
        let report = UnlabelledReport {
            estimated_accuracy,
            uncovered_terms: self.uncovered()?,
            groups,
            label_first: self.label_first()?,
        };
        Ok((report, unavailable))
    }

    /// The estimate, or in words why there is none and the calibration records that it takes.
    fn estimate(&self) -> Result<Option<AccuracyEstimate>, (String, Option<usize>)> {
        let calibration = &self.model.calibration;
        if self.model.reader.output.head().is_none() {
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
        let unlabelled = |record: &Measured| {
            Some(Unlabelled { score: record.raw_confidence?, coverage: record.coverage.share() })
        };
        let unlabelled: Vec<Unlabelled> = self.records.iter().filter_map(unlabelled).collect();
        let need = (labelled.len() < MIN_CALIBRATION).then_some(MIN_CALIBRATION);
        estimate_accuracy(&labelled, &unlabelled, self.model.spec.training.seed)
            .map(Some)
            .map_err(|reason| (reason.to_string(), need))
    }

    fn uncovered(&self) -> Result<Vec<UncoveredTerm>, Problem> {
        let found = self.terms.most_frequent(MAX_TERMS).into_iter();
        let term = |found: terms::UncoveredTerm| {
            Ok(UncoveredTerm {
                examples: self.examples(&found.examples, Some(&found.term))?,
                records: found.records,
                term: found.term,
            })
        };
        found.map(term).collect()
    }

    fn groups(&self, flagged: &[bool]) -> Result<Vec<SimilarRecords>, Problem> {
        let flagged: Vec<usize> = (0..flagged.len()).filter(|&record| flagged[record]).collect();
        let seed = self.model.spec.training.seed;
        let flagged = sample(flagged, seed);
        let seen = self.look_again(&flagged)?;
        let found = similar_groups(&seen.vectors, MAX_GROUPS, seed);
        let group = |members: Vec<usize>| {
            let of_members = members.iter().map(|&place| seen.terms[place].as_slice());
            let names = most_frequent(of_members, MAX_NAMES).into_iter().map(|term| term.term);
            let closest = members.iter().take(MAX_EXAMPLES).map(|&place| flagged[place]);
            Ok(SimilarRecords {
                terms: names.collect(),
                records: members.len(),
                examples: self.examples(&closest.collect::<Vec<_>>(), None)?,
            })
        };
        let members = |members: &[(usize, f64)]| -> Vec<usize> {
            members.iter().map(|(place, _)| *place).collect()
        };
        found.groups.iter().map(|found| group(members(&found.members))).collect()
    }

    fn label_first(&self) -> Result<Vec<ToLabel>, Problem> {
        let weight = |record: &Measured| match record.confidence.or(record.raw_confidence) {
            Some(confidence) => {
                let p_value = record.p_value.unwrap_or(1.0);
                labeling::informativeness(confidence, p_value, self.max_false_alarm)
            }
            None => labeling::informativeness(1.0, record.p_value.unwrap_or(0.0), 1.0),
        };
        let weights: Vec<f64> = self.records.iter().map(weight).collect();
        let candidates = most_informative(&weights);
        let weights: Vec<f64> = candidates.iter().map(|&record| weights[record]).collect();
        let seen = self.look_again(&candidates)?;
        let chosen = labeling::choose(&seen.vectors, &weights, MAX_CHOSEN);
        let records: Vec<usize> = chosen.iter().map(|choice| candidates[choice.record]).collect();
        let examples = self.examples(&records, None)?.into_iter().zip(chosen);
        let record = |(example, choice): (Example, labeling::Choice)| ToLabel {
            example,
            informativeness: choice.informativeness,
        };
        Ok(examples.map(record).collect())
    }

    /// Looks at records again, some at a time: their vectors, and what of them is not covered.
    fn look_again(&self, records: &[usize]) -> Result<Seen, Problem> {
        let mut seen =
            Seen { vectors: Matrix::new(self.model.reader.vector_width()), ..Seen::default() };
        let reader = &self.model.reader;
        let of = |recalled: &Recalled<'_>| {
            let (representation, _) = reader.evaluate(&recalled.encoded);
            let vector = super::vector(&recalled.encoded, &representation).to_vec();
            (vector, terms_of(self.model, &recalled.encoded))
        };
        for some in records.chunks(RECALLED_AT_A_TIME) {
            let recalled = self.recall.recall(some)?;
            let of_some: Vec<(Vec<f32>, Vec<String>)> = recalled.par_iter().map(of).collect();
            for (vector, terms) in of_some {
                seen.vectors.push(&vector);
                seen.terms.push(terms);
            }
        }
        Ok(seen)
    }

    /// How records are found again; with a term, an excerpt around it.
    fn examples(&self, records: &[usize], term: Option<&str>) -> Result<Vec<Example>, Problem> {
        let recalled = self.recall.recall(records)?;
        let example = |(recalled, &record): (&Recalled<'_>, &usize)| {
            let place = term.and_then(|term| place(self.model, &recalled.encoded, term));
            let text = recalled.text.as_deref().map(|text| excerpt(text, place));
            Example { row: self.records[record].row, text }
        };
        Ok(recalled.iter().zip(records).map(example).collect())
    }
}

/// At most [`MAX_LOOKED_AT`] of some records, drawn by a seed, in their order.
fn sample(mut records: Vec<usize>, seed: u64) -> Vec<usize> {
    if records.len() > MAX_LOOKED_AT {
        random::shuffle(&mut records, &mut random::stream(seed, "evaluation.flagged"));
        records.truncate(MAX_LOOKED_AT);
        records.sort_unstable();
    }
    records
}

/// The [`MAX_LOOKED_AT`] records of the largest weights, of equals the first, in their order.
fn most_informative(weights: &[f64]) -> Vec<usize> {
    let mut records: Vec<usize> = (0..weights.len()).collect();
    if records.len() > MAX_LOOKED_AT {
        records.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        records.truncate(MAX_LOOKED_AT);
        records.sort_unstable();
    }
    records
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
