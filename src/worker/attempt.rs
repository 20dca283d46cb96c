//! One attempt at a job, from claim to finish.

mod control;
mod diagnose;
mod evaluate;
mod source;
mod sweep;
mod trial;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use self::control::{AbortOnDrop, Control, Reason, heart};
use super::Stage;
use super::launcher::Launcher;
use super::recorder::{self, Message, Position};
use crate::arrays::{Arrays, ArraysError};
use crate::compute;
use crate::job::execute::{Event, Inputs, Output, RangeOutput, Reporter, Trained};
use crate::job::{Environment, Job, JobStatus};
use crate::learn::stopping::EndReason;
use crate::learn::trainer::{self, Interrupt};
use crate::model::fit::TrainingTable;
use crate::model::spec::TrainSpec;
use crate::problem::Problem;
use crate::store::finish::Ending;
use crate::store::models::NewModel;
use crate::store::queue::{Claimed, Told};
use crate::store::{Store, StoreError};

/// Events that may wait for the recorder; then the training waits.
const WAITING_EVENTS: usize = 4_096;

/// An attempt whose work is done; how it ended is not recorded yet.
pub struct Performed {
    store: Store,
    claimed: Claimed,
    outcome: Result<Done, Failure>,
    /// What was heard of it and not written yet.
    told: Told,
    _heart: AbortOnDrop,
}

/// Does the work of an attempt.
pub async fn perform(
    store: &Store,
    claimed: Claimed,
    launcher: &Launcher,
    stage: watch::Receiver<Stage>,
) -> Performed {
    tracing::info!(job = claimed.job.id, attempt = claimed.job.attempt, "job started");
    let control = Arc::new(Control::default());
    let heart = tokio::spawn(heart(store.clone(), claimed.clone(), control.clone(), stage));
    let _heart = AbortOnDrop(heart);
    let mut told = Told::default();
    let outcome = work(store, &claimed, launcher, control, &mut told).await;
    Performed { store: store.clone(), claimed, outcome, told, _heart }
}

impl Performed {
    /// Records how the attempt ended. Errors end here: they are in the job or in the log.
    pub async fn conclude(self) {
        let Self { store, claimed, outcome, told, _heart } = self;
        let (id, attempt) = (claimed.job.id.as_str(), claimed.job.attempt);
        let finished = match outcome {
            Ok(Done::Model(made)) => finish_with_model(&store, &claimed, *made, &told).await,
            Ok(Done::RangeTest(range)) => {
                let RangeOutput { tested, warnings, seconds } = &*range;
                store.finish(&claimed, Ending::RangeTest { tested, warnings, seconds }, &told).await
            }
            Ok(Done::Report(diagnose::Diagnosed { stopped, seconds })) => {
                let warnings = &claimed.job.warnings;
                store
                    .finish(
                        &claimed,
                        Ending::Report { warnings, stopped, seconds: &seconds },
                        &told,
                    )
                    .await
            }
            Ok(Done::Evaluation(done)) => {
                let evaluate::Evaluated { report, stopped } = &*done;
                store
                    .finish(&claimed, Ending::Evaluation { report, stopped: *stopped }, &told)
                    .await
            }
            Err(Failure::Cancelled) => store.finish(&claimed, Ending::Cancelled, &told).await,
            Err(Failure::Released) => store.finish(&claimed, Ending::Released, &told).await,
            Err(Failure::Lost) => Err(StoreError::LeaseLost),
            Err(Failure::Problem(problem)) => {
                store.finish(&claimed, Ending::Failed(&problem), &told).await
            }
        };
        let finished = match finished {
            // What failed while the model was stored is the job's failure.
            Err(error @ (StoreError::Full | StoreError::Files(_) | StoreError::Io(_))) => {
                let problem = Problem::from(error);
                store.finish(&claimed, Ending::Failed(&problem), &told).await
            }
            other => other,
        };
        match finished {
            Ok(job) => {
                if job.status != JobStatus::Queued && !may_go_on(&job) {
                    forget_checkpoint(&store, &job).await;
                }
                tracing::info!(job = id, status = job.status.name(), "job ended");
            }
            Err(StoreError::LeaseLost) => {
                tracing::warn!(job = id, attempt, "the lease was lost; another worker has the job");
            }
            // The lease runs out and the job is taken up again.
            Err(error) => tracing::error!(job = id, attempt, %error, "ending the job failed"),
        }
    }
}

enum Done {
    Model(Box<Made>),
    RangeTest(Box<RangeOutput>),
    Report(diagnose::Diagnosed),
    Evaluation(Box<evaluate::Evaluated>),
}

