//! Every rule fails on a small example of what it forbids, and passes on its mended twin.

use super::rules::{
    circle_offences, fence_offences, layer_offences, length_offences, map_offences, schema_offences,
};
use super::source::Source;

fn read(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(file, text)| Source::read(file, text)).collect()
}

/// What a file imports, as `line path`.
fn imports(file: &str, text: &str) -> Vec<String> {
    let source = Source::read(file, text);
    source.imports.iter().map(|i| format!("{} {}", i.line, i.path.join("::"))).collect()
}

/// One offence that begins and goes on as told.
#[track_caller]
fn one(offences: &[String], begins: &str, holds: &str) {
    let [offence] = offences else { panic!("not one offence: {offences:#?}") };
    assert!(offence.starts_with(begins) && offence.contains(holds), "{offence}");
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let text = r##"
        // use crate::comment::A;
        /// crate::doc::B
        const TEXT: &str = "crate::string::C";
        const RAW: &str = r#"crate::raw::D"#;
        use crate::{
            clock::{self, Clock as Time},
            id::*,
        };
        pub(crate) fn inline() -> crate::store::Page<super::Job> {
            json!({"a": crate::task::in_a_macro(), "b": super::super::arrays::up()})
        }
        mod tests {
            use super::*;
            use super::super::sibling;
        }
    "##;
    let found = imports("src/job/execute.rs", text);
    let wanted = [
        "7 clock",
        "7 clock::Clock",
        "8 id",
        "10 store::Page",
        "10 job::Job",
        "11 task::in_a_macro",
        "11 arrays::up",
        "14 job::execute",
        "15 job::sibling",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn files_of_tests_beside_a_file_are_its_inner_module() {
    assert_eq!(imports("src/learn/trainer_tests.rs", "use super::*;"), ["1 learn::trainer"]);
    assert_eq!(imports("src/learn/mod.rs", "use super::id;"), ["1 id"]);
    assert_eq!(imports("src/main.rs", "fn main() { whereof::cli::run() }"), ["1 cli::run"]);
}

#[test]
fn an_import_that_runs_up_is_an_offence() {
    let job = "use crate::store::Page;";
    let files = [("src/job/mod.rs", job), ("src/store/mod.rs", "use crate::job::Job;")];
    one(&layer_offences(&read(&files)), "src/job/mod.rs:1: ", "`store::Page`, which runs up");
    let chain = [("src/job/execute.rs", "\nuse super::super::store;"), ("src/store/mod.rs", "")];
    one(&layer_offences(&read(&chain)), "src/job/execute.rs:2: ", "runs up");
    let down = [("src/job/mod.rs", ""), ("src/store/mod.rs", "use crate::job::Job;")];
    assert_eq!(layer_offences(&read(&down)), [""; 0]);
}

#[test]
fn an_import_that_runs_sideways_is_an_offence() {
    let files = [("src/eval/mod.rs", "use crate::learn::Network;"), ("src/learn/mod.rs", "")];
    one(&layer_offences(&read(&files)), "src/eval/mod.rs:1: ", "runs sideways");
}

#[test]
fn a_module_without_a_layer_and_a_glob_over_the_crate_are_offences() {
    one(&layer_offences(&read(&[("src/cellar.rs", "")])), "src/cellar: ", "LAYERS");
    one(
        &layer_offences(&read(&[("src/job/mod.rs", "use crate::*;")])),
        "src/job/mod.rs:1: ",
        "name",
    );
}

#[test]
fn a_fenced_crate_outside_its_fence_is_an_offence() {
    let text = "// axum::Json\nuse axum::Json;";
    one(&fence_offences(&read(&[("src/model/mod.rs", text)])), "src/model/mod.rs:2: ", "`axum`");
    assert_eq!(fence_offences(&read(&[("src/http/mod.rs", text)])), [""; 0]);
    let candle = "fn f(t: &candle_core::Tensor) {}";
    one(&fence_offences(&read(&[("src/arrays.rs", candle)])), "src/arrays.rs:1: ", "learn");
    assert_eq!(fence_offences(&read(&[("src/learn/loss/mod.rs", candle)])), [""; 0]);
}

#[test]
fn a_circle_is_an_offence_and_is_told_once() {
    let a = ("src/http/a.rs", "use super::b::B;");
    let b = ("src/http/b.rs", "\nuse super::c::C;");
    let c = ("src/http/c.rs", "use crate::http::a::A;");
    let found = circle_offences(&read(&[a, b, c]));
    one(&found, "a circle from `http::a`", "`http::c` (src/http/b.rs:2)");
    assert_eq!(circle_offences(&read(&[a, b, ("src/http/c.rs", "")])), [""; 0]);
    // Around the corner of a folder: no two files import one another, but the folders do.
    let folders = [
        ("src/eval/metric/one.rs", "use super::super::detector::two;"),
        ("src/eval/metric/mod.rs", ""),
        ("src/eval/detector/two.rs", ""),
        ("src/eval/detector/mod.rs", "use super::metric;"),
    ];
    one(&circle_offences(&read(&folders)), "a circle from `eval::detector`", "eval::metric");
    let top = [("src/a.rs", "use crate::b;"), ("src/b.rs", "use crate::a;")];
    one(&circle_offences(&read(&top)), "a circle from `a`", "`b` (src/a.rs:1)");
}

#[test]
fn parent_and_child_may_name_each_other() {
    let parent = ("src/http/mod.rs", "use self::jobs::list; use crate::http::jobs::submit;");
    let child = ("src/http/jobs.rs", "use super::AppState;");
    assert_eq!(circle_offences(&read(&[parent, child])), [""; 0]);
}

#[test]
fn a_long_file_is_an_offence() {
    let text = "\n".repeat(501);
    one(&length_offences(&read(&[("src/id.rs", &text)])), "src/id.rs:500: ", "line 501");
    assert_eq!(length_offences(&read(&[("src/id.rs", &text[1..])])), [""; 0]);
}

#[test]
fn two_schemas_of_one_name_are_an_offence() {
    let derived = "#[derive(Clone, ToSchema)] #[serde(untagged)] pub(crate) enum Choice { A }";
    let same = [
        ("src/a.rs", derived),
        ("src/b.rs", "/// Text.\n#[derive(utoipa::ToSchema)] struct Choice<T> { a: T }"),
        ("src/b.rs", "impl utoipa::ToSchema for Choice {}"),
        ("src/b.rs", "#[derive(ToSchema)] #[schema(title = \"A\", as = Choice)] struct Other;"),
        ("src/b.rs", "mod inner { #[derive(ToSchema)] pub struct Choice; }"),
        ("src/b.rs", "lists! { /// Text.\n pub enum Choice { A } }"),
    ];
    let list = "macro_rules! lists { ($name:ident) => { #[derive(ToSchema)] enum $name {} } }";
    for other in &same[1..] {
        let sources = read(&[same[0], *other, ("src/c.rs", list)]);
        one(&schema_offences(&sources), "src/b.rs:", "`Choice` of src/a.rs:1");
    }
    let apart = [
        ("src/b.rs", "#[derive(Clone)] pub struct Choice;"),
        ("src/b.rs", "#[derive(ToSchema)] struct Other; struct Choice;"),
        ("src/b.rs", "#[derive(ToSchema)] #[schema(as = Other)] struct Choice;"),
        ("src/b.rs", "#[cfg(test)] mod tests { #[derive(ToSchema)] struct Choice; }"),
        ("src/b_tests.rs", "#[derive(ToSchema)] struct Choice;"),
        ("src/b.rs", "others! { pub enum Choice { A } }"),
    ];
    for other in apart {
        let sources = read(&[same[0], other, ("src/c.rs", list)]);
        assert_eq!(schema_offences(&sources), [""; 0], "{other:?}");
    }
}

#[test]
fn a_module_that_the_map_does_not_name_is_an_offence() {
    let sources = read(&[("src/http/mod.rs", ""), ("src/id.rs", ""), ("src/clock.rs", "")]);
    let map = "`http/` answers, `clock.rs` tells the time, id is missing";
    one(&map_offences(&sources, map), "ARCHITECTURE.md: ", "`id`");
}
