//! Why a record is scored as it is: what each token or column contributes, and the training records
//! that are most like it.
//!
//! A contribution is told by leaving a part out (occlusion: Zeiler and Fergus 2014; for words Li,
//! Monroe and Jurafsky 2016): what the model says of the record minus what it says of the record
//! without that part, both scored in the one way that every record is. Contributions of parts that
//! act together need not sum to anything.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::encoder::{Encoded, Encoder};
use super::explanation::{Contribution, Explanation, Neighbor};
use super::score::ScoreItem;
use super::training_records::Alike;
use super::{Model, Reading, Weighed};
use crate::eval::argmax;
use crate::problem::{Code, FieldError, Problem, known_names};
use crate::task::{Head, Output};

/// Tokens or columns of a record that are explained at most, the first of them.
pub const MAX_PARTS: usize = 200;
/// Tokens and columns that are explained in a request at most: each is one more record to score.
pub const MAX_REQUEST_PARTS: usize = 20_000;
/// Tokens that are read for that at most: a text is read once more for each of its tokens.
pub const MAX_REQUEST_TOKENS: usize = 2_000_000;

/// What is to be explained of each record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ExplainRequest {
    /// What each token of a text, or each column of a row, contributes; the first 200 of a record.
    /// A request is answered 413 where that takes scoring more than 20,000 records without one of
    /// their parts, or reading more than 2,000,000 tokens for it (a text of n tokens is read once
    /// more for each token that is explained). Not for images.
    pub contributions: bool,
    /// The label for which contributions speak, or the target column. Default: the most probable
    /// label of each record, or the first target.
    pub label: Option<String>,
    /// How many of the most similar training records are shown of each record; for all records of a
    /// request 10,000 at most, and 200,000 of their cells. 0 shows none. Refused where the model keeps
    /// none (`keep_training_vectors`), or the server shows none (`--hide-neighbors`).
    #[schema(minimum = 0, maximum = 100)]
    pub neighbors: usize,
}

/// What is to be explained, checked against a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Explain {
    /// Whether contributions are.
    pub contributions: bool,
    /// The output for which they speak, where it is the same for every record.
    pub output: Option<usize>,
    /// How many similar training records are shown.
    pub neighbors: usize,
}

impl Explain {
    /// Whether anything is.
    pub fn asks(&self) -> bool {
        self.contributions || self.neighbors > 0
    }
}

impl ExplainRequest {
    /// Checks what is asked for against a model.
    pub fn resolve(&self, model: &Model) -> Result<Explain, Problem> {
        if self.contributions && matches!(model.reader.encoder, Encoder::Image(_)) {
            let message = "are told of texts and rows; this model takes images";
            return Err(refusal("contributions", message, "leave it out, or ask for neighbors"));
        }
        if self.label.is_some() && !self.contributions {
            let hint = "set explain.contributions to true, or leave it out";
            return Err(refusal("label", "is that of contributions, which nobody asked for", hint));
        }
        if self.neighbors > 0 && model.reader.training_records.is_none() {
            let message = "are not there: this model keeps no training records";
            let hint = "leave it out, or train the model with keep_training_vectors true";
            return Err(refusal("neighbors", message, hint));
        }
        let names = model.reader.output.names();
        let position = |label: &String| {
            names.iter().position(|name| name == label).ok_or_else(|| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let hint = known_names(label, "the model predicts", &names);
                refusal("label", &format!("the model does not predict {label:?}"), &hint)
            })
        };
        let output = self.label.as_ref().map(position).transpose()?;
        Ok(Explain { contributions: self.contributions, output, neighbors: self.neighbors })
    }
}

fn refusal(field: &str, message: &str, hint: &str) -> Problem {
    let field = FieldError::new(format!("explain.{field}"), message).hint(hint);
    Problem::fields(Code::InvalidRequest, vec![field])
}

/// What explaining a record costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Records to score, each without a part.
    pub parts: usize,
    /// Tokens to read for that.
    pub tokens: usize,
}

impl Cost {
    /// The cost of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            parts: self.parts.saturating_add(other.parts),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// What a model says of a record: a probability, or a number.
#[derive(Clone, Copy)]
struct Said {
    log_odds: Option<f64>,
    probability: Option<f64>,
    value: Option<f64>,
    ood: Option<f64>,
}

impl Said {
    /// What is said with a part minus what is said without it.
    fn minus(self, without: Self) -> Contribution {
        let change = |with: Option<f64>, without: Option<f64>| Some(with? - without?);
        Contribution {
            text: None,
            start: None,
            end: None,
            column: None,
            log_odds: change(self.log_odds, without.log_odds).map(|change| change as f32),
            probability: change(self.probability, without.probability).map(|c| c as f32),
            value: change(self.value, without.value),
            ood: change(self.ood, without.ood).map(|change| change as f32),
        }
    }
}

impl Model {
    /// What it costs to tell the contributions of a record; `text` is the record where it is one.
    pub fn cost_of_contributions(&self, text: Option<&str>) -> Cost {
        match (&self.reader.encoder, text) {
            (Encoder::Text(vectorizer), Some(text)) => {
                let tokens = vectorizer.tokens(text).len();
                let parts = tokens.min(MAX_PARTS);
                Cost { parts, tokens: parts.saturating_mul(tokens) }
            }
            (Encoder::Table(encoder), _) => {
                Cost { parts: encoder.used_positions().count().min(MAX_PARTS), tokens: 0 }
            }
            (Encoder::Text(_) | Encoder::Image(_), _) => Cost::default(),
        }
    }

