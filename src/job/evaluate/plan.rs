//! What an evaluation reads, checked against a model and a dataset.

use super::{EvaluateRequest, Only, invalid};
use crate::data::Cell;
use crate::data::profile::Profile;
use crate::model::Model;
use crate::model::criteria::Thresholds;
use crate::model::encoder::Encoder;
use crate::model::spec::Warning;
use crate::problem::{Problem, known_names, nearest};
use crate::task::{Input, TaskSpec};

/// Level of the test for drift where none is asked for.
const DRIFT_ALPHA: f64 = 0.05;

/// The columns that an evaluation reads: inputs, outcomes, then the slice and the condition where they
/// are asked for. And what it asks.
pub struct Plan {
    /// The model's task, on the columns of the request.
    pub task: TaskSpec,
    /// Whether labels, or numbers, are read.
    pub labels: bool,
    /// Whether the dataset is the one that the model was trained on.
    pub is_own: bool,
    /// What records must pass to be accepted.
    pub thresholds: Thresholds,
    /// Level of the test for drift.
    pub drift_alpha: f64,
    /// Said where the dataset lacks the labels.
    pub absent: Option<Warning>,
    /// Kinds and names of the dataset's columns.
    pub profile: Profile,
    positions: Vec<usize>,
    inputs: usize,
    outcomes: usize,
    slice: bool,
    only: Option<Only>,
}

/// What is evaluated, column by column.
pub struct Chosen {
    /// The columns that records go in by.
    pub inputs: Vec<Vec<Cell>>,
    /// The columns that hold what is true; none where that is not read.
    pub outcomes: Vec<Vec<Cell>>,
    /// The slice of each record, where slices were asked for.
    pub slices: Option<Vec<Cell>>,
    /// The row of each record, from 1.
    pub rows: Vec<u64>,
    /// Records left out because they lack what the task needs.
    pub left_out: u64,
}

impl Plan {
    /// Checks a request.
    pub fn new(
        request: &EvaluateRequest,
        model: &Model,
        profile: Profile,
    ) -> Result<Self, Problem> {
        if request.text.is_some() && matches!(model.reader.encoder, Encoder::Table(_)) {
            let hint = "leave text out: the columns are those that the model was trained on";
            return Err(invalid("text", "this model takes rows of a table", hint));
        }
        if request.labels == Some(false) && request.label.is_some() {
            let hint = "leave out label, or set labels to true";
            return Err(invalid("label", "stands beside labels: false", hint));
        }
        let task = model.spec.task.on_columns(request.text.clone(), request.label.clone());
        let may_lack = request.label.is_none() && request.labels.is_none();
        let absent = if may_lack { absent_labels(&profile, &task) } else { None };
        let labels = request.labels.unwrap_or(true) && absent.is_none();
        let of_input = match task.input() {
            Input::Text(_) | Input::Image(_) => "text",
            Input::Table(_) => "dataset",
        };
        let inputs: Vec<_> =
            task.input_columns().into_iter().map(|name| (of_input, name)).collect();
        let wanted = if labels { task.wanted_columns().1 } else { Vec::new() };
        let outcomes: Vec<_> = wanted.into_iter().map(|name| ("label", name)).collect();
        let slice = request.slice.as_deref().map(|name| ("slice", name));
        let only = request.only.as_ref();
        let condition = only.map(|only| ("only.column", only.column.as_str()));
        let named = inputs.iter().chain(&outcomes).copied().chain(slice).chain(condition);
        let positions = named.map(|(field, name)| position(&profile, field, name));
        let positions = positions.collect::<Result<_, _>>()?;
        let defaults = Thresholds::default();
        let thresholds = Thresholds {
            max_false_alarm: request.max_false_alarm.unwrap_or(defaults.max_false_alarm),
            min_confidence: request.min_confidence.unwrap_or(defaults.min_confidence),
            ..defaults
        };
        let (inputs, outcomes) = (inputs.len(), outcomes.len());
        Ok(Self {
            labels,
            is_own: request.dataset == model.spec.dataset,
            thresholds,
            drift_alpha: request.drift_alpha.unwrap_or(DRIFT_ALPHA),
            absent,
            positions,
            inputs,
            outcomes,
            slice: slice.is_some(),
            only: only.cloned(),
            task,
            profile,
        })
    }

