//! Extractors that answer with problems: JSON bodies checked against their schema, idempotency
//! keys.

use std::sync::OnceLock;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::MAX_JSON_BYTES;
use super::media::media_type;
use super::problem::Failure;
use super::schema::Schemas;
use crate::json;
use crate::problem::{Code, FieldError, Problem};
use crate::store::idempotency::Keyed;

/// The schemas of the API, as the OpenAPI document shows them.
pub fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        // A document that was built can be written as JSON; without it, every body is refused.
        Schemas::new(serde_json::to_value(super::openapi()).unwrap_or_default())
    })
}

/// A JSON body that fits its schema, and its bytes.
pub struct Body<T> {
    /// The body.
    pub value: T,
    bytes: Bytes,
}

impl<T> Body<T> {
    /// SHA-256 of its bytes, for idempotency.
    pub fn hash(&self) -> String {
        sha256(&self.bytes)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + ToSchema> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, state).await?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

/// The bytes of a body that says it is JSON.
pub struct JsonBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        require_json(request.headers())?;
        Ok(Self(Bytes::from_request(request, state).await.map_err(body_problem)?))
    }
}

/// A body that could not be read, as a problem.
pub fn body_problem(rejection: impl axum::response::IntoResponse) -> Problem {
    let status = rejection.into_response().status().as_u16();
    if status == 413 {
        let detail = format!("the body has more than {} MiB", MAX_JSON_BYTES >> 20);
        Problem::new(Code::BodyTooLarge, detail).hint("send less at once")
    } else {
        Problem::new(Code::InvalidRequest, "the body could not be read to its end")
            .hint("send the whole body")
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json") {
        return Ok(());
    }
    let found = media_type(headers)?;
    if found == "application/json" {
        return Ok(());
    }
    let detail = match found.as_str() {
        "" => "the body has no content type".to_owned(),
        other => format!("the body is {other:?}, not JSON"),
    };
    Err(Problem::new(Code::UnsupportedMediaType, detail)
        .hint("send `Content-Type: application/json`"))
}

/// Parses and checks a body; every problem is found at once.
pub fn parse<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, Problem> {
    let value = json::parse(bytes).map_err(|error| match error.twice {
        Some(path) => {
            let field = FieldError::new(path, "stands there twice");
            Problem::fields(Code::InvalidJson, vec![field.hint("send each key of an object once")])
        }
        None if bytes.is_empty() => {
            Problem::new(Code::InvalidJson, "the body is empty").hint("send a JSON object")
        }
        None => Problem::new(Code::InvalidJson, error.message).hint("check the JSON at that place"),
    })?;
    let errors = schemas().check(&T::name(), &value);
    if !errors.is_empty() {
        return Err(Problem::fields(Code::InvalidRequest, errors));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        // The body as a whole has no name.
        let path = if path == "." { "" } else { &path };
        let field = FieldError::new(path, error.inner().to_string());
        Problem::fields(Code::InvalidRequest, vec![field])
    })
}

/// The idempotency key of a request, if it has one.
pub struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().unwrap_or("").trim();
        if key.is_empty() || key.len() > 255 {
            let error = FieldError::new("Idempotency-Key", "is empty, too long or not ASCII")
                .hint("send 1 to 255 printable characters, such as a UUID");
            return Err(Problem::fields(Code::InvalidRequest, vec![error]).into());
        }
        Ok(Self(Some(key.to_owned())))
    }
}

impl IdempotencyKey {
    /// The key together with the request it stands for.
    pub fn on(self, route: &str, body: String) -> Option<Keyed> {
        self.0.map(|key| Keyed { key, route: route.to_owned(), body })
    }
}

/// SHA-256 as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
