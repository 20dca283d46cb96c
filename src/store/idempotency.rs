//! Answers that a repeated request gets again.

use serde::Serialize;
use sqlx::Row;

use super::db::Transaction;
use super::json::to_json;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// How long an answer is remembered.
const REMEMBERED_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A request that carries an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The key.
    pub key: String,
    /// Method and path.
    pub route: String,
    /// Hash of the body.
    pub body: String,
}

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// HTTP status.
    pub status: u16,
    /// `Location`.
    pub location: String,
    /// Body.
    pub answer: String,
}

/// Remembers an answer, in the very transaction that makes it true.
pub(super) async fn remember(
    tx: &mut Transaction,
    keyed: &Keyed,
    status: u16,
    location: &str,
    answer: &impl Serialize,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency_keys WHERE key = $1 AND created_at <= $2")
        .bind(&keyed.key)
        .bind(now.millis() - REMEMBERED_MILLIS)
        .execute(&mut **tx)
        .await?;
    let inserted = sqlx::query(
        "INSERT INTO idempotency_keys (key, route, body, status, location, answer, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING",
    )
    .bind(&keyed.key)
    .bind(&keyed.route)
    .bind(&keyed.body)
    .bind(i64::from(status))
    .bind(location)
    .bind(to_json(answer)?)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::KeyTaken)
}

impl Store {
    /// The answer that a request had before, if it had one.
    pub async fn recall(&self, keyed: &Keyed) -> Result<Option<Remembered>, StoreError> {
        let row = sqlx::query("SELECT * FROM idempotency_keys WHERE key = $1 AND created_at > $2")
            .bind(&keyed.key)
            .bind(self.clock.now().millis() - REMEMBERED_MILLIS)
            .fetch_optional(self.db.read())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (route, body): (String, String) = (row.try_get("route")?, row.try_get("body")?);
        if route != keyed.route || body != keyed.body {
            return Err(StoreError::IdempotencyMismatch { key: keyed.key.clone() });
        }
        Ok(Some(Remembered {
            status: row.try_get::<i64, _>("status")? as u16,
            location: row.try_get("location")?,
            answer: row.try_get("answer")?,
        }))
    }

    /// Forgets answers that are a day old.
    pub async fn forget_old_answers(&self) -> Result<(), StoreError> {
        let oldest = self.clock.now().millis() - REMEMBERED_MILLIS;
        sqlx::query("DELETE FROM idempotency_keys WHERE created_at <= $1")
            .bind(oldest)
            .execute(self.db.write_unsynced())
            .await?;
        Ok(())
    }
}
