//! Learning-rate schedules: a factor on the optimiser's rate for every step.
//!
//! A new one is a file here and a line in the list of [`ScheduleSpec`].

mod constant;
mod cosine;
mod exponential;
mod linear;
mod one_cycle;
mod polynomial;
mod reduce_on_plateau;
mod step;
mod warmup;

pub use constant::ConstantSchedule;
pub use cosine::CosineSchedule;
pub use exponential::ExponentialSchedule;
pub use linear::LinearSchedule;
pub use one_cycle::OneCycleSchedule;
pub use polynomial::PolynomialSchedule;
pub use reduce_on_plateau::PlateauSchedule;
pub use step::StepSchedule;
pub use warmup::Warmup;

use super::choices::choices;
use crate::arrays::{Arrays, ArraysError};

choices! {
    /// How the learning rate changes over training. Each gives a factor on the optimiser's rate for
    /// every step; `warmup`, which each takes, comes before it.
    pub enum ScheduleSpec: dyn ScheduleSettings;
    /// The same throughout.
    Constant(ConstantSchedule) = "constant",
    /// From the optimiser's rate down to zero over all epochs, in equal steps.
    Linear(LinearSchedule) = "linear",
    /// From the optimiser's rate down to zero along a power of what is left.
    Polynomial(PolynomialSchedule) = "polynomial",
    /// Times `gamma` after every `every` epochs.
    Step(StepSchedule) = "step",
    /// Times `gamma` after every epoch.
    Exponential(ExponentialSchedule) = "exponential",
    /// Down along half a cosine, once or again and again (Loshchilov and Hutter 2017).
    Cosine(CosineSchedule) = "cosine",
    /// Up to the optimiser's rate, then far down (Smith and Topin 2018).
    OneCycle(OneCycleSchedule) = "one_cycle",
    /// Times `factor` whenever the validation metric has stopped improving.
    ReduceOnPlateau(PlateauSchedule) = "reduce_on_plateau",
}

impl Default for ScheduleSpec {
    fn default() -> Self {
        Self::Linear(LinearSchedule::default())
    }
}

impl ScheduleSpec {
    /// The warm-up before it.
    pub fn warmup(&self) -> Option<Warmup> {
        self.common().warmup()
    }

    /// Whether the rate of a step depends on how many steps there are in all. If not, a training that
    /// is extended is the longer one from its first step on.
    pub fn depends_on_length(&self) -> bool {
        let by_share = self.warmup().is_some_and(|w| w.steps.is_none() && w.share.is_some());
        by_share || self.common().depends_on_length()
    }

    /// The schedule of a training of `steps` steps at most.
    pub fn start(&self, steps: u64, steps_per_epoch: u64) -> Schedule {
        let shape = self.common().shape();
        let warmup = self.warmup().map(|warmup| (warmup.length(steps), warmup.start_factor));
        Schedule { shape, warmup, steps, steps_per_epoch: steps_per_epoch.max(1) }
    }
}

/// Where a training stands, counted from the end of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Steps of an epoch, at least 1.
    pub steps_per_epoch: u64,
}

impl Position {
    /// Whole epochs done.
    fn epoch(&self) -> u64 {
        self.step / self.steps_per_epoch
    }
}

/// The settings of a schedule.
pub(in crate::learn) trait ScheduleSettings {
    /// The warm-up before it.
    fn warmup(&self) -> Option<Warmup>;

    /// Whether a step's factor depends on how many steps there are in all.
    fn depends_on_length(&self) -> bool;

    /// Its course, from the start.
    fn shape(&self) -> Box<dyn Shape>;
}

/// What a schedule whose settings are its course has in common with all others.
macro_rules! settings_are_the_course {
    () => {
        fn warmup(&self) -> Option<Warmup> {
            self.warmup
        }

        fn shape(&self) -> Box<dyn Shape> {
            Box::new(self.clone())
        }
    };
}
use settings_are_the_course;

/// The course of a schedule after the warm-up.
pub trait Shape: Send {
    /// The factor on the optimiser's rate, in \[0, 1\].
    fn factor(&self, at: Position) -> f64;

    /// Hears, after an epoch, what training minimises on the validation split.
    fn measured(&mut self, _value: f64) {}

    /// Whatever the step alone does not tell and a resumed run needs.
    fn save(&self, _into: &mut Arrays) {}

    /// Takes up the state that [`Shape::save`] gave.
    fn restore(&mut self, _from: &Arrays) -> Result<(), ArraysError> {
        Ok(())
    }
}

/// A schedule of one training.
pub struct Schedule {
    shape: Box<dyn Shape>,
    /// Steps, and the factor that the first of them starts from.
    warmup: Option<(u64, f64)>,
    steps: u64,
    steps_per_epoch: u64,
}

impl Schedule {
    /// The factor on the optimiser's rate for the step after `step` others, in \[0, 1\].
    pub fn factor(&self, step: u64) -> f64 {
        let (length, start) = self.warmup.unwrap_or((0, 1.0));
        let at = Position {
            step: step.saturating_sub(length),
            steps: self.steps.saturating_sub(length),
            steps_per_epoch: self.steps_per_epoch,
        };
        let factor = self.shape.factor(at);
        if step < length { factor * warmup::factor(step, length, start) } else { factor }
    }

    /// Hears, after an epoch, what training minimises on the validation split.
    pub fn measured(&mut self, value: f64) {
        self.shape.measured(value);
    }

    /// Whatever the step alone does not tell and a resumed run needs.
    pub fn save(&self, into: &mut Arrays) {
        self.shape.save(into);
    }

    /// Takes up the state that [`Schedule::save`] gave.
    pub fn restore(&mut self, from: &Arrays) -> Result<(), ArraysError> {
        self.shape.restore(from)
    }
}

#[cfg(test)]
pub(super) mod conformance_tests;
