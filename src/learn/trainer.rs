//! The training loop: epochs of shuffled batches, early stopping on whatever the monitor measures,
//! the best epoch's parameters kept, checkpoints between epochs.

use std::time::Duration;

use super::LearnError;
use super::average::Averaged;
use super::gradient::GradientSpec;
use super::loss::Loss;
use super::network::{Frozen, InputShape, Network, NetworkSpec, Noise, StepOutcome, View};
use super::optimizer::{Optimizer, OptimizerSpec};
use super::regularize::{NgramDropout, RegularizationSpec};
use super::rows::{Features, Targets};
use super::schedule::{Schedule, ScheduleSpec};
use super::stopping::{EarlyStopping, EndReason};
use crate::arrays::Arrays;
use crate::clock::Clock;
use crate::random;

/// Everything the loop needs to know.
#[derive(Debug, Clone)]
pub struct TrainerSpec {
    pub network: NetworkSpec,
    pub optimizer: OptimizerSpec,
    pub schedule: ScheduleSpec,
    pub loss: Loss,
    pub regularization: RegularizationSpec,
    pub epochs: usize,
    pub gradient: GradientSpec,
    /// Batches that share a step.
    pub accumulate: usize,
    /// Share that the average of the parameters keeps in a step; `None` does not average.
    pub ema_decay: Option<f64>,
    pub seed: u64,
    pub early_stopping: Option<EarlyStopping>,
    /// Time between checkpoints, which are taken after an epoch.
    pub checkpoint_every: Duration,
}

/// What whoever asked for the training wants of the loop right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Go on.
    None,
    /// End with the best parameters so far.
    Stop,
    /// End with nothing.
    Abort,
}

/// A step, as it is reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean loss of its records, without penalties.
    pub loss: f32,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Euclidean norm of the gradient, penalties included, before it is clipped.
    pub gradient_norm: f32,
    /// Records per second of this step.
    pub records_per_second: f64,
}

/// The end of an epoch, as it is reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Steps done.
    pub step: u64,
    /// Mean loss over the epoch's steps, without penalties.
    pub train_loss: f64,
    /// Seconds that the epoch's steps took.
    pub seconds: f64,
}

/// Listens to training and steers it.
pub trait Monitor {
    /// A step was done.
    fn step(&mut self, report: &StepReport);
    /// An epoch was done. Returns what to minimise for early stopping and the choice of the best
    /// epoch, or `None` where nothing is measured.
    fn epoch(&mut self, report: &EpochReport, network: View<'_>) -> Option<f64>;
    /// A state from which training can be resumed.
    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays);
    /// Asked at every step.
    fn interrupt(&self) -> Interrupt;
}

/// What training left.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The best epoch's parameters; the last ones where nothing was measured.
    pub network: Frozen,
    /// The epoch they are from; `None` where nothing was measured.
    pub best_epoch: Option<usize>,
    /// Epochs done.
    pub epochs: usize,
    /// Steps done.
    pub steps: u64,
    /// Why it ended.
    pub reason: EndReason,
}

struct Progress {
    epoch: usize,
    step: u64,
    best: Option<(usize, f64, Frozen)>,
    /// Epochs since the last improvement.
    waited: usize,
}

