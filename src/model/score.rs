//! What a model says of a record: label and confidence, or value and interval; coverage, whether it
//! comes from where the model was trained, and whether to accept the answer.

mod probabilities;

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::criteria::{Criteria, Judgement, PredictionInterval, Thresholds};
use super::encoder::Encoded;
use super::explanation::Explanation;
use super::prediction::{LabelName, PredictedLabel, PredictedValue, TargetValue};
use super::{Model, Reading, Weighed};
use crate::eval::detector::Familiarity;
use crate::eval::prediction_set::uniform;
use crate::problem::Problem;
use crate::random::{fnv1a, keyed};
use crate::tabular::OutsideValue;
use crate::task::{Head, LabelSet, Output};
use crate::text::vectorizer::UnknownToken;

pub use probabilities::Probabilities;

/// The answer for one record: a score, or the problem with this record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ScoreItem {
    /// The record was given labels.
    Score(Box<Score>),
    /// The record was given numbers.
    Value(Box<ValueScore>),
    /// The record could not be scored; the others were.
    Failed {
        /// Why.
        error: Box<Problem>,
    },
}

impl ScoreItem {
    /// Whether the answer passed what was asked of it.
    pub fn accepted(&self) -> bool {
        match self {
            Self::Score(score) => score.accepted,
            Self::Value(score) => score.accepted,
            Self::Failed { .. } => false,
        }
    }
}

/// The score of one record by a regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueScore {
    /// The predicted number, in the target's unit; of several targets, the first one's.
    pub value: f64,
    /// Where the true number lies with probability at least 1 − `max_miscoverage`, for records like
    /// those of the training. By `interval_method`, value ± a quantile of the calibration records'
    /// absolute errors (`split`), or ± that of their errors by how hard each record was, times how
    /// hard this one is (`normalized`). `null` where the calibration split is too small.
    pub interval: Option<[f64; 2]>,
    /// Every target, where there are several. Each interval holds by itself, not all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<TargetValue>,
    /// How much of the record lies within the training data.
    pub coverage: Coverage,
    /// Whether the record comes from where the model was trained.
    pub ood: OutOfDistribution,
    /// Whether the answer passed what was asked of it.
    pub accepted: bool,
    /// Why, in words.
    pub reason: String,
    /// Why it is scored as it is, where `explain` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// The score of one record by a classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// The most probable label; `null` where a record may have several.
    pub label: Option<String>,
    /// Every label with a probability of at least ½, where a record may have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// The network's own probability of each label, in \[0, 1\].
    #[schema(value_type = BTreeMap<String, f32>)]
    pub probabilities: Probabilities,
    /// The calibrated probability that the label is right, in \[0, 1\]; where a text may have
    /// several, that the least certain one is. `null` where nothing was calibrated.
    pub confidence: Option<f32>,
    /// The same before calibration.
    pub raw_confidence: f32,
    /// How much of the record lies within the training data.
    pub coverage: Coverage,
    /// Whether the record comes from where the model was trained.
    pub ood: OutOfDistribution,
    /// The labels that cannot be excluded at the error rate `max_miscoverage`, the most probable
    /// first. `null` where the calibration split is too small, or a text may have several labels.
    pub prediction_set: Option<Vec<String>>,
    /// Whether the answer passed what was asked of it.
    pub accepted: bool,
    /// Why, in words.
    pub reason: String,
    /// Why it is scored as it is, where `explain` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// How much of a record lies within the training data. Each share is in \[0, 1\]; higher is better
/// covered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// Share of a text's words that the model knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<f32>,
    /// Share of a text's n-gram weight, as the network pools it, that the model knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngrams: Option<f32>,
    /// Share of a row's columns whose value lies within what training saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<f32>,
    /// Cosine of the record's vector to the nearest typical training vector, clamped to \[0, 1\].
    pub representation: f32,
    /// The words of a text that the model does not know, the first 100 of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Vec<UnknownToken>>,
    /// How many words of a text the model does not know, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_count: Option<usize>,
    /// The values of a row that lie outside what training saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Vec<OutsideValue>>,
}

