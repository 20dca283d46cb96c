//! What steers a training: the validation split, measured after each epoch. What it shows on the way is
//! told at once.

use rayon::prelude::*;

use super::encoder::{Encoded, Encoder};
use super::inspect::Sample;
use super::monitor::FitMonitor;
use super::watch::{EpochSigns, Watch};
use crate::arrays::Arrays;
use crate::learn::inspect::{self, LayerReport};
use crate::learn::network::{GroupSums, View};
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
    /// The validation records, and what encoded them.
    pub validation: (&'a Encoder, &'a [Encoded]),
    /// Which records they are.
    pub records: &'a [usize],
    pub outcomes: &'a Outcomes,
    pub watch: Watch,
    /// Log loss of who always gives the labels' frequencies; `None` where numbers are predicted.
    pub entropy: Option<f64>,
    /// Some of the training records, to look into the layers by; `None` without hidden layers.
    pub look: Option<&'a Sample>,
}

impl Steering<'_> {
    /// What goes on in the layers after an epoch, where that is wanted.
    fn layers(&self, epoch: usize, network: View<'_>) -> Option<Vec<LayerReport>> {
        let look = self.look?;
        if !self.watch.wants_layers(epoch, network.parameters()) {
            return None;
        }
        let frozen = network.freeze(look.targets.outputs());
        let looked = inspect::layers(&frozen, &look.loss, (&look.features, &look.targets));
        // A training is worth more than a look into it.
        looked.inspect_err(|error| tracing::warn!(%error, "the layers could not be looked at")).ok()
    }

    /// The validation loss as a share of that of who knows nothing.
    fn unexplained(&self, metrics: &MetricsReport) -> Option<f64> {
        match self.entropy {
            Some(entropy) => Some(metrics.value(StoppingMetric::LogLoss)? / entropy),
            None => Some(1.0 - metrics.value(StoppingMetric::R2)?),
        }
    }

    fn measure(&self, network: View<'_>) -> Option<MetricsReport> {
        let sums = GroupSums::default();
        let network = network.keeping(&sums);
        let (encoder, encoded) = self.validation;
        let outputs = |i: usize| encoder.evaluate(network, &encoded[i]).1;
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
        let told = self.watch.step(report.epoch, report.step, f64::from(report.loss));
        told.iter().for_each(|warning| self.monitor.warning(warning));
    }

    fn epoch(&mut self, epoch: &EpochReport, network: View<'_>) -> Option<Measured> {
        let metrics = self.measure(network);
        self.monitor.epoch(epoch, metrics.as_ref());
        let layers = self.layers(epoch.epoch, network);
        let told = self.watch.epoch(&EpochSigns {
            epoch: epoch.epoch,
            first_loss: epoch.first_loss,
            train_loss: epoch.train_loss,
            unexplained: metrics.as_ref().and_then(|metrics| self.unexplained(metrics)),
            layers: layers.as_deref(),
        });
        told.iter().for_each(|warning| self.monitor.warning(warning));
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

    fn checkpoint(&mut self, epoch: usize, step: u64, mut state: Arrays) {
        self.watch.save(epoch, &mut state);
        self.monitor.checkpoint(epoch, step, state);
    }

    fn wants_checkpoint(&self, epoch: usize) -> bool {
        self.monitor.wants_checkpoint(epoch)
    }

    fn interrupt(&self) -> Interrupt {
        self.monitor.interrupt()
    }
}
