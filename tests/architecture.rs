//! The house keeps its order: layers, fences around crates, no circles, short files, schemas of
//! different names, a map that is complete. `examples` shows on small sources that every rule can fail.

#[path = "architecture/examples.rs"]
mod examples;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/schemas.rs"]
mod schemas;
#[path = "architecture/source.rs"]
mod source;

use std::path::Path;

use rules::{
    circle_offences, fence_offences, layer_offences, length_offences, map_offences, schema_offences,
};
use source::sources_of;

/// Modules from top to bottom. A module imports only from rows below its own.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["http"],
    &["worker"],
    &["scorer"],
    &["store"],
    &["figures"],
    &["job"],
    &["diagnose"],
    &["model"],
    &["task"],
    &["learn", "eval", "data", "text", "tabular", "image"],
    &["client", "config", "id"],
    &["arrays", "clock", "compute", "dispatch", "json", "random"],
    &["problem"],
];

/// Crates that only some modules name, so that each can be exchanged in one place.
const FENCES: &[(&str, &[&str])] = &[
    ("candle", &["learn"]),
    ("candle_core", &["learn"]),
    ("sqlx", &["store"]),
    ("object_store", &["store"]),
    ("axum", &["http", "app", "client", "cli"]),
];

const MAX_LINES: usize = 500;

#[track_caller]
fn none(offences: &[String]) {
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn imports_run_downwards() {
    none(&layer_offences(&sources_of("src")));
}

#[test]
fn crates_stay_behind_their_fence() {
    none(&fence_offences(&sources_of("src")));
}

#[test]
fn no_imports_run_in_circles() {
    none(&circle_offences(&sources_of("src")));
}

#[test]
fn schemas_have_names_of_their_own() {
    none(&schema_offences(&sources_of("src")));
}

#[test]
fn files_are_short() {
    none(&length_offences(&sources_of("src")));
    none(&length_offences(&sources_of("tests")));
}

#[test]
fn the_map_names_every_module() {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let map = std::fs::read_to_string(map).expect("ARCHITECTURE.md, the map of src/, is missing");
    none(&map_offences(&sources_of("src"), &map));
}
