//! `/v1/models`: list, look up, card, rename, download, import, delete.

use axum::Json;
use axum::body::Body as AxumBody;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

use super::aliases::check_name;
use super::extract::Body;
use super::media::media_type;
use super::page::{self, Listed};
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use super::upload::{self, Received};
use crate::clock::Timestamp;
use crate::model::card::Card;
use crate::model::spec::TrainSpec;
use crate::problem::{Code, Problem};
use crate::scorer::ScorerError;
use crate::store::StoreError;
use crate::store::models::{ModelInfo, NewModel};

/// Parameters of a list of models.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ModelsQuery {
    /// Only models of this name.
    #[param(nullable = false)]
    pub name: Option<String>,
    /// Items at most. Default: 50.
    #[param(minimum = 1, maximum = 1_000, nullable = false)]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

/// List models, newest first.
#[utoipa::path(get, path = "/v1/models", tag = "models", params(ModelsQuery),
    responses((status = 200, description = "A page of models", body = Listed<ModelInfo>)))]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<ModelsQuery>,
) -> Result<Json<Listed<ModelInfo>>, Failure> {
    let after = page::decode(query.cursor.as_deref())?;
    let limit = page::limit(query.limit);
    let page = state.store.models(query.name.as_deref(), limit, after.as_ref()).await?;
    let next_cursor = page.next.as_ref().map(page::encode);
    Ok(Json(Listed { items: page.items, next_cursor }))
}

/// Look up a model.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "models",
    params(("model" = String, Path, description = "Id, name (the newest of it) or name@alias", example = "sentiment")),
    responses((status = 200, description = "The model", body = ModelInfo),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "Its job has not ended", body = Problem)))]
pub async fn get(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<Json<ModelInfo>, Failure> {
    let id = state.store.resolve_model(&reference).await?;
    Ok(Json(state.store.model(&id).await?))
}

/// A model's card, with what it is called here and what it was made from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ModelCard {
    /// Id of the model.
    #[schema(example = "model_019ab3c1d2e37a4f8b6c5d4e3f2a1b0c")]
    pub id: String,
    /// Name under which the newest model is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Aliases that point to it, as `name@alias`.
    pub aliases: Vec<String>,
    /// SHA-256 of its artifact: the version of its content, the same on every server.
    pub sha256: String,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// The dataset it was made from.
    pub dataset: CardDataset,
    /// The spec it was made to.
    pub spec: TrainSpec,
    /// Records, labels, metrics, calibration, intended range.
    #[serde(flatten)]
    pub card: Card,
}

/// The dataset that a model was made from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CardDataset {
    /// Its id, which follows from its records.
    pub id: String,
    /// What it is called; absent where it is not stored here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Read a model's card: data, spec, metrics, calibration, intended range, what is unavailable.
#[utoipa::path(get, path = "/v1/models/{model}/card", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    responses((status = 200, description = "The card", body = ModelCard),
              (status = 404, description = "No such model", body = Problem)))]
pub async fn card(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<Json<ModelCard>, Failure> {
    let id = state.store.resolve_model(&reference).await?;
    let card = state.store.model_card(&id).await?;
    let ModelInfo { name, aliases, sha256, created_at, dataset, spec, .. } =
        state.store.model(&id).await?;
    let stored = match state.store.dataset(&dataset).await {
        Ok(stored) => Some(stored.name),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let dataset = CardDataset { id: dataset, name: stored };
    Ok(Json(ModelCard { id, name, aliases, sha256, created_at, dataset, spec, card }))
}

/// What of a model can be changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ModelPatch {
    /// Its name; `null` takes it away.
    #[schema(required = true, min_length = 1, max_length = 100)]
    pub name: Option<String>,
}

/// Rename a model.
#[utoipa::path(patch, path = "/v1/models/{model}", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    request_body(content = ModelPatch, example = json!({"name": "sentiment"})),
    responses((status = 200, description = "The model", body = ModelInfo),
              (status = 404, description = "No such model", body = Problem),
              (status = 422, description = "Not a name", body = Problem)))]
