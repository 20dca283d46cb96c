//! `/v1/models/{model}/score`.

mod neighbors;
mod plain;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{JsonBytes, parse};
use super::problem::{Failure, respond};
use super::query::Path;
use super::state::AppState;
use crate::eval::prediction_set::SetMethod;
use crate::model::Model;
use crate::model::card::Unavailable;
use crate::model::criteria::{PredictionInterval, Thresholds};
use crate::model::explain::{Explain, ExplainRequest};
use crate::model::prediction::Prediction;
use crate::model::score::ScoreItem;
use crate::problem::{Code, FieldError, Problem};
use crate::scorer::{Batch, BatchKind, Found};

/// Bytes that the texts of a request may have together.
const MAX_TEXTS_BYTES: usize = 16 << 20;
/// Probabilities that one answer may hold: texts × labels.
const MAX_PROBABILITIES: usize = 2_000_000;

/// How much is answered of each record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// All there is to say.
    #[default]
    Full,
    /// The label and its confidence, or the value and its interval, in a fraction of the time. Whether
    /// the record comes from where the model was trained is not looked at, so nothing is flagged or
    /// accepted.
    Prediction,
}

/// Records to score, and what their answers must pass to be accepted. One of `texts`, `text`, `images`
/// and `records`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
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
    /// Largest expected share of false alarms among the alarms of this request, in place of
    /// `max_false_alarm` (Benjamini and Hochberg 1995, on conformal p-values: Bates et al. 2021). The
    /// answer for a record then depends on the others.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub max_false_discovery: Option<f64>,
    /// Least calibrated confidence; 0 asks for none. Default: 0.5.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(default)]
    pub min_confidence: Option<f64>,
    /// Largest share of wrong answers among the accepted ones. An answer is accepted from that raw
    /// confidence on, from where the calibration records show with probability 1 − `delta` that no
    /// more are wrong, for records like theirs (selective classification: Geifman and El-Yaniv 2017).
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub max_risk: Option<f64>,
    /// Probability, over calibration splits, with which `max_false_alarm` and `max_risk` may fail.
    /// Default: none for `max_false_alarm`, which then holds on average over calibration splits, and
    /// 0.05 for `max_risk`.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub delta: Option<f64>,
    /// Error rate of prediction sets and intervals. Default: 0.1.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub max_miscoverage: Option<f64>,
    /// How prediction sets are made. Default: `lac`.
    #[serde(default)]
    pub set_method: Option<SetMethod>,
    /// How intervals are made. Default: `split`.
    #[serde(default)]
    pub interval_method: Option<PredictionInterval>,
    /// Probabilities that are returned at most, the largest first. Default: all.
    #[schema(minimum = 0)]
    #[serde(default)]
    pub top_labels: Option<usize>,
    /// How much is answered of each record. With `prediction`, what decides on more than that is
    /// refused, such as `max_false_alarm`. Default: `full`.
    #[serde(default)]
    pub detail: Option<Detail>,
    /// What is to be explained of each record. Default: nothing.
    #[serde(default)]
    pub explain: Option<ExplainRequest>,
    /// Whether the records are counted in `GET /v1/models/{model}/monitoring`; none is stored,
    /// unless the model was asked to keep the texts that are flagged. With `detail` `prediction`, their
    /// number and confidence are counted, and no more is known.
    /// Leave out what is not traffic, such as tests and the same text again and again. Default: true.
    #[serde(default)]
    pub monitor: Option<bool>,
}

/// Scores, in the order of the records.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ScoreResponse {
    /// Id of the model.
    pub model: String,
    /// One for each record, in order.
    pub results: Vec<ScoreItem>,
    /// What this request asks for and the model's calibration is too small to give, with the number
    /// of calibration records it would take; and why similar training records are shown without their
    /// text or values, where the server no longer has the dataset.
    pub unavailable: Vec<Unavailable>,
}

/// Predictions, in the order of the records.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PredictionResponse {
    /// Id of the model.
    pub model: String,
    /// One for each record, in order.
    pub results: Vec<Prediction>,
    /// What the model's calibration is too small to give, with the number of calibration records it would
    /// take.
    pub unavailable: Vec<Unavailable>,
}

/// What is answered, by the `detail` that is asked for.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ScoreAnswer {
    /// `full`.
    Full(ScoreResponse),
    /// `prediction`.
    Prediction(PredictionResponse),
}

/// Bytes of JSON that room is made for at first, in all and for a score or a prediction.
const ANSWER_BYTES: usize = 256;
const RECORD_BYTES: (usize, usize) = (1_024, 96);
const MOST_BYTES: usize = 1 << 16;

