//! What was migrated once stays as it was: a data folder in the field has run these very files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use whereof::store::db::{Database, MIGRATIONS};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The migrations of the folder, by file name; `schema.sql` is their result and none of them.
fn files() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let migrations = entries.filter(|path| {
        path.extension().is_some_and(|e| e == "sql") && !path.ends_with("schema.sql")
    });
    let named = migrations.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    });
    named.collect()
}

/// Files that differ from their checksum, have none, or are gone. `checksums` is as sha256sum writes.
fn checksum_offences(files: &BTreeMap<String, String>, checksums: &str) -> Vec<String> {
    let known: BTreeMap<&str, &str> = checksums
        .lines()
        .filter_map(|line| line.split_once("  ").map(|(sum, file)| (file, sum)))
        .collect();
    let mut offences = Vec::new();
    for (file, text) in files {
        let sum = checksum(text);
        match known.get(file.as_str()) {
            Some(landed) if *landed == sum => {}
            Some(_) => offences.push(format!(
                "migrations/{file} was altered since it landed: restore it, and put the change into \
                 a new migration"
            )),
            None => offences.push(format!(
                "migrations/{file} has no checksum: once it is final, add the line `{sum}  {file}` \
                 to migrations/checksums.txt"
            )),
        }
    }
    for gone in known.keys().filter(|file| !files.contains_key(**file)) {
        offences.push(format!("migrations/{gone} is gone: restore it, data folders have run it"));
    }
    offences
}

/// Files that are not registered under their number and name, and registrations out of order.
fn registration_offences(
    files: &BTreeMap<String, String>,
    registered: &[(i64, &str, &str)],
) -> Vec<String> {
    let name = |(number, name, _): &(i64, &str, &str)| format!("{number:04}_{name}.sql");
    let mut offences = Vec::new();
    for (file, text) in files {
        match registered.iter().find(|entry| name(entry) == *file) {
            Some((_, _, sql)) if sql == text => {}
            Some(_) => offences.push(format!(
                "MIGRATIONS in src/store/db.rs runs another text as {file}: include that file there"
            )),
            None => offences.push(format!(
                "migrations/{file} is never run: name it NNNN_name.sql and add it to MIGRATIONS in \
                 src/store/db.rs"
            )),
        }
    }
    for (expected, entry) in (1..).zip(registered) {
        let file = name(entry);
        if entry.0 != expected || !files.contains_key(&file) {
            offences.push(format!(
                "MIGRATIONS in src/store/db.rs has {file} at place {expected}: number them from 1 \
                 without gaps, each a file of migrations/"
            ));
        }
    }
    offences
}

/// The schema after all migrations, one statement after the other, in order of name.
async fn schema() -> String {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("schema.db")).await.unwrap();
    let statements: Vec<String> = sqlx::query_scalar(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
         AND name NOT LIKE '_sqlx_%' ORDER BY tbl_name, type DESC, name",
    )
    .fetch_all(database.read())
    .await
    .unwrap();
    database.close().await;
    let statements = statements.iter().map(|statement| format!("{};\n", normalised(statement)));
    statements.collect::<Vec<_>>().join("\n")
}

/// Without comments, lines of white space, and spaces that only line columns up.
fn normalised(statement: &str) -> String {
    let mut lines = Vec::new();
    for line in statement.lines() {
        let code = line.split("--").next().unwrap_or("");
        let indent = if code.starts_with(' ') { "    " } else { "" };
        let words: Vec<&str> = code.split_whitespace().collect();
        if !words.is_empty() {
            lines.push(format!("{indent}{}", words.join(" ")));
        }
    }
    lines.join("\n")
}

#[track_caller]
fn none(offences: &[String]) {
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn migrations_that_landed_are_unaltered() {
    let checksums = std::fs::read_to_string(folder().join("checksums.txt")).unwrap_or_default();
    none(&checksum_offences(&files(), &checksums));
}

#[test]
fn every_migration_is_run() {
    none(&registration_offences(&files(), MIGRATIONS));
}

#[tokio::test]
async fn migrations_make_the_checked_in_schema() {
    let made = schema().await;
    let checked_in = std::fs::read_to_string(folder().join("schema.sql")).unwrap_or_default();
    if made != checked_in {
        let current = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schema.sql");
        std::fs::write(&current, &made).unwrap();
        panic!(
            "the migrations do not make migrations/schema.sql; if a new one is meant to change it, \
             look at `diff migrations/schema.sql {0}`, then `cp {0} migrations/schema.sql`",
            current.display()
        );
    }
}

#[test]
fn an_altered_a_new_and_a_missing_migration_are_offences() {
    let files = |text: &str| BTreeMap::from([("0001_a.sql".to_owned(), text.to_owned())]);
    let landed = format!("{}  0001_a.sql\n", checksum("CREATE"));
    assert_eq!(checksum_offences(&files("CREATE"), &landed), [""; 0]);
    assert!(checksum_offences(&files("ALTERED"), &landed)[0].contains("was altered"));
    assert!(checksum_offences(&files("CREATE"), "")[0].contains(landed.trim()));
    assert!(checksum_offences(&BTreeMap::new(), &landed)[0].contains("is gone"));
}

#[test]
fn an_unregistered_a_misplaced_and_another_text_are_offences() {
    let files = BTreeMap::from([("0001_a.sql".to_owned(), "CREATE".to_owned())]);
    assert_eq!(registration_offences(&files, &[(1, "a", "CREATE")]), [""; 0]);
    assert!(registration_offences(&files, &[])[0].contains("never run"));
    assert!(registration_offences(&files, &[(1, "a", "OTHER")])[0].contains("another text"));
    let gap = registration_offences(&files, &[(1, "a", "CREATE"), (3, "c", "")]);
    assert!(gap[0].contains("0003_c.sql at place 2"), "{gap:?}");
}

#[test]
fn normalising_keeps_the_statement() {
    let statement =
        "CREATE TABLE a (  -- the first\n    id   TEXT,\n\n    -- why\n    b  INTEGER\n)";
    assert_eq!(normalised(statement), "CREATE TABLE a (\n    id TEXT,\n    b INTEGER\n)");
}
