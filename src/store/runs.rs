//! Runs: one training or range test each.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::db::Transaction;
use super::jobs::status;
use super::json::from_json;
use super::{Cursor, Page, Store, StoreError};
use crate::clock::Timestamp;
use crate::job::{JobStatus, Kept, Run};
use crate::model::test_results::TestResults;

/// A run's columns, its model, and where it stands. What a sweep has not trained by the time that it
/// ends is cancelled.
const SELECT: &str = "SELECT * FROM (SELECT runs.*, trials.number AS trial,
    CASE WHEN trials.run IS NULL THEN jobs.model
         ELSE (SELECT models.id FROM models WHERE models.run = runs.id LIMIT 1) END AS model,
    CASE WHEN trials.run IS NULL THEN jobs.warnings ELSE runs.warnings END AS told,
    CASE WHEN trials.run IS NULL THEN jobs.status
         WHEN trials.status = 'finished' THEN 'succeeded'
         WHEN trials.status = 'pruned' THEN 'stopped'
         WHEN trials.status = 'failed' THEN 'failed'
         WHEN jobs.status NOT IN ('queued', 'running', 'cancelling') THEN 'cancelled'
         WHEN trials.status = 'waiting' THEN 'queued'
         ELSE 'running' END AS status
    FROM runs JOIN jobs ON jobs.id = runs.job LEFT JOIN trials ON trials.run = runs.id) AS runs ";

impl Store {
    /// The run of an id.
    pub async fn run(&self, id: &str) -> Result<Run, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE runs.id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(self.db.read()).await?;
        run(&row.ok_or_else(|| StoreError::NotFound { what: "run", id: id.to_owned() })?)
    }

    /// What a run's model gave for each test record, if it has ended and had any.
    pub async fn test_results(&self, run: &str) -> Result<Option<TestResults>, StoreError> {
        let data: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT data FROM test_results WHERE run = $1")
                .bind(run)
                .fetch_optional(self.db.read())
                .await?;
        let read = |bytes: Vec<u8>| {
            TestResults::from_bytes(&bytes).map_err(|error| StoreError::Inconsistent {
                table: "test_results",
                column: "data",
                id: run.to_owned(),
                message: error.to_string(),
            })
        };
        data.map(read).transpose()
    }

    /// Runs, newest first.
    pub async fn runs(
        &self,
        status: Option<JobStatus>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Run>, StoreError> {
        let rows = sqlx::query(listing(status, after))
            .bind(status.map(JobStatus::name))
            .bind(after.map(|cursor| cursor.time))
            .bind(after.map(|cursor| cursor.id.as_str()))
            .bind(limit as i64 + 1)
            .fetch_all(self.db.read())
            .await?;
        let items: Result<Vec<Run>, _> = rows.iter().map(run).collect();
        Ok(Page::cut(items?, limit, |r| Cursor { time: r.created_at.millis(), id: r.id.clone() }))
    }
}

/// A page of runs. It names the conditions that there are and no others, so that an index serves them.
pub(super) fn listing(
    status: Option<JobStatus>,
    after: Option<&Cursor>,
) -> sqlx::AssertSqlSafe<String> {
    let of_status = if status.is_some() { "AND runs.status = $1" } else { "" };
    let from = if after.is_some() { "AND (runs.created_at, runs.id) < ($2, $3)" } else { "" };
    sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE TRUE {of_status} {from} ORDER BY runs.created_at DESC, runs.id DESC LIMIT $4"
    ))
}

/// Keeps what a run's model gave for each test record: about 20 bytes a record, in the transaction
/// that ends the run, so that there is never one without the other.
pub(super) async fn keep_test_results(
    tx: &mut Transaction,
    run: &str,
    test: Option<&TestResults>,
) -> Result<(), StoreError> {
    let Some(test) = test else { return Ok(()) };
    let bytes = test.to_bytes().map_err(|error| StoreError::Inconsistent {
        table: "test_results",
        column: "data",
        id: run.to_owned(),
        message: error.to_string(),
    })?;
    sqlx::query("INSERT OR REPLACE INTO test_results (run, data) VALUES ($1, $2)")
        .bind(run)
        .bind(bytes)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn run(row: &SqliteRow) -> Result<Run, StoreError> {
    let id: String = row.try_get("id")?;
    fn json<T: for<'de> serde::Deserialize<'de>>(
        row: &SqliteRow,
        column: &'static str,
        id: &str,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<String> = row.try_get(column)?;
        text.map(|text| from_json(&text, "runs", column, id)).transpose()
    }
    let count = |column: &str| -> Result<Option<u64>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(i64::unsigned_abs))
    };
    let spec: String = row.try_get("spec")?;
    let status = status(&row.try_get::<String, _>("status")?, &id)?;
    let held = row.try_get::<Option<String>, _>("checkpoint")?.is_some();
    let kept = count("checkpoint_epoch")?.zip(count("checkpoint_step")?);
    let kept = kept.filter(|_| held && status != JobStatus::Cancelled);
    Ok(Run {
        job: row.try_get("job")?,
        trial: count("trial")?,
        status,
        spec: from_json(&spec, "runs", "spec", &id)?,
        environment: json(row, "environment", &id)?,
        metrics: json(row, "metrics", &id)?,
        best_epoch: count("best_epoch")?,
        epochs: count("epochs")?,
        steps: count("steps")?,
        end_reason: json(row, "end_reason", &id)?,
        range_test: json(row, "range_test", &id)?,
        seconds: json(row, "seconds", &id)?,
        model: row.try_get("model")?,
        warnings: json(row, "told", &id)?.unwrap_or_default(),
        continues: row.try_get("continues")?,
        checkpoint: kept.map(|(epochs, steps)| Kept { epochs, steps }),
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        id,
    })
}
