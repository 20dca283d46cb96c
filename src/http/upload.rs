//! Uploads: a multipart file, a raw body by its content type, or JSON records, streamed to disk
//! piece by piece.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::StatusCode;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

use super::media::{self, media_type};
use super::state::AppState;
use crate::data::reader::Format;
use crate::problem::{Code, FieldError, Problem};
use crate::store::{Store, StoreError};

/// A piece of a body that takes longer than this to arrive ends the upload.
const IDLE: Duration = Duration::from_secs(30);
/// A form field other than the file may have this many bytes.
const MAX_FIELD_BYTES: usize = 4_096;
/// Bytes of a form besides its file.
const FORM_BYTES: usize = 1 << 20;

/// A file that was received.
pub struct Received {
    /// Where it is; removed when dropped.
    pub file: TempPath,
    /// The name that the client gave it.
    pub name: Option<String>,
    /// The format that its content type or file name says.
    pub format: Option<Format>,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// Receives the one file of a request.
pub async fn receive(state: &AppState, mut request: Request) -> Result<Received, Problem> {
    let media_type = media_type(request.headers())?;
    if media_type == "multipart/form-data" {
        // The file's bytes are counted as they come; the form around them is small.
        let form_bytes = usize::try_from(state.config.max_upload_bytes).unwrap_or(usize::MAX);
        DefaultBodyLimit::max(form_bytes.saturating_add(FORM_BYTES)).apply(&mut request);
        let multipart = Multipart::from_request(request, state).await;
        return form(state, multipart.map_err(|e| unreadable(e.body_text()))?).await;
    }
    let mut file = Incoming::new(&state.store, state.config.max_upload_bytes)?;
    let mut stream = Body::into_data_stream(request.into_body());
    while let Some(piece) = in_time(stream.next()).await? {
        file.write(&piece.map_err(|e| unreadable(e.to_string()))?).await?;
    }
    let (file, sha256) = file.finish().await?;
    Ok(Received { file, name: None, format: Format::from_media_type(&media_type), sha256 })
}

async fn form(state: &AppState, mut form: Multipart) -> Result<Received, Problem> {
    let mut received = None;
    let mut name = None;
    let limit = state.config.max_upload_bytes;
    let read = |error: axum::extract::multipart::MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(limit),
        _ => unreadable(error.body_text()),
    };
    while let Some(mut field) = in_time(form.next_field()).await?.map_err(read)? {
        match field.name().unwrap_or("").to_owned().as_str() {
            "file" if received.is_none() => {
                let file_name = field.file_name().map(str::to_owned);
                let format = file_name.as_deref().and_then(Format::from_file_name);
                let part = media::essence(field.content_type().unwrap_or(""))?;
                let format = format.or_else(|| Format::from_media_type(&part));
                let mut file = Incoming::new(&state.store, state.config.max_upload_bytes)?;
                while let Some(piece) = in_time(field.chunk()).await?.map_err(read)? {
                    file.write(&piece).await?;
                }
                let (file, sha256) = file.finish().await?;
                received = Some(Received { file, name: file_name, format, sha256 });
            }
            "file" => return Err(field_error("file", "comes twice", "send one file a request")),
            "name" => {
                let mut bytes = Vec::new();
                while let Some(piece) = in_time(field.chunk()).await?.map_err(read)? {
                    bytes.extend_from_slice(&piece);
                    if bytes.len() > MAX_FIELD_BYTES {
                        return Err(field_error(
                            "name",
                            "is too long",
                            "send at most 200 characters",
                        ));
                    }
                }
                let text = String::from_utf8(bytes);
                name = Some(text.map_err(|_| field_error("name", "is not UTF-8", "send UTF-8"))?);
            }
            other => {
                return Err(field_error(other, "is not a known field", "known fields: file, name"));
            }
        }
    }
    let mut received = received
        .ok_or_else(|| field_error("file", "is missing", "send the file as the field `file`"))?;
    if name.is_some() {
        received.name = name;
    }
    Ok(received)
}

/// A file as it arrives.
struct Incoming {
    file: tokio::fs::File,
    path: TempPath,
    hash: Sha256,
    bytes: u64,
    limit: u64,
}

impl Incoming {
    fn new(store: &Store, limit: u64) -> Result<Self, StoreError> {
        let (file, path) = store.artifacts.scratch_file()?.into_parts();
        let file = tokio::fs::File::from_std(file);
        Ok(Self { file, path, hash: Sha256::new(), bytes: 0, limit })
    }

    async fn write(&mut self, piece: &[u8]) -> Result<(), Problem> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.limit {
            return Err(too_large(self.limit));
        }
        self.hash.update(piece);
        self.file.write_all(piece).await.map_err(|e| StoreError::from(e).into())
    }

    async fn finish(mut self) -> Result<(TempPath, String), StoreError> {
        self.file.flush().await?;
        let digest = self.hash.finalize();
        Ok((self.path, digest.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

async fn in_time<T>(piece: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(IDLE, piece).await.map_err(|_| {
        let detail = format!("nothing arrived for {} seconds", IDLE.as_secs());
        Problem::new(Code::RequestTimeout, detail).hint("send the upload again")
    })
}

fn too_large(limit: u64) -> Problem {
    let detail = format!("the upload has more than {} MiB", limit >> 20);
    let hint = "split it, or start the server with a larger --max-upload-mb";
    Problem::new(Code::BodyTooLarge, detail).hint(hint)
}

fn unreadable(message: String) -> Problem {
    Problem::new(Code::InvalidRequest, format!("the upload could not be read: {message}"))
        .hint("send the whole body, as the content type says")
}

fn field_error(field: &str, message: &str, hint: &str) -> Problem {
    Problem::fields(Code::InvalidRequest, vec![FieldError::new(field, message).hint(hint)])
}
