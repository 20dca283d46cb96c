//! What a model says of a record: label and confidence, or value and interval; coverage, whether it
//! comes from where the model was trained, and whether to accept the answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::card::Unavailable;
use super::encoder::Encoded;
use super::{Model, Reading};
use crate::eval::combination::Combined;
use crate::eval::conformal::{prediction_set, records_needed};
use crate::eval::{argmax, calibrator};
use crate::problem::Problem;
use crate::tabular::OutsideValue;
use crate::task::{Head, LabelSet, Output};
use crate::text::vectorizer::UnknownToken;

/// What a record must pass to be accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Largest share of in-distribution records that may be flagged as outside, in \[0, 1). 0 never
    /// flags one.
    pub max_false_alarm: f64,
    /// Least calibrated confidence, in \[0, 1\]. 0 asks for none.
    pub min_confidence: f64,
    /// Error rate of prediction sets and intervals, in (0, 1).
    pub max_miscoverage: f64,
    /// Probabilities that are returned at most, the largest first.
    pub top_labels: Option<usize>,
}

impl Thresholds {
    /// What was asked for, and the defaults for the rest.
    pub fn asked(
        max_false_alarm: Option<f64>,
        min_confidence: Option<f64>,
        max_miscoverage: Option<f64>,
        top_labels: Option<usize>,
    ) -> Self {
        let defaults = Self::default();
        Self {
            max_false_alarm: max_false_alarm.unwrap_or(defaults.max_false_alarm),
            min_confidence: min_confidence.unwrap_or(defaults.min_confidence),
            max_miscoverage: max_miscoverage.unwrap_or(defaults.max_miscoverage),
            top_labels,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { max_false_alarm: 0.05, min_confidence: 0.5, max_miscoverage: 0.1, top_labels: None }
    }
}

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

/// The score of one record by a regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueScore {
    /// The predicted number, in the target's unit; of several targets, the first one's.
    pub value: f64,
    /// Where the true number lies with probability at least 1 − `max_miscoverage`, for records like
    /// those of the training (split conformal: value ± a quantile of the calibration records'
    /// absolute errors). `null` where the calibration split is too small.
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
}

/// The prediction of one of several targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetValue {
    /// The column.
    pub target: String,
    /// The predicted number, in its unit.
    pub value: f64,
    /// Where the true number lies with probability at least 1 − `max_miscoverage`.
    pub interval: Option<[f64; 2]>,
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
    pub probabilities: BTreeMap<String, f32>,
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
    /// Fisher's statistic over the axes, at least 0; higher is more out-of-distribution. `null`
    /// without calibration records.
    pub score: Option<f32>,
    /// Conformal p-value of "this record comes from the training distribution", in (0, 1\]; small
    /// means outside. `null` without calibration records.
    pub p_value: Option<f32>,
    /// Each detector by itself.
    pub axes: BTreeMap<String, Axis>,
}

/// One detector's view of a record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Axis {
    /// Higher is more out-of-distribution; the unit is the detector's.
    pub score: f32,
    /// Conformal p-value on this axis alone.
    pub p_value: Option<f32>,
}

/// What the calibration says of a reading, before it is put in words and labels.
pub(super) struct Judgement {
    /// The network's own probabilities.
    pub raw: Vec<f64>,
    /// Calibrated probabilities.
    pub calibrated: Option<Vec<f64>>,
    /// The axes and their combination.
    pub combined: Option<Combined>,
    /// Whether the record is flagged as outside; `None` where that cannot be told.
    pub flagged: Option<bool>,
    /// Why it is accepted, or why not.
    pub verdict: Result<String, String>,
}

impl Model {
    /// Scores a record.
    pub fn score(&self, encoded: Encoded, thresholds: &Thresholds) -> ScoreItem {
        let reading = self.reader.read(encoded);
        match &self.reader.output {
            Output::Labels { labels, head } => {
                let score = self.score_labels(labels, *head, reading, thresholds);
                ScoreItem::Score(Box::new(score))
            }
            Output::Values { names, .. } => {
                ScoreItem::Value(Box::new(self.score_values(names, reading, thresholds)))
            }
        }
    }

