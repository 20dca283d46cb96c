//! Tables as files, written part by part: JSON Lines, CSV and Parquet. What was written so far can be
//! taken away at any time, so that no table is ever whole in memory.

use std::io::Write;
use std::sync::{Arc, Mutex};

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A column of a table that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// What it holds where it is not null.
    pub kind: CellKind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Texts.
    Text,
    /// Lists of texts; where a format has none, their JSON.
    List,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// A JSON object a line.
    Jsonl,
    /// A line for each record after a line with the columns' names; nothing stands for null.
    Csv,
    /// Parquet, a row group for each part.
    Parquet,
}

impl TableFormat {
    /// Every format.
    pub const ALL: [TableFormat; 3] = [Self::Jsonl, Self::Csv, Self::Parquet];

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The ending of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Rows are not what their writer wrote.
    #[error("stored rows cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// CSV cannot be written.
    #[error("CSV cannot be written: {0}")]
    Csv(#[from] csv::Error),
    /// Parquet cannot be written.
    #[error("Parquet cannot be written: {0}")]
    Parquet(#[from] ParquetError),
}

/// Writes rows that come as JSON Lines.
pub struct TableWriter {
    columns: Vec<TableColumn>,
    out: Out,
}

enum Out {
    Jsonl,
    Csv { begun: bool },
    Parquet { file: Box<SerializedFileWriter<Shared>>, written: Shared },
}

impl TableWriter {
    /// A writer of a table with these columns.
    pub fn new(format: TableFormat, columns: Vec<TableColumn>) -> Result<Self, WriteError> {
        let out = match format {
            TableFormat::Jsonl => Out::Jsonl,
            TableFormat::Csv => Out::Csv { begun: false },
            TableFormat::Parquet => {
                let written = Shared::default();
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
                let schema = Arc::new(schema(&columns)?);
                let properties = Arc::new(properties.build());
                let file = SerializedFileWriter::new(written.clone(), schema, properties)?;
                Out::Parquet { file: Box::new(file), written }
            }
        };
        Ok(Self { columns, out })
    }

    /// Writes rows, objects a line; returns the bytes that are ready.
    pub fn write(&mut self, lines: Vec<u8>) -> Result<Vec<u8>, WriteError> {
        match &mut self.out {
            Out::Jsonl => Ok(lines),
            Out::Csv { begun } => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                if !std::mem::replace(begun, true) {
                    writer.write_record(self.columns.iter().map(|column| &column.name))?;
                }
                for row in rows(&lines)? {
                    let cell = |column: &TableColumn| text(&row[column.name.as_str()]);
                    writer.write_record(self.columns.iter().map(cell))?;
                }
                writer.into_inner().map_err(|e| csv::Error::from(e.into_error()).into())
            }
            Out::Parquet { file, written } => {
                let rows = rows(&lines)?;
                if !rows.is_empty() {
                    let mut group = file.next_row_group()?;
                    for column in &self.columns {
                        if let Some(writer) = group.next_column()? {
                            write_column(writer, column, &rows)?;
                        }
                    }
                    group.close()?;
                }
                Ok(written.take())
            }
        }
    }

    /// Ends the table; returns its last bytes.
    pub fn finish(self) -> Result<Vec<u8>, WriteError> {
        match self.out {
            Out::Jsonl => Ok(Vec::new()),
            Out::Csv { begun: true } => Ok(Vec::new()),
            Out::Csv { begun: false } => {
                Self { columns: self.columns, out: self.out }.write(Vec::new())
            }
            Out::Parquet { file, written } => {
                file.close()?;
                Ok(written.take())
            }
        }
    }
}

/// Bytes that were written and not yet taken away.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Vec<u8> {
        // A poisoned lock holds bytes that are as good as before.
        std::mem::take(&mut *self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn rows(lines: &[u8]) -> Result<Vec<Map<String, Value>>, serde_json::Error> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(serde_json::from_slice).collect()
}

/// A cell of CSV.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn schema(columns: &[TableColumn]) -> Result<Type, ParquetError> {
    let field = |column: &TableColumn| {
        let (physical, logical) = match column.kind {
            CellKind::Integer => (Physical::INT64, None),
            CellKind::Number => (Physical::DOUBLE, None),
            CellKind::Boolean => (Physical::BOOLEAN, None),
            CellKind::Text | CellKind::List => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        field.build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("records").with_fields(fields).build()
}

fn write_column(
    mut writer: SerializedColumnWriter<'_>,
    column: &TableColumn,
    rows: &[Map<String, Value>],
) -> Result<(), ParquetError> {
    let cells = || rows.iter().map(|row| row.get(&column.name).unwrap_or(&Value::Null));
    let levels: Vec<i16> = cells().map(|cell| i16::from(!cell.is_null())).collect();
    let there = || cells().filter(|cell| !cell.is_null());
    let levels = Some(levels.as_slice());
    match column.kind {
        CellKind::Integer => {
            let values: Vec<i64> = there().filter_map(Value::as_i64).collect();
            writer.typed::<Int64Type>().write_batch(&values, levels, None)?;
        }
        CellKind::Number => {
            let values: Vec<f64> = there().filter_map(Value::as_f64).collect();
            writer.typed::<DoubleType>().write_batch(&values, levels, None)?;
        }
        CellKind::Boolean => {
            let values: Vec<bool> = there().filter_map(Value::as_bool).collect();
            writer.typed::<BoolType>().write_batch(&values, levels, None)?;
        }
        CellKind::Text | CellKind::List => {
            let values: Vec<ByteArray> =
                there().map(|cell| ByteArray::from(text(cell).into_bytes())).collect();
            writer.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
        }
    }
    writer.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::reader::{Format, read};
    use crate::data::{Cell, DataError, Limits, Sink};

    fn columns() -> Vec<TableColumn> {
        use CellKind::{Boolean, Integer, List, Number, Text};
        let columns = [
            ("row", Integer),
            ("a number", Number),
            ("right", Boolean),
            ("said.so", Text),
            ("set", List),
        ];
        let column = |(name, kind): (&str, CellKind)| TableColumn { name: name.to_owned(), kind };
        columns.map(column).to_vec()
    }

    /// Two parts of rows, with what CSV has to quote.
    fn parts() -> [Vec<u8>; 2] {
        let row = |row: i64, value: Value, text: Value, set: Value| {
            let right = if row % 2 == 0 { Value::Bool(true) } else { Value::Null };
            let columns = columns().into_iter().map(|column| column.name);
            let row: Map<String, Value> =
                columns.zip([row.into(), value, right, text, set]).collect();
            format!("{}\n", Value::from(row))
        };
        let first = [
            row(1, 0.25.into(), "a, \"b\"\nc".into(), Value::from(vec!["x", "y;z"])),
            row(2, Value::Null, Value::Null, Value::Null),
        ];
        let second = [row(3, 1e-7.into(), "ä".into(), Value::from(Vec::<String>::new()))];
        [first.concat().into_bytes(), second.concat().into_bytes()]
    }

    fn written(format: TableFormat, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = TableWriter::new(format, columns()).unwrap();
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend(writer.write(part.clone()).unwrap());
        }
        bytes.extend(writer.finish().unwrap());
        bytes
    }

    #[test]
    fn csv_has_one_header_and_quotes() {
        let csv = String::from_utf8(written(TableFormat::Csv, &parts())).unwrap();
        let header = "row,a number,right,said.so,set\n";
        let first = "1,0.25,,\"a, \"\"b\"\"\nc\",\"[\"\"x\"\",\"\"y;z\"\"]\"\n";
        assert_eq!(csv, format!("{header}{first}2,,true,,\n3,1e-7,,ä,[]\n"));
        assert_eq!(written(TableFormat::Csv, &[]), header.as_bytes());
    }

    #[test]
    fn lines_stay_as_they_are() {
        assert_eq!(written(TableFormat::Jsonl, &parts()), parts().concat());
    }

    #[derive(Default)]
    struct Read(Vec<String>, Vec<Vec<Cell>>);

    impl Sink for Read {
        fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
            self.0 = names.to_vec();
            Ok(())
        }
        fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
            self.1.push(cells.to_vec());
            Ok(())
        }
    }

    /// Read back by the reader of uploads.
    #[test]
    fn parquet_holds_the_same_cells() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&written(TableFormat::Parquet, &parts())).unwrap();
        let mut table = Read::default();
        read(Format::Parquet, &file, &Limits::default(), &mut table).unwrap();
        assert_eq!(table.0, ["row", "a number", "right", "said.so", "set"]);
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(
            table.1[0][..4],
            [Cell::Integer(1), Cell::Number(0.25), Cell::Null, text("a, \"b\"\nc"),]
        );
        assert_eq!(table.1[1][2..], [Cell::Bool(true), Cell::Null, Cell::Null]);
        assert_eq!((table.1.len(), &table.1[2][3]), (3, &text("ä")));
        let empty = written(TableFormat::Parquet, &[]);
        assert_eq!(&empty[..4], b"PAR1");
    }
}
