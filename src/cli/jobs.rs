//! `whereof jobs`: the newest jobs as a table.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::print::{out, print_json};
use super::target::Target;
use super::{Failure, show};
use crate::job::{Job, JobStatus};

/// Arguments of `jobs`.
#[derive(Debug, Args)]
pub struct Jobs {
    /// Only those that stand here
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    status: Option<String>,
    /// How many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    on: Target,
}

fn statuses() -> PossibleValuesParser {
    PossibleValuesParser::new(JobStatus::ALL.map(JobStatus::name))
}

pub fn jobs(Jobs { status, limit, on }: Jobs) -> Result<(), Failure> {
    let as_json = on.json;
    on.without_workers(async move |client| {
        let status = status.map_or_else(String::new, |status| format!("&status={status}"));
        let page: Value = client.get(&format!("/v1/jobs?limit={limit}{status}")).await?;
        if as_json {
            return print_json(&page);
        }
        let jobs: Vec<Job> = serde_json::from_value(page["items"].clone())?;
        match jobs.as_slice() {
            [] => out("no jobs\n"),
            jobs => out(&format!("{}\n", show::jobs(jobs))),
        }
    })
}
