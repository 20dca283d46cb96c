//! A report as one HTML page that needs nothing else: no scripts, no files, no other hosts.

use super::chart::chart;
use super::html_text::{anchor, escaped};
use super::tables::{self, Cell, Table};
use super::{Subject, steps, words};
use crate::diagnose::finding::{Figure, Finding, FindingStatus, Remedy, Verdict, Verification};
use crate::diagnose::report::LimitationsReport;

/// The page's only style. What serves the page may allow this text, by its hash, and nothing else.
pub const STYLE: &str = include_str!("page.css");
/// Rows of a figure's data.
const FIGURE_ROWS: usize = 100;
/// Rows of the dataset that are shown at once; more are folded.
const SHOWN_ROWS: usize = 20;
/// Seconds after which a page that is not complete is asked for again.
pub const REFRESH_SECONDS: u64 = 5;

/// The page of a report.
pub fn html(report: &LimitationsReport, subject: &Subject) -> String {
    let title = format!("Limitations of {}", subject.title());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        escaped(&title)
    );
    header(&mut out, report, subject);
    out.push_str("<main>\n");
    next(&mut out, report);
    found(&mut out, report, subject);
    pending(&mut out, report);
    not_found(&mut out, report);
    not_looked_at(&mut out, report);
    settings(&mut out, report);
    scope(&mut out, report);
    out.push_str(
        "<section aria-labelledby=\"words\">\n<h2 id=\"words\">What the words mean</h2>\n<dl>\n",
    );
    for (term, meaning) in words::TERMS {
        out.push_str(&format!("<dt>{}</dt>\n<dd>{}</dd>\n", escaped(term), escaped(meaning)));
    }
    out.push_str("</dl>\n</section>\n</main>\n</body>\n</html>\n");
    out
}

fn header(out: &mut String, report: &LimitationsReport, subject: &Subject) {
    out.push_str(&format!(
        "<header>\n<h1>Limitations of <span class=\"name\">{}</span></h1>\n<dl class=\"facts\">\n",
        escaped(subject.title())
    ));
    let facts = [
        ("Model", &subject.id),
        ("Task", &subject.task),
        ("Dataset", &subject.dataset),
        ("Made", &subject.made),
        ("Diagnosis", &subject.diagnosis),
    ];
    for (name, value) in facts {
        out.push_str(&format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(value)));
    }
    out.push_str("</dl>\n");
    if !report.complete {
        out.push_str(&format!(
            "<p class=\"running\" role=\"status\"><strong>The diagnosis is still running.</strong> This \
             is what is known so far. The page renews itself every {REFRESH_SECONDS} seconds.</p>\n"
        ));
    }
    out.push_str(&format!("<p class=\"headline\">{}.</p>\n</header>\n", words::headline(report)));
}

fn next(out: &mut String, report: &LimitationsReport) {
    out.push_str("<section aria-labelledby=\"next\">\n<h2 id=\"next\">What to do next</h2>\n");
    let steps = steps::steps(report);
    if steps.is_empty() {
        out.push_str(&format!("<p>{}</p>\n", steps::nothing_to_do(report)));
    } else {
        out.push_str("<ol class=\"steps\">\n");
        for step in steps {
            out.push_str(&format!(
                "<li><strong>{}:</strong> {} <a href=\"#{}\">{}</a></li>\n",
                step.verb,
                escaped(&step.text),
                anchor(&step.finding.kind),
                escaped(&words::title(&step.finding.kind)),
            ));
        }
        out.push_str("</ol>\n");
    }
    out.push_str("</section>\n");
}

fn found(out: &mut String, report: &LimitationsReport, subject: &Subject) {
    out.push_str("<section aria-labelledby=\"found\">\n<h2 id=\"found\">What was found</h2>\n");
    if report.found().next().is_none() {
        out.push_str("<p>No limitation was found");
        out.push_str(if report.complete { ".</p>\n" } else { " so far.</p>\n" });
    }
    for finding in report.found() {
        card(out, report, subject, finding);
    }
    out.push_str("</section>\n");
}

/// A limitation that was found.
fn card(out: &mut String, report: &LimitationsReport, subject: &Subject, finding: &Finding) {
    let id = anchor(&finding.kind);
    let word = words::severity(finding.severity);
    // A bar that is there can be seen.
    let width = (100.0 * finding.severity).clamp(2.0, 100.0);
    out.push_str(&format!(
        "<article class=\"card {word}\" id=\"{id}\" aria-labelledby=\"{id}-title\">\n\
         <p class=\"area\">{}</p>\n<h3 id=\"{id}-title\">{}</h3>\n\
         <p class=\"statement\">{}</p>\n\
         <p class=\"severity\"><svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\"><rect class=\"rail\" width=\"100\" height=\"8\"/><rect class=\"fill\" \
         width=\"{width:.1}\" height=\"8\"/></svg><strong>{}.</strong> {}</p>\n",
        words::area(finding.area),
        escaped(&words::title(&finding.kind)),
        escaped(&words::sentence(&finding.statement)),
        words::capital(word),
        words::severity_sentence(finding.severity),
    ));
    if let Some(figure) = &finding.figure {
        draw(out, figure, &id);
    }
    if !finding.evidence.is_empty() {
        out.push_str("<h4>What was measured</h4>\n");
        table(out, &tables::evidence(report, finding), false);
    }
    if let Some(remedy) = &finding.remedy {
        what_to_do(out, subject, finding, remedy);
    }
    if let Some(tried) = &finding.verification {
        did_it_help(out, report, tried);
    }
    out.push_str("</article>\n");
}

