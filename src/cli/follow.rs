//! A job's progress on the terminal.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::Failure;
use super::exit::JobFailure;
use crate::client::Client;
use crate::job::{Job, JobStatus};

/// Shows a job's progress on standard error until it ends. A job that failed or was cancelled is an
/// error.
pub async fn follow(client: &Client, id: &str) -> Result<Job, Failure> {
    let path = format!("/v1/jobs/{id}");
    let bar = progress_bar();
    let events = format!("{path}/events");
    let following = client.events(&events, &[], |event| {
        let data = event.json();
        match event.kind.as_str() {
            "status" if data["status"] == "queued" => {
                let before = data["queue_position"].as_u64().unwrap_or(0);
                bar.set_message(format!("queued, {before} before it"));
            }
            "progress" => {
                let progress = data["progress"].as_f64().unwrap_or(0.0);
                bar.set_position((progress * 1_000.0) as u64);
                if let Some(eta) = data["eta_seconds"].as_f64() {
                    bar.set_prefix(format!("ETA {eta:.0} s"));
                }
            }
            "epoch" => {
                bar.set_message(epoch_line(&data));
                let [epoch, epochs] = ["epoch", "epochs"].map(|n| data[n].as_f64().unwrap_or(1.0));
                // Epochs are told as they end; progress only now and then.
                bar.set_position((epoch / epochs * 950.0) as u64);
                let left = bar.elapsed().as_secs_f64() / epoch * (epochs - epoch);
                bar.set_prefix(format!("ETA {left:.0} s"));
            }
            _ => {}
        }
        true
    });
    following.await?;
    let job: Job = client.get(&path).await?;
    bar.set_prefix(job.status.name());
    if job.status == JobStatus::Succeeded {
        bar.set_position(1_000);
    }
    bar.abandon();
    match (&job.status, &job.error) {
        (JobStatus::Succeeded | JobStatus::Stopped, _) => Ok(job),
        (JobStatus::Failed, problem) => {
            let why = problem.as_ref().map_or_else(String::new, ToString::to_string);
            Err(JobFailure::Failed { id: job.id, why }.into())
        }
        (JobStatus::Cancelled | JobStatus::Cancelling, _) => {
            Err(JobFailure::Cancelled(job.id).into())
        }
        // The server ended the stream because it is about to stop.
        (JobStatus::Queued | JobStatus::Running, _) => {
            Err(format!("the server stops; the job {} goes on when it is back", job.id).into())
        }
    }
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1_000);
    // The template is a constant; were it wrong, the plain bar would do.
    if let Ok(style) =
        ProgressStyle::with_template("  [{bar:32}] {percent:>3} % {prefix:>9}  {msg}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn epoch_line(epoch: &Value) -> String {
    let number = |name: &str| epoch[name].as_f64();
    let mut line = format!("epoch {}/{}", epoch["epoch"], epoch["epochs"]);
    if let Some(loss) = number("train_loss") {
        line.push_str(&format!("  loss {loss:.4}"));
    }
    if let Some(accuracy) = number("validation_accuracy") {
        line.push_str(&format!("  validation accuracy {accuracy:.3}"));
    }
    line
}
