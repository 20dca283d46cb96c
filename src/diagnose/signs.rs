//! Signs of the model's own training, done once more: what its curve, its layers and its card show
//! without any further training.

use super::experiment::{EpochPoint, Outcome, TrainedProbe};
use super::known::Known;
use crate::eval::trend::{TrendDirection, block_means, theil_sen};
use crate::learn::inspect::LayerReport;
use crate::task::Head;

/// Blocks of epochs that a trend is judged by: longer than the runs of neighbours that are alike.
const BLOCKS: usize = 8;
/// Epochs that a trend takes.
const MIN_EPOCHS: usize = 10;
/// Confidence of a trend.
const CONFIDENCE: f64 = 0.95;

/// How a series of losses goes at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ending {
    /// Which way.
    pub direction: TrendDirection,
    /// Share of its last value that it would lose if it went on so for half as many epochs again;
    /// below 0 it rises.
    pub fall: f64,
}

/// The trend of the second half of a curve of losses; `None` for fewer than ten epochs or a loss that
/// is no number.
pub fn ending(losses: &[f64]) -> Option<Ending> {
    if losses.len() < MIN_EPOCHS {
        return None;
    }
    let half = &losses[losses.len() / 2..];
    let blocks = block_means(half, BLOCKS);
    let trend = theil_sen(&blocks, CONFIDENCE)?;
    let last = blocks.last()?.1.abs().max(1e-12);
    Some(Ending { direction: trend.direction(), fall: -trend.slope * half.len() as f64 / last })
}

/// The training losses, epoch by epoch.
pub fn train_losses(trained: &TrainedProbe) -> Vec<f64> {
    trained.curve.iter().map(|point: &EpochPoint| point.train_loss).collect()
}

/// The error of who knows nothing: always the most frequent label, or the mean.
pub fn baseline(known: &Known<'_>) -> f64 {
    match known.bench.output.head() {
        Some(Head::Binary | Head::MultiClass) => {
            let labels = &known.bench.model.card.labels;
            let all: usize = labels.iter().map(|label| label.train_records).sum();
            let most = labels.iter().map(|label| label.train_records).max().unwrap_or(0);
            1.0 - most as f64 / all.max(1) as f64
        }
        Some(Head::MultiLabel) | None => 1.0,
    }
}

/// The training error as a share of that of who knows nothing: 1 has learnt nothing, 0 makes no
/// mistake. 1 for a training that failed.
pub fn unlearnt(known: &Known<'_>, original: &Outcome) -> f64 {
    let error = known.training_error(original).unwrap_or(1.0);
    (error / baseline(known).max(1e-12)).clamp(0.0, 10.0)
}

/// The dense layers, from the input on.
pub fn dense(layers: &[LayerReport]) -> Vec<&LayerReport> {
    layers.iter().filter(|layer| layer.name.starts_with("layers.")).collect()
}

/// Norm of the first dense layer's gradient over the last one's; `None` for a single layer, and where
/// a norm is not known or the last is 0.
pub fn gradient_ratio(layers: &[LayerReport]) -> Option<f64> {
    let dense = dense(layers);
    let (first, last) = (dense.first()?.gradient_norm?, dense.last()?.gradient_norm?);
    (dense.len() > 1 && last > 0.0).then(|| first / last)
}

/// The largest value that any dense layer has of something.
pub fn largest(layers: &[LayerReport], of: fn(&LayerReport) -> Option<f64>) -> Option<f64> {
    dense(layers).into_iter().filter_map(of).reduce(f64::max)
}

/// The smallest.
pub fn smallest(layers: &[LayerReport], of: fn(&LayerReport) -> Option<f64>) -> Option<f64> {
    dense(layers).into_iter().filter_map(of).reduce(f64::min)
}

/// Steps of an epoch.
pub fn steps_per_epoch(known: &Known<'_>) -> usize {
    let training = &known.bench.spec().training;
    let per_step = training.batch_size.saturating_mul(training.accumulate).max(1);
    known.bench.parts.train.len().div_ceil(per_step)
}

/// Whether the training had hardly any steps because it had hardly any epochs.
pub fn few_epochs(known: &Known<'_>) -> bool {
    let epochs = known.bench.spec().training.epochs;
    epochs < MIN_EPOCHS && ((epochs * steps_per_epoch(known)) as f64) < 2.0 * super::usual::STEPS
}

/// What the model's training and validation errors are, and by how much validation is worse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// On the training records.
    pub train: f64,
    /// On the validation records.
    pub validation: f64,
    /// Standard error of their difference.
    pub standard_error: f64,
}

impl Errors {
    /// Of an outcome; `None` without validation records.
    pub fn of(known: &Known<'_>, outcome: &Outcome) -> Option<Self> {
        let (train, validation) =
            (known.training_error(outcome)?, known.validation_error(outcome)?);
        let parts = &known.bench.parts;
        let variance = |error: f64, records: usize| {
            let n = records.max(1) as f64;
            if known.bench.output.head().is_some() {
                let p = (error * n + 1.0) / (n + 2.0);
                p * (1.0 - p) / n
            } else {
                2.0 * error.powi(2) / n
            }
        };
        let variance =
            variance(train, parts.train.len()) + variance(validation, parts.validation.len());
        Some(Self { train, validation, standard_error: variance.sqrt() })
    }

    /// Share of the validation error that the training records do not show.
    pub fn gap(&self) -> f64 {
        (self.validation - self.train) / self.validation.max(1e-12)
    }

    /// The 95 % interval of that share, the validation error taken as it is.
    pub fn gap_interval(&self) -> [f64; 2] {
        let half = 1.96 * self.standard_error / self.validation.max(1e-12);
        [self.gap() - half, self.gap() + half]
    }

    /// Whether validation is worse by more than chance explains.
    pub fn apart(&self) -> bool {
        self.validation - self.train > 2.0 * self.standard_error
    }
}
