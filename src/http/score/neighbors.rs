//! What the dataset holds of the training records that scores show.

use std::collections::BTreeMap;
use std::io::BufReader;

use serde_json::Value;

use super::{invalid, too_much};
use crate::config::Config;
use crate::data::error::DataError;
use crate::data::{Cell, records};
use crate::http::problem::Failure;
use crate::http::state::AppState;
use crate::model::Model;
use crate::model::card::Unavailable;
use crate::model::explanation::Neighbor;
use crate::model::score::ScoreItem;
use crate::problem::Problem;
use crate::store::{Artifacts, StoreError};
use crate::task::Input;

/// Training records that an answer may show: records × neighbors.
const MAX_NEIGHBORS: usize = 10_000;
/// Cells of them that an answer may hold: records × neighbors × columns.
const MAX_CELLS: usize = 200_000;
/// Characters that are shown of a text.
const EXCERPT: usize = 500;

/// Whether an answer of `records` may show this many neighbours of each.
pub fn check(
    config: &Config,
    model: &Model,
    neighbors: usize,
    records: usize,
) -> Result<(), Problem> {
    let field = "explain.neighbors";
    if neighbors > 0 && config.hide_neighbors {
        let hint = "leave it out; whoever runs the server decides with --hide-neighbors";
        return Err(invalid(field, "are not shown by this server", hint));
    }
    let (shown, columns) = (neighbors * records, model.spec.task.input_columns().len());
    let (asked, most, what) = match shown * columns {
        _ if shown > MAX_NEIGHBORS => (shown, MAX_NEIGHBORS, "training records"),
        cells if cells > MAX_CELLS => (cells, MAX_CELLS, "cells of training records"),
        _ => return Ok(()),
    };
    let message = format!("ask for {asked} {what}; an answer holds {most}");
    Err(too_much(field, message, "send fewer records at once, or lower explain.neighbors"))
}

/// Adds to the neighbours of scores what the dataset holds of them. Says why it did not, where the
/// server no longer has it.
pub async fn show(
    state: &AppState,
    model: &Model,
    results: &mut [ScoreItem],
) -> Result<Option<Unavailable>, Failure> {
    let task = &model.spec.task;
    // An image would make up most of an answer; its row says where it is.
    if let Input::Image(_) = task.input() {
        return Ok(None);
    }
    let mut rows: Vec<u64> = neighbors(results).map(|neighbor| neighbor.row - 1).collect();
    rows.sort_unstable();
    rows.dedup();
    if rows.is_empty() {
        return Ok(None);
    }
    let Some(found) = read(state, &model.spec.dataset, rows.clone()).await? else {
        return Ok(Some(Unavailable {
            statistic: "explanation.neighbors.record".to_owned(),
            reason: format!(
                "the dataset {:?} is not on this server, so that training records are shown by row \
                 number and what was to be learnt of them",
                model.spec.dataset
            ),
            have: 0,
            need: None,
        }));
    };
    let (names, records) = found;
    let position = |name: &str| names.iter().position(|column| column == name);
    let columns: Vec<(&str, usize)> =
        task.input_columns().into_iter().filter_map(|name| Some((name, position(name)?))).collect();
    let records: BTreeMap<u64, Vec<Cell>> = rows.into_iter().zip(records).collect();
    for neighbor in neighbors(results) {
        let Some(cells) = records.get(&(neighbor.row - 1)) else { continue };
        let mut shown = columns.iter().filter_map(|(name, at)| Some((*name, cells.get(*at)?)));
        if let Input::Text(_) = task.input() {
            let text = shown.next().and_then(|(_, cell)| cell.to_text());
            neighbor.text = text.as_deref().map(excerpt);
        } else {
            let cell = |(name, cell): (&str, &Cell)| (name.to_owned(), cut(cell.to_json()));
            neighbor.record = Some(shown.map(cell).collect());
        }
    }
    Ok(None)
}

fn neighbors(results: &mut [ScoreItem]) -> impl Iterator<Item = &mut Neighbor> {
    let explanations = results.iter_mut().filter_map(ScoreItem::explanation);
    explanations.filter_map(|explanation| explanation.neighbors.as_mut()).flatten()
}

/// The columns of a dataset and its records at `rows`, from 0, ascending; `None` where the server
/// does not have it, or no longer.
async fn read(
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
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn cut(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(excerpt(&text)),
        other => other,
    }
}
