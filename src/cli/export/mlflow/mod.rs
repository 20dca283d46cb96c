//! `whereof export mlflow`: which runs, from where, to where.

mod entry;
mod file_store;
mod names;
mod tracking;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use self::entry::{Entry, Source};
use self::file_store::FileStore;
use self::tracking::Tracking;
use crate::cli::Failure;
use crate::cli::print::{note, out, print_json};
use crate::cli::target::Target;
use crate::client::Client;
use crate::diagnose::render::path_part;
use crate::http::page::Listed;
use crate::http::runs::Histories;
use crate::job::{Job, Run};
use crate::store::models::ModelInfo;

/// Points of one metric at most: as many as the API gives at once.
const MAX_POINTS: usize = 100_000;

/// Arguments of `export mlflow`.
#[derive(Debug, Args)]
pub struct Mlflow {
    /// Runs, jobs or models, by id or name [default: every run that has ended]
    ids: Vec<String>,
    /// Folder of MLflow's file store, or the address of a tracking server, such as http://127.0.0.1:5000
    #[arg(long, value_name = "FOLDER|URL", default_value = "./mlruns")]
    to: String,
    /// Experiment that the runs go to; made where there is none of that name
    #[arg(long, value_name = "NAME", default_value = "whereof")]
    experiment: String,
    /// Token of the tracking server
    #[arg(long, env = "MLFLOW_TRACKING_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    on: Target,
}

/// Where runs are written to.
enum Sink {
    Folder(FileStore),
    Server(Box<Tracking>),
}

/// What became of a run.
struct Written {
    /// Its id in MLflow.
    id: String,
    /// Whether it had been there before and was left as it is.
    kept: bool,
}

impl Sink {
    async fn open(to: &str, experiment: &str, token: Option<String>) -> Result<Self, Failure> {
        if to.contains("://") {
            Ok(Self::Server(Box::new(Tracking::open(to, token, experiment).await?)))
        } else {
            Ok(Self::Folder(FileStore::open(to.as_ref(), experiment)?))
        }
    }

    async fn write(&mut self, entry: &Entry) -> Result<Written, Failure> {
        match self {
            Self::Folder(store) => store.write(entry),
            Self::Server(server) => server.write(entry).await,
        }
    }
}

pub fn export(arguments: Mlflow) -> Result<(), Failure> {
    let Mlflow { ids, to, experiment, token, on } = arguments;
    let as_json = on.json;
    on.without_workers(async move |client| {
        let wanted = wanted(&client, &ids).await?;
        let mut sink = Sink::open(&to, &experiment, token).await?;
        let bar = ProgressBar::new(wanted.len() as u64);
        let (mut written, mut unfinished, mut kept) = (Vec::new(), 0_usize, 0_usize);
        for id in wanted {
            bar.inc(1);
            let Some(source) = source(&client, &id).await? else {
                unfinished += 1;
                continue;
            };
            let in_mlflow = sink.write(&Entry::of(&source)?).await?;
            kept += usize::from(in_mlflow.kept);
            written.push(json!({"run": id, "mlflow_run": in_mlflow.id, "kept": in_mlflow.kept}));
        }
        bar.finish_and_clear();
        if unfinished > 0 {
            note(&format!("left out: {unfinished} that have not ended"));
        }
        if as_json {
            return print_json(&json!({"to": to, "experiment": experiment, "runs": written}));
        }
        let total = written.len();
        let s = if total == 1 { "" } else { "s" };
        let before = if kept > 0 { format!(" ({kept} of them were there)") } else { String::new() };
        out(&format!("{total} run{s} in {to}, experiment {experiment:?}{before}\n"))?;
        if let Sink::Folder(_) = sink {
            note(&format!(
                "to look at them: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {to}"
            ));
            note(&format!(
                "or, in a database: mlflow migrate-filestore --source {to} --target sqlite:///mlflow.db"
            ));
        }
        Ok(())
    })
}

/// The ids of the runs to export, the oldest first, so that what is nested comes after what it is
/// nested in.
async fn wanted(client: &Client, ids: &[String]) -> Result<Vec<String>, Failure> {
    let (mut runs, mut jobs) = (Vec::new(), Vec::new());
    for id in ids {
        if id.starts_with("run_") {
            let run: Run = client.get(&format!("/v1/runs/{}", path_part(id))).await?;
            runs.push(run.id);
        } else if id.starts_with("job_") {
            let job: Job = client.get(&format!("/v1/jobs/{}", path_part(id))).await?;
            jobs.push(job.id);
        } else {
            let model: ModelInfo = client.get(&format!("/v1/models/{}", path_part(id))).await?;
            runs.extend(model.run);
        }
    }
    let mut chosen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Listed<Run> = client.get(&format!("/v1/runs?limit=1000{cursor}")).await?;
        let meant = |run: &Run| ids.is_empty() || runs.contains(&run.id) || jobs.contains(&run.job);
        chosen.extend(page.items.into_iter().filter(meant).map(|run| run.id));
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={}", path_part(&next)),
            None => break,
        }
    }
    chosen.reverse();
    Ok(chosen)
}

/// All that is known of a run; nothing where it has not ended.
async fn source(client: &Client, id: &str) -> Result<Option<Source>, Failure> {
    let path = format!("/v1/runs/{id}");
    let document: Value = client.get(&path).await?;
    let run: Run = serde_json::from_value(document.clone())?;
    if !run.status.is_final() {
        return Ok(None);
    }
    let job: Job = client.get(&format!("/v1/jobs/{}", run.job)).await?;
    let histories: Histories =
        client.get(&format!("{path}/metrics?max_points={MAX_POINTS}")).await?;
    Ok(Some(Source { run, job, document, metrics: histories.metrics }))
}
