//! From a request to a checked spec: every problem is found at once, each with its field.

mod columns;
pub mod extend;
mod numbers;
mod parts;
pub mod source;

use super::augmentation::AugmentationSpec;
use super::estimate::{self, Estimate};
use super::spec::{
    EarlyStoppingRequest, RangeTestRequest, SplitSpec, TrainRequest, TrainSpec, TrainingSpec,
    Warning, default_metric,
};
use crate::data::profile::Profile;
use crate::learn::loss::LossSpec;
use crate::learn::network::{DenseSpec, ImageCnnSpec, InputShape, MlpSpec, NetworkSpec};
use crate::learn::schedule::ScheduleSpec;
use crate::learn::stopping::EarlyStopping;
use crate::problem::FieldError;
use crate::task::{Input, TaskSpec};
use columns::Findings;
pub use parts::train_records;
pub use source::{Source, resolve_from};

/// Below this many records, all of them train unless the request says otherwise.
const SMALL_DATASET: u64 = 50;
/// Steps that a training should have for its defaults to make sense.
const WANTED_STEPS: usize = 1_000;
/// How many times the loss it began with an epoch's mean loss may be.
const DIVERGENCE_FACTOR: f64 = 10.0;

/// A spec that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The spec.
    pub spec: TrainSpec,
    /// What it will cost.
    pub estimate: Estimate,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// What the machine allows a job.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// Checks a request that starts from no other model against the dataset it names and fills in what
/// it leaves open.
pub fn resolve(
    request: &TrainRequest,
    profile: &Profile,
    allowance: Allowance,
) -> Result<Resolved, Vec<FieldError>> {
    resolve_from(request, None, profile, allowance)
}

