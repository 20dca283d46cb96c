//! The queue: a table, a claim in one statement, and a lease whose token fences every later write
//! of an attempt. No transaction stays open while a job runs.

use std::time::Duration;

use sqlx::{Row, Sqlite, Transaction};

use super::events::{self, EventKind};
use super::jobs::changed;
use super::json::{from_json, to_json};
use super::models::NewModel;
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::job::evaluate::EvaluateResponse;
use crate::job::{EndRequest, Environment, Job, JobStatus, Seconds};
use crate::learn::range_test::RangeTested;
use crate::model::card::Card;
use crate::model::spec::{TrainSpec, Warning};
use crate::model::test_results::TestResults;
use crate::problem::Problem;

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
pub struct Told<'a> {
    /// The epochs that were done, as their events tell.
    pub epochs: &'a [serde_json::Value],
    /// What was measured.
    pub chunks: Vec<super::metrics::Chunk>,
    /// All warnings of the job, if there are new ones.
    pub warnings: Option<&'a [Warning]>,
}

/// How an attempt ended.
pub enum Ending<'a> {
    /// With a model, whose file is stored.
    Model {
        /// The model.
        model: Box<NewModel<'a>>,
        /// What it gave for each test record, if there are any.
        test: Option<&'a TestResults>,
        /// What the run did.
        steps: u64,
        /// Whole epochs of the state that is kept under `Store::state_key`, if one is.
        kept: Option<u64>,
        /// Time spent.
        seconds: &'a Seconds,
        /// Whether it was stopped before it was done.
        stopped: bool,
    },
    /// With the curve of a range test.
    RangeTest {
        /// What it found.
        tested: &'a RangeTested,
        /// What the user should know.
        warnings: &'a [Warning],
        /// Time spent.
        seconds: &'a Seconds,
    },
    /// With the report of a diagnosis, which is kept already.
    Report {
        /// What the user should know.
        warnings: &'a [Warning],
        /// Whether it was stopped before it was done.
        stopped: bool,
        /// Time spent.
        seconds: &'a Seconds,
    },
    /// With the report of an evaluation.
    Evaluation {
        /// The report.
        report: &'a EvaluateResponse,
        /// Whether it was stopped before it was done.
        stopped: bool,
    },
    /// Without any of them.
    Failed(&'a Problem),
    /// Because it was asked to.
    Cancelled,
    /// Because this process stops; the job goes back to the queue and the attempt does not count.
    Released,
}

impl Store {
    /// Takes the oldest queued job, if there is one.
    pub async fn claim(&self, worker: &str) -> Result<Option<Claimed>, StoreError> {
        let now = self.clock.now();
        let lease = self.ids.next("lease");
        let mut tx = self.db.begin().await?;
        let row = sqlx::query(
            "UPDATE jobs SET
                 status = CASE end_requested WHEN 'cancel' THEN 'cancelling' ELSE 'running' END,
                 attempt = attempt + 1, lease = $1, lease_expires_at = $2, worker = $3,
                 started_at = COALESCE(started_at, $4), updated_at = $4, version = version + 1
             WHERE seq = (SELECT seq FROM jobs WHERE status = 'queued' ORDER BY seq LIMIT 1)
             RETURNING id, run, spec",
        )
        .bind(&lease)
        .bind(now.plus(LEASE).millis())
        .bind(worker)
        .bind(now.millis())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, run): (String, String) = (row.try_get("id")?, row.try_get("run")?);
        let spec: String = row.try_get("spec")?;
        let spec = from_json(&spec, "jobs", "spec", &id)?;
        // An evaluation has no run.
        let before = sqlx::query("SELECT checkpoint, seconds FROM runs WHERE id = $1")
            .bind(&run)
            .fetch_optional(&mut *tx)
            .await?;
        let column = |name: &str| -> Result<Option<String>, sqlx::Error> {
            before.as_ref().map_or(Ok(None), |row| row.try_get(name))
        };
        let (checkpoint, spent) = (column("checkpoint")?, column("seconds")?);
        let spent = spent.map(|spent| from_json(&spent, "runs", "seconds", &run)).transpose()?;
        let job = changed(&mut tx, &id, now).await?;
        tx.commit().await?;
        self.signals.job_changed(&id);
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
        .fetch_optional(self.db.write())
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

    /// Records where an attempt runs.
    pub async fn record_environment(
        &self,
        run: &str,
        environment: &Environment,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE runs SET environment = $2 WHERE id = $1")
            .bind(run)
            .bind(to_json(environment)?)
            .execute(self.db.write())
            .await?;
        Ok(())
    }

