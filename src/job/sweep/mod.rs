//! Sweeps: one job that trains a model many times over a space of settings, and keeps the best.

pub mod plan;
pub mod rungs;
pub mod segment;
pub mod space;
pub mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::learn::stopping::StoppingMetric;
use crate::model::spec::{TrainRequest, TrainSpec};
use rungs::Rung;
use space::Range;

/// A sweep, as it is asked for: a training, and which of its fields to vary. Trials are ranked by a
/// metric of the validation split; the test split is never looked at to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SweepRequest {
    /// The training that every trial starts from: a request of the kind `train` without `kind`.
    pub base: TrainRequest,
    /// What to vary: from the path of a field, such as `optimizer.learning_rate`, to its range. Any
    /// field but `dataset`, `task`, `split`, `device`, `model_name` and `training.seed`.
    pub space: BTreeMap<String, Range>,
    /// Which settings to try, and for how long.
    #[serde(default)]
    pub strategy: Strategy,
    /// What ranks trials, on the validation split. Default: `accuracy`, or `mse` for a regression.
    #[serde(default)]
    pub metric: Option<StoppingMetric>,
    /// Trainings of each setting, with seeds from `base.training.seed` on; their mean counts.
    /// Default: 1.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub seeds: Option<usize>,
    /// What the sweep may cost.
    #[serde(default)]
    pub budget: SweepBudget,
    /// Seed of the settings that are drawn. Default: 1.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// What a sweep may cost; what is left out is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SweepBudget {
    /// Settings tried at most.
    #[schema(minimum = 1, maximum = 1_000)]
    pub trials: Option<usize>,
    /// Epochs of all trainings together at most: fewer settings are tried.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub epochs: Option<usize>,
    /// Seconds from the sweep's start, after which it stops and keeps the best model it has.
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub seconds: Option<u64>,
}

/// Which settings to try, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Strategy {
    /// Every combination, each trained to its end.
    Grid(Grid),
    /// Combinations drawn at random, none twice, each trained to its end (Bergstra and Bengio 2012).
    Random(RandomSearch),
    /// Combinations drawn at random, none twice. All train a little; the best share of them goes on,
    /// from where it was, and so on until the last few are trained to their end (Jamieson and
    /// Talwalkar 2016).
    SuccessiveHalving(SuccessiveHalving),
}

impl Default for Strategy {
    fn default() -> Self {
        Self::SuccessiveHalving(SuccessiveHalving::default())
    }
}

/// Every combination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Grid {
    /// Points of each range that is not a choice, evenly spaced, both ends among them.
    #[schema(minimum = 2, maximum = 100)]
    pub points: usize,
}

impl Default for Grid {
    fn default() -> Self {
        Self { points: 5 }
    }
}

/// Combinations drawn at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RandomSearch {
    /// Combinations.
    #[schema(minimum = 1, maximum = 1_000)]
    pub trials: usize,
}

impl Default for RandomSearch {
    fn default() -> Self {
        Self { trials: 20 }
    }
}

/// Combinations drawn at random, of which the best go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SuccessiveHalving {
    /// Combinations at the start.
    #[schema(minimum = 2, maximum = 1_000)]
    pub trials: usize,
    /// One in so many goes on, and trains to so many times the epochs.
    #[schema(minimum = 2, maximum = 16)]
    pub eta: usize,
    /// Epochs that all of them train.
    #[schema(minimum = 1, maximum = 100_000)]
    pub min_epochs: usize,
}

impl Default for SuccessiveHalving {
    fn default() -> Self {
        Self { trials: 27, eta: 3, min_epochs: 1 }
    }
}

/// A sweep, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SweepSpec {
    /// What is varied.
    pub space: BTreeMap<String, Range>,
    /// Which settings are tried, and for how long.
    pub strategy: Strategy,
    /// What ranks trials.
    pub metric: StoppingMetric,
    /// Trainings of each setting.
    pub seeds: usize,
    /// What it may cost.
    pub budget: SweepBudget,
    /// Seed of the settings that are drawn.
    pub seed: u64,
    /// Settings that are tried.
    pub trials: usize,
    /// The stages: after each, only the best go on.
    pub rungs: Vec<Rung>,
    /// Epochs of all trainings together at most.
    pub epochs_at_most: usize,
}

/// A training of a setting, before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRun {
    /// Which setting, from 1.
    pub trial: usize,
    /// What it has of each varied field.
    pub parameters: BTreeMap<String, Value>,
    /// What it does.
    pub spec: TrainSpec,
}

/// Where a training of a sweep stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialStatus {
    /// It has not begun.
    Waiting,
    /// It trains.
    Running,
    /// It trained to the end of a stage and may go on.
    Paused,
    /// It was trained to its end.
    Finished,
    /// It was not among the best of a stage.
    Pruned,
    /// It ended without a model; `error` says why.
    Failed,
    /// The sweep ended before it began.
    Skipped,
}

impl TrialStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Running,
        Self::Paused,
        Self::Finished,
        Self::Pruned,
        Self::Failed,
        Self::Skipped,
    ];

    /// Its name in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The status of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A training of a sweep: one setting with one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRun {
    /// Id of its run.
    pub run: String,
    /// Which setting, from 1.
    pub trial: usize,
    /// What it has of each varied field.
    pub parameters: BTreeMap<String, Value>,
    /// What it does.
    pub spec: TrainSpec,
    /// Where it stands.
    pub status: TrialStatus,
    /// The metric after each stage that it was trained to.
    pub values: Vec<Option<f64>>,
    /// Epochs trained.
    pub epochs: usize,
    /// Steps trained.
    pub steps: u64,
    /// Why it failed.
    pub error: Option<crate::problem::Problem>,
    /// Step of the checkpoint from which it can go on.
    pub checkpoint_step: Option<u64>,
}
