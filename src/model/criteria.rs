//! What a request asks of answers, and what the calibration split can give of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::card::Unavailable;
use super::encoder::Encoded;
use super::{Model, Reading, Weighed};
use crate::eval::false_discovery::{self, benjamini_hochberg};
use crate::eval::guarantee::{self, TooFewRecords};
use crate::eval::interval_conformal::NormalizedIntervals;
use crate::eval::prediction_set::{PredictionSets, SetMethod, SetThresholds};
use crate::eval::selective_risk::{Acceptance, NoAcceptance, largest_acceptance};
use crate::eval::{calibrator, conformal};
use crate::task::Head;

/// δ of `max_risk` where none is asked for.
const RISK_DELTA: f64 = 0.05;

/// How intervals around predicted numbers are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PredictionInterval {
    /// As wide for each record: a quantile of the calibration records' absolute errors (split
    /// conformal).
    #[default]
    Split,
    /// Wider where the nearest calibration records were harder to predict (normalised split
    /// conformal); needs twice the calibration records.
    Normalized,
}

/// What a record must pass to be accepted, and how sets and intervals are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Largest share of in-distribution records that may be flagged as outside, in \[0, 1). 0 never
    /// flags one.
    pub max_false_alarm: f64,
    /// Largest expected share of false alarms among a batch's alarms, in (0, 1); in place of
    /// `max_false_alarm`.
    pub max_false_discovery: Option<f64>,
    /// Least calibrated confidence, in \[0, 1\]. 0 asks for none.
    pub min_confidence: f64,
    /// Largest share of wrong answers among accepted ones, in (0, 1).
    pub max_risk: Option<f64>,
    /// Probability over calibration sets with which `max_false_alarm` and `max_risk` may fail, in
    /// (0, 1). `None`: false alarms hold on average over calibration sets, and risks with 0.95.
    pub delta: Option<f64>,
    /// Error rate of prediction sets and intervals, in (0, 1).
    pub max_miscoverage: f64,
    /// How prediction sets are made.
    pub set_method: SetMethod,
    /// How intervals are made.
    pub interval_method: PredictionInterval,
    /// Probabilities that are returned at most, the largest first.
    pub top_labels: Option<usize>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_false_alarm: 0.05,
            max_false_discovery: None,
            min_confidence: 0.5,
            max_risk: None,
            delta: None,
            max_miscoverage: 0.1,
            set_method: SetMethod::default(),
            interval_method: PredictionInterval::default(),
            top_labels: None,
        }
    }
}

/// Thresholds, resolved against a model's calibration split.
pub struct Criteria {
    /// What was asked for.
    pub thresholds: Thresholds,
    /// What flags a record as outside.
    alarm: Alarm,
    /// How sure an answer must be to keep the risk; `None` where none is asked for.
    risk: Option<Result<Acceptance, NoAcceptance>>,
    /// What excludes labels; `None` where `unavailable` says why, or numbers are predicted.
    pub(super) sets: Option<SetThresholds>,
}

/// What flags a record as outside.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Alarm {
    /// Nothing, whatever the record is.
    Never,
    /// The calibration records are too few to tell.
    CannotTell(TooFewRecords),
    /// A p-value of at most this, in (0, 1\].
    PValue(f64),
    /// A q-value among those of its batch of at most this, in (0, 1).
    QValue(f64),
}

impl Alarm {
    fn new(records: usize, thresholds: &Thresholds) -> Self {
        let Thresholds { max_false_alarm, max_false_discovery, delta, .. } = *thresholds;
        let found = match max_false_discovery {
            Some(alpha) => guarantee::threshold(records, alpha, None).map(|_| Self::QValue(alpha)),
            None if max_false_alarm <= 0.0 => Ok(Self::Never),
            None => guarantee::threshold(records, max_false_alarm, delta)
                .map(|threshold| Self::PValue(threshold.p_value)),
        };
        found.unwrap_or_else(Self::CannotTell)
    }

    /// The value of a record that decides: its name, itself, and up to where it flags. `None` where
    /// nothing is decided.
    fn decides(&self, p_value: Option<f64>, q_value: Option<f64>) -> Option<Decision> {
        let (name, value, limit) = match *self {
            Self::Never | Self::CannotTell(_) => return None,
            Self::PValue(limit) => ("p", p_value?, limit),
            Self::QValue(limit) => ("q", q_value?, limit),
        };
        Some(Decision { name, value, limit })
    }
}

/// What decides whether a record is flagged as outside: a p-value or a q-value, and up to where it
/// flags.
struct Decision {
    name: &'static str,
    value: f64,
    limit: f64,
}

