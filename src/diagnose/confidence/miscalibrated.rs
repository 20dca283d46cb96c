//! Whether confidence is what it says: of answers at 0.8, 80 % should be right.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::diagnose::cache::Tested;
use crate::diagnose::finding::{Area, Figure, Finding, FindingStatus, Measurement, Remedy, Series};
use crate::diagnose::known::Known;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::bootstrap::mean_interval;
use crate::eval::calibrator::MIN_RECORDS;
use crate::eval::reliability::{Reliability, ReliabilityDiagram};

/// Confidence that is too high or too low.
pub struct Miscalibrated;

/// Distance of confidence from accuracy from which on it matters, in \[0, 1\] ...
const MATTERS: f64 = 0.05;
/// ... and what its interval must exceed.
const SURE: f64 = 0.02;
/// Test records of a label, and of a part of the coverage, that say something of it.
const FEWEST: usize = 30;

/// Confidence, and whether the answer is right.
type Stated = (f64, bool);

/// Mean confidence − accuracy: above 0 is too sure of itself.
fn excess(stated: &[Stated], seed: u64) -> (f64, Option<[f64; 2]>) {
    let gaps: Vec<f64> =
        stated.iter().map(|(sure, right)| sure - f64::from(u8::from(*right))).collect();
    (gaps.iter().sum::<f64>() / gaps.len().max(1) as f64, mean_interval(&gaps, seed))
}

/// What a user is told: calibrated where there is a calibrator.
fn stated(record: &Tested) -> Option<Stated> {
    Some((record.confidence.or(record.raw_confidence)?, record.loss == 0.0))
}

fn curve(name: &str, diagram: &ReliabilityDiagram) -> Series {
    let points = diagram.bins.iter().map(|bin| [bin.confidence, bin.accuracy]).collect();
    Series { name: name.to_owned(), points }
}

fn figure(reliability: &Reliability) -> Figure {
    let mut series = vec![curve("before calibration", &reliability.before)];
    series.extend(reliability.after.as_ref().map(|after| curve("after calibration", after)));
    series
        .push(Series { name: "as it should be".to_owned(), points: vec![[0.0, 0.0], [1.0, 1.0]] });
    Figure {
        title: "Accuracy by confidence".to_owned(),
        x: "confidence".to_owned(),
        y: "share of the test records that is right".to_owned(),
        log_x: false,
        series,
    }
}

/// What sets confidence right: another calibrator, or records to fit one to.
fn remedy(known: &Known<'_>) -> Remedy {
    let records = known.bench.parts.calibration.len();
    if records < MIN_RECORDS {
        return super::calibration_data::more(known);
    }
    if known.bench.spec().calibrator.is_some() {
        let advice = "leave calibrator out of the request, so that the one with the least loss on the \
                      calibration records is chosen";
        return Remedy::change(advice, [("calibrator", Value::Null)]);
    }
    let split = &known.bench.spec().split;
    let share = json!(split).get("calibration").and_then(Value::as_f64).unwrap_or(0.0);
    if share > 0.0 && share < 0.2 {
        return super::calibration_data::more(known);
    }
    let advice = format!(
        "calibrate on more records like those that will be scored: {records} were not enough, or were \
         unlike the test records"
    );
    Remedy::data(advice, Vec::new())
}

