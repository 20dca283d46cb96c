//! Pages of a report with everything in it.

use super::html::{STYLE, html};
use super::markdown::markdown;
use super::sample::{hostile, report, subject};
use super::words;
use crate::diagnose::finding::{FindingStatus, Series, Verdict};
use crate::diagnose::report::LimitationsReport;

/// The page without its style.
fn page(report: &LimitationsReport, subject: &super::Subject) -> String {
    html(report, subject).replace(STYLE, "")
}

/// The elements of a page: names of the tags in order, or what is wrong with them.
fn elements(page: &str) -> Result<Vec<String>, String> {
    const VOID: &[&str] = &["meta", "!doctype"];
    let (mut open, mut all): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').ok_or("a tag without end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name: String =
            tag.trim_start_matches('/').chars().take_while(|c| !" />".contains(*c)).collect();
        let quotes = tag.bytes().filter(|byte| *byte == b'"').count();
        if quotes % 2 != 0 {
            return Err(format!("<{tag}>: quotes that do not end"));
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("</{name}> closes {last:?}")),
            }
        } else {
            all.push(name.clone());
            if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
                open.push(name);
            }
        }
    }
    if open.is_empty() { Ok(all) } else { Err(format!("{open:?} stay open")) }
}

/// The ids of a page.
fn ids(page: &str) -> Vec<&str> {
    page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_page_is_well_formed_and_asks_for_nothing() {
    let html = page(&report(), &subject());
    let elements = elements(&html).unwrap();
    for never in ["script", "link", "img", "iframe", "object", "form", "base"] {
        assert!(!elements.iter().any(|name| name == never), "{never}");
    }
    // Tags without the values of their attributes.
    let tags = html.split('<').filter_map(|rest| rest.split('>').next());
    let tags = tags.map(|tag| tag.split('"').step_by(2).collect::<Vec<_>>().concat());
    let tags: Vec<String> = tags.collect();
    for never in [" style=", " src=", " on"] {
        assert!(!tags.iter().any(|tag| tag.contains(never)), "{never}");
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'));
    // Headings go down one level at a time.
    let levels = elements.iter().filter_map(|name| name.strip_prefix('h')?.parse::<u8>().ok());
    let levels: Vec<u8> = levels.collect();
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1 && pair[1] > 1), "{levels:?}");
    // What is referred to is there, once.
    let mut ids = ids(&html);
    for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&target), "{target}");
    }
    for names in html.split("labelledby=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(names.split_whitespace().all(|name| ids.contains(&name)), "{names}");
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn the_check_of_pages_can_fail() {
    for broken in ["<p><b></p></b>", "<p>", "<p title=\"a\"b\">x</p>", "<p"] {
        assert!(elements(broken).is_err(), "{broken}");
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let (report, subject) = hostile();
    let html = page(&report, &subject);
    assert_eq!(
        elements(&html).unwrap(),
        elements(&page(&super::sample::report(), &super::sample::subject())).unwrap()
    );
    assert!(html.contains("&lt;script&gt;alert(&quot;x&quot;)"));
    assert!(!html.contains("alert(\"") && !html.contains('\u{202e}'), "{html}");

    let markdown = markdown(&report, &subject);
    let (mut fence, mut columns) = (String::new(), 0);
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|letter| *letter == '`').collect();
        if ticks.len() >= 3 && (fence.is_empty() || (ticks == fence && line == fence)) {
            fence = if fence.is_empty() { ticks } else { String::new() };
            continue;
        }
        if !fence.is_empty() {
            continue;
        }
        // What is neither escaped nor in a span of code would be markup.
        let bare = line.replace("\\\\", "").replace("\\`", "").replace("\\<", "");
        let bare: Vec<&str> = bare.split('`').step_by(2).collect();
        assert!(!bare.concat().contains('<'), "{line}");
        assert!(!line.starts_with("# b"), "{line}");
        // Rows of a table have its columns: no text adds one.
        let bars = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        if line.starts_with('|') {
            assert!(columns == 0 || bars == columns, "{columns}: {line}");
            columns = bars;
        } else {
            columns = 0;
        }
    }
    assert!(fence.is_empty());
}

#[test]
fn severity_comes_first_and_every_status_has_its_place() {
    for text in [page(&report(), &subject()), markdown(&report(), &subject())] {
        let parts = [
            "still running",
            "5 limitations found so far, of 7 that were looked for; one remedy was tried and helps",
            "What to do next",
            "Apply this",
            "What was found",
            "Target leak",
            "Severe",
            "Learning rate too high",
            "52 % of the model",
            "Too little data",
            "Moderate",
            "Network too small",
            "Mild",
            "Too much dropout",
            "less than 1 %",
            "What is still being looked at",
            "Unfamiliar topics",
            "What was not found, and how hard it looked",
            "an effect of 0.05 or more would have been seen",
            "What was not looked at",
            "Overconfident",
            "More seeds for this",
            "What this rests on",
            "9,598 for training",
            "/v1/runs/run_",
            "failed: the loss became infinite",
            "What the words mean",
        ];
        let mut from = 0;
        for part in parts {
            let at = text[from..].find(part);
            from += at.unwrap_or_else(|| panic!("no {part:?} after {:.300}", &text[from..]));
        }
        // What a finding says itself is not said twice.
        assert!(!text.contains("trainings worth 2.0"), "{text}");
    }
}

