//! `whereof watch`: follow a job.

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::follow::follow;
use super::target::{Target, print_json};

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
            print_json(&job);
        } else if let Some(model) = &ended.model {
            println!("  model {model}");
        }
        Ok(())
    })
}
