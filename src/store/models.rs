//! Models: rows that name an artifact, and the references by which they are found.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use utoipa::ToSchema;

use super::db::Transaction;
use super::json::{from_json, to_json};
use super::remedies::RemedyOf;
use super::{Cursor, Page, Store, StoreError, continuations};
use crate::clock::Timestamp;
use crate::job::JobStatus;
use crate::model::card::Card;
use crate::model::spec::TrainSpec;

/// A model, without its card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelInfo {
    /// Its id.
    #[schema(example = "model_019ab3c1d2e37a4f8b6c5d4e3f2a1b0c")]
    pub id: String,
    /// Name under which the newest model is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Aliases that point to it, as `name@alias`.
    pub aliases: Vec<String>,
    /// The job that made it; absent where it was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The run that made it; absent where it was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The finding of a diagnosis that it was trained as the remedy of; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy_of: Option<RemedyOf>,
    /// The dataset it was made from; it may no longer be stored here.
    pub dataset: String,
    /// What it does.
    #[schema(example = "text_classification")]
    pub task: String,
    /// The spec it was made to.
    pub spec: TrainSpec,
    /// Bytes of its artifact.
    pub bytes: u64,
    /// SHA-256 of its artifact.
    pub sha256: String,
    /// When it was made or imported.
    pub created_at: Timestamp,
}

/// What [`ModelInfo`] shows: not the card, which is larger than all of it.
const COLUMNS: &str = "id, name, job, run, dataset, task, spec, artifact, bytes, created_at";

/// A page of models. It names the conditions that there are and no others, so that an index serves them.
pub(super) fn listing(name: Option<&str>, after: Option<&Cursor>) -> sqlx::AssertSqlSafe<String> {
    let named = if name.is_some() { "AND name = $1" } else { "" };
    let from = if after.is_some() { "AND (created_at, id) < ($2, $3)" } else { "" };
    sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM models WHERE TRUE {named} {from}
         ORDER BY created_at DESC, id DESC LIMIT $4"
    ))
}

/// A model to keep.
pub struct NewModel<'a> {
    /// Its id.
    pub id: String,
    /// Job and run that made it, unless it was imported.
    pub made_by: Option<(&'a str, &'a str)>,
    /// Name under which it is found.
    pub name: Option<&'a str>,
    /// The spec it was made to.
    pub spec: &'a TrainSpec,
    /// Its card.
    pub card: &'a Card,
    /// Key of its artifact.
    pub artifact: &'a str,
    /// Bytes of its artifact.
    pub bytes: u64,
}

pub(super) async fn insert(
    tx: &mut Transaction,
    model: &NewModel<'_>,
    now: Timestamp,
) -> Result<String, StoreError> {
    sqlx::query(
        "INSERT INTO models (id, name, job, run, dataset, task, spec, card, artifact, bytes,
                             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&model.id)
    .bind(model.name)
    .bind(model.made_by.map(|(job, _)| job))
    .bind(model.made_by.map(|(_, run)| run))
    .bind(&model.spec.dataset)
    .bind(model.spec.task.name())
    .bind(to_json(model.spec)?)
    .bind(to_json(model.card)?)
    .bind(model.artifact)
    .bind(model.bytes as i64)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(model.id.clone())
}

impl Store {
    /// Keeps a model whose artifact is stored.
    pub async fn insert_model(&self, model: &NewModel<'_>) -> Result<ModelInfo, StoreError> {
        let mut tx = self.db.begin().await?;
        insert(&mut tx, model, self.clock.now()).await?;
        tx.commit().await?;
        self.model(&model.id).await
    }

    /// Stores the bytes of a model; call it while [`Store::hold_files`] is held until the row that
    /// names them is in.
    pub async fn put_model(&self, bytes: Vec<u8>) -> Result<String, StoreError> {
        self.artifacts.put_hashed("models", bytes).await
    }

    /// Keeps files from being removed between the storing of one and the row that names it.
    pub async fn hold_files(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.files.clone().lock_owned().await
    }

