//! Single records of a dataset, to be shown beside what a model said of them.

use std::io::BufReader;

use serde_json::Value;

use super::problem::Failure;
use super::state::AppState;
use crate::data::error::DataError;
use crate::data::{Cell, records};
use crate::store::{Artifacts, StoreError};

/// Characters that are shown of a text.
const EXCERPT: usize = 500;

/// The columns of a dataset and its records at `rows`, from 0, ascending; `None` where the server
/// does not have it, or no longer.
pub async fn read(
    state: &AppState,
    dataset: &str,
    rows: Vec<u64>,
) -> Result<Option<(Vec<String>, Vec<Vec<Cell>>)>, Failure> {
    let opened = async {
        let stored = state.store.dataset(dataset).await?;
        let index = state.store.dataset_index(dataset).await?;
        let file = state.store.artifacts.file(&Artifacts::dataset_key(dataset)).await?;
        Ok::<_, StoreError>((stored, index, file))
    };
    let (stored, index, file) = match opened.await {
        Ok(opened) => opened,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        // The file goes after the row: it may have been deleted a moment ago.
        Err(error) => match state.store.dataset(dataset).await {
            Err(StoreError::NotFound { .. }) => return Ok(None),
            _ => return Err(error.into()),
        },
    };
    let read = move || {
        let input = match std::fs::File::open(file.path()) {
            Ok(file) => BufReader::with_capacity(1 << 18, file),
            // It was deleted a moment ago.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DataError::from(error)),
        };
        records::read_rows(input, &index, &rows).map(Some)
    };
    let records = state.files.run(read).await??;
    let names = stored.columns.into_iter().map(|column| column.name);
    Ok(records.map(|records| (names.collect(), records)))
}

/// A text, cut if it is long.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value, cut if it is a long text.
pub fn cut(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(excerpt(&text)),
        other => other,
    }
}