    fn score_labels(
        &self,
        labels: &LabelSet,
        head: Head,
        reading: Reading,
        thresholds: &Thresholds,
    ) -> Score {
        let Judgement { raw, calibrated, combined, verdict, .. } = self.judge(&reading, thresholds);
        let names = labels.names();
        let multi_label = head == Head::MultiLabel;
        let holding = || {
            let holds = |(name, p): (&String, &f64)| (*p >= 0.5).then(|| name.clone());
            names.iter().zip(&raw).filter_map(holds).collect()
        };
        let set = self.calibration.label_scores.as_ref().and_then(|scores| {
            let p = calibrated.as_deref().unwrap_or(&raw);
            prediction_set(p, scores, thresholds.max_miscoverage)
        });
        Score {
            label: (!multi_label).then(|| names[argmax(&raw)].clone()),
            labels: multi_label.then(holding),
            probabilities: top(names, &raw, thresholds.top_labels),
            confidence: calibrated.as_deref().map(|p| certainty(head, p, &raw) as f32),
            raw_confidence: certainty(head, &raw, &raw) as f32,
            ood: self.out_of_distribution(&reading, combined.as_ref()),
            coverage: Coverage::of(reading),
            prediction_set: set.map(|set| set.into_iter().map(|i| names[i].clone()).collect()),
            accepted: verdict.is_ok(),
            reason: verdict.unwrap_or_else(|reason| reason),
        }
    }

    fn score_values(
        &self,
        names: &[String],
        reading: Reading,
        thresholds: &Thresholds,
    ) -> ValueScore {
        let Judgement { combined, verdict, .. } = self.judge(&reading, thresholds);
        let predicted = self.reader.values(&reading.logits);
        let interval = |target: usize| {
            let half = self.calibration.errors.get(target)?.quantile(thresholds.max_miscoverage)?;
            Some([predicted[target] - half, predicted[target] + half])
        };
        let value = |(target, name): (usize, &String)| TargetValue {
            target: name.clone(),
            value: predicted[target],
            interval: interval(target),
        };
        let several = names.len() > 1;
        ValueScore {
            value: predicted[0],
            interval: interval(0),
            values: names.iter().enumerate().filter(|_| several).map(value).collect(),
            ood: self.out_of_distribution(&reading, combined.as_ref()),
            coverage: Coverage::of(reading),
            accepted: verdict.is_ok(),
            reason: verdict.unwrap_or_else(|reason| reason),
        }
    }

    fn out_of_distribution(
        &self,
        reading: &Reading,
        combined: Option<&Combined>,
    ) -> OutOfDistribution {
        let axes = self.reader.detectors.iter().enumerate().map(|(i, (kind, _))| {
            let p_value = combined.map(|c| c.axes[i] as f32);
            (kind.name().to_owned(), Axis { score: reading.axes[i] as f32, p_value })
        });
        OutOfDistribution {
            score: combined.map(|c| c.score as f32),
            p_value: combined.map(|c| c.p_value as f32),
            axes: axes.collect(),
        }
    }

    /// Ranks and judges a reading.
    pub(super) fn judge(&self, reading: &Reading, thresholds: &Thresholds) -> Judgement {
        let raw = self.reader.probabilities(&reading.logits);
        let output = &self.reader.output;
        let calibrated = self.calibration.probabilities(output, &reading.logits);
        let combined = self.calibration.combination.as_ref().map(|c| c.rank(&reading.axes));
        let p_value = combined.as_ref().map(|c| c.p_value);
        let enough = records_needed(thresholds.max_false_alarm)
            .is_some_and(|need| self.calibration.records() >= need);
        let flagged = p_value.filter(|_| enough).map(|p| p <= thresholds.max_false_alarm);
        let confidence = calibrated.as_deref().zip(output.head());
        let confidence = confidence.map(|(p, head)| certainty(head, p, &raw));
        let verdict = self.verdict(reading, p_value.zip(flagged), confidence, thresholds);
        Judgement { raw, calibrated, combined, flagged, verdict }
    }

    /// What this request asks for and the calibration split is too small to give.
    pub fn unavailable(&self, thresholds: &Thresholds) -> Vec<Unavailable> {
        let have = self.card.records.calibration;
        let entry = |statistic: &str, reason: String, need: Option<usize>| Unavailable {
            statistic: statistic.to_owned(),
            reason,
            have,
            need,
        };
        let mut list = Vec::new();
        let head = self.reader.output.head();
        if self.calibration.calibrator.is_none() && head.is_some() {
            let reason = format!(
                "{have} calibration records are too few to calibrate probabilities; confidence is \
                 null and raw_confidence is the network's own"
            );
            list.push(entry("confidence", reason, Some(calibrator::MIN_RECORDS)));
        }
        if have == 0 {
            let reason = "there is no calibration record to rank a record among".to_owned();
            list.push(entry("ood.p_value", reason, Some(1)));
        }
        if let Some(need) = records_needed(thresholds.max_false_alarm).filter(|need| have < *need) {
            let reason = format!(
                "{have} calibration records cannot tell records from outside at a false-alarm rate \
                 of {}",
                thresholds.max_false_alarm
            );
            list.push(entry("accepted", reason, Some(need)));
        }
        if head == Some(Head::MultiLabel) {
            let reason = "prediction sets are for records with one label".to_owned();
            list.push(entry("prediction_set", reason, None));
        } else if let Some(need) =
            records_needed(thresholds.max_miscoverage).filter(|need| have < *need)
        {
            let (statistic, what) = match head {
                Some(_) => ("prediction_set", "exclude labels"),
                None => ("interval", "bound the number"),
            };
            let reason = format!(
                "{have} calibration records cannot {what} at an error rate of {}",
                thresholds.max_miscoverage
            );
            list.push(entry(statistic, reason, Some(need)));
        }
        list
    }

