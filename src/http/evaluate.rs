//! `/v1/models/{model}/evaluate`.

use std::io::BufReader;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Body;
use super::problem::Failure;
use super::query::Path;
use super::score::invalid;
use super::state::AppState;
use crate::data::{Cell, records};
use crate::model::card::PartSizes;
use crate::model::encoder::{Encoder, InputColumn, Record, Records, text_of};
use crate::model::evaluate::Evaluation;
use crate::model::membership::membership;
use crate::model::score::Thresholds;
use crate::model::spec::Warning;
use crate::model::{FitError, Model};
use crate::problem::{Problem, nearest};
use crate::scorer::Labelled;
use crate::store::Artifacts;
use crate::store::datasets::Dataset;
use crate::task::{Input, Outcomes, TaskSpec};

/// Records that one evaluation may read.
const MAX_EVALUATED: usize = 10_000;

/// Labelled records to evaluate a model on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EvaluateRequest {
    /// Id of the dataset; 10,000 records at most, after `only`.
    #[schema(min_length = 1, max_length = 200)]
    pub dataset: String,
    /// Column with the text or image, for models of those. Default: the one that the model was trained on.
    #[serde(default)]
    pub text: Option<String>,
    /// Column with the label, or the number. Default: what the model was trained on.
    #[serde(default)]
    pub label: Option<String>,
    /// Column whose values are reported one by one, such as a product category.
    #[serde(default)]
    pub slice: Option<String>,
    /// Only records that hold a value in a column, such as `{"column": "split", "value": "test"}`.
    #[serde(default)]
    pub only: Option<Only>,
    /// As in scoring. Default: 0.05.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub max_false_alarm: Option<f64>,
    /// As in scoring. Default: 0.5.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(default)]
    pub min_confidence: Option<f64>,
}

/// A condition on records.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Only {
    /// The column.
    pub column: String,
    /// The value it holds.
    pub value: String,
}

/// How a model does on records.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EvaluateResponse {
    /// Id of the model.
    pub model: String,
    /// Id of the dataset.
    pub dataset: String,
    /// Records left out because they lack what the task needs.
    pub left_out: u64,
    /// Where the dataset is the one that the model was trained on: how many of the records trained,
    /// validated and calibrated it, and how many it has not seen (`test`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<PartSizes>,
    /// What the user should know, such as that the model was trained on these records.
    pub warnings: Vec<Warning>,
    /// Accuracy beside coverage, overall and by slice.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// Evaluate a model on labelled records: accuracy beside coverage, overall and by the values of a
/// column.
#[utoipa::path(post, path = "/v1/models/{model}/evaluate", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    request_body(content = EvaluateRequest, example = json!({"dataset": "ds_74f25f4a1c310ee85af434388a95b276", "slice": "sentiment"})),
    responses((status = 200, description = "The evaluation", body = EvaluateResponse),
              (status = 404, description = "No such model or dataset", body = Problem),
              (status = 422, description = "Not valid", body = Problem)))]
