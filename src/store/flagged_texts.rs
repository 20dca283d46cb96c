//! Scored texts that were flagged as outside, of models that were asked to keep them. They are the only
//! records that scoring leaves behind.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::db::Transaction;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// Texts of a model that are kept at most.
pub const MOST_TEXTS: usize = 1_000;

/// A scored text that was flagged as outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FlaggedText {
    /// The text, as it was sent.
    pub text: String,
    /// Its combined out-of-distribution p-value, in (0, 1].
    pub p_value: f64,
    /// When it was scored.
    pub scored_at: Timestamp,
}

impl Store {
    /// How many of a model's flagged texts are kept; 0 where none are.
    pub async fn store_texts(&self, model: &str) -> Result<usize, StoreError> {
        let most: Option<i64> = sqlx::query_scalar("SELECT store_texts FROM models WHERE id = $1")
            .bind(model)
            .fetch_optional(self.db.read())
            .await?;
        Ok(most.and_then(|most| usize::try_from(most).ok()).unwrap_or(0))
    }

    /// Sets how many of a model's flagged texts are kept, and forgets the older ones.
    pub async fn set_store_texts(&self, model: &str, most: usize) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        sqlx::query("UPDATE models SET store_texts = $2 WHERE id = $1")
            .bind(model)
            .bind(most.min(MOST_TEXTS) as i64)
            .execute(&mut *tx)
            .await?;
        forget_older(&mut tx, model).await?;
        tx.commit().await
    }

    /// A model's flagged texts, newest first.
    pub async fn flagged_texts(
        &self,
        model: &str,
        limit: usize,
    ) -> Result<Vec<FlaggedText>, StoreError> {
        let rows = sqlx::query(
            "SELECT text, p_value, scored_at FROM flagged_texts WHERE model = $1
             ORDER BY seq DESC LIMIT $2",
        )
        .bind(model)
        .bind(limit as i64)
        .fetch_all(self.db.read())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(FlaggedText {
                    text: row.try_get("text")?,
                    p_value: row.try_get("p_value")?,
                    scored_at: Timestamp::from_millis(row.try_get("scored_at")?),
                })
            })
            .collect()
    }

    /// Forgets a model's flagged texts.
    pub async fn forget_texts(&self, model: &str) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM flagged_texts WHERE model = $1");
        self.db.execute(delete.bind(model)).await?;
        Ok(())
    }
}

/// Adds texts, oldest first, as far as their model keeps any.
pub(super) async fn add(
    tx: &mut Transaction,
    model: &str,
    texts: &[FlaggedText],
) -> Result<(), StoreError> {
    for text in texts {
        sqlx::query(
            "INSERT INTO flagged_texts (model, text, p_value, scored_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(model)
        .bind(&text.text)
        .bind(text.p_value)
        .bind(text.scored_at.millis())
        .execute(&mut **tx)
        .await?;
    }
    if texts.is_empty() { Ok(()) } else { forget_older(tx, model).await }
}

/// Forgets all but the newest texts that a model keeps.
async fn forget_older(tx: &mut Transaction, model: &str) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM flagged_texts WHERE model = $1 AND seq NOT IN
             (SELECT seq FROM flagged_texts WHERE model = $1 ORDER BY seq DESC
              LIMIT (SELECT store_texts FROM models WHERE id = $1))",
    )
    .bind(model)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
