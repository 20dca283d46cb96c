//! Labels: their names, and which of them hold for each record.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::LabelColumn;
use crate::data::Cell;

/// Labels a task may have at most.
pub const MAX_LABELS: usize = 1_000;

/// Why a label column cannot be learnt. Rows count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("row {row} has no label")]
    Missing { row: u64 },
    #[error("row {row} has several labels, but the task is not multi-label")]
    Several { row: u64 },
    #[error("every record has the label {label:?}: there is nothing to tell apart")]
    Constant { label: String },
    #[error("no record has a label")]
    None,
    #[error("the label {label:?} has one example (row {row})")]
    Single { label: String, row: u64 },
    #[error("there are {found} labels; at most {MAX_LABELS} can be told apart")]
    TooMany { found: usize },
}

/// The labels of a task, in the order of the network's outputs: sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelSet {
    #[serde(serialize_with = "serialize_names", deserialize_with = "deserialize_names")]
    names: Arc<[String]>,
}

fn serialize_names<S: Serializer>(names: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    names.serialize(serializer)
}

fn deserialize_names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<[String]>, D::Error> {
    Vec::deserialize(deserializer).map(Arc::from)
}

impl LabelSet {
    /// From names, in the order of the outputs.
    pub fn new(names: Vec<String>) -> Self {
        Self { names: names.into() }
    }

    /// The names, in the order of the outputs.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The same, to keep.
    pub fn shared_names(&self) -> Arc<[String]> {
        self.names.clone()
    }

    /// Labels.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The position of a name.
    pub fn position(&self, name: &str) -> Option<u32> {
        self.names.binary_search_by(|n| n.as_str().cmp(name)).ok().map(|i| i as u32)
    }
}

/// Which labels hold, record by record: one, or any number where the task is multi-label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truths {
    labels: Vec<Vec<u32>>,
}

