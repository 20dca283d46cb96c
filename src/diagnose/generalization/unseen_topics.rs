//! How the model does on a topic that it was not trained on, and whether it notices.

use super::missing_topics::Missing;
use super::{Flags, MANY};
use crate::diagnose::experiment::Outcome;
use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::probe::{Probe, Selection};
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::interval::wilson;

/// A topic left out is answered badly, and not noticed.
pub struct FailsOnUnseenTopics;

/// Topics that are left out, the largest first.
const TOPICS: usize = 2;
/// Records of each label that must be left to train on.
const LEFT: usize = 5;
/// Share of the topic's errors that must be due to its being left out.
const MATTERS: f64 = 0.25;
/// Share of a topic's records that must be noticed.
const NOTICED: f64 = 0.5;

/// What leaving out a topic showed.
struct LeftOut<'a> {
    name: String,
    /// Of the topic's records: how many, and how many are wrong.
    topic: (u64, u64),
    /// Of the test records.
    others: (u64, u64),
    /// Of the topic's records, how many are flagged; `None` where that cannot be told.
    noticed: Option<u64>,
    outcome: &'a Outcome,
}

impl LeftOut<'_> {
    fn error((records, wrong): (u64, u64)) -> f64 {
        wrong as f64 / records.max(1) as f64
    }

    fn noticed_share(&self) -> Option<f64> {
        self.noticed.map(|noticed| noticed as f64 / self.topic.0.max(1) as f64)
    }

    /// Whether the topic does worse than the others, by more than chance explains, and that matters.
    fn fails(&self) -> bool {
        let lowest = wilson(self.topic.1, self.topic.0).0;
        let highest = wilson(self.others.1, self.others.0).1;
        let (error, usual) = (Self::error(self.topic), Self::error(self.others));
        lowest > highest && error - usual >= MATTERS * error
    }
}

fn probe(known: &Known<'_>, topic: usize) -> Probe {
    known.original_probe().on(Selection::WithoutTopic { topic })
}

/// The largest topics without which every label is still trained.
fn topics(known: &Known<'_>) -> Vec<usize> {
    let Some(found) = &known.bench.topics else { return Vec::new() };
    let labels = known.bench.output.label_names().len();
    let leaves_all = |topic: &usize| {
        let left_out = known.bench.of_topic(*topic);
        let mut left = vec![0usize; labels];
        let train = &known.bench.parts.train;
        for record in train.iter().filter(|record| left_out.binary_search(record).is_err()) {
            for label in known.bench.outcomes.labels_of(*record) {
                left[*label as usize] += 1;
            }
        }
        left.iter().all(|count| *count >= LEFT)
    };
    (0..found.topics.topics.len()).filter(leaves_all).take(TOPICS).collect()
}

fn left_out<'a>(known: &Known<'a>, topic: usize) -> Option<LeftOut<'a>> {
    let outcome = known.of(&probe(known, topic))?;
    let of_topic = known.bench.of_topic(topic);
    let name = known.bench.topics.as_ref()?.topics.topics.get(topic)?.name.clone();
    let mut found = LeftOut { name, topic: (0, 0), others: (0, 0), noticed: None, outcome };
    let mut noticed = 0;
    for (place, (record, loss)) in outcome.losses.iter().enumerate() {
        let inside = of_topic.binary_search(&(*record as usize)).is_ok();
        let counted = if inside { &mut found.topic } else { &mut found.others };
        *counted = (counted.0 + 1, counted.1 + u64::from(*loss > 0.0));
        let flagged = outcome.flagged.get(place).copied().unwrap_or(false);
        noticed += u64::from(inside && flagged);
    }
    found.noticed = (!outcome.flagged.is_empty()).then_some(noticed);
    Some(found)
}

/// The test records of topics that training lacks, where there are many.
fn missing(known: &Known<'_>) -> Option<Missing> {
    Missing::of(known).filter(|missing| missing.share() >= MANY)
}

/// The share of the test records that come from where training saw nothing, if they are many.
fn they_come(known: &Known<'_>) -> Option<f64> {
    let flagged = || Flags::of(known).filter(Flags::are_many).map(|flags| flags.share());
    missing(known).map(|missing| missing.share()).or_else(flagged)
}

