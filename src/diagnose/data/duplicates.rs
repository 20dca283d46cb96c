//! Whether validation and test records stand among the training records too.

use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::interval::wilson;

/// Records that stand in several parts of the split.
pub struct DuplicatesAcrossSplits;

/// Share of the validation and test records from which on it matters.
const MATTERS: f64 = 0.05;
/// Records that it takes at least.
const FEWEST: usize = 3;
/// Rows that a remedy lists.
const ROWS: usize = 100;

impl Diagnosis for DuplicatesAcrossSplits {
    fn kind(&self) -> &'static str {
        "duplicates_across_splits"
    }

    fn area(&self) -> Area {
        Area::Data
    }

    fn about(&self) -> &'static str {
        "whether validation and test records stand among the training records too"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        !known.bench.parts.validation.is_empty() || !known.bench.parts.test.is_empty()
    }

    fn wants(&self, _: &Known<'_>) -> Vec<Wanted> {
        Vec::new()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let copies = known.bench.copies();
        let of_reporting = |count: usize| count as f64 / copies.reporting.max(1) as f64;
        let (exact, near) = (of_reporting(copies.exact), of_reporting(copies.near));
        let measured = |name: &str, count: usize| {
            let (low, high) = wilson(count as u64, copies.reporting as u64);
            Measurement::new(name, of_reporting(count))
                .interval(Some([low, high]))
                .threshold(MATTERS)
        };
        let with = |finding: Finding| {
            finding
                .measured(measured(
                    "share of the validation and test records with an equal one in another part, \
                     which was left out",
                    copies.exact,
                ))
                .measured(measured(
                    "share of them whose words are those of a training text",
                    copies.near,
                ))
        };
        let matters = |share: f64, count: usize| share >= MATTERS && count >= FEWEST;
        let rows: Vec<u64> =
            copies.records.iter().take(ROWS).map(|record| *record as u64 + 1).collect();
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        if matters(near, copies.near) {
            let statement = format!(
                "The model was tested on what it was trained on: {:.0} % of the validation and test \
                 texts are training texts but for case and punctuation, so that the measured errors \
                 are too few.",
                100.0 * near
            );
            let advice = "remove these training rows, or put texts of the same words into one split, \
                          and train again";
            let found = with(finding(FindingStatus::Found, statement));
            return Some(found.severity(1.0).remedy(Remedy::data(advice, rows)));
        }
        if matters(exact, copies.exact) {
            let statement = format!(
                "The split repeats records: {:.0} % of the validation and test records stand in \
                 another part too. Those {} copies were left out, so that the measured errors are \
                 true, but not those of anyone who trains on this split as it is.",
                100.0 * exact,
                copies.left_out
            );
            let advice =
                "remove these copies from the dataset, or split it anew without the column";
            let found = with(finding(FindingStatus::Found, statement));
            return Some(found.severity(exact).remedy(Remedy::data(advice, rows)));
        }
        let statement = format!(
            "Test and training records are apart: {:.1} % of the validation and test records stand in \
             another part too.",
            100.0 * (exact + near)
        );
        Some(with(finding(FindingStatus::NotFound, statement)).smallest_effect(MATTERS))
    }
}
