use crate::data::reader::Format::{Json, Jsonl};
use crate::data::reader::tests::{Table, fails, read_bytes, read_with, text};
use crate::data::{Cell, DataError, Limits};

fn lines(text: &str) -> Table {
    read_bytes(Jsonl, text).unwrap()
}

#[test]
fn columns_are_all_keys_and_missing_ones_are_null() {
    let expected = vec![
        vec![text("x"), Cell::Integer(1), Cell::Null],
        vec![Cell::Null, Cell::Null, Cell::Bool(true)],
        vec![text("y"), Cell::Null, Cell::Null],
    ];
    let jsonl =
        "\u{feff}\n{\"a\": \"x\", \"b\": 1}\r\n\n  \n{\"c\": true}\n{\"b\": null, \"a\": \"y\"}";
    let array = r#"[{"a": "x", "b": 1}, {"c": true}, {"b": "", "a": "y"}]"#;
    let tables = [
        lines(jsonl),
        read_bytes(Json, array).unwrap(),
        read_bytes(Json, format!("\u{feff}{array}")).unwrap(),
        read_bytes(Json, format!(r#" {{"name": "n", "records": {array}}} "#)).unwrap(),
    ];
    for table in &tables {
        assert_eq!(table.columns, ["a", "b", "c"]);
        assert_eq!(table.rows, expected);
    }
    assert_eq!(tables[3].name.as_deref(), Some("n"));
}

#[test]
fn values_keep_their_kind() {
    let cell = |value: &str| lines(&format!(r#"{{"a": {value}, "b": 1}}"#)).rows[0][0].clone();
    assert_eq!(cell("-3"), Cell::Integer(-3));
    assert_eq!(cell("2.5"), Cell::Number(2.5));
    assert_eq!(cell("9223372036854775807"), Cell::Integer(i64::MAX));
    assert_eq!(cell("18446744073709551616"), Cell::Number(18_446_744_073_709_551_616.0));
    assert_eq!(cell("1e300"), Cell::Number(1e300));
    assert_eq!(
        cell(r#"["x", 1, true]"#),
        Cell::List(["x", "1", "true"].map(str::to_owned).to_vec())
    );
    assert_eq!(cell("[]"), Cell::List(Vec::new()));
    assert_eq!(cell(r#""\ud83d\udc4d""#), text("👍"));
    assert!(matches!(fails(Jsonl, r#"{"a": 1e999}"#), DataError::Json { row: 1, .. }));
}

#[test]
fn rows_at_fault_are_named() {
    for (record, found) in
        [("[1]", "an array"), ("3", "a number"), ("null", "null"), ("\"x\"", "a text")]
    {
        for (format, bytes) in [
            (Jsonl, format!("{{\"a\":1}}\n\n{record}\n")),
            (Json, format!("[{{\"a\":1}},{record}]")),
        ] {
            let DataError::NotAnObject { row, found: said } = fails(format, bytes) else {
                panic!()
            };
            assert_eq!((row, said), (2, found));
        }
    }
    for value in [r#"{"x": 1}"#, "[[1]]", r#"[null]"#, r#"[""]"#, r#"[{}]"#] {
        let error = fails(Jsonl, format!("{{\"a\":1}}\n{{\"b\":{value}}}"));
        let DataError::Nested { row, column, .. } = error else { panic!("{error}") };
        assert_eq!((row, column.as_str()), (2, "b"));
    }
    let DataError::Json { row, message } = fails(Jsonl, "{\"a\":1}\n{\"a\":\n") else { panic!() };
    assert_eq!(row, 2);
    assert!(!message.contains("line 1"), "it is line 2 of the file: {message}");
    let DataError::LineNotUtf8 { row, byte } = fails(Jsonl, b"{\"a\":1}\n{\"a\":\"\xff\"}") else {
        panic!()
    };
    assert_eq!((row, byte), (2, 7));
}

#[test]
fn files_without_records_or_columns() {
    assert!(matches!(fails(Jsonl, "\n \n"), DataError::NoRecords));
    assert!(matches!(fails(Json, "[]"), DataError::NoRecords));
    assert!(matches!(fails(Json, r#"{"records": []}"#), DataError::NoRecords));
    assert!(matches!(fails(Json, r#"{"name": "x"}"#), DataError::NoRecordList));
    assert!(matches!(fails(Jsonl, "{}\n{}\n"), DataError::NoColumn));
    assert!(matches!(fails(Json, "[{}, {}]"), DataError::NoColumn));
}

#[test]
fn documents_that_are_not_what_they_claim() {
    for bytes in [
        r#"[{"a":1}] x"#,
        r#"[{"a":1}"#,
        r#"[{"a":1},"#,
        r#"[{"a":1},]"#,
        r#"{"records": [{"a":1}]"#,
        r#"{"records": [{"a":1}], "rows": 1}"#,
        r#"{"records": 3}"#,
        r#"{"records": {"records": [{"a":1}]}}"#,
        r#"{"records": [{"a":1}], "records": [{"a":1}]}"#,
        r#"{"name": "x", "name": "y", "records": [{"a":1}]}"#,
        r#"[{"a":1,"a":2}]"#,
        r#""text""#,
        "{\"a\":1}\n{\"a\":2}",
        "\0",
    ] {
        let error = fails(Json, bytes);
        assert!(matches!(error, DataError::Json { .. }), "{bytes}: {error}");
    }
    assert!(matches!(fails(Json, b"[{\"a\":\"\xff\"}]"), DataError::Json { row: 1, .. }));
}

#[test]
fn a_key_that_stands_twice_is_named_with_its_row() {
    for (format, bytes) in [
        (Jsonl, "{\"a\":1}\n{\"a\":1,\"b\":1,\"a\":2}\n"),
        (Json, r#"[{"a":1}, {"a":1,"b":1,"a":2}]"#),
    ] {
        let DataError::Json { row, message } = fails(format, bytes) else { panic!("{bytes}") };
        assert_eq!(row, 2);
        assert!(message.starts_with("the key \"a\" stands there twice"), "{message}");
    }
}

#[test]
fn what_is_wrong_with_json_is_not_told_in_words_for_csv() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1_000), "]".repeat(1_000));
    for (format, bytes) in
        [(Jsonl, deep.as_str()), (Json, "{}"), (Json, "[{}]"), (Jsonl, r#"{"": 1}"#), (Json, "[")]
    {
        let problem = crate::problem::Problem::from(fails(format, bytes));
        let said = format!("{} {}", problem.detail, problem.hint.unwrap());
        for word in ["header", "first line", "quotation", "recursion"] {
            assert!(!said.contains(word), "{bytes}: {said}");
        }
    }
    assert!(fails(Jsonl, deep).to_string().contains("nested deeper than 128 levels"));
}

#[test]
fn a_list_may_hold_as_much_as_any_other_cell() {
    let limits = Limits { cell_bytes: 20, ..Limits::default() };
    for (list, fits) in [
        (r#"["aaaaaaa", "bbbbbbb"]"#, true),
        (r#"["aaaaaaa", "bbbbbbbb"]"#, false),
        ("[1, 2, 3, 4, 5]", true),
        ("[1, 2, 3, 4, 5, 6]", false),
    ] {
        let read = read_with(Jsonl, format!("{{\"a\": {list}}}").as_bytes(), &limits);
        match read {
            Ok(_) => assert!(fits, "{list}"),
            Err(DataError::CellTooLong { row: 1, column, .. }) => assert!(!fits && column == "a"),
            Err(other) => panic!("{list}: {other}"),
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let depth = 10_000;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(matches!(
            fails(Jsonl, format!("{{\"a\":{nested}}}")),
            DataError::Json { row: 1, .. }
        ));
        assert!(matches!(
            fails(Json, format!("[{{\"a\":{nested}}}]")),
            DataError::Json { row: 1, .. }
        ));
        assert!(matches!(
            fails(Json, open.repeat(depth)),
            DataError::Json { .. } | DataError::NotAnObject { .. }
        ));
    }
    let records = format!("{}[]{}", r#"{"records":"#.repeat(depth), "}".repeat(depth));
    assert!(matches!(fails(Json, records), DataError::Json { .. }));
}
