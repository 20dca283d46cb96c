//! Readers: a file in, cells out. One format per file; [`read`] chooses.

mod csv;
mod image;
mod json;
mod jsonl;
mod limit;
mod parquet;
mod zip;

use std::fs::File;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Cell, DataError, Limits, Sink};

/// Bytes that the name of a column may have.
const MAX_NAME_BYTES: usize = 500;

/// A format that datasets are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma, semicolon or tab separated values with a header line.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// One JSON array of objects, or an object that holds it as `records`.
    Json,
    /// Apache Parquet.
    Parquet,
    /// A zip archive of images, with one CSV table that names them.
    Zip,
}

impl Format {
    /// The format that a media type names, parameters left out.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" | "text/tab-separated-values" => Some(Self::Csv),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines" => Some(Self::Jsonl),
            "application/json" => Some(Self::Json),
            "application/vnd.apache.parquet" | "application/x-parquet" | "application/parquet" => {
                Some(Self::Parquet)
            }
            "application/zip" | "application/x-zip-compressed" => Some(Self::Zip),
            _ => None,
        }
    }

    /// The media type that it is sent as.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Jsonl => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Zip => "application/zip",
        }
    }

    /// The format that a file's name ends with.
    pub fn from_file_name(name: &str) -> Option<Self> {
        match name.rsplit('.').next().unwrap_or("").to_ascii_lowercase().as_str() {
            "csv" | "tsv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "parquet" | "pq" => Some(Self::Parquet),
            "zip" => Some(Self::Zip),
            _ => None,
        }
    }
}

/// Reads `file` as `format` into `sink`. On an error the sink may hold a part; throw it away.
pub fn read(
    format: Format,
    file: &File,
    limits: &Limits,
    sink: &mut dyn Sink,
) -> Result<(), DataError> {
    if file.metadata()?.len() == 0 {
        return Err(DataError::Empty);
    }
    match format {
        Format::Csv => csv::read(file, limits, sink),
        Format::Jsonl => jsonl::read(file, limits, sink),
        Format::Json => json::read(file, limits, sink),
        Format::Parquet => parquet::read(file, limits, sink),
        Format::Zip => zip::read(file, limits, sink),
    }
}

fn check_columns(names: &[String], limits: &Limits) -> Result<(), DataError> {
    if names.len() > limits.columns {
        return Err(DataError::TooManyColumns { found: names.len(), limit: limits.columns });
    }
    if names.is_empty() {
        return Err(DataError::NoColumn);
    }
    let mut seen = std::collections::HashSet::new();
    for (index, name) in names.iter().enumerate() {
        let column = index + 1;
        let reason = if name.trim().is_empty() {
            format!("column {column} has no name")
        } else if name.contains('\0') {
            format!("the name of column {column} holds a NUL character")
        } else if name.len() > MAX_NAME_BYTES {
            format!("the name of column {column} has {} bytes", name.len())
        } else {
            String::new()
        };
        if !reason.is_empty() {
            return Err(DataError::BadName { reason });
        }
        if !seen.insert(name.as_str()) {
            return Err(DataError::DuplicateColumn { name: name.clone() });
        }
    }
    Ok(())
}

/// Adds a value to a list that may hold as many bytes as any other cell: those of its texts, and
/// three for each value, as its JSON has them.
fn push_value(
    list: &mut Vec<String>,
    bytes: &mut usize,
    value: String,
    (row, column): (u64, &str),
    limits: &Limits,
) -> Result<(), DataError> {
    *bytes += value.len() + 3;
    if *bytes > limits.cell_bytes {
        let (found, limit) = (*bytes, limits.cell_bytes);
        return Err(DataError::CellTooLong { row, column: column.to_owned(), found, limit });
    }
    list.push(value);
    Ok(())
}

fn text_cell(text: &str, row: u64, column: &str, limits: &Limits) -> Result<Cell, DataError> {
    let limit = image::text_limit(text, limits);
    if text.len() > limit {
        let found = text.len();
        return Err(DataError::CellTooLong { row, column: column.to_owned(), found, limit });
    }
    if text.contains('\0') {
        return Err(DataError::Nul { row, column: column.to_owned() });
    }
    Ok(Cell::Text(text.to_owned()))
}

#[cfg(test)]
mod tests;
