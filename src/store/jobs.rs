//! Jobs: submit, look up, list, ask to end. What workers do with them stands in [`super::queue`].

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::db::Transaction;
use super::events::{self, EventKind};
use super::idempotency::{self, Keyed};
use super::json::{from_json, to_json};
use super::{Cursor, Page, Store, StoreError};
use crate::clock::Timestamp;
use crate::job::{EndRequest, Job, JobStatus};
use crate::model::spec::{TrainSpec, Warning};
use crate::problem::Problem;

/// A job's columns, its place in the queue, and the model that it diagnoses.
const COLUMNS: &str = "*, CASE status WHEN 'queued' THEN
    (SELECT COUNT(*) FROM jobs before WHERE before.status = 'queued' AND before.seq < jobs.seq)
    END AS queue_position, CASE kind WHEN 'diagnose' THEN
    (SELECT reports.model FROM reports WHERE reports.job = jobs.id) END AS diagnosed";

/// What a list of jobs is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only this status.
    pub status: Option<JobStatus>,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only this dataset.
    pub dataset: Option<String>,
}

/// A job to be queued.
pub(super) struct NewJob<'a> {
    pub id: &'a str,
    pub kind: &'a str,
    pub dataset: &'a str,
    /// The job's own id where it has no run.
    pub run: &'a str,
    pub spec: &'a TrainSpec,
    pub warnings: &'a [Warning],
}

impl Store {
    /// Accepts a job. Once this returns, the job is on disk.
    pub async fn insert_job(
        &self,
        spec: &TrainSpec,
        warnings: &[Warning],
        limits: (u32, i64),
        keyed: Option<&Keyed>,
    ) -> Result<Job, StoreError> {
        let mut tx = self.db.begin().await?;
        let kind = if spec.range_test.is_some() { "range_test" } else { "train" };
        let id = self.insert_queued(&mut tx, kind, spec, warnings, limits).await?;
        self.accept(tx, &id, keyed).await
    }

    /// Queues a job of a kind and its run; returns the job's id.
    pub(super) async fn insert_queued(
        &self,
        tx: &mut Transaction,
        kind: &str,
        spec: &TrainSpec,
        warnings: &[Warning],
        limits: (u32, i64),
    ) -> Result<String, StoreError> {
        let (id, run) = (self.ids.next("job"), self.ids.next("run"));
        let new = NewJob { id: &id, kind, dataset: &spec.dataset, run: &run, spec, warnings };
        self.insert_row(tx, new, limits).await?;
        sqlx::query("INSERT INTO runs (id, job, spec, created_at) VALUES ($1, $2, $3, $4)")
            .bind(&run)
            .bind(&id)
            .bind(to_json(spec)?)
            .bind(self.clock.now().millis())
            .execute(&mut **tx)
            .await?;
        Ok(id)
    }

    /// Queues a job, if there is its dataset and the queue has a place.
    pub(super) async fn insert_row(
        &self,
        tx: &mut Transaction,
        new: NewJob<'_>,
        limits: (u32, i64),
    ) -> Result<(), StoreError> {
        let (max_attempts, max_queued) = limits;
        let NewJob { id, kind, dataset, run, spec, warnings } = new;
        let exists: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM datasets WHERE id = $1")
            .bind(dataset)
            .fetch_one(&mut **tx)
            .await?;
        if exists == 0 {
            return Err(StoreError::NotFound { what: "dataset", id: dataset.to_owned() });
        }
        let queued: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE status = 'queued'")
            .fetch_one(&mut **tx)
            .await?;
        if queued >= max_queued {
            return Err(StoreError::QueueFull { queued });
        }
        // Neither a range test nor an evaluation makes a model, so nobody waits for one of that name.
        let makes_model = spec.range_test.is_none() && kind != crate::job::evaluate::KIND;
        sqlx::query(
            "INSERT INTO jobs (id, kind, status, dataset, run, model_name, spec, warnings,
                               max_attempts, created_at, updated_at)
             VALUES ($1, $9, 'queued', $2, $3, $8, $4, $5, $6, $7, $7)",
        )
        .bind(id)
        .bind(dataset)
        .bind(run)
        .bind(to_json(spec)?)
        .bind(to_json(&warnings)?)
        .bind(i64::from(max_attempts))
        .bind(self.clock.now().millis())
        .bind(spec.model_name.as_ref().filter(|_| makes_model))
        .bind(kind)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Ends the transaction that queued a job, and wakes the workers.
    pub(super) async fn accept(
        &self,
        mut tx: Transaction,
        id: &str,
        keyed: Option<&Keyed>,
    ) -> Result<Job, StoreError> {
        let now = self.clock.now();
        let job = changed(&mut tx, id, now).await?;
        if let Some(keyed) = keyed {
            let location = format!("/v1/jobs/{id}");
            idempotency::remember(&mut tx, keyed, 202, &location, &job, now).await?;
        }
        tx.commit().await?;
        self.signals.work_arrived();
        Ok(job)
    }

