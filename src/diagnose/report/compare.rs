//! Two reports beside one another: what the newer model fixed, what is still there, what it broke.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LimitationsReport;
use crate::diagnose::finding::{Area, Finding, FindingStatus};

/// What changed from one report to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitationsComparison {
    /// The model that is compared, the newer one.
    pub model: String,
    /// The model that it is compared with, the earlier one.
    pub with: String,
    /// Whether neither report has more to come.
    pub complete: bool,
    /// What changed, in a sentence.
    pub summary: String,
    /// Limitations of the earlier model that the newer one was found not to have; the most severe first.
    pub fixed: Vec<ComparedFinding>,
    /// Limitations of both; the most severe of the newer model first.
    pub remaining: Vec<ComparedFinding>,
    /// Limitations of the newer model that the earlier one was found not to have; the most severe first.
    pub new: Vec<ComparedFinding>,
    /// What was measured in one of them only, so that nothing can be said.
    pub not_comparable: Vec<ComparedFinding>,
    /// Limitations that were looked for in both and found in neither.
    #[schema(example = json!(["label_noise"]))]
    pub in_neither: Vec<String>,
}

/// A limitation in two reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparedFinding {
    /// Stable name of the limitation.
    #[schema(example = "learning_rate_too_high")]
    pub kind: String,
    /// Which kind of limit it is about.
    pub area: Area,
    /// What the report of the earlier model says; absent where it was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FindingState>,
    /// What the report of the newer model says; absent where it was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FindingState>,
}

/// What a report says of a limitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindingState {
    /// What came of looking for it.
    pub status: FindingStatus,
    /// How much it matters, in \[0, 1\]; higher is worse. 0 unless it was found.
    pub severity: f64,
    /// It in one plain sentence.
    pub statement: String,
}

/// Compares the report of a model with that of an earlier one.
pub fn compare(before: &LimitationsReport, after: &LimitationsReport) -> LimitationsComparison {
    let mut comparison = LimitationsComparison {
        model: after.model.clone(),
        with: before.model.clone(),
        complete: before.complete && after.complete,
        summary: String::new(),
        fixed: Vec::new(),
        remaining: Vec::new(),
        new: Vec::new(),
        not_comparable: Vec::new(),
        in_neither: Vec::new(),
    };
    let in_report = |report: &LimitationsReport, kind: &str| {
        report.findings.iter().find(|finding| finding.kind == kind).cloned()
    };
    let mut kinds: Vec<&Finding> = after.findings.iter().collect();
    kinds.extend(before.findings.iter().filter(|f| in_report(after, &f.kind).is_none()));
    for Finding { kind, area, .. } in kinds {
        let state = |report| in_report(report, kind).map(state);
        let (before, after) = (state(before), state(after));
        let found = |state: &Option<FindingState>| state.as_ref().and_then(measured);
        let (was, is) = (found(&before), found(&after));
        let compared = ComparedFinding { kind: kind.clone(), area: *area, before, after };
        match (was, is) {
            (Some(true), Some(false)) => comparison.fixed.push(compared),
            (Some(true), Some(true)) => comparison.remaining.push(compared),
            (Some(false), Some(true)) => comparison.new.push(compared),
            (Some(false), Some(false)) => comparison.in_neither.push(compared.kind),
            (Some(_), None) | (None, Some(_)) => comparison.not_comparable.push(compared),
            // Neither report knows anything of it.
            (None, None) => {}
        }
    }
    // The newer report's severity counts where it has one; ties keep the order of the reports.
    let severity = |finding: &ComparedFinding| {
        let of = |state: &Option<FindingState>| state.as_ref().map_or(0.0, |s| s.severity);
        if of(&finding.after) > 0.0 { of(&finding.after) } else { of(&finding.before) }
    };
    for list in [
        &mut comparison.fixed,
        &mut comparison.remaining,
        &mut comparison.new,
        &mut comparison.not_comparable,
    ] {
        list.sort_by(|a, b| severity(b).total_cmp(&severity(a)));
    }
    comparison.summary = summary(&comparison);
    comparison
}

/// Whether a limitation was found; `None` where that is not known.
fn measured(state: &FindingState) -> Option<bool> {
    match state.status {
        FindingStatus::Found => Some(true),
        FindingStatus::NotFound => Some(false),
        FindingStatus::Pending | FindingStatus::NotMeasured => None,
    }
}

fn state(finding: Finding) -> FindingState {
    let Finding { status, severity, statement, .. } = finding;
    FindingState { status, severity, statement }
}

