//! What to do next, the most promising first.

use super::words;
use crate::diagnose::finding::{Finding, Remedy, Verdict};
use crate::diagnose::report::LimitationsReport;

/// A thing to do.
pub struct Step<'a> {
    /// The limitation that it is for.
    pub finding: &'a Finding,
    /// What to do, in a word or three.
    pub verb: &'static str,
    /// What exactly, as sentences.
    pub text: String,
}

/// What to do about the limitations that were found: what was tried and helps, then what takes other
/// data, then what was not tried, then what could not be told, then what does not help.
pub fn steps(report: &LimitationsReport) -> Vec<Step<'_>> {
    let mut steps: Vec<(u8, Step<'_>)> = report.found().map(step).collect();
    steps.sort_by_key(|(rank, _)| *rank);
    steps.into_iter().map(|(_, step)| step).collect()
}

/// What to say where there is nothing to do.
pub fn nothing_to_do(report: &LimitationsReport) -> &'static str {
    if report.complete {
        "Nothing has to be done about what was looked at. More, or more varied, records can still show \
         limits that these could not."
    } else {
        "Wait: the diagnosis has not ended."
    }
}

fn step(finding: &Finding) -> (u8, Step<'_>) {
    let verdict = finding.verification.as_ref().map(|verification| verification.verdict);
    let advice = |remedy: &Remedy| words::sentence(&remedy.advice);
    let (rank, verb, text) = match (&finding.remedy, verdict) {
        (Some(remedy), Some(Verdict::Verified)) => {
            (0, "Apply this", format!("{} It was tried and helps.", advice(remedy)))
        }
        (Some(remedy), _) if remedy.change.is_empty() => {
            let rows = match remedy.rows.len() {
                0 => String::new(),
                n => format!(" The {} to begin with are listed below.", words::count(n, "row")),
            };
            (1, "Work on the data", format!("{}{rows}", advice(remedy)))
        }
        (Some(remedy), None) => {
            (2, "Try this", format!("{} It has not been tried here.", advice(remedy)))
        }
        (Some(remedy), Some(Verdict::Inconclusive)) => {
            let text = "It was tried, and whether it helps could not be told.";
            (3, "Perhaps", format!("{} {text}", advice(remedy)))
        }
        (None, _) => (4, "Know this", "No remedy is known here: keep it in mind.".to_owned()),
        (Some(remedy), Some(Verdict::Refuted)) => {
            (5, "Leave this", format!("{} It was tried and does not help.", advice(remedy)))
        }
    };
    (rank, Step { finding, verb, text })
}