    /// Records how far an attempt is and the seconds it took so far, in one transaction with what it
    /// measured on the way.
    pub async fn record_progress(
        &self,
        claimed: &Claimed,
        progress: &Progress,
        seconds: &Seconds,
        told: Told<'_>,
    ) -> Result<(), StoreError> {
        let Told { epochs, chunks, warnings } = told;
        let now = self.clock.now();
        let id = &claimed.job.id;
        let mut tx = self.db.begin().await?;
        tell(&mut tx, claimed, progress, now).await?;
        sqlx::query("UPDATE runs SET seconds = $2 WHERE id = $1")
            .bind(&claimed.job.run)
            .bind(to_json(&claimed.spent.plus(seconds))?)
            .execute(&mut *tx)
            .await?;
        super::metrics::append(&mut tx, &claimed.job.run, chunks).await?;
        for epoch in epochs {
            events::insert(&mut tx, id, EventKind::Epoch, epoch, now).await?;
        }
        if let Some(warnings) = warnings {
            sqlx::query("UPDATE jobs SET warnings = $2 WHERE id = $1")
                .bind(id)
                .bind(to_json(&warnings)?)
                .execute(&mut *tx)
                .await?;
            changed(&mut tx, id, now).await?;
        }
        events::insert(&mut tx, id, EventKind::Progress, progress, now).await?;
        tx.commit().await?;
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
        let updated = sqlx::query(
            "UPDATE runs SET checkpoint = $3, checkpoint_step = $4, checkpoint_epoch = $5
             WHERE id = $1
             AND EXISTS (SELECT 1 FROM jobs WHERE jobs.run = runs.id AND jobs.lease = $2
                         AND jobs.status IN ('running', 'cancelling'))",
        )
        .bind(&claimed.job.run)
        .bind(&claimed.lease)
        .bind(key)
        .bind(step as i64)
        .bind(epoch as i64)
        .execute(self.db.write())
        .await?;
        fenced(updated.rows_affected())
    }

    /// Ends an attempt: job, run and model change together or not at all.
    pub async fn finish(&self, claimed: &Claimed, ending: Ending<'_>) -> Result<Job, StoreError> {
        let now = self.clock.now();
        let id = &claimed.job.id;
        let mut tx = self.db.begin().await?;
        let requested: Option<Option<String>> = sqlx::query_scalar(
            "SELECT end_requested FROM jobs
             WHERE id = $1 AND lease = $2 AND status IN ('running', 'cancelling')",
        )
        .bind(id)
        .bind(&claimed.lease)
        .fetch_optional(&mut *tx)
        .await?;
        let requested = requested.ok_or(StoreError::LeaseLost)?;
        let cancelled = requested.as_deref() == Some(EndRequest::Cancel.name());
        let ended = |tx, status, error| end(tx, id, status, error, now.millis());
        match ending {
            // A cancel that came while the last writes were made is still obeyed.
            _ if cancelled => ended(&mut tx, JobStatus::Cancelled, None).await?,
            Ending::Cancelled => ended(&mut tx, JobStatus::Cancelled, None).await?,
            Ending::Failed(problem) => ended(&mut tx, JobStatus::Failed, Some(problem)).await?,
            Ending::Released => {
                sqlx::query(
                    "UPDATE jobs SET status = 'queued', attempt = attempt - 1, lease = NULL,
                     phase = NULL, eta_seconds = NULL,
                     lease_expires_at = NULL, worker = NULL, updated_at = $2, version = version + 1
                     WHERE id = $1",
                )
                .bind(id)
                .bind(now.millis())
                .execute(&mut *tx)
                .await?;
            }
            Ending::Model { model, test, steps, kept, seconds, stopped } => {
                let status = if stopped { JobStatus::Stopped } else { JobStatus::Succeeded };
                let model_id = super::models::insert(&mut tx, &model, now).await?;
                let (card, spec, run) = (model.card, model.spec, &claimed.job.run);
                let seconds = claimed.spent.plus(seconds);
                record_run(&mut tx, run, card, spec, steps, &seconds).await?;
                super::runs::keep_test_results(&mut tx, &claimed.job.run, test).await?;
                sqlx::query(
                    "UPDATE runs SET checkpoint = $2, checkpoint_step = $3, checkpoint_epoch = $4
                     WHERE id = $1",
                )
                .bind(run)
                .bind(kept.map(|_| Self::state_key(run)))
                .bind(kept.map(|_| steps as i64))
                .bind(kept.map(|epochs| epochs as i64))
                .execute(&mut *tx)
                .await?;
                sqlx::query("UPDATE jobs SET model = $2, warnings = $3 WHERE id = $1")
                    .bind(id)
                    .bind(&model_id)
                    .bind(to_json(&model.card.warnings)?)
                    .execute(&mut *tx)
                    .await?;
                ended(&mut tx, status, None).await?;
            }
            Ending::Report { warnings, stopped, seconds } => {
                let seconds = claimed.spent.plus(seconds);
                sqlx::query("UPDATE runs SET seconds = $2 WHERE id = $1")
                    .bind(&claimed.job.run)
                    .bind(to_json(&seconds)?)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query("UPDATE jobs SET warnings = $2 WHERE id = $1")
                    .bind(id)
                    .bind(to_json(&warnings)?)
                    .execute(&mut *tx)
                    .await?;
                let status = if stopped { JobStatus::Stopped } else { JobStatus::Succeeded };
                ended(&mut tx, status, None).await?;
            }
            Ending::RangeTest { tested, warnings, seconds } => {
                sqlx::query(
                    "UPDATE runs SET range_test = $2, steps = $3, seconds = $4 WHERE id = $1",
                )
                .bind(&claimed.job.run)
                .bind(to_json(&tested.report)?)
                .bind(tested.steps as i64)
                .bind(to_json(seconds)?)
                .execute(&mut *tx)
                .await?;
                sqlx::query("UPDATE jobs SET warnings = $2 WHERE id = $1")
                    .bind(id)
                    .bind(to_json(&warnings)?)
                    .execute(&mut *tx)
                    .await?;
                let stopped = tested.stopped;
                let status = if stopped { JobStatus::Stopped } else { JobStatus::Succeeded };
                ended(&mut tx, status, None).await?;
            }
            Ending::Evaluation { report, stopped } => {
                keep_report(&mut tx, id, report).await?;
                let status = if stopped { JobStatus::Stopped } else { JobStatus::Succeeded };
                ended(&mut tx, status, None).await?;
            }
        }
        let job = changed(&mut tx, id, now).await?;
        tx.commit().await?;
        self.signals.job_changed(id);
        if job.status == JobStatus::Queued {
            self.signals.work_arrived();
        }
        Ok(job)
    }
}

