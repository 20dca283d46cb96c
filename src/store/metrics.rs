//! Metric histories. Points come in batches and are kept many to a row, so that recording every
//! step of a fast training costs the database little.

use sqlx::{QueryBuilder, Row, Sqlite};

use super::db::Transaction;
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::job::MetricPoint;

/// Bytes of a point: step, epoch, time, value; little-endian.
const POINT: usize = 8 + 4 + 8 + 8;

/// Points of one metric, in order of step.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The metric.
    pub name: &'static str,
    /// The points; not empty.
    pub points: Vec<MetricPoint>,
}

/// A metric of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// Points.
    pub points: u64,
    /// Step of the last one.
    pub last_step: u64,
}

pub(super) async fn append(
    tx: &mut Transaction,
    run: &str,
    chunks: &[Chunk],
) -> Result<(), StoreError> {
    if chunks.iter().any(|chunk| !chunk.points.is_empty()) {
        inserting(run, chunks).build().execute(&mut **tx).await?;
    }
    Ok(())
}

/// One statement for all chunks: there are no more of them than metrics of a run.
fn inserting(run: &str, chunks: &[Chunk]) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::new(
        "INSERT OR REPLACE INTO metric_chunks (run, name, first_step, last_step, points, data) ",
    );
    let ends = |Chunk { points, .. }: &Chunk| Some((points.first()?.step, points.last()?.step));
    let chunks = chunks.iter().filter_map(|chunk| Some((chunk, ends(chunk)?)));
    insert.push_values(chunks, |mut row, (Chunk { name, points }, (first, last))| {
        row.push_bind(run).push_bind(*name).push_bind(first as i64).push_bind(last as i64);
        row.push_bind(points.len() as i64).push_bind(encode(points));
    });
    insert
}

impl Store {
    /// The metrics of a run.
    pub async fn metric_names(&self, run: &str) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, SUM(points) AS points, MAX(last_step) AS last_step FROM metric_chunks
             WHERE run = $1 GROUP BY name ORDER BY name",
        )
        .bind(run)
        .fetch_all(self.db.read())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Recorded {
                    name: row.try_get("name")?,
                    points: row.try_get::<i64, _>("points")?.unsigned_abs(),
                    last_step: row.try_get::<i64, _>("last_step")?.unsigned_abs(),
                })
            })
            .collect()
    }

    /// The points of a metric from a step on, in order.
    pub async fn metric_points(
        &self,
        run: &str,
        name: &str,
        from_step: u64,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        let chunks: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT data FROM metric_chunks WHERE run = $1 AND name = $2 AND last_step >= $3
             ORDER BY first_step",
        )
        .bind(run)
        .bind(name)
        .bind(i64::try_from(from_step).unwrap_or(i64::MAX))
        .fetch_all(self.db.read())
        .await?;
        let points = chunks.iter().flat_map(|data| decode(data));
        Ok(points.filter(|point| point.step >= from_step).collect())
    }

    /// Forgets what an attempt measured after the checkpoint that the next attempt goes on from.
    pub async fn forget_metrics_after(&self, run: &str, step: u64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let rows = sqlx::query(
            "SELECT name, first_step, data FROM metric_chunks WHERE run = $1 AND last_step > $2",
        )
        .bind(run)
        .bind(step as i64)
        .fetch_all(&mut *tx)
        .await?;
        for row in rows {
            let (name, first): (String, i64) = (row.try_get("name")?, row.try_get("first_step")?);
            let data: Vec<u8> = row.try_get("data")?;
            let kept: Vec<MetricPoint> = decode(&data).filter(|p| p.step <= step).collect();
            let statement = if kept.is_empty() {
                sqlx::query(
                    "DELETE FROM metric_chunks WHERE run = $1 AND name = $2 AND first_step = $3",
                )
            } else {
                sqlx::query(
                    "UPDATE metric_chunks SET data = $4, points = $5, last_step = $6
                     WHERE run = $1 AND name = $2 AND first_step = $3",
                )
            };
            let mut statement = statement.bind(run).bind(name).bind(first);
            if let Some(last) = kept.last() {
                let (count, last) = (kept.len() as i64, last.step as i64);
                statement = statement.bind(encode(&kept)).bind(count).bind(last);
            }
            statement.execute(&mut *tx).await?;
        }
        tx.commit_unsynced().await
    }
}

fn encode(points: &[MetricPoint]) -> Vec<u8> {
    let mut data = Vec::with_capacity(points.len() * POINT);
    for point in points {
        data.extend(point.step.to_le_bytes());
        data.extend(point.epoch.to_le_bytes());
        data.extend(point.time.millis().to_le_bytes());
        data.extend(point.value.to_le_bytes());
    }
    data
}

fn decode(data: &[u8]) -> impl Iterator<Item = MetricPoint> {
    fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        std::array::from_fn(|i| bytes[at + i])
    }
    data.chunks_exact(POINT).map(|bytes| MetricPoint {
        step: u64::from_le_bytes(take(bytes, 0)),
        epoch: u32::from_le_bytes(take(bytes, 8)),
        time: Timestamp::from_millis(i64::from_le_bytes(take(bytes, 12))),
        value: f64::from_le_bytes(take(bytes, 20)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_round_trip_even_when_they_are_not_finite() {
        let points: Vec<MetricPoint> = [1.5, f64::NAN, f64::INFINITY]
            .iter()
            .enumerate()
            .map(|(i, value)| MetricPoint {
                step: i as u64 + 1,
                epoch: 7,
                value: *value,
                time: Timestamp::from_millis(1_000 + i as i64),
            })
            .collect();
        let back: Vec<MetricPoint> = decode(&encode(&points)).collect();
        assert_eq!(format!("{back:?}"), format!("{points:?}"));
    }
}