pub async fn rename(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    body: Body<ModelPatch>,
) -> Result<Json<ModelInfo>, Failure> {
    let id = state.store.resolve_model(&reference).await?;
    if let Some(name) = &body.value.name {
        check_name("name", name)?;
    }
    state.store.rename_model(&id, body.value.name.as_deref()).await?;
    Ok(Json(state.store.model(&id).await?))
}

/// Download a model as one safetensors file.
#[utoipa::path(get, path = "/v1/models/{model}/artifact", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 404, description = "No such model", body = Problem)))]
pub async fn download(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<Response, Failure> {
    let id = state.store.resolve_model(&reference).await?;
    let key = state.store.model_artifact(&id).await?;
    let local = state.store.artifacts.file(&key).await?;
    let file = tokio::fs::File::open(local.path()).await.map_err(StoreError::from)?;
    let length = file.metadata().await.map_err(StoreError::from)?.len();
    // The file is open now, so that it is read to its end even if the model is deleted meanwhile.
    let mut response = AxumBody::from_stream(ReaderStream::new(file)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let disposition = format!("attachment; filename=\"{id}.safetensors\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Parameters of an import.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Name under which the model is found. Default: the name it had.
    #[param(nullable = false)]
    pub name: Option<String>,
}

/// A model file in a form.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form in the API's document; the form itself is streamed"
)]
pub struct ModelUpload {
    /// The file, as it was downloaded.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Import a model that was downloaded, as the body or as the `file` of a form.
///
/// Nothing in the file is executed. A file that is truncated, was altered, or comes from a newer
/// version is refused.
#[utoipa::path(post, path = "/v1/models", tag = "models", params(ImportQuery),
    request_body(content((Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/x-safetensors"), (ModelUpload = "multipart/form-data"))),
    responses((status = 201, description = "Imported", body = ModelInfo),
              (status = 413, description = "Too large", body = Problem),
              (status = 415, description = "Not sent as a file", body = Problem),
              (status = 422, description = "Not a model that this version can load", body = Problem)))]
pub async fn import(
    State(state): State<AppState>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Response, Failure> {
    let media_type = media_type(request.headers())?;
    let known = ["multipart/form-data", "application/octet-stream", "application/x-safetensors"];
    if !known.contains(&media_type.as_str()) {
        let detail = format!("the content type {media_type:?} is not that of a model file");
        let hint = "send application/octet-stream, or multipart/form-data with the file as `file`";
        return Err(Problem::new(Code::UnsupportedMediaType, detail).hint(hint).into());
    }
    let Received { file, .. } = upload::receive(&state, request).await?;
    let bytes = tokio::fs::read(&file).await.map_err(StoreError::from)?;
    let size = bytes.len() as u64;
    let model = match state.scorer.parse(bytes.clone()).await {
        Ok(model) => model,
        Err(ScorerError::Artifact(error)) => return Err(error.into()),
        Err(other) => return Err(other.into()),
    };
    let name = query.name.or_else(|| model.spec.model_name.clone());
    if let Some(name) = &name {
        check_name("name", name)?;
    }
    let files = state.store.hold_files().await;
    let key = state.store.put_model(bytes).await?;
    let new = NewModel {
        id: state.store.ids.next("model"),
        made_by: None,
        name: name.as_deref(),
        spec: &model.spec,
        card: &model.card,
        artifact: &key,
        bytes: size,
    };
    let info = state.store.insert_model(&new).await?;
    drop(files);
    let location = format!("/v1/models/{}", info.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(info)).into_response())
}

/// Delete a model. Refused while an alias points to it.
#[utoipa::path(delete, path = "/v1/models/{model}", tag = "models",
    params(("model" = String, Path, description = "Id, name (the newest of it) or name@alias", example = "sentiment")),
    responses((status = 204, description = "Deleted"),
              (status = 404, description = "No such model", body = Problem),
              (status = 409, description = "An alias points to it", body = Problem)))]
pub async fn delete(
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Result<StatusCode, Failure> {
    let id = state.store.resolve_model(&reference).await?;
    state.store.delete_model(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
