//! A part of an evaluation's records: read as records, weighed and measured.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::plan::{Chosen, Plan};
use crate::data::Cell;
use crate::model::criteria::Criteria;
use crate::model::encoder::{Encoded, Encoder, InputColumn, Record, RecordError, Records, text_of};
use crate::model::measured::Measurements;
use crate::model::{FitError, Model, Weighed};
use crate::problem::{Code, FieldError, Problem};
use crate::task::{LabelError, OutcomeError, Outcomes, ValueError};

/// Records that can be measured.
pub struct Part {
    /// The records.
    pub records: Vec<Record>,
    /// The row of each, from 1.
    pub rows: Vec<u64>,
    /// Their true labels or numbers; `None` where they are not read.
    pub outcomes: Option<Outcomes>,
    /// The cells that these were read from, column by column.
    pub truths: Vec<Vec<Cell>>,
    /// The slice of each, where slices were asked for.
    pub slices: Option<Vec<String>>,
    /// What was counted on the way.
    pub tally: Tally,
}

/// What is counted of records besides what is measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records left out because they lack what the task needs.
    pub left_out: u64,
    /// Records of another dataset that trained the model.
    pub trained: u64,
    /// Records whose label the model does not know.
    pub unknown: u64,
    /// The first such label.
    pub unknown_label: Option<String>,
}

impl Tally {
    /// Adds what was counted of the records that come next.
    pub fn absorb(&mut self, next: Tally) {
        self.left_out += next.left_out;
        self.trained += next.trained;
        self.unknown += next.unknown;
        if self.unknown_label.is_none() {
            self.unknown_label = next.unknown_label;
        }
    }
}

impl Part {
    /// Reads chosen records.
    pub fn read(plan: &Plan, model: &Model, chosen: Chosen) -> Result<Self, Problem> {
        let Chosen { inputs, outcomes: truths, slices, rows, left_out } = chosen;
        let mut tally = Tally { left_out, ..Tally::default() };
        let mut outcomes = None;
        if plan.labels {
            let none_lacks = vec![false; rows.len()];
            let read = plan.task.apply_outcomes(&model.reader.output, &truths, &none_lacks);
            let read = read.map_err(|error| FitError::from(at_rows(error, &rows)))?;
            if let (Outcomes::Labels(labels), false) = (&read, plan.task.may_be_unlabelled()) {
                let mut unknown = (0..labels.len()).filter(|record| labels.of(*record).is_empty());
                let first = unknown.next();
                tally.unknown = first.map_or(0, |_| 1 + unknown.count() as u64);
                let cell = first.and_then(|first| truths.first()?.get(first));
                let text = cell.map(|cell| cell.to_text().unwrap_or_default());
                tally.unknown_label = text.map(|text| text.chars().take(80).collect());
            }
            outcomes = Some(read);
        }
        if !plan.is_own {
            tally.trained = trained(plan, model, &inputs);
        }
        Ok(Self {
            records: records_of(&model.reader.encoder, inputs),
            rows,
            outcomes,
            truths,
            slices: slices.map(|cells| cells.into_iter().map(text_of).collect()),
            tally,
        })
    }

    /// Weighs the records.
    pub fn weigh(&self, model: &Model) -> Result<Vec<Weighed>, Problem> {
        let weigh = |(record, row): (&Record, &u64)| Ok(model.weigh(encode(model, record, *row)?));
        self.records.par_iter().zip(&self.rows).map(weigh).collect()
    }

    /// Measures them.
    pub fn measure(&self, model: &Model, weighed: &[Weighed], criteria: &Criteria) -> Measurements {
        let mut measured = model.measure(weighed, &self.rows, self.outcomes.as_ref(), criteria);
        if let Some(slices) = &self.slices {
            measured.slice_by(slices.clone());
        }
        measured
    }
}

/// A record as features, or the problem with the row that it stands in.
pub(super) fn encode(model: &Model, record: &Record, row: u64) -> Result<Encoded, Problem> {
    model.reader.encoder.encode(record).map_err(|error| {
        let message = format!("row {row}, {error}");
        let hint = "mend the record, or leave it out";
        let column = match &error {
            RecordError::Cells(cells) => cells.first().map(|cell| cell.column.as_str()),
            RecordError::Image(_) => None,
        };
        let field = FieldError::new("dataset", message).hint(hint).at(Some(row), column);
        Problem::fields(Code::InvalidRequest, vec![field])
    })
}

/// Records from the columns that they go in by.
pub(super) fn records_of(encoder: &Encoder, mut inputs: Vec<Vec<Cell>>) -> Vec<Record> {
    let first = |inputs: &mut Vec<Vec<Cell>>| inputs.drain(..).next().unwrap_or_default();
    match encoder {
        Encoder::Text(_) => {
            first(&mut inputs).into_iter().map(|cell| Record::Text(text_of(cell))).collect()
        }
        Encoder::Image(_) => {
            first(&mut inputs).into_iter().map(|cell| Record::Image(text_of(cell))).collect()
        }
        Encoder::Table(_) => {
            let row = |i: usize| Record::Row(inputs.iter().map(|cells| cells[i].clone()).collect());
            (0..inputs.first().map_or(0, Vec::len)).map(row).collect()
        }
    }
}

/// How many records of another dataset trained the model, or the one that it started from.
fn trained(plan: &Plan, model: &Model, inputs: &[Vec<Cell>]) -> u64 {
    let column = |(name, cells): (&str, &Vec<Cell>)| {
        let (_, column) = plan.profile.column(name)?;
        Some(InputColumn { name: name.to_owned(), kind: column.kind, cells: cells.clone() })
    };
    let columns: Option<Vec<_>> =
        plan.task.input_columns().into_iter().zip(inputs).map(column).collect();
    let groups = Records::new(plan.task.input(), columns.unwrap_or_default()).groups();
    groups.iter().filter(|group| model.was_trained_on(**group)).count() as u64
}

/// An error with the row of the dataset in place of the position among the chosen records.
fn at_rows(error: OutcomeError, rows: &[u64]) -> OutcomeError {
    let place = |row: u64| rows.get(row as usize - 1).copied().unwrap_or(row);
    match error {
        OutcomeError::Value(value) => {
            OutcomeError::Value(ValueError { row: place(value.row), ..value })
        }
        OutcomeError::Labels(LabelError::Missing { row }) => {
            OutcomeError::Labels(LabelError::Missing { row: place(row) })
        }
        OutcomeError::Labels(LabelError::Several { row }) => {
            OutcomeError::Labels(LabelError::Several { row: place(row) })
        }
        other => other,
    }
}
