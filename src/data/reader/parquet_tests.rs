use std::sync::Arc;

use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use crate::data::profile::{ColumnKind, Profiler};
use crate::data::reader::Format::Parquet;
use crate::data::reader::tests::{fails, read_bytes, read_with, text};
use crate::data::{Cell, DataError, Limits};

/// Values of one column of one row group, with definition and repetition levels.
enum Values {
    Texts(&'static [&'static str], Vec<i16>, Option<Vec<i16>>),
    Bools(Vec<bool>),
    Doubles(Vec<f64>),
    Dates(Vec<i32>),
    Longs(Vec<i64>),
    Bytes(Vec<Vec<u8>>),
}

fn write(fields: &str, properties: WriterProperties, groups: Vec<Vec<Values>>) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {fields} }}")).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for group in groups {
        let mut open = writer.next_row_group().unwrap();
        for values in group {
            let mut column = open.next_column().unwrap().unwrap();
            match values {
                Values::Texts(values, definition, repetition) => {
                    let values: Vec<ByteArray> = values.iter().map(|v| (*v).into()).collect();
                    let typed = column.typed::<ByteArrayType>();
                    typed.write_batch(&values, Some(&definition), repetition.as_deref()).unwrap()
                }
                Values::Bools(values) => {
                    column.typed::<BoolType>().write_batch(&values, None, None).unwrap()
                }
                Values::Doubles(values) => {
                    column.typed::<DoubleType>().write_batch(&values, None, None).unwrap()
                }
                Values::Dates(values) => {
                    column.typed::<Int32Type>().write_batch(&values, None, None).unwrap()
                }
                Values::Bytes(values) => {
                    let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
                    // Each value is there, at the depth of the schema.
                    let levels = vec![1; values.len()];
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(&values, Some(&levels), None)
                        .unwrap()
                }
                Values::Longs(values) => {
                    column.typed::<Int64Type>().write_batch(&values, None, None).unwrap()
                }
            };
            column.close().unwrap();
        }
        open.close().unwrap();
    }
    writer.into_inner().unwrap()
}

const TWO: &str = "OPTIONAL BYTE_ARRAY text (UTF8); REQUIRED BOOLEAN good;";

fn two_groups(properties: WriterProperties) -> Vec<u8> {
    let first = vec![
        Values::Texts(&["one", "two", "one"], vec![1, 0, 1, 1], None),
        Values::Bools(vec![true, false, true, false]),
    ];
    let second = vec![Values::Texts(&["", "ü"], vec![1, 1], None), Values::Bools(vec![true, true])];
    write(TWO, properties, vec![first, second])
}

#[test]
fn row_groups_nulls_and_booleans_in_every_encoding() {
    let properties = || WriterProperties::builder();
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    let mut files: Vec<Vec<u8>> =
        compressions.iter().map(|c| two_groups(properties().set_compression(*c).build())).collect();
    files.push(two_groups(properties().set_dictionary_enabled(false).build()));
    files.push(two_groups(properties().set_dictionary_enabled(true).build()));
    for bytes in files {
        let table = read_bytes(Parquet, bytes).unwrap();
        assert_eq!(table.columns, ["text", "good"]);
        let texts: Vec<Cell> = table.rows.iter().map(|row| row[0].clone()).collect();
        let expected = [text("one"), Cell::Null, text("two"), text("one"), Cell::Null, text("ü")];
        assert_eq!(texts, expected);
        let good: Vec<Cell> = table.rows.iter().map(|row| row[1].clone()).collect();
        assert_eq!(good, [true, false, true, false, true, true].map(Cell::Bool));
    }
}

const LIST: &str =
    "OPTIONAL group tags (LIST) { REPEATED group list { OPTIONAL BYTE_ARRAY element (UTF8); } }";

#[test]
fn lists_are_cells() {
    // ["a", "b"], null, [], ["c"]
    let values = Values::Texts(&["a", "b", "c"], vec![3, 3, 0, 1, 3], Some(vec![0, 1, 0, 0, 0]));
    let bytes = write(LIST, WriterProperties::default(), vec![vec![values]]);
    let rows = read_bytes(Parquet, bytes).unwrap().rows;
    let list = |values: &[&str]| Cell::List(values.iter().map(|v| (*v).to_owned()).collect());
    assert_eq!(rows.concat(), [list(&["a", "b"]), Cell::Null, list(&[]), list(&["c"])]);

    let gap = Values::Texts(&["a"], vec![3, 2], Some(vec![0, 1]));
    let bytes = write(LIST, WriterProperties::default(), vec![vec![gap]]);
    assert!(matches!(fails(Parquet, bytes), DataError::Nested { row: 1, .. }));
}

