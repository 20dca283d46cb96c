//! What can go wrong with what is kept.

use crate::data::error::is_storage_full;
use crate::problem::{Code, Problem};

/// Why the store did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing of that kind has that id.
    #[error("no {what} named {id:?}")]
    NotFound {
        /// The kind.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// The state does not allow it.
    #[error("{message}")]
    Conflict {
        /// The state and what it allows.
        message: String,
        /// What to do.
        hint: &'static str,
    },
    /// Something that has not ended needs it.
    #[error("{message}")]
    InUse {
        /// What needs it.
        message: String,
        /// What to do.
        hint: &'static str,
    },
    /// A job has made no model.
    #[error("the job {job} has no model: it is {status}")]
    NoModel {
        /// The job.
        job: String,
        /// Where it stands.
        status: String,
        /// Whether nothing more will come of it.
        ended: bool,
    },
    /// The queue holds as many jobs as it may.
    #[error("the queue holds {queued} jobs, as many as it may")]
    QueueFull {
        /// Jobs queued.
        queued: i64,
    },
    /// The idempotency key was used with another request.
    #[error("the idempotency key {key:?} was used with another request")]
    IdempotencyMismatch {
        /// The key.
        key: String,
    },
    /// A request with the same idempotency key came first, at the same moment; this one changed
    /// nothing. Recall its answer.
    #[error("a request with the same idempotency key was just answered")]
    KeyTaken,
    /// An attempt lost its lease: another worker has the job, or the job has ended.
    #[error("the lease was lost")]
    LeaseLost,
    /// A row contradicts what the code knows.
    #[error("table {table}, row {id}: column {column} is inconsistent: {message}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
        /// What is wrong.
        message: String,
    },
    /// A file that a row names is not there.
    #[error("the file {key:?} is missing")]
    ArtifactMissing {
        /// Its key.
        key: String,
    },
    /// A file's bytes are not those that were written.
    #[error("the file {key:?} is damaged: its hash does not match its name")]
    ArtifactDamaged {
        /// Its key.
        key: String,
    },
    /// No space is left.
    #[error("no space is left in the data folder")]
    Full,
    /// The database file is no database, or damaged.
    #[error("the database {path} is damaged or is no database: {message}")]
    Corrupt {
        /// The file.
        path: String,
        /// What SQLite says.
        message: String,
    },
    /// The database was made by a newer version.
    #[error("the database's schema does not fit this version of Whereof: {message}")]
    Schema {
        /// What does not fit.
        message: String,
    },
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
    /// The file store failed.
    #[error("the file store failed: {0}")]
    Files(object_store::Error),
    /// A file operation failed.
    #[error("a file operation failed: {0}")]
    Io(std::io::Error),
}

/// SQLite's primary result codes that have a meaning of their own here.
const SQLITE_FULL: i64 = 13;
pub(super) const SQLITE_CORRUPT: i64 = 11;
pub(super) const SQLITE_NOTADB: i64 = 26;

/// The primary result code of an SQLite error.
pub(super) fn sqlite_code(error: &sqlx::Error) -> Option<i64> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i64>().ok().map(|extended| extended & 0xff)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match sqlite_code(&error) {
            Some(SQLITE_FULL) => Self::Full,
            _ => Self::Database(error),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        if is_storage_full(&error) { Self::Full } else { Self::Io(error) }
    }
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        if let object_store::Error::NotFound { path, .. } = &error {
            return Self::ArtifactMissing { key: path.clone() };
        }
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = source {
            if inner.downcast_ref::<std::io::Error>().is_some_and(is_storage_full) {
                return Self::Full;
            }
            source = inner.source();
        }
        Self::Files(error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound { what, id } => Problem::not_found(what, &id),
            StoreError::Conflict { message, hint } => {
                Problem::new(Code::Conflict, message).hint(hint)
            }
            StoreError::InUse { message, hint } => Problem::new(Code::InUse, message).hint(hint),
            StoreError::NoModel { job, ended: false, .. } => {
                Problem::new(Code::ModelNotReady, message).hint(format!(
                    "follow it with GET /v1/jobs/{job}/events, which ends when the job does"
                ))
            }
            StoreError::NoModel { ended: true, .. } => {
                Problem::new(Code::NotFound, message).hint("submit the job again, or name a model")
            }
            StoreError::QueueFull { .. } => {
                Problem::new(Code::TooManyJobs, message).retry_after(10)
            }
            StoreError::IdempotencyMismatch { .. } => {
                Problem::new(Code::IdempotencyMismatch, message)
                    .hint("use a new key for a new request")
            }
            StoreError::KeyTaken => Problem::new(Code::Conflict, message)
                .hint("send the request again to have that answer"),
            StoreError::Full => Problem::new(Code::StorageFull, message)
                .hint("free disk space; what was stored before is intact"),
            StoreError::ArtifactMissing { .. } | StoreError::ArtifactDamaged { .. } => {
                tracing::error!(%message, "a stored file cannot be used");
                Problem::new(Code::ArtifactMissing, "a stored file is missing or damaged")
            }
            StoreError::LeaseLost
            | StoreError::Inconsistent { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Schema { .. }
            | StoreError::Database(_)
            | StoreError::Files(_)
            | StoreError::Io(_) => {
                tracing::error!(error = %message, "the store failed");
                Problem::new(Code::Internal, "the server failed to read or write its store")
            }
        }
    }
}
