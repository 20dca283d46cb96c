use crate::data::reader::Format;
use crate::data::reader::tests::{Table, fails as fails_as, read_bytes, text};
use crate::data::{Cell, DataError};

fn csv(bytes: impl AsRef<[u8]>) -> Table {
    read_bytes(Format::Csv, bytes).unwrap()
}

fn fails(bytes: impl AsRef<[u8]>) -> DataError {
    fails_as(Format::Csv, bytes)
}

#[test]
fn a_mark_and_either_line_end_are_read() {
    let expected = vec![vec![text("a"), text("b")], vec![text("c"), Cell::Null]];
    for bytes in [
        "text,label\na,b\nc,\n",
        "text,label\r\na,b\r\nc,\r\n",
        "\u{feff}text,label\na,b\nc,",
        "\u{feff}\"text\",label\r\n\"a\",\"b\"\r\n\"c\",\"\"",
        "text;label\na;b\nc;\n",
        "text\tlabel\na\tb\nc\t\n",
        " text , label \na,b\n\nc,\n",
        "text,label\ra,b\rc,\r",
    ] {
        let table = csv(bytes);
        assert_eq!(table.columns, ["text", "label"], "{bytes:?}");
        assert_eq!(table.rows, expected, "{bytes:?}");
    }
}

#[test]
fn quotes_hold_separators_line_breaks_and_quotes() {
    let table =
        csv("label,text\n1,\"a \"\"word\"\", and\nanother line\"\n2,\"\r\n.\"\n3,\"\r\n\"\n");
    assert_eq!(table.columns, ["label", "text"]);
    assert_eq!(table.rows[0][1], text("a \"word\", and\nanother line"));
    assert_eq!(table.rows[1][1], text("\r\n."));
    assert_eq!(table.rows[2][1], Cell::Null, "blank is missing");
}

#[test]
fn the_separator_is_that_of_the_header() {
    // A comma in the header wins, and separators in quotes do not count.
    assert_eq!(csv("a;x,b\n1,2\n").columns, ["a;x", "b"]);
    assert_eq!(csv("\"a,b\";c\n1;2\n").columns, ["a,b", "c"]);
    assert_eq!(csv("text\nsemi;colons\n").rows[0][0], text("semi;colons"));
}

#[test]
fn ragged_rows_are_named_with_row_and_line() {
    let place = |bytes: &str| match fails(bytes) {
        DataError::Ragged { row, line, expected, found } => (row, line, expected, found),
        other => panic!("{bytes:?}: {other}"),
    };
    assert_eq!(place("a,b\n1,2\n3\n"), (2, 3, 2, 1));
    assert_eq!(place("a,b\n1,2,3\n"), (1, 2, 2, 3));
    // Rows and lines part where a cell holds line breaks, and where a line is blank.
    assert_eq!(place("a,b\n1,\"x\ny\nz\"\n\n3,4\n5\n"), (3, 7, 2, 1));
    assert_eq!(place("a,b\r\n1,\"x\r\ny\"\r\n3\r\n"), (2, 4, 2, 1));
    assert_eq!(place("\u{feff}a,b\r\n\r\n\r\n1,2\r\n\n3\r\n"), (2, 6, 2, 1));
    let long = format!("a,b\n{}3\n", "1,\"x\ny\"\n".repeat(50_000));
    assert_eq!(place(&long), (50_001, 100_002, 2, 1));
    assert_eq!(place("a,b\n\"x\ny\",2,3\n"), (1, 2, 2, 3));
}

#[test]
fn what_is_not_utf_8_is_placed() {
    let DataError::NotUtf8 { row, column, byte } = fails(b"a,b\n1,2\n3,xy\xe9z\n") else {
        panic!("not found")
    };
    assert_eq!((row, column.as_str(), byte), (2, "b", 3));
    assert!(matches!(fails(b"a,\xff\n1,2\n"), DataError::NotUtf8 { row: 0, .. }));
}

#[test]
fn headers_that_are_none() {
    assert!(matches!(fails("a,b\n"), DataError::NoRecords));
    assert!(matches!(fails("a,b"), DataError::NoRecords));
    assert!(matches!(fails("\n\n\n"), DataError::Empty));
    assert!(matches!(fails("\u{feff}"), DataError::Empty));
    assert!(matches!(fails("a,,c\n1,2,3\n"), DataError::BadName { .. }));
    assert!(matches!(fails("1,good\n2,bad\n"), DataError::NoHeader { .. }));
    assert!(matches!(fails("a, a\n1,2\n"), DataError::DuplicateColumn { name } if name == "a"));
}

#[test]
fn quotes_that_never_close() {
    assert!(matches!(fails("a,b\n1,2\n3,\"open\n4,5\n"), DataError::UnclosedQuote { row: 2 }));
    assert!(matches!(fails("a,b\n1,2\n3,\"open"), DataError::UnclosedQuote { row: 2 }));
    assert!(matches!(fails("a\n1\n\"open\n4\n"), DataError::UnclosedQuote { row: 2 }));
    assert!(matches!(fails("a\n1\n\"open \"\"word\"\"\n4\n"), DataError::UnclosedQuote { row: 2 }));
    assert!(matches!(fails("\"a,b\n1,2\n"), DataError::NoHeader { .. }));
}

/// A quotation mark within a cell that did not open with one is a character like any other.
#[test]
fn inches_are_no_quotes() {
    let table = csv("a,b\n5\" disk,x\n\"two\nlines\",y\n");
    assert_eq!(table.rows[0][0], text("5\" disk"));
    assert_eq!(table.rows[1][0], text("two\nlines"));
    assert!(matches!(
        fails("a,b\n5\" disk,x\n\"two\nlines\",y,z\n"),
        DataError::Ragged { row: 2, .. }
    ));
}

#[test]
fn cells_over_the_buffer_are_whole() {
    let long = "word \"\"quoted\"\"\n".repeat(20_000);
    let table = csv(format!("a,b\n\"{long}\",x\ny,z\n"));
    assert_eq!(table.rows[0][0], Cell::Text(long.replace("\"\"", "\"")));
    assert_eq!(table.rows.len(), 2);
}

#[test]
fn a_line_of_separators_is_refused_before_it_is_unfolded() {
    let many = ",".repeat(1 << 20);
    let error = fails(format!("{many}\n1\n"));
    assert!(
        matches!(error, DataError::TooManyColumns { found: 1_048_577, limit: 10_000 }),
        "{error}"
    );
    let error = fails(format!("a,b\n{many}\n"));
    assert!(matches!(error, DataError::Ragged { row: 1, found: 1_048_577, .. }), "{error}");
    let error = fails(format!("a,b\n1,2\n{}\n", many.repeat(13)));
    assert!(matches!(error, DataError::RecordTooLong { row: 2, .. }), "{error}");
}
