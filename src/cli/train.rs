//! `whereof train`: upload a file, train on it, say how well that went.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::follow::follow;
use super::print::{note, out, print_json};
use super::target::Target;
use crate::client::Client;
use crate::data::reader::Format;
use crate::diagnose::render::path_part;
use crate::job::{Job, Run};
use crate::store::datasets::Dataset;
use crate::task::MetricsReport;

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct Train {
    /// CSV, TSV, JSON Lines, JSON, Parquet, or a zip archive of images
    file: PathBuf,
    #[command(flatten)]
    request: Request,
    #[command(flatten)]
    on: Target,
}

/// What to train.
#[derive(Debug, Args)]
struct Request {
    /// Column with the text
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["image", "features"])]
    text: Option<String>,
    /// Column with the image
    #[arg(long, value_name = "COLUMN", conflicts_with = "features")]
    image: Option<String>,
    /// Columns to learn from, separated by commas [default: without --text and --image, all others]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    features: Option<Vec<String>>,
    /// Column with the label
    #[arg(long, value_name = "COLUMN", required_unless_present = "target")]
    label: Option<String>,
    /// Columns with the numbers to predict, separated by commas, in place of --label
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "label")]
    target: Option<Vec<String>>,
    /// Column that says train, validation, calibration or test [default: a seeded random split]
    #[arg(long, value_name = "COLUMN")]
    split_column: Option<String>,
    /// Name of the model [default: the file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Any field of the request, by its path: --set training.epochs=20 --set training.seed=7
    #[arg(long, value_name = "FIELD=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
}

/// `path=value`; a value that is no JSON is a text.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (path, value) = text.split_once('=').ok_or("write it as field=value")?;
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return Err(format!("{path:?} is no path of a field"));
    }
    let value = crate::json::parse(value.as_bytes()).unwrap_or_else(|_| value.into());
    Ok((path.to_owned(), value))
}

impl Request {
    /// As the API takes it, on a dataset.
    fn on(&self, dataset: &str, name: &str) -> Value {
        let wanted = if self.target.is_some() { "regression" } else { "classification" };
        let (input, columns) = match (&self.text, &self.image) {
            (Some(text), _) => ("text", json!({ "text": text })),
            (_, Some(image)) => ("image", json!({ "image": image })),
            _ => ("tabular", self.features.as_ref().map_or(json!({}), |f| json!({"features": f}))),
        };
        let mut task = columns;
        task["type"] = format!("{input}_{wanted}").into();
        if let Some(label) = &self.label {
            task["label"] = label.as_str().into();
        }
        if let Some(target) = &self.target {
            task["target"] = json!(target);
        }
        let mut request =
            json!({"kind": "train", "dataset": dataset, "model_name": name, "task": task});
        if let Some(column) = &self.split_column {
            request["split"] = json!({ "column": column });
        }
        for (path, value) in &self.set {
            crate::json::set(&mut request, path, value, &Value::Null);
        }
        request
    }
}

pub fn train(Train { file, request, on }: Train) -> Result<(), Failure> {
    let format = format_of(&file)?;
    let bytes = std::fs::read(&file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let name = request.name.clone().unwrap_or_else(|| name_of(&file));
    let as_json = on.json;
    on.with(async move |client| {
        let path = format!("/v1/datasets?name={}", path_part(&name));
        let dataset: Dataset = client.post_as(&path, format.media_type(), bytes).await?.json()?;
        note(&format!("dataset {}: {} rows", dataset.id, dataset.rows));
        let job: Job = client.post("/v1/jobs", &request.on(&dataset.id, &name)).await?;
        note(&format!("job {}", job.id));
        let job = follow(&client, &job.id).await?;
        for warning in &job.warnings {
            note(&format!("warning: {}", warning.message));
        }
        if as_json {
            return print_json(&client.get(&format!("/v1/runs/{}", job.run)).await?);
        }
        let model = job.model.as_deref().unwrap_or_default();
        let summary = summary(&run_of(&client, &job).await?);
        out(&format!("{summary}  model {model} ({name})\n"))
    })
}

/// The format of a file, by its name.
pub fn format_of(file: &Path) -> Result<Format, Failure> {
    Ok(Format::from_file_name(&file.to_string_lossy()).ok_or_else(|| {
        let file = file.display();
        format!("{file} is of no format that can be told: name it .csv, .tsv, .jsonl, .json, .parquet or .zip")
    })?)
}

/// The run of a job.
pub async fn run_of(client: &Client, job: &Job) -> Result<Run, Failure> {
    Ok(client.get(&format!("/v1/runs/{}", job.run)).await?)
}

/// How a training went, in a few lines.
pub fn summary(run: &Run) -> String {
    let seconds = run.seconds.as_ref().map_or(0.0, |seconds| seconds.total);
    let (epochs, best) = (run.epochs.unwrap_or_default(), run.best_epoch.unwrap_or_default());
    let mut text = format!("  {epochs} epochs in {seconds:.1} s, the best was epoch {best}\n");
    let test = run.metrics.as_ref().and_then(|metrics| metrics.test.as_ref());
    if let Some(test) = test.and_then(MetricsReport::classification) {
        let [low, high] = test.accuracy_interval;
        text.push_str(&format!(
            "  test: accuracy {:.3} (95 % interval {low:.2} to {high:.2}) on {} records\n",
            test.accuracy, test.records
        ));
        if let Some(calibrated) = &test.calibrated {
            text.push_str(&format!(
                "  calibration error of the confidence: {:.3} before, {:.3} after calibration\n",
                test.ece, calibrated.ece
            ));
        }
    }
    if let Some(test) = test.and_then(MetricsReport::regression) {
        let r2 = test.r2.map_or_else(String::new, |r2| format!(", R² {r2:.3}"));
        text.push_str(&format!(
            "  test: mean squared error {:.4}{r2} on {} records\n",
            test.mse, test.records
        ));
    }
    text
}

/// The file's name without its ending and without what names of models cannot hold.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let fitting = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let name: String = stem.unwrap_or_default().chars().filter(fitting).take(100).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}
