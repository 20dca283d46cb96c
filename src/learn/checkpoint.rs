//! Where a training stands, and the arrays that it goes on from: bit for bit as if it had never
//! ended, wherever it is in an epoch. The order of an epoch's records, dropout and every other draw
//! are functions of seed, epoch and step, so that no generator needs to be kept.

use std::time::Duration;

use super::LearnError;
use super::average::Averaged;
use super::network::{Frozen, InputShape, Network, NetworkSpec};
use super::optimizer::Optimizer;
use super::schedule::Schedule;
use crate::arrays::{Arrays, ArraysError};

/// When checkpoints are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointSpec {
    /// Time between two of them. Zero takes one after every epoch and none within.
    pub every: Duration,
    /// Steps between two of them.
    pub steps: Option<u64>,
    /// Whether training leaves the state that it ended in.
    pub keep_last: bool,
}

impl CheckpointSpec {
    /// Whether one is due after a step within an epoch, or `after_epoch`, where the last one was
    /// taken `since` ago.
    pub fn due(&self, step: u64, since: Duration, after_epoch: bool) -> bool {
        let by_time = since >= self.every && (after_epoch || !self.every.is_zero());
        by_time || self.steps.is_some_and(|steps| step.is_multiple_of(steps))
    }
}

/// Where a training stands.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// Steps done.
    pub step: u64,
    /// Steps done of the epoch under way.
    pub place: u64,
    /// Sum of their losses.
    pub loss_sum: f64,
    /// Seconds that they took before this process took over.
    pub place_seconds: f64,
    /// Epochs since the last improvement.
    pub waited: usize,
    /// The loss of the first step, or the mean of the first epoch once that is done and larger.
    pub first_loss: Option<f64>,
    /// What to end with.
    pub kept: Option<Kept>,
    /// Time before this process took over.
    pub earlier: Duration,
}

/// The parameters to end with.
#[derive(Debug)]
pub(super) struct Kept {
    /// The epoch that they are from.
    pub epoch: usize,
    /// What was measured of them; without that, they are the last that were good.
    pub value: Option<f64>,
    /// They.
    pub network: Frozen,
}

impl Progress {
    /// Notes a step that was done.
    pub fn stepped(&mut self, loss: f64) {
        self.place += 1;
        self.loss_sum += loss;
    }

    /// Notes that the epoch under way is done; returns its mean loss.
    pub fn ended_epoch(&mut self) -> f64 {
        let mean = self.loss_sum / self.place.max(1) as f64;
        self.epoch += 1;
        (self.place, self.loss_sum, self.place_seconds) = (0, 0.0, 0.0);
        mean
    }

    /// The state to go on from. `elapsed` is the time so far, and `of_epoch` that of the epoch under
    /// way in seconds.
    pub fn save(
        &self,
        network: &Network,
        optimizer: &Averaged,
        schedule: &Schedule,
        elapsed: Duration,
        of_epoch: f64,
    ) -> Result<Arrays, LearnError> {
        let mut state = Arrays::default();
        state.absorb("network.", network.freeze()?.save());
        optimizer.save(&mut state);
        schedule.save(&mut state);
        let counters = vec![self.epoch as u64, self.step, self.waited as u64, self.place];
        state.put("progress", counters);
        state.put("progress.loss_sum", vec![self.loss_sum]);
        state.put("progress.seconds", vec![elapsed.as_secs_f64(), of_epoch]);
        if let Some(loss) = self.first_loss {
            state.put("progress.first_loss", vec![loss]);
        }
        if let Some(Kept { epoch, value, network }) = &self.kept {
            state.put("best.epoch", vec![*epoch as u64]);
            if let Some(value) = value {
                state.put("best.value", vec![*value]);
            }
            state.absorb("best.network.", network.save());
        }
        Ok(state)
    }

    /// Network and progress of a state that [`Progress::save`] gave.
    pub fn restore(
        spec: &NetworkSpec,
        input: InputShape,
        outputs: usize,
        state: &Arrays,
    ) -> Result<(Network, Self), LearnError> {
        let load = |prefix: &str| Frozen::load(spec, input, outputs, &state.under(prefix));
        let number = |name: &str| -> Result<Option<f64>, ArraysError> {
            state.has(name).then(|| state.scalar(name)).transpose()
        };
        let counters = state.get_exact::<u64>("progress", 4)?;
        let seconds = state.get_exact::<f64>("progress.seconds", 2)?;
        let kept = match state.has("best.epoch") {
            false => None,
            true => Some(Kept {
                epoch: state.scalar::<u64>("best.epoch")? as usize,
                value: number("best.value")?,
                network: load("best.network.")?,
            }),
        };
        let progress = Self {
            epoch: counters[0] as usize,
            step: counters[1],
            waited: counters[2] as usize,
            place: counters[3],
            loss_sum: state.scalar("progress.loss_sum")?,
            place_seconds: seconds[1],
            first_loss: number("progress.first_loss")?,
            kept,
            earlier: Duration::try_from_secs_f64(seconds[0]).unwrap_or_default(),
        };
        Ok((Network::thaw(&load("network.")?)?, progress))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_by_time_by_steps_and_after_epochs() {
        let second = Duration::from_secs(1);
        let zero = CheckpointSpec::default();
        assert!(zero.due(3, Duration::ZERO, true) && !zero.due(3, second, false));
        let timed = CheckpointSpec { every: second, ..zero };
        for after_epoch in [true, false] {
            assert!(timed.due(3, second, after_epoch));
            assert!(!timed.due(3, second / 2, after_epoch));
        }
        let counted = CheckpointSpec { steps: Some(4), ..timed };
        assert!(counted.due(8, Duration::ZERO, false) && !counted.due(9, Duration::ZERO, false));
        assert!(counted.due(9, second, false));
    }

    #[test]
    fn the_mean_of_an_epoch() {
        let mut progress = Progress::default();
        [1.0, 3.0].into_iter().for_each(|loss| progress.stepped(loss));
        assert_eq!((progress.place, progress.ended_epoch()), (2, 2.0));
        assert_eq!((progress.epoch, progress.place), (1, 0));
        progress.stepped(5.0);
        assert_eq!(progress.ended_epoch(), 5.0);
    }
}
