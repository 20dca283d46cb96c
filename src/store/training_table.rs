//! The columns of a dataset that a training reads.

use std::io::BufReader;

use super::artifacts::LocalFile;
use super::{Artifacts, Store, StoreError};
use crate::data::error::DataError;
use crate::data::profile::{Column, ColumnKind};
use crate::data::{Cell, records};
use crate::model::encoder::InputColumn;
use crate::model::fit::TrainingTable;
use crate::model::spec::{SplitSpec, TrainSpec};

/// A dataset's file, and what of it a training reads.
pub struct StoredTable {
    file: LocalFile,
    /// Position in the file of every column that is read.
    positions: Vec<usize>,
    inputs: Vec<(String, ColumnKind)>,
    outcomes: usize,
    weighted: bool,
}

impl Store {
    /// Finds the columns that a spec names; [`StoreError::NotFound`] without the dataset or one of them.
    pub async fn training_table(&self, spec: &TrainSpec) -> Result<StoredTable, StoreError> {
        let profile = self.dataset(&spec.dataset).await?.profile();
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
        Ok(StoredTable {
            file: self.artifacts.file(&Artifacts::dataset_key(&spec.dataset)).await?,
            positions,
            inputs: inputs.into_iter().map(of).collect(),
            outcomes: outcomes.len(),
            weighted: spec.task.weight().is_some(),
        })
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
    /// Reads the columns. Blocking.
    pub fn read(self) -> Result<TrainingTable, DataError> {
        let input = BufReader::with_capacity(1 << 20, std::fs::File::open(self.file.path())?);
        let mut columns = records::read_columns(input, &self.positions)?.into_iter();
        let input = |((name, kind), cells): ((String, ColumnKind), Vec<Cell>)| InputColumn {
            name,
            kind,
            cells,
        };
        Ok(TrainingTable {
            inputs: self.inputs.into_iter().zip(columns.by_ref()).map(input).collect(),
            wanted: columns.by_ref().take(self.outcomes).collect(),
            weights: if self.weighted { columns.next() } else { None },
            splits: columns.next(),
        })
    }
}
