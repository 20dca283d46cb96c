use std::io::{Cursor, Write};

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};

use crate::data::reader::Format::{Jsonl, Zip};
use crate::data::reader::tests::{fails, read_bytes, read_with, text};
use crate::data::{Cell, DataError, Limits};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";
const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0];
const PNG_TEXT: &str = "iVBORw0KGgogYW5kIG1vcmU=";
const JPEG_TEXT: &str = "/9j/4A==";

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let method = if bytes.len() % 2 == 0 {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// An archive of two images, with this table.
fn two(table: &str) -> Vec<u8> {
    archive(&[("a.png", PNG), ("sub/b.jpg", JPEG), ("labels.csv", table.as_bytes())])
}

#[test]
fn images_stand_beside_their_labels() {
    let bytes = two("file,label\na.png,cat\nsub/b.jpg,dog\n,none\n");
    let table = read_bytes(Zip, bytes).unwrap();
    assert_eq!(table.columns, ["file", "label", "image"]);
    let expected = [
        vec![text("a.png"), text("cat"), text(PNG_TEXT)],
        vec![text("sub/b.jpg"), text("dog"), text(JPEG_TEXT)],
        vec![Cell::Null, text("none"), Cell::Null],
    ];
    assert_eq!(table.rows, expected);
    // A column that is called image holds the image instead of its name.
    let table = read_bytes(Zip, two("label,image\ncat,a.png\ndog,b.jpg\n")).unwrap();
    assert_eq!(table.columns, ["label", "image"]);
    assert_eq!(table.rows[1], [text("dog"), text(JPEG_TEXT)]);
    // Any other column is known by what it holds.
    let table = read_bytes(Zip, two("label;photo\ncat;./a.png\ndog;sub\\b.jpg\n")).unwrap();
    assert_eq!(table.columns, ["label", "photo", "image"]);
    assert_eq!(table.rows[1][2], text(JPEG_TEXT));
}

#[test]
fn names_are_looked_up_from_the_table_on() {
    let files: [(&str, &[u8]); 7] = [
        ("set/labels.csv", b"file\n1.png\nset/in/2.png\n3.png\n"),
        ("set/1.png", PNG),
        ("1.png", JPEG),
        ("set/in/2.png", PNG),
        ("other/3.png", JPEG),
        ("__MACOSX/labels.csv", b"x"),
        ("set/.DS_Store", b"x"),
    ];
    let rows = read_bytes(Zip, archive(&files)).unwrap().rows;
    let images: Vec<Cell> = rows.iter().map(|row| row[1].clone()).collect();
    assert_eq!(images, [text(PNG_TEXT), text(PNG_TEXT), text(JPEG_TEXT)]);
    // A name that two folders hold means neither.
    let files: [(&str, &[u8]); 3] =
        [("l.csv", b"file\n1.png\n"), ("a/1.png", PNG), ("b/1.png", PNG)];
    assert!(matches!(fails(Zip, archive(&files)), DataError::NoSuchFile { row: 1, .. }));
}

#[test]
fn tables_that_do_not_fit_their_archive_are_refused_with_the_place() {
    let error = fails(Zip, two("file\na.png\nc.png\n"));
    assert_eq!(
        error.to_string(),
        "row 2, column \"file\" names \"c.png\", which is not in the zip archive"
    );
    let error = fails(Zip, two("file\na.png\n./a.png\n"));
    assert!(matches!(error, DataError::FileTwice { row: 2, first: 1, .. }), "{error}");
    let error = fails(Zip, two("file\nlabels.csv\n"));
    assert!(matches!(error, DataError::NotAnImage { row: 1, .. }), "{error}");
    for name in ["../a.png", "/a.png", "sub/../a.png", "..\\a.png"] {
        let error = fails(Zip, two(&format!("file\n{name}\n")));
        assert!(matches!(error, DataError::NoSuchFile { row: 1, .. }), "{error}");
    }
    assert!(matches!(fails(Zip, two("photo,label\nx,y\n")), DataError::NoFileColumn));
    assert!(matches!(fails(Zip, two("file,label\na.png\n")), DataError::Ragged { row: 1, .. }));
    assert!(matches!(fails(Zip, two("file\n")), DataError::NoRecords));
    assert!(matches!(
        fails(Zip, two("file,image\na.png,a.png\n,a.png\n")),
        DataError::FileTwice { .. }
    ));
    assert!(matches!(fails(Zip, archive(&[("a.png", PNG)])), DataError::ZipTable { found: 0 }));
    let files: [(&str, &[u8]); 2] = [("a.csv", b"file\n"), ("b.csv", b"file\n")];
    assert!(matches!(fails(Zip, archive(&files)), DataError::ZipTable { found: 2 }));
}

#[test]
fn archives_that_lead_out_or_repeat_a_name_are_refused() {
    for name in ["../labels.csv", "/etc/a.png", "a/../../b.png", "..\\b.png"] {
        let error = fails(Zip, archive(&[("l.csv", b"file\n"), (name, PNG)])).to_string();
        assert!(error.contains("leads out of the archive"), "{name}: {error}");
    }
    // The writer does not repeat a name, so one is renamed in its bytes.
    let mut bytes = archive(&[("l.csv", b"file\na.png\n"), ("a.png", PNG), ("b.png", JPEG)]);
    for at in 0..bytes.len() - 5 {
        if &bytes[at..at + 5] == b"b.png" {
            bytes[at] = b'a';
        }
    }
    let error = fails(Zip, bytes).to_string();
    assert!(error.contains("same name"), "{error}");
    let error = fails(Zip, archive(&[("l.csv", b"file\n"), ("x/a", PNG), ("x\\a", PNG)]));
    assert!(error.to_string().contains("are named"), "{error}");
}

#[test]
fn bombs_are_refused_before_they_expand() {
    // 20 MiB of zeros in some kilobytes.
    let zeros = [PNG, &vec![0; 20 << 20]].concat();
    let bytes = archive(&[("l.csv", b"file\na.png\n"), ("a.png", &zeros)]);
    assert!(bytes.len() < 100_000);
    let error = fails(Zip, &bytes);
    assert!(matches!(error, DataError::ImageTooLong { row: 1, .. }), "{error}");
    // The same where the directory says that it is small.
    let mut lying = bytes.clone();
    let size = (zeros.len() as u32).to_le_bytes();
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == size {
            lying[at..at + 4].copy_from_slice(&100u32.to_le_bytes());
        }
    }
    assert_ne!(lying, bytes);
    let error = fails(Zip, &lying);
    assert!(
        matches!(error, DataError::ImageTooLong { row: 1, .. } | DataError::Zip { .. }),
        "{error}"
    );
    // Many that are fine alone.
    let limits = Limits { expanded_bytes: 60, ..Limits::default() };
    let error = read_with(Zip, &two("file\na.png\nb.jpg\n"), &limits).map(|_| ()).err();
    assert!(error.is_none(), "{error:?}");
    let limits = Limits { expanded_bytes: 35, ..Limits::default() };
    let error = read_with(Zip, &two("file\na.png\nb.jpg\n"), &limits).err().unwrap();
    assert!(matches!(error, DataError::Expands { limit: 35, .. }), "{error}");
    let limits = Limits { expanded_bytes: 10, ..Limits::default() };
    let error = read_with(Zip, &two("file\na.png\nb.jpg\n"), &limits).err().unwrap();
    assert!(matches!(error, DataError::Expands { limit: 10, .. }), "{error}");
    // A directory that says it holds more than is read.
    let mut many = two("file\na.png\n");
    let end = many.len() - 22;
    many.splice(
        end..end,
        [&b"PK\x06\x06"[..], &[0; 28], &600_000u64.to_le_bytes(), &[0; 16]].concat(),
    );
    let error = fails(Zip, many).to_string();
    assert!(error.contains("600000 files"), "{error}");
}

