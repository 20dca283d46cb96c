//! How many unknown words the next texts will bring, and whether unknown words mean errors.

use super::{SURE, losses};
use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::readings::{Apart, TO_COME};
use crate::diagnose::{Diagnosis, Wanted};

/// A vocabulary that has not seen most of its language.
pub struct VocabularyGrows;

/// Share of the next text's words that must be unknown.
const MANY: f64 = 0.2;
/// Share of the errors in excess on texts with more unknown words than usual.
const MATTERS: f64 = 0.15;

impl Diagnosis for VocabularyGrows {
    fn kind(&self) -> &'static str {
        "vocabulary_grows"
    }

    fn area(&self) -> Area {
        Area::Generalization
    }

    fn about(&self) -> &'static str {
        "how many unknown words the next texts will bring"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        known.bench.growth().is_some() && !known.bench.parts.test.is_empty()
    }

    fn wants(&self, _: &Known<'_>) -> Vec<Wanted> {
        Vec::new()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let growth = known.bench.growth()?;
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        let tested = match known.bench.tested() {
            Ok(tested) => tested,
            Err(why) => return Some(self.not_measured(why)),
        };
        let known_words = |place: usize| tested[place].coverage.tokens.unwrap_or(1.0);
        let mut shares: Vec<f64> = (0..tested.len()).map(known_words).collect();
        shares.sort_by(f64::total_cmp);
        let usual = shares.get(shares.len() / 2).copied().unwrap_or(1.0);
        let fewer: Vec<bool> = (0..tested.len()).map(|place| known_words(place) < usual).collect();
        let apart = Apart::of(&losses(known), &fewer);
        let with = |finding: Finding| {
            let name = "share of the words of the next text that no training text holds";
            let finding = finding
                .measured(Measurement::new(name, growth.unseen_share).threshold(MANY))
                .measured(
                    Measurement::new(
                        format!("unknown words that the next {TO_COME} texts will bring"),
                        growth.new_words,
                    )
                    .interval(Some(growth.interval)),
                );
            let name = "share of the errors in excess on texts with fewer known words than usual";
            match &apart {
                Some(apart) => {
                    finding.measured(Measurement::new(name, apart.excess).threshold(MATTERS))
                }
                None => finding,
            }
        };
        let [low, high] = growth.interval;
        let next = format!(
            "the next {TO_COME} texts will bring about {:.0} words that the {} training texts do not \
             hold ({low:.0} to {high:.0}), and {:.0} % of the words of the next text are such",
            growth.new_words,
            growth.records,
            100.0 * growth.unseen_share
        );
        let matters = apart.filter(|apart| apart.z > SURE && apart.excess >= MATTERS);
        match matters.filter(|_| growth.unseen_share >= MANY) {
            Some(apart) => {
                let statement = format!(
                    "The model does not know enough words, and errs where it does not: {next}."
                );
                let advice =
                    "add texts to the training split: those with the most unknown words first";
                let rows = super::rows(known, &fewer);
                let found = with(finding(FindingStatus::Found, statement));
                Some(found.severity(0.8 * apart.excess).remedy(Remedy::data(advice, rows)))
            }
            None => {
                let statement = format!("Unknown words are not what the model fails by: {next}.");
                Some(with(finding(FindingStatus::NotFound, statement)).smallest_effect(MANY))
            }
        }
    }
}
