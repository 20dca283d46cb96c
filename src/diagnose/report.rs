//! The report of a diagnosis: what was found, what was not, and what it rests on. It can be read at
//! every moment; it grows while the diagnosis runs.

pub mod compare;
pub mod settings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::finding::{Finding, FindingStatus, Verdict};
use super::request::ResolvedBudget;
use crate::model::card::PartSizes;
use settings::SettingEffect;

/// The limitations of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitationsReport {
    /// The model.
    pub model: String,
    /// Whether more is to come: `false` while the diagnosis runs.
    pub complete: bool,
    /// The findings in a paragraph, for a model card.
    pub summary: String,
    /// What was looked for: limitations that were found first, the most severe first of all; then
    /// what waits, what was not found, and what was not measured.
    pub findings: Vec<Finding>,
    /// Which settings matter, and by how much: what each change that was tried did to the validation
    /// error, the largest effect first.
    #[serde(default)]
    pub settings: Vec<SettingEffect>,
    /// What it rests on.
    pub scope: Scope,
}

/// What a report rests on, and what it did not look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scope {
    /// What it may cost.
    pub budget: ResolvedBudget,
    /// What it has cost.
    pub spent: Spent,
    /// The seeds that settings were compared over.
    pub seeds: Vec<u64>,
    /// Records of each part of the split.
    pub records: PartSizes,
    /// What is compared: `accuracy` (share of records whose labels are all right) or `mse`.
    pub metric: String,
    /// Its value on the test records for the model itself; `null` without such records.
    pub test: Option<f64>,
    /// The trainings that it rests on, in the order in which they ended.
    pub probes: Vec<ProbeSummary>,
    /// What it did not look at, and why.
    pub not_looked_at: Vec<String>,
}

/// What a diagnosis has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    /// Trainings, in units of the model's own.
    pub runs: f64,
    /// Epochs of all trainings together.
    pub epochs: u64,
    /// Seconds of training, over all trainings.
    pub seconds: f64,
}

/// A training that a report rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProbeSummary {
    /// Its run.
    pub run: String,
    /// What it set, beside the seed.
    #[schema(value_type = BTreeMap<String, Object>)]
    pub change: BTreeMap<String, Value>,
    /// What it trained on: `all` records, a `share`, `without_topic`, a `fold`, or `shuffled` labels.
    pub records: String,
    /// Its seed.
    pub seed: u64,
    /// Its error on the validation records: 1 − accuracy, or 1 − R²; `null` where it has none.
    pub validation_error: Option<f64>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it cost, where the model's own training costs 1.
    pub cost: f64,
}

impl LimitationsReport {
    /// The limitations that were found, the most severe first.
    pub fn found(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status == FindingStatus::Found)
    }
}

/// Findings in the order of a report.
pub fn ordered(mut findings: Vec<Finding>) -> Vec<Finding> {
    let rank = |finding: &Finding| match finding.status {
        FindingStatus::Found => 0,
        FindingStatus::Pending => 1,
        FindingStatus::NotFound => 2,
        FindingStatus::NotMeasured => 3,
    };
    // The order of the list of diagnoses breaks ties.
    findings.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.severity.total_cmp(&a.severity)));
    findings
}

/// The findings in a paragraph.
pub fn summary(findings: &[Finding], complete: bool, scope: &Scope) -> String {
    let found: Vec<&Finding> =
        findings.iter().filter(|finding| finding.status == FindingStatus::Found).collect();
    let looked = findings
        .iter()
        .filter(|f| matches!(f.status, FindingStatus::Found | FindingStatus::NotFound))
        .count();
    let mut text = match found.len() {
        0 => format!("No limitation was found among the {looked} that were looked for."),
        1 => format!("One limitation was found among the {looked} that were looked for."),
        n => format!("{n} limitations were found among the {looked} that were looked for."),
    };
    for finding in found.iter().take(3) {
        text.push(' ');
        text.push_str(&finding.statement);
        if let Some(verification) = &finding.verification {
            text.push_str(match verification.verdict {
                Verdict::Verified => " Its remedy was tried and helps.",
                Verdict::Refuted => " Its remedy was tried and does not help.",
                Verdict::Inconclusive => " Whether its remedy helps could not be told.",
            });
        }
    }
    if found.len() > 3 {
        text.push_str(&format!(" {} more are in the report.", found.len() - 3));
    }
    let trainings = scope.probes.len();
    text.push_str(&format!(
        " This rests on {trainings} training{} with {} seeds and {} test records.",
        if trainings == 1 { "" } else { "s" },
        scope.seeds.len(),
        scope.records.test
    ));
    if !complete {
        text.push_str(" The diagnosis has not ended.");
    }
    text
}

/// What trainings are compared by.
pub fn metric(labels: bool) -> &'static str {
    if labels { "accuracy" } else { "mse" }
}
