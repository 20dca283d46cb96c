//! An attempt at a diagnosis: probes in order of what they are worth, several at a time, each on a
//! thread of its own. What has ended is on disk before the next step is decided, so that a diagnosis
//! that is taken up again repeats no probe.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::trial::Notes;
use super::{Control, Failure, Reason, environment, source};
use crate::arrays::Arrays;
use crate::clock::Timestamp;
use crate::compute::{self, ComputeError};
use crate::diagnose::experiment::{self, Outcome, Performed};
use crate::diagnose::investigation::{Done, Step, step};
use crate::diagnose::probe::Probe;
use crate::diagnose::request::DiagnoseSpec;
use crate::diagnose::workbench::Workbench;
use crate::job::Seconds;
use crate::learn::trainer::{EpochReport, Interrupt, StepReport};
use crate::model::fit::TrainingTable;
use crate::model::monitor::{FitMonitor, Phase};
use crate::model::spec::TrainSpec;
use crate::model::{FitError, Model};
use crate::problem::{Code, Problem};
use crate::store::Store;
use crate::store::metrics::Chunk;
use crate::store::queue::{Claimed, Progress, Told};
use crate::store::reports::EndedProbe;
use crate::task::MetricsReport;

/// Time between looks at the clock and writes of the progress.
const TELL: Duration = Duration::from_millis(500);

/// What a diagnosis left.
pub struct Diagnosed {
    /// Whether it was stopped before it was done.
    pub stopped: bool,
    /// Time spent in this attempt.
    pub seconds: Seconds,
}

/// A probe that has come to its end.
struct Ended {
    number: usize,
    run: String,
    probe: Probe,
    spec: TrainSpec,
    outcome: Result<Result<Performed, FitError>, ComputeError>,
    chunks: Vec<Chunk>,
}

struct Diagnosis<'a> {
    store: &'a Store,
    claimed: &'a Claimed,
    request: DiagnoseSpec,
    bench: Arc<Workbench>,
    control: Arc<Control>,
    deadline: Option<Timestamp>,
    parallel: usize,
    done: Vec<Done>,
    running: Vec<Probe>,
    /// Number of the next probe.
    next: usize,
    began: Duration,
}

/// Runs a diagnosis to its end.
pub async fn perform(
    store: &Store,
    claimed: &Claimed,
    control: Arc<Control>,
    (table, from): (TrainingTable, Option<Arc<Model>>),
    parallel: usize,
) -> Result<Diagnosed, Failure> {
    let began = store.clock.monotonic();
    let request = store.diagnosis(&claimed.job.id).await?;
    let key = store.model_artifact(&request.model).await?;
    let (model, _) = source::parse(store.artifacts.get_hashed(&key).await?).await?;
    let seed = request.seed;
    let slices = match &request.slice {
        None => None,
        Some(slice) => {
            let stored = store.stored_column(&claimed.spec.dataset, slice).await?;
            let read = compute::run_apart("load", 1, move || stored.read()).await;
            let read = read.map_err(|error| Failure::Problem(error.into()))?;
            Some(read.map_err(|error| Failure::Problem(error.into()))?)
        }
    };
    let work = move || {
        let bench = Workbench::new(Arc::new(model), table, from, seed)?;
        Ok::<_, FitError>(match slices {
            Some(slices) => bench.sliced(&slices),
            None => bench,
        })
    };
    let bench = compute::run_apart("diagnose", parallel.max(1), work).await;
    let bench = bench.map_err(|error| Failure::Problem(error.into()))?;
    let bench = bench.map_err(|error| Failure::Problem(error.into()))?;
    store.skip_unfinished_probes(claimed).await?;
    let ended = store.ended_probes(&claimed.job.id).await?;
    let done = |(probe, outcome)| Done { probe, outcome: Arc::new(outcome) };
    let started = claimed.job.started_at.unwrap_or_else(|| store.clock.now());
    let limit = request.budget.seconds.map(Duration::from_secs);
    let mut diagnosis = Diagnosis {
        store,
        claimed,
        next: store.trial_runs(&claimed.job.id).await?.len() + 1,
        request,
        bench: Arc::new(bench),
        deadline: limit.map(|limit| started.plus(limit)),
        parallel: parallel.max(1),
        done: ended.into_iter().map(done).collect(),
        running: Vec::new(),
        began,
        control: control.clone(),
    };
    let ended = diagnosis.run().await;
    if ended.is_err() {
        // Probes that are still under way end at their next step.
        control.abort(Reason::Lost);
    }
    ended
}