impl Diagnosis for FailsOnUnseenTopics {
    fn kind(&self) -> &'static str {
        "fails_on_unseen_topics"
    }

    fn area(&self) -> Area {
        Area::Generalization
    }

    fn about(&self) -> &'static str {
        "how it does on a topic that it was not trained on, and whether it notices"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        known.bench.output.head().is_some() && !topics(known).is_empty()
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        // Where test records come from elsewhere, this is what happens to them.
        let worth = if they_come(known).is_some() { 0.5 } else { 0.1 };
        topics(known).into_iter().map(|topic| Wanted::new(probe(known, topic), worth)).collect()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let left_out: Option<Vec<LeftOut<'_>>> =
            topics(known).into_iter().map(|topic| left_out(known, topic)).collect();
        let left_out = left_out?;
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        let trained = |left: &&LeftOut<'_>| left.outcome.failure.is_none() && left.topic.0 > 0;
        let error = |left: &LeftOut<'_>| LeftOut::error(left.topic);
        let worst = left_out.iter().filter(trained).max_by(|a, b| error(a).total_cmp(&error(b)));
        let Some(worst) = worst else {
            return Some(self.not_measured("no training without a topic succeeded"));
        };
        let right = |counted: (u64, u64)| 100.0 * (1.0 - LeftOut::error(counted));
        let noticed = worst.noticed_share();
        let notices = noticed.map_or_else(
            || "whether it notices cannot be told".to_owned(),
            |share| format!("noticed in {:.0} %", 100.0 * share),
        );
        let told = format!(
            "a topic that it has not seen ({}) is answered right in {:.0} % of the cases and {notices}; \
             what it was trained on is answered right in {:.0} %",
            worst.name,
            right(worst.topic),
            right(worst.others)
        );
        let with = |mut finding: Finding| {
            for left in left_out.iter().filter(trained) {
                let accuracy = |(records, wrong): (u64, u64)| {
                    let (low, high) = wilson(records - wrong, records);
                    (1.0 - LeftOut::error((records, wrong)), [low, high])
                };
                let (value, interval) = accuracy(left.topic);
                let name = format!("accuracy on the topic {:?}, left out of training", left.name);
                finding = finding.measured(
                    Measurement::new(name, value)
                        .interval(Some(interval))
                        .runs([&left.outcome.run]),
                );
                let (value, interval) = accuracy(left.others);
                let name = "accuracy on the test records of the same training";
                finding = finding.measured(Measurement::new(name, value).interval(Some(interval)));
                if let Some(noticed) = left.noticed {
                    let (low, high) = wilson(noticed, left.topic.0);
                    let share = noticed as f64 / left.topic.0.max(1) as f64;
                    let name = format!("share of the topic {:?} that is noticed", left.name);
                    let measured = Measurement::new(name, share).interval(Some([low, high]));
                    finding = finding.measured(measured.threshold(NOTICED));
                }
            }
            finding
        };
        let come = they_come(known);
        let fails = worst.fails() && noticed.is_none_or(|share| share < NOTICED);
        match come.filter(|_| fails) {
            Some(share) => {
                let statement = format!(
                    "The model fails on what it has not seen, and such records come: {:.0} % of the \
                     test records are {}. As measured: {told}.",
                    100.0 * share,
                    match missing(known) {
                        Some(missing) => format!("about {}, which training lacks", missing.names()),
                        None => "unlike training".to_owned(),
                    }
                );
                let error = LeftOut::error(worst.topic);
                let due = error - LeftOut::error(worst.others);
                let losses = super::losses(known);
                let test = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
                let severity = 0.9 * (share * due / test.max(1e-9)).min(1.0);
                let chosen = missing(known).map_or_else(|| super::flags(known), |m| m.chosen);
                let rows = super::rows(known, &chosen);
                let advice = "label records of every topic that the model will meet; until then refuse \
                              what is flagged (max_false_alarm)";
                let found = with(finding(FindingStatus::Found, statement));
                Some(found.severity(severity).remedy(Remedy::data(advice, rows)))
            }
            None => {
                let why = if fails {
                    "No sign that unseen topics come, but keep in mind"
                } else {
                    "Unseen topics do not fail unnoticed"
                };
                let statement = format!("{why}: {told}.");
                let reach = wilson(worst.topic.1, worst.topic.0);
                Some(
                    with(finding(FindingStatus::NotFound, statement))
                        .smallest_effect((reach.1 - reach.0).max(MATTERS * error(worst))),
                )
            }
        }
    }
}
