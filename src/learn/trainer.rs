//! The training loop: epochs of shuffled batches, limits, early stopping on whatever the monitor
//! measures, the best epoch's parameters kept, checkpoints after epochs and within.

use std::sync::Arc;
use std::time::Duration;

use super::LearnError;
use super::augment::{Augmentation, AugmentationSpec};
use super::average::Averaged;
pub use super::checkpoint::CheckpointSpec;
use super::checkpoint::{Kept, Progress};
use super::device::DeviceName;
use super::gradient::GradientSpec;
use super::loss::Loss;
use super::network::{Frozen, InputShape, Network, NetworkSpec, Noise, StepOutcome, View};
use super::optimizer::{Optimizer, OptimizerSpec};
use super::regularize::{NgramDropout, RegularizationSpec};
use super::rows::{Source, Targets};
use super::schedule::ScheduleSpec;
use super::start::{self, Start};
use super::stopping::{EarlyStopping, EndReason, Limits};
use crate::arrays::{Arrays, ArraysError};
use crate::clock::Clock;
use crate::random;

/// Time between checkpoints while the process may end soon.
const PREPARE_EVERY: Duration = Duration::from_secs(1);

/// Everything the loop needs to know.
#[derive(Debug, Clone)]
pub struct TrainerSpec {
    pub device: DeviceName,
    pub network: NetworkSpec,
    pub optimizer: OptimizerSpec,
    pub schedule: ScheduleSpec,
    pub loss: Loss,
    pub regularization: RegularizationSpec,
    pub augmentation: AugmentationSpec,
    pub epochs: usize,
    pub gradient: GradientSpec,
    /// Batches that share a step.
    pub accumulate: usize,
    /// Share that the average of the parameters keeps in a step; `None` does not average.
    pub ema_decay: Option<f64>,
    pub seed: u64,
    pub early_stopping: Option<EarlyStopping>,
    pub limits: Limits,
    pub checkpoints: CheckpointSpec,
    /// What to start from; `None` starts from fresh parameters.
    pub start: Option<Arc<Start>>,
}

impl TrainerSpec {
    /// The network that training begins with.
    pub(super) fn first_network(
        &self,
        input: InputShape,
        outputs: usize,
    ) -> Result<Network, LearnError> {
        start::network(self.start.as_deref(), (&self.network, self.seed), input, outputs)
    }

    /// The optimiser of a network in training.
    pub(super) fn optimizer(&self, network: &Network) -> Box<dyn Optimizer> {
        start::optimizer(self.start.as_deref(), &self.optimizer, network)
    }
}

/// What whoever asked for the training wants of the loop right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Go on.
    None,
    /// Go on, but leave a checkpoint after the epoch: the process may end soon.
    Prepare,
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
    /// Share of the training that is done if it takes every epoch, in \[0, 1\]: of its steps, or of
    /// its time where that is limited and further.
    pub share: f64,
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
    /// Loss before the first step, or of outputs of 0 where that is larger; as for
    /// [`Limits::exploded`].
    pub first_loss: f64,
    /// Seconds that the epoch's steps took.
    pub seconds: f64,
}

/// What was measured after an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// What to minimise: for early stopping, the choice of the best epoch and schedules that listen.
    pub value: f64,
    /// Whether this epoch is good enough to end with.
    pub good_enough: bool,
}

/// Listens to training and steers it.
pub trait Monitor {
    /// A step was done.
    fn step(&mut self, report: &StepReport);
    /// An epoch was done, or a part of one before training ended. Returns `None` where nothing is
    /// measured.
    fn epoch(&mut self, report: &EpochReport, network: View<'_>) -> Option<Measured>;
    /// A state from which training can be resumed, after `epoch` epochs and `step` steps.
    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays);
    /// Whether a checkpoint is wanted after an epoch, however recent the last one is.
    fn wants_checkpoint(&self, _epoch: usize) -> bool {
        false
    }
    /// Asked at every step.
    fn interrupt(&self) -> Interrupt;
}

/// What training left.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The best epoch's parameters; the last good ones where nothing was measured.
    pub network: Frozen,
    /// The epoch they are from; `None` where nothing was measured and they are the last.
    pub best_epoch: Option<usize>,
    /// Epochs done; one that training ended in counts as the last.
    pub epochs: usize,
    /// Steps done.
    pub steps: u64,
    /// Why it ended.
    pub reason: EndReason,
    /// The state to go on from, if it is to be kept: as a training that has not ended would have left
    /// it, within an epoch too. None of one that diverged.
    pub last: Option<Arrays>,
}

/// Records whose loss before the first step an explosion is measured by.
const FIRST_RECORDS: usize = 256;