    /// The job of an id.
    pub async fn job(&self, id: &str) -> Result<Job, StoreError> {
        let sql = selecting("WHERE id = $1");
        let row = sqlx::query(sql).bind(id).fetch_optional(self.db.read()).await?;
        let row = row.ok_or_else(|| StoreError::NotFound { what: "job", id: id.to_owned() })?;
        job(&row)
    }

    /// Jobs, newest first.
    pub async fn jobs(
        &self,
        filter: &JobFilter,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Job>, StoreError> {
        let rows = sqlx::query(listing(filter, after))
            .bind(filter.status.map(JobStatus::name))
            .bind(filter.kind.as_deref())
            .bind(filter.dataset.as_deref())
            .bind(after.map(|cursor| cursor.time))
            .bind(limit as i64 + 1)
            .fetch_all(self.db.read())
            .await?;
        let items: Result<Vec<(i64, Job)>, StoreError> =
            rows.iter().map(|row| Ok((row.try_get("seq")?, job(row)?))).collect();
        let page = Page::cut(items?, limit, |(seq, job)| Cursor { time: *seq, id: job.id.clone() });
        Ok(Page { items: page.items.into_iter().map(|(_, job)| job).collect(), next: page.next })
    }

    /// How many jobs are in each status.
    pub async fn job_counts(&self) -> Result<Vec<(JobStatus, i64)>, StoreError> {
        let rows = sqlx::query("SELECT status, COUNT(*) AS count FROM jobs GROUP BY status")
            .fetch_all(self.db.read())
            .await?;
        rows.iter()
            .map(|row| {
                let name: String = row.try_get("status")?;
                Ok((status(&name, "*")?, row.try_get("count")?))
            })
            .collect()
    }

    /// Asks a job to end. A queued job that is cancelled has ended at once; a running one ends soon.
    /// Asking again changes nothing, but cancelling outdoes stopping.
    pub async fn request_end(&self, id: &str, request: EndRequest) -> Result<Job, StoreError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let current = select(&mut tx, id).await?;
        let update = match (current.status, request) {
            (JobStatus::Queued, EndRequest::Cancel) => sqlx::query(
                "UPDATE jobs SET status = 'cancelled', end_requested = $2, finished_at = $3,
                 updated_at = $3, version = version + 1 WHERE id = $1",
            ),
            (JobStatus::Queued, EndRequest::Stop) => {
                return Err(StoreError::Conflict {
                    message: format!("the job {id:?} is queued and has no model to keep yet"),
                    hint: "cancel it, or stop it once it runs",
                });
            }
            (JobStatus::Running | JobStatus::Cancelling, _) => {
                if current.end_requested == Some(request)
                    || current.end_requested == Some(EndRequest::Cancel)
                {
                    return Ok(current);
                }
                sqlx::query(
                    "UPDATE jobs SET
                     status = CASE WHEN $2 = 'cancel' THEN 'cancelling' ELSE 'running' END,
                     end_requested = $2, updated_at = $3, version = version + 1 WHERE id = $1",
                )
            }
            (JobStatus::Cancelled, EndRequest::Cancel) | (JobStatus::Stopped, EndRequest::Stop) => {
                return Ok(current);
            }
            (ended, _) => {
                return Err(StoreError::Conflict {
                    message: format!("the job {id:?} has ended: it {}", past_tense(ended)),
                    hint: "a job that has ended can no longer be cancelled or stopped",
                });
            }
        };
        update.bind(id).bind(request.name()).bind(now.millis()).execute(&mut *tx).await?;
        let job = changed(&mut tx, id, now).await?;
        tx.commit().await?;
        self.signals.job_changed(id);
        Ok(job)
    }
}