pub(super) fn fenced(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
}

/// Writes how far an attempt is into its job. Fails where the attempt no longer holds it.
pub(super) async fn tell(
    tx: &mut Transaction<'static, Sqlite>,
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
pub(super) async fn held(
    tx: &mut Transaction<'static, Sqlite>,
    claimed: &Claimed,
) -> Result<(), StoreError> {
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

pub(super) async fn end(
    tx: &mut Transaction<'static, Sqlite>,
    id: &str,
    status: JobStatus,
    error: Option<&Problem>,
    now: i64,
) -> Result<(), StoreError> {
    let over = status == JobStatus::Cancelled || error.is_some_and(|e| !e.may_pass());
    if over {
        // Nobody can go on from there.
        sqlx::query(
            "UPDATE runs SET checkpoint = NULL, checkpoint_step = NULL, checkpoint_epoch = NULL
             WHERE id = (SELECT run FROM jobs WHERE id = $1)",
        )
        .bind(id)
        .execute(&mut **tx)
        .await?;
    }
    let error = error.map(to_json).transpose()?;
    sqlx::query(
        "UPDATE jobs SET status = $2, error = $3, finished_at = $4, updated_at = $4,
         progress = CASE WHEN $2 IN ('succeeded', 'stopped') THEN 1 ELSE progress END,
         phase = NULL, eta_seconds = NULL, lease = NULL, lease_expires_at = NULL, worker = NULL,
         version = version + 1 WHERE id = $1",
    )
    .bind(id)
    .bind(status.name())
    .bind(error)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM job_events WHERE job = $1 AND type = 'progress'")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps the report of an evaluation that ends, and its warnings with the job.
async fn keep_report(
    tx: &mut Transaction<'static, Sqlite>,
    job: &str,
    report: &EvaluateResponse,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE evaluations SET report = $2 WHERE job = $1")
        .bind(job)
        .bind(to_json(report)?)
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE jobs SET warnings = $2 WHERE id = $1")
        .bind(job)
        .bind(to_json(&report.warnings)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Records what a run left. The spec is that of its model: of a sweep, the best setting's.
pub(super) async fn record_run(
    tx: &mut Transaction<'static, Sqlite>,
    run: &str,
    card: &Card,
    spec: &TrainSpec,
    steps: u64,
    seconds: &Seconds,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE runs SET metrics = $2, best_epoch = $3, epochs = $4, steps = $5, end_reason = $6,
         seconds = $7, spec = $8, warnings = $9 WHERE id = $1",
    )
    .bind(run)
    .bind(to_json(&card.metrics)?)
    .bind(card.best_epoch.map(|epoch| epoch as i64))
    .bind(card.epochs as i64)
    .bind(steps as i64)
    .bind(to_json(&card.end_reason)?)
    .bind(to_json(seconds)?)
    .bind(to_json(spec)?)
    .bind(to_json(&card.warnings)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
