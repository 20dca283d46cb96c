use std::io::BufWriter;
use std::path::Path;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::data::reader::Format;
use crate::data::records::RecordWriter;
use crate::data::{Cell, Sink};
use crate::job::execute::{ExecuteError, Inputs, Output, Reporter, execute};
use crate::job::{Job, JobStatus};
use crate::model::resolve::{Allowance, resolve};
use crate::model::spec::TrainRequest;
use crate::store::StoreError;
use crate::store::datasets::{NewDataset, Origin};
use crate::store::queue::Ending;

/// A store with one small dataset.
async fn store(folder: &Path) -> (Store, String) {
    let store = Store::open(folder, SystemClock::shared()).await.unwrap();
    let file = store.artifacts.scratch_file().unwrap();
    let mut writer = RecordWriter::new(BufWriter::new(file.reopen().unwrap()));
    writer.columns(&["text".to_owned(), "label".to_owned()]).unwrap();
    for n in 0..8 {
        let label = if n % 2 == 0 { "even" } else { "odd" };
        let cells = [format!("number {n} is {label}"), label.to_owned()].map(Cell::Text);
        writer.record(&cells).unwrap();
    }
    let written = writer.finish().unwrap();
    let new = NewDataset {
        name: "numbers",
        origin: Origin::File(Format::Csv),
        written,
        file: file.path(),
    };
    let (dataset, _) = store.insert_dataset(new, None).await.unwrap();
    (store, dataset.id)
}

async fn submit(store: &Store, dataset: &str, seed: u64) -> Job {
    let request = serde_json::json!({
        "dataset": dataset, "training": {"seed": seed, "epochs": 2},
        "task": {"type": "text_classification", "text": "text", "label": "label"},
    });
    let request: TrainRequest = serde_json::from_value(request).unwrap();
    let profile = store.dataset(dataset).await.unwrap().profile();
    let resolved = resolve(&request, &profile, Allowance { memory_bytes: 1 << 30 }).unwrap();
    store.insert_job(&resolved.spec, &[], (3, 100), None).await.unwrap()
}

async fn ended(store: &Store, id: &str) -> Job {
    loop {
        let job = store.job(id).await.unwrap();
        if job.status.is_final() {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Trains, but panics on the seed 13.
fn unlucky(
    inputs: Inputs,
    clock: &dyn Clock,
    reporter: &mut dyn Reporter,
) -> Result<Output, ExecuteError> {
    assert_ne!(inputs.spec.training.seed, 13, "an unlucky number");
    execute(inputs, clock, reporter)
}

#[tokio::test]
async fn a_panic_fails_its_job_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, dataset) = store(folder.path()).await;
    let mut jobs = Vec::new();
    for seed in [1, 13, 2] {
        jobs.push(submit(&store, &dataset, seed).await.id);
    }
    let launcher = Launcher::Threads { per_job: 1, work: unlucky };
    let drain = Duration::from_secs(5);
    let setup = WorkerSetup { workers: 1, threads_per_job: 1, name: "test".to_owned(), drain };
    let workers = Workers::start_with(store.clone(), setup, launcher);
    let mut outcomes = Vec::new();
    for id in &jobs {
        outcomes.push(ended(&store, id).await);
    }
    workers.stop().await;
    let statuses: Vec<JobStatus> = outcomes.iter().map(|job| job.status).collect();
    assert_eq!(statuses, [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Succeeded]);
    assert_eq!(outcomes[1].error.as_ref().unwrap().code, "panicked");
    assert_eq!(outcomes[1].attempt, 1, "what panicked once would panic again");
}

#[tokio::test]
async fn a_dead_workers_job_is_taken_up_again_until_its_attempts_are_spent() {
    let folder = tempfile::tempdir().unwrap();
    let (store, dataset) = store(folder.path()).await;
    let id = submit(&store, &dataset, 1).await.id;
    for attempt in 1..=3 {
        let claimed = store.claim("dead:0").await.unwrap().unwrap();
        assert_eq!((claimed.job.id.as_str(), claimed.job.attempt), (id.as_str(), attempt));
        assert!(store.claim("other:0").await.unwrap().is_none(), "claimed twice");
        store.reap(Some("dead")).await.unwrap();
        // Whatever the dead one still writes is fenced off.
        let late = store.finish(&claimed, Ending::Cancelled).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    }
    let job = store.job(&id).await.unwrap();
    assert_eq!(job.status, JobStatus::Failed);
    assert_eq!(job.error.unwrap().code, "attempts-spent");
}