/// A figure with its data.
fn draw(out: &mut String, figure: &Figure, id: &str) {
    let Some(drawn) = chart(figure, &format!("{id}-figure")) else { return };
    out.push_str(&format!(
        "<figure>\n<figcaption>{}</figcaption>\n<div class=\"plot\">\n<p class=\"axis-name\">{}</p>\n\
         {drawn}<p class=\"axis-name x\">{}{}</p>\n</div>\n",
        escaped(&figure.title),
        escaped(&figure.y),
        escaped(&figure.x),
        if figure.log_x { " (each step a multiple of the one before)" } else { "" },
    ));
    let (data, all) = tables::figure(figure, FIGURE_ROWS);
    out.push_str("<details>\n<summary>The same as a table</summary>\n");
    table(out, &data, true);
    if data.rows.len() < all {
        out.push_str(&format!("<p>{} of {all} rows, evenly chosen.</p>\n", data.rows.len()));
    }
    out.push_str("</details>\n</figure>\n");
}

fn what_to_do(out: &mut String, subject: &Subject, finding: &Finding, remedy: &Remedy) {
    out.push_str(&format!(
        "<h4>What to do</h4>\n<p>{}</p>\n",
        escaped(&words::sentence(&remedy.advice))
    ));
    if !remedy.rows.is_empty() {
        let rows: Vec<String> = remedy.rows.iter().map(u64::to_string).collect();
        let (shown, folded) = rows.split_at(rows.len().min(SHOWN_ROWS));
        out.push_str(&format!(
            "<p>Rows of the dataset, counted from 1: <span class=\"rows\">{}</span></p>\n",
            shown.join(", ")
        ));
        if !folded.is_empty() {
            out.push_str(&format!(
                "<details>\n<summary>{} more</summary>\n<p class=\"rows\">{}</p>\n</details>\n",
                folded.len(),
                folded.join(", ")
            ));
        }
    }
    if remedy.change.is_empty() {
        return;
    }
    out.push_str("<p>The change of the model's spec:</p>\n");
    code(out, "Change of the spec", &words::patch(&remedy.change));
    let refuted = finding.verification.as_ref().is_some_and(|v| v.verdict == Verdict::Refuted);
    if !refuted {
        out.push_str("<p>Train it, as a new model:</p>\n");
        code(out, "Command", &words::apply_command(subject, &finding.kind));
    }
}

fn code(out: &mut String, label: &str, code: &str) {
    out.push_str(&format!(
        "<pre tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><code>{}</code></pre>\n",
        escaped(code)
    ));
}

fn did_it_help(out: &mut String, report: &LimitationsReport, tried: &Verification) {
    let class = match tried.verdict {
        Verdict::Verified => "verified",
        Verdict::Refuted => "refuted",
        Verdict::Inconclusive => "inconclusive",
    };
    out.push_str(&format!(
        "<div class=\"tried {class}\">\n<h4>Did it help? <span class=\"verdict\">{}</span></h4>\n\
         <p>{} {}</p>\n<p>{}</p>\n",
        words::verdict(tried.verdict),
        words::in_practice(tried),
        words::verdict_sentence(tried.verdict),
        escaped(&words::verification(tried)),
    ));
    out.push_str("<details>\n<summary>The numbers</summary>\n");
    table(out, &tables::verification(report, tried), false);
    let tries = match tried.remedies_tried {
        1 => "It was the only remedy that was tried.".to_owned(),
        n => format!("{n} remedies were tried; the p-values are corrected for that."),
    };
    let changes: Vec<String> = tried.random_changes.iter().map(words::change).collect();
    let changes: Vec<String> = tried
        .seeds
        .iter()
        .zip(changes)
        .map(|(seed, change)| format!("<li>seed {seed}: {}</li>\n", escaped(&change)))
        .collect();
    out.push_str(&format!("<p>{tries}</p>\n"));
    if !changes.is_empty() {
        out.push_str(&format!("<p>The random changes:</p>\n<ul>\n{}</ul>\n", changes.concat()));
    }
    out.push_str("</details>\n</div>\n");
}

fn pending(out: &mut String, report: &LimitationsReport) {
    let findings: Vec<&Finding> = words::with_status(report, FindingStatus::Pending).collect();
    if findings.is_empty() {
        return;
    }
    out.push_str(
        "<section aria-labelledby=\"pending\">\n<h2 id=\"pending\">What is still being looked at</h2>\n\
         <ul class=\"plain\">\n",
    );
    findings.into_iter().for_each(|finding| item(out, finding));
    out.push_str("</ul>\n</section>\n");
}

