//! A part of one training: from where it was to the end of a stage, or to its own end. Blocking,
//! without any IO.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arrays::Arrays;
use crate::clock::Clock;
use crate::job::execute::{Event, ExecuteError, Inputs, Output, Reporter, Trained, execute};
use crate::learn::stopping::StoppingMetric;
use crate::learn::trainer::Interrupt;
use crate::model::fit::TrainingTable;
use crate::model::spec::{TrainSpec, Warning};
use crate::model::{FitError, Model};

/// What a segment needs.
pub struct SegmentInputs {
    /// The training.
    pub spec: TrainSpec,
    /// The columns that it names; shared by all trials.
    pub table: Arc<TrainingTable>,
    /// Warnings of the submission.
    pub warnings: Vec<Warning>,
    /// The model that all trials start from, if they name one.
    pub source: Option<Arc<Model>>,
    /// A state to go on from.
    pub resume: Option<Arrays>,
    /// Epochs to train to; to the end if there is no such number.
    pub until: Option<usize>,
    /// What ranks trials.
    pub metric: StoppingMetric,
    /// The metric at the end of the stage before, if there was one.
    pub before: Option<f64>,
}

/// How a segment ended.
pub enum Segment {
    /// At the end of the stage; it can go on from here.
    Paused {
        /// The state to go on from.
        state: Arrays,
        /// The metric of the best epoch so far.
        value: Option<f64>,
        /// Epochs trained.
        epochs: usize,
        /// Steps trained.
        steps: u64,
    },
    /// It was trained to its end.
    Finished {
        /// Model, card and results.
        trained: Box<Trained>,
        /// The metric of the parameters that were kept.
        value: Option<f64>,
    },
}

/// Trains a segment.
pub fn run(
    inputs: SegmentInputs,
    clock: &dyn Clock,
    reporter: &mut dyn Reporter,
) -> Result<Segment, ExecuteError> {
    let SegmentInputs { spec, table, warnings, source, resume, until, metric, before } = inputs;
    // Whoever trains to its end knows of no stage.
    let until = until.filter(|until| *until < spec.training.epochs);
    let mut gate = Gate { reporter, until, metric, values: BTreeMap::new(), paused: None };
    let table = TrainingTable::clone(&table);
    let inputs = Inputs { spec, table, warnings, source, resume };
    match execute(inputs, clock, &mut gate) {
        Ok(Output::Model(mut trained)) => {
            // A sweep keeps only what its stages go on from.
            trained.last = None;
            let validation = trained.card.metrics.validation.as_ref();
            let value = validation.and_then(|report| report.value(metric));
            Ok(Segment::Finished { trained, value })
        }
        // Nobody asks a sweep for one.
        Ok(Output::RangeTest(_)) => Err(ExecuteError::Fit(FitError::Interrupted)),
        Err(error) if error.is_interruption() => match gate.paused {
            Some((epochs, steps, state)) => {
                let best = state.scalar::<u64>("best.epoch").ok();
                let measured = best.map(|best| gate.values.get(&(best as usize)).copied());
                // The best epoch may be one of a stage before; then nothing has changed since.
                let value = measured.map_or(before, |here| here.unwrap_or(before));
                Ok(Segment::Paused { state, value, epochs, steps })
            }
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Passes events on, and ends the training where its stage does.
struct Gate<'a> {
    reporter: &'a mut dyn Reporter,
    until: Option<usize>,
    metric: StoppingMetric,
    /// The metric after each epoch of this segment.
    values: BTreeMap<usize, Option<f64>>,
    /// Epochs, steps and state at the end of the stage.
    paused: Option<(usize, u64, Arrays)>,
}

impl Reporter for Gate<'_> {
    fn report(&mut self, event: Event) {
        match event {
            Event::Checkpoint { epoch, step, state } if self.wants_checkpoint(epoch) => {
                self.paused = Some((epoch, step, state));
            }
            // Nothing that happens after the end of the stage belongs to it.
            _ if self.paused.is_some() => {}
            event => {
                if let Event::Epoch(report, validation) = &event {
                    let value = validation.as_ref().and_then(|v| v.value(self.metric));
                    self.values.insert(report.epoch, value);
                }
                self.reporter.report(event);
            }
        }
    }

    fn wants_checkpoint(&self, epoch: usize) -> bool {
        self.until == Some(epoch)
    }

    fn interrupt(&self) -> Interrupt {
        if self.paused.is_some() { Interrupt::Abort } else { self.reporter.interrupt() }
    }
}
