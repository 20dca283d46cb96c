//! An attempt at a sweep: its trainings stage by stage, several at a time, each on a thread of its
//! own. What is done is on disk before the next begins, so that a sweep that is taken up again
//! repeats no training.

mod winner;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use winner::Winner;

use super::trial::{Checkpoint, Notes, TrialReporter, load};
use super::{Control, Failure, Reason, environment};
use crate::clock::Timestamp;
use crate::compute::{self, ComputeError};
use crate::job::Seconds;
use crate::job::execute::{ExecuteError, Trained};
use crate::job::sweep::segment::{self, Segment, SegmentInputs};
use crate::job::sweep::table::{by_trial, entrants};
use crate::job::sweep::{SweepSpec, TrialRun, TrialStatus};
use crate::learn::trainer::{self, Interrupt};
use crate::model::Model;
use crate::model::fit::TrainingTable;
use crate::problem::{Code, Problem};
use crate::store::metrics::Chunk;
use crate::store::queue::{Claimed, Progress, Told};
use crate::store::sweeps::TrialEnd;
use crate::store::{Store, StoreError};

/// Time between writes of the progress.
const TELL: Duration = Duration::from_millis(500);

/// Key of the state from which a training of a sweep goes on in a stage. A stage's end is written
/// under the next one's key, so that no state is taken for an earlier one.
fn state_key(run: &str, rung: usize) -> String {
    format!("checkpoints/{run}.{rung}.safetensors")
}

/// Key of the model of a training that may turn out the best.
fn model_key(run: &str) -> String {
    format!("checkpoints/{run}.model.safetensors")
}

/// Removes what a sweep that has ended kept to go on from.
pub async fn forget_files(store: &Store, job: &str) -> Result<(), StoreError> {
    let rungs = store.sweep(job).await?.rungs.len();
    for trial in store.trial_runs(job).await? {
        for rung in 0..rungs {
            store.artifacts.delete(&state_key(&trial.run, rung)).await?;
        }
        store.artifacts.delete(&model_key(&trial.run)).await?;
    }
    Ok(())
}

/// How a part of a training ended, and what was measured in it.
struct Ended {
    position: usize,
    outcome: Result<Result<Segment, ExecuteError>, ComputeError>,
    chunks: Vec<Chunk>,
}

/// A part of a training.
#[derive(Clone, Copy)]
struct Part {
    /// The stage under whose key the state to go on from is.
    state: usize,
    /// Epochs to train to.
    until: Option<usize>,
    /// Only make a model of what there is.
    wind_up: bool,
}

struct Sweep<'a> {
    store: &'a Store,
    claimed: &'a Claimed,
    spec: SweepSpec,
    runs: Vec<TrialRun>,
    table: Arc<TrainingTable>,
    source: Option<Arc<Model>>,
    control: Arc<Control>,
    deadline: Option<Timestamp>,
    /// Epochs that each training is through.
    epochs: Arc<Vec<AtomicUsize>>,
    /// Trainings at a time.
    parallel: usize,
    began: (Duration, f64),
}

/// Runs a sweep to its end.
pub async fn perform(
    store: &Store,
    claimed: &Claimed,
    control: Arc<Control>,
    (table, source): (TrainingTable, Option<Arc<Model>>),
    parallel: usize,
) -> Result<Winner, Failure> {
    let spec = store.sweep(&claimed.job.id).await?;
    let runs = store.trial_runs(&claimed.job.id).await?;
    let limit = spec.budget.seconds.map(Duration::from_secs);
    let started = claimed.job.started_at.unwrap_or_else(|| store.clock.now());
    let epochs = runs.iter().map(|run| AtomicUsize::new(run.epochs)).collect();
    let mut sweep = Sweep {
        store,
        claimed,
        runs,
        table: Arc::new(table),
        source,
        control,
        deadline: limit.map(|limit| started.plus(limit)),
        epochs: Arc::new(epochs),
        parallel: parallel.max(1),
        began: (store.clock.monotonic(), 0.0),
        spec,
    };
    sweep.began.1 = sweep.share();
    let won = sweep.run().await;
    if won.is_err() {
        // Trainings that are still under way end at their next step.
        sweep.control.abort(Reason::Lost);
    }
    won
}

