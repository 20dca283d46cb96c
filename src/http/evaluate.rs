//! `/v1/models/{model}/evaluate`.

mod records;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Body;
use super::problem::Failure;
use super::query::Path;
use super::score::invalid;
use super::state::AppState;
use crate::model::card::PartSizes;
use crate::model::criteria::Thresholds;
use crate::model::encoder::Encoder;
use crate::model::evaluate::Evaluation;
use crate::model::spec::Warning;
use crate::problem::Problem;
use crate::store::Artifacts;
use records::{Ready, Wanted};

/// Level of the test for drift where none is asked for.
const DRIFT_ALPHA: f64 = 0.05;

/// Records to evaluate a model on, with or without labels.
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
    /// Whether the labels, or numbers, are read. `false` evaluates as if there were none: drift,
    /// estimated accuracy, what is new, and what to label first. Default: true where the dataset has
    /// the column; where it lacks the column that the model was trained on, and `label` names no
    /// other, false, with the warning `no_labels`.
    #[serde(default)]
    pub labels: Option<bool>,
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
    /// Level of the test for drift: the share of batches from where the model was trained that may be
    /// called shifted. Default: 0.05.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    #[serde(default)]
    pub drift_alpha: Option<f64>,
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
    /// Whether labels, or numbers, were read; without them there are no metrics.
    pub labels: bool,
    /// Accuracy beside coverage, and drift.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// Evaluate a model on records. With labels: accuracy beside coverage, overall, by the values of a
/// column and by coverage. Without: estimated accuracy, what is new, which records to label first. With
/// and without: whether the records have shifted from those that the model was calibrated on.
#[utoipa::path(post, path = "/v1/models/{model}/evaluate", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    request_body(content = EvaluateRequest, examples(
        ("with labels" = (value = json!({"dataset": "ds_74f25f4a1c310ee85af434388a95b276", "slice": "sentiment"}))),
        ("without labels" = (value = json!({"dataset": "ds_74f25f4a1c310ee85af434388a95b276", "labels": false}))))),
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
    if request.labels == Some(false) && request.label.is_some() {
        let hint = "leave out label, or set labels to true";
        return Err(invalid("label", "stands beside labels: false", hint).into());
    }
    let may_lack = request.label.is_none() && request.labels.is_none();
    let task = model.spec.task.on_columns(request.text, request.label);
    let absent = if may_lack { records::absent_labels(&dataset, &task) } else { None };
    let labels = request.labels.unwrap_or(true) && absent.is_none();
    let (slice, only) = (request.slice.as_deref(), request.only.as_ref());
    let wanted = Wanted::find(&dataset, &task, labels, slice, only)?;
    let own = match dataset.id == model.spec.dataset {
        true => Some(state.store.training_table(&model.spec).await?),
        false => None,
    };
    let only = request.only;
    let file = state.store.artifacts.file(&Artifacts::dataset_key(&dataset.id)).await?;
    let (id_of_dataset, for_records) = (dataset.id.clone(), model.clone());
    let read = move || wanted.read(file.path(), only.as_ref(), &dataset, &task, &for_records, own);
    let Ready { data, left_out, seen, warnings } = state.files.run(read).await??;
    let warnings = absent.into_iter().chain(warnings).collect();
    let drift_alpha = request.drift_alpha.unwrap_or(DRIFT_ALPHA);
    let defaults = Thresholds::default();
    let thresholds = Thresholds {
        max_false_alarm: request.max_false_alarm.unwrap_or(defaults.max_false_alarm),
        min_confidence: request.min_confidence.unwrap_or(defaults.min_confidence),
        ..defaults
    };
    let evaluation = state.scorer.evaluate(model, data, thresholds, drift_alpha).await?;
    let evaluation = evaluation.ok_or_else(|| invalid("dataset", "holds no record", "add some"))?;
    let dataset = id_of_dataset;
    Ok(Json(EvaluateResponse { model: id, dataset, left_out, seen, warnings, labels, evaluation }))
}
