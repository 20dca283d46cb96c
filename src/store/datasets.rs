//! Datasets: immutable records under the hash of their content.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use utoipa::ToSchema;

use super::idempotency::{self, Keyed};
use super::json::{from_json, to_json};
use super::{Artifacts, Cursor, Page, Store, StoreError, continuations};
use crate::clock::Timestamp;
use crate::data::generator::GeneratorSpec;
use crate::data::profile::{Column, Profile, ValueCount};
use crate::data::reader::Format;
use crate::data::records::Written;
use crate::model::spec::Warning;

/// Words of a column's name beyond which it may be a text.
const LONG_NAME: usize = 8;

/// A dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dataset {
    /// `ds_` and the first 32 hexadecimal digits of the SHA-256 of its records.
    #[schema(example = "ds_74f25f4a1c310ee85af434388a95b276")]
    pub id: String,
    /// What it was called when it was first uploaded.
    pub name: String,
    /// The format that it was uploaded in; absent where a generator made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The generator that made it, with every default filled in; absent where it was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<GeneratorSpec>,
    /// Records.
    pub rows: u64,
    /// Bytes that its records take.
    pub bytes: u64,
    /// Records that repeat an earlier one in every column.
    pub duplicate_rows: u64,
    /// Its columns, in the order of the file.
    pub columns: Vec<Column>,
    /// What looks wrong with it, such as a first line that looks like a record.
    pub warnings: Vec<Warning>,
    /// When it was first uploaded.
    pub created_at: Timestamp,
}

impl Dataset {
    /// Its profile, as specs are resolved against.
    pub fn profile(&self) -> Profile {
        Profile {
            rows: self.rows,
            duplicate_rows: self.duplicate_rows,
            columns: self.columns.clone(),
        }
    }
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A file of this format.
    File(Format),
    /// A generator.
    Generator(GeneratorSpec),
}

/// What a new dataset needs besides its records.
pub struct NewDataset<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Where its records come from.
    pub origin: Origin,
    /// Its records, written to a local file.
    pub written: Written,
    /// That file.
    pub file: &'a std::path::Path,
}

