//! Sweeps: a job, its trainings, and where each of them stands. Each training is a run.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::events::{self, EventKind};
use super::finish::Left;
use super::idempotency::Keyed;
use super::json::{from_json, to_json};
use super::metrics::Chunk;
use super::queue::{Claimed, fenced};
use super::{Store, StoreError};
use crate::job::sweep::plan::Plan;
use crate::job::sweep::{SweepSpec, TrialRun, TrialStatus};
use crate::job::{Job, Seconds};
use crate::model::card::Card;
use crate::model::spec::{TrainSpec, Warning};
use crate::model::test_results::TestResults;

/// What a training of a sweep left.
pub struct TrialEnd<'a> {
    /// Its card.
    pub card: &'a Card,
    /// What it gave for each test record, if there are any.
    pub test: Option<&'a TestResults>,
    /// Time spent in its last part.
    pub seconds: &'a Seconds,
}

impl Store {
    /// Accepts a sweep. Once this returns, the job and all of its trainings are on disk.
    pub async fn insert_sweep(
        &self,
        plan: &Plan,
        base: &TrainSpec,
        warnings: &[Warning],
        limits: (u32, i64),
        keyed: Option<&Keyed>,
    ) -> Result<Job, StoreError> {
        let mut tx = self.db.begin().await?;
        let id = self.insert_queued(&mut tx, "sweep", base, warnings, limits).await?;
        sqlx::query("INSERT INTO sweeps (job, spec) VALUES ($1, $2)")
            .bind(&id)
            .bind(to_json(&plan.spec)?)
            .execute(&mut *tx)
            .await?;
        for planned in &plan.runs {
            let run = self.ids.next("run");
            sqlx::query("INSERT INTO runs (id, job, spec, created_at) VALUES ($1, $2, $3, $4)")
                .bind(&run)
                .bind(&id)
                .bind(to_json(&planned.spec)?)
                .bind(self.clock.now().millis())
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO trials (run, job, number, parameters, status)
                 VALUES ($1, $2, $3, $4, 'waiting')",
            )
            .bind(&run)
            .bind(&id)
            .bind(planned.trial as i64)
            .bind(to_json(&planned.parameters)?)
            .execute(&mut *tx)
            .await?;
        }
        self.accept(tx, &id, keyed).await
    }

    /// What a sweep is.
    pub async fn sweep(&self, job: &str) -> Result<SweepSpec, StoreError> {
        let spec: Option<String> = sqlx::query_scalar("SELECT spec FROM sweeps WHERE job = $1")
            .bind(job)
            .fetch_optional(self.db.read())
            .await?;
        let spec =
            spec.ok_or_else(|| StoreError::NotFound { what: "sweep", id: job.to_owned() })?;
        from_json(&spec, "sweeps", "spec", job)
    }

    /// The trainings of a sweep, in order of setting and seed.
    pub async fn trial_runs(&self, job: &str) -> Result<Vec<TrialRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT trials.*, runs.spec AS spec, runs.checkpoint_step AS checkpoint_step
             FROM trials JOIN runs ON runs.id = trials.run
             WHERE trials.job = $1",
        )
        .bind(job)
        .fetch_all(self.db.read())
        .await?;
        let runs: Result<Vec<TrialRun>, StoreError> = rows.iter().map(trial_run).collect();
        let mut runs = runs?;
        runs.sort_by_key(|run| (run.trial, run.spec.training.seed));
        Ok(runs)
    }

    /// Records what was measured in a training of a sweep.
    pub async fn record_trial_metrics(
        &self,
        claimed: &Claimed,
        run: &str,
        chunks: Vec<Chunk>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        super::queue::held(&mut tx, claimed).await?;
        super::metrics::append(&mut tx, run, &chunks).await?;
        tx.commit().await
    }

    /// Records where a training of a sweep stands, with what was measured on the way, and how it ended
    /// if it did: all of it or nothing.
    pub async fn record_trial(
        &self,
        claimed: &Claimed,
        trial: &TrialRun,
        chunks: Vec<Chunk>,
        end: Option<TrialEnd<'_>>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let updated = sqlx::query(
            "UPDATE trials SET status = $3, measured = $4, epochs = $5, steps = $6, error = $7
             WHERE run = $1 AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = trials.job
                 AND jobs.lease = $2 AND jobs.status IN ('running', 'cancelling'))",
        )
        .bind(&trial.run)
        .bind(&claimed.lease)
        .bind(trial.status.name())
        .bind(to_json(&trial.values)?)
        .bind(trial.epochs as i64)
        .bind(trial.steps as i64)
        .bind(trial.error.as_ref().map(to_json).transpose()?)
        .execute(&mut *tx)
        .await?;
        fenced(updated.rows_affected())?;
        sqlx::query("UPDATE runs SET epochs = $2, steps = $3, checkpoint_step = $4 WHERE id = $1")
            .bind(&trial.run)
            .bind(trial.epochs as i64)
            .bind(trial.steps as i64)
            .bind(trial.checkpoint_step.map(|step| step as i64))
            .execute(&mut *tx)
            .await?;
        super::metrics::append(&mut tx, &trial.run, &chunks).await?;
        if let Some(end) = end {
            let (spec, steps, kept) = (&trial.spec, trial.steps, None);
            let left = Left { card: end.card, spec, steps, kept, seconds: end.seconds };
            left.record(&mut tx, &trial.run).await?;
            super::runs::keep_test_results(&mut tx, &trial.run, end.test).await?;
        }
        let event = serde_json::json!({
            "trial": trial.trial, "run": trial.run, "status": trial.status,
            "parameters": trial.parameters, "values": trial.values, "epochs": trial.epochs,
        });
        events::insert(&mut tx, &claimed.job.id, EventKind::Trial, &event, now).await?;
        tx.commit().await?;
        self.signals.job_changed(&claimed.job.id);
        Ok(())
    }
}

fn trial_run(row: &SqliteRow) -> Result<TrialRun, StoreError> {
    let run: String = row.try_get("run")?;
    let text = |column: &str| row.try_get::<String, _>(column);
    let count = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let status = text("status")?;
    let error: Option<String> = row.try_get("error")?;
    let step: Option<i64> = row.try_get("checkpoint_step")?;
    Ok(TrialRun {
        trial: count("number")? as usize,
        parameters: from_json(&text("parameters")?, "trials", "parameters", &run)?,
        spec: from_json(&text("spec")?, "runs", "spec", &run)?,
        status: TrialStatus::parse(&status).ok_or_else(|| StoreError::Inconsistent {
            table: "trials",
            column: "status",
            id: run.clone(),
            message: format!("{status:?} is no status"),
        })?,
        values: from_json(&text("measured")?, "trials", "measured", &run)?,
        epochs: count("epochs")? as usize,
        steps: count("steps")?,
        error: error.map(|error| from_json(&error, "trials", "error", &run)).transpose()?,
        checkpoint_step: step.map(i64::unsigned_abs),
        run,
    })
}
