//! Whether typos mislead the model: the test texts, read again with some.

use serde_json::json;

use super::{SURE, losses};
use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::readings::TYPOS;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::paired::share_difference_interval;

/// A model that typos mislead.
pub struct SensitiveToTypos;

/// Loss of accuracy from which on it matters, in \[0, 1\].
const MATTERS: f64 = 0.05;

impl Diagnosis for SensitiveToTypos {
    fn kind(&self) -> &'static str {
        "sensitive_to_typos"
    }

    fn area(&self) -> Area {
        Area::Generalization
    }

    fn about(&self) -> &'static str {
        "whether typos mislead the model"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        known.bench.output.head().is_some() && known.bench.misspelt().is_some_and(|l| l.len() >= 20)
    }

    fn wants(&self, _: &Known<'_>) -> Vec<Wanted> {
        Vec::new()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        if let Err(why) = known.bench.tested() {
            return Some(self.not_measured(why));
        }
        let plain = losses(known);
        let misspelt = known.bench.misspelt()?;
        let n = plain.len() as f64;
        let differences: Vec<f64> = misspelt.iter().zip(&plain).map(|(m, p)| m - p).collect();
        let lost = differences.iter().sum::<f64>() / n;
        // One change to either side more, so that none among few records is not certainty.
        let squares = differences.iter().map(|d| (d - lost).powi(2)).sum::<f64>() + 2.0;
        let error = (squares / n / n).sqrt();
        let words = 100.0 * TYPOS;
        let name = format!("accuracy that typos in {words:.0} % of the words take away");
        let interval = share_difference_interval(&differences, known.request.seed);
        let measured = Measurement::new(name, lost).interval(interval).threshold(MATTERS);
        let right = |losses: &[f64]| 100.0 * (1.0 - losses.iter().sum::<f64>() / n);
        let (before, after) = (right(&plain), right(misspelt));
        if lost >= MATTERS && lost > SURE * error {
            let statement = format!(
                "Typos mislead the model: with a typo in {words:.0} % of the words it is right on \
                 {after:.0} % of the test texts, not {before:.0} %."
            );
            let found = finding(FindingStatus::Found, statement).severity(lost).measured(measured);
            let typos = known.bench.spec().augmentation.text.typos;
            let advice = "train with typos (augmentation.text.typos), which costs a little on texts \
                          without, and with vectorizer.character_ngrams";
            return Some(found.remedy(if typos > 0.0 {
                Remedy::data("correct the spelling of texts before they are scored", Vec::new())
            } else {
                Remedy::change(advice, [("augmentation.text.typos", json!(TYPOS))])
            }));
        }
        let statement = format!(
            "Typos hardly mislead the model: with a typo in {words:.0} % of the words it is right on \
             {after:.0} % of the test texts, without on {before:.0} %."
        );
        let reach = (SURE * error).max(MATTERS);
        Some(finding(FindingStatus::NotFound, statement).measured(measured).smallest_effect(reach))
    }
}