impl Decision {
    fn flagged(&self) -> bool {
        self.value <= self.limit
    }
}

/// What the calibration says of a reading, before it is put in words and labels.
pub(super) struct Judgement {
    /// The network's own probabilities.
    pub raw: Vec<f64>,
    /// Calibrated probabilities.
    pub calibrated: Option<Vec<f64>>,
    /// Whether the record is flagged as outside; `None` where that cannot be told.
    pub flagged: Option<bool>,
    /// As it was given.
    pub q_value: Option<f64>,
    /// Why it is accepted, or why not.
    pub verdict: Result<String, String>,
}

impl Criteria {
    /// What a model's calibration gives for thresholds.
    pub fn new(model: &Model, thresholds: Thresholds) -> Self {
        let Thresholds { max_risk, delta, set_method, max_miscoverage, .. } = thresholds;
        let alarm = Alarm::new(model.calibration.records(), &thresholds);
        let risk = max_risk.filter(|_| model.reader.output.head().is_some()).map(|risk| {
            largest_acceptance(&model.calibration.decisions, risk, delta.unwrap_or(RISK_DELTA))
        });
        let sets = model.calibration.sets.as_ref();
        let sets = sets.and_then(|sets| sets.at(set_method, max_miscoverage));
        Self { thresholds, alarm, risk, sets }
    }

    /// The q-value of each record among its batch, where false discoveries are bounded.
    pub(super) fn q_values(&self, weighed: &[Weighed]) -> Vec<Option<f64>> {
        let p_values: Option<Vec<f64>> =
            weighed.iter().map(|w| Some(w.combined.as_ref()?.p_value)).collect();
        match (self.thresholds.max_false_discovery, p_values) {
            (Some(alpha), Some(p_values)) => {
                let found = benjamini_hochberg(&p_values, alpha);
                found.q_values.into_iter().map(Some).collect()
            }
            _ => vec![None; weighed.len()],
        }
    }

    /// Whether each record of a batch is flagged as outside; `None` where that cannot be told, or none
    /// is flagged whatever it is.
    pub fn flags(&self, weighed: &[Weighed]) -> Vec<Option<bool>> {
        let flag = |(weighed, q)| Some(self.decision(weighed, q)?.flagged());
        weighed.iter().zip(self.q_values(weighed)).map(flag).collect()
    }

    fn decision(&self, weighed: &Weighed, q_value: Option<f64>) -> Option<Decision> {
        self.alarm.decides(weighed.combined.as_ref().map(|c| c.p_value), q_value)
    }

    /// Judges a record.
    pub(super) fn judge(
        &self,
        model: &Model,
        weighed: &Weighed,
        q_value: Option<f64>,
    ) -> Judgement {
        let reading = &weighed.reading;
        let raw = model.reader.probabilities(&reading.logits);
        let output = &model.reader.output;
        let calibrated = model.calibration.calibrated(output, &reading.logits, &raw);
        let calibrated = calibrated.map(Cow::into_owned);
        let decision = self.decision(weighed, q_value);
        let mut reasons = Reasons::default();
        self.judge_distribution(model, weighed, decision.as_ref(), &mut reasons);
        // A regression is sure by its interval, not by a probability.
        if let Some(head) = model.reader.output.head() {
            self.judge_confidence(model, head, &raw, calibrated.as_deref(), &mut reasons);
            self.judge_risk(head, &raw, &mut reasons);
        }
        let flagged = decision.as_ref().map(Decision::flagged);
        Judgement { raw, calibrated, flagged, q_value, verdict: reasons.verdict() }
    }

    fn judge_distribution(
        &self,
        model: &Model,
        weighed: &Weighed,
        decision: Option<&Decision>,
        reasons: &mut Reasons,
    ) {
        if self.alarm == Alarm::Never {
            return;
        }
        let unknown = outside_words(&weighed.reading);
        let Some(decision) = decision else {
            let have = model.calibration.records();
            let takes = match self.alarm {
                Alarm::CannotTell(TooFewRecords { needed: Some(need), .. }) => {
                    format!("that takes {need} calibration records and there are {have}")
                }
                _ => format!("{have} calibration records do not tell"),
            };
            reasons.failed.push(format!(
                "whether it lies within what the model was trained on cannot be told: \
                 {takes}{unknown}"
            ));
            return;
        };
        let Decision { name, value, limit } = decision;
        if decision.flagged() {
            let axes = fired(model, weighed, *limit);
            reasons.failed.push(format!(
                "it lies outside what the model was trained on ({name} = {value:.3}, flagged at \
                 {limit:.3} and below){axes}{unknown}"
            ));
        } else {
            reasons.passed.push(format!(
                "it is not told apart from what the model was trained on ({name} = {value:.3}, \
                 above {limit:.3}){unknown}"
            ));
        }
    }

