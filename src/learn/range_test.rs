//! Learning-rate range test (Smith 2017, "Cyclical Learning Rates for Training Neural Networks"): a
//! short training whose rate rises exponentially, and what its losses say of a good rate.
//!
//! Of n steps, step i has the rate low · (high / low)^(i / (n − 1)) and records the loss of its batch
//! before the update. `smoothed` is the mean with weights 0.9^k, bias corrected. The test ends where
//! that explodes: at a loss that is not finite, or that is more than 4 times the smallest so far and
//! more than the loss at the start.
//!
//! The suggestion is the rate at which the loss falls most steeply on the scale of ln(rate), but at
//! most a tenth of the rate at which it explodes. Slopes are of straight lines fitted to the losses
//! in windows of a tenth of the steps, up to the window with the smallest mean. There is none where
//! the loss does not fall by more than chance lets it, or where the range shows no end of the fall.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LearnError;
use super::augment::Augmentation;
use super::network::{InputShape, Noise};
use super::regularize::NgramDropout;
use super::rows::{Source, Targets};
use super::trainer::{Interrupt, StepReport, TrainerSpec, order};
use crate::clock::Clock;
use crate::random;

/// Weight that the past has in the smoothed loss.
const MEMORY: f64 = 0.9;
/// How many times its smallest value a smoothed loss has exploded.
const EXPLOSION: f64 = 4.0;
/// Standard errors that a fall exceeds. The lowest of many windows is looked for, so it takes more
/// than usual.
const STANDARD_ERRORS: f64 = 4.0;

/// The rates of a range test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RangeTestSpec {
    /// Learning rate of the first step.
    #[schema(minimum = 0.000_000_000_000_1, maximum = 1000.0)]
    pub low: f64,
    /// Learning rate of the last step, at least ten times that of the first; most tests explode
    /// before it.
    #[schema(minimum = 0.000_000_000_000_1, maximum = 1000.0)]
    pub high: f64,
    /// Steps from one to the other.
    #[schema(minimum = 20, maximum = 1_000)]
    pub steps: usize,
}

impl Default for RangeTestSpec {
    fn default() -> Self {
        Self { low: 1e-6, high: 10.0, steps: 100 }
    }
}

impl RangeTestSpec {
    fn rate(&self, step: usize) -> f64 {
        let share = step as f64 / (self.steps.max(2) - 1) as f64;
        self.low * (self.high / self.low).powf(share)
    }

    /// Steps on each side of a window's middle.
    fn half(&self) -> usize {
        (self.steps / 20).max(2)
    }
}

/// A step of a range test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RangePoint {
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Mean loss of its batch before the update, without penalties.
    pub loss: f64,
    /// Mean of the losses so far, in which each step before counts 0.9 times as much.
    pub smoothed: f64,
}

/// What a range test found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RangeTestReport {
    /// The rate to train with: `steepest`, but at most a tenth of `diverged_at`; `null` where the
    /// curve shows none.
    pub suggestion: Option<f64>,
    /// Why this suggestion, or why none, in words.
    pub reason: String,
    /// The rate at which the loss falls most steeply on the scale of ln(rate).
    pub steepest: Option<f64>,
    /// The rate at which the loss exploded; `null` where it did not.
    pub diverged_at: Option<f64>,
    /// The steps, in order of their rates; those with a loss that is not finite are left out.
    pub curve: Vec<RangePoint>,
}

/// Listens to a range test and steers it.
pub trait RangeMonitor {
    /// A step was done.
    fn step(&mut self, report: &StepReport);
    /// Asked before every step.
    fn interrupt(&self) -> Interrupt;
}

/// How a range test ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeTested {
    /// What it found.
    pub report: RangeTestReport,
    /// Steps done.
    pub steps: u64,
    /// Whether it was asked to stop; it then has the curve so far.
    pub stopped: bool,
}

