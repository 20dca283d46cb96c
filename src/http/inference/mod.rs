//! `/v2`: models as servers of the Open Inference Protocol (version 2, REST) offer them, so that its
//! clients can call this one. What a model says beyond the protocol's outputs, such as why an answer was
//! not accepted, `/v1/models/{model}/score` tells.

pub mod tensors;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use self::tensors::{Content, InferInput, InferOutput, refusal, values};
use super::extract::{body_problem, parse};
use super::problem::Failure;
use super::query::Path;
use super::score::{ScoreRequest, answered};
use super::state::AppState;
use crate::json::shortest;
use crate::model::Model;
use crate::model::encoder::Encoder;
use crate::model::score::ScoreItem;
use crate::problem::Problem;
use crate::scorer::Found;

/// Records of a request at most, as of one to `/v1/models/{model}/score`.
const MAX_RECORDS: usize = 10_000;

/// What is wrong, as the protocol tells it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InferError {
    /// The problem in words.
    pub error: String,
}

/// A failure in the protocol's form.
pub struct Refused(Box<Problem>);

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into().0)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(InferError { error: self.0.to_string() })).into_response()
    }
}

/// What this server is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerMetadata {
    /// `whereof`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Extensions of the protocol: `binary_tensor_data`, for inputs.
    pub extensions: Vec<String>,
}

/// What a model takes and gives.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ModelMetadata {
    /// As it was asked for.
    pub name: String,
    /// Ids of the models that the name means.
    pub versions: Vec<String>,
    /// `whereof_` and the task.
    pub platform: String,
    /// A tensor for each column that the model looks at.
    pub inputs: Vec<TensorMetadata>,
    /// The tensors of an answer.
    pub outputs: Vec<TensorMetadata>,
}

/// A tensor that a model takes or gives.
#[derive(Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TensorMetadata {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub datatype: String,
    /// Its shape; −1 is the number of records.
    pub shape: Vec<i64>,
}

impl TensorMetadata {
    fn column(name: &str, datatype: &str) -> Self {
        Self { name: name.to_owned(), datatype: datatype.to_owned(), shape: vec![-1] }
    }
}

/// A request for inference.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InferRequest {
    /// Comes back with the answer.
    #[serde(default)]
    pub id: Option<String>,
    /// The columns of the records.
    #[schema(max_items = 10_000)]
    pub inputs: Vec<InferInput>,
    /// The tensors that are wanted. Default: all.
    #[serde(default)]
    pub outputs: Option<Vec<WantedOutput>>,
    /// Parameters of the protocol's extensions; none changes an answer.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Option<Map<String, Value>>,
}

/// A tensor that is wanted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WantedOutput {
    /// Its name.
    #[schema(example = "label")]
    pub name: String,
    /// Parameters of the protocol's extensions. Answers are always JSON.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Option<Map<String, Value>>,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InferResponse {
    /// As it was asked for.
    pub model_name: String,
    /// Id of the model.
    pub model_version: String,
    /// That of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `label`, `probabilities` (one for each label, in the labels' order), `raw_confidence`; or `value`.
    /// `ood_p_value` and, calibrated, `confidence`, where the model can tell them; `accepted`.
    pub outputs: Vec<InferOutput>,
}

/// Say what this server is (Open Inference Protocol).
#[utoipa::path(get, path = "/v2", tag = "inference",
    responses((status = 200, description = "The server", body = ServerMetadata)))]
pub async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata {
        name: "whereof".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: vec!["binary_tensor_data".to_owned()],
    })
}

/// Say whether the server lives (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/health/live", tag = "inference",
    responses((status = 200, description = "It lives")))]
pub async fn live() -> StatusCode {
    StatusCode::OK
}

/// Say whether the server is ready (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/health/ready", tag = "inference",
    responses((status = 200, description = "It is"),
              (status = 503, description = "It is not", body = InferError)))]
pub async fn ready(state: State<AppState>) -> Result<StatusCode, Refused> {
    Ok(super::health::ready(state).await.map(|_| StatusCode::OK)?)
}

/// Say whether a model can be asked (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/models/{model}/ready", tag = "inference",
    params(("model" = String, Path, description = "Id, name (the newest of it) or name@alias", example = "sentiment")),
    responses((status = 200, description = "It can"),
              (status = 404, description = "No such model", body = InferError)))]
pub async fn model_ready(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<StatusCode, Refused> {
    state.scorer.find(&reference).await?;
    Ok(StatusCode::OK)
}

/// Say what a model takes and gives (Open Inference Protocol).
#[utoipa::path(get, path = "/v2/models/{model}", tag = "inference",
    params(("model" = String, Path, description = "Id, name (the newest of it) or name@alias", example = "sentiment")),
    responses((status = 200, description = "Its tensors", body = ModelMetadata),
              (status = 404, description = "No such model", body = InferError)))]