impl IntoResponse for ScoreAnswer {
    fn into_response(self) -> Response {
        let bytes = match &self {
            Self::Full(answer) => answer.results.len() * RECORD_BYTES.0,
            Self::Prediction(answer) => answer.results.len() * RECORD_BYTES.1,
        };
        let mut body = Vec::with_capacity(ANSWER_BYTES + bytes.min(MOST_BYTES));
        match serde_json::to_writer(&mut body, &self) {
            Ok(()) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                respond(&Problem::new(Code::Internal, "the answer cannot be written"))
            }
        }
    }
}

/// Score texts or rows: label and calibrated confidence, or value and interval; coverage, whether
/// they come from where the model was trained, and whether to accept the answer; on request, what each
/// word or column contributes to it, and the training records that are most alike. With
/// `"detail": "prediction"`, the label and confidence or the value and interval alone.
#[utoipa::path(post, path = "/v1/models/{model}/score", tag = "models",
    params(("model" = String, Path, description = "Id, name (the newest of it) or name@alias", example = "sentiment")),
    request_body(content = ScoreRequest, examples(
        ("texts" = (summary = "Three texts", value = json!({"texts":
            ["I love this purchase", "The interface is clunky", "The ergonomics are poor"],
            "max_false_alarm": 0.05, "min_confidence": 0.5}))),
        ("prediction" = (summary = "The label and its confidence alone",
            value = json!({"text": "I love this purchase", "detail": "prediction"}))),
        ("explained" = (summary = "With contributions of words and similar training records",
            value = json!({"text": "I love this purchase",
                "explain": {"contributions": true, "neighbors": 3}}))))),
    responses((status = 200, description = "The scores, or the predictions", body = ScoreAnswer),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem),
              (status = 413, description = "Too much at once: texts of more than 16 MiB together, more than 2,000,000 probabilities, or more to explain than a request may ask for", body = Problem),
              (status = 422, description = "Not valid", body = Problem),
              (status = 503, description = "Every scoring thread is busy", body = Problem)))]
pub async fn score(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    JsonBytes(bytes): JsonBytes,
) -> Result<ScoreAnswer, Failure> {
    let request = match plain::read(&bytes) {
        Some(request) => request,
        None => parse(&bytes)?,
    };
    let asked = Asked::of(request)?;
    let found = state.scorer.find(&reference).await?;
    match asked.request.detail.unwrap_or_default() {
        Detail::Full => answer(&state, found, asked).await.map(ScoreAnswer::Full),
        Detail::Prediction => predict(&state, found, asked).await.map(ScoreAnswer::Prediction),
    }
}

/// The full answer to a request.
pub(super) async fn answered(
    state: &AppState,
    found: Found,
    request: ScoreRequest,
) -> Result<ScoreResponse, Failure> {
    answer(state, found, Asked::of(request)?).await
}

/// A request that makes sense by itself.
struct Asked {
    /// The rest of it.
    request: ScoreRequest,
    /// What holds the records.
    field: &'static str,
    batch: Batch,
    thresholds: Thresholds,
}

impl Asked {
    fn of(mut request: ScoreRequest) -> Result<Self, Problem> {
        let given = [
            ("text", BatchKind::Texts, request.text.take().map(|text| vec![text.into()])),
            ("texts", BatchKind::Texts, request.texts.take()),
            ("images", BatchKind::Images, request.images.take()),
            ("records", BatchKind::Records, request.records.take()),
        ];
        let mut batches = given
            .into_iter()
            .filter_map(|(field, kind, values)| Some((field, Batch { kind, values: values? })))
            .rev();
        let Some((field, batch)) = batches.next() else {
            let hint = "send texts with at least one text, or text, images or records";
            return Err(invalid("texts", "holds no text", hint));
        };
        if let Some((other, _)) = batches.next() {
            let message = format!("stands beside {field}");
            return Err(invalid(other, &message, "send one of the two"));
        }
        if batch.values.is_empty() {
            return Err(invalid(field, "holds nothing", "send at least one"));
        }
        let defaults = Thresholds::default();
        let thresholds = Thresholds {
            max_false_alarm: request.max_false_alarm.unwrap_or(defaults.max_false_alarm),
            max_false_discovery: request.max_false_discovery,
            min_confidence: request.min_confidence.unwrap_or(defaults.min_confidence),
            max_risk: request.max_risk,
            delta: request.delta,
            max_miscoverage: request.max_miscoverage.unwrap_or(defaults.max_miscoverage),
            set_method: request.set_method.unwrap_or(defaults.set_method),
            interval_method: request.interval_method.unwrap_or(defaults.interval_method),
            top_labels: request.top_labels,
        };
        let bytes: usize = match batch.kind {
            BatchKind::Images => 0,
            BatchKind::Texts | BatchKind::Records => batch.values.iter().map(text_bytes).sum(),
        };
        if bytes > MAX_TEXTS_BYTES {
            let message =
                format!("hold {bytes} bytes together; a request may hold {MAX_TEXTS_BYTES}");
            return Err(too_much(field, message, "send fewer texts at once"));
        }
        Ok(Self { request, field, batch, thresholds })
    }
}

