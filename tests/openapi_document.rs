//! The API's document as it is checked in is the one that the code makes.

const REGENERATE: &str = "openapi/openapi.json is not what the code makes; if the API was meant to \
                          change, run `cargo run -- openapi > openapi/openapi.json` and commit it";

/// The first line where two texts differ, with both.
fn first_difference(checked_in: &str, made: &str) -> Option<String> {
    if checked_in == made {
        return None;
    }
    let (mut old, mut new) = (checked_in.lines(), made.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let shown = |line: Option<&str>| line.map_or("(end)", str::trim).to_owned();
                return Some(format!("line {number}: {} -> {}", shown(old), shown(new)));
            }
        }
    }
    Some("only line ends differ".to_owned())
}

#[test]
fn the_checked_in_document_is_the_one_that_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    let made = format!("{}\n", whereof::http::openapi_json());
    if let Some(difference) = first_difference(&checked_in, &made) {
        panic!("{difference}\n{REGENERATE}");
    }
}

#[test]
fn a_difference_is_found() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(first_difference("a\nb\n", "a\nc\n").unwrap(), "line 2: b -> c");
    assert_eq!(first_difference("a\n", "a\nb\n").unwrap(), "line 2: (end) -> b");
    assert_eq!(first_difference("a", "a\n").unwrap(), "only line ends differ");
}