fn resolve_checked(
    request: &TrainRequest,
    profile: &Profile,
    allowance: Allowance,
) -> Result<Resolved, Vec<FieldError>> {
    let mut findings = Findings { errors: Vec::new(), warnings: Vec::new() };
    let split_column = request.split.as_ref().and_then(|split| split.column.as_deref());
    let task = columns::check_task(&request.task, split_column, profile, &mut findings);
    let Findings { mut errors, mut warnings } = findings;
    numbers::check(request, &mut errors);
    let network = network(request, &mut errors);
    let loss = loss(request, &mut errors);
    let split = parts::split(request.split.as_ref(), profile, &mut errors, &mut warnings);
    let device = parts::device(request.device.as_deref(), &mut errors);
    check_validation(request, &split, &mut errors);
    check_augmentation(request, &mut errors);
    parts::confidence(request, &task, &mut errors);
    let train_records = parts::train_records(&split, profile);
    let training = training(request, train_records, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let spec = TrainSpec {
        dataset: request.dataset.clone(),
        task,
        model_name: request.model_name.clone(),
        vectorizer: request.vectorizer.clone(),
        tabular: request.tabular.clone(),
        image: request.image.clone(),
        network,
        optimizer: request.optimizer.clone(),
        schedule: request.schedule.clone(),
        loss,
        regularization: request.regularization.clone(),
        augmentation: request.augmentation.clone(),
        training,
        split,
        detectors: request.detectors.clone(),
        calibrator: request.calibrator,
        keep_training_vectors: request.keep_training_vectors.unwrap_or(true),
        init_from: None,
        device,
        range_test: None,
    };
    let estimate = estimate::estimate(&spec, profile, train_records as u64);
    if estimate.memory_bytes_at_most > allowance.memory_bytes {
        let message = format!(
            "training could need {} MiB; a job may use {} MiB",
            estimate.memory_bytes_at_most >> 20,
            allowance.memory_bytes >> 20
        );
        let hint = match spec.task.input() {
            Input::Text(_) => {
                "lower network.dimension, network.hidden or vectorizer.max_vocabulary, or set \
                 vectorizer.hash_buckets"
            }
            Input::Image(_) => {
                "lower image.height and image.width, network.filters, network.hidden or \
                 training.batch_size"
            }
            Input::Table(_) => {
                "lower network.hidden, training.batch_size or tabular.max_categories, or name \
                 fewer columns in task.features"
            }
        };
        return Err(vec![FieldError::new("network", message).hint(hint)]);
    }
    Ok(Resolved { spec, estimate, warnings })
}

/// Checks a range test against the dataset it names and fills in what it leaves open.
pub fn resolve_range_test(
    request: &RangeTestRequest,
    source: Option<Source<'_>>,
    profile: &Profile,
    allowance: Allowance,
) -> Result<Resolved, Vec<FieldError>> {
    let (resolved, mut errors) = match resolve_from(&request.train, source, profile, allowance) {
        Ok(resolved) => (Some(resolved), Vec::new()),
        Err(errors) => (None, errors),
    };
    numbers::check_range(request, &mut errors);
    let Some(mut resolved) = resolved.filter(|_| errors.is_empty()) else { return Err(errors) };
    resolved.spec.range_test = Some(request.range_test.clone());
    let train_records = parts::train_records(&resolved.spec.split, profile);
    resolved.estimate = estimate::estimate(&resolved.spec, profile, train_records as u64);
    Ok(resolved)
}

/// The network that was asked for, if it takes the task's records; else the one for them.
fn network(request: &TrainRequest, errors: &mut Vec<FieldError>) -> NetworkSpec {
    let (shape, default, names) = match request.task.input() {
        Input::Text(_) => {
            let bag = NetworkSpec::EmbeddingBag(Default::default());
            (InputShape::Bag { vocabulary: 1 }, bag, "embedding_bag, text_cnn")
        }
        Input::Table(_) => {
            let mlp = NetworkSpec::Mlp(MlpSpec { dense: DenseSpec::hidden(&[64, 64]) });
            (InputShape::Vector { width: 1 }, mlp, "mlp")
        }
        Input::Image(_) => {
            let cnn = NetworkSpec::ImageCnn(ImageCnnSpec {
                dense: DenseSpec::hidden(&[64]),
                ..ImageCnnSpec::default()
            });
            (InputShape::Image { channels: 1, height: 1, width: 1 }, cnn, "image_cnn, mlp")
        }
    };
    let Some(network) = &request.network else { return default };
    if !network.accepts(shape) {
        let message = format!("{} does not take {}", network.name(), shape.name());
        let hint = format!("for a {} the networks are: {names}", request.task.name());
        errors.push(FieldError::new("network.type", message).hint(hint));
    }
    network.clone()
}

/// The loss that was asked for, if it fits what is learnt; else the one for it.
fn loss(request: &TrainRequest, errors: &mut Vec<FieldError>) -> LossSpec {
    let regression = request.task.is_regression();
    let Some(loss) = &request.loss else {
        return if regression { LossSpec::Mse } else { LossSpec::default() };
    };
    if loss.is_of_numbers() != regression {
        let (what, hint) = if regression {
            ("numbers", "for a regression the losses are: mse, mae, huber")
        } else {
            ("labels", "for a classification the loss is cross_entropy")
        };
        let message = format!("{} is not a loss of {what}", loss.name());
        errors.push(FieldError::new("loss.type", message).hint(hint));
    }
    loss.clone()
}

fn training(request: &TrainRequest, records: usize, errors: &mut Vec<FieldError>) -> TrainingSpec {
    let asked = &request.training;
    let batch_size = asked.batch_size.unwrap_or_else(|| (records / 16).clamp(1, 64));
    let accumulate = asked.accumulate.unwrap_or(1);
    let steps = records.div_ceil(batch_size.saturating_mul(accumulate));
    let epochs = asked.epochs.unwrap_or_else(|| WANTED_STEPS.div_ceil(steps).clamp(20, 100));
    let stopping = |asked: &EarlyStoppingRequest| EarlyStopping {
        metric: asked.metric.unwrap_or(default_metric(&request.task)),
        patience: asked.patience.unwrap_or_else(|| (epochs / 10).max(3)),
        min_delta: asked.min_delta,
    };
    if let Some(Some(EarlyStoppingRequest { metric: Some(metric), .. })) = &asked.early_stopping
        && !request.task.measures(*metric)
    {
        errors.push(foreign_metric("training.early_stopping.metric", &request.task));
    }
    if asked.target.is_some_and(|target| !request.task.measures(target.metric)) {
        errors.push(foreign_metric("training.target.metric", &request.task));
    }
    TrainingSpec {
        epochs,
        batch_size,
        accumulate,
        clip_norm: asked.clip_norm,
        clip_value: asked.clip_value,
        ema_decay: asked.ema_decay,
        seed: asked.seed.unwrap_or(1),
        early_stopping: match &asked.early_stopping {
            None => Some(stopping(&EarlyStoppingRequest::default())),
            Some(asked) => asked.as_ref().map(stopping),
        },
        max_steps: asked.max_steps,
        max_seconds: asked.max_seconds,
        target: asked.target,
        divergence_factor: asked.divergence_factor.unwrap_or(Some(DIVERGENCE_FACTOR)),
        checkpoint_seconds: asked.checkpoint_seconds.unwrap_or(30),
        checkpoint_steps: asked.checkpoint_steps,
        keep_state: asked.keep_state.unwrap_or(true),
    }
}

fn foreign_metric(field: &str, task: &TaskSpec) -> FieldError {
    let hint = if task.is_regression() {
        "choose mse, mae or r2"
    } else {
        "choose log_loss, accuracy, macro_f1, micro_f1, brier or ece; where a record may have several \
         labels, mean_average_precision too"
    };
    let message = format!("is not measured in a {}", task.name());
    FieldError::new(field, message).hint(hint)
}

/// What would change records that the task does not have.
fn check_augmentation(request: &TrainRequest, errors: &mut Vec<FieldError>) {
    let AugmentationSpec { text, image, tabular } = &request.augmentation;
    let own = match request.task.input() {
        Input::Text(_) => "text",
        Input::Table(_) => "tabular",
        Input::Image(_) => "image",
    };
    let set = [
        ("text", *text != Default::default()),
        ("image", *image != Default::default()),
        ("tabular", *tabular != Default::default()),
    ];
    for (name, _) in set.iter().filter(|(name, set)| *set && *name != own) {
        let message = format!("changes nothing in a {}", request.task.name());
        let hint = format!("leave it out; here it is augmentation.{own}");
        errors.push(FieldError::new(format!("augmentation.{name}"), message).hint(hint));
    }
}

/// What hears the validation split where there is none.
fn check_validation(request: &TrainRequest, split: &SplitSpec, errors: &mut Vec<FieldError>) {
    let SplitSpec::Shares { validation: 0.0, .. } = split else { return };
    let hint = "give split.validation a share, or leave this out";
    let mut needs = |field: &str, what: &str| {
        let message = format!("{what} the validation split, and no record is in it");
        errors.push(FieldError::new(field, message).hint(hint));
    };
    if request.training.target.is_some() {
        needs("training.target", "is measured on");
    }
    if matches!(request.schedule, ScheduleSpec::ReduceOnPlateau(_)) {
        needs("schedule.type", "reduce_on_plateau listens to");
    }
}

#[cfg(test)]
mod tests;
