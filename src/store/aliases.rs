//! Aliases: `name@alias` points to a model, and can be pointed to another in one step.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::{Store, StoreError};
use crate::clock::Timestamp;

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alias {
    /// As `name@alias`.
    #[schema(example = "sentiment@production")]
    pub alias: String,
    /// Id of the model that it points to.
    pub model: String,
    /// When it was last pointed somewhere.
    pub updated_at: Timestamp,
}

impl Store {
    /// Points an alias to a model.
    pub async fn set_alias(
        &self,
        name: &str,
        alias: &str,
        model: &str,
    ) -> Result<Alias, StoreError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let exists: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM models WHERE id = $1")
            .bind(model)
            .fetch_one(&mut *tx)
            .await?;
        if exists == 0 {
            return Err(StoreError::NotFound { what: "model", id: model.to_owned() });
        }
        sqlx::query(
            "INSERT INTO aliases (name, alias, model, updated_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name, alias) DO UPDATE SET model = $3, updated_at = $4",
        )
        .bind(name)
        .bind(alias)
        .bind(model)
        .bind(now.millis())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Alias { alias: format!("{name}@{alias}"), model: model.to_owned(), updated_at: now })
    }

    /// Removes an alias.
    pub async fn delete_alias(&self, name: &str, alias: &str) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM aliases WHERE name = $1 AND alias = $2");
        let deleted = self.db.execute(delete.bind(name).bind(alias)).await?;
        if deleted.rows_affected() == 0 {
            let id = format!("{name}@{alias}");
            return Err(StoreError::NotFound { what: "alias", id });
        }
        Ok(())
    }

    /// Aliases after `after` (a `name@alias`), in order of name.
    pub async fn aliases(
        &self,
        limit: usize,
        after: Option<(&str, &str)>,
    ) -> Result<Vec<Alias>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM aliases WHERE $1 IS NULL OR name > $1 OR (name = $1 AND alias > $2)
             ORDER BY name, alias LIMIT $3",
        )
        .bind(after.map(|(name, _)| name))
        .bind(after.map(|(_, alias)| alias))
        .bind(limit as i64)
        .fetch_all(self.db.read())
        .await?;
        rows.iter()
            .map(|row| {
                let (name, alias): (String, String) = (row.try_get("name")?, row.try_get("alias")?);
                Ok(Alias {
                    alias: format!("{name}@{alias}"),
                    model: row.try_get("model")?,
                    updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
                })
            })
            .collect()
    }

    pub(super) async fn aliases_of(&self, model: &str) -> Result<Vec<String>, StoreError> {
        let rows =
            sqlx::query("SELECT name, alias FROM aliases WHERE model = $1 ORDER BY name, alias")
                .bind(model)
                .fetch_all(self.db.read())
                .await?;
        rows.iter()
            .map(|row| {
                let (name, alias): (String, String) = (row.try_get("name")?, row.try_get("alias")?);
                Ok(format!("{name}@{alias}"))
            })
            .collect()
    }
}
