//! What is kept: rows in SQL by noun, files in the artifact store.
//!
//! SQL here is portable between SQLite and PostgreSQL (`$n` binds, plain types); what is not stands in
//! [`db`]. Private row types stay in their file; what comes out are domain types.

pub mod aliases;
pub mod artifacts;
mod continuations;
pub mod datasets;
pub mod db;
pub mod error;
pub mod evaluations;
pub mod events;
pub mod finish;
pub mod flagged_texts;
pub mod idempotency;
pub mod jobs;
mod json;
pub mod metrics;
pub mod models;
pub mod monitoring;
#[cfg(test)]
mod plans_tests;
pub mod queue;
mod reap;
pub mod references;
pub mod remedies;
pub mod reports;
pub mod runs;
pub mod signals;
pub mod sweeps;
pub mod training_table;

use std::path::Path;
use std::sync::Arc;

use crate::clock::SharedClock;
use crate::id::Ids;

pub use artifacts::Artifacts;
pub use db::Database;
pub use error::StoreError;
use references::References;
pub use signals::Signals;

/// A position in a list, newest first: everything after `(time, id)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Creation time of the last item seen, in milliseconds.
    pub time: i64,
    /// Its id.
    pub id: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Where the next page starts, if there is one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// From one item more than was asked for.
    fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let next = if items.len() > limit {
            items.truncate(limit);
            items.last().map(cursor)
        } else {
            None
        };
        Self { items, next }
    }
}

/// Name of the database's file.
const DATABASE: &str = "whereof.db";

/// Everything that is kept.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Database,
    /// Files.
    pub artifacts: Artifacts,
    /// Wakes those who wait for a job or for work.
    pub signals: Arc<Signals>,
    /// The time.
    pub clock: SharedClock,
    /// New ids.
    pub ids: Arc<Ids>,
    /// Held while a file and the rows that name it change together: content is shared by its hash,
    /// so that one may be removed while the same is being stored again.
    files: Arc<tokio::sync::Mutex<()>>,
    /// What references to models mean.
    references: Arc<References>,
    /// What was read last of small datasets.
    recent: Arc<training_table::Recent>,
}

impl Store {
    /// Whether a folder holds a store.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(DATABASE).is_file()
    }

    /// Opens the store in a folder, creating what is missing and bringing the schema up to date.
    pub async fn open(folder: &Path, clock: SharedClock) -> Result<Self, StoreError> {
        // What a process that died left half-written is of no use to anybody.
        Artifacts::clear_scratch(folder)?;
        Self::open_beside_server(folder, clock).await
    }

    /// Opens the store of a server that may be running.
    pub async fn open_beside_server(folder: &Path, clock: SharedClock) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)?;
        let db = Database::open(&folder.join(DATABASE)).await?;
        let artifacts = Artifacts::local(folder)?;
        let ids = Arc::new(Ids::new(clock.clone()));
        let references = Arc::new(References::new(db::log_of(&folder.join(DATABASE))));
        let (signals, files, recent) = Default::default();
        Ok(Self { db, artifacts, signals, clock, ids, files, references, recent })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(self.db.read()).await?;
        Ok(())
    }

    /// Waits until what was written so far is on disk.
    pub async fn synced(&self) -> Result<(), StoreError> {
        self.db.synced().await
    }

    /// Closes the database, writing everything back.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