#[test]
fn damaged_archives_and_others_are_refused() {
    let whole = two("file\na.png\nsub/b.jpg\n");
    for end in [1, 30, whole.len() / 2, whole.len() - 23, whole.len() - 1] {
        assert!(matches!(fails(Zip, &whole[..end]), DataError::Zip { .. }), "{end}");
    }
    for garbage in [&b"PK\x03\x04"[..], b"text,label\n", &[0; 100], b"PK\x05\x06"] {
        assert!(matches!(fails(Zip, garbage), DataError::Zip { .. }));
    }
    // An altered image no longer has its checksum.
    let mut altered = whole;
    let at = altered.windows(4).position(|bytes| bytes == JPEG).unwrap();
    altered[at + 3] = 1;
    let error = fails(Zip, altered).to_string();
    assert!(error.contains("sub/b.jpg") && error.contains("damaged"), "{error}");
}

/// Longer than any other text, as JSON and CSV hold them.
#[test]
fn images_as_text_may_be_long() {
    let limits = Limits { cell_bytes: 100, image_bytes: 300, ..Limits::default() };
    let line =
        |start: &str, length: usize| format!("{{\"image\": \"{start}{}\"}}", "A".repeat(length));
    for start in ["iVBORw0KGgo", "/9j/", "data:image/png;base64,"] {
        assert!(read_with(Jsonl, line(start, 400).as_bytes(), &limits).is_ok(), "{start}");
        let error = read_with(Jsonl, line(start, 600).as_bytes(), &limits).err().unwrap();
        assert!(matches!(error, DataError::CellTooLong { row: 1, limit: 500, .. }), "{error}");
    }
    assert!(read_with(Jsonl, line("text", 400).as_bytes(), &limits).is_err());
}