impl Sweep<'_> {
    async fn run(&mut self) -> Result<Winner, Failure> {
        for rung in 0..self.spec.rungs.len() {
            let trials = by_trial(&self.runs);
            let entering = entrants(&self.spec, &trials, rung).into_iter();
            let entering: Vec<usize> = entering.map(|at| trials[at][0].trial).collect();
            self.prune(rung, &entering).await?;
            self.stage(rung, &entering).await?;
            if self.stopping() {
                break;
            }
        }
        let stopped = self.skip_rest().await?;
        self.winner(stopped).await
    }

    fn stopping(&self) -> bool {
        let late = self.deadline.is_some_and(|deadline| self.store.clock.now() >= deadline);
        late || matches!(self.control.interrupt(), Interrupt::Stop | Interrupt::Abort)
    }

    /// Marks those that are not among the best of the stage before.
    async fn prune(&mut self, rung: usize, entering: &[usize]) -> Result<(), Failure> {
        for position in 0..self.runs.len() {
            let run = &mut self.runs[position];
            let out = rung > 0 && !entering.contains(&run.trial);
            if out && run.status == TrialStatus::Finished {
                self.store.artifacts.delete(&model_key(&run.run)).await?;
            }
            if out && matches!(run.status, TrialStatus::Paused | TrialStatus::Waiting) {
                run.status = TrialStatus::Pruned;
                run.checkpoint_step = None;
                self.store.record_trial(self.claimed, &self.runs[position], vec![], None).await?;
                let run = &self.runs[position].run;
                self.store.artifacts.delete(&state_key(run, rung)).await?;
            }
        }
        Ok(())
    }

    /// Trains those that take part in a stage to its end.
    async fn stage(&mut self, rung: usize, entering: &[usize]) -> Result<(), Failure> {
        use TrialStatus::{Paused, Running, Waiting};
        let due = |run: &TrialRun| {
            entering.contains(&run.trial)
                && matches!(run.status, Waiting | Paused | Running)
                && run.values.len() <= rung
        };
        let part = Part { state: rung, until: self.spec.rungs[rung].epochs, wind_up: false };
        let mut queue: VecDeque<usize> =
            (0..self.runs.len()).filter(|&position| due(&self.runs[position])).collect();
        let (tell, mut told) = mpsc::channel(1);
        let mut tasks: JoinSet<Result<Ended, StoreError>> = JoinSet::new();
        let mut tick = tokio::time::interval(TELL);
        loop {
            while tasks.len() < self.parallel && !self.stopping() {
                let Some(position) = queue.pop_front() else { break };
                self.begin(position, part, tell.clone(), &mut tasks).await?;
            }
            tokio::select! {
                ended = tasks.join_next() => {
                    // A state that was told before the end is older than the end.
                    while let Ok(checkpoint) = told.try_recv() {
                        self.keep(rung, checkpoint).await?;
                    }
                    match ended {
                        None => return self.reason().map_or(Ok(()), Err),
                        Some(Ok(ended)) => self.end(ended?, rung, rung).await?,
                        Some(Err(error)) => return Err(Failure::Problem(lost_task(&error))),
                    }
                }
                Some(checkpoint) = told.recv() => self.keep(rung, checkpoint).await?,
                _ = tick.tick() => self.tell().await?,
            }
        }
    }

    /// Starts a part of a training.
    async fn begin(
        &mut self,
        position: usize,
        part: Part,
        tell: mpsc::Sender<Checkpoint>,
        tasks: &mut JoinSet<Result<Ended, StoreError>>,
    ) -> Result<(), Failure> {
        let run = &mut self.runs[position];
        run.status = TrialStatus::Running;
        self.store.record_environment(&run.run, &environment(&run.spec, 1)).await?;
        self.store.record_trial(self.claimed, run, Vec::new(), None).await?;
        let run = run.clone();
        let store = self.store.clone();
        let (table, source) = (self.table.clone(), self.source.clone());
        let metric = self.spec.metric;
        let Part { state, until, wind_up } = part;
        let before = run.values.last().copied().flatten();
        let warnings = self.claimed.job.warnings.clone();
        let mut reporter = TrialReporter {
            position,
            control: self.control.clone(),
            deadline: self.deadline,
            wind_up,
            tell,
            epochs: self.epochs.clone(),
            notes: Notes::new(self.store.clock.clone()),
        };
        tasks.spawn(async move {
            let resume = match run.checkpoint_step {
                None => None,
                Some(_) => load(&store, &state_key(&run.run, state)).await?,
            };
            // The state itself says how far it is: what the row says may be of the one before.
            let step = resume.as_ref().and_then(|state| trainer::position(state).ok());
            let step = step.map_or(0, |(_, step)| step);
            store.forget_metrics_after(&run.run, step).await?;
            let clock = store.clock.clone();
            let work = move || {
                let TrialRun { spec, .. } = run;
                let inputs =
                    SegmentInputs { spec, table, warnings, source, resume, until, metric, before };
                let outcome = segment::run(inputs, clock.as_ref(), &mut reporter);
                (outcome, reporter.notes.chunks)
            };
            let (outcome, chunks) = match compute::run_apart("trial", 1, work).await {
                Ok((outcome, chunks)) => (Ok(outcome), chunks),
                Err(error) => (Err(error), Vec::new()),
            };
            Ok(Ended { position, outcome, chunks })
        });
        Ok(())
    }

    /// Stores a state from which a training can go on.
    async fn keep(&mut self, rung: usize, checkpoint: Checkpoint) -> Result<(), Failure> {
        let Checkpoint { position, step, state, chunks } = checkpoint;
        let run = &mut self.runs[position];
        // What was measured before a state is written before it, so that none is lost whenever the
        // process dies.
        self.store.record_trial_metrics(self.claimed, &run.run, chunks).await?;
        let bytes = match state.to_bytes() {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(run = run.run, %error, "a checkpoint could not be written");
                return Ok(());
            }
        };
        self.store.artifacts.put(&state_key(&run.run, rung), bytes).await?;
        run.checkpoint_step = Some(step);
        Ok(self.store.record_trial(self.claimed, run, Vec::new(), None).await?)
    }

    /// Records how a part of a training ended.
    async fn end(&mut self, ended: Ended, state: usize, slot: usize) -> Result<(), Failure> {
        let Ended { position, outcome, chunks } = ended;
        let run = &mut self.runs[position];
        match outcome {
            Ok(Ok(Segment::Paused { state: arrays, value, epochs, steps })) => {
                let bytes = arrays.to_bytes().map_err(|error| {
                    Failure::Problem(Problem::new(Code::Internal, error.to_string()))
                })?;
                self.store.artifacts.put(&state_key(&run.run, state + 1), bytes).await?;
                run.status = TrialStatus::Paused;
                run.values.push(value);
                (run.epochs, run.steps, run.checkpoint_step) = (epochs, steps, Some(steps));
                self.store.record_trial(self.claimed, run, chunks, None).await?;
            }
            Ok(Ok(Segment::Finished { trained, value })) => {
                let Trained { artifact, card, test, steps, seconds, .. } = *trained;
                self.store.artifacts.put(&model_key(&run.run), artifact).await?;
                run.status = TrialStatus::Finished;
                // A model that is made anew has its value already.
                run.values.truncate(slot);
                run.values.push(value);
                (run.epochs, run.steps, run.checkpoint_step) = (card.epochs, steps, None);
                let end = TrialEnd { card: &card, test: test.as_ref(), seconds: &seconds };
                self.store.record_trial(self.claimed, run, chunks, Some(end)).await?;
                self.forget_models(slot).await?;
            }
            Ok(Err(error)) if error.is_interruption() => {
                // It goes on from its last checkpoint, if anyone takes the sweep up again.
                return Ok(());
            }
            Ok(Err(error)) => self.fail(position, error.into(), chunks).await?,
            Err(error) => self.fail(position, error.into(), chunks).await?,
        }
        let run = &self.runs[position];
        self.store.artifacts.delete(&state_key(&run.run, state)).await?;
        self.epochs[position].store(run.epochs, Ordering::Relaxed);
        Ok(())
    }

    async fn fail(
        &mut self,
        position: usize,
        problem: Problem,
        chunks: Vec<Chunk>,
    ) -> Result<(), Failure> {
        let run = &mut self.runs[position];
        (run.status, run.error, run.checkpoint_step) = (TrialStatus::Failed, Some(problem), None);
        Ok(self.store.record_trial(self.claimed, run, chunks, None).await?)
    }

    /// In the last stage only the models of the best setting, and of those not done yet, are kept.
    async fn forget_models(&self, rung: usize) -> Result<(), Failure> {
        if rung + 1 < self.spec.rungs.len() {
            return Ok(());
        }
        let best = self.best().map(|at| self.runs[at].trial);
        for trial in by_trial(&self.runs) {
            let done = |run: &&TrialRun| run.status == TrialStatus::Finished;
            if Some(trial[0].trial) != best && trial.iter().all(done) {
                for run in trial {
                    self.store.artifacts.delete(&model_key(&run.run)).await?;
                }
            }
        }
        Ok(())
    }

    /// Why the sweep cannot go on, if it cannot.
    fn reason(&self) -> Option<Failure> {
        self.control.reason().map(Failure::from)
    }

    /// Marks what will not be trained any more; returns whether there was any.
    async fn skip_rest(&mut self) -> Result<bool, Failure> {
        let mut any = false;
        for position in 0..self.runs.len() {
            let run = &mut self.runs[position];
            if matches!(run.status, TrialStatus::Waiting | TrialStatus::Running) {
                run.status = TrialStatus::Skipped;
                self.store.record_trial(self.claimed, &self.runs[position], vec![], None).await?;
                any = true;
            }
            any |= self.runs[position].status == TrialStatus::Paused;
        }
        Ok(any || self.stopping())
    }

    /// Share of the epochs that are done; those that will not be needed count as done.
    fn share(&self) -> f64 {
        let all: usize = self.spec.epochs_at_most.max(1);
        let done: usize = self.epochs.iter().map(|epochs| epochs.load(Ordering::Relaxed)).sum();
        (done as f64 / all as f64).min(1.0)
    }

    async fn tell(&self) -> Result<(), Failure> {
        let share = self.share();
        let (since, before) = self.began;
        let seconds = (self.store.clock.monotonic() - since).as_secs_f64();
        let eta_seconds = (share > before).then(|| seconds * (1.0 - share) / (share - before));
        let progress = Progress { progress: share * 0.99, phase: "training", eta_seconds };
        let spent = Seconds { total: seconds, ..Seconds::default() };
        let told = Told { seconds: Some(spent), ..Told::default() };
        let recorded = self.store.record_progress(self.claimed, &progress, &told);
        Ok(recorded.await?)
    }
}

fn lost_task(error: &tokio::task::JoinError) -> Problem {
    tracing::error!(%error, "a training of a sweep was lost");
    Problem::new(Code::Internal, "a training of the sweep was lost")
}
