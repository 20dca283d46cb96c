//! The queue: a table, a claim in one statement, and a lease whose token fences every later write
//! of an attempt. No transaction stays open while a job runs.

use std::time::Duration;

use sqlx::Row;

use super::db::Transaction;
use super::events::{self, EventKind};
use super::jobs::{self, changed};
use super::json::{from_json, to_json};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::job::{EndRequest, Environment, Job, Seconds};
use crate::model::spec::{TrainSpec, Warning};

/// How long a claim holds without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(20);

/// A job that a worker has claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job.
    pub job: Job,
    /// What it is to do.
    pub spec: TrainSpec,
    /// The token that this attempt writes with.
    pub lease: String,
    /// Key of the checkpoint to go on from.
    pub checkpoint: Option<String>,
    /// Time that the attempts before this one took.
    pub spent: Seconds,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Progress {
    /// Share of the work done, in \[0, 1\].
    pub progress: f64,
    /// What it is busy with.
    pub phase: &'static str,
    /// Seconds until it ends, if it trains.
    pub eta_seconds: Option<f64>,
}

/// What was heard of an attempt since its progress was last recorded.
#[derive(Debug, Default)]
pub struct Told {
    /// Seconds that the attempt took so far.
    pub seconds: Option<Seconds>,
    /// The epochs that were done, as their events tell.
    pub epochs: Vec<serde_json::Value>,
    /// What was measured.
    pub chunks: Vec<super::metrics::Chunk>,
    /// All warnings of the job, if there are new ones.
    pub warnings: Option<Vec<Warning>>,
}

