//! Numbers and verdicts in words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Subject;
use crate::diagnose::finding::{Area, Finding, FindingStatus, Verdict, Verification};
use crate::diagnose::report::LimitationsReport;

/// How bad a limitation is, in a word. The bounds are shares of the model's errors.
pub fn severity(severity: f64) -> &'static str {
    match severity {
        s if s >= 0.5 => "severe",
        s if s >= 0.2 => "moderate",
        _ => "mild",
    }
}

/// What a severity means, in a sentence.
pub fn severity_sentence(severity: f64) -> String {
    let percent = (100.0 * severity).round();
    if severity >= 1.0 {
        "It accounts for all of the model's errors, or makes the errors that were measured untrue."
            .to_owned()
    } else if percent < 1.0 {
        "It accounts for less than 1 % of the model's errors.".to_owned()
    } else {
        format!("It accounts for about {percent:.0} % of the model's errors.")
    }
}

/// What an area is about, in a few words.
pub fn area(area: Area) -> &'static str {
    match area {
        Area::Generalization => "Unfamiliar records",
        Area::Data => "The data",
        Area::Capacity => "The size of the network",
        Area::Optimization => "How it was trained",
        Area::Confidence => "Its confidence",
    }
}

/// The name of a limitation as a heading: `learning_rate_too_high` is "Learning rate too high".
pub fn title(kind: &str) -> String {
    capital(&kind.replace('_', " "))
}

/// A text with a capital first letter.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A text as a sentence: a capital first letter, a full stop at the end.
pub fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.is_empty() || text.ends_with(['.', '!', '?', ':']) { text } else { format!("{text}.") }
}

/// "1 seed", "3 seeds".
pub fn count(n: usize, of: &str) -> String {
    format!("{} {of}{}", number(n as f64), if n == 1 { "" } else { "s" })
}

/// A number with three significant digits, whole numbers with all of theirs, thousands apart.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "not a number".to_owned();
    }
    let size = value.abs();
    let digits = if size == 0.0 {
        "0".to_owned()
    } else if !(1e-6..1e9).contains(&size) {
        let text = format!("{size:.2e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{exponent}", trimmed(mantissa))
    } else if size.fract() == 0.0 || size >= 1000.0 {
        grouped(&format!("{size:.0}"))
    } else {
        // Rounding may add a digit before the point: 9.996 is 10.
        let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
        trimmed(&format!("{size:.decimals$}")).to_owned()
    };
    if value < 0.0 && digits != "0" { format!("−{digits}") } else { digits }
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A value that may not be there.
pub fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "could not be measured".to_owned(), number)
}

/// "between 0.09 and 0.21".
pub fn between([low, high]: [f64; 2]) -> String {
    format!("between {} and {}", number(low), number(high))
}

/// What is compared, in words.
pub fn metric(name: &str) -> &str {
    match name {
        "mse" => "mean squared error",
        other => other,
    }
}

/// What came of trying a remedy, in a word.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "Verified",
        Verdict::Refuted => "Refuted",
        Verdict::Inconclusive => "Inconclusive",
    }
}

/// What a verdict means.
pub fn verdict_sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => {
            "It did better than the model's own settings, by more than chance explains, and better than \
             random changes."
        }
        Verdict::Refuted => {
            "It did worse than the model's own settings, or than random changes: leave it."
        }
        Verdict::Inconclusive => {
            "Whether it helps could not be told: the difference may be chance."
        }
    }
}

/// What the remedy did when it was tried, with the numbers.
pub fn verification(verification: &Verification) -> String {
    let Verification { seeds, metric: of, original, remedy, random_change, .. } = verification;
    let against = &verification.against_original;
    let lacking = match verification.lacking.as_slice() {
        [] => String::new(),
        columns => format!(
            " on test records in which {} {} shuffled, as if not known yet",
            columns.join(", "),
            if columns.len() == 1 { "is" } else { "are" }
        ),
    };
    let lacking = match verification.labelled {
        Some(labelled) => format!(
            ", with {} of these records labelled and added to training, and measured on the others",
            number(labelled as f64)
        ),
        None => lacking,
    };
    format!(
        "Tried with {}{lacking}: {} {} → {} (difference {}, with 95 % confidence {}); random changes of equal \
         cost: {}. {}.",
        count(seeds.len(), "seed"),
        metric(of),
        number(*original),
        number(*remedy),
        number(against.difference),
        between(against.interval),
        number(*random_change),
        verdict(verification.verdict),
    )
}

/// What that means for whoever uses the model.
pub fn in_practice(verification: &Verification) -> String {
    let Verification { original, remedy, against_original, records, .. } = verification;
    let difference = against_original.difference;
    let tested = count(*records, "test record");
    if verification.metric == "accuracy" {
        let hundred = (100.0 * difference).abs();
        let amount = if hundred < 0.95 { number(hundred) } else { format!("{hundred:.0}") };
        let more = if difference >= 0.0 { "more" } else { "fewer" };
        return format!(
            "Of every 100 records, about {amount} {more} are answered rightly (measured on {tested})."
        );
    }
    let (change, way) =
        ((remedy - original).abs(), if remedy < original { "falls" } else { "rises" });
    if *original > 0.0 {
        let percent = 100.0 * change / original;
        let percent =
            if percent < 0.95 { number(percent) } else { grouped(&format!("{percent:.0}")) };
        format!("The error {way} by about {percent} % (measured on {tested}).")
    } else {
        format!("The error {way} by {} (measured on {tested}).", number(change))
    }
}

