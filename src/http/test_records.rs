//! `/v1/runs/{id}/test-records`: what a model gave for single test records, with the records.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::page;
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use super::stored_records;
use crate::job::Run;
use crate::model::test_results::{Results, TestResults};
use crate::problem::{Code, FieldError, Problem, known_names};
use crate::store::Cursor;

/// Parameters of a look at test records.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TestRecordsQuery {
    /// Only records that have this label; for tasks with one label a record.
    #[param(nullable = false)]
    pub label: Option<String>,
    /// Only records that the model gave this label; for tasks with one label a record.
    #[param(nullable = false)]
    pub predicted: Option<String>,
    /// Only records that the model got wrong. Default: all.
    #[serde(default)]
    pub wrong: bool,
    /// Items at most. Default: 50.
    #[param(minimum = 1, maximum = 1_000, nullable = false)]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

/// Test records of a run.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TestRecordPage {
    /// Test records that are as asked for, on all pages together.
    pub total: u64,
    /// A page of them, the one that the model is furthest from first.
    pub items: Vec<TestRecord>,
    /// What to send as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A test record, and what the model gave for it before calibration.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TestRecord {
    /// Its row in the dataset, from 1.
    pub row: u64,
    /// Its label; where a record has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The most probable label by the model; where a record has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<String>,
    /// Negative log of the probability that the network gave the record's label, at least 0; higher is
    /// worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<f64>,
    /// Its labels that were predicted; where a record may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_labels: Option<u32>,
    /// Labels that were predicted, and are not its own; where a record may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_labels: Option<u32>,
    /// Its labels that were not predicted; where a record may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_labels: Option<u32>,
    /// Its numbers by target, in their units; where numbers are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_values: Option<BTreeMap<String, f64>>,
    /// Those that the model gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_values: Option<BTreeMap<String, f64>>,
    /// What the dataset holds of it: column names and values, long texts cut, images left out. Absent
    /// where the dataset is not on this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Map<String, Value>>,
}

/// Look at single test records: what is taken for what, the worst errors first.
///
/// The records behind a cell of the confusion matrix (`label` and `predicted`), or all that the model got
/// wrong (`wrong=true`), with what the dataset holds of them. The order is that of the log loss before
/// calibration, or of the squared error where numbers are predicted.
#[utoipa::path(get, path = "/v1/runs/{id}/test-records", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"), TestRecordsQuery),
    responses((status = 200, description = "A page of test records", body = TestRecordPage),
              (status = 400, description = "The query is not valid", body = Problem),
              (status = 404, description = "No such run", body = Problem),
              (status = 409, description = "It has not ended with a model, or had no test records", body = Problem)))]
pub async fn test_records(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<TestRecordsQuery>,
) -> Result<Json<TestRecordPage>, Failure> {
    let after = page::decode(query.cursor.as_deref())?;
    let run = state.store.run(&id).await?;
    let Some(results) = state.store.test_results(&id).await? else {
        let detail = format!("the run {id:?} has no results of test records");
        let hint =
            "they are there once a training has ended with a model, if its split has test records";
        return Err(Problem::new(Code::Conflict, detail).hint(hint).into());
    };
    let labels = labels(&run);
    let place = |field: &str, asked: &Option<String>| {
        asked.as_deref().map(|name| position(field, name, &labels)).transpose()
    };
    let (label, predicted) = (place("label", &query.label)?, place("predicted", &query.predicted)?);
    let found = results.worst(label, predicted, query.wrong);
    let first = after.map_or(0, |cursor| cursor.time.max(0).unsigned_abs() as usize);
    let last = first.saturating_add(page::limit(query.limit)).min(found.len());
    let shown = found.get(first..last).unwrap_or_default();
    let mut items: Vec<TestRecord> = shown.iter().map(|&at| item(&results, at, &labels)).collect();
    fill(&state, &run, &mut items).await?;
    let more = last < found.len() && !shown.is_empty();
    let next_cursor = more.then(|| page::encode(&Cursor { time: last as i64, id }));
    Ok(Json(TestRecordPage { total: found.len() as u64, items, next_cursor }))
}

/// The labels of a run's task, in the order in which its results count them.
fn labels(run: &Run) -> Vec<String> {
    let report = run.metrics.as_ref().and_then(|metrics| metrics.test.as_ref()?.classification());
    report
        .map_or_else(Vec::new, |report| report.per_class.iter().map(|c| c.label.clone()).collect())
}

fn position(field: &str, name: &str, labels: &[String]) -> Result<u32, Problem> {
    let found = labels.iter().position(|label| label == name);
    found.map(|at| at as u32).ok_or_else(|| {
        let known: Vec<&str> = labels.iter().map(String::as_str).collect();
        let hint = match known.as_slice() {
            [] => "leave it out: the task has no labels".to_owned(),
            known => known_names(name, "there are", known),
        };
        let error = FieldError::new(field, format!("{name:?} is no label of the run")).hint(hint);
        Problem::fields(Code::InvalidQuery, vec![error])
    })
}

/// What the model gave for a record.
fn item(results: &TestResults, at: usize, labels: &[String]) -> TestRecord {
    let mut item = TestRecord {
        row: results.records[at] + 1,
        label: None,
        predicted: None,
        log_loss: None,
        right_labels: None,
        wrong_labels: None,
        missed_labels: None,
        true_values: None,
        predicted_values: None,
        record: None,
    };
    let label = |at: u32| labels.get(at as usize).cloned();
    match &results.results {
        Results::Labels { truth, predicted, log_loss } => {
            item.label = label(truth[at]);
            item.predicted = label(predicted[at]);
            item.log_loss = Some(log_loss[at]).filter(|loss| loss.is_finite());
        }
        Results::Sets { hits, extra, missed } => {
            item.right_labels = Some(hits[at]);
            item.wrong_labels = Some(extra[at]);
            item.missed_labels = Some(missed[at]);
        }
        Results::Values { targets, truth, predicted } => {
            let of = |values: &[f64]| {
                let own = values.chunks(targets.len().max(1)).nth(at).unwrap_or_default();
                targets.iter().cloned().zip(own.iter().copied()).collect()
            };
            item.true_values = Some(of(truth));
            item.predicted_values = Some(of(predicted));
        }
    }
    item
}

/// Adds what the dataset holds of the records.
async fn fill(state: &AppState, run: &Run, items: &mut [TestRecord]) -> Result<(), Failure> {
    let mut rows: Vec<u64> = items.iter().map(|item| item.row - 1).collect();
    rows.sort_unstable();
    let found = match rows.is_empty() {
        true => None,
        false => stored_records::read(state, &run.spec.dataset, rows.clone()).await?,
    };
    let Some((names, records)) = found else { return Ok(()) };
    let image = match run.spec.task.input() {
        crate::task::Input::Image(column) => Some(column.to_owned()),
        crate::task::Input::Text(_) | crate::task::Input::Table(_) => None,
    };
    let mut records: BTreeMap<u64, _> = rows.into_iter().zip(records).collect();
    for item in items {
        let Some(cells) = records.remove(&(item.row - 1)) else { continue };
        let shown = names.iter().zip(cells).filter(|(name, _)| Some(*name) != image.as_ref());
        let value = |(name, cell): (&String, crate::data::Cell)| {
            (name.clone(), stored_records::cut(cell.to_json()))
        };
        item.record = Some(shown.map(value).collect());
    }
    Ok(())
}