/// Trains. `resume` is a state that [`Monitor::checkpoint`] was given; the run then goes on as if it
/// had never ended, bit for bit.
pub fn train(
    spec: &TrainerSpec,
    (source, targets): (&dyn Source, &Targets),
    input: InputShape,
    clock: &dyn Clock,
    monitor: &mut dyn Monitor,
    resume: Option<&Arrays>,
) -> Result<Outcome, LearnError> {
    let began = clock.monotonic();
    let (mut network, mut progress) = match resume {
        Some(state) => {
            let (network, progress) =
                Progress::restore(&spec.network, input, targets.outputs(), state)?;
            let network = match &spec.start {
                Some(start) => start.hold(network),
                None => network,
            };
            (network, progress)
        }
        None => (spec.first_network(input, targets.outputs())?, Progress::default()),
    };
    network = network.with_loss(spec.loss.clone()).on(spec.device)?;
    let lengths = network.parameter_lengths();
    let mut optimizer = Averaged::new(spec.optimizer(&network), spec.ema_decay, &lengths);
    if let Some(state) = resume {
        optimizer.restore(state)?;
    }
    let per_step = spec.gradient.batch_size.saturating_mul(spec.accumulate);
    let steps_per_epoch = source.records().div_ceil(per_step) as u64;
    let total = spec.epochs as u64 * steps_per_epoch;
    let total = spec.limits.max_steps.map_or(total, |most| total.min(most));
    let mut schedule = spec.schedule.start(total, steps_per_epoch);
    if let Some(state) = resume {
        schedule.restore(state)?;
    }
    let key = random::keyed(spec.seed ^ 0x006e_6f69_7365);
    let earlier = progress.earlier;
    let elapsed = || earlier + (clock.monotonic() - began);
    let mut last_checkpoint = began;
    let mut last = None;
    let reason = loop {
        if progress.epoch >= spec.epochs {
            break EndReason::Epochs;
        }
        let epoch = progress.epoch;
        let dropout = NgramDropout::new(spec.regularization.ngram_dropout, spec.seed, epoch);
        let augmentation = Augmentation::new(&spec.augmentation, spec.seed, epoch);
        let (started, before) = (clock.monotonic(), progress.place_seconds);
        let of_epoch = || before + (clock.monotonic() - started).as_secs_f64();
        let mut ended = None;
        let rows = source.epoch(epoch);
        let order = order(rows.len(), spec.seed, epoch);
        if progress.first_loss.is_none() {
            let sample = &order[..order.len().min(FIRST_RECORDS)];
            progress.first_loss = Some(network.first_loss((&*rows, targets), sample)?);
        }
        for records in order.chunks(per_step).skip(progress.place as usize) {
            ended = asked(monitor, &progress)?
                .or_else(|| spec.limits.reached(progress.step, elapsed()));
            if ended.is_some() {
                break;
            }
            let before = clock.monotonic();
            let rate = spec.optimizer.learning_rate() * schedule.factor(progress.step);
            optimizer.begin_step(rate as f32);
            let data = (&*rows, targets);
            let key = key ^ progress.step;
            let noise = Noise { ngrams: &dropout, augmentation: &augmentation, key };
            let outcome = network.step(data, records, noise, &spec.gradient, &mut optimizer)?;
            progress.step += 1;
            let seconds = (clock.monotonic() - before).as_secs_f64();
            monitor.step(&StepReport {
                records_per_second: records.len() as f64 / seconds.max(1e-9),
                share: spec.limits.share(progress.step, total, elapsed()),
                ..report(&progress, &outcome, rate)
            });
            if !outcome.loss.is_finite() {
                ended = Some(EndReason::Diverged);
                break;
            }
            progress.stepped(f64::from(outcome.loss));
            let since = clock.monotonic() - last_checkpoint;
            if progress.place < steps_per_epoch
                && checkpoints(spec, monitor).due(progress.step, since, false)
            {
                let state =
                    progress.save(&network, &optimizer, &schedule, elapsed(), of_epoch())?;
                monitor.checkpoint(progress.epoch, progress.step, state);
                last_checkpoint = clock.monotonic();
            }
        }
        match ended {
            Some(EndReason::Diverged) => break EndReason::Diverged,
            // Between two epochs there is nothing new to measure.
            Some(reason) if progress.place == 0 => break reason,
            Some(_) if spec.checkpoints.keep_last => {
                // What follows would count the part of the epoch as a whole one.
                let state =
                    progress.save(&network, &optimizer, &schedule, elapsed(), of_epoch())?;
                last = Some(state);
            }
            _ => {}
        }
        let seconds = of_epoch();
        let train_loss = progress.ended_epoch();
        let first_loss = progress.first_loss.unwrap_or_default();
        let (epoch, step) = (progress.epoch, progress.step);
        let report = EpochReport { epoch, step, train_loss, first_loss, seconds };
        let measured = if spec.ema_decay.is_some() {
            monitor.epoch(&report, optimizer.freeze(&network)?.view())
        } else {
            network.evaluate(|view| monitor.epoch(&report, view))?
        };
        let first = progress.first_loss;
        let exploded = first.is_some_and(|first| spec.limits.exploded(first, train_loss));
        // The damage of an epoch's last step shows in no loss.
        if exploded || !network.evaluate(|view| view.is_finite())? {
            break EndReason::Diverged;
        }
        if let Some(measured) = measured {
            schedule.measured(measured.value);
        }
        if keeps(&mut progress, measured, spec.early_stopping.as_ref()) {
            let (epoch, value) = (progress.epoch, measured.map(|measured| measured.value));
            progress.kept = Some(Kept { epoch, value, network: optimizer.freeze(&network)? });
        }
        if measured.is_some_and(|measured| measured.good_enough) {
            break EndReason::Target;
        }
        if let Some(reason) = ended {
            break reason;
        }
        if spec.early_stopping.as_ref().is_some_and(|stop| progress.waited >= stop.patience) {
            break EndReason::EarlyStopping;
        }
        let since = clock.monotonic() - last_checkpoint;
        let due = checkpoints(spec, monitor).due(progress.step, since, true)
            || monitor.wants_checkpoint(progress.epoch);
        if progress.epoch < spec.epochs && due {
            let state = progress.save(&network, &optimizer, &schedule, elapsed(), 0.0)?;
            monitor.checkpoint(progress.epoch, progress.step, state);
            last_checkpoint = clock.monotonic();
        }
    };
    if reason == EndReason::Diverged {
        last = None;
    } else if last.is_none() && spec.checkpoints.keep_last {
        if reason == EndReason::EarlyStopping {
            // Whoever goes on from here wants more than one epoch: patience begins anew.
            progress.waited = 0;
        }
        last = Some(progress.save(&network, &optimizer, &schedule, elapsed(), 0.0)?);
    }
    let Progress { epoch: epochs, step: steps, kept, .. } = progress;
    let (best_epoch, network) = match kept {
        Some(Kept { epoch, value, network }) => {
            let best = value.is_some() || reason == EndReason::Diverged;
            (best.then_some(epoch), network)
        }
        None if reason == EndReason::Diverged => return Err(LearnError::Diverged { step: steps }),
        None => (None, optimizer.freeze(&network)?),
    };
    Ok(Outcome { network, best_epoch, epochs, steps, reason, last })
}

