//! Records that an evaluation looks at again: from memory, or from the dataset.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::part::{encode, records_of};
use super::plan::Plan;
use crate::data::Cell;
use crate::model::encoder::{Encoded, Record};
use crate::model::measured::{Measured, Recall, Recalled};
use crate::model::{Model, Weighed};
use crate::problem::{Code, Problem};

/// Records that are still in memory.
pub struct Held<'a> {
    /// The records as they were handed in.
    pub records: &'a [Record],
    /// The same, read.
    pub weighed: &'a [Weighed],
}

impl Recall for Held<'_> {
    fn recall(&self, positions: &[usize]) -> Result<Vec<Recalled<'_>>, Problem> {
        let one = |&position: &usize| Recalled {
            encoded: Cow::Borrowed(&self.weighed[position].reading.encoded),
            text: match &self.records[position] {
                Record::Text(text) => Some(Cow::Borrowed(text.as_str())),
                Record::Row(_) | Record::Image(_) => None,
            },
        };
        Ok(positions.iter().map(one).collect())
    }
}

/// Reads single records of a dataset with every column, in the order of their rows: from 0, ascending,
/// none twice.
pub type ReadRows<'a> = dyn Fn(&[u64]) -> Result<Vec<Vec<Cell>>, Problem> + 'a;

/// Records that are read again from their dataset.
pub struct Stored<'a> {
    /// What the evaluation reads.
    pub plan: &'a Plan,
    /// The model.
    pub model: &'a Model,
    /// The records, as they were measured.
    pub measured: &'a [Measured],
    /// Reads them.
    pub read: &'a ReadRows<'a>,
}

impl Recall for Stored<'_> {
    fn recall(&self, positions: &[usize]) -> Result<Vec<Recalled<'_>>, Problem> {
        let rows = positions.iter().map(|&position| self.measured[position].row - 1);
        let mut found: BTreeMap<u64, (Encoded, Option<String>)> = BTreeMap::new();
        let mut sorted: Vec<u64> = rows.clone().collect();
        sorted.sort_unstable();
        sorted.dedup();
        for (row, cells) in sorted.iter().zip((self.read)(&sorted)?) {
            let inputs = self.plan.input_positions().iter();
            let inputs = inputs.map(|&column| cells.get(column).cloned().into_iter().collect());
            let records = records_of(&self.model.reader.encoder, inputs.collect());
            for record in records {
                let encoded = encode(self.model, &record, row + 1)?;
                let text = if let Record::Text(text) = record { Some(text) } else { None };
                found.insert(*row, (encoded, text));
            }
        }
        let one = |row: u64| {
            let (encoded, text) = found.get(&row).cloned().ok_or_else(|| {
                Problem::new(Code::ArtifactMissing, "a record of the dataset cannot be read again")
            })?;
            Ok(Recalled { encoded: Cow::Owned(encoded), text: text.map(Cow::Owned) })
        };
        rows.map(one).collect()
    }
}