    fn judge_confidence(
        &self,
        model: &Model,
        head: Head,
        raw: &[f64],
        calibrated: Option<&[f64]>,
        reasons: &mut Reasons,
    ) {
        let least = self.thresholds.min_confidence;
        if least <= 0.0 {
            return;
        }
        match calibrated.map(|p| head.certainty(p, raw)) {
            Some(c) if c < least => {
                reasons.failed.push(format!("its confidence {c:.2} is below {least}"));
            }
            Some(c) => reasons.passed.push(format!("its confidence {c:.2} is at least {least}")),
            None => reasons.failed.push(format!(
                "its confidence is not calibrated: that takes {} calibration records and there are \
                 {}",
                calibrator::MIN_RECORDS,
                model.calibration.records()
            )),
        }
    }

    fn judge_risk(&self, head: Head, raw: &[f64], reasons: &mut Reasons) {
        let (Some(risk), Some(max_risk)) = (&self.risk, self.thresholds.max_risk) else { return };
        let raw = head.certainty(raw, raw);
        let sure = 1.0 - self.thresholds.delta.unwrap_or(RISK_DELTA);
        let promise =
            format!("at most {max_risk} of accepted answers are wrong with probability {sure}");
        match risk {
            Ok(Acceptance { threshold, .. }) if raw >= *threshold => reasons.passed.push(format!(
                "its raw confidence {raw:.3} is at least {threshold:.3}, from where on {promise}"
            )),
            Ok(Acceptance { threshold, .. }) => reasons.failed.push(format!(
                "its raw confidence {raw:.3} is below {threshold:.3}, from where on {promise}"
            )),
            Err(NoAcceptance { records, .. }) => reasons.failed.push(format!(
                "no confidence is known from which on {promise}: the {records} calibration records \
                 do not show one"
            )),
        }
    }

    /// What is asked for of so many records and the calibration split does not give.
    pub fn unavailable(&self, model: &Model, records: usize) -> Vec<Unavailable> {
        let have = model.card.records.calibration;
        let entry = |statistic: &str, reason: String, need: Option<usize>| Unavailable {
            statistic: statistic.to_owned(),
            reason,
            have,
            need,
        };
        let head = model.reader.output.head();
        let mut list: Vec<Unavailable> = missing_confidence(model).into_iter().collect();
        if have == 0 {
            let reason = "there is no calibration record to rank a record among".to_owned();
            list.push(entry("ood.p_value", reason, Some(1)));
        }
        if let Alarm::CannotTell(TooFewRecords { needed, .. }) = self.alarm {
            let what = match (self.thresholds.max_false_discovery, self.thresholds.delta) {
                (Some(alpha), _) => format!("a false-discovery rate of {alpha}"),
                (None, None) => {
                    format!("a false-alarm rate of {}", self.thresholds.max_false_alarm)
                }
                (None, Some(delta)) => format!(
                    "a false-alarm rate of {} with probability {}",
                    self.thresholds.max_false_alarm,
                    1.0 - delta
                ),
            };
            let reason =
                format!("{have} calibration records cannot tell records from outside at {what}");
            list.push(entry("accepted", reason, needed));
        }
        if let Alarm::QValue(alpha) = self.alarm
            && let Some(need) = false_discovery::records_needed(records, 1, alpha)
            && model.calibration.records() < need
        {
            let reason = format!(
                "with {have} calibration records no single one of {records} records could be \
                 flagged at a false-discovery rate of {alpha}, only several together"
            );
            list.push(entry("max_false_discovery", reason, Some(need)));
        }
        if let Some(Err(NoAcceptance { records, needed })) = self.risk {
            let few = needed.is_none_or(|needed| records < needed);
            let why = if few { "are too few" } else { "hold too many errors" };
            let reason = format!("{records} calibration records {why} to bound the risk");
            list.push(entry("max_risk", reason, needed.filter(|_| few)));
        }
        list.extend(self.missing_bounds(model, head, entry));
        list
    }