pub async fn model(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<Json<ModelMetadata>, Refused> {
    let Found { stored, model } = state.scorer.find(&reference).await?;
    let platform = format!("whereof_{}", model.spec.task.name());
    let (inputs, outputs) = (inputs_of(&model), outputs_of(&model));
    Ok(Json(ModelMetadata {
        name: reference,
        versions: vec![stored.id.clone()],
        platform,
        inputs,
        outputs,
    }))
}

/// Score records (Open Inference Protocol).
///
/// A tensor for each column of the model, as JSON or as binary data behind it, whose place the header
/// `Inference-Header-Content-Length` tells. A record that cannot be scored refuses the request.
#[utoipa::path(post, path = "/v2/models/{model}/infer", tag = "inference",
    params(("model" = String, Path, description = "Id, name (the newest of it) or name@alias", example = "sentiment"),
           ("Inference-Header-Content-Length" = Option<u64>, Header, description = "Bytes of the JSON, where binary data stand behind it")),
    request_body(content = InferRequest, example = json!({"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES",
        "data": ["I love this purchase", "The ergonomics are poor"]}]})),
    responses((status = 200, description = "The answers", body = InferResponse),
              (status = 404, description = "No such model", body = InferError),
              (status = 422, description = "Not valid", body = InferError),
              (status = 503, description = "Every scoring thread is busy", body = InferError)))]
pub async fn infer(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<InferResponse>, Refused> {
    let body = body.map_err(body_problem)?;
    let (head, binary) = split(&headers, &body)?;
    let request: InferRequest = parse(head)?;
    let found = state.scorer.find(&reference).await?;
    let Found { stored, model } = found.clone();
    let records = records(&request, binary, &model)?;
    let offered = outputs_of(&model);
    let wanted = request.outputs.as_deref().unwrap_or_default();
    for (at, output) in wanted.iter().enumerate() {
        if !offered.iter().any(|tensor| tensor.name == output.name) {
            let names: Vec<&str> = offered.iter().map(|tensor| tensor.name.as_str()).collect();
            let message = format!("{:?} is no output of this model", output.name);
            let hint = format!("one of {}", names.join(", "));
            return Err(refusal(format!("outputs[{at}].name"), &message, &hint).into());
        }
    }
    let asked = ScoreRequest { records: Some(records), ..ScoreRequest::default() };
    let answer = answered(&state, found, asked).await?;
    let mut outputs = told(&answer.results, &model, &request.inputs)?;
    if !wanted.is_empty() {
        outputs.retain(|output| wanted.iter().any(|wanted| wanted.name == output.name));
    }
    let model_version = stored.id.clone();
    Ok(Json(InferResponse { model_name: reference, model_version, id: request.id, outputs }))
}

/// The JSON of a body, and the binary data behind it.
fn split<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Problem> {
    const NAME: &str = "inference-header-content-length";
    let Some(length) = headers.get(NAME) else { return Ok((body, &[])) };
    let length = length.to_str().ok().and_then(|length| length.parse().ok());
    length.and_then(|length: usize| body.split_at_checked(length)).ok_or_else(|| {
        let message = format!("is no length within a body of {} bytes", body.len());
        refusal(NAME.to_owned(), &message, "send the bytes of the JSON, or leave it out")
    })
}

/// Type of a column's values.
fn datatype(model: &Model, column: &str) -> &'static str {
    let Encoder::Table(encoder) = &model.reader.encoder else { return "BYTES" };
    let numeric =
        encoder.ranges().iter().any(|range| range.column == column && range.min.is_some());
    if numeric { "FP64" } else { "BYTES" }
}

/// The columns that a model looks at.
fn columns(model: &Model) -> Vec<&str> {
    match &model.reader.encoder {
        Encoder::Table(encoder) => encoder.used_columns().collect(),
        Encoder::Text(_) | Encoder::Image(_) => model.spec.task.input_columns(),
    }
}

fn inputs_of(model: &Model) -> Vec<TensorMetadata> {
    let tensor = |column: &str| TensorMetadata::column(column, datatype(model, column));
    columns(model).into_iter().map(tensor).collect()
}

