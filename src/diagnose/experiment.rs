//! Runs a probe: a training, and what can be learnt of it. Blocking, without any IO.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::probe::{Probe, Selection};
use super::workbench::{Selected, Workbench};
use crate::arrays::Arrays;
use crate::clock::Clock;
use crate::learn::range_test::RangeTestReport;
use crate::learn::stopping::{EndReason, StoppingMetric};
use crate::learn::trainer::{EpochReport, Interrupt, StepReport};
use crate::model::card::Card;
use crate::model::encoder::Records;
use crate::model::fit::{Fitted, TrainingTable, fit};
use crate::model::inspect::{self, Inspected};
use crate::model::monitor::{FitMonitor, Phase};
use crate::model::range_test::range_test;
use crate::model::spec::TrainSpec;
use crate::model::test_results::TestResults;
use crate::model::{FitError, Model, Weighed};
use crate::problem::{Code, Problem};
use crate::task::MetricsReport;

/// Outcomes are shared by what concludes from them.
pub type SharedOutcome = Arc<Outcome>;

/// What came of a probe.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The run that trained it; empty before it is stored.
    pub run: String,
    /// What the training ended with; `None` for a range test and for one that failed.
    pub trained: Option<TrainedProbe>,
    /// What a range test found.
    pub range_test: Option<RangeTestReport>,
    /// Why it has neither.
    pub failure: Option<Problem>,
    /// The loss of each test record, as [`TestResults::losses`] has it, with its position in the
    /// dataset.
    pub losses: Vec<(u64, f64)>,
    /// The same of each validation record, in their order.
    #[serde(default)]
    pub validated: Vec<f64>,
    /// For a fold: the network's own probability of each label, for each test record.
    pub probabilities: Vec<Vec<f32>>,
    /// For a training without a topic: whether each test record is flagged as outside at 0.05; empty
    /// where that cannot be told.
    pub flagged: Vec<bool>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// What a training ended with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainedProbe {
    /// Its card.
    pub card: Card,
    /// After each epoch.
    pub curve: Vec<EpochPoint>,
    /// The network's layers before training and after it, on training records.
    pub layers: Inspected,
    /// Steps done.
    pub steps: u64,
}

/// An epoch of a probe.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct EpochPoint {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss over its steps.
    pub train_loss: f64,
    /// The validation metric that steers training, if there are validation records.
    pub validation: Option<f64>,
    /// Validation accuracy, or R² of numbers.
    pub quality: Option<f64>,
    /// Mean norm of its steps' gradients.
    pub gradient_norm: f64,
}

impl Outcome {
    /// Whether training ended for want of finite numbers, or could not be done.
    pub fn diverged(&self) -> bool {
        let reason = self.trained.as_ref().map(|trained| trained.card.end_reason);
        self.failure.is_some() || reason == Some(EndReason::Diverged)
    }
}

/// What comes of running a probe: the outcome, and what its run keeps.
pub struct Performed {
    /// What was learnt.
    pub outcome: Outcome,
    /// The card and the test results of its model, if it has one.
    pub kept: Option<(Card, Option<TestResults>)>,
}