impl Coverage {
    fn of(reading: Reading) -> Self {
        let representation = reading.representation as f32;
        match reading.encoded {
            Encoded::Text(text) => Self {
                tokens: Some(text.token_coverage),
                ngrams: Some(text.ngram_coverage),
                columns: None,
                representation,
                unknown: Some(text.unknown),
                unknown_count: Some(text.unknown_count),
                outside: None,
            },
            Encoded::Row(row) => Self {
                tokens: None,
                ngrams: None,
                columns: Some(row.coverage.columns as f32),
                representation,
                unknown: None,
                unknown_count: None,
                outside: Some(row.coverage.outside),
            },
            Encoded::Image(_) => Self {
                tokens: None,
                ngrams: None,
                columns: None,
                representation,
                unknown: None,
                unknown_count: None,
                outside: None,
            },
        }
    }
}

/// Whether a record comes from where the model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutOfDistribution {
    /// −Σ ln p over the axes, half of Fisher's statistic, at least 0; higher is more
    /// out-of-distribution. `null` without calibration records.
    pub score: Option<f32>,
    /// Conformal p-value of "this record comes from the training distribution", in (0, 1\]; small
    /// means outside. `null` without calibration records.
    pub p_value: Option<f32>,
    /// Where `max_false_discovery` bounds the false alarms among a batch's alarms: the least bound at
    /// which this record would be flagged, in (0, 1\] (Benjamini and Hochberg 1995).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_value: Option<f32>,
    /// Each detector by itself.
    #[schema(value_type = BTreeMap<String, Axis>)]
    pub axes: BTreeMap<Cow<'static, str>, Axis>,
}

/// One detector's view of a record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Axis {
    /// Higher is more out-of-distribution; the unit is the detector's.
    pub score: f32,
    /// Conformal p-value on this axis alone.
    pub p_value: Option<f32>,
    /// What it finds unfamiliar where its p-value is small.
    pub finds: Familiarity,
}

/// Records below which threads cost more than they bring.
const FEW: usize = 16;

impl Model {
    /// Reads a record and ranks it among the calibration records.
    pub fn weigh(&self, encoded: Encoded) -> Weighed {
        let reading = self.reader.read(encoded);
        let combined = self.calibration.combination.as_ref().map(|c| c.rank(&reading.axes));
        Weighed { reading, combined }
    }

    /// The answer for a record. `q_value` is that of its p-value among those of its batch, where
    /// false discoveries are bounded.
    pub fn answer(&self, weighed: Weighed, criteria: &Criteria, q_value: Option<f64>) -> ScoreItem {
        let judgement = criteria.judge(self, &weighed, q_value);
        match &self.reader.output {
            Output::Labels { labels, head } => {
                let score = self.score_labels(labels, *head, weighed, judgement, criteria);
                ScoreItem::Score(Box::new(score))
            }
            Output::Values { names, .. } => {
                let score = self.score_values(names, weighed, judgement, criteria);
                ScoreItem::Value(Box::new(score))
            }
        }
    }

    /// The answers for records, in order: each the one it has alone, unless the request bounds the
    /// false discoveries of the whole batch.
    pub fn answers(&self, weighed: Vec<Weighed>, criteria: &Criteria) -> Vec<ScoreItem> {
        let q_values = criteria.q_values(&weighed);
        let answer = |(weighed, q)| self.answer(weighed, criteria, q);
        if weighed.len() < FEW {
            return weighed.into_iter().zip(q_values).map(answer).collect();
        }
        weighed.into_par_iter().zip(q_values).map(answer).collect()
    }