fn past_tense(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Succeeded => "succeeded",
        JobStatus::Stopped => "was stopped",
        JobStatus::Cancelled => "was cancelled",
        JobStatus::Failed => "failed",
        JobStatus::Queued | JobStatus::Running | JobStatus::Cancelling => "has not ended",
    }
}

/// A page of jobs. It names the conditions that there are and no others, so that an index serves them.
pub(super) fn listing(filter: &JobFilter, after: Option<&Cursor>) -> sqlx::AssertSqlSafe<String> {
    let conditions = [
        (filter.status.is_some(), "status = $1"),
        (filter.kind.is_some(), "kind = $2"),
        (filter.dataset.is_some(), "dataset = $3"),
        (after.is_some(), "seq < $4"),
    ];
    let asked: Vec<&str> = conditions.iter().filter(|(asked, _)| *asked).map(|(_, c)| *c).collect();
    let narrowed = if asked.is_empty() { "" } else { "WHERE " };
    let rest = format!("{narrowed}{} ORDER BY seq DESC LIMIT $5", asked.join(" AND "));
    sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM jobs {rest}"))
}

/// A look at jobs. All parts are literals; values are bound, never written into the text.
fn selecting(rest: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM jobs {rest}"))
}

/// A change of one job that gives the job as it then is.
pub(super) fn returning(update: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("{update} RETURNING {COLUMNS}"))
}

pub(super) async fn select(tx: &mut Transaction, id: &str) -> Result<Job, StoreError> {
    let sql = selecting("WHERE id = $1");
    let row = sqlx::query(sql).bind(id).fetch_optional(&mut **tx).await?;
    job(&row.ok_or_else(|| StoreError::NotFound { what: "job", id: id.to_owned() })?)
}

/// Tells a job's followers of its new state, in the transaction that brought it about.
pub(super) async fn changed(
    tx: &mut Transaction,
    id: &str,
    now: Timestamp,
) -> Result<Job, StoreError> {
    let job = select(tx, id).await?;
    events::insert(tx, id, EventKind::Status, &job, now).await?;
    Ok(job)
}

pub(super) fn status(name: &str, id: &str) -> Result<JobStatus, StoreError> {
    JobStatus::parse(name).ok_or_else(|| StoreError::Inconsistent {
        table: "jobs",
        column: "status",
        id: id.to_owned(),
        message: format!("{name:?} is no status"),
    })
}

pub(super) fn job(row: &SqliteRow) -> Result<Job, StoreError> {
    let id: String = row.try_get("id")?;
    let time = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
    };
    let status = status(&row.try_get::<String, _>("status")?, &id)?;
    let warnings: String = row.try_get("warnings")?;
    let error: Option<String> = row.try_get("error")?;
    let error: Option<Problem> =
        error.map(|error| from_json(&error, "jobs", "error", &id)).transpose()?;
    Ok(Job {
        kind: row.try_get("kind")?,
        status,
        dataset: row.try_get("dataset")?,
        // A job without a run has its own id there.
        run: row.try_get::<Option<String>, _>("run")?.filter(|run| *run != id).unwrap_or_default(),
        model: match row.try_get("diagnosed")? {
            None => row.try_get("model")?,
            diagnosed => diagnosed,
        },
        queue_position: row.try_get::<Option<i64>, _>("queue_position")?.map(i64::unsigned_abs),
        progress: row.try_get("progress")?,
        phase: row.try_get("phase")?,
        eta_seconds: row.try_get("eta_seconds")?,
        end_requested: row
            .try_get::<Option<String>, _>("end_requested")?
            .and_then(|name| EndRequest::parse(&name)),
        attempt: row.try_get::<i64, _>("attempt")? as u32,
        max_attempts: row.try_get::<i64, _>("max_attempts")? as u32,
        warnings: from_json(&warnings, "jobs", "warnings", &id)?,
        error,
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        started_at: time("started_at")?,
        finished_at: time("finished_at")?,
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        version: row.try_get("version")?,
        id,
    })
}