async fn answer(
    state: &AppState,
    found: Found,
    Asked { request, field, batch, thresholds }: Asked,
) -> Result<ScoreResponse, Failure> {
    let model = found.model.clone();
    batch.kind.check(&model)?;
    let labels = model.reader.output.label_names().len();
    let told = batch.values.len() * thresholds.top_labels.unwrap_or(labels).min(labels);
    if told > MAX_PROBABILITIES {
        let message = format!("ask for {told} probabilities; an answer holds {MAX_PROBABILITIES}");
        let hint = "send fewer records at once, or lower top_labels";
        return Err(too_much(field, message, hint).into());
    }
    check_asked(&request, &model)?;
    let explain = request.explain.as_ref().map(|asked| asked.resolve(&model)).transpose()?;
    let explain = explain.filter(Explain::asks);
    let shown = explain.map_or(0, |explain| explain.neighbors);
    neighbors::check(&state.config, &model, shown, batch.values.len())?;
    let scored = batch.values.len() as u64;
    let id = found.stored.id.clone();
    let counted = request.monitor.unwrap_or(true);
    let answer = state.scorer.score(found, batch, thresholds, explain, counted).await?;
    let (mut results, mut unavailable) = answer;
    if shown > 0 {
        unavailable.extend(neighbors::show(state, &model, &mut results).await?);
    }
    state.meters.records_scored.increment(scored);
    Ok(ScoreResponse { model: id, results, unavailable })
}

async fn predict(
    state: &AppState,
    found: Found,
    Asked { request, batch, thresholds, .. }: Asked,
) -> Result<PredictionResponse, Failure> {
    batch.kind.check(&found.model)?;
    check_asked_of_prediction(&request, &found.model)?;
    check_asked(&request, &found.model)?;
    let scored = batch.values.len() as u64;
    let id = found.stored.id.clone();
    let counted = request.monitor.unwrap_or(true);
    let (results, unavailable) = state.scorer.predict(found, batch, thresholds, counted).await?;
    state.meters.records_scored.increment(scored);
    Ok(PredictionResponse { model: id, results, unavailable })
}

/// Refuses what no prediction holds.
fn check_asked_of_prediction(request: &ScoreRequest, model: &Model) -> Result<(), Problem> {
    let labels = model.reader.output.head().is_some();
    let of_more = [
        ("max_false_alarm", request.max_false_alarm.is_some()),
        ("max_false_discovery", request.max_false_discovery.is_some()),
        ("min_confidence", request.min_confidence.is_some()),
        ("max_risk", request.max_risk.is_some()),
        ("delta", request.delta.is_some()),
        ("max_miscoverage", request.max_miscoverage.is_some() && labels),
        ("set_method", request.set_method.is_some()),
        ("top_labels", request.top_labels.is_some()),
        ("explain", request.explain.is_some()),
    ];
    match of_more.into_iter().find(|(_, asked)| *asked) {
        Some((field, _)) => {
            let message = "is for full answers; a prediction has nothing that it decides";
            Err(invalid(field, message, "leave it out, or ask for the detail full"))
        }
        None => Ok(()),
    }
}

/// Refuses what would do nothing, for this model or beside the rest.
fn check_asked(request: &ScoreRequest, model: &Model) -> Result<(), Problem> {
    let labels = model.reader.output.head().is_some();
    let of_labels =
        [("max_risk", request.max_risk.is_some()), ("set_method", request.set_method.is_some())];
    if let Some((field, _)) = of_labels.into_iter().find(|(_, asked)| *asked && !labels) {
        let message = "is for models that predict labels; this one predicts numbers";
        return Err(invalid(field, message, "leave it out"));
    }
    if labels && request.interval_method.is_some() {
        let message = "is for models that predict numbers; this one predicts labels";
        return Err(invalid("interval_method", message, "leave it out"));
    }
    if request.max_false_discovery.is_some() && request.max_false_alarm.is_some() {
        let message = "stands beside max_false_discovery, which takes its place";
        return Err(invalid("max_false_alarm", message, "send one of the two"));
    }
    if request.delta.is_some()
        && request.max_false_discovery.is_some()
        && request.max_risk.is_none()
    {
        let message =
            "is the chance that max_false_alarm or max_risk fails, and neither is asked for";
        return Err(invalid(
            "delta",
            message,
            "leave it out: max_false_discovery holds on average",
        ));
    }
    Ok(())
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
    Problem::fields(Code::TooMuch, vec![FieldError::new(field, message).hint(hint)])
}

pub(super) fn invalid(field: &str, message: &str, hint: &str) -> Problem {
    Problem::fields(Code::InvalidRequest, vec![FieldError::new(field, message).hint(hint)])
}
