//! What was counted of scored records: a row for each model and window, and a row for each stream.

use std::collections::BTreeMap;

use sqlx::Row;

use super::db::Transaction;
use super::flagged_texts::{self, FlaggedText};
use super::json::{from_json, to_json};
use super::{Cursor, Page, Store, StoreError};
use crate::clock::Timestamp;
use crate::model::monitoring::{Counts, Stream};

/// Windows that are kept of a model; older ones are forgotten.
pub const WINDOWS_KEPT: usize = 10_000;

/// A window of time: from its start on, up to its end and without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// What was counted of a model since it was last written.
pub struct Counted<'a> {
    /// Id of the model.
    pub model: &'a str,
    /// To be added to each window.
    pub windows: &'a BTreeMap<Span, Counts>,
    /// Where the stream stands now; `None` where it stands as before.
    pub stream: Option<&'a Stream>,
    /// Texts that were flagged, oldest first, of a model that keeps them.
    pub texts: &'a [FlaggedText],
}

/// Which windows of a model are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Between {
    /// Only windows that end after this.
    pub since: Option<Timestamp>,
    /// Only windows that begin before this.
    pub until: Option<Timestamp>,
}

impl Store {
    /// Writes what was counted, all of it or nothing. What was counted of a model that is gone is
    /// forgotten. A window whose row cannot be read begins anew, with a line in the log.
    pub async fn add_counts(&self, counted: &[Counted<'_>]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for Counted { model, windows, stream, texts } in counted {
            let exists: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM models WHERE id = $1")
                .bind(model)
                .fetch_one(&mut *tx)
                .await?;
            if exists == 0 {
                continue;
            }
            flagged_texts::add(&mut tx, model, texts).await?;
            for (span, counts) in *windows {
                add_window(&mut tx, model, *span, counts).await?;
            }
            if let Some(stream) = stream {
                sqlx::query(
                    "INSERT INTO monitoring_streams (model, state) VALUES ($1, $2)
                     ON CONFLICT (model) DO UPDATE SET state = $2",
                )
                .bind(model)
                .bind(to_json(stream)?)
                .execute(&mut *tx)
                .await?;
            }
        }
        // A kill loses the last seconds anyway.
        tx.commit_unsynced().await
    }

    /// Windows of a model, oldest first.
    pub async fn windows(
        &self,
        model: &str,
        between: Between,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<(Span, Counts)>, StoreError> {
        let rows = sqlx::query(
            "SELECT starts_at, ends_at, counts FROM monitoring_windows WHERE model = $1
             AND ($2 IS NULL OR ends_at > $2) AND ($3 IS NULL OR starts_at < $3)
             AND ($4 IS NULL OR starts_at > $4
                  OR (starts_at = $4 AND ends_at > CAST($5 AS INTEGER)))
             ORDER BY starts_at, ends_at LIMIT $6",
        )
        .bind(model)
        .bind(between.since.map(Timestamp::millis))
        .bind(between.until.map(Timestamp::millis))
        .bind(after.map(|cursor| cursor.time))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(limit as i64 + 1)
        .fetch_all(self.db.read())
        .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let moment = |column| row.try_get(column).map(Timestamp::from_millis);
            let span = Span { starts_at: moment("starts_at")?, ends_at: moment("ends_at")? };
            let counts: String = row.try_get("counts")?;
            items.push((span, from_json(&counts, "monitoring_windows", "counts", model)?));
        }
        Ok(Page::cut(items, limit, |(span, _)| Cursor {
            time: span.starts_at.millis(),
            id: span.ends_at.millis().to_string(),
        }))
    }

    /// Where a model's stream stands; `None` before its first record.
    pub async fn stream(&self, model: &str) -> Result<Option<Stream>, StoreError> {
        let state: Option<String> =
            sqlx::query_scalar("SELECT state FROM monitoring_streams WHERE model = $1")
                .bind(model)
                .fetch_optional(self.db.read())
                .await?;
        state.map(|state| from_json(&state, "monitoring_streams", "state", model)).transpose()
    }

    /// Forgets what was counted of a model, and its flagged texts.
    pub async fn forget_counts(&self, model: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for table in [
            "DELETE FROM monitoring_windows WHERE model = $1",
            "DELETE FROM monitoring_streams WHERE model = $1",
            "DELETE FROM flagged_texts WHERE model = $1",
        ] {
            sqlx::query(table).bind(model).execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}

async fn add_window(
    tx: &mut Transaction,
    model: &str,
    span: Span,
    counts: &Counts,
) -> Result<(), StoreError> {
    let (starts_at, ends_at) = (span.starts_at.millis(), span.ends_at.millis());
    let before: Option<String> = sqlx::query_scalar(
        "SELECT counts FROM monitoring_windows
         WHERE model = $1 AND starts_at = $2 AND ends_at = $3",
    )
    .bind(model)
    .bind(starts_at)
    .bind(ends_at)
    .fetch_optional(&mut **tx)
    .await?;
    let is_new = before.is_none();
    let before = before.map(|before| from_json(&before, "monitoring_windows", "counts", model));
    let before: Option<Counts> = before.transpose().unwrap_or_else(|error| {
        // It would keep what was counted of every model from being written.
        tracing::warn!(%error, starts_at, "a window of monitoring is damaged, and begins anew");
        None
    });
    let mut sum = before.unwrap_or_default();
    sum.add(counts);
    sqlx::query(
        "INSERT INTO monitoring_windows (model, starts_at, ends_at, counts)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (model, starts_at, ends_at) DO UPDATE SET counts = $4",
    )
    .bind(model)
    .bind(starts_at)
    .bind(ends_at)
    .bind(to_json(&sum)?)
    .execute(&mut **tx)
    .await?;
    if is_new {
        sqlx::query(
            "DELETE FROM monitoring_windows WHERE model = $1 AND starts_at <
                 (SELECT starts_at FROM monitoring_windows WHERE model = $1
                  ORDER BY starts_at DESC LIMIT 1 OFFSET $2)",
        )
        .bind(model)
        .bind(WINDOWS_KEPT as i64 - 1)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    /// The oldest windows make room, and what is counted of a model that is gone is dropped.
    #[tokio::test]
    async fn the_newest_windows_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), ManualClock::at(0)).await.unwrap();
        for statement in [
            "INSERT INTO models (id, dataset, task, spec, card, artifact, bytes, created_at)
             VALUES ('model_1', 'd', 't', '{}', '{}', 'a', 1, 0)",
            "INSERT INTO monitoring_windows (model, starts_at, ends_at, counts)
             WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
             SELECT 'model_1', i * 10, i * 10 + 10, '' FROM n",
        ] {
            sqlx::query(statement).execute(store.db.write_unsynced()).await.unwrap();
        }
        let span = |at| Span {
            starts_at: Timestamp::from_millis(at),
            ends_at: Timestamp::from_millis(at + 10),
        };
        let windows = BTreeMap::from([(span(100_000), Counts::default())]);
        let counted = |model| Counted { model, windows: &windows, stream: None, texts: &[] };
        store.add_counts(&[counted("model_gone"), counted("model_1")]).await.unwrap();
        let kept: Vec<i64> = sqlx::query_scalar(
            "SELECT starts_at FROM monitoring_windows WHERE model = 'model_1' ORDER BY starts_at",
        )
        .fetch_all(store.db.read())
        .await
        .unwrap();
        assert_eq!((kept.len(), kept[0], kept[WINDOWS_KEPT - 1]), (WINDOWS_KEPT, 10, 100_000));
        let gone = store.windows("model_gone", Between::default(), 5, None).await.unwrap();
        assert_eq!(gone.items, []);
    }
}
