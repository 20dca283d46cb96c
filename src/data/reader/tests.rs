//! What all readers share: a file in, cells out, errors with their place.

use std::io::Write;

use super::*;
use crate::data::Cell;

pub(super) struct Table {
    pub name: Option<String>,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

impl Sink for Table {
    fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
        self.columns = names.to_vec();
        Ok(())
    }
    fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells.to_vec());
        Ok(())
    }
    fn name(&mut self, name: &str) {
        self.name = Some(name.to_owned());
    }
}

pub(super) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

pub(super) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file
}

pub(super) fn read_with(format: Format, bytes: &[u8], limits: &Limits) -> Result<Table, DataError> {
    let mut table = Table { name: None, columns: Vec::new(), rows: Vec::new() };
    read(format, &file(bytes), limits, &mut table).map(|()| table)
}

pub(super) fn read_bytes(format: Format, bytes: impl AsRef<[u8]>) -> Result<Table, DataError> {
    read_with(format, bytes.as_ref(), &Limits::default())
}

/// The error that reading ends with.
pub(super) fn fails(format: Format, bytes: impl AsRef<[u8]>) -> DataError {
    let Err(error) = read_bytes(format, bytes) else { panic!("the file was read") };
    error
}

const TEXTUAL: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Json];

#[test]
fn an_empty_file_is_empty_in_every_format() {
    for format in [Format::Csv, Format::Jsonl, Format::Json, Format::Parquet, Format::Zip] {
        assert!(matches!(fails(format, b""), DataError::Empty), "{format:?}");
    }
}

#[test]
fn utf_16_is_named_in_every_text_format() {
    for text in ["text,label\na,b\n", "{\"text\": 1}\n", "[{\"text\": 1}]"] {
        let little: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let big: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect();
        for format in TEXTUAL {
            assert!(matches!(fails(format, &little), DataError::Utf16), "{format:?}");
            assert!(matches!(fails(format, &big), DataError::Utf16), "{format:?}");
        }
    }
}

