//! What a training is asked for ([`TrainRequest`]) and what it was resolved to ([`TrainSpec`]): every
//! default filled in, everything checked. The resolved spec is stored with the run and is enough to
//! repeat it.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::augmentation::AugmentationSpec;
use super::init_from::{InitFrom, InitFromRequest};
use crate::eval::calibrator::CalibratorKind;
use crate::eval::detector::DetectorKind;
use crate::image::ImageSpec;
use crate::learn::device::DeviceName;
use crate::learn::loss::LossSpec;
use crate::learn::network::NetworkSpec;
use crate::learn::optimizer::OptimizerSpec;
use crate::learn::range_test::RangeTestSpec;
use crate::learn::regularize::RegularizationSpec;
use crate::learn::schedule::ScheduleSpec;
use crate::learn::stopping::{EarlyStopping, StoppingMetric, Target};
use crate::tabular::TabularSpec;
use crate::task::TaskSpec;
use crate::text::VectorizerSpec;

/// A training, as it is asked for. Only `dataset` and `task` are needed; `?validate_only=true` shows
/// what the rest resolves to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainRequest {
    /// Id of the dataset.
    #[schema(min_length = 1, max_length = 200, example = "ds_74f25f4a1c310ee85af434388a95b276")]
    pub dataset: String,
    /// What to learn, from which columns.
    pub task: TaskSpec,
    /// Name under which the model can be found: `name` is the newest of that name, `name@alias` the
    /// one that the alias points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "sentiment"
    )]
    pub model_name: Option<String>,
    /// How text becomes features.
    #[serde(default)]
    pub vectorizer: VectorizerSpec,
    /// How the columns of a table become features.
    #[serde(default)]
    pub tabular: TabularSpec,
    /// How images become pixels.
    #[serde(default)]
    pub image: ImageSpec,
    /// The network. Default: `embedding_bag` for texts, `mlp` with hidden layers of 64 and 64 for
    /// rows of a table, `image_cnn` for images.
    #[serde(default)]
    pub network: Option<NetworkSpec>,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: OptimizerSpec,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: ScheduleSpec,
    /// What training minimises. Default: `cross_entropy`, or `mse` for a regression.
    #[serde(default)]
    pub loss: Option<LossSpec>,
    /// What keeps the network from memorising.
    #[serde(default)]
    pub regularization: RegularizationSpec,
    /// What is done to training records in every epoch.
    #[serde(default)]
    pub augmentation: AugmentationSpec,
    /// Epochs, batches, seed and stopping.
    #[serde(default)]
    pub training: TrainingRequest,
    /// Which records train, steer, calibrate and test.
    #[serde(default)]
    pub split: Option<SplitRequest>,
    /// The detectors that tell whether a record comes from where the model was trained, combined in
    /// this order. Default: those that `GET /v1/catalog` marks for the kind of record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Vec<DetectorKind>>,
    /// How probabilities are calibrated. Default: of those that the calibration records are enough
    /// for, whichever has the least cross-validated log loss on them. Identity and temperature need
    /// 20 records, the others 200 and five mistakes of the network, vector 10 of each label, isotonic
    /// 1,000. One that is asked for needs 20, and may do worse: the card tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrator: Option<CalibratorKind>,
    /// Whether the model keeps training records to show which are most like a record that it scores
    /// (`explain.neighbors`): vector, row number and label of up to 4,096, and no text or value. Set
    /// it to false where what was learnt is private; detectors that compare with training records
    /// still keep vectors, without row and label. Also whether it keeps which words its calibration texts
    /// hold, or the features of calibration rows or images, up to 1,000, to tell how a batch differs
    /// from them (`content` and `changed` in an evaluation's drift). Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_training_vectors: Option<bool>,
    /// Another model, from whose network training starts. Default: fresh parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFromRequest>,
    /// Where to train: `cpu`, `cuda:N` (an NVIDIA GPU, by number), or `auto`, which is `cpu` so far:
    /// the kernels are written for it, and the way over a GPU has not been measured. Devices that are
    /// there: `GET /v1/catalog`. Scoring runs on the processor.
    #[serde(default)]
    #[schema(max_length = 20, example = "auto")]
    pub device: Option<String>,
}

/// A learning-rate range test of a training: the same fields, and the rates to go through.
///
/// It trains for some steps while the rate rises from `low` to `high`, and makes no model: the run
/// has the curve of the loss and a suggestion for `optimizer.learning_rate`. Schedule, epochs,
/// averages and limits have no part in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RangeTestRequest {
    /// The training.
    #[serde(flatten)]
    pub train: TrainRequest,
    /// The rates.
    #[serde(default)]
    pub range_test: RangeTestSpec,
}

