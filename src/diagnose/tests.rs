//! Whole diagnoses of small models.

use serde_json::json;

use super::finding::{FindingStatus, Verdict};
use super::investigation::{Step, run, step};
use super::request::{DiagnoseBudget, DiagnoseRequest, DiagnoseSpec};
use super::workbench::tests::{bench, circle, clouds, spec_with};
use crate::clock::ManualClock;

pub fn request(only: &[&str], runs: f64) -> DiagnoseSpec {
    let request = DiagnoseRequest {
        model: "model_1".to_owned(),
        budget: DiagnoseBudget { runs: Some(runs), ..DiagnoseBudget::default() },
        seeds: None,
        remedies: None,
        only: Some(only.iter().map(|kind| (*kind).to_owned()).collect()),
        slice: None,
        seed: None,
    };
    request.resolve("model_1".to_owned())
}

/// A rate a hundred times too high is found, its remedy tried, and it helps.
#[test]
fn a_limitation_is_found_and_its_remedy_verified() {
    let spec = spec_with(json!({"optimizer": {"type": "adam", "learning_rate": 1.0}}));
    let bench = bench(&spec, circle(1200));
    let mut request = request(&["learning_rate_too_high"], 40.0);
    request.seeds = 4;
    let clock = ManualClock::at(0);
    let (report, done) = run(&bench, &request, clock.as_ref()).unwrap();
    assert!(report.complete);
    let finding = &report.findings[0];
    assert_eq!(finding.status, FindingStatus::Found, "{report:#?}");
    let verification = finding.verification.as_ref().unwrap();
    assert_eq!(verification.verdict, Verdict::Verified, "{verification:#?}");
    assert!(verification.against_original.interval[0] > 0.0, "{verification:#?}");
    assert!(verification.remedy > verification.original + 0.05, "{verification:#?}");
    assert!(report.scope.spent.runs <= 40.0, "{}", report.scope.spent.runs);
    assert!(report.summary.contains("Its remedy was tried and helps."), "{}", report.summary);

    // The same from any point on: what is known decides, not the way there.
    for known in 0..done.len() {
        let Step { next, report: partial, .. } = step(&bench, &request, &done[..known], &[], None);
        assert!(!partial.complete, "{known}");
        assert!(!next.is_empty());
        let later: Vec<_> = done[known..].iter().map(|done| &done.probe).collect();
        assert!(next.iter().all(|probe| later.contains(&probe)), "{known}");
    }
}

/// A sound training has no such finding, and the budget is kept.
#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let bench = bench(&spec_with(json!({})), clouds(1200));
    let request = request(&["learning_rate_too_high"], 20.0);
    let (report, _) = run(&bench, &request, ManualClock::at(0).as_ref()).unwrap();
    assert_eq!(report.findings[0].status, FindingStatus::NotFound, "{report:#?}");
    assert!(report.findings[0].smallest_effect.is_some());
    assert!(report.summary.starts_with("No limitation was found among the 1"));
}

/// What the budget does not reach is said.
#[test]
fn what_was_not_looked_at_is_named() {
    let bench = bench(&spec_with(json!({})), clouds(400));
    let request = request(&["learning_rate_too_high"], 1.0);
    let (report, done) = run(&bench, &request, ManualClock::at(0).as_ref()).unwrap();
    assert_eq!(report.findings[0].status, FindingStatus::NotMeasured, "{report:#?}");
    // The signs that cost little were looked at; the trainings that would tell were not.
    assert!(report.scope.spent.runs <= 1.0 && done.len() <= 1, "{report:#?}");
    assert!(report.scope.not_looked_at[0].starts_with("learning_rate_too_high"));
}