impl Diagnosis<'_> {
    async fn run(&mut self) -> Result<Diagnosed, Failure> {
        let mut tasks: JoinSet<Ended> = JoinSet::new();
        let mut tick = tokio::time::interval(TELL);
        let mut share = 0.0;
        loop {
            let over = self.over();
            let Step { report, next, share: done } = self.step(over).await?;
            self.store.record_report(self.claimed, &report).await?;
            share = f64::max(share, done);
            for probe in next {
                if tasks.len() >= self.parallel {
                    break;
                }
                self.begin(probe, &mut tasks).await?;
            }
            if tasks.is_empty() {
                let total = (self.store.clock.monotonic() - self.began).as_secs_f64();
                let seconds = Seconds { total, ..Seconds::default() };
                return Ok(Diagnosed { stopped: over.is_some(), seconds });
            }
            // The next step is decided once something has changed.
            loop {
                tokio::select! {
                    ended = tasks.join_next() => {
                        match ended {
                            Some(Ok(ended)) => self.end(ended, over.is_some()).await?,
                            Some(Err(error)) => return Err(lost(&error)),
                            None => {}
                        }
                        break;
                    }
                    _ = tick.tick() => {
                        self.tell(share).await?;
                        if let Some(reason) = self.control.reason() {
                            return Err(reason.into());
                        }
                    }
                }
            }
        }
    }

    /// Why it ends here, if it does.
    fn over(&self) -> Option<&'static str> {
        let epochs =
            |done: &Done| done.outcome.trained.as_ref().map_or(0, |t| t.card.epochs as u64);
        let spent: u64 = self.done.iter().map(epochs).sum();
        if self.control.interrupt() == Interrupt::Stop {
            Some("the diagnosis was stopped")
        } else if self.deadline.is_some_and(|deadline| self.store.clock.now() >= deadline) {
            Some("the budget of seconds is used up")
        } else if self.request.budget.epochs.is_some_and(|most| spent >= most) {
            Some("the budget of epochs is used up")
        } else {
            None
        }
    }

    /// What is concluded so far, and what to do next.
    async fn step(&self, over: Option<&'static str>) -> Result<Step, Failure> {
        let (bench, request) = (self.bench.clone(), self.request.clone());
        let (done, running) = (self.done.clone(), self.running.clone());
        let work = move || step(&bench, &request, &done, &running, over);
        let concluded = compute::run_apart("diagnose", 1, work).await;
        concluded.map_err(|error| Failure::Problem(error.into()))
    }

    /// Starts a probe.
    async fn begin(&mut self, probe: Probe, tasks: &mut JoinSet<Ended>) -> Result<(), Failure> {
        let spec = probe.spec(self.bench.spec()).ok_or_else(|| {
            let detail = format!("no probe can be made of the change {:?}", probe.change);
            Failure::Problem(Problem::new(Code::Internal, detail))
        })?;
        let number = self.next;
        self.next += 1;
        let run = self.store.begin_probe(self.claimed, number, &probe, &spec).await?;
        self.store.record_environment(&run, &environment(&spec, 1)).await?;
        self.running.push(probe.clone());
        let bench = self.bench.clone();
        let clock = self.store.clock.clone();
        let mut monitor = ProbeMonitor {
            control: self.control.clone(),
            deadline: self.deadline,
            notes: Notes::new(clock.clone()),
        };
        tasks.spawn(async move {
            let of = probe.clone();
            let work = move || {
                let outcome = experiment::run(&bench, &of, clock.as_ref(), &mut monitor);
                (outcome, monitor.notes.chunks)
            };
            let (outcome, chunks) = match compute::run_apart("probe", 1, work).await {
                Ok((outcome, chunks)) => (Ok(outcome), chunks),
                Err(error) => (Err(error), Vec::new()),
            };
            Ended { number, run, probe, spec, outcome, chunks }
        });
        Ok(())
    }

    /// Records what came of a probe. One that was interrupted begins anew, if anyone takes the
    /// diagnosis up again.
    async fn end(&mut self, ended: Ended, over: bool) -> Result<(), Failure> {
        let Ended { number, run, probe, spec, outcome, chunks } = ended;
        self.running.retain(|running| *running != probe);
        let Performed { mut outcome, kept } = match outcome {
            Ok(Ok(performed)) => performed,
            Ok(Err(error)) if error.is_interruption() => {
                let ended = over || self.over().is_some();
                // Whoever interrupts says why, here or at the next look.
                if !ended && self.control.reason().is_none() {
                    return Err(Failure::Lost);
                }
                return Ok(());
            }
            Ok(Err(error)) => failed(error.into()),
            Err(error) => failed(error.into()),
        };
        outcome.run = run.clone();
        let ended = EndedProbe {
            run: &run,
            number,
            probe: &probe,
            spec: &spec,
            outcome: &outcome,
            kept: kept.as_ref(),
        };
        self.store.end_probe(self.claimed, &ended, chunks).await?;
        self.done.push(Done { probe, outcome: Arc::new(outcome) });
        Ok(())
    }

    async fn tell(&self, share: f64) -> Result<(), Failure> {
        let seconds = (self.store.clock.monotonic() - self.began).as_secs_f64();
        let eta_seconds = (share > 0.0).then(|| seconds * (1.0 - share) / share);
        let progress = Progress { progress: share * 0.99, phase: "training", eta_seconds };
        let spent = Seconds { total: seconds, ..Seconds::default() };
        let told = Told { seconds: Some(spent), ..Told::default() };
        let recorded = self.store.record_progress(self.claimed, &progress, &told);
        Ok(recorded.await?)
    }
}

