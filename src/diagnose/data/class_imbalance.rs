//! Whether labels that few training records have are missed more often than others.

use std::collections::BTreeMap;

use serde_json::json;

use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::probe::Probe;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::interval::wilson;
use crate::learn::loss::LossSpec;
use crate::model::card::{Card, LabelCount};
use crate::task::{Head, MetricsReport};

/// Labels that few records have, and that the model misses.
pub struct ClassImbalance;

/// Times as many records as a rare label the commonest one has.
const RARE: usize = 10;
/// Share of the errors that rare labels must account for.
const MATTERS: f64 = 0.1;

/// Records of a label, or of several, and those whose label was told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Told {
    records: u64,
    right: u64,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.right += other.right;
    }

    fn recall(self) -> f64 {
        self.right as f64 / self.records.max(1) as f64
    }

    fn interval(self) -> [f64; 2] {
        let (low, high) = wilson(self.right, self.records);
        [low, high]
    }
}

/// Validation and test records by whether their label is rare: for one of them alone there are too few.
struct Recalls {
    rare: Told,
    common: Told,
}

impl Recalls {
    fn of(card: &Card, rare: &[&LabelCount]) -> Option<Self> {
        let mut by_label: BTreeMap<&str, Told> = BTreeMap::new();
        let parts = [&card.metrics.validation, &card.metrics.test];
        for report in parts.into_iter().flatten().filter_map(MetricsReport::classification) {
            for class in &report.per_class {
                let right = (class.recall * class.support as f64).round() as u64;
                let told = Told { records: class.support, right };
                by_label.entry(&class.label).or_default().add(told);
            }
        }
        let (mut rare_told, mut common) = (Told::default(), Told::default());
        for (label, told) in by_label {
            let is_rare = rare.iter().any(|count| count.label == label);
            if is_rare { rare_told.add(told) } else { common.add(told) }
        }
        (rare_told.records > 0 && common.records > 0).then_some(Self { rare: rare_told, common })
    }

    /// Share of the errors that would not be there if rare labels were told as often as others.
    fn excess(&self) -> f64 {
        let missed = |told: Told| (told.records - told.right) as f64;
        let all = missed(self.rare) + missed(self.common);
        let expected = self.rare.records as f64 * (1.0 - self.common.recall());
        if all > 0.0 { (missed(self.rare) - expected) / all } else { 0.0 }
    }

    /// Whether rare labels are missed more often, by more than chance explains, and that matters.
    fn is_limit(&self) -> bool {
        self.rare.interval()[1] < self.common.interval()[0] && self.excess() >= MATTERS
    }
}

fn rare(card: &Card) -> Vec<&LabelCount> {
    let most = card.labels.iter().map(|label| label.train_records).max().unwrap_or(0);
    card.labels.iter().filter(|label| label.train_records * RARE <= most).collect()
}

fn balanced(known: &Known<'_>) -> Probe {
    known.original_probe().with("loss.class_weights", json!("balanced"))
}

/// Whether the model already counts some labels for more.
fn is_weighted(known: &Known<'_>) -> bool {
    let loss = &known.bench.spec().loss;
    matches!(loss, LossSpec::CrossEntropy(loss) if loss.class_weights.is_some())
}

impl Diagnosis for ClassImbalance {
    fn kind(&self) -> &'static str {
        "class_imbalance"
    }

    fn area(&self) -> Area {
        Area::Data
    }

    fn about(&self) -> &'static str {
        "whether labels that few records have are missed"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        matches!(known.bench.output.head(), Some(Head::Binary | Head::MultiClass))
            && !rare(&known.bench.model.card).is_empty()
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        let card = &known.bench.model.card;
        let limit = Recalls::of(card, &rare(card)).is_some_and(|recalls| recalls.is_limit());
        if !limit || is_weighted(known) || known.bench.parts.validation.is_empty() {
            return Vec::new();
        }
        vec![Wanted::new(known.original_probe(), 1.0), Wanted::new(balanced(known), 0.8)]
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let card = &known.bench.model.card;
        let rare = rare(card);
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        let Some(recalls) = Recalls::of(card, &rare) else {
            return Some(self.not_measured("no validation or test record has one"));
        };
        let names: Vec<String> = rare.iter().take(3).map(|l| format!("{:?}", l.label)).collect();
        let more = if rare.len() > names.len() { " and others" } else { "" };
        let names = format!("{}{more}", names.join(", "));
        let percent = |told: Told| 100.0 * told.recall();
        let measured = |finding: Finding| {
            let of = |name: &str, told: Told| {
                Measurement::new(name, told.recall()).interval(Some(told.interval()))
            };
            finding
                .measured(of("share of the records with a rare label that get it", recalls.rare))
                .measured(of("the same of the other labels", recalls.common))
                .measured(
                    Measurement::new("share of the errors in excess on them", recalls.excess())
                        .threshold(MATTERS),
                )
        };
        if !recalls.is_limit() {
            let statement = format!(
                "Rare labels are not the limit: {:.0} % of the records with {names} get their label, \
                 and {:.0} % of the others.",
                percent(recalls.rare),
                percent(recalls.common)
            );
            let [_, high] = recalls.rare.interval();
            let reach = (high - recalls.rare.recall()).max(MATTERS);
            return Some(
                measured(finding(FindingStatus::NotFound, statement)).smallest_effect(reach),
            );
        }
        let records: usize = rare.iter().map(|label| label.train_records).sum();
        let statement = format!(
            "The model misses what is rare: only {:.0} % of the records with {names} get their label, \
             against {:.0} % of the others; {records} of {} training records have such a label.",
            percent(recalls.rare),
            percent(recalls.common),
            card.records.train
        );
        let mut finding =
            measured(finding(FindingStatus::Found, statement)).severity(recalls.excess());
        let collect = format!(
            "label more records with {names}: until there are about {} of each",
            card.labels.iter().map(|l| l.train_records).max().unwrap_or(0) / RARE
        );
        if is_weighted(known) || known.bench.parts.validation.is_empty() {
            return Some(finding.remedy(Remedy::data(collect, Vec::new())));
        }
        let (gain, outcome) = (known.gain(&balanced(known))?, known.of(&balanced(known))?);
        let weighted = outcome.trained.as_ref().and_then(|t| Recalls::of(&t.card, &rare));
        if let Some(weighted) = &weighted {
            let told = weighted.rare;
            finding = finding.measured(
                Measurement::new(
                    "share of them that get it with balanced class weights",
                    told.recall(),
                )
                .interval(Some(told.interval()))
                .runs([&outcome.run]),
            );
        }
        finding = finding.measured(
            Measurement::new(
                "validation accuracy that balanced class weights add",
                gain.original - gain.changed,
            )
            .runs([&outcome.run]),
        );
        let tells = weighted.is_some_and(|w| w.rare.recall() > recalls.rare.recall());
        Some(finding.remedy(if tells && !gain.harms() {
            let advice =
                "count labels by how rare they are: set loss.class_weights to \"balanced\"";
            Remedy::change(advice, [("loss.class_weights", json!("balanced"))])
        } else {
            Remedy::data(collect, Vec::new())
        }))
    }
}