/// A model, and what it was made by.
struct Made {
    trained: Trained,
    run: String,
    spec: TrainSpec,
    /// Whether the job was stopped before it was done.
    stopped: bool,
}

/// Why an attempt has no result.
pub(super) enum Failure {
    /// Someone else has the job.
    Lost,
    Cancelled,
    Released,
    Problem(Problem),
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Cancel => Self::Cancelled,
            Reason::Release => Self::Released,
            Reason::Lost => Self::Lost,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::Lost,
            other => Self::Problem(other.into()),
        }
    }
}

async fn work(
    store: &Store,
    claimed: &Claimed,
    launcher: &Launcher,
    control: Arc<Control>,
    told: &mut Told,
) -> Result<Done, Failure> {
    if claimed.job.kind == crate::job::evaluate::KIND {
        let threads = launcher.threads_per_job();
        let done = evaluate::perform(store, claimed, &control, threads).await?;
        return Ok(Done::Evaluation(Box::new(done)));
    }
    let table = table(store, &claimed.spec).await?;
    let source = source::load(store, &claimed.spec).await?;
    if claimed.job.kind == "sweep" {
        let parallel = launcher.threads_per_job();
        let won = sweep::perform(store, claimed, control, (table, source), parallel).await?;
        let sweep::Winner { trained, trial, stopped } = won;
        let made = Made { trained, run: trial.run, spec: trial.spec, stopped };
        return Ok(Done::Model(Box::new(made)));
    }
    if claimed.job.kind == "diagnose" {
        let parallel = launcher.threads_per_job();
        let parts = (table, source);
        let diagnosed = diagnose::perform(store, claimed, control, parts, parallel).await?;
        return Ok(Done::Report(diagnosed));
    }
    let (resume, position) = resume(store, claimed).await?;
    let inputs = Inputs {
        spec: claimed.spec.clone(),
        table,
        warnings: claimed.job.warnings.clone(),
        source,
        resume,
    };
    let (events, received) = mpsc::channel(WAITING_EVENTS);
    let (checkpoints, stored) = mpsc::channel(1);
    let recorder = recorder::record(store.clone(), claimed.clone(), position, received, stored);
    let recorder = tokio::spawn(recorder);
    let (control_of, store_of) = (control.clone(), store.clone());
    let reporter = ChannelReporter { events, checkpoints, control: control_of, store: store_of };
    let outcome = launcher.launch(inputs, store.clock.clone(), reporter).await;
    // The sender went with the reporter, so the recorder writes what is left and ends.
    match recorder.await {
        Ok(recorded) => *told = recorded?,
        Err(error) => tracing::error!(%error, "recording a job's events failed"),
    }
    match outcome.map_err(|error| Failure::Problem(error.into()))? {
        Ok(Output::RangeTest(range)) => Ok(Done::RangeTest(range)),
        Ok(Output::Model(trained)) => Ok(Done::Model(Box::new(Made {
            stopped: trained.card.end_reason == EndReason::Stopped,
            trained: *trained,
            run: claimed.job.run.clone(),
            spec: claimed.spec.clone(),
        }))),
        Err(error) if error.is_interruption() => Err(control.aborted()),
        Err(error) => Err(Failure::Problem(error.into())),
    }
}

async fn finish_with_model(
    store: &Store,
    claimed: &Claimed,
    made: Made,
    told: &Told,
) -> Result<Job, StoreError> {
    let Made { trained, run, spec, stopped } = made;
    let Trained { artifact, card, test, steps, last, seconds } = trained;
    let bytes = artifact.len() as u64;
    // Held until the row is in: the same bytes may be another model's, about to be deleted.
    let _files = store.hold_files().await;
    let keeping = async {
        match last {
            Some(state) => keep(store, &run, state).await,
            None => None,
        }
    };
    // They wait for the same disk together.
    let (key, kept) = tokio::join!(store.put_model(artifact), keeping);
    let key = key?;
    let model = NewModel {
        id: store.ids.next("model"),
        made_by: Some((&claimed.job.id, &run)),
        name: claimed.spec.model_name.as_deref(),
        spec: &spec,
        card: &card,
        artifact: &key,
        bytes,
    };
    let test = test.as_ref();
    let model = Box::new(model);
    let ending = Ending::Model { model, test, steps, kept, seconds: &seconds, stopped };
    let job = store.finish(claimed, ending, told).await?;
    if job.model.is_none() && kept.is_some() {
        // It was cancelled while the last writes were made.
        store.artifacts.delete(&Store::state_key(&run)).await?;
    }
    Ok(job)
}

