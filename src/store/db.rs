//! The database: one file of SQLite in WAL mode, many readers, one writer.
//!
//! SQLite itself does not wait for the disk at each commit. [`Transaction::commit`] does, beside the
//! connection: the next writer goes on meanwhile, and those who wait at the same time share one sync of the
//! write-ahead log. In between, others see what a power cut could still take back; nobody was told of it.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteQueryResult, SqliteSynchronous,
};
use sqlx::{Connection, SqlStr, Sqlite};

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
    (12, "lookups", include_str!("../../migrations/0012_lookups.sql")),
];

/// Files up to this size are checked whole when they are opened.
const CHECKED_BYTES: u64 = 64 << 20;
/// A connection is not closed because it was idle, nor because it is old.
const NEVER: Option<Duration> = None;

/// Connections to the database.
#[derive(Clone)]
pub struct Database {
    read: SqlitePool,
    write: SqlitePool,
    log: Arc<Log>,
}

/// Statements that change something together. Dropped without a commit, they change nothing.
pub struct Transaction {
    inner: sqlx::Transaction<'static, Sqlite>,
    log: Arc<Log>,
}

impl Transaction {
    /// Ends it. Once this returns, what it changed is on disk and survives a power cut.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        self.log.synced().await
    }

    /// Ends it without waiting for the disk: it survives the end of this process, and a power cut only
    /// if a later commit was waited for. For what would then just be done again.
    pub async fn commit_unsynced(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.inner
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}

/// The write-ahead log: every commit ends in it, so that its sync makes all of them durable.
struct Log {
    /// `None` where the file system has no write-ahead log; then SQLite syncs by itself.
    file: Option<tokio::fs::File>,
    /// Commits that asked for a sync.
    asked: AtomicU64,
    /// How many of them have been synced.
    done: tokio::sync::Mutex<u64>,
}

impl Log {
    /// Waits until what was committed before this call is on disk.
    async fn synced(&self) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.done.lock().await;
        if *done < ticket {
            // This covers all who have asked by now.
            let asked = self.asked.load(Ordering::SeqCst);
            file.sync_data().await?;
            *done = asked;
        }
        Ok(())
    }
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
            // What was answered with 202 survives a power cut: see `Transaction::commit`.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(20));
        let corrupt = |error: sqlx::Error| match sqlite_code(&error) {
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
                StoreError::Corrupt { path: path.display().to_string(), message: error.to_string() }
            }
            _ => StoreError::from(error),
        };
        // With its last connection SQLite removes the write-ahead log, and the next one makes another: the
        // file that is synced stays the right one because connections never end by themselves.
        let pool = || SqlitePoolOptions::new().idle_timeout(NEVER).max_lifetime(NEVER);
        let write = pool()
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
        let log = log_of(path);
        // The file is there as soon as the database is open.
        let file = match std::fs::File::options().write(true).open(&log) {
            Ok(file) => Some(tokio::fs::File::from_std(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!(log = %log.display(), "no write-ahead log; every commit waits for the disk");
                write.set_connect_options(options.clone().synchronous(SqliteSynchronous::Full));
                sqlx::query("PRAGMA synchronous = FULL").execute(&write).await?;
                None
            }
            Err(error) => return Err(error.into()),
        };
        let read = pool()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(options.create_if_missing(false))
            .await
            .map_err(corrupt)?;
        let log = Log { file, asked: AtomicU64::new(0), done: tokio::sync::Mutex::new(0) };
        Ok(Self { read, write, log: Arc::new(log) })
    }

    /// For queries that change nothing.
    pub fn read(&self) -> &SqlitePool {
        &self.read
    }

    /// Runs a single statement that changes something. Once this returns, the change is on disk.
    pub async fn execute(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<SqliteQueryResult, StoreError> {
        let done = query.execute(&self.write).await?;
        self.log.synced().await?;
        Ok(done)
    }

    /// Waits until what was written so far is on disk.
    pub async fn synced(&self) -> Result<(), StoreError> {
        self.log.synced().await
    }

    /// For single statements whose loss by a power cut costs nothing, as in
    /// [`Transaction::commit_unsynced`]. There is one connection, so writers take turns.
    pub fn write_unsynced(&self) -> &SqlitePool {
        &self.write
    }

    /// For several statements that change something together. Takes the write lock at once, so that
    /// what it reads cannot change under it.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        let inner = self.write.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Transaction { inner, log: self.log.clone() })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// The write-ahead log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_commits_waits_for_a_sync_that_began_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("a.db")).await.unwrap();
        assert!(database.log.file.is_some(), "the write-ahead log was not found");
        let commit = |n: i64| {
            let database = database.clone();
            async move {
                let mut tx = database.begin().await.unwrap();
                let insert =
                    sqlx::query("INSERT INTO idempotency_keys VALUES ($1, '', '', 1, '', '', 1)");
                insert.bind(n).execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                // Its own ticket is among those that were served.
                *database.log.done.lock().await
            }
        };
        let commits: Vec<_> = (0..20).map(|n| tokio::spawn(commit(n))).collect();
        for (before, commit) in commits.into_iter().enumerate() {
            assert!(commit.await.unwrap() > 0, "{before} did not wait");
        }
        assert_eq!(*database.log.done.lock().await, database.log.asked.load(Ordering::SeqCst));
        let mut unsynced = database.begin().await.unwrap();
        sqlx::query("DELETE FROM idempotency_keys").execute(&mut *unsynced).await.unwrap();
        unsynced.commit_unsynced().await.unwrap();
        assert_eq!(*database.log.done.lock().await, 20);
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM idempotency_keys")
            .fetch_one(database.read())
            .await
            .unwrap();
        assert_eq!(left, 0);
    }
}
