//! A report as Markdown (GitHub's), for issues, pull requests and model cards.

use super::html_text::hidden;
use super::tables::{self, Cell, Table};
use super::{Subject, steps, words};
use crate::diagnose::finding::{Finding, FindingStatus, Remedy, Verdict};
use crate::diagnose::report::LimitationsReport;

/// Rows of a figure's data.
const FIGURE_ROWS: usize = 20;

/// The report of a model.
pub fn markdown(report: &LimitationsReport, subject: &Subject) -> String {
    let mut out = format!("# Limitations of {}\n\n", text(subject.title()));
    let facts = [
        ("Model", &subject.id),
        ("Task", &subject.task),
        ("Dataset", &subject.dataset),
        ("Made", &subject.made),
        ("Diagnosis", &subject.diagnosis),
    ];
    let facts = facts.map(|(name, value)| format!("{name} {}", code(value)));
    out.push_str(&format!("{}\n\n", facts.join(" · ")));
    if !report.complete {
        out.push_str("**The diagnosis is still running.** This is what is known so far.\n\n");
    }
    out.push_str(&format!("**{}.**\n\n", words::headline(report)));
    next(&mut out, report);
    let sections = [
        ("What was found", FindingStatus::Found),
        ("What is still being looked at", FindingStatus::Pending),
        ("What was not found, and how hard it looked", FindingStatus::NotFound),
    ];
    for (title, status) in sections {
        let findings: Vec<&Finding> = words::with_status(report, status).collect();
        if findings.is_empty() && status != FindingStatus::Found {
            continue;
        }
        out.push_str(&format!("## {title}\n\n"));
        if findings.is_empty() {
            out.push_str("Nothing.\n\n");
        }
        for finding in findings {
            card(&mut out, report, subject, finding);
        }
    }
    not_looked_at(&mut out, report);
    if !report.settings.is_empty() {
        out.push_str(&format!("## Which settings matter\n\n{}\n\n", words::SETTINGS));
        table(&mut out, &tables::settings(report));
    }
    scope(&mut out, report);
    out.push_str("## What the words mean\n\n");
    for (term, meaning) in words::TERMS {
        out.push_str(&format!("- **{term}**: {}\n", text(meaning)));
    }
    out
}

fn next(out: &mut String, report: &LimitationsReport) {
    out.push_str("## What to do next\n\n");
    let steps = steps::steps(report);
    if steps.is_empty() {
        out.push_str(&format!("{}\n\n", steps::nothing_to_do(report)));
        return;
    }
    for (at, step) in steps.iter().enumerate() {
        let title = text(&words::title(&step.finding.kind));
        out.push_str(&format!("{}. **{}** ({title}): {}\n", at + 1, step.verb, text(&step.text)));
    }
    out.push('\n');
}

fn card(out: &mut String, report: &LimitationsReport, subject: &Subject, finding: &Finding) {
    out.push_str(&format!("### {}\n\n", text(&words::title(&finding.kind))));
    let found = finding.status == FindingStatus::Found;
    if found {
        let severity = words::capital(words::severity(finding.severity));
        let meaning = words::severity_sentence(finding.severity);
        out.push_str(&format!("**{severity}** · {} · {meaning}\n\n", words::area(finding.area)));
    }
    out.push_str(&format!("{}\n\n", text(&words::sentence(&finding.statement))));
    if !finding.evidence.is_empty() {
        table(out, &tables::evidence(report, finding));
    }
    if let Some(figure) = &finding.figure {
        let (data, all) = tables::figure(figure, FIGURE_ROWS);
        if all > 0 {
            out.push_str(&format!("{}\n\n", text(&data.caption)));
            table(out, &data);
            if data.rows.len() < all {
                out.push_str(&format!("{} of {all} rows, evenly chosen.\n\n", data.rows.len()));
            }
        }
    }
    if !found && let Some(reach) = words::reach(finding) {
        out.push_str(&format!("{}\n\n", text(&reach)));
    }
    if let Some(remedy) = &finding.remedy {
        what_to_do(out, subject, finding, remedy);
    }
    if let Some(tried) = &finding.verification {
        out.push_str(&format!("#### Did it help? {}\n\n", words::verdict(tried.verdict)));
        let [numbers, practice] = [words::verification(tried), words::in_practice(tried)];
        let verdict = words::verdict_sentence(tried.verdict);
        out.push_str(&format!("{} {} {verdict}\n\n", text(&numbers), text(&practice)));
        table(out, &tables::verification(report, tried));
    }
}