    /// The id that a reference means: an id, `name@alias`, or the newest model of a name. A job or
    /// run stands for the model that it made.
    pub async fn resolve_model(&self, reference: &str) -> Result<String, StoreError> {
        let found: Option<String> = if reference.starts_with("model_") {
            sqlx::query_scalar("SELECT id FROM models WHERE id = $1")
                .bind(reference)
                .fetch_optional(self.db.read())
                .await?
        } else if reference.starts_with("job_") || reference.starts_with("run_") {
            return self.model_of_job(reference).await;
        } else if let Some((name, alias)) = reference.split_once('@') {
            sqlx::query_scalar("SELECT model FROM aliases WHERE name = $1 AND alias = $2")
                .bind(name)
                .bind(alias)
                .fetch_optional(self.db.read())
                .await?
        } else {
            sqlx::query_scalar(
                "SELECT id FROM models WHERE name = $1 ORDER BY created_at DESC, id DESC LIMIT 1",
            )
            .bind(reference)
            .fetch_optional(self.db.read())
            .await?
        };
        if let Some(id) = found {
            return Ok(id);
        }
        // A name without a model yet may be that of a job that has not ended.
        let training: Option<String> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE model_name = $1
             AND status IN ('queued', 'running', 'cancelling') ORDER BY seq LIMIT 1",
        )
        .bind(reference)
        .fetch_optional(self.db.read())
        .await?;
        match training {
            Some(job) => self.model_of_job(&job).await,
            None => Err(StoreError::NotFound { what: "model", id: reference.to_owned() }),
        }
    }

    /// The model of a job or run; while there is none, the error says how the job stands.
    async fn model_of_job(&self, reference: &str) -> Result<String, StoreError> {
        // The run of a sweep's best setting.
        let of_run: Option<String> = sqlx::query_scalar("SELECT id FROM models WHERE run = $1")
            .bind(reference)
            .fetch_optional(self.db.read())
            .await?;
        if let Some(model) = of_run {
            return Ok(model);
        }
        let row = sqlx::query("SELECT id, status, model FROM jobs WHERE id = $1 OR run = $1")
            .bind(reference)
            .fetch_optional(self.db.read())
            .await?;
        let Some(row) = row else {
            return Err(StoreError::NotFound { what: "job or run", id: reference.to_owned() });
        };
        if let Some(model) = row.try_get::<Option<String>, _>("model")? {
            return Ok(model);
        }
        let (job, status): (String, String) = (row.try_get("id")?, row.try_get("status")?);
        let ended = JobStatus::parse(&status).is_some_and(JobStatus::is_final);
        Err(StoreError::NoModel { job, status, ended })
    }

    /// The model of an id.
    pub async fn model(&self, id: &str) -> Result<ModelInfo, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM models WHERE id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(self.db.read()).await?;
        let row = row.ok_or_else(|| StoreError::NotFound { what: "model", id: id.to_owned() })?;
        let aliases = self.aliases_of(id).await?;
        info(&row, aliases, self.remedy_of(id).await?)
    }

    /// The card of a model.
    pub async fn model_card(&self, id: &str) -> Result<Card, StoreError> {
        let card: Option<String> = sqlx::query_scalar("SELECT card FROM models WHERE id = $1")
            .bind(id)
            .fetch_optional(self.db.read())
            .await?;
        let card = card.ok_or_else(|| StoreError::NotFound { what: "model", id: id.to_owned() })?;
        from_json(&card, "models", "card", id)
    }

    /// Key of a model's artifact.
    pub async fn model_artifact(&self, id: &str) -> Result<String, StoreError> {
        let key: Option<String> = sqlx::query_scalar("SELECT artifact FROM models WHERE id = $1")
            .bind(id)
            .fetch_optional(self.db.read())
            .await?;
        key.ok_or_else(|| StoreError::NotFound { what: "model", id: id.to_owned() })
    }

    /// Key of a model's artifact, its bytes, and whether any flagged texts of the model are kept.
    pub async fn model_file(&self, id: &str) -> Result<(String, u64, bool), StoreError> {
        let file: Option<(String, i64, bool)> =
            sqlx::query_as("SELECT artifact, bytes, store_texts > 0 FROM models WHERE id = $1")
                .bind(id)
                .fetch_optional(self.db.read())
                .await?;
        let (key, bytes, keeps_texts) =
            file.ok_or_else(|| StoreError::NotFound { what: "model", id: id.to_owned() })?;
        Ok((key, bytes as u64, keeps_texts))
    }

    /// Models, newest first, of one name if asked for.
    pub async fn models(
        &self,
        name: Option<&str>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<ModelInfo>, StoreError> {
        let rows = sqlx::query(listing(name, after))
            .bind(name)
            .bind(after.map(|cursor| cursor.time))
            .bind(after.map(|cursor| cursor.id.as_str()))
            .bind(limit as i64 + 1)
            .fetch_all(self.db.read())
            .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("id")?;
            let (aliases, remedy) = (self.aliases_of(&id).await?, self.remedy_of(&id).await?);
            items.push(info(row, aliases, remedy)?);
        }
        Ok(Page::cut(items, limit, |m| Cursor { time: m.created_at.millis(), id: m.id.clone() }))
    }

    /// Gives a model another name, or none.
    pub async fn rename_model(&self, id: &str, name: Option<&str>) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE models SET name = $2 WHERE id = $1");
        let updated = self.db.execute(update.bind(id).bind(name)).await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "model", id: id.to_owned() });
        }
        Ok(())
    }

    /// Removes a model that no alias points to, and its artifact unless another model shares it.
    pub async fn delete_model(&self, id: &str) -> Result<(), StoreError> {
        let _files = self.hold_files().await;
        let key = self.model_artifact(id).await?;
        let aliases = self.aliases_of(id).await?;
        if !aliases.is_empty() {
            return Err(StoreError::InUse {
                message: format!("the model {id:?} is pointed to by {}", aliases.join(", ")),
                hint: "point these aliases elsewhere or delete them, then delete the model",
            });
        }
        let run: Option<String> = sqlx::query_scalar("SELECT run FROM models WHERE id = $1")
            .bind(id)
            .fetch_one(self.db.read())
            .await?;
        let state = run.map(|run| Self::state_key(&run));
        let mut tx = self.db.begin().await?;
        if let Some(state) = &state {
            continuations::check_unneeded(&mut tx, id, state).await?;
            continuations::forget(&mut tx, state).await?;
        }
        continuations::check_not_a_start(&mut tx, id).await?;
        continuations::check_not_diagnosed(&mut tx, id).await?;
        continuations::check_not_evaluated(&mut tx, id).await?;
        sqlx::query("UPDATE jobs SET model = NULL WHERE model = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM models WHERE id = $1").bind(id).execute(&mut *tx).await?;
        let sharing: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM models WHERE artifact = $1")
            .bind(&key)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        if let Some(state) = &state {
            self.artifacts.delete(state).await?;
        }
        if sharing == 0 { self.artifacts.delete(&key).await } else { Ok(()) }
    }
}

fn info(
    row: &SqliteRow,
    aliases: Vec<String>,
    remedy_of: Option<RemedyOf>,
) -> Result<ModelInfo, StoreError> {
    let id: String = row.try_get("id")?;
    let spec: String = row.try_get("spec")?;
    let artifact: String = row.try_get("artifact")?;
    let hash = artifact.rsplit('/').next().unwrap_or("").trim_end_matches(".safetensors");
    Ok(ModelInfo {
        name: row.try_get("name")?,
        aliases,
        job: row.try_get("job")?,
        run: row.try_get("run")?,
        remedy_of,
        dataset: row.try_get("dataset")?,
        task: row.try_get("task")?,
        spec: from_json(&spec, "models", "spec", &id)?,
        bytes: row.try_get::<i64, _>("bytes")?.unsigned_abs(),
        sha256: hash.to_owned(),
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        id,
    })
}
