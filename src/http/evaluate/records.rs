//! The records of an evaluation: read, chosen, and what should be known of them. All of it blocks.

use std::io::BufReader;
use std::path::Path;

use super::Only;
use crate::data::error::DataError;
use crate::data::{Cell, records};
use crate::http::score::invalid;
use crate::model::card::PartSizes;
use crate::model::encoder::{Encoder, InputColumn, Record, Records, text_of};
use crate::model::membership::membership;
use crate::model::spec::Warning;
use crate::model::{FitError, Model};
use crate::problem::{Problem, known_names, nearest};
use crate::scorer::ToEvaluate;
use crate::store::datasets::Dataset;
use crate::store::training_table::StoredTable;
use crate::task::{Input, Outcomes, TaskSpec};

/// Records that one evaluation may read.
const MAX_EVALUATED: usize = 10_000;

/// Records that can be evaluated.
pub(super) struct Ready {
    pub data: ToEvaluate,
    /// Records left out because they lack what the task needs.
    pub left_out: u64,
    /// How the training divided them, where they are of its own dataset.
    pub seen: Option<PartSizes>,
    pub warnings: Vec<Warning>,
}

/// The columns that an evaluation reads: inputs, outcomes, then the slice and the condition where they
/// are asked for.
pub(super) struct Wanted {
    positions: Vec<usize>,
    inputs: usize,
    outcomes: usize,
    slice: bool,
}

/// What is evaluated, column by column.
struct Chosen {
    inputs: Vec<Vec<Cell>>,
    outcomes: Vec<Vec<Cell>>,
    slices: Option<Vec<String>>,
    /// Position of each record in the dataset.
    rows: Vec<usize>,
}

impl Wanted {
    pub(super) fn find(
        dataset: &Dataset,
        task: &TaskSpec,
        labels: bool,
        slice: Option<&str>,
        only: Option<&Only>,
    ) -> Result<Self, Problem> {
        let of_input = match task.input() {
            Input::Text(_) | Input::Image(_) => "text",
            Input::Table(_) => "dataset",
        };
        let inputs = task.input_columns().into_iter().map(|name| (of_input, name));
        let outcomes = if labels { task.wanted_columns().1 } else { Vec::new() };
        let (inputs, outcomes): (Vec<_>, Vec<_>) =
            (inputs.collect(), outcomes.into_iter().map(|name| ("label", name)).collect());
        let named = inputs.iter().chain(&outcomes).copied();
        let named = named.chain(slice.map(|name| ("slice", name)));
        let named = named.chain(only.map(|only| ("only.column", only.column.as_str())));
        let positions = named.map(|(field, name)| position(dataset, field, name));
        Ok(Self {
            positions: positions.collect::<Result<_, _>>()?,
            inputs: inputs.len(),
            outcomes: outcomes.len(),
            slice: slice.is_some(),
        })
    }