/// Keeps the state that a run ended in; returns the whole epochs that it has done. One that cannot be
/// kept is logged: the model is worth more than the means to extend it.
async fn keep(store: &Store, run: &str, state: Arrays) -> Option<u64> {
    let bytes = trainer::position(&state).and_then(|(epochs, _)| Ok((epochs, state.to_bytes()?)));
    let (epochs, bytes) = match bytes {
        Ok(both) => both,
        Err(error) => {
            tracing::error!(run, %error, "the last state could not be written");
            return None;
        }
    };
    match store.artifacts.put(&Store::state_key(run), bytes).await {
        Ok(()) => Some(epochs),
        Err(error) => {
            tracing::error!(run, %error, "the last state could not be stored");
            None
        }
    }
}

/// Whether a job has failed in a way that its run may go on from its last checkpoint.
fn may_go_on(job: &Job) -> bool {
    job.kind == "train" && job.error.as_ref().is_some_and(Problem::may_pass)
}

async fn forget_checkpoint(store: &Store, job: &Job) {
    let forgotten = if job.kind == "sweep" {
        sweep::forget_files(store, &job.id).await
    } else if job.kind == crate::job::evaluate::KIND {
        store.clear_evaluations().await
    } else {
        store.artifacts.delete(&recorder::checkpoint_key(&job.run)).await
    };
    if let Err(error) = forgotten {
        tracing::warn!(run = job.run, %error, "a checkpoint could not be removed");
    }
}

/// The state to go on from, and its place, what was measured after it forgotten.
///
/// The place is the checkpoint's own: a process can die between storing the file and recording its
/// step, and then the row tells of the checkpoint before.
pub(super) async fn resume(
    store: &Store,
    claimed: &Claimed,
) -> Result<(Option<Arrays>, Position), StoreError> {
    let mut begin = (None, Position::default());
    if let Some(key) = &claimed.checkpoint {
        match store.artifacts.get(key).await {
            Ok(bytes) => match checkpoint(&bytes) {
                Ok((state, position)) => begin = (Some(state), position),
                Err(error) if key == &recorder::checkpoint_key(&claimed.job.run) => {
                    tracing::warn!(key, %error, "a checkpoint is unreadable; starting over");
                }
                // What another run left cannot be trained anew here.
                Err(_) => return Err(StoreError::ArtifactDamaged { key: key.clone() }),
            },
            Err(StoreError::ArtifactMissing { .. })
                if key == &recorder::checkpoint_key(&claimed.job.run) => {}
            Err(error) => return Err(error),
        }
    }
    if claimed.job.attempt > 1 || claimed.checkpoint.is_some() {
        store.forget_metrics_after(&claimed.job.run, begin.1.step).await?;
    }
    Ok(begin)
}

fn checkpoint(bytes: &[u8]) -> Result<(Arrays, Position), ArraysError> {
    let state = Arrays::from_bytes(bytes)?;
    let (epoch, step) = trainer::position(&state)?;
    Ok((state, Position { epoch, step }))
}

/// Reads the columns that a spec names.
pub(super) async fn table(store: &Store, spec: &TrainSpec) -> Result<TrainingTable, Failure> {
    let stored = store.training_table(spec).await?;
    if let Some(table) = stored.known() {
        return Ok(table);
    }
    let read = compute::run_apart("load", 1, move || stored.read()).await;
    read.map_err(|error| Failure::Problem(error.into()))?
        .map_err(|error| Failure::Problem(error.into()))
}

pub(super) fn environment(spec: &TrainSpec, threads: usize) -> Environment {
    Environment {
        whereof_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("WHEREOF_COMMIT").map(str::to_owned),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        device: spec.device.to_string(),
        threads,
        cpu_features: crate::learn::kernels::cpu_features(),
        seed: spec.training.seed,
    }
}

/// Hands the training's events to the recorder.
struct ChannelReporter {
    events: mpsc::Sender<Message>,
    /// Takes one at a time: a checkpoint waits until the one before is stored, so that no more than
    /// two are ever in memory.
    checkpoints: mpsc::Sender<()>,
    control: Arc<Control>,
    store: Store,
}

impl Reporter for ChannelReporter {
    fn report(&mut self, event: Event) {
        let checkpoint = matches!(event, Event::Checkpoint { .. });
        let message = Message { event, at: self.store.clock.now() };
        // The recorder ends early only when the lease is lost; then nobody wants the event.
        let lost = checkpoint && self.checkpoints.blocking_send(()).is_err();
        if lost || self.events.blocking_send(message).is_err() {
            self.control.abort(Reason::Lost);
        }
    }

    fn interrupt(&self) -> Interrupt {
        self.control.interrupt()
    }
}
