//! What happened to a job, in order: what its followers are told, and told again when they come
//! back.

use serde::Serialize;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::db::Transaction;
use super::json::to_json;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// Kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The job's state changed; the data is the job.
    Status,
    /// Work went on; the data is progress, phase and time left. Dropped once the job has ended.
    Progress,
    /// An epoch was done; the data are its loss and validation metrics.
    Epoch,
    /// A training of a sweep went on; the data are its setting and values.
    Trial,
}

impl EventKind {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Progress => "progress",
            Self::Epoch => "epoch",
            Self::Trial => "trial",
        }
    }
}

/// An event as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEvent {
    /// Rises with time over all jobs.
    pub seq: i64,
    /// Its kind.
    pub kind: String,
    /// JSON.
    pub data: String,
}

pub(super) async fn insert(
    tx: &mut Transaction,
    job: &str,
    kind: EventKind,
    data: &impl Serialize,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO job_events (job, type, data, at) VALUES ($1, $2, $3, $4)")
        .bind(job)
        .bind(kind.name())
        .bind(to_json(data)?)
        .bind(at.millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Events that are written by one statement.
const TOGETHER: usize = 50;

/// Inserts events of one kind, in order.
pub(super) async fn insert_all(
    tx: &mut Transaction,
    job: &str,
    kind: EventKind,
    events: &[serde_json::Value],
    at: Timestamp,
) -> Result<(), StoreError> {
    for some in events.chunks(TOGETHER) {
        inserting(job, kind, some, at).build().execute(&mut **tx).await?;
    }
    Ok(())
}

fn inserting(
    job: &str,
    kind: EventKind,
    events: &[serde_json::Value],
    at: Timestamp,
) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::new("INSERT INTO job_events (job, type, data, at) ");
    insert.push_values(events, |mut row, data| {
        row.push_bind(job).push_bind(kind.name());
        row.push_bind(data.to_string()).push_bind(at.millis());
    });
    insert
}

impl Store {
    /// Events of a job after `after`, in order.
    pub async fn events(
        &self,
        job: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<JobEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, type, data FROM job_events WHERE job = $1 AND seq > $2
             ORDER BY seq LIMIT $3",
        )
        .bind(job)
        .bind(after)
        .bind(limit as i64)
        .fetch_all(self.db.read())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(JobEvent {
                    seq: row.try_get("seq")?,
                    kind: row.try_get("type")?,
                    data: row.try_get("data")?,
                })
            })
            .collect()
    }
}
