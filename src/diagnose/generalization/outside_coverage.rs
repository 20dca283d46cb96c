//! Whether the errors lie where the model knows little of a record.

use super::{FLAGGED, SURE, losses, rows};
use crate::diagnose::cache::Tested;
use crate::diagnose::finding::{Area, Figure, Finding, FindingStatus, Measurement, Remedy, Series};
use crate::diagnose::known::Known;
use crate::diagnose::readings::Apart;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::interval::wilson;
use crate::model::coverage::BIN_ENDS;

/// Wrong test records below which nothing is said of where they lie.
const FEWEST_WRONG: usize = 10;

/// Errors on records that the model knows little of.
pub struct ErrorsOutsideCoverage;

/// Share of the errors in excess from which on it matters. Hard records are always a little unusual.
const MATTERS: f64 = 0.25;
/// Standard errors of a 95 % interval.
const NORMAL_95: f64 = 1.96;
/// Share of the calibration records whose coverage counts as low.
const LOW: f64 = 0.05;
/// Records of a bin of the figure.
const FEWEST: usize = 5;

/// The coverage below which few calibration records lie.
fn low(known: &Known<'_>) -> Option<f64> {
    let mut shares: Vec<f64> =
        known.bench.model.calibration.coverage.iter().map(|record| record.share()).collect();
    shares.sort_by(f64::total_cmp);
    shares.get((shares.len() as f64 * LOW) as usize).copied()
}

/// Mean loss by coverage, at the middle of each bin.
fn figure(tested: &[Tested]) -> Figure {
    let mut bins = vec![(0.0, 0usize); BIN_ENDS.len() + 1];
    for record in tested {
        let bin = &mut bins[record.coverage.bin()];
        *bin = (bin.0 + record.loss, bin.1 + 1);
    }
    let middle = |bin: usize| {
        let lower = if bin == 0 { 0.0 } else { BIN_ENDS[bin - 1] };
        (lower + BIN_ENDS.get(bin).copied().unwrap_or(1.0)) / 2.0
    };
    let filled = bins.iter().enumerate().filter(|(_, (_, records))| *records >= FEWEST);
    let points = filled.map(|(bin, (sum, records))| [middle(bin), sum / *records as f64]);
    Figure {
        title: "Errors by how much of a record the model knows".to_owned(),
        x: "coverage".to_owned(),
        y: "mean loss on test records".to_owned(),
        log_x: false,
        series: vec![Series { name: "test records".to_owned(), points: points.collect() }],
    }
}

impl Diagnosis for ErrorsOutsideCoverage {
    fn kind(&self) -> &'static str {
        "errors_outside_coverage"
    }

    fn area(&self) -> Area {
        Area::Generalization
    }

    fn about(&self) -> &'static str {
        "whether the errors lie on records that the model knows little of"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        !known.bench.parts.test.is_empty() && known.bench.model.calibration.records() > 0
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
        let low = low(known).unwrap_or(0.0);
        let outside = |record: &Tested| {
            record.p_value.is_some_and(|p| p <= FLAGGED) || record.coverage.share() < low
        };
        let chosen: Vec<bool> = tested.iter().map(outside).collect();
        // A handful of errors lies somewhere, whatever the model knows.
        let wrong = tested.iter().filter(|record| record.loss > 0.0).count();
        let apart = Apart::of(&losses(known), &chosen).filter(|_| wrong >= FEWEST_WRONG);
        let Some(apart) = apart else {
            let few = chosen.iter().filter(|chosen| **chosen).count();
            let statement = format!(
                "The errors do not lie on records that the model knows little of: {few} of {} test \
                 records are such, and {wrong} are wrong: too few to tell.",
                chosen.len()
            );
            let share = few as f64 / chosen.len().max(1) as f64;
            let measured = Measurement::new("share of the test records that these are", share);
            let finding = finding(FindingStatus::NotFound, statement).measured(measured);
            return Some(finding.smallest_effect(MATTERS));
        };
        let total: f64 = tested.iter().map(|record| record.loss).sum();
        let errors = apart.inside * apart.records as f64 / total;
        let (from, to) = wilson(apart.records as u64, tested.len() as u64);
        let with = |finding: Finding| {
            finding
                .measured(
                    Measurement::new(
                        "share of the errors in excess on records that the model knows little of",
                        apart.excess,
                    )
                    .threshold(MATTERS),
                )
                .measured(Measurement::new("share of all errors that lie on them", errors))
                .measured(
                    Measurement::new("share of the test records that these are", apart.share)
                        .interval(Some([from, to])),
                )
                .figure(figure(tested))
        };
        let (of_errors, of_records) = (100.0 * errors, 100.0 * apart.share);
        // The lower end of what the share may be by chance.
        let least = apart.excess * (1.0 - NORMAL_95 / apart.z.max(NORMAL_95));
        if apart.z > SURE && least >= MATTERS {
            let statement = format!(
                "{of_errors:.0} % of the errors lie on the {of_records:.0} % of the test records of \
                 which the model knows little."
            );
            let advice = "refuse such records (max_false_alarm), and label those that come \
                          for training";
            let rows = rows(known, &chosen);
            // What the same records are called where there are too many of them says more.
            let found = with(finding(FindingStatus::Found, statement));
            return Some(found.severity(0.9 * apart.excess).remedy(Remedy::data(advice, rows)));
        }
        let statement = format!(
            "The errors do not lie on records that the model knows little of: {of_errors:.0} % of them \
             do, and {of_records:.0} % of the test records are such."
        );
        // What it takes for the lower end to matter.
        let error = if apart.z == 0.0 { 0.0 } else { (apart.excess / apart.z).abs() };
        let reach = (SURE * error).max(MATTERS + NORMAL_95 * error);
        Some(with(finding(FindingStatus::NotFound, statement)).smallest_effect(reach.max(MATTERS)))
    }
}