/// The records that a request's columns make.
fn records(request: &InferRequest, binary: &[u8], model: &Model) -> Result<Vec<Value>, Problem> {
    let known = columns(model);
    for (at, input) in request.inputs.iter().enumerate() {
        let field = || format!("inputs[{at}].name");
        if !known.contains(&input.name.as_str()) {
            let message = format!("the model has no column {:?}", input.name);
            return Err(refusal(field(), &message, &format!("one of {}", known.join(", "))));
        }
        if request.inputs[..at].iter().any(|before| before.name == input.name) {
            return Err(refusal(field(), "stands there twice", "send each column once"));
        }
    }
    let content = match &model.reader.encoder {
        Encoder::Image(_) => Content::Image,
        Encoder::Text(_) | Encoder::Table(_) => Content::Plain,
    };
    let values = values(&request.inputs, binary, content)?;
    let count = values.first().map_or(0, Vec::len);
    if let Some(at) = values.iter().position(|column| column.len() != count) {
        let message = format!("holds {} records, and the first input {count}", values[at].len());
        return Err(refusal(format!("inputs[{at}].shape"), &message, "make them agree"));
    }
    if !(1..=MAX_RECORDS).contains(&count) {
        let message = format!("counts {count} records");
        let hint = format!("send 1 to {MAX_RECORDS} at once");
        return Err(refusal("inputs[0].shape".to_owned(), &message, &hint));
    }
    let record = |row: usize| {
        let fields = request.inputs.iter().zip(&values);
        Value::Object(
            fields.map(|(input, column)| (input.name.clone(), column[row].clone())).collect(),
        )
    };
    Ok((0..count).map(record).collect())
}

fn outputs_of(model: &Model) -> Vec<TensorMetadata> {
    let mut outputs = if model.reader.output.head().is_some() {
        let labels = model.reader.output.label_names().len() as i64;
        let probabilities = TensorMetadata {
            name: "probabilities".to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![-1, labels],
        };
        let [label, confidence, raw] =
            [("label", "BYTES"), ("confidence", "FP32"), ("raw_confidence", "FP32")]
                .map(|(name, datatype)| TensorMetadata::column(name, datatype));
        vec![label, probabilities, confidence, raw]
    } else {
        vec![TensorMetadata::column("value", "FP64")]
    };
    outputs.push(TensorMetadata::column("ood_p_value", "FP32"));
    outputs.push(TensorMetadata::column("accepted", "BOOL"));
    outputs
}

/// The problem with a record, by the places that it has in the tensors.
fn of_tensors(mut problem: Problem, row: usize, inputs: &[InferInput]) -> Problem {
    for error in &mut problem.errors {
        let known = |input: &InferInput| Some(&input.name) == error.column.as_ref();
        error.field = match inputs.iter().position(known) {
            Some(at) => format!("inputs[{at}].data[{row}]"),
            None => format!("inputs, record {}", row + 1),
        };
    }
    problem
}

/// The answers as tensors. One that a record has no value of is left out: tensors know no gaps.
fn told(
    results: &[ScoreItem],
    model: &Model,
    inputs: &[InferInput],
) -> Result<Vec<InferOutput>, Problem> {
    let mut rows: Vec<Map<String, Value>> = Vec::with_capacity(results.len());
    for (row, result) in results.iter().enumerate() {
        let fields = match result {
            ScoreItem::Score(score) => {
                let label = match (&score.label, &score.labels) {
                    (Some(label), _) => label.clone(),
                    (None, labels) => labels.as_deref().unwrap_or_default().join(";"),
                };
                let probabilities = score.probabilities.iter().map(|(_, p)| shortest(p));
                json!({"label": label, "confidence": score.confidence.map(shortest),
                    "raw_confidence": shortest(score.raw_confidence),
                    "ood_p_value": score.ood.p_value.map(shortest), "accepted": score.accepted,
                    "probabilities": probabilities.collect::<Vec<f64>>()})
            }
            ScoreItem::Value(score) => json!({"value": score.value,
                "ood_p_value": score.ood.p_value.map(shortest), "accepted": score.accepted}),
            ScoreItem::Failed { error } => {
                return Err(of_tensors((**error).clone(), row, inputs));
            }
        };
        rows.push(match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        });
    }
    let tensor = |TensorMetadata { name, datatype, shape }: TensorMetadata| {
        let value = |row: &Map<String, Value>| row.get(&name).filter(|v| !v.is_null()).cloned();
        let values: Vec<Value> = rows.iter().map(value).collect::<Option<_>>()?;
        let flat = values.into_iter().flat_map(|value| match value {
            Value::Array(inner) => inner,
            other => vec![other],
        });
        let shape = shape.iter().map(|n| u64::try_from(*n).unwrap_or(rows.len() as u64)).collect();
        Some(InferOutput { shape, datatype, data: flat.collect(), name })
    };
    Ok(outputs_of(model).into_iter().filter_map(tensor).collect())
}