/// The smallest effect that would have been seen, as a sentence.
pub fn reach(finding: &Finding) -> Option<String> {
    let smallest = number(finding.smallest_effect?);
    let of = finding.evidence.first().map(|measured| measured.name.as_str());
    Some(match of {
        Some(name) => format!(
            "How hard it looked: an effect of {smallest} or more would have been seen, in the measure \
             “{name}”. A smaller one would not."
        ),
        None => format!(
            "How hard it looked: an effect of {smallest} or more would have been seen. A smaller one \
             would not."
        ),
    })
}

/// A value of a spec: numbers as people write them, the rest as JSON.
pub fn setting(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => self::number(number),
        _ => value.to_string(),
    }
}

/// Fields of a spec and what they are set to.
pub fn change(change: &BTreeMap<String, Value>) -> String {
    let fields: Vec<String> =
        change.iter().map(|(path, value)| format!("{path} = {}", setting(value))).collect();
    fields.join(", ")
}

/// A patch of the spec, as JSON to read.
pub fn patch(change: &BTreeMap<String, Value>) -> String {
    format!("{:#}", json!(change))
}

/// The line of a shell that trains the remedy of a finding.
pub fn apply_command(subject: &Subject, finding: &str) -> String {
    let body = json!({"finding": finding, "job": subject.diagnosis}).to_string();
    let url = format!("{}/v1/models/{}/apply-remedy", subject.server, path_part(&subject.id));
    let key = if subject.needs_key { " \\\n  -H \"Authorization: Bearer $KEY\"" } else { "" };
    let url = quoted(&url);
    let body = quoted(&body);
    format!("curl -X POST {url}{key} \\\n  -H 'Content-Type: application/json' \\\n  -d {body}")
}

/// A word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A part of a path of a URL.
pub fn path_part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The findings of a report with a status, in its order.
pub fn with_status(
    report: &LimitationsReport,
    status: FindingStatus,
) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(move |finding| finding.status == status)
}

/// What was not looked at beside the findings that say so themselves.
pub fn not_looked_at(report: &LimitationsReport) -> Vec<&str> {
    let told = |line: &str| {
        with_status(report, FindingStatus::NotMeasured).any(|finding| {
            line.strip_prefix(finding.kind.as_str()).is_some_and(|rest| rest.starts_with(": "))
        })
    };
    let lines = report.scope.not_looked_at.iter().map(String::as_str);
    lines.filter(|line| !told(line)).collect()
}

/// The findings in a line: how many, and how many remedies helped.
pub fn headline(report: &LimitationsReport) -> String {
    let found: Vec<&Finding> = report.found().collect();
    let looked = found.len() + with_status(report, FindingStatus::NotFound).count();
    let helped = |finding: &&&Finding| {
        finding.verification.as_ref().is_some_and(|v| v.verdict == Verdict::Verified)
    };
    let helped = found.iter().filter(helped).count();
    let of = format!("of {} that {} looked for", looked, if looked == 1 { "was" } else { "were" });
    let so_far = if report.complete { "" } else { " so far" };
    let found = match found.len() {
        0 if looked == 0 => return "Nothing is known yet".to_owned(),
        0 => format!("No limitation found{so_far}, {of}"),
        n => format!("{} found{so_far}, {of}", count(n, "limitation")),
    };
    match helped {
        0 => found,
        1 => format!("{found}; one remedy was tried and helps"),
        n => format!("{found}; {n} remedies were tried and help"),
    }
}

/// What the table of settings is.
pub const SETTINGS: &str = "What each change that was tried, for whatever reason, did to the errors on the \
                            validation records. The largest effects come first, those that may be chance \
                            last. Of twenty settings that do nothing, one seems to matter all the same.";

/// What the report's words mean.
pub const TERMS: &[(&str, &str)] = &[
    (
        "Limitation",
        "something that keeps the model from doing better, and that was measured rather than guessed.",
    ),
    (
        "Severity",
        "the share of the model's errors that go away without the limitation: mild below 20 %, moderate \
         from 20 %, severe from 50 % on.",
    ),
    (
        "Training, validation and test records",
        "training records teach the model; validation records choose between settings; test records are \
         kept apart and only judge what was chosen.",
    ),
    (
        "Seed",
        "where the dice of a training start. The same settings with another seed end a little \
         differently, so each comparison is repeated over several.",
    ),
    (
        "With 95 % confidence between",
        "the true value is somewhere in this range, unless chance played an unusual trick, as it does once \
         in twenty times. A wide range means that little is known.",
    ),
    (
        "Random change",
        "a setting changed by the roll of dice, at the same cost. A remedy has to beat it: some change \
         often helps a little, and that proves nothing.",
    ),
    (
        "p-value",
        "how often chance alone would give a difference this large. It counts as more than chance below \
         0.05, after correcting for the number of remedies tried.",
    ),
];