impl Store {
    /// Keeps a dataset. Returns it and whether it is new: the same records are the same dataset.
    pub async fn insert_dataset(
        &self,
        new: NewDataset<'_>,
        keyed: Option<&Keyed>,
    ) -> Result<(Dataset, bool), StoreError> {
        let id = format!("ds_{}", &new.written.sha256[..32]);
        let _files = self.files.lock().await;
        if let Some(existing) = self.find_dataset(&id).await? {
            self.remember_dataset(&existing, 200, keyed).await?;
            return Ok((existing, false));
        }
        // The file comes first: a row never names a file that is not there.
        self.artifacts.put_file(&Artifacts::dataset_key(&id), new.file).await?;
        let Written { bytes, index, profile, .. } = new.written;
        let (format, generator) = match new.origin {
            Origin::File(format) => (Some(format), None),
            Origin::Generator(generator) => (None, Some(generator)),
        };
        let dataset = Dataset {
            id: id.clone(),
            name: new.name.to_owned(),
            format,
            generator,
            rows: profile.rows,
            bytes,
            duplicate_rows: profile.duplicate_rows,
            columns: profile.columns.clone(),
            warnings: format.map_or_else(Vec::new, |format| warnings(format, &profile)),
            created_at: self.clock.now(),
        };
        let mut tx = self.db.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO datasets
                 (id, name, format, rows, bytes, profile, row_index, created_at, generator)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&dataset.id)
        .bind(&dataset.name)
        .bind(to_json(&dataset.format)?)
        .bind(dataset.rows as i64)
        .bind(dataset.bytes as i64)
        .bind(to_json(&profile)?)
        .bind(to_json(&index)?)
        .bind(dataset.created_at.millis())
        .bind(dataset.generator.as_ref().map(to_json).transpose()?)
        .execute(&mut *tx)
        .await?;
        let is_new = inserted.rows_affected() == 1;
        if let Some(keyed) = keyed {
            let status = if is_new { 201 } else { 200 };
            idempotency::remember(
                &mut tx,
                keyed,
                status,
                &location(&id),
                &dataset,
                self.clock.now(),
            )
            .await?;
        }
        tx.commit().await?;
        if is_new {
            return Ok((dataset, true));
        }
        // Someone else uploaded the same records a moment ago.
        Ok((self.dataset(&id).await?, false))
    }

    async fn remember_dataset(
        &self,
        dataset: &Dataset,
        status: u16,
        keyed: Option<&Keyed>,
    ) -> Result<(), StoreError> {
        if let Some(keyed) = keyed {
            let mut tx = self.db.begin().await?;
            let now = self.clock.now();
            idempotency::remember(&mut tx, keyed, status, &location(&dataset.id), dataset, now)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The dataset of an id.
    pub async fn dataset(&self, id: &str) -> Result<Dataset, StoreError> {
        let found = self.find_dataset(id).await?;
        found.ok_or_else(|| StoreError::NotFound { what: "dataset", id: id.to_owned() })
    }

    async fn find_dataset(&self, id: &str) -> Result<Option<Dataset>, StoreError> {
        let row = sqlx::query("SELECT * FROM datasets WHERE id = $1").bind(id);
        row.fetch_optional(self.db.read()).await?.map(|row| dataset(&row)).transpose()
    }

    /// Where every thousandth record of a dataset starts.
    pub async fn dataset_index(&self, id: &str) -> Result<Vec<u64>, StoreError> {
        let index: Option<String> =
            sqlx::query_scalar("SELECT row_index FROM datasets WHERE id = $1")
                .bind(id)
                .fetch_optional(self.db.read())
                .await?;
        let index =
            index.ok_or_else(|| StoreError::NotFound { what: "dataset", id: id.to_owned() })?;
        from_json(&index, "datasets", "row_index", id)
    }

    /// Datasets, newest first.
    pub async fn datasets(
        &self,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Dataset>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM datasets
             WHERE $1 IS NULL OR created_at < $1 OR (created_at = $1 AND id < $2)
             ORDER BY created_at DESC, id DESC LIMIT $3",
        )
        .bind(after.map(|cursor| cursor.time))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(limit as i64 + 1)
        .fetch_all(self.db.read())
        .await?;
        let items: Result<Vec<Dataset>, _> = rows.iter().map(dataset).collect();
        Ok(Page::cut(items?, limit, |d| Cursor { time: d.created_at.millis(), id: d.id.clone() }))
    }

    /// Removes a dataset that no job needs any more.
    pub async fn delete_dataset(&self, id: &str) -> Result<(), StoreError> {
        let _files = self.files.lock().await;
        let mut tx = self.db.begin().await?;
        let needing: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE dataset = $1
             AND status IN ('queued', 'running', 'cancelling') ORDER BY seq LIMIT 5",
        )
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        if !needing.is_empty() {
            return Err(StoreError::InUse {
                message: format!("the dataset {id:?} is needed by {}", needing.join(", ")),
                hint: "cancel these jobs or wait for them to end, then delete the dataset",
            });
        }
        let deleted =
            sqlx::query("DELETE FROM datasets WHERE id = $1").bind(id).execute(&mut *tx).await?;
        if deleted.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "dataset", id: id.to_owned() });
        }
        // Without its records no run can go on.
        let states = continuations::forget_of_dataset(&mut tx, id).await?;
        tx.commit().await?;
        for state in &states {
            self.artifacts.delete(state).await?;
        }
        self.artifacts.delete(&Artifacts::dataset_key(id)).await
    }
}

fn location(id: &str) -> String {
    format!("/v1/datasets/{id}")
}

/// What looks wrong with a table. In CSV the first line names the columns; a file without such a
/// line loses its first record to it.
fn warnings(format: Format, profile: &Profile) -> Vec<Warning> {
    if format != Format::Csv {
        return Vec::new();
    }
    let doubt = |column: &Column| {
        let name = &column.name;
        let is_value = |values: &Vec<ValueCount>| values.iter().any(|v| v.value == *name);
        let why = if column.values.as_ref().is_some_and(is_value) {
            "which is one of its values, too"
        } else if name.split_whitespace().count() > LONG_NAME {
            "which is long for a name"
        } else {
            return None;
        };
        let shown: String = name.chars().take(80).collect();
        let message = format!(
            "the first line looks like a record: it names a column {shown:?}, {why}. If it is one, \
             put a line with the columns' names before it and upload the file again"
        );
        Some(Warning::new("header_looks_like_record", message))
    };
    profile.columns.iter().find_map(doubt).into_iter().collect()
}

fn dataset(row: &SqliteRow) -> Result<Dataset, StoreError> {
    let id: String = row.try_get("id")?;
    let profile: String = row.try_get("profile")?;
    let profile: Profile = from_json(&profile, "datasets", "profile", &id)?;
    let format: String = row.try_get("format")?;
    let generator: Option<String> = row.try_get("generator")?;
    let generator: Option<GeneratorSpec> =
        generator.map(|text| from_json(&text, "datasets", "generator", &id)).transpose()?;
    let format: Option<Format> = from_json(&format, "datasets", "format", &id)?;
    Ok(Dataset {
        name: row.try_get("name")?,
        warnings: format.map_or_else(Vec::new, |format| warnings(format, &profile)),
        format,
        generator,
        rows: profile.rows,
        bytes: row.try_get::<i64, _>("bytes")?.unsigned_abs(),
        duplicate_rows: profile.duplicate_rows,
        columns: profile.columns,
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        id,
    })
}