fn item(out: &mut String, finding: &Finding) {
    out.push_str(&format!(
        "<li id=\"{}\"><strong>{}</strong> {}</li>\n",
        anchor(&finding.kind),
        escaped(&words::title(&finding.kind)),
        escaped(&words::sentence(&finding.statement)),
    ));
}

fn not_found(out: &mut String, report: &LimitationsReport) {
    let findings: Vec<&Finding> = words::with_status(report, FindingStatus::NotFound).collect();
    if findings.is_empty() {
        return;
    }
    out.push_str(
        "<section aria-labelledby=\"absent\">\n\
         <h2 id=\"absent\">What was not found, and how hard it looked</h2>\n",
    );
    for finding in findings {
        let id = anchor(&finding.kind);
        out.push_str(&format!(
            "<article class=\"absent\" id=\"{id}\" aria-labelledby=\"{id}-title\">\n\
             <h3 id=\"{id}-title\">{}</h3>\n<p>{}</p>\n",
            escaped(&words::title(&finding.kind)),
            escaped(&words::sentence(&finding.statement)),
        ));
        if let Some(reach) = words::reach(finding) {
            out.push_str(&format!("<p class=\"reach\">{}</p>\n", escaped(&reach)));
        }
        if !finding.evidence.is_empty() || finding.figure.is_some() {
            out.push_str("<details>\n<summary>What was measured</summary>\n");
            if let Some(figure) = &finding.figure {
                draw(out, figure, &id);
            }
            if !finding.evidence.is_empty() {
                table(out, &tables::evidence(report, finding), false);
            }
            out.push_str("</details>\n");
        }
        out.push_str("</article>\n");
    }
    out.push_str("</section>\n");
}

fn not_looked_at(out: &mut String, report: &LimitationsReport) {
    let unmeasured: Vec<&Finding> =
        words::with_status(report, FindingStatus::NotMeasured).collect();
    let rest = words::not_looked_at(report);
    if unmeasured.is_empty() && rest.is_empty() {
        return;
    }
    out.push_str(
        "<section aria-labelledby=\"unmeasured\">\n\
         <h2 id=\"unmeasured\">What was not looked at</h2>\n<ul class=\"plain\">\n",
    );
    unmeasured.into_iter().for_each(|finding| item(out, finding));
    for line in rest {
        out.push_str(&format!("<li>{}</li>\n", escaped(&words::sentence(line))));
    }
    out.push_str("</ul>\n</section>\n");
}

fn settings(out: &mut String, report: &LimitationsReport) {
    if report.settings.is_empty() {
        return;
    }
    out.push_str(&format!(
        "<section aria-labelledby=\"settings\">\n<h2 id=\"settings\">Which settings matter</h2>\n\
         <p>{}</p>\n",
        words::SETTINGS
    ));
    table(out, &tables::settings(report), false);
    out.push_str("</section>\n");
}

fn scope(out: &mut String, report: &LimitationsReport) {
    out.push_str(
        "<section aria-labelledby=\"scope\">\n<h2 id=\"scope\">What this rests on</h2>\n<dl \
         class=\"scope\">\n",
    );
    for (name, value) in tables::scope(report) {
        let value = escaped(&words::capital(&value));
        out.push_str(&format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    }
    out.push_str("</dl>\n");
    let probes = tables::probes(report);
    if !probes.rows.is_empty() {
        let trainings = words::count(probes.rows.len(), "training");
        out.push_str(&format!("<details>\n<summary>The {trainings}</summary>\n"));
        table(out, &probes, false);
        out.push_str("</details>\n");
    }
    out.push_str(&format!(
        "<h3>In a paragraph, for a model card</h3>\n<p>{}</p>\n</section>\n",
        escaped(&report.summary)
    ));
}

/// A table. On a narrow page, each row of one that is not `narrow` becomes a block whose cells are named
/// beside them; the roles keep it a table for those who hear it.
fn table(out: &mut String, table: &Table, narrow: bool) {
    let class = if narrow { "narrow" } else { "stacked" };
    let caption = escaped(&table.caption);
    out.push_str(&format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n\
         <table class=\"{class}\" role=\"table\">\n<caption>{caption}</caption>\n\
         <thead role=\"rowgroup\"><tr role=\"row\">"
    ));
    for name in &table.head {
        let name = escaped(name);
        out.push_str(&format!("<th scope=\"col\" role=\"columnheader\">{name}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for row in &table.rows {
        out.push_str("<tr role=\"row\">");
        for (at, (name, content)) in table.head.iter().zip(row).enumerate() {
            let (name, content) = (escaped(name), cell(content));
            out.push_str(&match at {
                0 => format!("<th scope=\"row\" role=\"rowheader\">{content}</th>"),
                _ if content.is_empty() => "<td class=\"empty\" role=\"cell\"></td>".to_owned(),
                _ => format!("<td role=\"cell\" data-label=\"{name}\"><span>{content}</span></td>"),
            });
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn cell(cell: &Cell) -> String {
    let part = |(text, link): &(String, Option<String>)| match link {
        Some(path) => format!("<a href=\"{}\">{}</a>", escaped(path), escaped(text)),
        None => escaped(text),
    };
    let parts: Vec<String> = cell.0.iter().map(part).collect();
    parts.join(", ")
}