    /// `Ok` with why the answer is accepted, or `Err` with why not.
    fn verdict(
        &self,
        reading: &Reading,
        ranked: Option<(f64, bool)>,
        confidence: Option<f64>,
        thresholds: &Thresholds,
    ) -> Result<String, String> {
        let mut passed = Vec::new();
        let mut failed = Vec::new();
        let alpha = thresholds.max_false_alarm;
        let have = self.calibration.records();
        let unknown = outside_words(reading);
        if let Some(need) = records_needed(alpha) {
            match ranked {
                Some((p, true)) => failed.push(format!(
                    "it lies outside what the model was trained on (p = {p:.3}, flagged at {alpha} \
                     and below){unknown}"
                )),
                Some((p, false)) => passed.push(format!(
                    "it lies within what the model was trained on (p = {p:.3}, above {alpha})"
                )),
                None => failed.push(format!(
                    "whether it lies within what the model was trained on cannot be told: that \
                     takes {need} calibration records and there are {have}{unknown}"
                )),
            }
        }
        let least = thresholds.min_confidence;
        // A regression is sure by its interval, not by a probability.
        if least > 0.0 && self.reader.output.head().is_some() {
            match confidence {
                Some(c) if c < least => {
                    failed.push(format!("its confidence {c:.2} is below {least}"));
                }
                Some(c) => passed.push(format!("its confidence {c:.2} is at least {least}")),
                None => failed.push(format!(
                    "its confidence is not calibrated: that takes {} calibration records and there \
                     are {have}",
                    calibrator::MIN_RECORDS
                )),
            }
        }
        if failed.is_empty() {
            let why = if passed.is_empty() {
                "nothing was asked of it".to_owned()
            } else {
                passed.join(", and ")
            };
            Ok(format!("accepted: {why}"))
        } else {
            Err(format!("not accepted: {}", failed.join("; ")))
        }
    }
}

/// The probability of the label that `raw` ranks first; where a record may have several, that of the
/// least certain decision.
fn certainty(head: Head, p: &[f64], raw: &[f64]) -> f64 {
    match head {
        Head::Binary | Head::MultiClass => p[argmax(raw)],
        Head::MultiLabel => p.iter().map(|p| p.max(1.0 - p)).fold(1.0, f64::min),
    }
}

/// What of a record training never saw, in words.
fn outside_words(reading: &Reading) -> String {
    let (shown, count, what): (Vec<String>, usize, String) = match &reading.encoded {
        Encoded::Text(text) => {
            let (count, total) = (text.unknown_count, text.words.len());
            let shown = text.unknown.iter().take(5).map(|t| format!("{:?}", t.text));
            let is = if count == 1 { "is" } else { "are" };
            (shown.collect(), count, format!("{count} of its {total} words {is} unknown"))
        }
        Encoded::Row(row) => {
            let outside = &row.coverage.outside;
            let shown = outside.iter().take(5).map(|o| format!("{:?} {}", o.column, o.message));
            let values = if outside.len() == 1 { "value lies" } else { "values lie" };
            let what = format!("{} {values} outside what training saw", outside.len());
            (shown.collect(), outside.len(), what)
        }
        Encoded::Image(_) => return String::new(),
    };
    if count == 0 {
        return String::new();
    }
    let more = if count > shown.len() { ", …" } else { "" };
    format!("; {what}: {}{more}", shown.join(", "))
}

fn top(names: &[String], p: &[f64], limit: Option<usize>) -> BTreeMap<String, f32> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    if let Some(limit) = limit {
        order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
        order.truncate(limit);
    }
    order.into_iter().map(|i| (names[i].clone(), p[i] as f32)).collect()
}
