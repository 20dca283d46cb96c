//! The database: one file of SQLite in WAL mode, many readers, one writer.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, SqlStr, Sqlite, Transaction};

use super::StoreError;
use super::error::{SQLITE_CORRUPT, SQLITE_NOTADB, sqlite_code};

/// The schema's history. A file is never edited once it has landed; a change is a new file here.
pub const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../../migrations/0001_initial.sql")),
    (2, "generator", include_str!("../../migrations/0002_generator.sql")),
    (3, "range_test", include_str!("../../migrations/0003_range_test.sql")),
    (4, "test_results", include_str!("../../migrations/0004_test_results.sql")),
    (5, "sweeps", include_str!("../../migrations/0005_sweeps.sql")),
    (6, "extensions", include_str!("../../migrations/0006_extensions.sql")),
    (7, "monitoring", include_str!("../../migrations/0007_monitoring.sql")),
    (8, "evaluations", include_str!("../../migrations/0008_evaluations.sql")),
    (9, "reports", include_str!("../../migrations/0009_reports.sql")),
    (10, "run_warnings", include_str!("../../migrations/0010_run_warnings.sql")),
    (11, "flagged_texts", include_str!("../../migrations/0011_flagged_texts.sql")),
];

/// Files up to this size are checked whole when they are opened.
const CHECKED_BYTES: u64 = 64 << 20;

/// Connections to the database.
#[derive(Clone)]
pub struct Database {
    read: SqlitePool,
    write: SqlitePool,
}

impl Database {
    /// Opens the file, creating it if it is missing, and brings the schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let existing = std::fs::metadata(path).map_or(0, |m| m.len());
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was answered with 202 survives a power cut, not only a crash.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(20));
        let corrupt = |error: sqlx::Error| match sqlite_code(&error) {
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
                StoreError::Corrupt { path: path.display().to_string(), message: error.to_string() }
            }
            _ => StoreError::from(error),
        };
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            // A commit that failed, as on a full disk, leaves a connection that believes itself in a
            // transaction; it would refuse every later one.
            .before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(options.clone())
            .await
            .map_err(corrupt)?;
        if (1..=CHECKED_BYTES).contains(&existing) {
            check(&write, path).await.map_err(|e| match e {
                StoreError::Database(error) => corrupt(error),
                other => other,
            })?;
        }
        migrator().run(&write).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => corrupt(error),
            other => StoreError::Schema { message: other.to_string() },
        })?;
        let read = SqlitePoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(options.create_if_missing(false))
            .await
            .map_err(corrupt)?;
        Ok(Self { read, write })
    }

    /// For queries that change nothing.
    pub fn read(&self) -> &SqlitePool {
        &self.read
    }

    /// For single statements that change something. There is one connection, so writers take turns.
    pub fn write(&self) -> &SqlitePool {
        &self.write
    }

    /// For several statements that change something together. Takes the write lock at once, so that
    /// what it reads cannot change under it.
    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

async fn check(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: path.display().to_string(), message: found })
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, description, sql)| {
        let sql = SqlStr::from_static(sql);
        Migration::new(*version, (*description).into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}