    /// Explains a record; `text` is the record where it is one. The same one gets the same bits,
    /// alone or among others.
    pub fn explain(&self, weighed: &Weighed, text: Option<&str>, explain: &Explain) -> Explanation {
        let mut explanation = Explanation::default();
        if explain.contributions {
            self.add_contributions(weighed, text, explain.output, &mut explanation);
        }
        if explain.neighbors > 0 {
            explanation.neighbors = Some(self.neighbors(&weighed.reading, explain.neighbors));
        }
        explanation
    }

    fn add_contributions(
        &self,
        weighed: &Weighed,
        text: Option<&str>,
        output: Option<usize>,
        explanation: &mut Explanation,
    ) {
        let first = || match &self.reader.output {
            Output::Labels { .. } => argmax(&self.reader.probabilities(&weighed.reading.logits)),
            Output::Values { .. } => 0,
        };
        let output = output.unwrap_or_else(first);
        let with = self.said(weighed, output);
        let without = |encoded: Encoded| with.minus(self.said(&self.weigh(encoded), output));
        let (contributions, parts) = match (&self.reader.encoder, &weighed.reading.encoded) {
            (Encoder::Text(vectorizer), _) => {
                let tokens = vectorizer.tokens(text.unwrap_or_default());
                let of_token = |position: usize| {
                    let token = &tokens[position];
                    let encoded = vectorizer.encode_without(&tokens, position);
                    Contribution {
                        text: Some(token.raw.to_owned()),
                        start: Some(token.start),
                        end: Some(token.end),
                        ..without(Encoded::Text(encoded))
                    }
                };
                let explained = (0..tokens.len().min(MAX_PARTS)).into_par_iter();
                (explained.map(of_token).collect(), tokens.len())
            }
            (Encoder::Table(encoder), Encoded::Row(row)) => {
                let names: Vec<&str> = encoder.columns().collect();
                let used: Vec<usize> = encoder.used_positions().collect();
                let of_column = |&column: &usize| Contribution {
                    column: Some(names[column].to_owned()),
                    ..without(Encoded::Row(encoder.without(row, column)))
                };
                let explained = used[..used.len().min(MAX_PARTS)].par_iter();
                (explained.map(of_column).collect(), used.len())
            }
            (Encoder::Table(_) | Encoder::Image(_), _) => (Vec::new(), 0),
        };
        explanation.label = self.reader.output.names().get(output).cloned();
        explanation.not_explained = Some(parts - contributions.len());
        explanation.contributions = Some(contributions);
    }

    fn said(&self, Weighed { reading, combined }: &Weighed, output: usize) -> Said {
        let link = self.reader.output.head().map(Head::link);
        let logits = &reading.logits;
        Said {
            log_odds: link.map(|link| link.log_odds(logits, output)),
            probability: link.map(|link| link.probabilities(logits, 1.0)[output]),
            value: self.reader.values(logits).get(output).copied(),
            ood: combined.as_ref().map(|combined| combined.score),
        }
    }

    /// The training records that are most like a record, without what the dataset holds of them.
    fn neighbors(&self, reading: &Reading, count: usize) -> Vec<Neighbor> {
        let Some(records) = &self.reader.training_records else { return Vec::new() };
        let nearest = records.nearest(reading.vector(), count).into_iter();
        nearest.map(|alike| self.neighbor(alike)).collect()
    }

    fn neighbor(&self, Alike { row, similarity, labels, values }: Alike<'_>) -> Neighbor {
        let (names, head) = (self.reader.output.names(), self.reader.output.head());
        let one = head.is_some_and(|head| head != Head::MultiLabel);
        let of_labels = || labels.iter().map(|&label| names[label as usize].clone());
        let of_targets = || names.iter().cloned().zip(values.iter().copied());
        Neighbor {
            row,
            similarity,
            label: of_labels().next().filter(|_| one),
            labels: (head == Some(Head::MultiLabel)).then(|| of_labels().collect()),
            values: head.is_none().then(|| of_targets().collect()),
            text: None,
            record: None,
        }
    }
}

impl ScoreItem {
    /// Its explanation; `None` for a record that could not be scored, or was not to be explained.
    pub fn explanation(&mut self) -> Option<&mut Explanation> {
        match self {
            Self::Score(score) => score.explanation.as_mut(),
            Self::Value(score) => score.explanation.as_mut(),
            Self::Failed { .. } => None,
        }
    }

    /// With an explanation, where it was scored.
    pub fn explained(mut self, explanation: Option<Explanation>) -> Self {
        match &mut self {
            Self::Score(score) => score.explanation = explanation,
            Self::Value(score) => score.explanation = explanation,
            Self::Failed { .. } => {}
        }
        self
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