/// Epochs, batches, seed and stopping, as asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TrainingRequest {
    /// Passes over the training records. Default: 20; more, up to 100, where few records make few
    /// steps.
    #[schema(minimum = 1, maximum = 100_000)]
    pub epochs: Option<usize>,
    /// Records a batch. Default: 64; fewer where there are few records.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub batch_size: Option<usize>,
    /// Batches a step: their gradients count as one, the mean over all their records, in the memory
    /// of one batch. Default: 1.
    #[schema(minimum = 1, maximum = 10_000)]
    pub accumulate: Option<usize>,
    /// Largest Euclidean norm of a step's gradient, over all parameters and penalties included; a
    /// longer one is scaled down to it. Default: `null`, no limit.
    #[schema(exclusive_minimum = 0.0, maximum = 1_000_000.0)]
    pub clip_norm: Option<f64>,
    /// Largest absolute value of each number of a step's gradient, after `clip_norm`. Default:
    /// `null`, no limit.
    #[schema(exclusive_minimum = 0.0, maximum = 1_000_000.0)]
    pub clip_value: Option<f64>,
    /// Averages the parameters over steps and keeps the average instead: share β of it that stays in
    /// a step, a ← βa + (1 − β)θ, from the first step's parameters on. It is measured after every
    /// epoch too. 0.99 averages about 100 steps. Default: `null`, no average.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    pub ema_decay: Option<f64>,
    /// Seed of initial parameters, order and dropout. Default: 1.
    pub seed: Option<u64>,
    /// When to stop before the last epoch; `null` never stops early.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EarlyStoppingRequest>)]
    pub early_stopping: Option<Option<EarlyStoppingRequest>>,
    /// Steps at most, over all epochs; schedules that end with training end there. An epoch that it
    /// cuts short is measured like a whole one. Default: `null`, no limit.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    pub max_steps: Option<u64>,
    /// Seconds of training at most, by the clock on the wall; what came before a resume counts. The
    /// step under way is finished, and the epoch that it cuts short is measured like a whole one.
    /// How far training comes depends on the machine and its load, so that the same spec need not
    /// give the same model again. Default: `null`, no limit.
    #[schema(minimum = 0.001, maximum = 31_536_000.0)]
    pub max_seconds: Option<f64>,
    /// A value of a validation metric that is good enough: the first epoch that reaches it is the
    /// last, and is kept. Default: `null`, none.
    pub target: Option<Target>,
    /// Training ends as diverged once an epoch's mean training loss exceeds, this many times, the
    /// larger of the first step's loss and the first epoch's mean; the best epoch before is kept, as
    /// when a loss is not finite. `null` minds only losses that are not finite. Default: 10.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, exclusive_minimum = 1.0, maximum = 1_000_000_000.0)]
    pub divergence_factor: Option<Option<f64>>,
    /// Seconds between checkpoints, from which a job goes on if its process dies; they are taken
    /// after steps and epochs. 0 takes one after every epoch, and none within. Default: 30.
    #[schema(minimum = 0, maximum = 86_400)]
    pub checkpoint_seconds: Option<u64>,
    /// Steps between checkpoints, besides those by time. Default: `null`, none.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    pub checkpoint_steps: Option<u64>,
    /// Whether the state that training ends in is kept, so that `POST /v1/runs/{id}/resume` can extend
    /// the run, on disk until the model or the dataset is deleted. It holds the network, the best
    /// epoch's network and the optimiser's state: with Adam four numbers for each parameter of the
    /// model, five with `ema_decay`. A sweep keeps none. Default: true.
    pub keep_state: Option<bool>,
}

/// Tells a field that is `null` from one that is absent.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// When to stop early, as asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EarlyStoppingRequest {
    /// What must improve on the validation split. Default: `log_loss`, or `mse` for a regression.
    pub metric: Option<StoppingMetric>,
    /// Epochs without improvement after which training stops. Default: 3, or a tenth of the epochs.
    #[schema(minimum = 1, maximum = 100_000)]
    pub patience: Option<usize>,
    /// Smallest change that counts as an improvement.
    #[schema(minimum = 0.0, maximum = 1_000_000.0)]
    pub min_delta: f64,
}

/// Which records train, steer, calibrate and test: by a column, or by shares.
///
/// With `column`, its cells say `train`, `validation`, `calibration` or `test`. Where it names no
/// validation record, the share `validation` of the training records is set aside for that; where it
/// names no calibration record, the share `calibration` of the validation records.
///
/// Without `column`, the four shares sum to 1. A share may be 0: what then cannot be computed is
/// absent, and `unavailable` says why. Equal records stay in one part, so that none is tested on that
/// trained; the parts are then not exactly the shares.
///
/// Default: 0.7, 0.1, 0.1, 0.1; below 50 records, all of them train.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SplitRequest {
    /// Column that names each record's split.
    #[schema(min_length = 1, max_length = 500)]
    pub column: Option<String>,
    /// Share that trains.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub train: Option<f64>,
    /// Share that steers training.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub validation: Option<f64>,
    /// Share that fits calibrator, detectors and conformal thresholds.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub calibration: Option<f64>,
    /// Share that reports.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub test: Option<f64>,
    /// Seed of the draw; independent of the training seed, so that runs of several seeds are
    /// measured on the same records. Default: 1.
    pub seed: Option<u64>,
}

