//! A run as MLflow knows runs: pure, from what the API answers.

use serde_json::Value;

use super::names::Names;
use crate::cli::Failure;
use crate::clock::Timestamp;
use crate::http::runs::History;
use crate::job::{Job, JobStatus, Run};

/// Characters of a parameter's value at most.
const LONGEST_PARAMETER: usize = 6_000;
/// Characters of a tag's value at most.
const LONGEST_TAG: usize = 5_000;

/// What the API says of a run.
pub struct Source {
    /// The run.
    pub run: Run,
    /// Its job.
    pub job: Job,
    /// The run as the API answered it.
    pub document: Value,
    /// Its histories.
    pub metrics: Vec<History>,
}

/// A run as MLflow keeps it.
pub struct Entry {
    /// Id of the run here.
    pub run: String,
    /// Id of the run here that it is nested in.
    pub parent: Option<String>,
    /// What MLflow shows as its name.
    pub name: String,
    /// How it ended.
    pub status: Ended,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Parameters: the resolved spec, field by field.
    pub parameters: Vec<(String, String)>,
    /// Metrics, each with its values in order of step.
    pub metrics: Vec<(String, Vec<Measured>)>,
    /// Tags, all but that of the parent.
    pub tags: Vec<(String, String)>,
    /// The run as the API answered it.
    pub document: Value,
}

/// How a run ended, in MLflow's words and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It left what it should: `FINISHED`.
    Finished = 3,
    /// `FAILED`.
    Failed = 4,
    /// Somebody cancelled it: `KILLED`.
    Killed = 5,
}

impl Ended {
    /// MLflow's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }
}

/// A value of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Steps done.
    pub step: u64,
    /// When.
    pub time: Timestamp,
    /// The value; may be NaN or infinite.
    pub value: f64,
}

impl Entry {
    /// A run for MLflow.
    pub fn of(source: &Source) -> Result<Self, Failure> {
        let Source { run, job, document, metrics } = source;
        let (started, ended) = span(source);
        let mut names = Names::default();
        let mut told = histories(metrics, &mut names)?;
        let step = run.steps.unwrap_or(0);
        let mut at_end = vec![
            ("run.epochs".to_owned(), run.epochs.map(|n| n as f64)),
            ("run.best_epoch".to_owned(), run.best_epoch.map(|n| n as f64)),
            ("run.steps".to_owned(), run.steps.map(|n| n as f64)),
            ("run.seconds".to_owned(), run.seconds.as_ref().map(|seconds| seconds.total)),
        ];
        // Of the parameters that were kept; `validation.…` without `model.` is of every epoch.
        numbers("model", &document["metrics"], &mut at_end);
        for (name, value) in at_end {
            if let Some(value) = value {
                told.push((names.give(&name), vec![Measured { step, time: ended, value }]));
            }
        }
        let mut parameters = Vec::new();
        leaves("", &document["spec"], &mut parameters);
        let mut names = Names::default();
        let parameters = parameters
            .into_iter()
            .map(|(name, value)| (names.give(&name), cut(&value, LONGEST_PARAMETER)))
            .collect();
        let nested = run.trial.is_some() && job.run != run.id;
        Ok(Self {
            run: run.id.clone(),
            parent: nested.then(|| job.run.clone()),
            name: name(run, job),
            status: match run.status {
                JobStatus::Failed => Ended::Failed,
                JobStatus::Cancelled => Ended::Killed,
                _ => Ended::Finished,
            },
            started,
            ended,
            parameters,
            metrics: told,
            tags: tags(run, job),
            document: document.clone(),
        })
    }
}

/// A model's name, or the kind of job with the number of the training in it.
fn name(run: &Run, job: &Job) -> String {
    match (run.trial, &run.spec.model_name) {
        (Some(trial), _) => format!("{} {trial}", job.kind),
        (None, Some(name)) if job.kind == "train" => name.clone(),
        (None, Some(name)) => format!("{} {name}", job.kind),
        (None, None) => job.kind.clone(),
    }
}

/// When a run began and ended. A training of a sweep or a diagnosis is known by its metrics.
fn span(Source { run, job, metrics, .. }: &Source) -> (Timestamp, Timestamp) {
    if run.trial.is_none() {
        let started = job.started_at.unwrap_or(run.created_at);
        return (started, job.finished_at.unwrap_or(started));
    }
    let times = || metrics.iter().flat_map(|metric| metric.points.iter().map(|point| point.time));
    let started = times().min().unwrap_or(run.created_at);
    (started, times().max().unwrap_or(started))
}