#[test]
fn a_verification_reads_as_a_sentence() {
    let report = report();
    let tried = |verdict: Verdict| {
        let mut tried = report.findings.iter().filter_map(|finding| finding.verification.as_ref());
        tried.find(|tried| tried.verdict == verdict).unwrap().clone()
    };
    let verified = tried(Verdict::Verified);
    assert_eq!(
        words::verification(&verified),
        "Tried with 3 seeds: accuracy 0.71 → 0.86 (difference 0.15, with 95 % confidence between 0.09 and \
         0.21); random changes of equal cost: 0.73. Verified."
    );
    assert_eq!(
        words::in_practice(&verified),
        "Of every 100 records, about 15 more are answered rightly (measured on 1,200 test records)."
    );
    let refuted = words::in_practice(&tried(Verdict::Refuted));
    assert!(refuted.starts_with("Of every 100 records, about 5 fewer"), "{refuted}");
    let mut error = verified;
    (error.metric, error.original, error.remedy) = ("mse".to_owned(), 2.0, 1.5);
    let falls = words::in_practice(&error);
    assert_eq!(falls, "The error falls by about 25 % (measured on 1,200 test records).");
    assert!(words::verification(&error).contains("mean squared error 2 → 1.5"));
}

#[test]
fn what_was_refuted_is_not_offered() {
    let report = report();
    let commands = |text: &str| text.matches("curl -X POST").count();
    // Of five findings three have a change, and one of these was refuted.
    assert_eq!(commands(&page(&report, &subject())), 2);
    assert_eq!(commands(&markdown(&report, &subject())), 2);
    assert_eq!(
        words::apply_command(&subject(), "it's"),
        "curl -X POST http://localhost:8080/v1/models/model_019ab3c1d2e37a4f8b6c5d4e3f2a1b0c/apply-remedy \
         \\\n  -H \"Authorization: Bearer $KEY\" \\\n  -H 'Content-Type: application/json' \\\n  -d \
         '{\"finding\":\"it'\\''s\",\"job\":\"job_019ab3c4e5f67a8b9c0d1e2f3a4b5c6d\"}'"
    );
}

#[test]
fn reports_without_findings_say_so() {
    let mut report = report();
    report.findings.retain(|finding| finding.status == FindingStatus::NotFound);
    report.complete = true;
    let html = page(&report, &subject());
    assert!(html.contains("No limitation found, of 2 that were looked for."), "{html}");
    assert!(html.contains("Nothing has to be done") && !html.contains("still running"));
    report.findings.clear();
    report.scope.probes.clear();
    report.complete = false;
    for text in [page(&report, &subject()), markdown(&report, &subject())] {
        assert!(text.contains("Nothing is known yet.") && text.contains("Wait: "), "{text}");
    }
    elements(&page(&report, &subject())).unwrap();
}

#[test]
fn figures_with_nothing_to_draw_or_too_much_do_no_harm() {
    let mut report = report();
    let with = |report: &mut LimitationsReport, points: Vec<[f64; 2]>| {
        for finding in &mut report.findings {
            if let Some(figure) = &mut finding.figure {
                figure.series = vec![Series { name: "a".to_owned(), points: points.clone() }];
            }
        }
        page(report, &subject())
    };
    let nan = with(&mut report, vec![[f64::NAN, 1.0], [1.0, f64::INFINITY]]);
    assert!(!nan.contains("<figure>"));
    let one = with(&mut report, vec![[0.0, 0.0]]);
    assert_eq!(one.matches("<polyline").count(), 0);
    let many = with(&mut report, (0..5000).map(|n| [n as f64, (n % 7) as f64]).collect());
    assert!(many.contains("100 of 5000 rows, evenly chosen"), "{}", many.len());
    assert!(many.len() < 200_000, "{}", many.len());
    // Two points over one place: a row for each.
    let scatter = with(&mut report, vec![[1.0, 1.0], [1.0, 2.0]]);
    assert!(scatter.contains("<figure>"));
    for page in [nan, one, many, scatter] {
        elements(&page).unwrap();
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
    }
}

#[test]
fn numbers_are_short_and_whole_ones_are_whole() {
    for (value, text) in [
        (0.0, "0"),
        (-0.0, "0"),
        (0.8625, "0.863"),
        (0.71, "0.71"),
        (9.996, "10"),
        (-0.15, "−0.15"),
        (9598.0, "9,598"),
        (1234.5, "1,234"),
        (1_234_567.0, "1,234,567"),
        (0.00012, "0.00012"),
        (1.5e-9, "1.5e-9"),
        (2e12, "2e12"),
        (f64::NAN, "not a number"),
    ] {
        assert_eq!(words::number(value), text);
    }
}

/// Writes the pages to look at: `WHEREOF_PAGES=/some/folder cargo test … -- --ignored pages_to_look_at`.
#[test]
#[ignore = "writes files, for eyes"]
#[expect(clippy::disallowed_methods, reason = "where to write is told from outside")]
fn pages_to_look_at() {
    let folder = std::path::PathBuf::from(std::env::var("WHEREOF_PAGES").unwrap());
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("report.html", html(&report(), &subject()));
    write("report.md", markdown(&report(), &subject()));
    let (hostile, of) = hostile();
    write("hostile.html", html(&hostile, &of));
    write("hostile.md", markdown(&hostile, &of));
}
