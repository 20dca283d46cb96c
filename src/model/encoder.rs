//! Records to features: one encoder for each kind of input, fitted to the training split.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::FitError;
use super::spec::{TrainSpec, Warning};
use crate::data::Cell;
use crate::data::profile::ColumnKind;
use crate::learn::network::InputShape;
use crate::learn::rows::{DenseRows, Features, Row, SparseRow, SparseRows};
use crate::random::fnv1a;
use crate::tabular::{self, EncodedRow, InputKind, TabularEncoder, Unreadable, Value};
use crate::task::Input;
use crate::text::{self, Vectorizer};

/// A column that records go in by.
#[derive(Debug, Clone, PartialEq)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// A cell for each record.
    pub cells: Vec<Cell>,
}

/// A record as it is handed in.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A text.
    Text(String),
    /// A cell for each of the encoder's columns.
    Row(Vec<Cell>),
}

/// Turns records into features.
pub enum Encoder {
    /// Texts.
    Text(Vectorizer),
    /// Rows of a table.
    Table(TabularEncoder),
}

/// A record as features, and how much of it the encoder knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoded {
    /// Of a text.
    Text(text::Encoded),
    /// Of a row.
    Row(EncodedRow),
}

/// What kind of records an encoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputType {
    /// Texts.
    Text,
    /// Rows of a table.
    Table,
}

impl Encoded {
    /// As a network takes it.
    pub fn row(&self) -> Row<'_> {
        match self {
            Self::Text(text) => {
                let text::Encoded { ids, weights, ngrams, .. } = text;
                Row::Sparse(SparseRow { ids, weights, size: *ngrams })
            }
            Self::Row(row) => Row::Dense(&row.features),
        }
    }

    /// The words of a text; none of other records.
    pub fn words(&self) -> &[u32] {
        match self {
            Self::Text(text) => &text.words,
            Self::Row(_) => &[],
        }
    }

    /// The numbers of a record that is one vector; none of a text.
    pub fn vector(&self) -> &[f32] {
        match self {
            Self::Text(_) => &[],
            Self::Row(row) => &row.features,
        }
    }

    /// The text that this is, if it is one.
    pub fn text(&self) -> Option<&text::Encoded> {
        match self {
            Self::Text(text) => Some(text),
            Self::Row(_) => None,
        }
    }
}

impl Encoder {
    /// Learns from the records at `training` alone. What users should know of columns is added to
    /// the warnings.
    pub fn fit(
        spec: &TrainSpec,
        records: &Records,
        training: &[usize],
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, FitError> {
        match records {
            Records::Texts(texts) => {
                let texts: Vec<&str> = training.iter().map(|&i| texts[i].as_str()).collect();
                Ok(Self::Text(Vectorizer::fit(&spec.vectorizer, &texts)))
            }
            Records::Rows(columns) => {
                let columns = columns.iter().map(|column| tabular::Column {
                    name: &column.name,
                    kind: input_kind(column.kind),
                    values: training.iter().map(|&i| value(&column.cells[i])).collect(),
                });
                let columns: Vec<tabular::Column<'_>> = columns.collect();
                let (encoder, findings) = TabularEncoder::fit(&spec.tabular, &columns)
                    .map_err(|e| FitError::unreadable(training[e.row], &e.error))?;
                warnings.extend(findings.into_iter().map(|f| Warning::new("column", f.message)));
                if encoder.width() == 0 {
                    return Err(FitError::NoFeature);
                }
                Ok(Self::Table(encoder))
            }
        }
    }

    /// What a record is to a network.
    pub fn shape(&self) -> InputShape {
        match self {
            Self::Text(vectorizer) => InputShape::Bag { vocabulary: vectorizer.vocabulary().len() },
            Self::Table(encoder) => InputShape::Vector { width: encoder.width() },
        }
    }

    /// What kind of records it takes.
    pub fn input(&self) -> InputType {
        match self {
            Self::Text(_) => InputType::Text,
            Self::Table(_) => InputType::Table,
        }
    }

    /// Encodes a record. One of another kind than the encoder's is an empty one to it.
    pub fn encode(&self, record: &Record) -> Result<Encoded, Vec<Unreadable>> {
        match (self, record) {
            (Self::Text(vectorizer), Record::Text(text)) => {
                Ok(Encoded::Text(vectorizer.encode(text)))
            }
            (Self::Text(vectorizer), Record::Row(_)) => Ok(Encoded::Text(vectorizer.encode(""))),
            (Self::Table(encoder), Record::Row(cells)) => {
                let row: Vec<Value<'_>> = cells.iter().map(value).collect();
                encoder.encode(&row).map(Encoded::Row)
            }
            (Self::Table(encoder), Record::Text(_)) => {
                encoder.encode(&vec![Value::Missing; encoder.columns().len()]).map(Encoded::Row)
            }
        }
    }

    /// Encodes the records at `positions`.
    pub fn encode_all(
        &self,
        records: &Records,
        positions: &[usize],
    ) -> Result<Vec<Encoded>, FitError> {
        let encode = |&i: &usize| match (self, records) {
            (Self::Text(vectorizer), Records::Texts(texts)) => {
                Ok(Encoded::Text(vectorizer.encode(&texts[i])))
            }
            _ => self.encode(&records.get(i)).map_err(|errors| FitError::unreadable(i, &errors[0])),
        };
        positions.par_iter().map(encode).collect()
    }
}

/// The records of a training.
pub enum Records {
    /// Texts.
    Texts(Vec<String>),
    /// Rows of a table, column by column.
    Rows(Vec<InputColumn>),
}

impl Records {
    /// From the columns that a task names.
    pub fn new(input: Input<'_>, mut columns: Vec<InputColumn>) -> Self {
        match (input, columns.pop()) {
            (Input::Text(_), Some(InputColumn { cells, .. })) => {
                Self::Texts(cells.into_iter().map(text_of).collect())
            }
            (_, last) => {
                columns.extend(last);
                Self::Rows(columns)
            }
        }
    }