/// Runs a probe. An interruption is an error; a training that fails is an outcome.
pub fn run(
    bench: &Workbench,
    probe: &Probe,
    clock: &dyn Clock,
    monitor: &mut dyn FitMonitor,
) -> Result<Performed, FitError> {
    let began = clock.monotonic();
    let Selected { mut table, split, rows } = bench.select(&probe.records, probe.seed);
    let Some(spec) = probe.spec(bench.spec()) else {
        let failure = Problem::new(Code::Internal, "the change gives no spec");
        let outcome = Outcome { failure: Some(failure), ..Outcome::default() };
        return Ok(Performed { outcome, kept: None });
    };
    let spec = TrainSpec { split, ..spec };
    // A probe may leave out columns.
    let columns = spec.task.input_columns();
    if !columns.is_empty() {
        table.inputs.retain(|column| columns.contains(&column.name.as_str()));
    }
    let source = bench.source.as_deref();
    let mut outcome = Outcome::default();
    let mut kept = None;
    if let Some(range) = &spec.range_test {
        let mut warnings = Vec::new();
        match range_test((&spec, range), (table, source), &mut warnings, clock, monitor) {
            Ok(tested) => outcome.range_test = Some(tested.report),
            Err(error) => outcome.failure = Some(failed(error)?),
        }
    } else {
        let steers = spec.training.metric(&spec.task);
        let mut watch = Watch { inner: monitor, steers, curve: Vec::new(), norms: (0.0, 0) };
        let fitted = fit(&spec, (table.clone(), source), Vec::new(), clock, &mut watch, None);
        let curve = watch.curve;
        match fitted {
            Ok(Fitted { model, steps, test, validation, sample, .. }) => {
                let layers = inspect::layers(&model, &sample)?;
                outcome.validated = validation.map(|v| v.losses()).unwrap_or_default();
                if let Some(test) = &test {
                    let at = |record: &u64| rows[*record as usize] as u64;
                    outcome.losses = test.records.iter().map(at).zip(test.losses()).collect();
                    measure(&mut outcome, &model, probe, &table, &test.records)?;
                }
                let card = model.card.clone();
                outcome.trained = Some(TrainedProbe { card: card.clone(), curve, layers, steps });
                kept = Some((card, test));
            }
            Err(error) => outcome.failure = Some(failed(error)?),
        }
    }
    outcome.seconds = (clock.monotonic() - began).as_secs_f64();
    Ok(Performed { outcome, kept })
}

/// What only some probes are measured for.
fn measure(
    outcome: &mut Outcome,
    model: &Model,
    probe: &Probe,
    table: &TrainingTable,
    tested: &[u64],
) -> Result<(), FitError> {
    let wanted = matches!(probe.records, Selection::WithoutTopic { .. } | Selection::Fold { .. });
    if !wanted {
        return Ok(());
    }
    let records = Records::new(model.spec.task.input(), table.inputs.clone());
    let positions: Vec<usize> = tested.iter().map(|record| *record as usize).collect();
    let encoded = model.reader.encoder.encode_all(&records, &positions)?;
    let weighed: Vec<_> = encoded.into_iter().map(|record| model.weigh(record)).collect();
    match probe.records {
        Selection::Fold { .. } => {
            let of = |weighed: &Weighed| {
                let p = model.reader.probabilities(&weighed.reading.logits);
                p.into_iter().map(|p| p as f32).collect()
            };
            outcome.probabilities = weighed.iter().map(of).collect();
        }
        Selection::WithoutTopic { .. } => {
            let p_values: Option<Vec<f64>> =
                weighed.iter().map(|w| Some(w.combined.as_ref()?.p_value)).collect();
            let flags = p_values.map(|p| p.into_iter().map(|p| p <= 0.05).collect());
            outcome.flagged = flags.unwrap_or_default();
        }
        Selection::All
        | Selection::Labelled
        | Selection::Share { .. }
        | Selection::Shuffled
        | Selection::Lacking { .. } => {}
    }
    Ok(())
}

/// A failure to be told of; an interruption is passed on.
fn failed(error: FitError) -> Result<Problem, FitError> {
    if error.is_interruption() { Err(error) } else { Ok(error.into()) }
}

/// Notes what happens on the way, and passes it on.
struct Watch<'a> {
    inner: &'a mut dyn FitMonitor,
    steers: StoppingMetric,
    curve: Vec<EpochPoint>,
    /// Sum and number of the epoch's gradient norms.
    norms: (f64, usize),
}

impl FitMonitor for Watch<'_> {
    fn phase(&mut self, phase: Phase) {
        self.inner.phase(phase);
    }

    fn step(&mut self, report: &StepReport) {
        self.norms.0 += f64::from(report.gradient_norm);
        self.norms.1 += 1;
        self.inner.step(report);
    }

    fn epoch(&mut self, report: &EpochReport, validation: Option<&MetricsReport>) {
        let (sum, steps) = std::mem::take(&mut self.norms);
        self.curve.push(EpochPoint {
            epoch: report.epoch,
            train_loss: report.train_loss,
            validation: validation.and_then(|v| v.value(self.steers)),
            quality: validation.and_then(MetricsReport::quality),
            gradient_norm: sum / steps.max(1) as f64,
        });
        self.inner.epoch(report, validation);
    }

    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays) {
        self.inner.checkpoint(epoch, step, state);
    }

    fn interrupt(&self) -> Interrupt {
        self.inner.interrupt()
    }
}
