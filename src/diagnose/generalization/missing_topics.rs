//! Whether test records are about topics that training has none of, where a column says what records are
//! about.

use std::collections::BTreeMap;

use super::unlike_training::UnlikeTraining;
use super::{MANY, flags, losses, rows};
use crate::diagnose::cache::Tested;
use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::readings::Apart;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::interval::wilson;
use crate::eval::seeds::MIN_RECORDS;

/// Topics that only the test records have.
pub struct TopicsMissing;

/// Topics that a statement names.
const NAMED: usize = 3;

/// The test records of topics that training has none of.
pub(super) struct Missing {
    /// Whether each test record is such.
    pub chosen: Vec<bool>,
    /// Their topics, the most frequent first.
    topics: Vec<String>,
}

impl Missing {
    /// `None` where no column says what records are about.
    pub fn of(known: &Known<'_>) -> Option<Self> {
        let bench = known.bench;
        let slices = bench.slices.as_ref()?;
        let (tested, missing) = (bench.tested().ok()?, bench.of_missing_topics());
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in missing.iter().filter_map(|record| slices[*record].as_deref()) {
            *counts.entry(topic).or_default() += 1;
        }
        let mut topics: Vec<(&str, usize)> = counts.into_iter().collect();
        topics.sort_by_key(|(_, records)| std::cmp::Reverse(*records));
        Some(Self {
            chosen: tested.iter().map(|t| missing.binary_search(&t.record).is_ok()).collect(),
            topics: topics.into_iter().map(|(topic, _)| topic.to_owned()).collect(),
        })
    }

    fn records(&self) -> usize {
        self.chosen.iter().filter(|chosen| **chosen).count()
    }

    /// Their share of the test records, in \[0, 1\].
    pub fn share(&self) -> f64 {
        self.records() as f64 / self.chosen.len().max(1) as f64
    }

    /// Their topics, in words.
    pub fn names(&self) -> String {
        let named = self.topics.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        match self.topics.len() {
            n if n > NAMED => format!("{named} and {} more", n - NAMED),
            _ => named,
        }
    }
}

/// The mean of what is known of some of the test records, where anything is.
fn mean_of(tested: &[Tested], chosen: &[bool], of: fn(&Tested) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> =
        tested.iter().zip(chosen).filter(|(_, c)| **c).filter_map(|(t, _)| of(t)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// How the model does on these records, and on others by their name.
fn errs(known: &Known<'_>, these: f64, others: Option<(f64, &str)>) -> String {
    if known.bench.output.head().is_some() {
        let on = |(error, name): (f64, &str)| {
            format!(", and on {:.0} % of the {name} records", 100.0 * error)
        };
        let others = others.map(on).unwrap_or_default();
        format!("It is wrong on {:.0} % of these{others}", 100.0 * these)
    } else {
        let on = |(error, name): (f64, &str)| format!(", and {error:.3e} on the {name} records");
        let others = others.map(on).unwrap_or_default();
        format!("Its mean squared error is {these:.3e} on these{others}")
    }
}

impl Diagnosis for TopicsMissing {
    fn kind(&self) -> &'static str {
        "topics_missing_from_training"
    }

    fn area(&self) -> Area {
        Area::Generalization
    }

    fn about(&self) -> &'static str {
        "whether test records are about topics that training has none of"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        known.bench.slices.is_some() && !known.bench.parts.test.is_empty()
    }

    fn wants(&self, _: &Known<'_>) -> Vec<Wanted> {
        Vec::new()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        let tested = match known.bench.tested() {
            Ok(tested) => tested,
            Err(why) => return Some(self.not_measured(why)),
        };
        let missing = Missing::of(known)?;
        let (records, share) = (missing.records(), missing.share());
        let interval = wilson(records as u64, tested.len() as u64);
        let measured =
            Measurement::new("share of the test records whose topic training lacks", share)
                .interval(Some([interval.0, interval.1]))
                .threshold(MANY);
        if share < MANY {
            let statement = format!(
                "Training knows what the test records are about: {:.0} % of them are of a topic that it \
                 has none of.",
                100.0 * share
            );
            let finding = finding(FindingStatus::NotFound, statement).measured(measured);
            return Some(finding.smallest_effect(MANY));
        }
        let losses = losses(known);
        let chosen = &missing.chosen;
        let apart = Apart::of(&losses, chosen);
        let inside = mean_of(tested, chosen, |tested| Some(tested.loss)).unwrap_or(0.0);
        let validation = known.bench.model.card.metrics.validation.as_ref();
        let validation = validation.and_then(|v| Some(1.0 - v.classification()?.accuracy));
        let elsewhere = match (&apart, validation) {
            (Some(apart), _) => Some((apart.outside, "other test")),
            (None, Some(error)) => Some((error, "validation")),
            (None, None) => None,
        };
        let does = errs(known, inside, elsewhere);
        let known_words = |t: &Tested| t.coverage.tokens;
        let unknown = mean_of(tested, chosen, known_words).map(|known| 1.0 - known);
        let flagged = mean_of(tested, chosen, |t| Some(f64::from(u8::from(t.p_value? <= 0.05))));
        let words = unknown.map_or_else(String::new, |share| {
            format!(" {:.1} % of their words are unknown to it.", 100.0 * share)
        });
        let notices = flagged.map_or_else(String::new, |share| {
            format!(" It notices {:.0} % of them.", 100.0 * share)
        });
        let names = missing.names();
        let statement = format!(
            "The model has never seen what {:.0} % of the test records are about ({names}): training has \
             no such record. {does}.{words}{notices}",
            100.0 * share
        );
        let rows = rows(known, chosen);
        let advice = format!(
            "label records about {names} and add them to the training split, these {} rows first; until \
             then refuse what is flagged (max_false_alarm)",
            rows.len()
        );
        let mut finding = finding(FindingStatus::Found, statement).measured(measured);
        let mut more = |name: &str, value: Option<f64>| {
            let measured = value.map(|value| Measurement::new(name, value));
            finding.evidence.extend(measured);
        };
        more("mean loss on these", Some(inside));
        more("mean loss on the other test records", apart.as_ref().map(|apart| apart.outside));
        more("validation error", validation);
        more("share of their words that are unknown", unknown);
        let others: Vec<bool> = chosen.iter().map(|chosen| !chosen).collect();
        let unknown = mean_of(tested, &others, known_words).map(|known| 1.0 - known);
        more("share of unknown words in the other test records", unknown);
        more("share of these that are flagged as unlike those that trained", flagged);
        let all = flags(known).iter().filter(|flagged| **flagged).count() as f64;
        more("share of all test records that are flagged", Some(all / tested.len().max(1) as f64));
        // What is chosen by validation records speaks of none of them, whatever they are like; and this is
        // why test records are unlike training, where they are.
        let unlike = UnlikeTraining.conclude(known).map_or(0.0, |finding| finding.severity);
        let severity = share.max(apart.map_or(0.0, |apart| apart.excess)).max(unlike);
        // Some of them can be labelled and the others tell what that is worth.
        let half = known.bench.to_label().len();
        let label = half.min(missing.records() - half) >= MIN_RECORDS;
        let remedy = Remedy { label, ..Remedy::data(advice, rows) };
        Some(finding.severity(severity).remedy(remedy))
    }
}
