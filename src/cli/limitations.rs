//! `whereof limitations`: what the limitations of a model are.

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::follow::follow;
use super::print::{note, out, print_json};
use super::target::Target;
use crate::client::{Answer, Client};
use crate::diagnose::render::path_part;
use crate::job::Job;

/// Arguments of `limitations`.
#[derive(Debug, Args)]
pub struct Limitations {
    /// The model: its id, name, or name@alias
    model: String,
    /// Look again, whether or not there is a report
    #[arg(long)]
    again: bool,
    /// What looking may cost, in trainings of the model [default: 20]
    #[arg(long, value_name = "RUNS")]
    runs: Option<f64>,
    /// A column of the dataset that says what records are about, such as category
    #[arg(long, value_name = "COLUMN")]
    slice: Option<String>,
    /// Print an HTML page that needs nothing else
    #[arg(long, conflicts_with = "json")]
    html: bool,
    #[command(flatten)]
    on: Target,
}

pub fn limitations(arguments: Limitations) -> Result<(), Failure> {
    let Limitations { model, again, runs, slice, html, on } = arguments;
    let accept = match (on.json, html) {
        (true, _) => "application/json",
        (_, true) => "text/html",
        _ => "text/markdown",
    };
    on.with(async move |client| {
        let path = format!("/v1/models/{}/limitations", path_part(&model));
        let there = if again { None } else { report(&client, &path, accept).await? };
        let answer = match there {
            Some(answer) => answer,
            None => {
                let mut request = json!({"kind": "diagnose", "model": model});
                if let Some(runs) = runs {
                    request["budget"] = json!({ "runs": runs });
                }
                if let Some(slice) = slice {
                    request["slice"] = slice.into();
                }
                let job: Job = client.post("/v1/jobs", &request).await?;
                note(&format!("job {}", job.id));
                follow(&client, &job.id).await?;
                let path = format!("{path}?job={}", job.id);
                report(&client, &path, accept).await?.ok_or("the diagnosis left no report")?
            }
        };
        if accept == "application/json" {
            print_json(&answer.json::<Value>()?)
        } else {
            out(&format!("{}\n", String::from_utf8_lossy(&answer.body).trim_end()))
        }
    })
}

/// The report that there is. Where there is none, or no such model, submitting a diagnosis says which.
async fn report(client: &Client, path: &str, accept: &str) -> Result<Option<Answer>, Failure> {
    let answer = client.send(Method::GET, path, &[("accept", accept)], Bytes::new()).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !answer.status.is_success() {
        answer.json::<Value>()?;
    }
    Ok(Some(answer))
}