    /// Positions in the dataset of the columns that are read, in their order.
    pub fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// Positions in the dataset of the columns that records go in by.
    pub fn input_positions(&self) -> &[usize] {
        &self.positions[..self.inputs]
    }

    /// Whether slices are reported.
    pub fn has_slices(&self) -> bool {
        self.slice
    }

    /// The records to evaluate of the columns that are read. The first record is that of the row
    /// `first`, from 1.
    pub fn choose(&self, mut columns: Vec<Vec<Cell>>, first: u64) -> Chosen {
        let count = columns.first().map_or(0, Vec::len) as u64;
        let mut rows: Vec<u64> = (first..first + count).collect();
        if let Some(Only { value, .. }) = &self.only {
            let condition = columns.pop().unwrap_or_default();
            let holds = |record: usize| condition[record].to_text().unwrap_or_default() == *value;
            retain(&mut columns, &mut rows, holds);
        }
        let text = match self.task.input() {
            Input::Text(_) | Input::Image(_) => columns.first().map(Vec::as_slice),
            Input::Table(_) => None,
        };
        let lacking = match (text, self.outcomes) {
            (Some(text), 0) => text.iter().map(|cell| *cell == Cell::Null).collect(),
            (None, 0) => vec![false; rows.len()],
            _ => self.task.lacking(text, &columns[self.inputs..self.inputs + self.outcomes]),
        };
        retain(&mut columns, &mut rows, |record| !lacking[record]);
        let left_out = lacking.iter().filter(|lacks| **lacks).count() as u64;
        let slices = if self.slice { columns.pop() } else { None };
        let outcomes = columns.split_off(self.inputs);
        Chosen { inputs: columns, outcomes, slices, rows, left_out }
    }

    /// Refuses a number of records that is none, or more than `most`. Others were `left_out`.
    pub fn check_count(&self, count: u64, left_out: u64, most: Option<u64>) -> Result<(), Problem> {
        if count > 0 && most.is_none_or(|most| count <= most) {
            return Ok(());
        }
        if let (0, Some(only)) = (count + left_out, &self.only) {
            return Err(no_such_value(&self.profile, only));
        }
        let message = format!("leaves {count} records that can be evaluated");
        let field = if count == 0 && self.only.is_some() { "only.value" } else { "dataset" };
        let hint = match most {
            Some(most) if count > most => format!(
                "evaluate 1 to {most} records: narrow them with only, or submit POST /v1/jobs with \
                 the kind evaluate, which takes any number"
            ),
            _ => "evaluate at least 1 record: only may name another value".to_owned(),
        };
        Err(invalid(field, &message, &hint))
    }
}

/// A warning where a dataset holds none of the columns with what is to be learnt.
fn absent_labels(profile: &Profile, task: &TaskSpec) -> Option<Warning> {
    let (_, wanted) = task.wanted_columns();
    let columns = || profile.columns.iter().map(|column| column.name.as_str());
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

/// Keeps some records of every column, and of the rows that go with them.
fn retain(columns: &mut [Vec<Cell>], rows: &mut Vec<u64>, keep: impl Fn(usize) -> bool) {
    for column in columns {
        let mut records = 0..;
        column.retain(|_| records.next().is_some_and(&keep));
    }
    let mut records = 0..;
    rows.retain(|_| records.next().is_some_and(&keep));
}

/// The problem with a condition that no record meets.
fn no_such_value(profile: &Profile, Only { column, value }: &Only) -> Problem {
    let message = format!("no record holds {value:?} in the column {column:?}");
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

fn position(profile: &Profile, field: &str, name: &str) -> Result<usize, Problem> {
    let names: Vec<&str> = profile.columns.iter().map(|column| column.name.as_str()).collect();
    names.iter().position(|column| *column == name).ok_or_else(|| {
        let hint = known_names(name, "columns", &names);
        invalid(field, &format!("the dataset has no column {name:?}"), &hint)
    })
}