impl Truths {
    /// The labels of a record.
    pub fn of(&self, record: usize) -> &[u32] {
        &self.labels[record]
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// What to stratify by: the label; for several, the rarest of them; 0 for none.
    pub fn strata(&self, labels: usize) -> Vec<u32> {
        let mut counts = vec![0u64; labels];
        self.labels.iter().flatten().for_each(|&label| counts[label as usize] += 1);
        let rarest = |labels: &Vec<u32>| {
            labels.iter().copied().min_by_key(|&l| (counts[l as usize], l)).unwrap_or(0)
        };
        self.labels.iter().map(rarest).collect()
    }
}

impl LabelColumn {
    /// The labels that a cell holds; `None` where it should hold one and does not.
    fn split<'a>(&self, cell: &'a Cell) -> Vec<std::borrow::Cow<'a, str>> {
        match cell {
            Cell::Null => Vec::new(),
            Cell::List(values) => values.iter().map(|v| v.as_str().into()).collect(),
            Cell::Text(text) if self.multi_label => {
                let parts = text.split(self.label_separator.as_str()).map(str::trim);
                parts.filter(|part| !part.is_empty()).map(Into::into).collect()
            }
            Cell::Text(text) => vec![text.as_str().into()],
            other => other.to_text().into_iter().map(Into::into).collect(),
        }
    }

    /// Learns the labels from a column.
    ///
    /// Records that `lacking` marks have no label.
    pub fn learn_labels(
        &self,
        cells: &[Cell],
        lacking: &[bool],
    ) -> Result<(LabelSet, Truths), LabelError> {
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for ((cell, lacks), row) in cells.iter().zip(lacking).zip(1..) {
            if *lacks {
                continue;
            }
            let labels = self.split(cell);
            self.check(&labels, row)?;
            for label in labels {
                counts.entry(label.into_owned()).or_insert((0, row)).0 += 1;
            }
        }
        match counts.len() {
            0 => return Err(LabelError::None),
            1 if !self.multi_label => {
                let label = counts.into_keys().next().unwrap_or_default();
                return Err(LabelError::Constant { label });
            }
            found if found > MAX_LABELS => return Err(LabelError::TooMany { found }),
            _ => {}
        }
        if let Some((label, (_, row))) = counts.iter().find(|(_, (count, _))| *count == 1) {
            return Err(LabelError::Single { label: label.clone(), row: *row });
        }
        let labels = LabelSet::new(counts.into_keys().collect());
        let truths = self.apply_labels(&labels, cells, lacking)?;
        Ok((labels, truths))
    }

    /// Reads a column whose labels are known. Labels that are not known are left out: a record of
    /// an unknown label alone has none, and no prediction of it is right. Records that `lacking`
    /// marks have none either.
    pub fn apply_labels(
        &self,
        labels: &LabelSet,
        cells: &[Cell],
        lacking: &[bool],
    ) -> Result<Truths, LabelError> {
        let mut truths = Truths::default();
        for ((cell, lacks), row) in cells.iter().zip(lacking).zip(1..) {
            if *lacks {
                truths.labels.push(Vec::new());
                continue;
            }
            let names = self.split(cell);
            self.check(&names, row)?;
            let mut of_record: Vec<u32> =
                names.iter().filter_map(|name| labels.position(name)).collect();
            of_record.sort_unstable();
            of_record.dedup();
            truths.labels.push(of_record);
        }
        Ok(truths)
    }

    fn check(&self, labels: &[std::borrow::Cow<'_, str>], row: u64) -> Result<(), LabelError> {
        match (labels.len(), self.multi_label) {
            (0, false) => Err(LabelError::Missing { row }),
            (2.., false) => Err(LabelError::Several { row }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(multi_label: bool) -> LabelColumn {
        LabelColumn { multi_label, max_missing: 0.0, ..LabelColumn::new("l") }
    }

    fn cells(values: &[&str]) -> Vec<Cell> {
        let cell = |v: &&str| if v.is_empty() { Cell::Null } else { Cell::Text((*v).to_owned()) };
        values.iter().map(cell).collect()
    }

    #[test]
    fn labels_are_sorted_and_numbers_are_names() {
        let column = [Cell::Integer(1), Cell::Integer(0), Cell::Integer(1), Cell::Integer(0)];
        let (labels, truths) = task(false).learn_labels(&column, &[false; 4]).unwrap();
        assert_eq!(labels.names(), ["0", "1"]);
        assert_eq!(truths.of(0), [1]);
    }

    #[test]
    fn what_cannot_be_learnt_is_refused() {
        let none = [false; 4];
        let learn = |values: &[&str]| task(false).learn_labels(&cells(values), &none).unwrap_err();
        assert_eq!(learn(&["a", "", "b"]), LabelError::Missing { row: 2 });
        assert_eq!(learn(&["a", "a"]), LabelError::Constant { label: "a".into() });
        assert_eq!(learn(&["a", "a", "b"]), LabelError::Single { label: "b".into(), row: 3 });
        assert_eq!(
            task(true).learn_labels(&cells(&["", ""]), &none).unwrap_err(),
            LabelError::None
        );
    }

    #[test]
    fn records_that_lack_something_have_no_label() {
        let column = cells(&["a", "b", "c", "a", "b"]);
        let lacking = [false, false, true, false, false];
        let (labels, truths) = task(false).learn_labels(&column, &lacking).unwrap();
        assert_eq!(labels.names(), ["a", "b"]);
        assert_eq!((truths.of(2), truths.of(4)), (&[][..], &[1u32][..]));
    }

    #[test]
    fn several_labels_come_as_lists_or_separated() {
        let mut column = cells(&["b; a", "", "a"]);
        column.push(Cell::List(vec!["b".into(), "b".into()]));
        let (labels, truths) = task(true).learn_labels(&column, &[false; 4]).unwrap();
        assert_eq!(labels.names(), ["a", "b"]);
        let found: Vec<&[u32]> = (0..4).map(|i| truths.of(i)).collect();
        assert_eq!(found, [&[0u32, 1][..], &[], &[0], &[1]]);
        assert_eq!(truths.strata(2), [0, 0, 0, 1]);
    }

    #[test]
    fn unknown_labels_are_never_right() {
        let labels = LabelSet::new(vec!["a".into(), "b".into()]);
        let truths = task(false).apply_labels(&labels, &cells(&["a", "c"]), &[false; 2]).unwrap();
        assert_eq!((truths.of(0), truths.of(1)), (&[0u32][..], &[][..]));
    }
}
