//! `/v1/models/{model}/monitoring/texts`: scored texts that were flagged as outside, where they are kept.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Body;
use super::problem::Failure;
use super::query::Path;
use super::state::AppState;
use crate::problem::Problem;
use crate::store::flagged_texts::{FlaggedText, MOST_TEXTS};

/// Whether flagged texts are kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreTexts {
    /// The newest so many of them are kept; 0, the default, keeps none and forgets those that are.
    #[schema(minimum = 0, maximum = 1_000)]
    pub store_texts: usize,
}

/// Scored texts that were flagged as outside.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FlaggedTexts {
    /// Id of the model.
    pub model: String,
    /// How many are kept at most; 0 where none are.
    pub store_texts: usize,
    /// The texts that are kept, newest first.
    pub items: Vec<FlaggedText>,
}

/// List the scored texts that were flagged as outside, where the model keeps them.
///
/// Of every text that was answered, those that were flagged are in the next answer here.
#[utoipa::path(get, path = "/v1/models/{model}/monitoring/texts", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    responses((status = 200, description = "The texts", body = FlaggedTexts),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem)))]
pub async fn flagged_texts(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<Json<FlaggedTexts>, Failure> {
    let model = state.store.resolve_model(&reference).await?;
    state.scorer.monitor.write().await?;
    let store_texts = state.store.store_texts(&model).await?;
    let items = state.store.flagged_texts(&model, MOST_TEXTS).await?;
    Ok(Json(FlaggedTexts { model, store_texts, items }))
}

/// Keep the scored texts that are flagged as outside, or keep them no longer.
///
/// Off by default: scoring then leaves counts behind and no record. Whoever turns it on stores what
/// users send, which may be personal: tell them, and ask only for as many as you read. The texts lie in
/// the server's database, in the clear, until newer ones take their place, they are deleted here, or the
/// model is; the file may hold what was deleted until its space is used again. A request that says
/// `"monitor": false` is never kept, nor is anything scored before it was turned on.
#[utoipa::path(put, path = "/v1/models/{model}/monitoring/texts", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    request_body(content = StoreTexts, example = json!({"store_texts": 100})),
    responses((status = 200, description = "How many are kept from now on", body = StoreTexts),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem),
              (status = 422, description = "Not a number from 0 to 1,000", body = Problem)))]
pub async fn keep_flagged_texts(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    body: Body<StoreTexts>,
) -> Result<Json<StoreTexts>, Failure> {
    let model = state.store.resolve_model(&reference).await?;
    state.scorer.monitor.store_texts(&model, body.value.store_texts).await?;
    Ok(Json(body.value))
}

/// Forget the texts that are kept; whether further ones are stays as it is.
#[utoipa::path(delete, path = "/v1/models/{model}/monitoring/texts", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    responses((status = 204, description = "Forgotten"),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem)))]
pub async fn forget_flagged_texts(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<StatusCode, Failure> {
    let model = state.store.resolve_model(&reference).await?;
    state.scorer.monitor.forget_texts(&model).await?;
    Ok(StatusCode::NO_CONTENT)
}
