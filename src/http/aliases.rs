//! `/v1/aliases`: `name@alias` points to a model.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Body;
use super::page::{self, ListQuery, Listed};
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use crate::problem::{Code, FieldError, Problem};
use crate::store::Cursor;
use crate::store::aliases::Alias;

/// Where an alias is to point.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AliasTarget {
    /// Id, name or other alias of a model; it is resolved now, not when the alias is used.
    #[schema(min_length = 1, max_length = 300, example = "sentiment")]
    pub model: String,
}

/// List aliases, in order of name.
#[utoipa::path(get, path = "/v1/aliases", tag = "models", params(ListQuery),
    responses((status = 200, description = "A page of aliases", body = Listed<Alias>)))]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Listed<Alias>>, Failure> {
    let limit = page::limit(query.limit);
    let after = page::decode(query.cursor.as_deref())?;
    let after = after.as_ref().and_then(|cursor| cursor.id.split_once('@'));
    let mut items = state.store.aliases(limit + 1, after).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|a| page::encode(&Cursor { time: 0, id: a.alias.clone() }));
    Ok(Json(Listed { items, next_cursor }))
}

/// Point an alias to a model.
#[utoipa::path(put, path = "/v1/aliases/{alias}", tag = "models",
    params(("alias" = String, Path, description = "As name@alias", example = "sentiment@production")),
    request_body(content = AliasTarget, example = json!({"model": "sentiment"})),
    responses((status = 200, description = "The alias", body = Alias),
              (status = 404, description = "No such model", body = Problem),
              (status = 422, description = "Not a name@alias", body = Problem)))]
pub async fn put(
    State(state): State<AppState>,
    Path(path): Path<String>,
    body: Body<AliasTarget>,
) -> Result<Json<Alias>, Failure> {
    let (name, alias) = split(&path)?;
    let model = state.store.resolve_model(&body.value.model).await?;
    Ok(Json(state.store.set_alias(name, alias, &model).await?))
}

/// Delete an alias. Its model stays.
#[utoipa::path(delete, path = "/v1/aliases/{alias}", tag = "models",
    params(("alias" = String, Path, description = "As name@alias", example = "sentiment@production")),
    responses((status = 204, description = "Deleted"),
              (status = 404, description = "No such alias", body = Problem)))]
pub async fn delete(
    State(state): State<AppState>,
    Path(path): Path<String>,
) -> Result<StatusCode, Failure> {
    let (name, alias) = split(&path)?;
    state.store.delete_alias(name, alias).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn split(path: &str) -> Result<(&str, &str), Problem> {
    let Some((name, alias)) = path.split_once('@') else {
        let error = FieldError::new("alias", format!("{path:?} has no @"))
            .hint("name it as name@alias, such as sentiment@production");
        return Err(Problem::fields(Code::InvalidRequest, vec![error]));
    };
    check_name("alias", name)?;
    check_name("alias", alias)?;
    Ok((name, alias))
}

/// Whether a text can name a model or an alias.
pub fn check_name(field: &str, name: &str) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let prefix = ["model_", "job_", "run_"].iter().find(|prefix| name.starts_with(**prefix));
    let message = if !(1..=100).contains(&name.len()) {
        "must have 1 to 100 characters".to_owned()
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        format!("{name:?} is no name")
    } else if let Some(prefix) = prefix {
        format!("{name:?} starts with {prefix:?} like an id")
    } else {
        return Ok(());
    };
    let hint = "use letters, digits, dots, hyphens and underscores, a letter or digit first";
    Err(Problem::fields(Code::InvalidRequest, vec![FieldError::new(field, message).hint(hint)]))
}
