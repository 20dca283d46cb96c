//! `whereof score`: texts or rows, from the command line, from standard input or from a file.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::print::{out, print_json};
use super::target::Target;
use super::{Failure, show};
use crate::data::{Cell, DataError, Limits, Sink};
use crate::diagnose::render::path_part;
use crate::http::score::ScoreResponse;

/// Arguments of `score`.
#[derive(Debug, Args)]
pub struct Score {
    /// The model: its id, name, or name@alias
    model: String,
    /// Texts, or rows as JSON objects such as '{"x": 1}' [default: the lines of standard input]
    records: Vec<String>,
    /// Score the records of a file instead: CSV, TSV, JSON Lines, JSON or Parquet with the model's columns
    #[arg(long, value_name = "FILE", conflicts_with = "records")]
    file: Option<PathBuf>,
    /// Largest share of records like those it was trained on that may be flagged as outside
    /// [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    max_false_alarm: Option<f64>,
    /// Least calibrated confidence of an accepted answer [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    min_confidence: Option<f64>,
    #[command(flatten)]
    on: Target,
}

/// Records of one request at most.
const BATCH: usize = 1_000;

pub fn score(arguments: Score) -> Result<(), Failure> {
    let Score { model, records, file, max_false_alarm, min_confidence, on } = arguments;
    let from_file = file.is_some();
    let records = match file {
        Some(file) => read(&file)?,
        None if records.is_empty() => told(lines()?),
        None => told(records),
    };
    let as_json = on.json;
    on.without_workers(async move |client| {
        let path = format!("/v1/models/{}", path_part(&model));
        let mut records = records;
        let mut texts = Vec::new();
        if let Records::Rows(rows) = &mut records {
            let model: Value = client.get(&path).await?;
            let task = &model["spec"]["task"];
            if from_file {
                rows.iter_mut().for_each(|row| keep(row, &taken(task)));
            }
            texts = rows.iter().map(|row| shown(row, task["text"].as_str())).collect();
        } else if let Records::Texts(told) = &records {
            texts.clone_from(told);
        }
        let (mut results, mut whole) = (Vec::new(), Value::Null);
        for mut request in records.batches() {
            let wanted = [("max_false_alarm", max_false_alarm), ("min_confidence", min_confidence)];
            for (name, value) in wanted {
                if let Some(value) = value {
                    request[name] = value.into();
                }
            }
            whole = client.post(&format!("{path}/score"), &request).await?;
            if let Value::Array(more) = whole["results"].take() {
                results.extend(more);
            }
        }
        whole["results"] = results.into();
        if as_json {
            return print_json(&whole);
        }
        let answer: ScoreResponse = serde_json::from_value(whole)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        out(&show::answers(&texts, &answer))
    })
}

/// What is to be scored.
#[derive(Debug, PartialEq)]
enum Records {
    Texts(Vec<String>),
    Rows(Vec<Value>),
}

impl Records {
    /// Requests that hold them all, in order.
    fn batches(&self) -> Vec<Value> {
        match self {
            Self::Texts(texts) => texts.chunks(BATCH).map(|t| json!({ "texts": t })).collect(),
            Self::Rows(rows) => rows.chunks(BATCH).map(|r| json!({ "records": r })).collect(),
        }
    }
}

/// The columns that a task reads.
fn taken(task: &Value) -> Vec<&str> {
    let one = [&task["text"], &task["image"]].into_iter();
    let many = task["features"].as_array().into_iter().flatten();
    one.chain(many).filter_map(Value::as_str).collect()
}

/// Leaves out the columns of a row that are not asked for, such as the label in a file that has one.
fn keep(row: &mut Value, columns: &[&str]) {
    if let Some(fields) = row.as_object_mut() {
        fields.retain(|name, _| columns.contains(&name.as_str()));
    }
}

/// A row as it is shown: the text in the column that the model reads, or all of it.
fn shown(row: &Value, text: Option<&str>) -> String {
    let text = text.and_then(|column| row[column].as_str());
    text.map_or_else(|| row.to_string(), str::to_owned)
}

/// Records that are all JSON objects are rows, others texts.
fn told(records: Vec<String>) -> Records {
    let object = |record: &String| {
        crate::json::parse(record.as_bytes()).ok().filter(|value| value.is_object())
    };
    let rows: Option<Vec<Value>> = records.iter().map(object).collect();
    rows.map_or(Records::Texts(records), Records::Rows)
}

/// Collects a file's records.
#[derive(Default)]
struct Rows {
    names: Vec<String>,
    rows: Vec<Value>,
}

impl Sink for Rows {
    fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
        names.clone_into(&mut self.names);
        Ok(())
    }

    fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
        let fields = self.names.iter().cloned().zip(cells.iter().map(Cell::to_json));
        self.rows.push(Value::Object(fields.collect()));
        Ok(())
    }
}

/// The records of a file.
fn read(path: &Path) -> Result<Records, Failure> {
    let format = super::train::format_of(path)?;
    let mut rows = Rows::default();
    let file = File::open(path);
    let file = file.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    crate::data::reader::read(format, &file, &Limits::default(), &mut rows)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if rows.rows.is_empty() {
        return Err(format!("nothing to score: {} has no records", path.display()).into());
    }
    Ok(Records::Rows(rows.rows))
}

/// The lines of standard input that hold something.
fn lines() -> Result<Vec<String>, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(
            "nothing to score: name texts, or send them on standard input, one to a line".into()
        );
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let lines: Vec<String> =
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        Err("nothing to score: standard input is empty".into())
    } else {
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_rows_and_anything_else_is_text() {
        let of = |records: &[&str]| {
            told(records.iter().map(|r| (*r).to_owned()).collect()).batches().remove(0)
        };
        assert_eq!(of(&["{\"x\": 1}", "{}"]), json!({"records": [{"x": 1}, {}]}));
        assert_eq!(of(&["{\"x\": 1}", "good"]), json!({"texts": ["{\"x\": 1}", "good"]}));
        assert_eq!(of(&["1"]), json!({"texts": ["1"]}));
    }

    #[test]
    fn many_records_take_several_requests() {
        let many = Records::Texts(vec!["a".to_owned(); BATCH + 1]);
        let sizes: Vec<usize> =
            many.batches().iter().map(|b| b["texts"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [BATCH, 1]);
        let row = json!({"t": "a text", "x": 1});
        assert_eq!(shown(&row, Some("t")), "a text");
        assert_eq!(shown(&row, None), "{\"t\":\"a text\",\"x\":1}");
        let task = json!({"text": "t", "label": "x"});
        let mut row = row;
        keep(&mut row, &taken(&task));
        assert_eq!(row, json!({"t": "a text"}));
        assert_eq!(taken(&json!({"features": ["a", "b"], "target": ["y"]})), ["a", "b"]);
    }
}
