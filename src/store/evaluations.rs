//! Evaluations as jobs: what is asked, how far they are, and the report. What was measured of each
//! part of the dataset, and what its records were given, are files.

use sqlx::Row;

use super::events::{self, EventKind};
use super::idempotency::Keyed;
use super::jobs::NewJob;
use super::json::{from_json, to_json};
use super::queue::{self, Claimed, Progress, fenced};
use super::{Artifacts, Store, StoreError};
use crate::job::Job;
use crate::job::evaluate::part::Tally;
use crate::job::evaluate::{EvaluateResponse, EvaluationSpec, KIND};
use crate::model::spec::{TrainSpec, Warning};

/// How far an evaluation is.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationState {
    /// What is asked.
    pub spec: EvaluationSpec,
    /// Parts of the dataset whose files are stored.
    pub parts: u64,
    /// What was counted in them.
    pub tally: Tally,
    /// Seconds spent on them.
    pub seconds: f64,
}

impl Artifacts {
    /// The key of what was measured of a part of an evaluation's records, from 0.
    pub fn evaluation_numbers_key(job: &str, part: u64) -> String {
        format!("evaluations/{job}.{part:06}.safetensors")
    }

    /// The key of what the records of a part were given, a JSON object a line.
    pub fn evaluation_results_key(job: &str, part: u64) -> String {
        format!("evaluations/{job}.{part:06}.jsonl")
    }
}

impl Store {
    /// Accepts an evaluation. `trained` is the spec of its model.
    pub async fn insert_evaluation(
        &self,
        spec: &EvaluationSpec,
        trained: &TrainSpec,
        warnings: &[Warning],
        limits: (u32, i64),
        keyed: Option<&Keyed>,
    ) -> Result<Job, StoreError> {
        let mut tx = self.db.begin().await?;
        let exists: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM models WHERE id = $1")
            .bind(&spec.model)
            .fetch_one(&mut *tx)
            .await?;
        if exists == 0 {
            return Err(StoreError::NotFound { what: "model", id: spec.model.clone() });
        }
        let id = self.ids.next("job");
        let dataset = &spec.request.dataset;
        let new = NewJob { id: &id, kind: KIND, dataset, run: &id, spec: trained, warnings };
        self.insert_row(&mut tx, new, limits).await?;
        sqlx::query("UPDATE jobs SET model = $2 WHERE id = $1")
            .bind(&id)
            .bind(&spec.model)
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO evaluations (job, spec, tally) VALUES ($1, $2, $3)")
            .bind(&id)
            .bind(to_json(spec)?)
            .bind(to_json(&Tally::default())?)
            .execute(&mut *tx)
            .await?;
        self.accept(tx, &id, keyed).await
    }

    /// How far an evaluation is.
    pub async fn evaluation(&self, job: &str) -> Result<EvaluationState, StoreError> {
        let row = sqlx::query("SELECT spec, parts, tally, seconds FROM evaluations WHERE job = $1")
            .bind(job)
            .fetch_optional(self.db.read())
            .await?;
        let row =
            row.ok_or_else(|| StoreError::NotFound { what: "evaluation", id: job.to_owned() })?;
        let (spec, tally): (String, String) = (row.try_get("spec")?, row.try_get("tally")?);
        Ok(EvaluationState {
            spec: from_json(&spec, "evaluations", "spec", job)?,
            parts: row.try_get::<i64, _>("parts")?.unsigned_abs(),
            tally: from_json(&tally, "evaluations", "tally", job)?,
            seconds: row.try_get("seconds")?,
        })
    }

    /// The report of an evaluation, once it is there.
    pub async fn evaluation_report(
        &self,
        job: &str,
    ) -> Result<Option<EvaluateResponse>, StoreError> {
        let report: Option<Option<String>> =
            sqlx::query_scalar("SELECT report FROM evaluations WHERE job = $1")
                .bind(job)
                .fetch_optional(self.db.read())
                .await?;
        let report = report
            .ok_or_else(|| StoreError::NotFound { what: "evaluation", id: job.to_owned() })?;
        report.map(|report| from_json(&report, "evaluations", "report", job)).transpose()
    }

    /// Says that files of the part after those that are recorded may come to be.
    pub async fn expect_files(&self, claimed: &Claimed, parts: u64) -> Result<(), StoreError> {
        let update = sqlx::query(
            "UPDATE evaluations SET files = $3 WHERE job = $1 AND EXISTS
                 (SELECT 1 FROM jobs WHERE id = $1 AND lease = $2
                  AND status IN ('running', 'cancelling'))",
        )
        .bind(&claimed.job.id)
        .bind(&claimed.lease)
        .bind(parts as i64 + 1);
        fenced(self.db.execute(update).await?.rows_affected())
    }

    /// Records how far an evaluation is, once the files of its parts are stored.
    pub async fn record_parts(
        &self,
        claimed: &Claimed,
        state: &EvaluationState,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let id = &claimed.job.id;
        let mut tx = self.db.begin().await?;
        queue::tell(&mut tx, claimed, progress, now).await?;
        sqlx::query(
            "UPDATE evaluations SET parts = $2, tally = $3, seconds = $4, files = $2 + 1
             WHERE job = $1",
        )
        .bind(id)
        .bind(state.parts as i64)
        .bind(to_json(&state.tally)?)
        .bind(state.seconds)
        .execute(&mut *tx)
        .await?;
        events::insert(&mut tx, id, EventKind::Progress, progress, now).await?;
        tx.commit().await?;
        self.signals.job_changed(id);
        Ok(())
    }

    /// Removes the files that evaluations left and nobody needs: once a job has ended, what was
    /// measured; where it ended without a report, what its records were given as well.
    pub async fn clear_evaluations(&self) -> Result<(), StoreError> {
        // CROSS JOIN keeps the order: few evaluations have files, and many jobs have ended.
        let rows = sqlx::query(
            "SELECT evaluations.job, parts, files, report IS NOT NULL AS reported
             FROM evaluations CROSS JOIN jobs ON jobs.id = evaluations.job
             WHERE files > 0 AND jobs.status IN ('succeeded', 'stopped', 'cancelled', 'failed')",
        )
        .fetch_all(self.db.read())
        .await?;
        for row in &rows {
            let job: String = row.try_get("job")?;
            let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
            let kept = if row.try_get::<bool, _>("reported")? { count("parts")? } else { 0 };
            for part in 0..count("files")? {
                self.artifacts.delete(&Artifacts::evaluation_numbers_key(&job, part)).await?;
                if part >= kept {
                    self.artifacts.delete(&Artifacts::evaluation_results_key(&job, part)).await?;
                }
            }
            sqlx::query("UPDATE evaluations SET files = 0, parts = $2 WHERE job = $1")
                .bind(&job)
                .bind(kept as i64)
                .execute(self.db.write_unsynced())
                .await?;
        }
        Ok(())
    }
}