/// A training, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainSpec {
    /// Id of the dataset.
    pub dataset: String,
    /// What is learnt, from which columns.
    pub task: TaskSpec,
    /// Name of the model.
    pub model_name: Option<String>,
    /// How text becomes features.
    pub vectorizer: VectorizerSpec,
    /// How the columns of a table become features.
    #[serde(default)]
    pub tabular: TabularSpec,
    /// How images become pixels.
    #[serde(default)]
    pub image: ImageSpec,
    /// The network.
    pub network: NetworkSpec,
    /// The optimiser.
    pub optimizer: OptimizerSpec,
    /// How the learning rate changes.
    pub schedule: ScheduleSpec,
    /// What training minimises.
    #[serde(default)]
    pub loss: LossSpec,
    /// What keeps the network from memorising.
    pub regularization: RegularizationSpec,
    /// What is done to training records in every epoch.
    #[serde(default)]
    pub augmentation: AugmentationSpec,
    /// Epochs, batches, seed and stopping.
    pub training: TrainingSpec,
    /// Which records train, steer, calibrate and test.
    pub split: SplitSpec,
    /// The detectors that were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Vec<DetectorKind>>,
    /// The calibrator that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrator: Option<CalibratorKind>,
    /// Whether the model keeps training records to show which are most like a record, and calibration
    /// records to compare batches with.
    #[serde(default = "yes")]
    pub keep_training_vectors: bool,
    /// The model from whose network training starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFrom>,
    /// Where it is trained.
    #[schema(value_type = String, example = "cpu")]
    pub device: DeviceName,
    /// The rates to go through, where this is a range test and not a training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_test: Option<RangeTestSpec>,
}

/// Epochs, batches, seed and stopping, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingSpec {
    /// Passes over the training records, at most.
    pub epochs: usize,
    /// Records a batch.
    pub batch_size: usize,
    /// Batches a step.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Largest norm of a step's gradient.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// Largest absolute value of each number of a step's gradient.
    #[serde(default)]
    pub clip_value: Option<f64>,
    /// Share that the average of the parameters keeps in a step.
    #[serde(default)]
    pub ema_decay: Option<f64>,
    /// Seed of initial parameters, order and dropout.
    pub seed: u64,
    /// When to stop before the last epoch.
    pub early_stopping: Option<EarlyStopping>,
    /// Steps at most.
    #[serde(default)]
    pub max_steps: Option<u64>,
    /// Seconds of training at most; what comes of it depends on the machine.
    #[serde(default)]
    pub max_seconds: Option<f64>,
    /// A value of a validation metric that is good enough.
    #[serde(default)]
    pub target: Option<Target>,
    /// How many times the loss it began with an epoch's mean training loss may be.
    #[serde(default)]
    pub divergence_factor: Option<f64>,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
    /// Steps between checkpoints.
    #[serde(default)]
    pub checkpoint_steps: Option<u64>,
    /// Whether the state that training ends in is kept.
    #[serde(default)]
    pub keep_state: bool,
}

impl TrainingSpec {
    /// What chooses the best epoch.
    pub fn metric(&self, task: &TaskSpec) -> StoppingMetric {
        match &self.early_stopping {
            Some(stopping) => stopping.metric,
            None => default_metric(task),
        }
    }
}

/// The validation metric that steers a training unless the request says otherwise.
pub fn default_metric(task: &TaskSpec) -> StoppingMetric {
    if task.is_regression() { StoppingMetric::Mse } else { StoppingMetric::LogLoss }
}

/// What is kept by specs that were stored before there was a choice.
fn yes() -> bool {
    true
}

/// Batches a step in specs that were stored before there was a choice.
fn one() -> usize {
    1
}

/// Which records train, steer, calibrate and test, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SplitSpec {
    /// By a column.
    Column {
        /// The column.
        column: String,
        /// Share of the training records that is set aside where the column names no validation.
        validation: f64,
        /// Share of the validation records that is set aside where it names no calibration.
        calibration: f64,
        /// Seed of what is set aside.
        seed: u64,
    },
    /// By shares that sum to 1.
    Shares {
        /// Share that trains.
        train: f64,
        /// Share that steers training.
        validation: f64,
        /// Share that fits calibrator, detectors and conformal thresholds.
        calibration: f64,
        /// Share that reports.
        test: f64,
        /// Seed of the draw.
        seed: u64,
    },
}

/// Something that the user should know, although the work goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// Stable name of the kind.
    #[schema(example = "small_dataset")]
    pub code: String,
    /// What it is about, in words.
    pub message: String,
}

impl Warning {
    /// A warning of a kind.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}
