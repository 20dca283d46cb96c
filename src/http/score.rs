//! `/v1/models/{model}/score` and `/evaluate`.

use std::io::BufReader;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Body;
use super::problem::Failure;
use super::query::Path;
use super::state::AppState;
use crate::data::{Cell, records};
use crate::model::FitError;
use crate::model::card::Unavailable;
use crate::model::encoder::{Encoder, Record, text_of};
use crate::model::evaluate::Evaluation;
use crate::model::score::{ScoreItem, Thresholds};
use crate::problem::{Code, FieldError, Problem, nearest};
use crate::scorer::{Batch, BatchKind, Labelled};
use crate::store::Artifacts;
use crate::store::datasets::Dataset;

/// Records that one evaluation may read.
const MAX_EVALUATED: usize = 10_000;
/// Bytes that the texts of a request may have together.
const MAX_TEXTS_BYTES: usize = 16 << 20;
/// Probabilities that one answer may hold: texts × labels.
const MAX_PROBABILITIES: usize = 2_000_000;

/// Records to score, and what their answers must pass to be accepted. One of `texts`, `text`, `images`
/// and `records`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ScoreRequest {
    /// The texts, 1 to 10,000, of 1 MiB each and 16 MiB together at most. A text that cannot be
    /// scored gets a problem of its own.
    #[schema(value_type = Vec<serde_json::Value>, required = false, max_items = 10_000)]
    #[serde(default)]
    pub texts: Option<Vec<serde_json::Value>>,
    /// A single text, in place of `texts`.
    #[schema(value_type = String, required = false)]
    #[serde(default)]
    pub text: Option<String>,
    /// Images, 1 to 10,000: PNG or JPEG as base64. One that cannot be read gets a problem of its own.
    #[schema(value_type = Vec<serde_json::Value>, required = false, max_items = 10_000)]
    #[serde(default)]
    pub images: Option<Vec<serde_json::Value>>,
    /// Rows, 1 to 10,000: objects with a value for each column of the model, `null` or absent where
    /// it is missing. A row that cannot be scored gets a problem of its own. For models of texts
    /// or images, the object holds that column.
    #[schema(value_type = Vec<serde_json::Value>, required = false, max_items = 10_000)]
    #[serde(default)]
    pub records: Option<Vec<serde_json::Value>>,
    /// Largest share of in-distribution records that may be flagged as outside; 0 never flags one.
    /// Default: 0.05.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub max_false_alarm: Option<f64>,
    /// Least calibrated confidence; 0 asks for none. Default: 0.5.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(default)]
    pub min_confidence: Option<f64>,
    /// Error rate of prediction sets and intervals. Default: 0.1.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub max_miscoverage: Option<f64>,
    /// Probabilities that are returned at most, the largest first. Default: all.
    #[schema(minimum = 0)]
    #[serde(default)]
    pub top_labels: Option<usize>,
}

/// Scores, in the order of the records.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ScoreResponse {
    /// Id of the model.
    pub model: String,
    /// One for each record, in order.
    pub results: Vec<ScoreItem>,
    /// What this request asks for and the model's calibration is too small to give, with the number
    /// of calibration records it would take.
    pub unavailable: Vec<Unavailable>,
}

/// Score texts or rows: label and calibrated confidence, or value and interval; coverage, whether they come from where the model was
/// trained, and whether to accept the answer.
#[utoipa::path(post, path = "/v1/models/{model}/score", tag = "models",
    params(("model" = String, Path, description = "Id, name (the newest of it) or name@alias", example = "sentiment")),
    request_body(content = ScoreRequest, example = json!({"texts":
        ["I love this purchase", "The interface is clunky", "The ergonomics are poor"],
        "max_false_alarm": 0.05, "min_confidence": 0.5})),
    responses((status = 200, description = "The scores", body = ScoreResponse),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem),
              (status = 413, description = "Too much at once: texts of more than 16 MiB together, or more than 2,000,000 probabilities", body = Problem),
              (status = 422, description = "Not valid", body = Problem),
              (status = 503, description = "Every scoring thread is busy", body = Problem)))]
pub async fn score(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    body: Body<ScoreRequest>,
) -> Result<Json<ScoreResponse>, Failure> {
    let request = body.value;
    let mut batches: Vec<(&str, Batch)> = [
        ("text", BatchKind::Texts, request.text.map(|text| vec![text.into()])),
        ("texts", BatchKind::Texts, request.texts),
        ("images", BatchKind::Images, request.images),
        ("records", BatchKind::Records, request.records),
    ]
    .into_iter()
    .filter_map(|(field, kind, values)| Some((field, Batch { kind, values: values? })))
    .collect();
    let Some((field, batch)) = batches.pop() else {
        let hint = "send texts with at least one text, or text, images or records";
        return Err(invalid("texts", "holds no text", hint).into());
    };
    if let Some((other, _)) = batches.pop() {
        let message = format!("stands beside {field}");
        return Err(invalid(other, &message, "send one of the two").into());
    }
    if batch.values.is_empty() {
        return Err(invalid(field, "holds nothing", "send at least one").into());
    }
    let defaults = Thresholds::default();
    let thresholds = Thresholds {
        max_false_alarm: request.max_false_alarm.unwrap_or(defaults.max_false_alarm),
        min_confidence: request.min_confidence.unwrap_or(defaults.min_confidence),
        max_miscoverage: request.max_miscoverage.unwrap_or(defaults.max_miscoverage),
        top_labels: request.top_labels,
    };
    let bytes: usize = match batch.kind {
        BatchKind::Images => 0,
        BatchKind::Texts | BatchKind::Records => batch.values.iter().map(text_bytes).sum(),
    };
    if bytes > MAX_TEXTS_BYTES {
        let message = format!("hold {bytes} bytes together; a request may hold {MAX_TEXTS_BYTES}");
        return Err(too_much(field, message, "send fewer texts at once").into());
    }
    let id = state.store.resolve_model(&reference).await?;
    let model = state.scorer.model(&id).await?;
    batch.kind.check(model.as_ref())?;
    let labels = model.reader.output.label_names().len();
    let told = batch.values.len() * thresholds.top_labels.unwrap_or(labels).min(labels);
    if told > MAX_PROBABILITIES {
        let message = format!("ask for {told} probabilities; an answer holds {MAX_PROBABILITIES}");
        let hint = "send fewer records at once, or lower top_labels";
        return Err(too_much(field, message, hint).into());
    }
    let scored = batch.values.len() as u64;
    let (results, unavailable) = state.scorer.score(model, batch, thresholds).await?;
    metrics::counter!("whereof_records_scored_total").increment(scored);
    Ok(Json(ScoreResponse { model: id, results, unavailable }))
}

