//! `whereof watch`: follow a job.

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::follow::follow;
use super::print::{out, print_json};
use super::target::Target;

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Id of the job
    job: String,
    #[command(flatten)]
    on: Target,
}

pub fn watch(Watch { job, on }: Watch) -> Result<(), Failure> {
    let as_json = on.json;
    on.with(async move |client| {
        let ended = follow(&client, &job).await?;
        if as_json {
            let job: Value = client.get(&format!("/v1/jobs/{}", ended.id)).await?;
            return print_json(&job);
        }
        match &ended.model {
            Some(model) => out(&format!("  model {model}\n")),
            None => Ok(()),
        }
    })
}
