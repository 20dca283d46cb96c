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
    let own = match dataset.id == model.spec.dataset {
        true => Some(state.store.training_table(&model.spec).await?),
        false => None,
    };
    let value = request.only.map(|only| only.value);
    let file = state.store.artifacts.file(&Artifacts::dataset_key(&dataset.id)).await?;
    let (id_of_dataset, for_records) = (dataset.id.clone(), model.clone());
    let read =
        move || wanted.read(file.path(), value.as_deref(), &dataset, &task, &for_records, own);
    let Ready { data, left_out, seen, warnings } = state.files.run(read).await??;
    let defaults = Thresholds::default();
    let thresholds = Thresholds {
        max_false_alarm: request.max_false_alarm.unwrap_or(defaults.max_false_alarm),
        min_confidence: request.min_confidence.unwrap_or(defaults.min_confidence),
        ..defaults
    };
    let evaluation = state.scorer.evaluate(model, data, thresholds).await?;
    let evaluation = evaluation.ok_or_else(|| invalid("dataset", "holds no record", "add some"))?;
    let dataset = id_of_dataset;
    Ok(Json(EvaluateResponse { model: id, dataset, left_out, seen, warnings, evaluation }))
}
