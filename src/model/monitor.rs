//! What is heard of a training while it runs.

use super::spec::Warning;
use crate::arrays::Arrays;
use crate::learn::trainer::{EpochReport, Interrupt, StepReport};
use crate::task::MetricsReport;

/// What a training is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Learning the encoder and turning records into features.
    Vectorizing,
    /// Running epochs.
    Training,
    /// Fitting detectors, calibrator and conformal thresholds, and measuring every part.
    Evaluating,
}

/// Listens to a training and steers it.
pub trait FitMonitor: Send {
    /// A phase begins.
    fn phase(&mut self, phase: Phase);
    /// A step was done.
    fn step(&mut self, report: &StepReport);
    /// An epoch was done, with the metrics of the validation split if there is one.
    fn epoch(&mut self, report: &EpochReport, validation: Option<&MetricsReport>);
    /// The training shows something that the user should know; each kind once.
    fn warning(&mut self, _warning: &Warning) {}
    /// A state from which training can be resumed.
    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays);
    /// Whether a checkpoint is wanted after an epoch, however recent the last one is.
    fn wants_checkpoint(&self, _epoch: usize) -> bool {
        false
    }
    /// Asked at every step and between phases.
    fn interrupt(&self) -> Interrupt;
}
