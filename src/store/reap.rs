//! What becomes of the jobs of workers that died.

use sqlx::Row;

use super::events::{self, EventKind};
use super::finish::{End, end};
use super::jobs;
use super::{Store, StoreError};
use crate::job::{EndRequest, Job, JobStatus};
use crate::problem::{Code, Problem};

impl Store {
    /// Takes back the jobs of dead workers: those whose lease ran out, and those of workers whose
    /// name starts with `dead`. Each goes back to the queue, or ends: cancelled if that was asked
    /// for, failed if its attempts are spent.
    pub async fn reap(&self, dead: Option<&str>) -> Result<Vec<Job>, StoreError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let rows = sqlx::query(
            "SELECT id, attempt, max_attempts, end_requested FROM jobs
             WHERE status IN ('running', 'cancelling')
             AND (lease_expires_at < $1 OR substr(worker, 1, length($2)) = $2)",
        )
        .bind(now.millis())
        .bind(dead)
        .fetch_all(&mut *tx)
        .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut taken = Vec::new();
        for row in rows {
            let id: String = row.try_get("id")?;
            let (attempt, most): (i64, i64) =
                (row.try_get("attempt")?, row.try_get("max_attempts")?);
            let requested: Option<String> = row.try_get("end_requested")?;
            let job = if requested.as_deref() == Some(EndRequest::Cancel.name()) {
                end(&mut tx, &id, JobStatus::Cancelled.into(), now).await?
            } else if attempt >= most {
                let detail = format!("the job's process died in each of {most} attempts");
                let hint = "memory may have run out: lower the size of the network or vocabulary";
                let problem = Problem::new(Code::AttemptsSpent, detail).hint(hint);
                let ended = End { error: Some(&problem), ..JobStatus::Failed.into() };
                end(&mut tx, &id, ended, now).await?
            } else {
                sqlx::query(
                    "UPDATE jobs SET status = 'queued', lease = NULL, lease_expires_at = NULL,
                     phase = NULL, eta_seconds = NULL,
                     worker = NULL, updated_at = $2, version = version + 1 WHERE id = $1",
                )
                .bind(&id)
                .bind(now.millis())
                .execute(&mut *tx)
                .await?;
                jobs::select(&mut tx, &id).await?
            };
            events::insert(&mut tx, &id, EventKind::Status, &job, now).await?;
            taken.push(job);
        }
        tx.commit().await?;
        for job in &taken {
            self.signals.job_changed(&job.id);
            self.signals.work_arrived();
        }
        Ok(taken)
    }
}