    /// Reads the records, and finds which of them the model has seen. `own` is what its training
    /// read, where that is of the same dataset.
    pub(super) fn read(
        &self,
        path: &Path,
        only: Option<&Only>,
        dataset: &Dataset,
        task: &TaskSpec,
        model: &Model,
        own: Option<StoredTable>,
    ) -> Result<Ready, Problem> {
        let input =
            BufReader::with_capacity(1 << 18, std::fs::File::open(path).map_err(DataError::from)?);
        let columns = records::read_columns(input, &self.positions)?;
        let (chosen, left_out) = self.choose(task, columns, only.map(|only| only.value.as_str()));
        let count = chosen.rows.len();
        if let (0, 0, Some(only)) = (count, left_out, only) {
            return Err(no_such_value(dataset, only));
        }
        if count == 0 || count > MAX_EVALUATED {
            let message = format!("leaves {count} records that can be evaluated");
            let hint = format!("evaluate 1 to {MAX_EVALUATED} records: narrow them with only");
            let field = if count == 0 && only.is_some() { "only.value" } else { "dataset" };
            return Err(invalid(field, &message, &hint));
        }
        let none_lacks = vec![false; count];
        let (outcomes, strange) = if self.outcomes > 0 {
            let outcomes = task
                .apply_outcomes(&model.reader.output, &chosen.outcomes, &none_lacks)
                .map_err(FitError::from)?;
            let strange = match task.may_be_unlabelled() {
                true => None,
                false => unknown_labels(model, &outcomes, &chosen.outcomes)?,
            };
            (Some(outcomes), strange)
        } else {
            (None, None)
        };
        let seen = match own {
            Some(table) => {
                Some(membership(&model.spec, table.read()?, &model.trained_on, &chosen.rows)?)
            }
            None => None,
        };
        let known = match &seen {
            Some(seen) => seen_warning(seen),
            None => trained_warning(model, task, dataset, &chosen.inputs),
        };
        let data = ToEvaluate {
            records: records_of(&model.reader.encoder, chosen.inputs),
            rows: chosen.rows.iter().map(|row| *row as u64 + 1).collect(),
            outcomes,
            slices: chosen.slices,
        };
        Ok(Ready { data, left_out, seen, warnings: known.into_iter().chain(strange).collect() })
    }

    /// The records to evaluate, and how many were left out because they lack what the task needs.
    fn choose(
        &self,
        task: &TaskSpec,
        mut columns: Vec<Vec<Cell>>,
        value: Option<&str>,
    ) -> (Chosen, u64) {
        let mut rows: Vec<usize> = (0..columns.first().map_or(0, Vec::len)).collect();
        if let Some(value) = value {
            let condition = columns.pop().unwrap_or_default();
            let holds = |record: usize| condition[record].to_text().unwrap_or_default() == value;
            retain(&mut columns, &mut rows, holds);
        }
        let text = match task.input() {
            Input::Text(_) | Input::Image(_) => columns.first().map(Vec::as_slice),
            Input::Table(_) => None,
        };
        let lacking = match (text, self.outcomes) {
            (Some(text), 0) => text.iter().map(|cell| *cell == Cell::Null).collect(),
            (None, 0) => vec![false; rows.len()],
            _ => task.lacking(text, &columns[self.inputs..self.inputs + self.outcomes]),
        };
        retain(&mut columns, &mut rows, |record| !lacking[record]);
        let left_out = lacking.iter().filter(|lacks| **lacks).count() as u64;
        let slices = if self.slice { columns.pop() } else { None };
        let outcomes = columns.split_off(self.inputs);
        let slices = slices.map(|cells| cells.into_iter().map(text_of).collect());
        (Chosen { inputs: columns, outcomes, slices, rows }, left_out)
    }
}

/// A warning where a dataset holds none of the columns with what is to be learnt.
pub(super) fn absent_labels(dataset: &Dataset, task: &TaskSpec) -> Option<Warning> {
    let (_, wanted) = task.wanted_columns();
    let columns = || dataset.columns.iter().map(|column| column.name.as_str());
    if columns().any(|column| wanted.contains(&column)) {
        return None;
    }
    let name = wanted.first()?;
    let near = nearest(name, columns()).map(|near| format!("; did you mean {near:?}?"));
    let message = format!(
        "the dataset has no column {name:?}: it was evaluated without labels{}; name another column \
         in label to read labels",
        near.unwrap_or_default()
    );
    Some(Warning::new("no_labels", message))
}

