//! Trainings that are the remedy of a finding.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::idempotency::Keyed;
use super::{Store, StoreError};
use crate::job::Job;
use crate::model::spec::TrainSpec;

/// The finding that a training is the remedy of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemedyOf {
    /// The model that was diagnosed.
    pub model: String,
    /// The job of the diagnosis.
    pub diagnosis: String,
    /// The kind of the finding.
    pub finding: String,
}

impl Store {
    /// Accepts the training of a remedy.
    pub async fn insert_remedy(
        &self,
        spec: &TrainSpec,
        of: &RemedyOf,
        limits: (u32, i64),
        keyed: Option<&Keyed>,
    ) -> Result<Job, StoreError> {
        let mut tx = self.db.begin().await?;
        let id = self.insert_queued(&mut tx, "train", spec, &[], limits).await?;
        sqlx::query(
            "INSERT INTO remedies (job, model, diagnosis, finding) VALUES ($1, $2, $3, $4)",
        )
        .bind(&id)
        .bind(&of.model)
        .bind(&of.diagnosis)
        .bind(&of.finding)
        .execute(&mut *tx)
        .await?;
        self.accept(tx, &id, keyed).await
    }

    /// The finding that a model is the remedy of, if it is.
    pub(super) async fn remedy_of(&self, model: &str) -> Result<Option<RemedyOf>, StoreError> {
        let row = sqlx::query(
            "SELECT remedies.* FROM remedies JOIN models ON models.job = remedies.job
             WHERE models.id = $1",
        )
        .bind(model)
        .fetch_optional(self.db.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(RemedyOf {
            model: row.try_get("model")?,
            diagnosis: row.try_get("diagnosis")?,
            finding: row.try_get("finding")?,
        }))
    }
}