/// A probe that could not be done is something to conclude from.
fn failed(problem: Problem) -> Performed {
    let outcome = Outcome { failure: Some(problem), ..Outcome::default() };
    Performed { outcome, kept: None }
}

fn lost(error: &tokio::task::JoinError) -> Failure {
    tracing::error!(%error, "a probe of a diagnosis was lost");
    Failure::Problem(Problem::new(Code::Internal, "a probe of the diagnosis was lost"))
}

/// Listens to a probe, and ends it when the diagnosis ends.
struct ProbeMonitor {
    control: Arc<Control>,
    deadline: Option<Timestamp>,
    notes: Notes,
}

impl FitMonitor for ProbeMonitor {
    fn phase(&mut self, _: Phase) {}

    fn step(&mut self, _: &StepReport) {}

    fn epoch(&mut self, report: &EpochReport, validation: Option<&MetricsReport>) {
        self.notes.epoch(report, validation);
    }

    fn checkpoint(&mut self, _: usize, _: u64, _: Arrays) {}

    fn interrupt(&self) -> Interrupt {
        let late = || self.deadline.is_some_and(|deadline| self.notes.clock.now() >= deadline);
        match self.control.interrupt() {
            // A part of a probe tells nothing.
            Interrupt::Stop | Interrupt::Abort => Interrupt::Abort,
            Interrupt::None | Interrupt::Prepare if late() => Interrupt::Abort,
            asked => asked,
        }
    }
}
