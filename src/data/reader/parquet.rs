//! Parquet, through the `parquet` crate's record interface.

use std::fs::File;

use chrono::{DateTime, SecondsFormat, Utc};

use ::parquet::basic::{LogicalType, TimeUnit};
use ::parquet::data_type::ByteArray;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::Type;

use super::{check_columns, image, push_value, text_cell};
use crate::data::{Cell, DataError, Limits, Sink};

pub fn read(file: &File, limits: &Limits, sink: &mut dyn Sink) -> Result<(), DataError> {
    let bad =
        |error: ::parquet::errors::ParquetError| DataError::Parquet { message: error.to_string() };
    let reader = SerializedFileReader::new(file.try_clone()?).map_err(bad)?;
    let metadata = reader.metadata();
    let bytes: u64 = metadata
        .row_groups()
        .iter()
        .map(|group| u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add);
    if bytes > limits.expanded_bytes {
        return Err(DataError::Expands { bytes, limit: limits.expanded_bytes });
    }
    let schema = metadata.file_metadata().schema();
    let nanoseconds: Vec<bool> = schema.get_fields().iter().map(|f| is_nanoseconds(f)).collect();
    let names: Vec<String> = schema.get_fields().iter().map(|f| f.name().to_owned()).collect();
    check_columns(&names, limits)?;
    sink.columns(&names)?;

    let mut row = 0;
    let mut cells = Vec::with_capacity(names.len());
    for record in reader.get_row_iter(None).map_err(bad)? {
        row += 1;
        let record = record.map_err(bad)?;
        cells.clear();
        let mut bytes = 0;
        for (((_, field), column), nanoseconds) in
            record.get_column_iter().zip(&names).zip(&nanoseconds)
        {
            let value = match field {
                Field::Long(time) if *nanoseconds => {
                    timestamp(Some(DateTime::from_timestamp_nanos(*time)), row, column)?
                }
                field => cell(field, row, column, limits)?,
            };
            bytes += match &value {
                Cell::Text(text) => text.len(),
                Cell::List(values) => values.iter().map(|value| value.len() + 3).sum(),
                _ => 0,
            };
            cells.push(value);
        }
        if bytes > limits.record_bytes {
            return Err(DataError::RecordTooLong { row, limit: limits.record_bytes });
        }
        sink.record(&cells)?;
    }
    if row == 0 { Err(DataError::NoRecords) } else { Ok(()) }
}

/// Whether a column holds times in nanoseconds, as pandas writes them: the record interface hands
/// these on as plain integers.
fn is_nanoseconds(column: &Type) -> bool {
    matches!(
        column.get_basic_info().logical_type_ref(),
        Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS
    )
}

fn cell(field: &Field, row: u64, column: &str, limits: &Limits) -> Result<Cell, DataError> {
    Ok(match field {
        Field::Null => Cell::Null,
        Field::Bool(value) => Cell::Bool(*value),
        Field::Byte(value) => Cell::Integer((*value).into()),
        Field::Short(value) => Cell::Integer((*value).into()),
        Field::Int(value) => Cell::Integer((*value).into()),
        Field::Long(value) => Cell::Integer(*value),
        Field::UByte(value) => Cell::Integer((*value).into()),
        Field::UShort(value) => Cell::Integer((*value).into()),
        Field::UInt(value) => Cell::Integer((*value).into()),
        Field::ULong(value) => {
            i64::try_from(*value).map_or(Cell::Number(*value as f64), Cell::Integer)
        }
        Field::Float16(value) => number(f64::from(f32::from(*value)), row, column)?,
        Field::Float(value) => number(f64::from(*value), row, column)?,
        Field::Double(value) => number(*value, row, column)?,
        Field::Str(text) if text.trim().is_empty() => Cell::Null,
        Field::Str(text) => text_cell(text, row, column, limits)?,
        Field::Decimal(_) | Field::TimeMillis(_) | Field::TimeMicros(_) => {
            Cell::Text(field.to_string())
        }
        Field::Date(days) => {
            let time = DateTime::from_timestamp(i64::from(*days) * 86_400, 0);
            Cell::Text(calendar(time, row, column)?.format("%Y-%m-%d").to_string())
        }
        Field::TimestampMillis(time) => {
            timestamp(DateTime::from_timestamp_millis(*time), row, column)?
        }
        Field::TimestampMicros(time) => {
            timestamp(DateTime::from_timestamp_micros(*time), row, column)?
        }
        Field::Bytes(bytes) if image::is_image(bytes.data()) => {
            image::cell(bytes.data(), row, column, limits)?
        }
        Field::Bytes(bytes) => match bytes.as_utf8() {
            Ok(text) => text_cell(text, row, column, limits)?,
            Err(_) => return Err(nested(row, column, "binary data that is no PNG or JPEG")),
        },
        Field::ListInternal(list) => {
            let (mut values, mut bytes) = (Vec::new(), 0);
            for element in list.elements() {
                match cell(element, row, column, limits)? {
                    Cell::List(_) => return Err(nested(row, column, "a list of lists")),
                    Cell::Null => {
                        return Err(nested(row, column, "a list with a null or an empty text"));
                    }
                    other => {
                        let text = other.to_text().unwrap_or_default();
                        push_value(&mut values, &mut bytes, text, (row, column), limits)?;
                    }
                }
            }
            Cell::List(values)
        }
        Field::Group(group) => match image_of(group) {
            Some(bytes) => image::cell(bytes.data(), row, column, limits)?,
            None => return Err(nested(row, column, "an object")),
        },
        Field::MapInternal(_) => return Err(nested(row, column, "an object")),
    })
}

/// The image in a group of `bytes` and `path`, as the `datasets` library of Python writes one.
fn image_of(group: &Row) -> Option<&ByteArray> {
    let named = group.get_column_iter().find(|(name, _)| *name == "bytes");
    match named {
        Some((_, Field::Bytes(bytes))) if image::is_image(bytes.data()) => Some(bytes),
        _ => None,
    }
}

/// The `parquet` crate would panic at a time that no calendar holds.
fn calendar(
    time: Option<DateTime<Utc>>,
    row: u64,
    column: &str,
) -> Result<DateTime<Utc>, DataError> {
    time.ok_or_else(|| {
        let message = format!("row {row}, column {column:?} holds a time that no calendar holds");
        DataError::Parquet { message }
    })
}

fn timestamp(time: Option<DateTime<Utc>>, row: u64, column: &str) -> Result<Cell, DataError> {
    let text = calendar(time, row, column)?.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Ok(Cell::Text(text))
}

/// pandas writes a missing number as NaN, so NaN is missing; an infinite number is an error.
fn number(value: f64, row: u64, column: &str) -> Result<Cell, DataError> {
    if value.is_nan() {
        Ok(Cell::Null)
    } else if value.is_infinite() {
        Err(DataError::NotFinite { row, column: column.to_owned() })
    } else {
        Ok(Cell::Number(value))
    }
}

fn nested(row: u64, column: &str, found: &'static str) -> DataError {
    DataError::Nested { row, column: column.to_owned(), found }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
