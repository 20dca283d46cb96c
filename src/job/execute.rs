//! Inputs in, outputs out: what a worker runs on a compute thread. Blocking, without any IO; what
//! happens on the way is handed to a [`Reporter`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Seconds;
use crate::arrays::Arrays;
use crate::clock::Clock;
use crate::learn::range_test::RangeTested;
use crate::learn::trainer::{EpochReport, Interrupt, StepReport};
use crate::model::artifact::ArtifactError;
use crate::model::card::Card;
use crate::model::fit::{TrainingTable, fit};
use crate::model::monitor::{FitMonitor, Phase};
use crate::model::range_test::range_test;
use crate::model::spec::{TrainSpec, Warning};
use crate::model::test_results::TestResults;
use crate::model::{FitError, Model};
use crate::problem::{Code, Problem};
use crate::task::MetricsReport;

/// What a job needs.
pub struct Inputs {
    /// What to do.
    pub spec: TrainSpec,
    /// The columns that the spec names.
    pub table: TrainingTable,
    /// Warnings of the submission.
    pub warnings: Vec<Warning>,
    /// The model that the spec starts from, if it names one.
    pub source: Option<Arc<Model>>,
    /// A checkpoint to go on from.
    pub resume: Option<Arrays>,
}

/// What a job leaves.
pub enum Output {
    /// A training's model.
    Model(Box<Trained>),
    /// A range test's curve.
    RangeTest(Box<RangeOutput>),
}

/// What a range test leaves.
pub struct RangeOutput {
    /// What it found.
    pub tested: RangeTested,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// Time spent.
    pub seconds: Seconds,
}

/// What a training leaves.
pub struct Trained {
    /// The model as a file.
    pub artifact: Vec<u8>,
    /// Its card.
    pub card: Card,
    /// What it gave for each test record, if there are any.
    pub test: Option<TestResults>,
    /// Steps done.
    pub steps: u64,
    /// The state to go on from, if it is to be kept.
    pub last: Option<Arrays>,
    /// Time spent.
    pub seconds: Seconds,
}

/// What happens on the way.
pub enum Event {
    /// A phase began.
    Phase(Phase),
    /// A step was done.
    Step(StepReport),
    /// An epoch was done.
    Epoch(EpochReport, Option<Box<MetricsReport>>),
    /// The training shows something that the user should know.
    Warning(Warning),
    /// A state from which training can be resumed.
    Checkpoint {
        /// Epochs done.
        epoch: usize,
        /// Steps done.
        step: u64,
        /// The state.
        state: Arrays,
    },
}

/// Takes events and says whether to go on.
pub trait Reporter: Send {
    /// Takes an event. May block while its reader catches up.
    fn report(&mut self, event: Event);
    /// Whether a checkpoint is wanted after an epoch, however recent the last one is.
    fn wants_checkpoint(&self, _epoch: usize) -> bool {
        false
    }
    /// Whether to go on.
    fn interrupt(&self) -> Interrupt;
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// No model came of it.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The model could not be made a file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl ExecuteError {
    /// Whether it was interrupted, and did not fail.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Fit(error) if error.is_interruption())
    }
}

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Fit(fit) => fit.into(),
            ExecuteError::Artifact(artifact) => Problem::new(Code::Internal, artifact.to_string()),
        }
    }
}

/// Does what a job is to do.
pub fn execute(
    inputs: Inputs,
    clock: &dyn Clock,
    reporter: &mut dyn Reporter,
) -> Result<Output, ExecuteError> {
    let started = clock.monotonic();
    let mut listener = Listener { reporter, clock, phases: BTreeMap::new(), current: None };
    let Inputs { spec, table, mut warnings, source, resume } = inputs;
    let source = source.as_deref();
    if let Some(range) = &spec.range_test {
        let of = (&spec, range);
        let tested = range_test(of, (table, source), &mut warnings, clock, &mut listener)?;
        listener.close();
        let total = (clock.monotonic() - started).as_secs_f64();
        let seconds = Seconds { total, phases: listener.phases };
        return Ok(Output::RangeTest(Box::new(RangeOutput { tested, warnings, seconds })));
    }
    let fitted = fit(&spec, (table, source), warnings, clock, &mut listener, resume.as_ref())?;
    listener.close();
    let artifact = fitted.model.to_bytes()?;
    let total = (clock.monotonic() - started).as_secs_f64();
    Ok(Output::Model(Box::new(Trained {
        artifact,
        card: fitted.model.card,
        test: fitted.test,
        steps: fitted.steps,
        last: fitted.last,
        seconds: Seconds { total, phases: listener.phases },
    })))
}

/// The name of a phase in JSON.
pub fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Vectorizing => "vectorizing",
        Phase::Training => "training",
        Phase::Evaluating => "evaluating",
    }
}

/// Passes events on and measures the phases.
struct Listener<'a> {
    reporter: &'a mut dyn Reporter,
    clock: &'a dyn Clock,
    phases: BTreeMap<String, f64>,
    current: Option<(Phase, std::time::Duration)>,
}

impl Listener<'_> {
    fn close(&mut self) {
        if let Some((phase, since)) = self.current.take() {
            let seconds = (self.clock.monotonic() - since).as_secs_f64();
            self.phases.insert(phase_name(phase).to_owned(), seconds);
        }
    }
}

impl FitMonitor for Listener<'_> {
    fn phase(&mut self, phase: Phase) {
        self.close();
        self.current = Some((phase, self.clock.monotonic()));
        self.reporter.report(Event::Phase(phase));
    }

    fn step(&mut self, report: &StepReport) {
        self.reporter.report(Event::Step(*report));
    }

    fn epoch(&mut self, report: &EpochReport, validation: Option<&MetricsReport>) {
        self.reporter.report(Event::Epoch(*report, validation.cloned().map(Box::new)));
    }

    fn warning(&mut self, warning: &Warning) {
        self.reporter.report(Event::Warning(warning.clone()));
    }

    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays) {
        self.reporter.report(Event::Checkpoint { epoch, step, state });
    }

    fn wants_checkpoint(&self, epoch: usize) -> bool {
        self.reporter.wants_checkpoint(epoch)
    }

    fn interrupt(&self) -> Interrupt {
        self.reporter.interrupt()
    }
}
