use std::io::BufWriter;
use std::path::Path;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::data::reader::Format;
use crate::data::records::RecordWriter;
use crate::data::{Cell, Sink};
use crate::job::execute::{Event, ExecuteError, Inputs, Output, Reporter, execute};
use crate::job::{Environment, Job, JobStatus};
use crate::learn::trainer::Interrupt;
use crate::model::resolve::{Allowance, resolve};
use crate::model::spec::TrainRequest;
use crate::store::StoreError;
use crate::store::datasets::{NewDataset, Origin};
use crate::store::finish::Ending;
use crate::store::queue::{Progress, Told};

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

fn place(spec: &TrainSpec) -> Environment {
    attempt::environment(spec, 1)
}

async fn submit(store: &Store, dataset: &str, seed: u64) -> Job {
    submit_for(store, dataset, seed, 2).await
}

async fn submit_for(store: &Store, dataset: &str, seed: u64, epochs: usize) -> Job {
    let request = serde_json::json!({
        "dataset": dataset,
        "training": {"seed": seed, "epochs": epochs, "checkpoint_seconds": 0, "early_stopping": null},
        "task": {"type": "text_classification", "text": "text", "label": "label"},
    });
    let request: TrainRequest = serde_json::from_value(request).unwrap();
    let profile = store.dataset(dataset).await.unwrap().profile();
    let resolved = resolve(&request, &profile, Allowance { memory_bytes: 1 << 30 }).unwrap();
    store.insert_job(&resolved.spec, &[], (3, 100), None).await.unwrap()
}

async fn ended(store: &Store, id: &str) -> Job {
    loop {
        // Listening begins before the look, so that no change falls between the two.
        let changed = store.signals.job(id).notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let job = store.job(id).await.unwrap();
        if job.status.is_final() {
            return job;
        }
        changed.await;
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
        let claimed = store.claim("dead:0", place).await.unwrap().unwrap();
        assert_eq!((claimed.job.id.as_str(), claimed.job.attempt), (id.as_str(), attempt));
        assert!(store.claim("other:0", place).await.unwrap().is_none(), "claimed twice");
        store.reap(Some("dead")).await.unwrap();
        // Whatever the dead one still writes is fenced off.
        let late = store.finish(&claimed, Ending::Cancelled, &Told::default()).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    }
    let job = store.job(&id).await.unwrap();
    assert_eq!(job.status, JobStatus::Failed);
    assert_eq!(job.error.unwrap().code, "attempts-spent");
}

/// Takes events until the checkpoint after an epoch, then breaks off.
struct UntilEpoch {
    epoch: usize,
    events: Vec<Event>,
    over: bool,
}

impl Reporter for UntilEpoch {
    fn report(&mut self, event: Event) {
        let last = matches!(&event, Event::Checkpoint { epoch, .. } if *epoch == self.epoch);
        if !self.over {
            self.events.push(event);
        }
        self.over |= last;
    }
    fn interrupt(&self) -> Interrupt {
        if self.over { Interrupt::Abort } else { Interrupt::None }
    }
}

/// Steps and values of the losses, one after the other.
async fn losses(store: &Store, run: &str) -> Vec<(u64, u64)> {
    let points = store.metric_points(run, "train.loss", 0).await.unwrap();
    points.iter().map(|point| (point.step, point.value.to_bits())).collect()
}

/// The process dies after the file of a checkpoint was stored and before the row says so: the run
/// goes on from the file, and its history from the same place.
#[tokio::test]
async fn a_death_between_a_checkpoint_and_its_row_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (store, dataset) = store(folder.path()).await;
    let drain = Duration::from_secs(5);
    let setup = WorkerSetup { workers: 1, threads_per_job: 1, name: "test".to_owned(), drain };
    let whole = submit_for(&store, &dataset, 1, 6).await;
    let workers = Workers::start(store.clone(), setup.clone());
    ended(&store, &whole.id).await;
    workers.stop().await;

    let job = submit_for(&store, &dataset, 1, 6).await;
    let claimed = store.claim("dead:0", place).await.unwrap().unwrap();
    let Ok(table) = attempt::table(&store, &claimed.spec).await else { panic!("no table") };
    let inputs = Inputs {
        spec: claimed.spec.clone(),
        table,
        warnings: Vec::new(),
        source: None,
        resume: None,
    };
    let mut reporter = UntilEpoch { epoch: 4, events: Vec::new(), over: false };
    assert!(execute(inputs, store.clock.as_ref(), &mut reporter).is_err());
    let Some(Event::Checkpoint { state, step, .. }) = reporter.events.pop() else {
        panic!("no checkpoint")
    };
    let (events, received) = tokio::sync::mpsc::channel(10_000);
    for event in reporter.events {
        events.send(recorder::Message { event, at: store.clock.now() }).await.ok().unwrap();
    }
    drop(events);
    let begin = recorder::Position::default();
    let (_, stored) = tokio::sync::mpsc::channel(1);
    let rest =
        recorder::record(store.clone(), claimed.clone(), begin, received, stored).await.unwrap();
    let progress = Progress { progress: 0.5, phase: "training", eta_seconds: None };
    store.record_progress(&claimed, &progress, &rest).await.unwrap();
    let key = recorder::checkpoint_key(&job.run);
    store.artifacts.put(&key, state.to_bytes().unwrap()).await.unwrap();
    assert_eq!(losses(&store, &job.run).await.len() as u64, step);
    let before = store.run(&job.run).await.unwrap().seconds.unwrap();
    assert!(before.total > 0.0 && before.phases["training"] > 0.0, "{before:?}");
    store.reap(Some("dead")).await.unwrap();

    let workers = Workers::start(store.clone(), setup);
    let resumed = ended(&store, &job.id).await;
    workers.stop().await;
    assert_eq!((resumed.status, resumed.attempt), (JobStatus::Succeeded, 2));
    let expected = losses(&store, &whole.run).await;
    let steps: Vec<u64> = expected.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, (1..=steps.len() as u64).collect::<Vec<_>>());
    assert_eq!(losses(&store, &job.run).await, expected);
    // The time of both attempts counts.
    let after = store.run(&job.run).await.unwrap().seconds.unwrap();
    assert!(after.total > before.total, "{before:?} {after:?}");
    assert!(after.phases["training"] > before.phases["training"], "{before:?} {after:?}");
    assert!(after.phases.contains_key("evaluating"), "{after:?}");
}