pub async fn evaluate(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    body: Body<EvaluateRequest>,
) -> Result<Json<EvaluateResponse>, Failure> {
    let request = body.value;
    let id = state.store.resolve_model(&reference).await?;
    let dataset = state.store.dataset(&request.dataset).await?;
    let model = state.scorer.model(&id).await?;
    if request.text.is_some() && matches!(model.reader.encoder, Encoder::Table(_)) {
        let hint = "leave text out: the columns are those that the model was trained on";
        return Err(invalid("text", "this model takes rows of a table", hint).into());
    }
    let task = model.spec.task.on_columns(request.text, request.label);
    let wanted = Wanted::find(&dataset, &task, request.slice.as_deref(), request.only.as_ref())?;
    let file = state.store.artifacts.file(&Artifacts::dataset_key(&dataset.id)).await?;
    let positions = wanted.positions.clone();
    let read = move || {
        let input = BufReader::with_capacity(1 << 18, std::fs::File::open(file.path())?);
        records::read_columns(input, &positions)
    };
    let columns = state.files.run(read).await??;
    let value = request.only.map(|only| only.value);
    let (chosen, left_out) = wanted.choose(&task, columns, value.as_deref());
    let count = chosen.rows.len();
    if count == 0 || count > MAX_EVALUATED {
        let message = format!("leaves {count} records that can be evaluated");
        let hint = format!("evaluate 1 to {MAX_EVALUATED} records: narrow them with only");
        let field = if count == 0 && value.is_some() { "only.value" } else { "dataset" };
        return Err(invalid(field, &message, &hint).into());
    }
    let none_lacks = vec![false; count];
    let outcomes = task
        .apply_outcomes(&model.reader.output, &chosen.outcomes, &none_lacks)
        .map_err(FitError::from)?;
    let strange = match task.may_be_unlabelled() {
        true => None,
        false => unknown_labels(&model, &outcomes, &chosen.outcomes)?,
    };
    let seen = match dataset.id == model.spec.dataset {
        true => {
            let table = state.store.training_table(&model.spec).await?;
            let (model, rows) = (model.clone(), chosen.rows.clone());
            let count = move || {
                Ok::<_, Problem>(membership(&model.spec, table.read()?, &model.trained_on, &rows)?)
            };
            Some(state.files.run(count).await??)
        }
        false => None,
    };
    let again = match seen {
        Some(_) => None,
        None => trained_warning(&model, &task, &dataset, &chosen.inputs),
    };
    let data = Labelled {
        records: records_of(&model.reader.encoder, chosen.inputs),
        rows: chosen.rows.iter().map(|row| *row as u64 + 1).collect(),
        outcomes,
        slices: chosen.slices,
    };
    let warnings =
        seen.as_ref().and_then(seen_warning).into_iter().chain(again).chain(strange).collect();
    let defaults = Thresholds::default();
    let thresholds = Thresholds {
        max_false_alarm: request.max_false_alarm.unwrap_or(defaults.max_false_alarm),
        min_confidence: request.min_confidence.unwrap_or(defaults.min_confidence),
        ..defaults
    };
    let evaluation = state.scorer.evaluate(model, data, thresholds).await?;
    let evaluation = evaluation.ok_or_else(|| invalid("dataset", "holds no record", "add some"))?;
    let dataset = dataset.id;
    Ok(Json(EvaluateResponse { model: id, dataset, left_out, seen, warnings, evaluation }))
}

/// The columns that an evaluation reads: inputs, outcomes, then the slice and the condition where they
/// are asked for.
struct Wanted {
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
    fn find(
        dataset: &Dataset,
        task: &TaskSpec,
        slice: Option<&str>,
        only: Option<&Only>,
    ) -> Result<Self, Problem> {
        let of_input = match task.input() {
            Input::Text(_) | Input::Image(_) => "text",
            Input::Table(_) => "dataset",
        };
        let inputs = task.input_columns().into_iter().map(|name| (of_input, name));
        let (_, outcomes) = task.wanted_columns();
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
        let lacking = task.lacking(text, &columns[self.inputs..self.inputs + self.outcomes]);
        retain(&mut columns, &mut rows, |record| !lacking[record]);
        let left_out = lacking.iter().filter(|lacks| **lacks).count() as u64;
        let slices = if self.slice { columns.pop() } else { None };
        let outcomes = columns.split_off(self.inputs);
        let slices = slices.map(|cells| cells.into_iter().map(text_of).collect());
        (Chosen { inputs: columns, outcomes, slices, rows }, left_out)
    }
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
    let names = || dataset.columns.iter().map(|column| column.name.as_str());
    names().position(|column| column == name).ok_or_else(|| {
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("columns: {}", names().collect::<Vec<_>>().join(", ")),
        };
        invalid(field, &format!("the dataset has no column {name:?}"), &hint)
    })
}