/// Runs a range test of a training: its network, optimiser, loss, regularisation, batches and seed.
/// Schedule, averages, epochs and limits have no part in it.
pub fn range_test(
    (spec, range): (&TrainerSpec, &RangeTestSpec),
    (source, targets): (&dyn Source, &Targets),
    input: InputShape,
    clock: &dyn Clock,
    monitor: &mut dyn RangeMonitor,
) -> Result<RangeTested, LearnError> {
    let network = spec.first_network(input, targets.outputs())?;
    let mut network = network.with_loss(spec.loss.clone()).on(spec.device)?;
    let mut optimizer = spec.optimizer(&network);
    let per_step = spec.gradient.batch_size.saturating_mul(spec.accumulate);
    let key = random::keyed(spec.seed ^ 0x006e_6f69_7365);
    let mut curve = Curve::new(range);
    let (mut epoch, mut steps, mut stopped) = (0, 0, false);
    'test: loop {
        let dropout = NgramDropout::new(spec.regularization.ngram_dropout, spec.seed, epoch);
        let augmentation = Augmentation::new(&spec.augmentation, spec.seed, epoch);
        let rows = source.epoch(epoch);
        for records in order(rows.len(), spec.seed, epoch).chunks(per_step) {
            let done = curve.points.len();
            if done == range.steps {
                break 'test;
            }
            match monitor.interrupt() {
                Interrupt::None | Interrupt::Prepare => {}
                Interrupt::Stop => {
                    stopped = true;
                    break 'test;
                }
                Interrupt::Abort => return Err(LearnError::Interrupted),
            }
            let before = clock.monotonic();
            let rate = range.rate(done);
            optimizer.begin_step(rate as f32);
            let key = key ^ done as u64;
            let noise = Noise { ngrams: &dropout, augmentation: &augmentation, key };
            let data = (&*rows, targets);
            let outcome = network.step(data, records, noise, &spec.gradient, optimizer.as_mut())?;
            let seconds = (clock.monotonic() - before).as_secs_f64();
            steps += 1;
            monitor.step(&StepReport {
                step: steps,
                epoch: epoch + 1,
                loss: outcome.loss,
                learning_rate: rate,
                gradient_norm: outcome.gradient_norm,
                records_per_second: records.len() as f64 / seconds.max(1e-9),
                share: (done + 1) as f64 / range.steps as f64,
            });
            if curve.explodes(rate, f64::from(outcome.loss)) {
                break 'test;
            }
        }
        epoch += 1;
    }
    Ok(RangeTested { report: curve.report(), steps, stopped })
}

/// A curve in the making.
struct Curve<'a> {
    range: &'a RangeTestSpec,
    points: Vec<RangePoint>,
    /// Weighted sums of losses and of ones.
    sums: (f64, f64),
    diverged_at: Option<f64>,
}

impl<'a> Curve<'a> {
    fn new(range: &'a RangeTestSpec) -> Self {
        Self { range, points: Vec::new(), sums: (0.0, 0.0), diverged_at: None }
    }

