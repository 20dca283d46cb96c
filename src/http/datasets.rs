//! `/v1/datasets`.

use std::io::{BufReader, BufWriter};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::IdempotencyKey;
use super::generate::{self, GeneratorUpload};
use super::media::media_type;
use super::page::{self, ListQuery, Listed};
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use super::upload::{self, Received};
use crate::data::reader::{self, Format};
use crate::data::records::{self, RecordWriter, Written};
use crate::data::{DataError, Limits};
use crate::problem::{Code, FieldError, Problem};
use crate::store::datasets::{Dataset, NewDataset, Origin};
use crate::store::{Artifacts, Cursor};

/// Parameters of an upload.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// What to call the dataset. Default: the file's name.
    #[param(max_length = 200, nullable = false)]
    pub name: Option<String>,
}

/// Records as JSON.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordsUpload {
    /// What to call the dataset.
    pub name: Option<String>,
    /// The records: column names and values. A value is a text, a number, a boolean, null, or a list
    /// of these.
    pub records: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// A dataset as JSON: its records, or how they are made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum JsonUpload {
    /// Records.
    Records(RecordsUpload),
    /// A generator.
    Generator(GeneratorUpload),
}

/// A file in a form.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form in the API's document; the form itself is streamed"
)]
pub struct FileUpload {
    /// The file: CSV, JSON Lines, JSON, Parquet or a zip archive of images, told by its name or content type.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What to call the dataset.
    name: Option<String>,
}

/// A zip archive of PNG and JPEG images, with one CSV table that names each by its path.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(
    dead_code,
    reason = "describes the body in the API's document; the body itself is streamed"
)]
pub struct ZipUpload(Vec<u8>);

/// Upload a dataset, or have one made.
///
/// CSV, JSON Lines, a JSON array of records, Parquet, or a zip archive of PNG and JPEG images with one
/// CSV that names each by its path and holds its labels; as the `file` of a form, as the body with
/// its content type, or as JSON records. Or, without a file, a `generator` as JSON: `sine`,
/// `make_classification`, `blobs`, `circles`, `moons` or `shapes`; `GET /v1/catalog` has the fields
/// of each. The same records are the same dataset: uploading them again
/// answers 200 with the dataset there is. An image is stored as the base64 of its file; JSON and CSV
/// cells may hold such text as well, and Parquet cells the bytes. Bad input is refused whole, with the row and the column.
#[utoipa::path(post, path = "/v1/datasets", tag = "datasets", params(UploadQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of a key are answered alike for a day")),
    request_body(content(
        (JsonUpload = "application/json", examples(
            ("records" = (summary = "Six sentences", value = json!({"name": "six sentences", "records": [
                {"text": "I love this product", "sentiment": "positive"},
                {"text": "This is a great product", "sentiment": "positive"},
                {"text": "I am happy with this purchase", "sentiment": "positive"},
                {"text": "I hate this product", "sentiment": "negative"},
                {"text": "This is a terrible product", "sentiment": "negative"},
                {"text": "I am disappointed with this purchase", "sentiment": "negative"}]}))),
            ("sine" = (summary = "Points of a sine curve", value = json!({"name": "sine", "generator": {
                "type": "sine", "points": 100, "low": 0, "high": 10, "noise": 0.0, "seed": 1}}))),
            ("make_classification" = (summary = "A classification problem", value = json!({"generator": {
                "type": "make_classification", "samples": 1000, "features": 20, "informative": 15,
                "redundant": 5}}))),
            ("shapes" = (summary = "Images that show several shapes at once", value = json!({"generator": {
                "type": "shapes", "images": 500, "max_shapes": 3}}))))),
        (FileUpload = "multipart/form-data"), (String = "text/csv"),
        (String = "text/tab-separated-values"), (String = "application/x-ndjson"),
        (String = "application/jsonl"), (Vec<u8> = "application/vnd.apache.parquet"),
        (ZipUpload = "application/zip"))),
    responses((status = 201, description = "Stored", body = Dataset),
              (status = 200, description = "Already there", body = Dataset),
              (status = 413, description = "Too large", body = Problem),
              (status = 415, description = "Not a format that is read", body = Problem),
              (status = 422, description = "Bad records: nothing was stored", body = Problem),
              (status = 507, description = "No space left: nothing was stored", body = Problem)))]