impl Diagnosis for Miscalibrated {
    fn kind(&self) -> &'static str {
        "miscalibrated"
    }

    fn area(&self) -> Area {
        Area::Confidence
    }

    fn about(&self) -> &'static str {
        "whether confidence is what it says"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        known.bench.model.card.calibration.reliability.is_some()
    }

    fn wants(&self, _: &Known<'_>) -> Vec<Wanted> {
        Vec::new()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let reliability = known.bench.model.card.calibration.reliability.as_ref()?;
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        let tested = match known.bench.tested() {
            Ok(tested) => tested,
            Err(why) => return Some(self.not_measured(why)),
        };
        let used = reliability.after.as_ref().unwrap_or(&reliability.before);
        let all: Vec<Stated> = tested.iter().filter_map(stated).collect();
        let seed = known.request.seed;
        let (too_sure, interval) = excess(&all, seed);
        let measured = |finding: Finding| {
            let ece = |name: &str, diagram: &ReliabilityDiagram| {
                Measurement::new(name, diagram.ece).interval(diagram.ece_interval)
            };
            let name = match reliability.after {
                Some(_) => "mean distance of the calibrated confidence from accuracy",
                None => "mean distance of the network's own confidence from accuracy",
            };
            let mut finding = finding.measured(ece(name, used).threshold(MATTERS));
            if reliability.after.is_some() {
                finding = finding.measured(ece("the same before calibration", &reliability.before));
            }
            finding = finding.measured(
                Measurement::new("mean confidence less accuracy (above 0 is too sure)", too_sure)
                    .interval(interval),
            );
            for (name, stated) in parts(known, tested) {
                let (gap, interval) = excess(&stated, seed);
                let name = format!("the same {name}");
                finding = finding.measured(Measurement::new(name, gap).interval(interval));
            }
            finding.figure(figure(reliability))
        };
        let low = used.ece_interval.map_or(0.0, |[low, _]| low);
        let share = |of: &dyn Fn(&Stated) -> f64| {
            100.0 * all.iter().map(of).sum::<f64>() / all.len().max(1) as f64
        };
        let (sure, right) = (share(&|s| s.0), share(&|s| f64::from(u8::from(s.1))));
        if used.ece >= MATTERS && low > SURE {
            let how = if too_sure.abs() < MATTERS / 2.0 {
                "wrong, too high here and too low there"
            } else if too_sure > 0.0 {
                "too high"
            } else {
                "too low"
            };
            let statement = format!(
                "The model's confidence is {how}: it says {sure:.0} % on average, and {right:.0} % of \
                 its answers are right; single answers are off by {:.0} points.",
                100.0 * used.ece
            );
            let found = measured(finding(FindingStatus::Found, statement));
            return Some(found.severity(used.ece).remedy(remedy(known)));
        }
        let statement = format!(
            "Confidence is about what it says: {sure:.0} % on average, and {right:.0} % of the answers \
             are right; it is off by {:.0} points.",
            100.0 * used.ece
        );
        let reach = used.ece_interval.map_or(1.0, |[low, high]| (high - low) / 2.0 + SURE);
        Some(
            measured(finding(FindingStatus::NotFound, statement))
                .smallest_effect(reach.max(MATTERS)),
        )
    }
}

/// The test records of each label, and of each half by coverage, where there are enough.
fn parts(known: &Known<'_>, tested: &[Tested]) -> Vec<(String, Vec<Stated>)> {
    let mut by_label: BTreeMap<u32, Vec<Stated>> = BTreeMap::new();
    for record in tested {
        let label = known.bench.outcomes.labels_of(record.record).first();
        if let Some((label, stated)) = label.zip(stated(record)) {
            by_label.entry(*label).or_default().push(stated);
        }
    }
    let names = known.bench.output.label_names();
    let mut parts: Vec<(String, Vec<Stated>)> = by_label
        .into_iter()
        .map(|(label, stated)| (format!("on records with {:?}", names[label as usize]), stated))
        .collect();
    let mut shares: Vec<f64> = tested.iter().map(|record| record.coverage.share()).collect();
    shares.sort_by(f64::total_cmp);
    if let Some(middle) = shares.get(shares.len() / 2).copied() {
        let (less, more): (Vec<&Tested>, Vec<&Tested>) =
            tested.iter().partition(|record| record.coverage.share() < middle);
        for (name, half) in [("less", less), ("better", more)] {
            let half = half.into_iter().filter_map(stated).collect();
            parts.push((format!("on the {name} covered half"), half));
        }
    }
    parts.retain(|(_, stated)| stated.len() >= FEWEST);
    // Halves say nothing where all records are covered alike.
    let halves = parts.iter().filter(|(name, _)| name.ends_with("half")).count();
    parts.retain(|(name, _)| halves == 2 || !name.ends_with("half"));
    parts.truncate(12);
    parts
}