    fn score_labels(
        &self,
        labels: &LabelSet,
        head: Head,
        weighed: Weighed,
        judgement: Judgement,
        criteria: &Criteria,
    ) -> Score {
        let Judgement { raw, calibrated, verdict, .. } = judgement;
        let top_labels = criteria.thresholds.top_labels;
        let names = labels.names();
        let predicted = PredictedLabel::of((labels, head), &raw, calibrated.as_deref());
        let PredictedLabel { label, labels: holding, confidence, raw_confidence } = predicted;
        let owned = |name: LabelName| name.as_str().to_owned();
        let set = criteria.sets.as_ref().map(|sets| {
            let reads_share = criteria.thresholds.set_method.reads_share();
            let share = if reads_share { self.share_of(&weighed.reading) } else { 0.0 };
            sets.set(&raw, share)
        });
        Score {
            label: label.map(owned),
            labels: holding.map(|labels| labels.into_iter().map(owned).collect()),
            probabilities: Probabilities::of(labels.shared_names(), &raw, top_labels),
            confidence,
            raw_confidence,
            ood: self.out_of_distribution(&weighed, judgement.q_value),
            coverage: Coverage::of(weighed.reading),
            prediction_set: set.map(|set| set.into_iter().map(|i| names[i].clone()).collect()),
            accepted: verdict.is_ok(),
            reason: verdict.unwrap_or_else(|reason| reason),
            explanation: None,
        }
    }

    fn score_values(
        &self,
        names: &[String],
        weighed: Weighed,
        judgement: Judgement,
        criteria: &Criteria,
    ) -> ValueScore {
        let Judgement { verdict, .. } = judgement;
        let Reading { logits, .. } = &weighed.reading;
        let thresholds = &criteria.thresholds;
        let PredictedValue { value, interval, values } =
            self.predicted_value(names, logits, weighed.reading.vector(), thresholds);
        ValueScore {
            value,
            interval,
            values,
            ood: self.out_of_distribution(&weighed, judgement.q_value),
            coverage: Coverage::of(weighed.reading),
            accepted: verdict.is_ok(),
            reason: verdict.unwrap_or_else(|reason| reason),
            explanation: None,
        }
    }

    /// Half the width of the interval of each target, in its unit; `None` where the calibration
    /// split is too small.
    pub(super) fn half_widths(&self, vector: &[f32], thresholds: &Thresholds) -> Option<Vec<f64>> {
        let alpha = thresholds.max_miscoverage;
        match thresholds.interval_method {
            PredictionInterval::Split => {
                let errors = self.calibration.errors.iter();
                errors.map(|errors| errors.quantile(alpha)).collect()
            }
            PredictionInterval::Normalized => {
                self.calibration.normalized.as_ref()?.half_widths(vector, alpha)
            }
        }
    }

    /// The share of a label's own mass that counts in a prediction set: a draw that the record and
    /// the model decide, so that a record alone has the set that it has in a batch.
    fn share_of(&self, reading: &Reading) -> f64 {
        let bytes: Vec<[u8; 4]> = reading.logits.iter().map(|logit| logit.to_le_bytes()).collect();
        let bytes = bytes.as_flattened();
        uniform(keyed(fnv1a(bytes) ^ self.spec.training.seed))
    }

    fn out_of_distribution(&self, weighed: &Weighed, q_value: Option<f64>) -> OutOfDistribution {
        let Weighed { reading, combined } = weighed;
        let combined = combined.as_ref();
        let axes = self.reader.detectors.iter().enumerate().map(|(i, (kind, _))| {
            let p_value = combined.map(|c| c.axes[i] as f32);
            let (score, finds) = (reading.axes[i] as f32, kind.familiarity());
            (Cow::Borrowed(kind.name()), Axis { score, p_value, finds })
        });
        OutOfDistribution {
            score: combined.map(|c| c.score as f32),
            p_value: combined.map(|c| c.p_value as f32),
            q_value: q_value.map(|q| q as f32),
            axes: axes.collect(),
        }
    }
}