    /// The record at `index`.
    pub fn get(&self, index: usize) -> Record {
        match self {
            Self::Texts(texts) => Record::Text(texts[index].clone()),
            Self::Rows(columns) => {
                Record::Row(columns.iter().map(|column| column.cells[index].clone()).collect())
            }
        }
    }

    /// A number for each record, the same for equal ones.
    pub fn groups(&self) -> Vec<u64> {
        match self {
            Self::Texts(texts) => texts.iter().map(|text| fnv1a(text.as_bytes())).collect(),
            Self::Rows(columns) => {
                let records = columns.first().map_or(0, |column| column.cells.len());
                let group = |i: usize| {
                    let mut bytes = Vec::new();
                    for column in columns {
                        bytes.extend(column.cells[i].to_text().unwrap_or_default().into_bytes());
                        bytes.push(0xff);
                    }
                    fnv1a(&bytes)
                };
                (0..records).map(group).collect()
            }
        }
    }

    /// What a group of equal records is called.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Texts(_) => "text",
            Self::Rows(_) => "row",
        }
    }
}

/// Records in one piece, as a network learns from them.
pub fn features(shape: InputShape, encoded: &[Encoded]) -> Features {
    let mut sparse = SparseRows::default();
    let mut dense = DenseRows::new(shape.width());
    for record in encoded {
        match record.row() {
            Row::Sparse(row) => sparse.push(row.ids, row.weights, row.size),
            Row::Dense(values) => dense.push(values),
        }
    }
    match shape {
        InputShape::Bag { .. } => Features::Sparse(sparse),
        InputShape::Vector { .. } | InputShape::Image { .. } => Features::Dense(dense),
    }
}

/// A cell as text; nothing where it is missing.
pub fn text_of(cell: Cell) -> String {
    match cell {
        Cell::Text(text) => text,
        other => other.to_text().unwrap_or_default(),
    }
}

/// A cell as the encoder of tables takes it.
fn value(cell: &Cell) -> Value<'_> {
    match cell {
        Cell::Null | Cell::List(_) => Value::Missing,
        Cell::Bool(true) => Value::Text("true"),
        Cell::Bool(false) => Value::Text("false"),
        Cell::Integer(value) => Value::Number(*value as f64),
        Cell::Number(value) => Value::Number(*value),
        Cell::Text(text) => Value::Text(text),
    }
}

/// What a column of a table is read as.
pub fn input_kind(kind: ColumnKind) -> InputKind {
    match kind {
        ColumnKind::Integer | ColumnKind::Number => InputKind::Numeric,
        ColumnKind::Datetime => InputKind::Date,
        ColumnKind::Boolean
        | ColumnKind::Category
        | ColumnKind::Text
        | ColumnKind::List
        | ColumnKind::Empty => InputKind::Categorical,
    }
}