pub async fn upload(
    State(state): State<AppState>,
    Query(query): Query<UploadQuery>,
    key: IdempotencyKey,
    request: Request,
) -> Result<Response, Failure> {
    let media_type = media_type(request.headers())?;
    let known =
        media_type == "multipart/form-data" || Format::from_media_type(&media_type).is_some();
    if !known {
        return Err(unsupported(&media_type).into());
    }
    let Received { file, name, format, sha256 } = upload::receive(&state, request).await?;
    let keyed = key.on("POST /v1/datasets", sha256);
    if let Some(before) = super::replayed(&state, keyed.as_ref()).await? {
        return Ok(before);
    }
    let Some(format) = format else {
        let hint =
            "name the file .csv, .jsonl, .json, .parquet or .zip, or give its part a content type";
        let error = FieldError::new("file", "is of no format that can be told").hint(hint);
        return Err(Problem::fields(Code::UnsupportedMediaType, vec![error]).into());
    };
    // A form holds a file of records, whatever its format.
    let asked = match format {
        Format::Json if !media_type.starts_with("multipart/form-data") => {
            generate::requested(&file).await?
        }
        _ => None,
    };
    let (origin, asked_name) = match asked {
        Some(GeneratorUpload { name, generator }) => {
            let name = name.unwrap_or_else(|| generator.name().to_owned());
            (Origin::Generator(generator), Some(name))
        }
        None => (Origin::File(format), None),
    };
    let output = state.store.artifacts.scratch_file()?;
    let (output, output_path) = output.into_parts();
    let source = origin.clone();
    let read = move || convert(&source, &file, output);
    let written = match state.files.run(read).await {
        Ok(written) => written?,
        // The crates that read Parquet and zip trust their input; their panic is bad input.
        Err(crate::compute::ComputeError::Panicked(message)) if format == Format::Parquet => {
            return Err(DataError::Parquet { message }.into());
        }
        Err(crate::compute::ComputeError::Panicked(message)) if format == Format::Zip => {
            return Err(DataError::Zip { message }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let name = query.name.or(asked_name).or(written.name.clone()).or(name);
    let name = name.unwrap_or_else(|| "dataset".to_owned());
    if name.chars().count() > 200 || name.contains(char::is_control) {
        let error = FieldError::new("name", "is too long or holds control characters")
            .hint("send at most 200 printable characters");
        return Err(Problem::fields(Code::InvalidRequest, vec![error]).into());
    }
    let new = NewDataset { name: &name, origin, written, file: &output_path };
    let (dataset, is_new) = match state.store.insert_dataset(new, keyed.as_ref()).await {
        Ok(stored) => stored,
        Err(error) => return super::replay_taken(&state, keyed.as_ref(), error).await,
    };
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/datasets/{}", dataset.id);
    Ok((status, [(header::LOCATION, location)], Json(dataset)).into_response())
}

fn convert(
    origin: &Origin,
    path: &std::path::Path,
    output: std::fs::File,
) -> Result<Written, DataError> {
    let mut writer = RecordWriter::new(BufWriter::with_capacity(1 << 18, output));
    match origin {
        Origin::File(format) => {
            let input = std::fs::File::open(path)?;
            reader::read(*format, &input, &Limits::default(), &mut writer)?;
        }
        Origin::Generator(generator) => generator.generate(&mut writer)?,
    }
    writer.finish()
}

fn unsupported(media_type: &str) -> Problem {
    let detail = if media_type.is_empty() {
        "the body has no content type".to_owned()
    } else {
        format!("the content type {media_type:?} is no format that datasets are read from")
    };
    Problem::new(Code::UnsupportedMediaType, detail).hint(
        "send text/csv, application/x-ndjson, application/json, application/vnd.apache.parquet, \
         application/zip, or a multipart/form-data with the file as `file`",
    )
}

/// List datasets, newest first.
#[utoipa::path(get, path = "/v1/datasets", tag = "datasets", params(ListQuery),
    responses((status = 200, description = "A page of datasets", body = Listed<Dataset>)))]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Listed<Dataset>>, Failure> {
    let after = page::decode(query.cursor.as_deref())?;
    let page = state.store.datasets(page::limit(query.limit), after.as_ref()).await?;
    let next_cursor = page.next.as_ref().map(page::encode);
    Ok(Json(Listed { items: page.items, next_cursor }))
}

/// Look up a dataset: columns, balance, duplicates, lengths.
#[utoipa::path(get, path = "/v1/datasets/{id}", tag = "datasets",
    params(("id" = String, Path, description = "Id of the dataset", example = "ds_74f25f4a1c310ee85af434388a95b276")),
    responses((status = 200, description = "The dataset", body = Dataset),
              (status = 404, description = "No such dataset", body = Problem)))]
pub async fn get(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Dataset>, Failure> {
    Ok(Json(state.store.dataset(&id).await?))
}

/// Records of a dataset.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordPage {
    /// Row of the first record of this page, from 1.
    pub first_row: u64,
    /// The records, in the order of the file: column names and values.
    pub items: Vec<serde_json::Map<String, serde_json::Value>>,
    /// What to send as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Page through the records of a dataset.
#[utoipa::path(get, path = "/v1/datasets/{id}/records", tag = "datasets",
    params(("id" = String, Path, description = "Id of the dataset", example = "ds_74f25f4a1c310ee85af434388a95b276"), ListQuery),
    responses((status = 200, description = "A page of records", body = RecordPage),
              (status = 404, description = "No such dataset", body = Problem)))]
pub async fn records(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Json<RecordPage>, Failure> {
    let limit = page::limit(query.limit);
    let dataset = state.store.dataset(&id).await?;
    let index = state.store.dataset_index(&id).await?;
    let after = page::decode(query.cursor.as_deref())?;
    let first = after.map_or(0, |cursor| cursor.time.max(0).unsigned_abs());
    let file = state.store.artifacts.file(&Artifacts::dataset_key(&id)).await?;
    let read = move || {
        let input = BufReader::new(std::fs::File::open(file.path())?);
        records::read_page(input, &index, first, limit)
    };
    let rows: Vec<_> = state.files.run(read).await??;
    let next = first + rows.len() as u64;
    let record = |cells: Vec<crate::data::Cell>| {
        let names = dataset.columns.iter().map(|column| column.name.clone());
        names.zip(cells.iter().map(crate::data::Cell::to_json)).collect()
    };
    let more = next < dataset.rows && !rows.is_empty();
    let next_cursor = more.then(|| page::encode(&Cursor { time: next as i64, id: id.clone() }));
    let items = rows.into_iter().map(record).collect();
    Ok(Json(RecordPage { first_row: first + 1, items, next_cursor }))
}

/// Delete a dataset.
///
/// Refused while a job that has not ended needs it. Models made from it stay.
#[utoipa::path(delete, path = "/v1/datasets/{id}", tag = "datasets",
    params(("id" = String, Path, description = "Id of the dataset", example = "ds_74f25f4a1c310ee85af434388a95b276")),
    responses((status = 204, description = "Deleted"),
              (status = 404, description = "No such dataset", body = Problem),
              (status = 409, description = "A job needs it", body = Problem)))]
pub async fn delete(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    state.store.delete_dataset(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