#[test]
fn column_names_are_checked_in_every_format() {
    let limits = Limits { columns: 2, ..Limits::default() };
    let too_many = [
        (Format::Csv, "a,b,c\n1,2,3\n"),
        (Format::Jsonl, r#"{"a":1,"b":2,"c":3}"#),
        (Format::Json, r#"[{"a":1,"b":2},{"c":3}]"#),
    ];
    for (format, bytes) in too_many {
        let error = read_with(format, bytes.as_bytes(), &limits).err().unwrap();
        assert!(matches!(error, DataError::TooManyColumns { found: 3, limit: 2 }), "{error}");
    }
    let long = "x".repeat(501);
    for name in ["", " ", "a\0b", long.as_str()] {
        let json = serde_json::json!([{ name: 1, "other": 2 }]).to_string();
        let line = serde_json::json!({ name: 1, "other": 2 }).to_string();
        let csv = format!("{name},other\n1,2\n");
        for (format, bytes) in [(Format::Csv, csv), (Format::Jsonl, line), (Format::Json, json)] {
            let error = fails(format, &bytes);
            assert!(matches!(error, DataError::BadName { .. }), "{format:?} {name:?}: {error}");
        }
    }
}

#[test]
fn nul_and_long_cells_are_refused_with_their_place() {
    let limits = Limits { cell_bytes: 10, ..Limits::default() };
    let files = |cell: &str| {
        let json = |v| serde_json::json!({"a": "x", "b": v}).to_string();
        let (first, second) = (json("ok"), json(cell));
        [
            (Format::Csv, format!("a,b\nx,ok\nx,{cell}\n")),
            (Format::Jsonl, format!("{first}\n{second}\n")),
            (Format::Json, format!("[{first},{second}]")),
        ]
    };
    for (format, bytes) in files("n\0l") {
        let error = read_with(format, bytes.as_bytes(), &limits).err().unwrap();
        assert!(matches!(&error, DataError::Nul { row: 2, column } if column == "b"), "{error}");
    }
    for (format, bytes) in files("0123456789a") {
        let error = read_with(format, bytes.as_bytes(), &limits).err().unwrap();
        let DataError::CellTooLong { row, column, found, limit } = error else { panic!("{error}") };
        assert_eq!((row, column.as_str(), found, limit), (2, "b", 11, 10), "{format:?}");
    }
    for (format, bytes) in files("0123456789") {
        assert!(read_with(format, bytes.as_bytes(), &limits).is_ok(), "{format:?}");
    }
}

/// A record without end is refused long before it is in memory.
#[test]
fn long_records_are_refused_with_their_row() {
    let limits = Limits { record_bytes: 100_000, ..Limits::default() };
    let long = "y".repeat(400_000);
    let files = [
        (Format::Csv, format!("a,b\nx,ok\nx,{long}\n")),
        (Format::Csv, format!("a,b\nx,ok\nx,\"{}\"\n", "y\n".repeat(200_000))),
        (Format::Jsonl, format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n")),
        (Format::Json, format!("[{{\"a\":1}},{{\"a\":\"{long}\"}}]")),
    ];
    for (format, bytes) in files {
        let error = read_with(format, bytes.as_bytes(), &limits).err().unwrap();
        assert!(matches!(error, DataError::RecordTooLong { row: 2, limit: 100_000 }), "{error}");
    }
    // Many short records are no long one.
    let short = "x,ok\n".repeat(100_000);
    let table = read_with(Format::Csv, format!("a,b\n{short}").as_bytes(), &limits).unwrap();
    assert_eq!(table.rows.len(), 100_000);
    let short = "{\"a\":1},".repeat(100_000);
    let table = read_with(Format::Json, format!("[{short}{{}}]").as_bytes(), &limits).unwrap();
    assert_eq!(table.rows.len(), 100_001);
}

#[test]
fn errors_say_what_to_do() {
    let problem = crate::problem::Problem::from(fails(Format::Csv, "a,b\n1\n"));
    assert_eq!((problem.status, problem.code.as_str()), (422, "invalid-dataset"));
    assert_eq!(problem.errors[0].row, Some(1));
    assert!(problem.errors[0].hint.is_some());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Tables of 1 to 4 columns with cells of any text but NUL.
    fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
        let cell = prop_oneof!["[^\0]{0,12}", "[\",\n\r;\t a]{0,6}"];
        (1usize..5).prop_flat_map(move |columns| {
            prop::collection::vec(prop::collection::vec(cell.clone(), columns), 1..12)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn what_the_csv_crate_writes_is_read_back(rows in tables(), separator in prop::sample::select(&b",;\t"[..])) {
            // A separator other than a comma is seen where the header has two columns.
            let separator = if rows[0].len() == 1 { b',' } else { separator };
            let names: Vec<String> = (0..rows[0].len()).map(|i| format!("c{i}")).collect();
            let mut writer = ::csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
            writer.write_record(&names).unwrap();
            rows.iter().for_each(|row| writer.write_record(row).unwrap());
            let table = read_bytes(Format::Csv, writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(table.columns, names);
            let cell = |value: &String| if value.trim().is_empty() { Cell::Null } else { text(value) };
            let expected: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
            prop_assert_eq!(table.rows, expected);
        }

        #[test]
        fn what_json_holds_is_read_back(rows in tables()) {
            let record = |row: &Vec<String>| {
                let fields = row.iter().enumerate().map(|(i, v)| (format!("c{i}"), v.as_str().into()));
                serde_json::Value::Object(fields.collect())
            };
            let records: Vec<_> = rows.iter().map(record).collect();
            let lines: String = records.iter().map(|r| format!("{r}\n")).collect();
            let array = serde_json::Value::from(records).to_string();
            let cell = |value: &String| if value.trim().is_empty() { Cell::Null } else { text(value) };
            let expected: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
            prop_assert_eq!(read_bytes(Format::Jsonl, lines).unwrap().rows, expected.clone());
            prop_assert_eq!(read_bytes(Format::Json, array).unwrap().rows, expected);
        }

        /// Errors, but never a panic.
        #[test]
        fn any_bytes_can_be_sent(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}\",:;a1\n\r\\\\ ]{0,60}".prop_map(String::into_bytes),
        ]) {
            let limits = Limits { record_bytes: 64, cell_bytes: 16, columns: 8, ..Limits::default() };
            for format in TEXTUAL {
                if let Err(error) = read_with(format, &bytes, &limits) {
                    prop_assert!(!matches!(error, DataError::Io(_)), "{:?}: {}", format, error);
                }
            }
        }
    }
}
