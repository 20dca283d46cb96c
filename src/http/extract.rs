//! Extractors that answer with problems: JSON bodies checked against their schema, strict queries,
//! idempotency keys.

use std::sync::OnceLock;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::problem::Failure;
use super::schema::Schemas;
use crate::problem::{Code, FieldError, Problem, nearest};
use crate::store::idempotency::Keyed;

/// The schemas of the API, as the OpenAPI document shows them.
pub fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        // A document that was built can be written as JSON; without it, every body is refused.
        Schemas::new(serde_json::to_value(super::openapi()).unwrap_or_default())
    })
}

/// A JSON body that fits its schema, and the hash of its bytes.
pub struct Body<T> {
    /// The body.
    pub value: T,
    /// SHA-256 of its bytes, for idempotency.
    pub hash: String,
}

impl<S: Send + Sync, T: DeserializeOwned + ToSchema> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        require_json(request.headers())?;
        let bytes = Bytes::from_request(request, state).await.map_err(body_problem)?;
        let hash = sha256(&bytes);
        Ok(Self { value: parse(&bytes)?, hash })
    }
}

/// A body that could not be read, as a problem.
pub fn body_problem(rejection: impl axum::response::IntoResponse) -> Problem {
    let status = rejection.into_response().status().as_u16();
    if status == 413 {
        Problem::new(Code::BodyTooLarge, "the body is larger than this path accepts")
    } else {
        Problem::new(Code::InvalidRequest, "the body could not be read to its end")
            .hint("send the whole body")
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = media_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = match media_type {
        Some(found) => format!("the body is {found:?}, not JSON"),
        None => "the body has no content type".to_owned(),
    };
    Err(Problem::new(Code::UnsupportedMediaType, detail)
        .hint("send `Content-Type: application/json`"))
}

/// Parses and checks a body; every problem is found at once.
pub fn parse<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, Problem> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
        let hint =
            if bytes.is_empty() { "send a JSON object" } else { "check the JSON at that place" };
        Problem::new(Code::InvalidJson, error.to_string()).hint(hint)
    })?;
    let errors = schemas().check(&T::name(), &value);
    if !errors.is_empty() {
        return Err(Problem::fields(Code::InvalidRequest, errors));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = FieldError::new(error.path().to_string(), error.inner().to_string());
        Problem::fields(Code::InvalidRequest, vec![field])
    })
}

/// A query string of known parameters.
pub struct Query<T>(pub T);

/// The names that a query takes, for the hint when one is not known.
pub trait Parameters {
    /// The names.
    const NAMES: &'static [&'static str];
}

impl<S: Send + Sync, T: DeserializeOwned + Parameters> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or("");
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or("");
            if !T::NAMES.contains(&name) {
                let hint = match nearest(name, T::NAMES.iter().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None if T::NAMES.is_empty() => "this path takes no parameters".to_owned(),
                    None => format!("known parameters: {}", T::NAMES.join(", ")),
                };
                let error = FieldError::new(name, "is not a known parameter").hint(hint);
                return Err(Problem::fields(Code::InvalidQuery, vec![error]).into());
            }
        }
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(error) => {
                let detail = error.body_text();
                let detail = detail.split(": ").skip(1).collect::<Vec<_>>().join(": ");
                Err(Problem::new(Code::InvalidQuery, detail).into())
            }
        }
    }
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
