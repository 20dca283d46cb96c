//! JSON Lines: one object per line.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};

use serde_json::Value;

use super::{check_columns, push_value, text_cell};
use crate::data::{Cell, DataError, Limits, Sink};
use crate::json;

pub fn read(file: &File, limits: &Limits, sink: &mut dyn Sink) -> Result<(), DataError> {
    // The columns are the union of all keys, so the file is read twice and never held.
    let mut columns = Columns::default();
    each(file, limits, &mut |row, value| columns.note(row, &value, limits))?;
    let names = columns.into_names();
    check_columns(&names, limits)?;
    sink.columns(&names)?;
    let mut cells_of_row = Vec::with_capacity(names.len());
    each(file, limits, &mut |row, value| {
        cells(value, row, &names, limits, &mut cells_of_row)?;
        sink.record(&cells_of_row)
    })
}

type Each<'a> = &'a mut dyn FnMut(u64, Value) -> Result<(), DataError>;

fn each(mut file: &File, limits: &Limits, visit: Each<'_>) -> Result<(), DataError> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut row = 0;
    loop {
        line.clear();
        let read =
            reader.by_ref().take(limits.record_bytes as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.len() > limits.record_bytes {
            return Err(DataError::RecordTooLong { row: row + 1, limit: limits.record_bytes });
        }
        let mut bytes = line.as_slice();
        if row == 0 {
            bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
            if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                return Err(DataError::Utf16);
            }
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        row += 1;
        let value = json::parse(bytes).map_err(|error| {
            if let Err(utf8) = std::str::from_utf8(bytes) {
                return DataError::LineNotUtf8 { row, byte: utf8.valid_up_to() + 1 };
            }
            // Every record is line 1 to the parser.
            let message = error.message.replace(" at line 1 column ", " at byte ");
            DataError::Json { row, message }
        })?;
        visit(row, value)?;
    }
    if row == 0 { Err(DataError::NoRecords) } else { Ok(()) }
}

/// The union of keys, in the order of their first appearance.
#[derive(Default)]
pub struct Columns {
    names: Vec<String>,
    seen: HashSet<String>,
}

impl Columns {
    pub fn note(&mut self, row: u64, value: &Value, limits: &Limits) -> Result<(), DataError> {
        let Value::Object(map) = value else {
            return Err(DataError::NotAnObject { row, found: kind(value) });
        };
        for key in map.keys() {
            if !self.seen.contains(key) {
                self.seen.insert(key.clone());
                self.names.push(key.clone());
            }
        }
        // Checked here too, so that a file of ever new keys is not held.
        let (found, limit) = (self.names.len(), limits.columns);
        if found > limit { Err(DataError::TooManyColumns { found, limit }) } else { Ok(()) }
    }

    pub fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// The cells of one record, in the order of `names`.
pub fn cells(
    value: Value,
    row: u64,
    names: &[String],
    limits: &Limits,
    out: &mut Vec<Cell>,
) -> Result<(), DataError> {
    let Value::Object(mut map) = value else {
        return Err(DataError::NotAnObject { row, found: kind(&value) });
    };
    out.clear();
    for name in names {
        out.push(match map.remove(name) {
            None => Cell::Null,
            Some(value) => cell(value, row, name, limits)?,
        });
    }
    Ok(())
}

fn cell(value: Value, row: u64, column: &str, limits: &Limits) -> Result<Cell, DataError> {
    match value {
        Value::Null => Ok(Cell::Null),
        Value::Bool(value) => Ok(Cell::Bool(value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Cell::Integer(integer)),
            (None, Some(float)) if float.is_finite() => Ok(Cell::Number(float)),
            _ => Err(DataError::NotFinite { row, column: column.to_owned() }),
        },
        Value::String(text) if text.trim().is_empty() => Ok(Cell::Null),
        Value::String(text) => text_cell(&text, row, column, limits),
        Value::Array(values) => {
            let (mut list, mut bytes) = (Vec::new(), 0);
            for value in values {
                match cell(value, row, column, limits)? {
                    Cell::List(_) => {
                        return Err(nested(row, column, "a list of lists"));
                    }
                    Cell::Null => {
                        return Err(nested(row, column, "a list with a null or an empty text"));
                    }
                    other => {
                        let text = other.to_text().unwrap_or_default();
                        push_value(&mut list, &mut bytes, text, (row, column), limits)?;
                    }
                }
            }
            Ok(Cell::List(list))
        }
        Value::Object(_) => Err(nested(row, column, "an object")),
    }
}

fn nested(row: u64, column: &str, found: &'static str) -> DataError {
    DataError::Nested { row, column: column.to_owned(), found }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
