//! Runs that go on from the state that another one left, and what becomes of such states.

use sqlx::Row;

use super::db::Transaction;
use super::idempotency::Keyed;
use super::{Store, StoreError};
use crate::job::Job;
use crate::model::spec::{TrainSpec, Warning};

impl Store {
    /// Key of the state that a run ended in.
    pub fn state_key(run: &str) -> String {
        format!("states/{run}.safetensors")
    }

    /// Accepts a job whose run goes on from the state that the run `of` left.
    pub async fn insert_continuation(
        &self,
        of: &str,
        spec: &TrainSpec,
        warnings: &[Warning],
        limits: (u32, i64),
        keyed: Option<&Keyed>,
    ) -> Result<Job, StoreError> {
        let mut tx = self.db.begin().await?;
        let id = self.insert_queued(&mut tx, "train", spec, warnings, limits).await?;
        let updated = sqlx::query(
            "UPDATE runs SET continues = $2, (checkpoint, checkpoint_step, checkpoint_epoch) =
                 (SELECT checkpoint, checkpoint_step, checkpoint_epoch FROM runs WHERE id = $2)
             WHERE job = $1 AND EXISTS
                 (SELECT 1 FROM runs WHERE id = $2 AND checkpoint IS NOT NULL)",
        )
        .bind(&id)
        .bind(of)
        .execute(&mut *tx)
        .await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::Conflict {
                message: format!("the last state of the run {of:?} has just been deleted"),
                hint: "train its spec anew, with more epochs",
            });
        }
        self.accept(tx, &id, keyed).await
    }
}

/// Refuses to let go of a state from which a job that has not ended is to go on.
pub(super) async fn check_unneeded(
    tx: &mut Transaction,
    model: &str,
    state: &str,
) -> Result<(), StoreError> {
    let needing: Vec<String> = sqlx::query_scalar(
        "SELECT jobs.id FROM runs JOIN jobs ON jobs.run = runs.id WHERE runs.checkpoint = $1
         AND jobs.status IN ('queued', 'running', 'cancelling') ORDER BY jobs.seq LIMIT 5",
    )
    .bind(state)
    .fetch_all(&mut **tx)
    .await?;
    unless_needed(&needing, || StoreError::InUse {
        message: format!("{} will go on from where {model:?} ended", needing.join(", ")),
        hint: "cancel these jobs or wait for them to start, then delete the model",
    })
}

/// Refuses to let go of a model from which a job that has not ended starts.
pub(super) async fn check_not_a_start(tx: &mut Transaction, model: &str) -> Result<(), StoreError> {
    let needing: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT jobs.id FROM runs JOIN jobs ON jobs.id = runs.job
         WHERE jobs.status IN ('queued', 'running', 'cancelling')
         AND json_extract(runs.spec, '$.init_from.model') = $1 LIMIT 5",
    )
    .bind(model)
    .fetch_all(&mut **tx)
    .await?;
    unless_needed(&needing, || StoreError::InUse {
        message: format!("{} will start from {model:?}", needing.join(", ")),
        hint: "cancel these jobs or wait for them to end, then delete the model",
    })
}

/// Refuses to let go of a model whose limitations are being looked for.
pub(super) async fn check_not_diagnosed(
    tx: &mut Transaction,
    model: &str,
) -> Result<(), StoreError> {
    let needing: Vec<String> = sqlx::query_scalar(
        "SELECT jobs.id FROM reports JOIN jobs ON jobs.id = reports.job
         WHERE jobs.status IN ('queued', 'running', 'cancelling') AND reports.model = $1 LIMIT 5",
    )
    .bind(model)
    .fetch_all(&mut **tx)
    .await?;
    unless_needed(&needing, || StoreError::InUse {
        message: format!("{} diagnoses {model:?}", needing.join(", ")),
        hint: "cancel these jobs or wait for them to end, then delete the model",
    })
}

/// Refuses to let go of a model that a job which has not ended evaluates.
pub(super) async fn check_not_evaluated(
    tx: &mut Transaction,
    model: &str,
) -> Result<(), StoreError> {
    let needing: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM jobs WHERE model = $1
         AND status IN ('queued', 'running', 'cancelling') ORDER BY seq LIMIT 5",
    )
    .bind(model)
    .fetch_all(&mut **tx)
    .await?;
    if needing.is_empty() {
        return Ok(());
    }
    Err(StoreError::InUse {
        message: format!("the model {model:?} is evaluated by {}", needing.join(", ")),
        hint: "cancel these jobs or wait for them to end, then delete the model",
    })
}

fn unless_needed(needing: &[String], error: impl FnOnce() -> StoreError) -> Result<(), StoreError> {
    if needing.is_empty() { Ok(()) } else { Err(error()) }
}

/// Forgets a state; the file is the caller's.
pub(super) async fn forget(tx: &mut Transaction, state: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE runs SET checkpoint = NULL, checkpoint_step = NULL, checkpoint_epoch = NULL
         WHERE checkpoint = $1",
    )
    .bind(state)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets the states of all runs on a dataset; returns the keys of their files.
pub(super) async fn forget_of_dataset(
    tx: &mut Transaction,
    dataset: &str,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT runs.checkpoint AS key FROM runs JOIN jobs ON jobs.id = runs.job
         WHERE jobs.dataset = $1 AND runs.checkpoint IS NOT NULL",
    )
    .bind(dataset)
    .fetch_all(&mut **tx)
    .await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        let key: String = row.try_get("key")?;
        forget(tx, &key).await?;
        keys.push(key);
    }
    Ok(keys)
}