    /// Takes the loss of a step; says whether the test ends with it.
    fn explodes(&mut self, rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            self.diverged_at = Some(rate);
            return true;
        }
        let (sum, ones) = self.sums;
        self.sums = (MEMORY * sum + loss, MEMORY * ones + 1.0);
        let smoothed = self.sums.0 / self.sums.1;
        self.points.push(RangePoint { learning_rate: rate, loss, smoothed });
        // The first few losses are hardly smoothed.
        let first = 2 * self.range.half() + 1;
        if self.points.len() <= first {
            return false;
        }
        let lowest = self.points[first - 1..].iter().map(|point| point.smoothed);
        let lowest = lowest.fold(f64::INFINITY, f64::min);
        let start = self.points[..first].iter().map(|point| point.loss).sum::<f64>() / first as f64;
        let exploded = smoothed > EXPLOSION * lowest && smoothed > start;
        if exploded {
            self.diverged_at = Some(rate);
        }
        exploded
    }

    fn report(self) -> RangeTestReport {
        let (steepest, verdict) = self.verdict();
        let (suggestion, reason) = match verdict {
            Ok((rate, reason)) => (Some(rate), reason),
            Err(reason) => (None, reason),
        };
        let diverged_at = self.diverged_at;
        RangeTestReport { suggestion, reason, steepest, diverged_at, curve: self.points }
    }

    /// The steepest rate, and the suggestion with its reason or the reason why there is none.
    fn verdict(&self) -> (Option<f64>, Result<(f64, String), String>) {
        let half = self.range.half();
        let windows: Vec<Window> = self.points.windows(2 * half + 1).map(Window::of).collect();
        let least = windows.iter().enumerate().min_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean));
        let Some((lowest, _)) = least.filter(|_| windows.len() > half) else {
            let reason = match self.diverged_at {
                Some(rate) => {
                    format!("the loss exploded at {rate:.2e}, too early to tell a fall: lower low")
                }
                None => "too few steps were done to tell a fall".to_owned(),
            };
            return (None, Err(reason));
        };
        let falling = &windows[..=lowest];
        let fall = falling[0].mean - falling[lowest].mean;
        let residual = falling.iter().map(|w| w.residual).sum::<f64>() / falling.len() as f64;
        let error = (residual * 2.0 / (2 * half + 1) as f64).sqrt();
        // Rounding is no fall either.
        if fall <= STANDARD_ERRORS * error || fall <= 1e-6 * falling[0].mean.abs() {
            let reason = format!(
                "the loss does not fall: from {:.4} to {:.4} at the lowest, with a standard error \
                 of {error:.4}; give it more steps or larger batches, or another network",
                falling[0].mean, falling[lowest].mean
            );
            return (None, Err(reason));
        }
        let steepest =
            falling.iter().min_by(|a, b| a.slope.total_cmp(&b.slope)).map_or(0.0, |w| w.rate);
        let (low, end) = (self.range.low, self.points[self.points.len() - 1].learning_rate);
        let verdict = match self.diverged_at {
            Some(rate) if rate / 10.0 < low => Err(format!(
                "the loss exploded at {rate:.2e}, less than ten times the lowest rate: lower low"
            )),
            Some(rate) if rate / 10.0 < steepest => Ok((
                rate / 10.0,
                format!(
                    "a tenth of {rate:.2e}, where the loss exploded; it falls most steeply at \
                     {steepest:.2e}"
                ),
            )),
            Some(rate) => Ok((
                steepest,
                format!(
                    "the loss falls most steeply there; it exploded at {rate:.2e}, more than ten \
                     times that"
                ),
            )),
            None if steepest > end / 10.0 => Err(format!(
                "the loss falls most steeply at {steepest:.2e}, near the highest rate of \
                 {end:.2e}, and did not explode: raise high"
            )),
            None => Ok((
                steepest,
                format!("the loss falls most steeply there; it did not explode up to {end:.2e}"),
            )),
        };
        (Some(steepest), verdict)
    }
}

/// A straight line through the losses of some steps.
struct Window {
    /// Rate in the middle.
    rate: f64,
    /// Mean loss.
    mean: f64,
    /// Change of the loss per unit of ln(rate).
    slope: f64,
    /// Variance of the losses around the line.
    residual: f64,
}

impl Window {
    fn of(points: &[RangePoint]) -> Self {
        let n = points.len() as f64;
        let x = |point: &RangePoint| point.learning_rate.ln();
        let (mean_x, mean) = (
            points.iter().map(x).sum::<f64>() / n,
            points.iter().map(|point| point.loss).sum::<f64>() / n,
        );
        let sum = |f: &dyn Fn(&RangePoint) -> f64| points.iter().map(f).sum::<f64>();
        let xx = sum(&|point| (x(point) - mean_x).powi(2));
        let xy = sum(&|point| (x(point) - mean_x) * (point.loss - mean));
        let slope = xy / xx;
        let off = |point: &RangePoint| point.loss - mean - slope * (x(point) - mean_x);
        let residual = sum(&|point| off(point).powi(2)) / (n - 2.0);
        Self { rate: points[points.len() / 2].learning_rate, mean, slope, residual }
    }
}

#[cfg(test)]
#[path = "range_test_tests.rs"]
mod tests;
