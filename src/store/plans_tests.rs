//! No query reads a whole table: every statement that stands in `store` is planned against an empty
//! database of the current schema.

use std::path::Path;

use sqlx::Row;

use super::*;
use crate::clock::SystemClock;
use crate::job::JobStatus;
use crate::store::jobs::JobFilter;

/// What may read a table or an index from one end to the other, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("FROM datasets\n", "a list, newest first, that ends at its limit"),
    ("FROM aliases WHERE $1 IS NULL", "a list in order of name that ends at its limit"),
    ("COUNT(*) AS count FROM jobs GROUP BY status", "the counts of /metrics, from an index alone"),
    ("DELETE FROM idempotency_keys WHERE created_at", "once an hour, over a day's keys"),
];

/// The statements of a source file: its string literals that begin as one.
fn statements(source: &str) -> Vec<String> {
    let begins = ["SELECT ", "UPDATE ", "DELETE ", "INSERT "];
    let literals = source.split('"').skip(1).step_by(2);
    let literals = literals.filter(|text| begins.iter().any(|word| text.starts_with(word)));
    // Those with braces are put together from parts; what comes of them is planned below.
    literals.filter(|text| !text.contains('{')).map(str::to_owned).collect()
}

/// The steps of a statement's plan that read all of a table.
async fn scans(store: &Store, sql: &str) -> Vec<String> {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(explain).fetch_all(store.db.read()).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let steps = rows.iter().map(|row| row.get::<String, _>("detail"));
    steps.filter(|step| step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW").collect()
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), SystemClock::shared()).await.unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let (mut planned, mut offences) = (0, Vec::new());
    for file in std::fs::read_dir(sources).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().ends_with("tests.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for sql in statements(code) {
            // What ends with a space is a part of one.
            if sql.ends_with(' ') || ALLOWED.iter().any(|(part, _)| sql.contains(part)) {
                continue;
            }
            planned += 1;
            let found = scans(&store, &sql).await;
            offences.extend(found.iter().map(|step| format!("{}: {step}: {sql}", path.display())));
        }
    }
    assert!(planned > 80, "only {planned} statements were found");
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// Lists walk an index from the newest on: they may scan that index, never sort, and never look through a
/// table for each row.
#[tokio::test]
async fn lists_walk_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), SystemClock::shared()).await.unwrap();
    let cursor = Cursor { time: 7, id: "x".to_owned() };
    let mut listings = Vec::new();
    for after in [None, Some(&cursor)] {
        for filter in [
            JobFilter::default(),
            JobFilter { status: Some(JobStatus::Failed), ..JobFilter::default() },
            JobFilter { kind: Some("sweep".to_owned()), ..JobFilter::default() },
            JobFilter { dataset: Some("ds_1".to_owned()), ..JobFilter::default() },
        ] {
            let plain = filter == JobFilter::default();
            listings.push((jobs::listing(&filter, after).0, plain.then_some("SCAN jobs")));
        }
        let runs = "SCAN runs USING INDEX runs_by_time";
        listings.push((runs::listing(None, after).0, Some(runs)));
        listings.push((runs::listing(Some(JobStatus::Failed), after).0, Some(runs)));
        let models = "SCAN models USING INDEX models_by_time";
        listings.push((models::listing(None, after).0, Some(models)));
        listings.push((models::listing(Some("name"), after).0, None));
    }
    for (sql, walked) in listings {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        for row in sqlx::query(explain).fetch_all(store.db.read()).await.unwrap() {
            let step: String = row.get("detail");
            assert!(!step.starts_with("USE TEMP B-TREE"), "{step}: {sql}");
            assert!(!step.starts_with("SCAN ") || Some(step.as_str()) == walked, "{step}: {sql}");
        }
    }
}

#[test]
fn statements_are_found() {
    let source = r#"f("SELECT a FROM b"); g("no statement"); h("SELECT {X}", "DELETE FROM c")"#;
    assert_eq!(statements(source), ["SELECT a FROM b", "DELETE FROM c"]);
}
