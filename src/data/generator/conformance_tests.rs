//! What holds for every generator.

use std::collections::BTreeMap;

use super::*;
use crate::data::Cell;
use crate::data::profile::{ColumnKind, Profile};
use crate::data::records::RecordWriter;

/// Columns of numbers, by name.
pub(super) type Columns = BTreeMap<String, Vec<f64>>;

/// A table in memory.
#[derive(Default)]
pub(super) struct Table {
    pub names: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

impl Sink for Table {
    fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
        self.names = names.to_vec();
        Ok(())
    }

    fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
        assert_eq!(cells.len(), self.names.len());
        self.rows.push(cells.to_vec());
        Ok(())
    }
}

pub(super) fn table_of(generator: &dyn Generator) -> Table {
    let mut table = Table::default();
    generator.generate(&mut table).unwrap();
    table
}

/// The columns of a generator of numbers.
pub(super) fn columns_of(generator: &dyn Generator) -> Columns {
    let table = table_of(generator);
    let number = |cell: &Cell| match cell {
        Cell::Number(value) => *value,
        Cell::Integer(value) => *value as f64,
        other => panic!("{other:?} is no number"),
    };
    let column = |i: usize| table.rows.iter().map(|cells| number(&cells[i])).collect();
    table.names.iter().enumerate().map(|(i, name)| (name.clone(), column(i))).collect()
}

/// Points of the plane: `x0`, `x1` and class.
pub(super) fn points_of(generator: &dyn Generator) -> Vec<(f64, f64, usize)> {
    let columns = columns_of(generator);
    let places = columns["x0"].iter().zip(&columns["x1"]);
    places.zip(&columns["label"]).map(|((x, y), label)| (*x, *y, *label as usize)).collect()
}

/// The fields at fault.
pub(super) fn faults_of(generator: &dyn Generator) -> Vec<String> {
    generator.faults().into_iter().map(|fault| fault.field).collect()
}

/// Every generator, as its `type` alone is read, with noise where it has any.
fn all(seed: u64) -> Vec<GeneratorSpec> {
    let specs = [
        serde_json::json!({"type": "sine", "noise": 0.1}),
        serde_json::json!({"type": "make_classification"}),
        serde_json::json!({"type": "blobs"}),
        serde_json::json!({"type": "circles", "noise": 0.1}),
        serde_json::json!({"type": "moons", "noise": 0.1}),
        serde_json::json!({"type": "shapes", "images": 50}),
    ];
    let with_seed = |mut spec: serde_json::Value| {
        spec["seed"] = seed.into();
        serde_json::from_value(spec).unwrap()
    };
    specs.into_iter().map(with_seed).collect()
}

fn written(spec: &GeneratorSpec) -> (String, Profile) {
    let mut writer = RecordWriter::new(std::io::sink());
    spec.generate(&mut writer).unwrap();
    let written = writer.finish().unwrap();
    (written.sha256, written.profile)
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    for (one, two) in all(1).iter().zip(all(2)) {
        assert_eq!(written(one).0, written(one).0, "{}", one.name());
        assert_ne!(written(one).0, written(&two).0, "{}", one.name());
    }
}

#[test]
fn columns_are_recognised_for_what_they_are() {
    for spec in all(1) {
        assert!(spec.faults().is_empty());
        let (_, profile) = written(&spec);
        assert!(profile.rows >= 50 && profile.duplicate_rows == 0, "{}", spec.name());
        for column in &profile.columns {
            let expected = match column.name.as_str() {
                "label" => ColumnKind::Integer,
                "image" => ColumnKind::Image,
                "labels" => ColumnKind::List,
                _ => ColumnKind::Number,
            };
            assert_eq!(column.kind, expected, "{} {}", spec.name(), column.name);
            assert_eq!(column.missing, 0);
            // A task reads the labels and their balance off the profile.
            assert!(column.values.is_some() || !column.name.starts_with("label"));
        }
    }
}

#[test]
fn specs_survive_storage_with_every_default_filled_in() {
    for spec in all(7) {
        let stored = serde_json::to_value(&spec).unwrap();
        assert_eq!((&stored["type"], &stored["seed"]), (&spec.name().into(), &7.into()));
        assert_eq!(serde_json::from_value::<GeneratorSpec>(stored).unwrap(), spec);
    }
}