#[test]
fn times_are_read_as_times() {
    let fields = "REQUIRED INT32 day (DATE); REQUIRED INT64 second (TIMESTAMP_MILLIS); \
                  REQUIRED INT64 micro (TIMESTAMP_MICROS);";
    let times = |day, millis, micros| {
        let row = vec![
            Values::Dates(vec![day]),
            Values::Longs(vec![millis]),
            Values::Longs(vec![micros]),
        ];
        write(fields, WriterProperties::default(), vec![row])
    };
    let rows =
        read_bytes(Parquet, times(20_780, 1_795_424_767_000, 1_795_424_767_250_000)).unwrap().rows;
    let expected =
        [text("2026-11-23"), text("2026-11-23T09:06:07Z"), text("2026-11-23T09:06:07.250Z")];
    assert_eq!(rows[0], expected);
    let mut profiler = Profiler::default();
    profiler.columns(&["day", "second", "micro"].map(str::to_owned));
    profiler.record(&rows[0], b"");
    assert!(profiler.finish().columns.iter().all(|c| c.kind == ColumnKind::Datetime));

    for bytes in [times(i32::MAX, 0, 0), times(0, i64::MAX, 0), times(0, 0, i64::MAX)] {
        let error = fails(Parquet, bytes);
        assert!(
            matches!(&error, DataError::Parquet { message } if message.contains("row 1")),
            "{error}"
        );
    }
}

#[test]
fn the_times_that_pandas_writes_are_times() {
    let fields = "REQUIRED INT64 time (TIMESTAMP(NANOS,false)); REQUIRED INT64 n;";
    let row = vec![Values::Longs(vec![1_795_424_767_250_000_000]), Values::Longs(vec![7])];
    let rows =
        read_bytes(Parquet, write(fields, WriterProperties::default(), vec![row])).unwrap().rows;
    assert_eq!(rows[0], [text("2026-11-23T09:06:07.250Z"), Cell::Integer(7)]);
}

#[test]
fn numbers_that_are_none() {
    let doubles = |values| {
        write(
            "REQUIRED DOUBLE x;",
            WriterProperties::default(),
            vec![vec![Values::Doubles(values)]],
        )
    };
    let rows = read_bytes(Parquet, doubles(vec![1.5, f64::NAN])).unwrap().rows;
    assert_eq!(rows.concat(), [Cell::Number(1.5), Cell::Null]);
    let error = fails(Parquet, doubles(vec![1.0, f64::INFINITY]));
    assert!(matches!(error, DataError::NotFinite { row: 2, .. }), "{error}");
}

/// Plain, and in the groups that the `datasets` library of Python writes.
#[test]
fn images_are_base64() {
    let png = b"\x89PNG\r\n\x1a\n and more".to_vec();
    let jpeg = vec![0xff, 0xd8, 0xff, 0xe0];
    let plain = "OPTIONAL BYTE_ARRAY image;";
    let group = "REQUIRED group image { OPTIONAL BYTE_ARRAY bytes; }";
    for fields in [plain, group] {
        let values = Values::Bytes(vec![png.clone(), jpeg.clone()]);
        let bytes = write(fields, WriterProperties::default(), vec![vec![values]]);
        let rows = read_bytes(Parquet, bytes).unwrap().rows;
        assert_eq!(rows.concat(), [text("iVBORw0KGgogYW5kIG1vcmU="), text("/9j/4A==")]);
    }
    let of = |value: Vec<u8>| {
        let values = Values::Bytes(vec![value]);
        write(plain, WriterProperties::default(), vec![vec![values]])
    };
    let error = fails(Parquet, of(vec![0xff, 0xfe, 0x00]));
    assert!(matches!(error, DataError::Nested { row: 1, .. }), "{error}");
    let limits = Limits { image_bytes: 10, ..Limits::default() };
    let error = read_with(Parquet, &of(png), &limits).err().unwrap();
    assert!(
        matches!(error, DataError::ImageTooLong { row: 1, found: 17, limit: 10, .. }),
        "{error}"
    );
}

#[test]
fn damaged_files_and_others_are_refused() {
    let whole = two_groups(WriterProperties::default());
    for end in [4, 8, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        assert!(matches!(fails(Parquet, &whole[..end]), DataError::Parquet { .. }), "{end}");
    }
    for garbage in
        [&b"PAR1"[..], b"PAR1PAR1", b"PAR1garbage in between\xff\xff\xff\x7fPAR1", b"text,label\n"]
    {
        assert!(matches!(fails(Parquet, garbage), DataError::Parquet { .. }));
    }
    let empty = write(TWO, WriterProperties::default(), Vec::new());
    assert!(matches!(fails(Parquet, empty), DataError::NoRecords));
}

#[test]
fn limits_hold_before_and_while_reading() {
    let bytes = two_groups(WriterProperties::default());
    let with = |limits: Limits| read_with(Parquet, &bytes, &limits).err().unwrap();
    let expands = with(Limits { expanded_bytes: 10, ..Limits::default() });
    assert!(matches!(expands, DataError::Expands { limit: 10, .. }));
    let cell = with(Limits { cell_bytes: 2, ..Limits::default() });
    assert!(matches!(cell, DataError::CellTooLong { row: 1, found: 3, .. }));
    let record = with(Limits { record_bytes: 2, ..Limits::default() });
    assert!(matches!(record, DataError::RecordTooLong { row: 1, .. }));
    let columns = with(Limits { columns: 1, ..Limits::default() });
    assert!(matches!(columns, DataError::TooManyColumns { found: 2, .. }));
}