/// Trains. `resume` is a state that [`Monitor::checkpoint`] was given; the run then goes on as if it
/// had never ended, bit for bit.
pub fn train(
    spec: &TrainerSpec,
    (rows, targets): (&Features, &Targets),
    input: InputShape,
    clock: &dyn Clock,
    monitor: &mut dyn Monitor,
    resume: Option<&Arrays>,
) -> Result<Outcome, LearnError> {
    let (mut network, mut progress) = match resume {
        Some(state) => resumed(spec, input, targets.outputs(), state)?,
        None => (
            Network::new(&spec.network, input, targets.outputs(), spec.seed)?,
            Progress { epoch: 0, step: 0, best: None, waited: 0 },
        ),
    };
    network = network.with_loss(spec.loss.clone());
    let lengths = network.parameter_lengths();
    let mut optimizer = Averaged::new(spec.optimizer.build(&lengths), spec.ema_decay, &lengths);
    if let Some(state) = resume {
        optimizer.restore(state)?;
    }
    let per_step = spec.gradient.batch_size.saturating_mul(spec.accumulate);
    let steps_per_epoch = rows.len().div_ceil(per_step) as u64;
    let total = spec.epochs as u64 * steps_per_epoch;
    let mut schedule = spec.schedule.start(total, steps_per_epoch);
    if let Some(state) = resume {
        schedule.restore(state)?;
    }
    let key = random::keyed(spec.seed ^ 0x006e_6f69_7365);
    let mut last_checkpoint = clock.monotonic();
    let reason = loop {
        if progress.epoch >= spec.epochs {
            break EndReason::Epochs;
        }
        let epoch = progress.epoch;
        let dropout = NgramDropout::new(spec.regularization.ngram_dropout, spec.seed, epoch);
        let started = clock.monotonic();
        let mut sum = 0.0;
        let mut ended = None;
        let order = order(rows.len(), spec.seed, epoch);
        let mut steps = 0;
        for records in order.chunks(per_step) {
            match monitor.interrupt() {
                Interrupt::None => {}
                Interrupt::Abort => return Err(LearnError::Interrupted),
                // A model that has seen nothing is no use: the first batch is always done.
                Interrupt::Stop if progress.step > 0 => {
                    ended = Some(EndReason::Stopped);
                    break;
                }
                Interrupt::Stop => {}
            }
            let before = clock.monotonic();
            let rate = spec.optimizer.learning_rate() * schedule.factor(progress.step);
            optimizer.begin_step(rate as f32);
            let data = (rows, targets);
            let noise = Noise { ngrams: &dropout, key: key ^ progress.step };
            let outcome = network.step(data, records, noise, &spec.gradient, &mut optimizer)?;
            progress.step += 1;
            let seconds = (clock.monotonic() - before).as_secs_f64();
            let report =
                report(&progress, &outcome, rate, records.len() as f64 / seconds.max(1e-9));
            monitor.step(&report);
            if !outcome.loss.is_finite() {
                ended = Some(EndReason::Diverged);
                break;
            }
            sum += f64::from(outcome.loss);
            steps += 1;
        }
        if ended == Some(EndReason::Diverged) {
            if progress.best.is_none() {
                return Err(LearnError::Diverged { step: progress.step, loss: f32::NAN });
            }
            break EndReason::Diverged;
        }
        progress.epoch += 1;
        let report = EpochReport {
            epoch: progress.epoch,
            step: progress.step,
            train_loss: sum / f64::from(steps.max(1)),
            seconds: (clock.monotonic() - started).as_secs_f64(),
        };
        let measured = if spec.ema_decay.is_some() {
            monitor.epoch(&report, optimizer.freeze(&network)?.view())
        } else {
            network.evaluate(|view| monitor.epoch(&report, view))?
        };
        if let Some(value) = measured {
            schedule.measured(value);
            if improves(&mut progress, value, spec.early_stopping.as_ref()) {
                let kept = optimizer.freeze(&network)?;
                progress.best = Some((progress.epoch, value, kept));
            }
        }
        if let Some(reason) = ended {
            break reason;
        }
        if spec.early_stopping.as_ref().is_some_and(|stop| progress.waited >= stop.patience) {
            break EndReason::EarlyStopping;
        }
        let due = clock.monotonic() - last_checkpoint >= spec.checkpoint_every;
        if due && progress.epoch < spec.epochs {
            let state = state(&network, &optimizer, &schedule, &progress)?;
            monitor.checkpoint(progress.epoch, progress.step, state);
            last_checkpoint = clock.monotonic();
        }
    };
    let Progress { epoch, step, best, .. } = progress;
    let (best_epoch, network) = match best {
        Some((epoch, _, network)) => (Some(epoch), network),
        None => (None, optimizer.freeze(&network)?),
    };
    // The last step's damage shows in no loss.
    if !network.is_finite() {
        return Err(LearnError::Diverged { step, loss: f32::NAN });
    }
    Ok(Outcome { network, best_epoch, epochs: epoch, steps: step, reason })
}

/// The order of records in an epoch.
fn order(records: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..records).collect();
    random::shuffle(&mut order, &mut random::stream(seed, &format!("order.{epoch}")));
    order
}

fn report(progress: &Progress, outcome: &StepOutcome, rate: f64, throughput: f64) -> StepReport {
    StepReport {
        step: progress.step,
        epoch: progress.epoch + 1,
        loss: outcome.loss,
        learning_rate: rate,
        gradient_norm: outcome.gradient_norm,
        records_per_second: throughput,
    }
}

/// Whether what was measured is the best so far.
fn improves(progress: &mut Progress, value: f64, stopping: Option<&EarlyStopping>) -> bool {
    let min_delta = stopping.map_or(0.0, |stop| stop.min_delta);
    let best = progress.best.as_ref().map_or(f64::INFINITY, |(_, best, _)| *best);
    // The first finite value is always the best so far.
    let improves = value < best - min_delta || (progress.best.is_none() && !value.is_nan());
    progress.waited = if improves { 0 } else { progress.waited + 1 };
    improves
}

fn state(
    network: &Network,
    optimizer: &dyn Optimizer,
    schedule: &Schedule,
    progress: &Progress,
) -> Result<Arrays, LearnError> {
    let mut state = Arrays::default();
    state.absorb("network.", network.freeze()?.save());
    optimizer.save(&mut state);
    schedule.save(&mut state);
    let counters = vec![progress.epoch as u64, progress.step, progress.waited as u64];
    state.put("progress", counters);
    if let Some((epoch, value, best)) = &progress.best {
        state.put("best.epoch", vec![*epoch as u64]);
        state.put("best.value", vec![*value]);
        state.absorb("best.network.", best.save());
    }
    Ok(state)
}

fn resumed(
    spec: &TrainerSpec,
    input: InputShape,
    outputs: usize,
    state: &Arrays,
) -> Result<(Network, Progress), LearnError> {
    let load = |prefix: &str| Frozen::load(&spec.network, input, outputs, &state.under(prefix));
    let network = Network::thaw(&load("network.")?)?;
    let counters = state.get_exact::<u64>("progress", 3)?;
    let best = if state.has("best.epoch") {
        let epoch = state.scalar::<u64>("best.epoch")? as usize;
        Some((epoch, state.scalar::<f64>("best.value")?, load("best.network.")?))
    } else {
        None
    };
    let (epoch, step, waited) = (counters[0] as usize, counters[1], counters[2] as usize);
    Ok((network, Progress { epoch, step, best, waited }))
}
#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
