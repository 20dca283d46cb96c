//! Tables for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

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

/// Scores of texts: unknown words in brackets, label, confidence, coverage, p-value, verdict.
pub fn scores(texts: &[&str], results: &[ScoreItem]) -> String {
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
        format!("{:.2}", score.coverage.tokens),
        p_value,
        score.reason.clone(),
    ]
}

/// The text with its unknown words in brackets.
fn marked(text: &str, score: &Score) -> String {
    let mut out = String::new();
    for (position, letter) in text.chars().enumerate() {
        if score.coverage.unknown.iter().any(|token| token.start == position) {
            out.push('[');
        }
        out.push(letter);
        if score.coverage.unknown.iter().any(|token| token.end == position + 1) {
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
        let [low, high] = report.metrics.accuracy_interval;
        table.add_row(vec![
            name.clone(),
            report.records.to_string(),
            format!("{:.3}", report.metrics.accuracy),
            format!("{low:.2} to {high:.2}"),
            format!("{:.3}", report.coverage.tokens),
            format!("{:.3}", report.coverage.ngrams),
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
