//! How attempts end: job, run and model change together or not at all.

use super::db::Transaction;
use super::events::{self, EventKind};
use super::json::to_json;
use super::models::NewModel;
use super::queue::{Claimed, Told};
use super::{Store, StoreError, jobs};
use crate::clock::Timestamp;
use crate::job::evaluate::EvaluateResponse;
use crate::job::{EndRequest, Job, JobStatus, Seconds};
use crate::learn::range_test::RangeTested;
use crate::model::card::Card;
use crate::model::spec::{TrainSpec, Warning};
use crate::model::test_results::TestResults;
use crate::problem::Problem;

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

/// What a job's row holds once it has ended.
pub(super) struct End<'a> {
    pub status: JobStatus,
    pub error: Option<&'a Problem>,
    /// The model that it made.
    pub model: Option<&'a str>,
    /// All that the user should know, unless the row has it.
    pub warnings: Option<&'a [Warning]>,
}

impl From<JobStatus> for End<'_> {
    fn from(status: JobStatus) -> Self {
        Self { status, error: None, model: None, warnings: None }
    }
}

impl Store {
    /// Ends an attempt, with what was heard of it since its progress was last recorded. Once this
    /// returns, the end is on disk.
    pub async fn finish(
        &self,
        claimed: &Claimed,
        ending: Ending<'_>,
        told: &Told,
    ) -> Result<Job, StoreError> {
        let now = self.clock.now();
        let (id, run) = (&claimed.job.id, &claimed.job.run);
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
        told.write(&mut tx, claimed, now).await?;
        let whole = |stopped| if stopped { JobStatus::Stopped } else { JobStatus::Succeeded };
        // A cancel that came while the last writes were made is still obeyed.
        let cancelled = requested.as_deref() == Some(EndRequest::Cancel.name());
        let job = match ending {
            _ if cancelled => end(&mut tx, id, JobStatus::Cancelled.into(), now).await?,
            Ending::Cancelled => end(&mut tx, id, JobStatus::Cancelled.into(), now).await?,
            Ending::Failed(problem) => {
                let ended = End { error: Some(problem), ..JobStatus::Failed.into() };
                end(&mut tx, id, ended, now).await?
            }
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
                jobs::select(&mut tx, id).await?
            }
            Ending::Model { model, test, steps, kept, seconds, stopped } => {
                super::models::insert(&mut tx, &model, now).await?;
                let (card, spec) = (model.card, model.spec);
                let left = Left { card, spec, steps, kept, seconds: &claimed.spent.plus(seconds) };
                left.record(&mut tx, run).await?;
                super::runs::keep_test_results(&mut tx, run, test).await?;
                let (model, warnings) = (Some(&*model.id), Some(&*card.warnings));
                let ended = End { model, warnings, ..whole(stopped).into() };
                end(&mut tx, id, ended, now).await?
            }
            Ending::Report { warnings, stopped, seconds } => {
                sqlx::query("UPDATE runs SET seconds = $2 WHERE id = $1")
                    .bind(run)
                    .bind(to_json(&claimed.spent.plus(seconds))?)
                    .execute(&mut *tx)
                    .await?;
                let ended = End { warnings: Some(warnings), ..whole(stopped).into() };
                end(&mut tx, id, ended, now).await?
            }
            Ending::RangeTest { tested, warnings, seconds } => {
                sqlx::query(
                    "UPDATE runs SET range_test = $2, steps = $3, seconds = $4 WHERE id = $1",
                )
                .bind(run)
                .bind(to_json(&tested.report)?)
                .bind(tested.steps as i64)
                .bind(to_json(seconds)?)
                .execute(&mut *tx)
                .await?;
                let ended = End { warnings: Some(warnings), ..whole(tested.stopped).into() };
                end(&mut tx, id, ended, now).await?
            }
            Ending::Evaluation { report, stopped } => {
                sqlx::query("UPDATE evaluations SET report = $2 WHERE job = $1")
                    .bind(id)
                    .bind(to_json(report)?)
                    .execute(&mut *tx)
                    .await?;
                let ended = End { warnings: Some(&report.warnings), ..whole(stopped).into() };
                end(&mut tx, id, ended, now).await?
            }
        };
        events::insert(&mut tx, id, EventKind::Status, &job, now).await?;
        tx.commit().await?;
        self.signals.job_changed(id);
        if job.status == JobStatus::Queued {
            self.signals.work_arrived();
        }
        Ok(job)
    }
}

/// Writes that a job has ended; returns it. Its followers are told by the caller.
pub(super) async fn end(
    tx: &mut Transaction,
    id: &str,
    end: End<'_>,
    now: Timestamp,
) -> Result<Job, StoreError> {
    let End { status, error, model, warnings } = end;
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
    sqlx::query("DELETE FROM job_events WHERE job = $1 AND type = 'progress'")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    let sql = jobs::returning(
        "UPDATE jobs SET status = $2, error = $3, finished_at = $4, updated_at = $4,
         progress = CASE WHEN $2 IN ('succeeded', 'stopped') THEN 1 ELSE progress END,
         model = COALESCE($5, model), warnings = COALESCE($6, warnings),
         phase = NULL, eta_seconds = NULL, lease = NULL, lease_expires_at = NULL, worker = NULL,
         version = version + 1 WHERE id = $1",
    );
    let row = sqlx::query(sql)
        .bind(id)
        .bind(status.name())
        .bind(error.map(to_json).transpose()?)
        .bind(now.millis())
        .bind(model)
        .bind(warnings.map(|warnings| to_json(&warnings)).transpose()?)
        .fetch_one(&mut **tx)
        .await?;
    jobs::job(&row)
}

/// What a run leaves.
pub(super) struct Left<'a> {
    pub card: &'a Card,
    /// That of its model: of a sweep, the best setting's.
    pub spec: &'a TrainSpec,
    pub steps: u64,
    /// Whole epochs of the state that is kept under [`Store::state_key`], if one is.
    pub kept: Option<u64>,
    pub seconds: &'a Seconds,
}

impl Left<'_> {
    pub async fn record(&self, tx: &mut Transaction, run: &str) -> Result<(), StoreError> {
        let Self { card, spec, steps, kept, seconds } = self;
        sqlx::query(
            "UPDATE runs SET metrics = $2, best_epoch = $3, epochs = $4, steps = $5,
             end_reason = $6, seconds = $7, spec = $8, warnings = $9, checkpoint = $10,
             checkpoint_step = $11, checkpoint_epoch = $12 WHERE id = $1",
        )
        .bind(run)
        .bind(to_json(&card.metrics)?)
        .bind(card.best_epoch.map(|epoch| epoch as i64))
        .bind(card.epochs as i64)
        .bind(*steps as i64)
        .bind(to_json(&card.end_reason)?)
        .bind(to_json(seconds)?)
        .bind(to_json(spec)?)
        .bind(to_json(&card.warnings)?)
        .bind(kept.map(|_| Store::state_key(run)))
        .bind(kept.map(|_| *steps as i64))
        .bind(kept.map(|epochs| epochs as i64))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
