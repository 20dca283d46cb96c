//! The columns of a dataset that a training reads.

use std::collections::VecDeque;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};

use super::artifacts::LocalFile;
use super::{Artifacts, Store, StoreError};
use crate::data::error::DataError;
use crate::data::profile::{Column, ColumnKind, Profile};
use crate::data::{Cell, records};
use crate::model::encoder::InputColumn;
use crate::model::fit::TrainingTable;
use crate::model::spec::{SplitSpec, TrainSpec};

/// Bytes of records up to which a table or a profile is kept after it was read.
const SMALL: u64 = 1 << 20;
/// Tables, and profiles, that are kept.
const KEPT: usize = 4;

/// Which columns of which dataset. A dataset never changes: its id is the hash of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    dataset: String,
    /// Position in the file of every column that is read.
    positions: Vec<usize>,
    inputs: Vec<(String, ColumnKind)>,
    outcomes: usize,
    weighted: bool,
}

/// What was read last of small datasets, so that many short jobs on one of them read it once.
#[derive(Default)]
pub(super) struct Recent {
    tables: Mutex<VecDeque<(Wanted, Arc<TrainingTable>)>>,
    profiles: Mutex<VecDeque<(String, Arc<Profile>)>>,
}

fn find<K: PartialEq<Q>, Q: ?Sized, T>(
    kept: &Mutex<VecDeque<(K, Arc<T>)>>,
    key: &Q,
) -> Option<Arc<T>> {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.iter().find(|(of, _)| of == key).map(|(_, value)| value.clone())
}

fn keep<K, T>(kept: &Mutex<VecDeque<(K, Arc<T>)>>, key: K, value: Arc<T>) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push_front((key, value));
    kept.truncate(KEPT);
}

/// A dataset's file, and what of it a training reads.
pub struct StoredTable {
    file: LocalFile,
    wanted: Wanted,
    small: bool,
    recent: Arc<Recent>,
}

impl Store {
    /// The profile of a dataset, and bytes of its records; [`StoreError::NotFound`] without it.
    pub async fn profile(&self, id: &str) -> Result<(Arc<Profile>, u64), StoreError> {
        let bytes: Option<i64> = sqlx::query_scalar("SELECT bytes FROM datasets WHERE id = $1")
            .bind(id)
            .fetch_optional(self.db.read())
            .await?;
        let bytes =
            bytes.ok_or_else(|| StoreError::NotFound { what: "dataset", id: id.to_owned() })?;
        let bytes = bytes.unsigned_abs();
        if let Some(profile) = find(&self.recent.profiles, id) {
            return Ok((profile, bytes));
        }
        let profile = Arc::new(self.dataset(id).await?.profile());
        if bytes <= SMALL {
            keep(&self.recent.profiles, id.to_owned(), profile.clone());
        }
        Ok((profile, bytes))
    }

    /// Finds the columns that a spec names; [`StoreError::NotFound`] without the dataset or one of them.
    pub async fn training_table(&self, spec: &TrainSpec) -> Result<StoredTable, StoreError> {
        let (profile, bytes) = self.profile(&spec.dataset).await?;
        let find = |name: &str| {
            let missing = || StoreError::NotFound { what: "column", id: name.to_owned() };
            profile.column(name).ok_or_else(missing)
        };
        let names = spec.task.input_columns();
        let inputs = names.into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let (_, outcomes) = spec.task.wanted_columns();
        let split = match &spec.split {
            SplitSpec::Column { column, .. } => Some(column.as_str()),
            SplitSpec::Shares { .. } => None,
        };
        let mut positions: Vec<usize> = inputs.iter().map(|(position, _)| *position).collect();
        for name in outcomes.iter().copied().chain(spec.task.weight()).chain(split) {
            positions.push(find(name)?.0);
        }
        let of = |(_, column): (usize, &Column)| (column.name.clone(), column.kind);
        let wanted = Wanted {
            dataset: spec.dataset.clone(),
            positions,
            inputs: inputs.into_iter().map(of).collect(),
            outcomes: outcomes.len(),
            weighted: spec.task.weight().is_some(),
        };
        let file = self.artifacts.file(&Artifacts::dataset_key(&spec.dataset)).await?;
        Ok(StoredTable { file, wanted, small: bytes <= SMALL, recent: self.recent.clone() })
    }
}

/// A column of a dataset.
pub struct StoredColumn {
    file: LocalFile,
    position: usize,
}

impl Store {
    /// Finds a column; [`StoreError::NotFound`] without the dataset or the column.
    pub async fn stored_column(
        &self,
        dataset: &str,
        name: &str,
    ) -> Result<StoredColumn, StoreError> {
        let profile = self.dataset(dataset).await?.profile();
        let missing = || StoreError::NotFound { what: "column", id: name.to_owned() };
        let (position, _) = profile.column(name).ok_or_else(missing)?;
        let file = self.artifacts.file(&Artifacts::dataset_key(dataset)).await?;
        Ok(StoredColumn { file, position })
    }
}

impl StoredColumn {
    /// Reads it. Blocking.
    pub fn read(self) -> Result<Vec<Cell>, DataError> {
        let input = BufReader::with_capacity(1 << 20, std::fs::File::open(self.file.path())?);
        Ok(records::read_columns(input, &[self.position])?.pop().unwrap_or_default())
    }
}

impl StoredTable {
    /// The columns, if they were read a short while ago.
    pub fn known(&self) -> Option<TrainingTable> {
        find(&self.recent.tables, &self.wanted).map(|table| (*table).clone())
    }

    /// Reads the columns. Blocking.
    pub fn read(self) -> Result<TrainingTable, DataError> {
        let Self { file, wanted, small, recent } = self;
        let input = BufReader::with_capacity(1 << 20, std::fs::File::open(file.path())?);
        let table = wanted.of(records::read_columns(input, &wanted.positions)?);
        if small {
            keep(&recent.tables, wanted, Arc::new(table.clone()));
        }
        Ok(table)
    }
}

impl Wanted {
    /// The table of columns that were read.
    fn of(&self, columns: Vec<Vec<Cell>>) -> TrainingTable {
        let mut columns = columns.into_iter();
        let input = |((name, kind), cells): ((String, ColumnKind), Vec<Cell>)| InputColumn {
            name,
            kind,
            cells,
        };
        TrainingTable {
            inputs: self.inputs.iter().cloned().zip(columns.by_ref()).map(input).collect(),
            wanted: columns.by_ref().take(self.outcomes).collect(),
            weights: if self.weighted { columns.next() } else { None },
            splits: columns.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::data::Sink;
    use crate::data::reader::Format;
    use crate::data::records::RecordWriter;
    use crate::store::datasets::{NewDataset, Origin};

    #[tokio::test]
    async fn what_is_kept_of_a_dataset_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), SystemClock::shared()).await.unwrap();
        let file = store.artifacts.scratch_file().unwrap();
        let mut writer = RecordWriter::new(file.reopen().unwrap());
        writer.columns(&["n".to_owned()]).unwrap();
        writer.record(&[Cell::Integer(1)]).unwrap();
        let (written, origin) = (writer.finish().unwrap(), Origin::File(Format::Csv));
        let new = NewDataset { name: "n", origin, written, file: file.path() };
        let id = store.insert_dataset(new, None).await.unwrap().0.id;
        let (first, bytes) = store.profile(&id).await.unwrap();
        let (again, _) = store.profile(&id).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again) && first.rows == 1 && bytes > 0);
        store.delete_dataset(&id).await.unwrap();
        let gone = store.profile(&id).await;
        assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    }
}
