//! `whereof score`: texts or rows, from the command line or from standard input.

use std::io::{IsTerminal, Read};

use clap::Args;
use serde_json::{Value, json};

use super::target::{Target, print_json};
use super::{Failure, show};
use crate::diagnose::render::path_part;
use crate::http::score::ScoreResponse;

/// Arguments of `score`.
#[derive(Debug, Args)]
pub struct Score {
    /// The model: its id, name, or name@alias
    model: String,
    /// Texts, or rows as JSON objects such as '{"x": 1}' [default: the lines of standard input]
    records: Vec<String>,
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

pub fn score(arguments: Score) -> Result<(), Failure> {
    let Score { model, records, max_false_alarm, min_confidence, on } = arguments;
    let records = if records.is_empty() { lines()? } else { records };
    let mut request = request(&records);
    for (name, value) in [("max_false_alarm", max_false_alarm), ("min_confidence", min_confidence)]
    {
        if let Some(value) = value {
            request[name] = value.into();
        }
    }
    let as_json = on.json;
    on.with(async move |client| {
        let path = format!("/v1/models/{}/score", path_part(&model));
        let answer: Value = client.post(&path, &request).await?;
        if as_json {
            print_json(&answer);
            return Ok(());
        }
        let answer: ScoreResponse = serde_json::from_value(answer)?;
        let texts: Vec<&str> = records.iter().map(String::as_str).collect();
        println!("{}", show::scores(&texts, &answer.results));
        for unavailable in &answer.unavailable {
            let need = unavailable.need.map_or_else(String::new, |need| format!(" (needs {need})"));
            println!("unavailable: {}: {}{need}", unavailable.statistic, unavailable.reason);
        }
        Ok(())
    })
}

/// Records that are all JSON objects are rows, others texts.
fn request(records: &[String]) -> Value {
    let object = |record: &String| {
        crate::json::parse(record.as_bytes()).ok().filter(|value| value.is_object())
    };
    let rows: Option<Vec<Value>> = records.iter().map(object).collect();
    match rows {
        Some(rows) => json!({ "records": rows }),
        None => json!({ "texts": records }),
    }
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
            request(&records.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["{\"x\": 1}", "{}"]), json!({"records": [{"x": 1}, {}]}));
        assert_eq!(of(&["{\"x\": 1}", "good"]), json!({"texts": ["{\"x\": 1}", "good"]}));
        assert_eq!(of(&["1"]), json!({"texts": ["1"]}));
    }
}