fn summary(comparison: &LimitationsComparison) -> String {
    let LimitationsComparison { fixed, remaining, new, not_comparable, in_neither, .. } =
        comparison;
    if [fixed, remaining, new].iter().all(|list| list.is_empty()) && in_neither.is_empty() {
        return "Nothing was looked for in both reports: they cannot be compared.".to_owned();
    }
    let mut text =
        format!("{} fixed, {} remaining, {} new", fixed.len(), remaining.len(), new.len());
    match not_comparable.len() {
        0 => text.push('.'),
        1 => text.push_str("; 1 was measured in one report only."),
        n => text.push_str(&format!("; {n} were measured in one report only.")),
    }
    if !comparison.complete {
        text.push_str(" A diagnosis has not ended.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::report::{Scope, Spent};
    use crate::diagnose::request::ResolvedBudget;
    use crate::model::card::PartSizes;

    fn report(model: &str, findings: &[(&str, FindingStatus, f64)]) -> LimitationsReport {
        let finding = |(kind, status, severity): &(&str, FindingStatus, f64)| {
            Finding::new(kind, Area::Data, *status, format!("{kind} of {model}"))
                .severity(*severity)
        };
        LimitationsReport {
            model: model.to_owned(),
            complete: true,
            summary: String::new(),
            settings: Vec::new(),
            findings: findings.iter().map(finding).collect(),
            scope: Scope {
                budget: ResolvedBudget { runs: 20.0, epochs: None, seconds: None },
                spent: Spent::default(),
                seeds: vec![1, 2, 3],
                records: PartSizes {
                    train: 80,
                    validation: 10,
                    calibration: 0,
                    test: 10,
                    excluded: 0,
                    lacking: 0,
                },
                metric: "accuracy".to_owned(),
                test: Some(0.9),
                probes: Vec::new(),
                not_looked_at: Vec::new(),
            },
        }
    }

    fn kinds(list: &[ComparedFinding]) -> Vec<&str> {
        list.iter().map(|finding| finding.kind.as_str()).collect()
    }

    use FindingStatus::{Found, NotFound, NotMeasured, Pending};

    #[test]
    fn every_pair_of_statuses_has_its_place() {
        let before = report(
            "old",
            &[
                ("fixed_mild", Found, 0.1),
                ("fixed_severe", Found, 0.8),
                ("stays", Found, 0.4),
                ("stays_worse", Found, 0.2),
                ("appears", NotFound, 0.0),
                ("never", NotFound, 0.0),
                ("unknown_now", Found, 0.3),
                ("gone_from_list", NotFound, 0.0),
                ("waits_in_both", Pending, 0.0),
            ],
        );
        let after = report(
            "young",
            &[
                ("stays", Found, 0.3),
                ("stays_worse", Found, 0.5),
                ("appears", Found, 0.6),
                ("unknown_before", Found, 0.9),
                ("unknown_now", NotMeasured, 0.0),
                ("never", NotFound, 0.0),
                ("fixed_mild", NotFound, 0.0),
                ("fixed_severe", NotFound, 0.0),
                ("waits_in_both", NotMeasured, 0.0),
            ],
        );
        let compared = compare(&before, &after);
        assert_eq!((compared.model.as_str(), compared.with.as_str()), ("young", "old"));
        assert_eq!(kinds(&compared.fixed), ["fixed_severe", "fixed_mild"]);
        assert_eq!(kinds(&compared.remaining), ["stays_worse", "stays"]);
        assert_eq!(kinds(&compared.new), ["appears"]);
        assert_eq!(
            kinds(&compared.not_comparable),
            ["unknown_before", "unknown_now", "gone_from_list"]
        );
        assert_eq!(compared.in_neither, ["never"]);
        let worse = &compared.remaining[0];
        let severity = |state: &Option<FindingState>| state.as_ref().map(|s| s.severity);
        assert_eq!((severity(&worse.before), severity(&worse.after)), (Some(0.2), Some(0.5)));
        assert_eq!(worse.before.as_ref().unwrap().statement, "stays_worse of old");
        assert_eq!(compared.not_comparable[0].before, None);
        assert_eq!(
            compared.summary,
            "2 fixed, 2 remaining, 1 new; 3 were measured in one report only."
        );
    }

    #[test]
    fn the_other_way_round_what_was_fixed_is_new() {
        let first = report("a", &[("x", Found, 0.5), ("y", NotFound, 0.0)]);
        let second = report("b", &[("x", NotFound, 0.0), ("y", Found, 0.2)]);
        let (there, back) = (compare(&first, &second), compare(&second, &first));
        assert_eq!(kinds(&there.fixed), kinds(&back.new));
        assert_eq!(kinds(&there.new), kinds(&back.fixed));
        let same = compare(&first, &first);
        assert_eq!(kinds(&same.remaining), ["x"]);
        assert_eq!(same.in_neither, ["y"]);
    }

    #[test]
    fn what_has_not_ended_and_what_has_nothing_in_common_is_said() {
        let mut running = report("a", &[("x", Pending, 0.0)]);
        running.complete = false;
        let ended = report("b", &[("x", Found, 0.5)]);
        let compared = compare(&running, &ended);
        assert!(!compared.complete);
        assert_eq!(kinds(&compared.not_comparable), ["x"]);
        assert!(compared.summary.starts_with("Nothing was looked for in both"));
    }
}