impl Told {
    /// Writes it. Followers are told of new warnings by the caller.
    pub(super) async fn write(
        &self,
        tx: &mut Transaction,
        claimed: &Claimed,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Self { seconds, epochs, chunks, warnings } = self;
        let Job { id, run, .. } = &claimed.job;
        if let Some(seconds) = seconds {
            sqlx::query("UPDATE runs SET seconds = $2 WHERE id = $1")
                .bind(run)
                .bind(to_json(&claimed.spent.plus(seconds))?)
                .execute(&mut **tx)
                .await?;
        }
        super::metrics::append(tx, run, chunks).await?;
        events::insert_all(tx, id, EventKind::Epoch, epochs, now).await?;
        if let Some(warnings) = warnings {
            sqlx::query("UPDATE jobs SET warnings = $2 WHERE id = $1")
                .bind(id)
                .bind(to_json(&warnings)?)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// Takes the oldest queued job, if there is one, and records where its attempt runs. A claim that a
    /// power cut takes back is claimed again.
    pub async fn claim(
        &self,
        worker: &str,
        place: impl Fn(&TrainSpec) -> Environment,
    ) -> Result<Option<Claimed>, StoreError> {
        let now = self.clock.now();
        let lease = self.ids.next("lease");
        let mut tx = self.db.begin().await?;
        let sql = jobs::returning(
            "UPDATE jobs SET
                 status = CASE end_requested WHEN 'cancel' THEN 'cancelling' ELSE 'running' END,
                 attempt = attempt + 1, lease = $1, lease_expires_at = $2, worker = $3,
                 started_at = COALESCE(started_at, $4), updated_at = $4, version = version + 1
             WHERE seq = (SELECT seq FROM jobs WHERE status = 'queued' ORDER BY seq LIMIT 1)",
        );
        let row = sqlx::query(sql)
            .bind(&lease)
            .bind(now.plus(LEASE).millis())
            .bind(worker)
            .bind(now.millis())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let job = jobs::job(&row)?;
        // An evaluation has no run.
        let run: String = row.try_get("run")?;
        let spec: String = row.try_get("spec")?;
        let spec: TrainSpec = from_json(&spec, "jobs", "spec", &job.id)?;
        let before = sqlx::query(
            "UPDATE runs SET environment = $2 WHERE id = $1 RETURNING checkpoint, seconds",
        )
        .bind(&run)
        .bind(to_json(&place(&spec))?)
        .fetch_optional(&mut *tx)
        .await?;
        let column = |name: &str| -> Result<Option<String>, sqlx::Error> {
            before.as_ref().map_or(Ok(None), |row| row.try_get(name))
        };
        let (checkpoint, spent) = (column("checkpoint")?, column("seconds")?);
        let spent = spent.map(|spent| from_json(&spent, "runs", "seconds", &run)).transpose()?;
        events::insert(&mut tx, &job.id, EventKind::Status, &job, now).await?;
        tx.commit_unsynced().await?;
        self.signals.job_changed(&job.id);
        let spent = spent.unwrap_or_default();
        Ok(Some(Claimed { job, spec, lease, checkpoint, spent }))
    }

    /// Keeps a claim alive; returns how the job was asked to end, if it was.
    pub async fn heartbeat(&self, id: &str, lease: &str) -> Result<Option<EndRequest>, StoreError> {
        let row = sqlx::query(
            "UPDATE jobs SET lease_expires_at = $3
             WHERE id = $1 AND lease = $2 AND status IN ('running', 'cancelling')
             RETURNING end_requested",
        )
        .bind(id)
        .bind(lease)
        .bind(self.clock.now().plus(LEASE).millis())
        .fetch_optional(self.db.write_unsynced())
        .await?;
        let row = row.ok_or(StoreError::LeaseLost)?;
        let requested: Option<String> = row.try_get("end_requested")?;
        Ok(requested.and_then(|name| EndRequest::parse(&name)))
    }

    /// How a claimed job was asked to end, if it was.
    pub async fn end_requested(
        &self,
        id: &str,
        lease: &str,
    ) -> Result<Option<EndRequest>, StoreError> {
        let requested: Option<Option<String>> = sqlx::query_scalar(
            "SELECT end_requested FROM jobs
             WHERE id = $1 AND lease = $2 AND status IN ('running', 'cancelling')",
        )
        .bind(id)
        .bind(lease)
        .fetch_optional(self.db.read())
        .await?;
        let requested = requested.ok_or(StoreError::LeaseLost)?;
        Ok(requested.and_then(|name| EndRequest::parse(&name)))
    }

    /// Records where a part of an attempt runs, such as a training of a sweep.
    pub async fn record_environment(
        &self,
        run: &str,
        environment: &Environment,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE runs SET environment = $2 WHERE id = $1")
            .bind(run)
            .bind(to_json(environment)?)
            .execute(self.db.write_unsynced())
            .await?;
        Ok(())
    }

    /// Records how far an attempt is, in one transaction with what it measured on the way. What a power
    /// cut takes back is done again from the last checkpoint.
    pub async fn record_progress(
        &self,
        claimed: &Claimed,
        progress: &Progress,
        told: &Told,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let id = &claimed.job.id;
        let mut tx = self.db.begin().await?;
        tell(&mut tx, claimed, progress, now).await?;
        told.write(&mut tx, claimed, now).await?;
        if told.warnings.is_some() {
            changed(&mut tx, id, now).await?;
        }
        events::insert(&mut tx, id, EventKind::Progress, progress, now).await?;
        tx.commit_unsynced().await?;
        self.signals.job_changed(id);
        Ok(())
    }

    /// Records a checkpoint whose file is stored.
    pub async fn record_checkpoint(
        &self,
        claimed: &Claimed,
        key: &str,
        (epoch, step): (u64, u64),
    ) -> Result<(), StoreError> {
        let update = sqlx::query(
            "UPDATE runs SET checkpoint = $3, checkpoint_step = $4, checkpoint_epoch = $5
             WHERE id = $1
             AND EXISTS (SELECT 1 FROM jobs WHERE jobs.run = runs.id AND jobs.lease = $2
                         AND jobs.status IN ('running', 'cancelling'))",
        )
        .bind(&claimed.job.run)
        .bind(&claimed.lease)
        .bind(key)
        .bind(step as i64)
        .bind(epoch as i64);
        fenced(self.db.execute(update).await?.rows_affected())
    }
}

pub(super) fn fenced(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
}

/// Writes how far an attempt is into its job. Fails where the attempt no longer holds it.
pub(super) async fn tell(
    tx: &mut Transaction,
    claimed: &Claimed,
    progress: &Progress,
    now: Timestamp,
) -> Result<(), StoreError> {
    let updated = sqlx::query(
        "UPDATE jobs SET progress = $3, phase = $4, eta_seconds = $5, updated_at = $6,
         version = version + 1
         WHERE id = $1 AND lease = $2 AND status IN ('running', 'cancelling')",
    )
    .bind(&claimed.job.id)
    .bind(&claimed.lease)
    .bind(progress.progress)
    .bind(progress.phase)
    .bind(progress.eta_seconds)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    fenced(updated.rows_affected())
}

/// Fails where the attempt no longer holds its job.
pub(super) async fn held(tx: &mut Transaction, claimed: &Claimed) -> Result<(), StoreError> {
    let held: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM jobs WHERE id = $1 AND lease = $2
         AND status IN ('running', 'cancelling')",
    )
    .bind(&claimed.job.id)
    .bind(&claimed.lease)
    .fetch_one(&mut **tx)
    .await?;
    fenced(held.unsigned_abs())
}
