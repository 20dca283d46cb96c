//! What steers a training: the validation split, measured after each epoch.

use rayon::prelude::*;

use super::monitor::FitMonitor;
use crate::arrays::Arrays;
use crate::learn::network::View;
use crate::learn::rows::Features;
use crate::learn::stopping::{StoppingMetric, Target};
use crate::learn::trainer::{EpochReport, Interrupt, Measured, Monitor, StepReport};
use crate::task::{
    Evaluated, MetricsReport, Outcomes, Output, Predicted, RegressionReport, report,
};

/// Measures the validation split after each epoch.
pub(super) struct Steering<'a> {
    pub monitor: &'a mut dyn FitMonitor,
    pub output: &'a Output,
    pub metric: StoppingMetric,
    /// The value to end with.
    pub target: Option<Target>,
    /// The validation records' features.
    pub validation: &'a Features,
    /// Which records they are.
    pub records: &'a [usize],
    pub outcomes: &'a Outcomes,
}

impl Steering<'_> {
    fn measure(&self, network: View<'_>) -> Option<MetricsReport> {
        let outputs = |i: usize| network.evaluate(self.validation.row(i)).1;
        match self.output {
            Output::Labels { labels, head } => {
                let evaluate = |(i, &record): (usize, &usize)| {
                    let logits = head.label_logits(outputs(i));
                    let raw = head.link().probabilities(&logits, 1.0);
                    Evaluated { truth: self.outcomes.labels_of(record), raw, calibrated: None }
                };
                let records: Vec<Evaluated<'_>> =
                    self.records.par_iter().enumerate().map(evaluate).collect();
                report(*head, labels, &records).map(MetricsReport::Classification)
            }
            Output::Values { names, scaler } => {
                let predict = |(i, &record): (usize, &usize)| {
                    let values = scaler.restore(&outputs(i));
                    Predicted { truth: self.outcomes.values_of(record), values }
                };
                let records: Vec<Predicted<'_>> =
                    self.records.par_iter().enumerate().map(predict).collect();
                RegressionReport::of(names, &records).map(MetricsReport::Regression)
            }
        }
    }
}

impl Monitor for Steering<'_> {
    fn step(&mut self, report: &StepReport) {
        self.monitor.step(report);
    }

    fn epoch(&mut self, epoch: &EpochReport, network: View<'_>) -> Option<Measured> {
        let metrics = self.measure(network);
        self.monitor.epoch(epoch, metrics.as_ref());
        metrics.map(|metrics| {
            let value = metrics.value(self.metric);
            let reached = |target: Target| {
                metrics.value(target.metric).is_some_and(|value| target.reached(value))
            };
            Measured {
                value: value.map_or(f64::INFINITY, |value| self.metric.to_minimise(value)),
                good_enough: self.target.is_some_and(reached),
            }
        })
    }

    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays) {
        self.monitor.checkpoint(epoch, step, state);
    }

    fn wants_checkpoint(&self, epoch: usize) -> bool {
        self.monitor.wants_checkpoint(epoch)
    }

    fn interrupt(&self) -> Interrupt {
        self.monitor.interrupt()
    }
}
