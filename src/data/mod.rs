//! Tables of records: what a cell may hold, how files are read into cells, how records are made up,
//! what a column is like, and how records are split. Nothing here knows about networks, text features
//! or storage.

pub mod error;
pub mod generator;
pub mod image_header;
pub mod profile;
pub mod reader;
pub mod records;
pub mod split;
pub mod writer;

pub use error::DataError;

/// One value of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Missing: an empty or blank text, a JSON `null`, a key that is absent, a Parquet null or NaN.
    Null,
    /// A JSON or Parquet boolean.
    Bool(bool),
    /// A whole number from JSON or Parquet.
    Integer(i64),
    /// A finite number from JSON or Parquet.
    Number(f64),
    /// Text, and every CSV cell that is not blank.
    Text(String),
    /// Several values in one cell, as JSON arrays and Parquet lists hold them.
    List(Vec<String>),
}

impl Cell {
    /// The value as text, or `None` where it is missing. Lists are joined as their JSON.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Cell::Null => None,
            Cell::Bool(value) => Some(value.to_string()),
            Cell::Integer(value) => Some(value.to_string()),
            Cell::Number(value) => Some(value.to_string()),
            Cell::Text(value) => Some(value.clone()),
            Cell::List(values) => Some(serde_json::Value::from(values.clone()).to_string()),
        }
    }

    /// The value as a finite number, if it is one: a number, or a text that spells one.
    pub fn to_number(&self) -> Option<f64> {
        let number = match self {
            Cell::Integer(value) => *value as f64,
            Cell::Number(value) => *value,
            Cell::Text(text) => text.trim().parse().ok()?,
            Cell::Null | Cell::Bool(_) | Cell::List(_) => return None,
        };
        number.is_finite().then_some(number)
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Cell::Null => serde_json::Value::Null,
            Cell::Bool(value) => (*value).into(),
            Cell::Integer(value) => (*value).into(),
            Cell::Number(value) => (*value).into(),
            Cell::Text(value) => value.as_str().into(),
            Cell::List(values) => values.clone().into(),
        }
    }
}

/// What bounds a dataset. Exceeding one refuses the upload with the row that did.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one record, line or JSON element.
    pub record_bytes: usize,
    /// Bytes of one cell.
    pub cell_bytes: usize,
    /// Bytes of one image, before its base64.
    pub image_bytes: usize,
    /// Columns.
    pub columns: usize,
    /// Bytes that a compressed file may expand to.
    pub expanded_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 12 << 20,
            cell_bytes: 1 << 20,
            image_bytes: 8 << 20,
            columns: 10_000,
            expanded_bytes: 8 << 30,
        }
    }
}

/// Receives a table as it is read: the column names once, then every record in order.
pub trait Sink {
    /// The columns, before the first record.
    fn columns(&mut self, names: &[String]) -> Result<(), DataError>;
    /// One record, a cell for each column.
    fn record(&mut self, cells: &[Cell]) -> Result<(), DataError>;
    /// The name that the file gives its table, if it gives one.
    fn name(&mut self, _name: &str) {}
}