fn records_of(encoder: &Encoder, mut inputs: Vec<Vec<Cell>>) -> Vec<Record> {
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

fn seen_warning(seen: &PartSizes) -> Option<Warning> {
    let PartSizes { train, validation, calibration, test, excluded, .. } = *seen;
    if train + validation + calibration == 0 {
        return None;
    }
    let message = format!(
        "the model was made from this dataset: of these records {train} trained it, {validation} \
         chose its epoch, {calibration} calibrated it, {test} were tested on and {excluded} were \
         left out. It does better on records that it has seen than on others; narrow to the test \
         records with `only`, or see `metrics.test` of its card"
    );
    Some(Warning::new("seen_records", message))
}

/// Warns of records of another dataset that trained the model, or the one that it started from.
fn trained_warning(
    model: &Model,
    task: &TaskSpec,
    dataset: &Dataset,
    inputs: &[Vec<Cell>],
) -> Option<Warning> {
    let profile = dataset.profile();
    let column = |(name, cells): (&str, &Vec<Cell>)| {
        let (_, column) = profile.column(name)?;
        Some(InputColumn { name: name.to_owned(), kind: column.kind, cells: cells.clone() })
    };
    let columns: Option<Vec<_>> =
        task.input_columns().into_iter().zip(inputs).map(column).collect();
    let groups = Records::new(task.input(), columns?).groups();
    let trained = groups.iter().filter(|group| model.was_trained_on(**group)).count();
    let message = format!(
        "{trained} of these {} records trained the model, or the one that it started from: it does \
         better on them than on others",
        groups.len()
    );
    (trained > 0).then(|| Warning::new("seen_records", message))
}

/// Warns of records whose label the model does not know. Where it knows none, it is a wrong column,
/// most likely, and refused.
fn unknown_labels(
    model: &Model,
    outcomes: &Outcomes,
    columns: &[Vec<Cell>],
) -> Result<Option<Warning>, Problem> {
    let Outcomes::Labels(truths) = outcomes else { return Ok(None) };
    let labels = columns.first().map_or(&[][..], Vec::as_slice);
    let mut unknown = (0..labels.len()).filter(|record| truths.of(*record).is_empty());
    let Some(first) = unknown.next() else { return Ok(None) };
    let count = 1 + unknown.count();
    let found: String = labels[first].to_text().unwrap_or_default().chars().take(80).collect();
    if count < labels.len() {
        let message = format!(
            "{count} records have a label that the model does not know, such as {found:?}: each \
             counts as an error, is in no row of the confusion matrix, and leaves no log loss and no \
             Brier score"
        );
        return Ok(Some(Warning::new("unknown_labels", message)));
    }
    let names = model.reader.output.label_names();
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if names.len() > 5 { ", …" } else { "" };
    let message =
        format!("holds no label that the model knows in any record; the first is {found:?}");
    let hint = format!("the model knows {shown}{more}: choose another column");
    Err(invalid("label", &message, &hint))
}

/// The problem with a condition that no record meets.
fn no_such_value(dataset: &Dataset, Only { column, value }: &Only) -> Problem {
    let message = format!("no record holds {value:?} in the column {column:?}");
    let profile = dataset.profile();
    let values = profile.column(column).and_then(|(_, column)| column.values.as_ref());
    let hint = match values {
        Some(values) => {
            let values: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
            known_names(value, "the column holds", &values)
        }
        None => "name a value of the column as the dataset holds it".to_owned(),
    };
    invalid("only.value", &message, &hint)
}

/// Keeps some records of every column, and of the positions that go with them.
fn retain(columns: &mut [Vec<Cell>], rows: &mut Vec<usize>, keep: impl Fn(usize) -> bool) {
    for column in columns {
        let mut records = 0..;
        column.retain(|_| records.next().is_some_and(&keep));
    }
    let mut records = 0..;
    rows.retain(|_| records.next().is_some_and(&keep));
}

fn position(dataset: &Dataset, field: &str, name: &str) -> Result<usize, Problem> {
    let names: Vec<&str> = dataset.columns.iter().map(|column| column.name.as_str()).collect();
    names.iter().position(|column| *column == name).ok_or_else(|| {
        let hint = known_names(name, "columns", &names);
        invalid(field, &format!("the dataset has no column {name:?}"), &hint)
    })
}