    /// Why there is no prediction set, or no interval.
    fn missing_bounds(
        &self,
        model: &Model,
        head: Option<Head>,
        entry: impl Fn(&str, String, Option<usize>) -> Unavailable,
    ) -> Option<Unavailable> {
        let alpha = self.thresholds.max_miscoverage;
        let have = model.calibration.records();
        match head {
            Some(Head::MultiLabel) => {
                let reason = "prediction sets are for records with one label".to_owned();
                Some(entry("prediction_set", reason, None))
            }
            Some(_) => {
                let none = PredictionSets::default();
                let sets = model.calibration.sets.as_ref().unwrap_or(&none);
                let short = sets.shortfall(self.thresholds.set_method, alpha)?;
                let of_class = short.class.map(|class| {
                    let name = &model.reader.output.label_names()[class];
                    format!(", {} of them of {name:?},", short.records)
                });
                let of_class = of_class.unwrap_or_default();
                let reason = format!(
                    "{have} calibration records{of_class} cannot exclude labels at an error rate of \
                     {alpha}"
                );
                let unavailable = entry("prediction_set", reason, short.needed);
                Some(Unavailable { have: short.records, ..unavailable })
            }
            None => missing_interval(model, &self.thresholds),
        }
    }
}

/// What predictions lack because the calibration split is too small.
pub fn missing_of_predictions(model: &Model, thresholds: &Thresholds) -> Vec<Unavailable> {
    let missing = match model.reader.output.head() {
        Some(_) => missing_confidence(model),
        None => missing_interval(model, thresholds),
    };
    missing.into_iter().collect()
}

/// Why there is no confidence, where labels are predicted.
fn missing_confidence(model: &Model) -> Option<Unavailable> {
    let have = model.card.records.calibration;
    let missing = model.calibration.calibrator.is_none() && model.reader.output.head().is_some();
    missing.then(|| Unavailable {
        statistic: "confidence".to_owned(),
        reason: format!(
            "{have} calibration records are too few to calibrate probabilities; confidence is null \
             and raw_confidence is the network's own"
        ),
        have,
        need: Some(calibrator::MIN_RECORDS),
    })
}

/// Why there is no interval, where numbers are predicted.
fn missing_interval(model: &Model, thresholds: &Thresholds) -> Option<Unavailable> {
    let alpha = thresholds.max_miscoverage;
    let need = match thresholds.interval_method {
        PredictionInterval::Split => conformal::records_needed(alpha),
        PredictionInterval::Normalized => NormalizedIntervals::records_needed(alpha),
    };
    let records = model.calibration.records();
    let need = need.filter(|need| records < *need)?;
    Some(Unavailable {
        statistic: "interval".to_owned(),
        reason: format!(
            "{records} calibration records cannot bound the number at an error rate of {alpha}"
        ),
        have: model.card.records.calibration,
        need: Some(need),
    })
}

/// What an answer passed, and what not.
#[derive(Default)]
struct Reasons {
    passed: Vec<String>,
    failed: Vec<String>,
}

impl Reasons {
    fn verdict(self) -> Result<String, String> {
        match (self.failed.is_empty(), self.passed.is_empty()) {
            (true, true) => Ok("accepted: nothing was asked of it".to_owned()),
            (true, false) => Ok(format!("accepted: {}", self.passed.join(", and "))),
            (false, _) => Err(format!("not accepted: {}", self.failed.join("; "))),
        }
    }
}

/// Which axes are unusual by themselves, in words.
fn fired(model: &Model, weighed: &Weighed, alpha: f64) -> String {
    let p_values = weighed.combined.iter().flat_map(|combined| &combined.axes);
    let kinds = model.reader.detectors.iter().map(|(kind, _)| *kind);
    let unusual: Vec<String> = kinds
        .zip(p_values)
        .filter(|(_, p)| **p <= alpha)
        .map(|(kind, p)| format!("{} ({} p = {p:.3})", kind.familiarity().words(), kind.name()))
        .collect();
    if unusual.is_empty() { String::new() } else { format!("; {}", unusual.join(", ")) }
}

/// What of a record training never saw, in words.
fn outside_words(reading: &Reading) -> String {
    let (shown, count, what): (Vec<String>, usize, String) = match &reading.encoded {
        Encoded::Text(text) if text.words.is_empty() => {
            return "; it holds no word, only punctuation".to_owned();
        }
        Encoded::Text(text) if text.unknown_count == 0 => return String::new(),
        Encoded::Text(text) => {
            let (count, total) = (text.unknown_count, text.words.len());
            let shown = text.unknown.iter().take(5).map(|t| format!("{:?}", t.text));
            let is = if count == 1 { "is" } else { "are" };
            (shown.collect(), count, format!("{count} of its {total} words {is} unknown"))
        }
        Encoded::Row(row) => {
            let outside = &row.coverage.outside;
            let shown = outside.iter().take(5).map(|o| o.message.clone());
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
