//! Datasets that a generator makes: the one kind of body to `POST /v1/datasets` that holds no record.

use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract;
use crate::data::generator::GeneratorSpec;
use crate::problem::{Code, FieldError, Problem, nearest};

/// A longer body is no request for a generator.
const MAX_BYTES: u64 = 64 << 10;

/// A dataset that a generator makes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct GeneratorUpload {
    /// What to call the dataset. Default: the generator's `type`.
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// How it is made. The same generator makes the same dataset.
    pub generator: GeneratorSpec,
}

/// The request for a generator that a JSON body holds; `None` if it is something else, such as
/// records, or no JSON.
pub async fn requested(body: &Path) -> Result<Option<GeneratorUpload>, Problem> {
    let unreadable = |error: std::io::Error| {
        tracing::error!(%error, "a received body could not be read");
        Problem::new(Code::Internal, "the received body could not be read")
    };
    if tokio::fs::metadata(body).await.map_err(unreadable)?.len() > MAX_BYTES {
        return Ok(None);
    }
    let bytes = tokio::fs::read(body).await.map_err(unreadable)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(bytes) else {
        return Ok(None);
    };
    // Also what is misspelt, to be answered with the right name.
    let known = ["generator", "name", "records"];
    let means_generator = |field: &String| nearest(field, known) == Some("generator");
    if fields.contains_key("records") || !fields.keys().any(means_generator) {
        return Ok(None);
    }
    let upload: GeneratorUpload = extract::parse(bytes)?;
    let faults = upload.generator.faults();
    if faults.is_empty() {
        return Ok(Some(upload));
    }
    let within = |fault: FieldError| {
        let field = format!("generator.{}", fault.field);
        FieldError { field, ..fault }
    };
    Err(Problem::fields(Code::InvalidRequest, faults.into_iter().map(within).collect()))
}
