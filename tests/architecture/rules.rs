//! The rules: each a function from sources to offences, told as place, offence and what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::schemas::SchemaType;
use super::source::{Import, Module, Source};
use super::{FENCES, LAYERS, MAX_LINES};

/// The row of a module in [`LAYERS`].
fn row(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Imports that run up or sideways, and modules that have no layer.
pub fn layer_offences(sources: &[Source]) -> Vec<String> {
    let top: BTreeSet<&str> =
        sources.iter().filter_map(|s| Some(s.module.first()?.as_str())).collect();
    let mut offences: Vec<String> = top
        .iter()
        .filter(|module| row(module).is_none())
        .map(|module| {
            format!("src/{module}: has no layer; give it one in LAYERS of tests/architecture.rs")
        })
        .collect();
    for source in sources {
        let Some(from) = source.module.first() else { continue };
        for Import { line, path } in &source.imports {
            let at = format!("{}:{line}", source.file);
            let Some(to) = path.first() else {
                offences
                    .push(format!("{at}: imports the whole crate; name the module that is meant"));
                continue;
            };
            if to == from || !top.contains(to.as_str()) {
                continue;
            }
            if let (Some(own), Some(other)) = (row(from), row(to))
                && own >= other
            {
                let way = if own == other { "sideways" } else { "up" };
                offences.push(format!(
                    "{at}: `{from}` imports `{}`, which runs {way}; move what both need into a layer \
                     below `{from}`, or pass it in from above",
                    path.join("::")
                ));
            }
        }
    }
    offences
}

/// Crates that are named outside their fence.
pub fn fence_offences(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let module = source.module.first().map_or("lib", String::as_str);
        for (line, name) in &source.names {
            let fence = FENCES.iter().find(|(fenced, _)| fenced == name);
            if let Some((_, allowed)) = fence.filter(|(_, allowed)| !allowed.contains(&module)) {
                let file = &source.file;
                let allowed = allowed.join(", ");
                offences.push(format!(
                    "{file}:{line}: names `{name}`, which only {allowed} may; wrap what is needed there"
                ));
            }
        }
    }
    offences
}

/// Modules beside each other that import one another, directly or around a corner.
pub fn circle_offences(sources: &[Source]) -> Vec<String> {
    let known: BTreeSet<&[String]> = sources.iter().map(|s| s.module.as_slice()).collect();
    // Edges join modules with the same parent; the place of one import is kept for each.
    let mut edges: BTreeMap<Module, BTreeMap<Module, String>> = BTreeMap::new();
    // A test may bring in what uses the file it tests.
    for source in sources.iter().filter(|source| !source.file.ends_with("tests.rs")) {
        for Import { line, path } in &source.imports {
            let depth = (0..=path.len()).rev().find(|n| known.contains(&path[..*n])).unwrap_or(0);
            let (from, to) = (&source.module, &path[..depth]);
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            // Parent and child may name each other.
            if from.len() > shared && to.len() > shared {
                let place = format!("{}:{line}", source.file);
                let targets = edges.entry(from[..=shared].to_vec()).or_default();
                targets.entry(to[..=shared].to_vec()).or_insert(place);
            }
        }
    }
    let mut offences = BTreeSet::new();
    for start in edges.keys() {
        if let Some(circle) = circle_through(start, &edges) {
            // One circle is found from each of its modules; it is told once, from its first.
            if circle.iter().all(|(module, _)| *module >= start) {
                let steps = circle
                    .iter()
                    .map(|(module, place)| format!("`{}` ({place})", module.join("::")));
                let steps: Vec<String> = steps.collect();
                offences.insert(format!(
                    "a circle from `{}`: it imports {}; move what they share into a file below them",
                    start.join("::"),
                    steps.join(", which imports ")
                ));
            }
        }
    }
    offences.into_iter().collect()
}

/// The shortest way from a module back to itself, as the imports that make it.
fn circle_through<'a>(
    start: &'a Module,
    edges: &'a BTreeMap<Module, BTreeMap<Module, String>>,
) -> Option<Vec<(&'a Module, &'a str)>> {
    let mut ways = vec![vec![(start, "")]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let here = way[way.len() - 1].0;
            for (next, place) in edges.get(here).into_iter().flatten() {
                let way = [way.as_slice(), &[(next, place.as_str())]].concat();
                if next == start {
                    return Some(way[1..].to_vec());
                }
                if seen.insert(next) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// Files that are too long to be read at a sitting.
pub fn length_offences(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.lines > MAX_LINES);
    let told = |source: &Source| {
        let Source { file, lines, .. } = source;
        format!("{file}:{MAX_LINES}: goes on to line {lines}; split it by what its parts are about")
    };
    long.map(told).collect()
}

/// Types of one name in the API's document: the one would overwrite the other there.
pub fn schema_offences(sources: &[Source]) -> Vec<String> {
    let macros: BTreeSet<&String> =
        sources.iter().flat_map(|source| &source.schemas.macros).collect();
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    let mut offences = Vec::new();
    for source in sources {
        for SchemaType { line, name, made_by } in &source.schemas.types {
            if made_by.as_ref().is_some_and(|made_by| !macros.contains(made_by)) {
                continue;
            }
            let place = format!("{}:{line}", source.file);
            match first.get(name.as_str()) {
                Some(other) => offences.push(format!(
                    "{place}: the API's document holds `{name}` of {other} already; give one of them \
                     another name, or no schema"
                )),
                None => drop(first.insert(name, place)),
            }
        }
    }
    offences
}

/// Modules that the map does not name.
pub fn map_offences(sources: &[Source], map: &str) -> Vec<String> {
    let top: BTreeSet<&String> =
        sources.iter().filter_map(|source| source.module.first()).collect();
    let named =
        |name: &str| ["", "/", ".rs"].iter().any(|end| map.contains(&format!("`{name}{end}`")));
    let missing = top.into_iter().filter(|name| !named(name));
    missing
        .map(|name| format!("ARCHITECTURE.md: does not name `{name}`; say there what it is for"))
        .collect()
}
