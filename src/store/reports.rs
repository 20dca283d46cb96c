//! Diagnoses: a job, its probes, and the report that grows while it runs. Each probe is a run.

use sqlx::Row;

use super::events::{self, EventKind};
use super::finish::Left;
use super::idempotency::Keyed;
use super::json::{from_json, to_json};
use super::metrics::Chunk;
use super::queue::{Claimed, held};
use super::{Store, StoreError};
use crate::diagnose::experiment::Outcome;
use crate::diagnose::probe::Probe;
use crate::diagnose::report::LimitationsReport;
use crate::diagnose::request::DiagnoseSpec;
use crate::job::{Job, Seconds};
use crate::model::card::Card;
use crate::model::spec::{TrainSpec, Warning};
use crate::model::test_results::TestResults;

/// A probe that has ended.
pub struct EndedProbe<'a> {
    /// Its run.
    pub run: &'a str,
    /// Its place among the job's probes, from 1.
    pub number: usize,
    /// The probe.
    pub probe: &'a Probe,
    /// What it trained.
    pub spec: &'a TrainSpec,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// What its run keeps, if it made a model.
    pub kept: Option<&'a (Card, Option<TestResults>)>,
}

impl Store {
    /// Accepts a diagnosis. `spec` is that of the model.
    pub async fn insert_diagnosis(
        &self,
        request: &DiagnoseSpec,
        spec: &TrainSpec,
        warnings: &[Warning],
        limits: (u32, i64),
        keyed: Option<&Keyed>,
    ) -> Result<Job, StoreError> {
        let mut tx = self.db.begin().await?;
        // The job makes no model of that name.
        let spec = TrainSpec { model_name: None, ..spec.clone() };
        let id = self.insert_queued(&mut tx, "diagnose", &spec, warnings, limits).await?;
        let inserted = sqlx::query(
            "INSERT INTO reports (job, model, spec, created_at)
             SELECT $1, id, $3, $4 FROM models WHERE id = $2",
        )
        .bind(&id)
        .bind(&request.model)
        .bind(to_json(request)?)
        .bind(self.clock.now().millis())
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "model", id: request.model.clone() });
        }
        self.accept(tx, &id, keyed).await
    }

    /// What a diagnosis was asked for.
    pub async fn diagnosis(&self, job: &str) -> Result<DiagnoseSpec, StoreError> {
        let spec: Option<String> = sqlx::query_scalar("SELECT spec FROM reports WHERE job = $1")
            .bind(job)
            .fetch_optional(self.db.read())
            .await?;
        let spec =
            spec.ok_or_else(|| StoreError::NotFound { what: "diagnosis", id: job.to_owned() })?;
        from_json(&spec, "reports", "spec", job)
    }

    /// The probes of a diagnosis that have ended, in that order.
    pub async fn ended_probes(&self, job: &str) -> Result<Vec<(Probe, Outcome)>, StoreError> {
        let rows =
            sqlx::query("SELECT run, probe, outcome FROM probes WHERE job = $1 ORDER BY number")
                .bind(job)
                .fetch_all(self.db.read())
                .await?;
        let ended = rows.iter().map(|row| {
            let run: String = row.try_get("run")?;
            let (probe, outcome): (String, String) =
                (row.try_get("probe")?, row.try_get("outcome")?);
            let probe = from_json(&probe, "probes", "probe", &run)?;
            Ok((probe, from_json(&outcome, "probes", "outcome", &run)?))
        });
        ended.collect()
    }

    /// Gives up the probes that an attempt before left unfinished: they begin anew as other runs.
    pub async fn skip_unfinished_probes(&self, claimed: &Claimed) -> Result<(), StoreError> {
        sqlx::query("UPDATE trials SET status = 'skipped' WHERE job = $1 AND status = 'running'")
            .bind(&claimed.job.id)
            .execute(self.db.write_unsynced())
            .await?;
        Ok(())
    }

    /// Records that a probe begins; returns its run.
    pub async fn begin_probe(
        &self,
        claimed: &Claimed,
        number: usize,
        probe: &Probe,
        spec: &TrainSpec,
    ) -> Result<String, StoreError> {
        let run = self.ids.next("run");
        let mut tx = self.db.begin().await?;
        held(&mut tx, claimed).await?;
        sqlx::query("INSERT INTO runs (id, job, spec, created_at) VALUES ($1, $2, $3, $4)")
            .bind(&run)
            .bind(&claimed.job.id)
            .bind(to_json(spec)?)
            .bind(self.clock.now().millis())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO trials (run, job, number, parameters, status)
             VALUES ($1, $2, $3, $4, 'running')",
        )
        .bind(&run)
        .bind(&claimed.job.id)
        .bind(number as i64)
        .bind(to_json(&probe.change)?)
        .execute(&mut *tx)
        .await?;
        // Without it, the probe begins anew.
        tx.commit_unsynced().await?;
        Ok(run)
    }

    /// Records what came of a probe, with what was measured on the way: all of it or nothing.
    pub async fn end_probe(
        &self,
        claimed: &Claimed,
        ended: &EndedProbe<'_>,
        chunks: Vec<Chunk>,
    ) -> Result<(), StoreError> {
        let EndedProbe { run, number, probe, spec, outcome, kept } = *ended;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        held(&mut tx, claimed).await?;
        let status = if outcome.failure.is_some() { "failed" } else { "finished" };
        let trained = outcome.trained.as_ref();
        sqlx::query(
            "UPDATE trials SET status = $2, epochs = $3, steps = $4, error = $5 WHERE run = $1",
        )
        .bind(run)
        .bind(status)
        .bind(trained.map_or(0, |trained| trained.card.epochs as i64))
        .bind(trained.map_or(0, |trained| trained.steps as i64))
        .bind(outcome.failure.as_ref().map(to_json).transpose()?)
        .execute(&mut *tx)
        .await?;
        super::metrics::append(&mut tx, run, &chunks).await?;
        if let (Some((card, test)), Some(trained)) = (kept, trained) {
            let seconds = Seconds { total: outcome.seconds, ..Seconds::default() };
            let left = Left { card, spec, steps: trained.steps, kept: None, seconds: &seconds };
            left.record(&mut tx, run).await?;
            super::runs::keep_test_results(&mut tx, run, test.as_ref()).await?;
        }
        if let Some(report) = &outcome.range_test {
            sqlx::query("UPDATE runs SET range_test = $2 WHERE id = $1")
                .bind(run)
                .bind(to_json(report)?)
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query(
            "INSERT INTO probes (run, job, number, probe, outcome) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(run)
        .bind(&claimed.job.id)
        .bind(number as i64)
        .bind(to_json(probe)?)
        .bind(to_json(outcome)?)
        .execute(&mut *tx)
        .await?;
        let event = serde_json::json!({"trial": number, "run": run, "status": status,
            "parameters": probe.change});
        events::insert(&mut tx, &claimed.job.id, EventKind::Trial, &event, now).await?;
        tx.commit().await?;
        self.signals.job_changed(&claimed.job.id);
        Ok(())
    }

    /// Keeps what a diagnosis concludes so far.
    pub async fn record_report(
        &self,
        claimed: &Claimed,
        report: &LimitationsReport,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        held(&mut tx, claimed).await?;
        sqlx::query("UPDATE reports SET report = $2 WHERE job = $1")
            .bind(&claimed.job.id)
            .bind(to_json(report)?)
            .execute(&mut *tx)
            .await?;
        // The end of the job is waited for, and with it whatever was written before.
        tx.commit_unsynced().await
    }

    /// The report of a diagnosis, so far; `None` before its first conclusions.
    pub async fn report_of_job(&self, job: &str) -> Result<Option<LimitationsReport>, StoreError> {
        let report: Option<Option<String>> =
            sqlx::query_scalar("SELECT report FROM reports WHERE job = $1")
                .bind(job)
                .fetch_optional(self.db.read())
                .await?;
        let report =
            report.ok_or_else(|| StoreError::NotFound { what: "diagnosis", id: job.to_owned() })?;
        report.map(|report| from_json(&report, "reports", "report", job)).transpose()
    }

    /// The newest diagnosis of a model: its job, and its report if it has come to one.
    pub async fn report_of_model(
        &self,
        model: &str,
    ) -> Result<Option<(String, Option<LimitationsReport>)>, StoreError> {
        // One that was asked for and has said nothing yet does not hide what is known.
        let row = sqlx::query(
            "SELECT job, report FROM reports WHERE model = $1
             ORDER BY report IS NULL, created_at DESC, job DESC LIMIT 1",
        )
        .bind(model)
        .fetch_optional(self.db.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (job, report): (String, Option<String>) = (row.try_get("job")?, row.try_get("report")?);
        let report = report.map(|report| from_json(&report, "reports", "report", &job));
        Ok(Some((job, report.transpose()?)))
    }
}