/// Bytes of the texts in a value.
fn text_bytes(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Object(fields) => fields.values().map(text_bytes).sum(),
        _ => 0,
    }
}

fn too_much(field: &str, message: String, hint: &str) -> Problem {
    Problem::fields(Code::BodyTooLarge, vec![FieldError::new(field, message).hint(hint)])
}

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
    let table = matches!(model.reader.encoder, Encoder::Table(_));
    let task = model.spec.task.on_columns(request.text, request.label);
    let inputs = task.input_columns();
    let (_, wanted_names) = task.wanted_columns();
    let of_input = if table { "dataset" } else { "text" };
    let mut wanted = Vec::new();
    for name in &inputs {
        wanted.push(position(&dataset, of_input, name)?);
    }
    for name in &wanted_names {
        wanted.push(position(&dataset, "label", name)?);
    }
    let slice = request.slice.as_ref().map(|name| position(&dataset, "slice", name)).transpose()?;
    wanted.extend(slice);
    let only = request.only.as_ref().map(|only| position(&dataset, "only.column", &only.column));
    wanted.extend(only.transpose()?);

    let file = state.store.artifacts.file(&Artifacts::dataset_key(&dataset.id)).await?;
    let read = move || {
        let input = BufReader::with_capacity(1 << 18, std::fs::File::open(file.path())?);
        records::read_columns(input, &wanted)
    };
    let mut columns: Vec<Vec<Cell>> = state.files.run(read).await??;
    let total = columns.first().map_or(0, Vec::len) as u64;
    let rows = (1..=total).map(|row| Cell::Integer(row as i64)).collect();
    columns.insert(0, rows);
    let value = request.only.map(|only| only.value);
    let mut columns = matching(columns, value.as_deref());
    let of_outcomes = 1 + inputs.len()..1 + inputs.len() + wanted_names.len();
    let text = (!table).then(|| columns[1].as_slice());
    let lacking = task.lacking(text, &columns[of_outcomes.clone()]);
    retain(&mut columns, |record| !lacking[record]);
    let left_out = lacking.iter().filter(|lacks| **lacks).count() as u64;
    let count = columns[0].len();
    if count == 0 || count > MAX_EVALUATED {
        let message = format!("leaves {count} records that can be evaluated");
        let hint = format!("evaluate 1 to {MAX_EVALUATED} records: narrow them with only");
        return Err(invalid("dataset", &message, &hint).into());
    }
    let none_lacks = vec![false; count];
    let outcomes = task
        .apply_outcomes(&model.reader.output, &columns[of_outcomes.clone()], &none_lacks)
        .map_err(FitError::from)?;
    let slices = slice.map(|_| columns[of_outcomes.end].iter().cloned().map(text_of).collect());
    let record = |i: usize| match &model.reader.encoder {
        Encoder::Text(_) => Record::Text(text_of(columns[1][i].clone())),
        Encoder::Image(_) => Record::Image(text_of(columns[1][i].clone())),
        Encoder::Table(_) => {
            Record::Row(columns[1..=inputs.len()].iter().map(|c| c[i].clone()).collect())
        }
    };
    let row = |cell: &Cell| cell.to_number().map_or(0, |row| row as u64);
    let data = Labelled {
        records: (0..count).map(record).collect(),
        rows: columns[0].iter().map(row).collect(),
        outcomes,
        slices,
    };
    let defaults = Thresholds::default();
    let thresholds = Thresholds {
        max_false_alarm: request.max_false_alarm.unwrap_or(defaults.max_false_alarm),
        min_confidence: request.min_confidence.unwrap_or(defaults.min_confidence),
        ..defaults
    };
    let evaluation = state.scorer.evaluate(model, data, thresholds).await?;
    let evaluation = evaluation.ok_or_else(|| invalid("dataset", "holds no record", "add some"))?;
    Ok(Json(EvaluateResponse { model: id, dataset: dataset.id, left_out, evaluation }))
}

/// The records whose last column holds `value`, without that column; all of them without a value.
fn matching(mut columns: Vec<Vec<Cell>>, value: Option<&str>) -> Vec<Vec<Cell>> {
    let Some(value) = value else { return columns };
    let condition = columns.pop().unwrap_or_default();
    retain(&mut columns, |record| condition[record].to_text().as_deref() == Some(value));
    columns
}

fn retain(columns: &mut [Vec<Cell>], keep: impl Fn(usize) -> bool) {
    for column in columns {
        let mut records = 0..;
        column.retain(|_| records.next().is_some_and(&keep));
    }
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

fn invalid(field: &str, message: &str, hint: &str) -> Problem {
    Problem::fields(Code::InvalidRequest, vec![FieldError::new(field, message).hint(hint)])
}