fn what_to_do(out: &mut String, subject: &Subject, finding: &Finding, remedy: &Remedy) {
    out.push_str(&format!("#### What to do\n\n{}\n\n", text(&words::sentence(&remedy.advice))));
    if !remedy.rows.is_empty() {
        let rows: Vec<String> = remedy.rows.iter().map(u64::to_string).collect();
        out.push_str(&format!("Rows of the dataset, from 1: {}\n\n", rows.join(", ")));
    }
    if remedy.change.is_empty() {
        return;
    }
    out.push_str("The change of the model's spec:\n\n");
    fenced(out, "json", &words::patch(&remedy.change));
    let refuted = finding.verification.as_ref().is_some_and(|v| v.verdict == Verdict::Refuted);
    if !refuted {
        out.push_str("Train it:\n\n");
        fenced(out, "sh", &words::apply_command(subject, &finding.kind));
    }
}

fn not_looked_at(out: &mut String, report: &LimitationsReport) {
    let unmeasured: Vec<&Finding> =
        words::with_status(report, FindingStatus::NotMeasured).collect();
    let rest = words::not_looked_at(report);
    if unmeasured.is_empty() && rest.is_empty() {
        return;
    }
    out.push_str("## What was not looked at\n\n");
    for finding in unmeasured {
        let title = text(&words::title(&finding.kind));
        out.push_str(&format!("- **{title}**: {}\n", text(&words::sentence(&finding.statement))));
    }
    for line in rest {
        out.push_str(&format!("- {}\n", text(&words::sentence(line))));
    }
    out.push('\n');
}

fn scope(out: &mut String, report: &LimitationsReport) {
    out.push_str("## What this rests on\n\n");
    for (name, value) in tables::scope(report) {
        out.push_str(&format!("- **{name}**: {}\n", text(&value)));
    }
    out.push('\n');
    if !report.scope.probes.is_empty() {
        table(out, &tables::probes(report));
    }
    let summary = text(&report.summary);
    out.push_str(&format!("### In a paragraph, for a model card\n\n{summary}\n\n"));
}

fn table(out: &mut String, table: &Table) {
    let head: Vec<String> = table.head.iter().map(|name| text(name)).collect();
    out.push_str(&format!("| {} |\n", head.join(" | ")));
    out.push_str(&format!("|{}\n", " --- |".repeat(head.len())));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out.push('\n');
}

fn cell(cell: &Cell) -> String {
    let part = |(part, link): &(String, Option<String>)| match link {
        Some(path) => format!("[{}]({path})", text(part)),
        None => text(part),
    };
    let parts: Vec<String> = cell.0.iter().map(part).collect();
    parts.join(", ")
}

/// A text that Markdown leaves as it is, on one line, within a table too.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let letters: Vec<char> = text.chars().collect();
    let word = |at: Option<usize>| {
        at.and_then(|at| letters.get(at)).is_some_and(|letter| letter.is_alphanumeric())
    };
    for (at, letter) in letters.iter().copied().enumerate() {
        match letter {
            '\n' | '\r' | '\t' => out.push(' '),
            _ if hidden(letter) => out.push('\u{fffd}'),
            // Within a word it emphasises nothing, and names of fields stay readable.
            '_' if word(at.checked_sub(1)) && word(Some(at + 1)) => out.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '$' => {
                out.push('\\');
                out.push(letter);
            }
            // At its start: a list, a rule, a heading underlined.
            '+' | '-' | '=' if out.trim().is_empty() => {
                out.push('\\');
                out.push(letter);
            }
            '.' | ')' if numbered(&out) && letters.get(at + 1).is_none_or(|next| *next == ' ') => {
                out.push('\\');
                out.push(letter);
            }
            _ => out.push(letter),
        }
    }
    out.trim().to_owned()
}

/// Whether a list would begin if a full stop and a blank came next.
fn numbered(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name in a code span.
fn code(name: &str) -> String {
    let plain = |letter: char| !matches!(letter, '`' | '|' | '\\') && !hidden(letter);
    let name: String = name.chars().filter(|letter| plain(*letter)).collect();
    if name.trim().is_empty() { "(none)".to_owned() } else { format!("`{}`", name.trim()) }
}

/// A block of code that no content ends early.
fn fenced(out: &mut String, language: &str, code: &str) {
    let longest = code.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    out.push_str(&format!("{fence}{language}\n{code}\n{fence}\n\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        for (from, to) in [
            ("a|b", "a\\|b"),
            ("<script>", "\\<script\\>"),
            ("line\nline", "line line"),
            ("learning_rate _x_", "learning_rate \\_x\\_"),
            ("- no list", "\\- no list"),
            ("1. no list", "1\\. no list"),
            ("0.5 is no list", "0.5 is no list"),
            ("a - b", "a - b"),
            ("[x](y)", "\\[x\\](y)"),
            ("\u{202e}abc\u{7}", "\u{fffd}abc\u{fffd}"),
        ] {
            assert_eq!(text(from), to, "{from:?}");
        }
    }

    #[test]
    fn a_block_of_code_ends_where_it_should() {
        let mut out = String::new();
        fenced(&mut out, "json", "\"```\"");
        assert_eq!(out, "````json\n\"```\"\n````\n\n");
    }
}
