//! What the dataset holds of the training records that scores show.

use std::collections::BTreeMap;

use super::{invalid, too_much};
use crate::config::Config;
use crate::data::Cell;
use crate::http::problem::Failure;
use crate::http::state::AppState;
use crate::http::stored_records::{cut, excerpt, read};
use crate::model::Model;
use crate::model::card::Unavailable;
use crate::model::explanation::Neighbor;
use crate::model::score::ScoreItem;
use crate::problem::Problem;
use crate::task::Input;

/// Training records that an answer may show: records × neighbors.
const MAX_NEIGHBORS: usize = 10_000;
/// Cells of them that an answer may hold: records × neighbors × columns.
const MAX_CELLS: usize = 200_000;

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
