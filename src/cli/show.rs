//! Tables for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::http::score::ScoreResponse;
use crate::job::Job;
use crate::model::evaluate::SliceReport;
use crate::model::score::{Score, ScoreItem};

/// A table that fits the terminal.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    // Without a terminal, as in a log, lines stay readable.
    table.set_width(width());
    table.set_header(header);
    table
}

fn width() -> u16 {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(120, |size| size.ws_col).clamp(80, 160)
}

/// An answer to a scoring request: the scores, and what could not be said.
pub fn answers(texts: &[&str], answer: &ScoreResponse) -> String {
    let mut text = format!("{}\n", scores(texts, &answer.results));
    for unavailable in &answer.unavailable {
        let need = unavailable.need.map_or_else(String::new, |need| format!(" (needs {need})"));
        let (statistic, reason) = (&unavailable.statistic, &unavailable.reason);
        text.push_str(&format!("  unavailable: {statistic}: {reason}{need}\n"));
    }
    text
}

/// Scores of texts: unknown words in brackets, label, confidence, coverage, p-value, verdict.
fn scores(texts: &[&str], results: &[ScoreItem]) -> String {
    let mut table = table(&[
        "text (unknown words in [ ])",
        "label",
        "confidence",
        "coverage",
        "OOD p",
        "answer",
    ]);
    for (text, result) in texts.iter().zip(results) {
        match result {
            ScoreItem::Score(score) => table.add_row(row(text, score)),
            ScoreItem::Value(score) => {
                let value = format!("{:.3}", score.value);
                let p = score.ood.p_value.map_or_else(|| "—".to_owned(), |p| format!("{p:.3}"));
                let cells = vec![(*text).to_owned(), value, "—".to_owned(), "—".to_owned(), p];
                table.add_row(cells.into_iter().chain([score.reason.clone()]))
            }
            ScoreItem::Failed { error } => {
                table.add_row(vec![(*text).to_owned(), error.to_string()])
            }
        };
    }
    for column in 2..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn row(text: &str, score: &Score) -> Vec<String> {
    let confidence = match score.confidence {
        Some(confidence) => format!("{confidence:.2}"),
        None => format!("— (raw {:.2})", score.raw_confidence),
    };
    let p_value = score.ood.p_value.map_or_else(|| "—".to_owned(), |p| format!("{p:.3}"));
    vec![
        marked(text, score),
        score.label.clone().unwrap_or_default(),
        confidence,
        share(score.coverage.tokens.map(f64::from), 2),
        p_value,
        score.reason.clone(),
    ]
}

/// A share, or a dash where there is none.
fn share(share: Option<f64>, digits: usize) -> String {
    share.map_or_else(|| "—".to_owned(), |share| format!("{share:.digits$}"))
}

/// The text with its unknown words in brackets.
fn marked(text: &str, score: &Score) -> String {
    let mut out = String::new();
    for (position, letter) in text.chars().enumerate() {
        if score.coverage.unknown.iter().flatten().any(|token| token.start == position) {
            out.push('[');
        }
        out.push(letter);
        if score.coverage.unknown.iter().flatten().any(|token| token.end == position + 1) {
            out.push(']');
        }
    }
    out
}

/// Accuracy beside coverage, slice by slice.
pub fn slices(named: &[(String, &SliceReport)]) -> String {
    let mut table = table(&[
        "records of",
        "n",
        "accuracy",
        "95 % interval",
        "words known",
        "n-grams known",
        "flagged",
        "accepted",
    ]);
    for (name, report) in named {
        let classification = report.metrics.as_ref().and_then(|metrics| metrics.classification());
        let interval = classification.map_or_else(
            || "—".to_owned(),
            |c| format!("{:.2} to {:.2}", c.accuracy_interval[0], c.accuracy_interval[1]),
        );
        table.add_row(vec![
            name.clone(),
            report.records.to_string(),
            share(classification.map(|c| c.accuracy), 3),
            interval,
            share(report.coverage.tokens, 3),
            share(report.coverage.ngrams, 3),
            report.flagged.map_or_else(|| "—".to_owned(), |share| format!("{share:.2}")),
            format!("{:.2}", report.accepted),
        ]);
    }
    for column in 1..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Jobs, one to a line.
pub fn jobs(jobs: &[Job]) -> String {
    let mut table = table(&["job", "kind", "status", "model", "created"]);
    // Ids are there to be copied: they are not broken, however narrow the terminal.
    table.set_content_arrangement(ContentArrangement::Disabled);
    for job in jobs {
        let status = match (job.queue_position, job.finished_at) {
            (Some(before), _) => format!("{}, {before} before it", job.status.name()),
            (None, None) => format!("{}, {:.0} %", job.status.name(), job.progress * 100.0),
            (None, Some(_)) => job.status.name().to_owned(),
        };
        table.add_row(vec![
            job.id.clone(),
            job.kind.clone(),
            status,
            job.model.clone().unwrap_or_else(|| "—".to_owned()),
            job.created_at.to_string(),
        ]);
    }
    table.to_string()
}