fn tags(run: &Run, job: &Job) -> Vec<(String, String)> {
    let end_reason = run.end_reason.as_ref().and_then(|reason| {
        serde_json::to_value(reason).ok().and_then(|name| name.as_str().map(str::to_owned))
    });
    let environment = run.environment.as_ref();
    let warnings: Vec<String> =
        run.warnings.iter().map(|warning| format!("- {}", warning.message)).collect();
    let note = match (job.error.as_ref(), warnings.as_slice()) {
        (Some(problem), _) => Some(problem.to_string()),
        (None, []) => None,
        (None, warnings) => Some(warnings.join("\n")),
    };
    let tags = [
        ("whereof.run", Some(run.id.clone())),
        ("whereof.job", Some(run.job.clone())),
        ("whereof.kind", Some(job.kind.clone())),
        ("whereof.status", Some(run.status.name().to_owned())),
        ("whereof.end_reason", end_reason),
        ("whereof.trial", run.trial.map(|trial| trial.to_string())),
        ("whereof.model", run.model.clone()),
        ("whereof.dataset", Some(job.dataset.clone())),
        ("whereof.version", environment.map(|e| e.whereof_version.clone())),
        ("whereof.platform", environment.map(|e| e.platform.clone())),
        ("whereof.device", environment.map(|e| e.device.clone())),
        ("mlflow.source.name", Some("whereof".to_owned())),
        ("mlflow.source.type", Some("LOCAL".to_owned())),
        ("mlflow.source.git.commit", environment.and_then(|e| e.commit.clone())),
        ("mlflow.user", Some("whereof".to_owned())),
        ("mlflow.note.content", note),
    ];
    let there = tags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    there.map(|(name, value)| (name, cut(&value, LONGEST_TAG))).collect()
}

fn histories(
    metrics: &[History],
    names: &mut Names,
) -> Result<Vec<(String, Vec<Measured>)>, Failure> {
    let with_points = metrics.iter().filter(|metric| !metric.points.is_empty());
    with_points
        .map(|metric| -> Result<_, Failure> {
            let points = metric.points.iter().map(|point| -> Result<Measured, Failure> {
                let value = number(&point.value)
                    .ok_or_else(|| format!("{} has a point that is no number", metric.name))?;
                Ok(Measured { step: point.step, time: point.time, value })
            });
            Ok((names.give(&metric.name), points.collect::<Result<Vec<_>, Failure>>()?))
        })
        .collect()
}

/// A number as the API writes it; one that is not finite is a text.
fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

/// Every number below `value`, by its path; the two ends of an interval are `.low` and `.high`. What is
/// told label by label is left to the run's document.
fn numbers(path: &str, value: &Value, into: &mut Vec<(String, Option<f64>)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                numbers(&format!("{path}.{name}"), value, into);
            }
        }
        Value::Array(values) => {
            if let [Some(low), Some(high)] =
                [0_usize, 1].map(|end| values.get(end).and_then(Value::as_f64))
                && values.len() == 2
                && path.ends_with("_interval")
            {
                into.push((format!("{path}.low"), Some(low)));
                into.push((format!("{path}.high"), Some(high)));
            }
        }
        value => {
            if let Some(value) = number(value) {
                into.push((path.to_owned(), Some(value)));
            }
        }
    }
}

/// Every field below `value` that is set, by its path; a list is one value, as JSON.
fn leaves(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, value, into);
            }
        }
        Value::String(text) => into.push((path.to_owned(), text.clone())),
        value => into.push((path.to_owned(), value.to_string())),
    }
}

/// At most so many characters; what was longer ends with an ellipsis.
fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn specs_become_parameters_and_metrics_numbers() {
        let spec = json!({"a": {"b": 1, "c": null, "d": [1, 2]}, "e": "x", "f": true, "g": {}});
        let mut parameters = Vec::new();
        leaves("", &spec, &mut parameters);
        let wanted = [("a.b", "1"), ("a.d", "[1,2]"), ("e", "x"), ("f", "true")];
        assert_eq!(parameters, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));

        let metrics = json!({"test": {"accuracy": 0.5, "accuracy_interval": [0.25, 0.75],
            "per_class": [{"label": "a", "f1": 1.0}], "rows": [[1, 2]], "loss": "Infinity"}});
        let mut found = Vec::new();
        numbers("model", &metrics, &mut found);
        let wanted = [
            ("model.test.accuracy", 0.5),
            ("model.test.accuracy_interval.low", 0.25),
            ("model.test.accuracy_interval.high", 0.75),
            ("model.test.loss", f64::INFINITY),
        ];
        assert_eq!(found, wanted.map(|(name, value)| (name.to_owned(), Some(value))));
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äbcd", 3), "äb…");
    }
}