/// Whether training was asked to end.
fn asked(monitor: &dyn Monitor, progress: &Progress) -> Result<Option<EndReason>, LearnError> {
    match monitor.interrupt() {
        Interrupt::None | Interrupt::Prepare => Ok(None),
        Interrupt::Abort => Err(LearnError::Interrupted),
        // A model that has seen nothing is no use: the first batch is always done.
        Interrupt::Stop => Ok((progress.step > 0).then_some(EndReason::Stopped)),
    }
}

/// The order of records in an epoch.
pub(super) fn order(records: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..records).collect();
    random::shuffle(&mut order, &mut random::stream(seed, &format!("order.{epoch}")));
    order
}

fn report(progress: &Progress, outcome: &StepOutcome, rate: f64) -> StepReport {
    StepReport {
        step: progress.step,
        epoch: progress.epoch + 1,
        loss: outcome.loss,
        learning_rate: rate,
        gradient_norm: outcome.gradient_norm,
        records_per_second: 0.0,
        share: 0.0,
    }
}

/// Whether an epoch's parameters are the ones to end with, so far.
fn keeps(
    progress: &mut Progress,
    measured: Option<Measured>,
    stopping: Option<&EarlyStopping>,
) -> bool {
    let best = progress.kept.as_ref().and_then(|kept| kept.value);
    let Some(Measured { value, good_enough }) = measured else { return best.is_none() };
    let min_delta = stopping.map_or(0.0, |stop| stop.min_delta);
    // The first value is always the best so far; one that is good enough is what was wanted.
    let improves = good_enough
        || value < best.unwrap_or(f64::INFINITY) - min_delta
        || (best.is_none() && !value.is_nan());
    progress.waited = if improves { 0 } else { progress.waited + 1 };
    improves
}

/// When checkpoints are due: soon, where the process may end soon.
fn checkpoints(spec: &TrainerSpec, monitor: &dyn Monitor) -> CheckpointSpec {
    match monitor.interrupt() {
        Interrupt::Prepare => {
            CheckpointSpec { every: spec.checkpoints.every.min(PREPARE_EVERY), ..spec.checkpoints }
        }
        _ => spec.checkpoints,
    }
}

/// The epochs and steps that a state had done.
pub fn position(state: &Arrays) -> Result<(u64, u64), ArraysError> {
    match state.get::<u64>("progress")? {
        [epochs, steps, ..] => Ok((*epochs, *steps)),
        short => Err(ArraysError::Shape {
            name: "progress".to_owned(),
            expected: "2 numbers or more".to_owned(),
            found: format!("{}", short.len()),
        }),
    }
}

#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
