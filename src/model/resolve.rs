//! From a request to a checked spec: every problem is found at once, each with its field.

use super::estimate::{self, Estimate};
use super::spec::{
    EarlyStoppingRequest, SplitRequest, SplitSpec, TrainRequest, TrainSpec, TrainingSpec, Warning,
};
use crate::data::profile::{Column, ColumnKind, Profile};
use crate::data::split::Split;
use crate::learn::optimizer::OptimizerSpec;
use crate::learn::trainer::EarlyStopping;
use crate::problem::{FieldError, nearest};
use crate::task::{MAX_LABELS, TextClassification};

/// Below this many records, all of them train unless the request says otherwise.
const SMALL_DATASET: u64 = 50;
/// Steps that a training should have for its defaults to make sense.
const WANTED_STEPS: usize = 1_000;

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

/// Checks a request against the dataset it names and fills in what it leaves open.
pub fn resolve(
    request: &TrainRequest,
    profile: &Profile,
    allowance: Allowance,
) -> Result<Resolved, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    check_task(&request.task, profile, &mut errors, &mut warnings);
    check_numbers(request, &mut errors);
    let split = split(request.split.as_ref(), profile, &mut errors, &mut warnings);
    let device = match request.device.as_deref().unwrap_or("auto") {
        "auto" | "cpu" => "cpu".to_owned(),
        other => {
            let message = format!("the device {other:?} is not there");
            let hint = "this build computes on \"cpu\"; use that, or \"auto\"";
            errors.push(FieldError::new("device", message).hint(hint));
            String::new()
        }
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    let train_records = train_records(&split, profile);
    let spec = TrainSpec {
        dataset: request.dataset.clone(),
        task: request.task.clone(),
        model_name: request.model_name.clone(),
        vectorizer: request.vectorizer.clone(),
        network: request.network.clone(),
        optimizer: request.optimizer.clone(),
        schedule: request.schedule.clone(),
        loss: request.loss.clone(),
        regularization: request.regularization.clone(),
        training: training(request, train_records),
        split,
        device,
    };
    let estimate = estimate::estimate(&spec, profile, train_records as u64);
    if estimate.memory_bytes_at_most > allowance.memory_bytes {
        let message = format!(
            "training could need {} MiB; a job may use {} MiB",
            estimate.memory_bytes_at_most >> 20,
            allowance.memory_bytes >> 20
        );
        let hint = "lower network.dimension, network.hidden or vectorizer.max_vocabulary, or set \
                    vectorizer.hash_buckets";
        return Err(vec![FieldError::new("network", message).hint(hint)]);
    }
    Ok(Resolved { spec, estimate, warnings })
}

fn check_task(
    task: &crate::task::TaskSpec,
    profile: &Profile,
    errors: &mut Vec<FieldError>,
    warnings: &mut Vec<Warning>,
) {
    let task = task.text_classification();
    let TextClassification { text, label, .. } = task;
    if text == label {
        let hint = "name the column with the text here and the one with the labels in task.label";
        errors.push(FieldError::new("task.text", "is the label column too").hint(hint));
        return;
    }
    if let Some(column) = column("task.text", text, profile, errors) {
        use ColumnKind::{Boolean, Datetime, Empty, Integer, List, Number};
        if matches!(column.kind, Boolean | Datetime | Empty | Integer | List | Number) {
            let message = format!("the column {text:?} holds {}, not text", holds(column.kind));
            let hint = textual_columns(profile);
            errors.push(FieldError::new("task.text", message).hint(hint).at(None, Some(text)));
        } else {
            check_missing("task.text", task, column, profile, errors, warnings);
        }
    }
    if let Some(column) = column("task.label", label, profile, errors) {
        check_label(task, column, profile, errors, warnings);
    }
}

/// Records without a value are left out while they are few, and refused otherwise.
fn check_missing(
    field: &str,
    task: &TextClassification,
    column: &Column,
    profile: &Profile,
    errors: &mut Vec<FieldError>,
    warnings: &mut Vec<Warning>,
) {
    let Some(row) = column.first_missing_row else { return };
    let (name, missing) = (&column.name, column.missing);
    let lack = if missing == 1 {
        format!("row {row}, column {name:?} holds nothing")
    } else {
        format!("{missing} rows hold nothing in column {name:?}, row {row} first")
    };
    if missing <= task.may_miss(profile.rows) {
        let of = format!("{lack}: of {} records, {missing} left out", profile.rows);
        warnings.push(Warning::new("records_left_out", of));
        return;
    }
    let hint = "complete these records, leave them out and upload the dataset again, or raise \
                task.max_missing to have them left out";
    errors.push(FieldError::new(field, lack).hint(hint).at(Some(row), Some(name)));
}

fn check_label(
    task: &TextClassification,
    column: &Column,
    profile: &Profile,
    errors: &mut Vec<FieldError>,
    warnings: &mut Vec<Warning>,
) {
    let label = &column.name;
    if task.multi_label {
        return;
    }
    if column.kind != ColumnKind::List {
        check_missing("task.label", task, column, profile, errors, warnings);
    }
    let mut fail = |message: String, hint: &str| {
        let error = FieldError::new("task.label", message).hint(hint);
        errors.push(error.at(None, Some(label)));
    };
    if column.kind == ColumnKind::List {
        return fail(format!("the column {label:?} holds lists"), "set task.multi_label to true");
    }
    if column.distinct == 1 {
        let only = column.values.iter().flatten().next().map_or("", |v| v.value.as_str());
        let message = format!("every record has the label {only:?}");
        return fail(message, "add records with another label: there is nothing to tell apart");
    }
    match &column.values {
        Some(values) if values.len() <= MAX_LABELS => {
            let single: Vec<&str> =
                values.iter().filter(|v| v.count == 1).map(|v| v.value.as_str()).collect();
            if let Some(first) = single.first() {
                let message = format!(
                    "{} of {} labels have one example, {first:?} among them",
                    single.len(),
                    values.len()
                );
                fail(message, "add examples of these labels, or leave them out");
            }
        }
        _ => {
            let message = format!("the column {label:?} has {} distinct values", column.distinct);
            let hint = format!("a label column has at most {MAX_LABELS} labels, each short");
            fail(message, &hint);
        }
    }
}

fn column<'a>(
    field: &str,
    name: &str,
    profile: &'a Profile,
    errors: &mut Vec<FieldError>,
) -> Option<&'a Column> {
    if let Some((_, column)) = profile.column(name) {
        return Some(column);
    }
    let names: Vec<&str> = profile.columns.iter().map(|c| c.name.as_str()).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}? the columns are {}", names.join(", ")),
        None => format!(
            "the columns are {}; if these look like data, the file lacks a header line",
            names.join(", ")
        ),
    };
    let message = format!("the dataset has no column {name:?}");
    errors.push(FieldError::new(field, message).hint(hint).at(None, Some(name)));
    None
}

fn holds(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Empty => "nothing",
        ColumnKind::Boolean => "true and false",
        ColumnKind::Integer | ColumnKind::Number => "numbers",
        ColumnKind::Datetime => "dates",
        ColumnKind::List => "lists",
        ColumnKind::Category | ColumnKind::Text => "text",
    }
}

fn textual_columns(profile: &Profile) -> String {
    let textual = |c: &&Column| matches!(c.kind, ColumnKind::Text | ColumnKind::Category);
    let names: Vec<&str> =
        profile.columns.iter().filter(textual).map(|c| c.name.as_str()).collect();
    if names.is_empty() {
        "no column of this dataset holds text".to_owned()
    } else {
        format!("columns with text: {}", names.join(", "))
    }
}

/// What the schema of single fields cannot say.
fn check_numbers(request: &TrainRequest, errors: &mut Vec<FieldError>) {
    if let Some(range) = request.vectorizer.character_ngrams
        && range.min > range.max
    {
        let message = format!("min {} is above max {}", range.min, range.max);
        let hint = "swap them, or set character_ngrams to null";
        errors.push(FieldError::new("vectorizer.character_ngrams.min", message).hint(hint));
    }
    let hidden = &request.network.embedding_bag().hidden;
    for (position, width) in hidden.iter().enumerate() {
        if !(1..=65_536).contains(width) {
            let field = format!("network.hidden[{position}]");
            let hint = "a width is between 1 and 65536";
            errors.push(
                FieldError::new(field, format!("the width {width} is out of range")).hint(hint),
            );
        }
    }
    for (name, value) in request.optimizer.unusable() {
        errors.push(rounded(format!("optimizer.{name}"), value));
    }
    if let OptimizerSpec::Sgd(sgd) = &request.optimizer
        && sgd.nesterov
        && sgd.momentum == 0.0
    {
        let hint = "set optimizer.momentum above 0 (0.9 is usual), or nesterov to false";
        let message = "looks ahead by a momentum of 0, which is nowhere";
        errors.push(FieldError::new("optimizer.nesterov", message).hint(hint));
    }
    for (name, value) in
        [("clip_norm", request.training.clip_norm), ("clip_value", request.training.clip_value)]
    {
        if let Some(value) = value.filter(|v| *v as f32 <= 0.0 || !(*v as f32).is_finite()) {
            errors.push(rounded(format!("training.{name}"), value));
        }
    }
    if let Some(value) = request.training.ema_decay.filter(|v| *v as f32 <= 0.0 || *v as f32 >= 1.0)
    {
        errors.push(rounded("training.ema_decay".to_owned(), value));
    }
    for (name, value) in [("l1", request.regularization.l1), ("l2", request.regularization.l2)] {
        if !(0.0..=f32::MAX).contains(&value) {
            errors.push(rounded(format!("regularization.{name}"), value.into()));
        }
    }
    let dropout = request.regularization.ngram_dropout;
    if !(0.0..1.0).contains(&dropout) {
        errors.push(rounded("regularization.ngram_dropout".to_owned(), dropout.into()));
    }
    let decay = request.optimizer.learning_rate() * request.optimizer.shrinkage();
    if decay >= 1.0 {
        let message =
            format!("times the learning rate it is {decay}, so a step would flip every sign");
        let hint = "keep weight_decay × learning_rate below 1";
        errors.push(FieldError::new("optimizer.weight_decay", message).hint(hint));
    }
}

fn rounded(field: String, value: f64) -> FieldError {
    let message = format!("{value} is out of range once it is rounded to 32 bits");
    FieldError::new(field, message).hint("keep it further from the end of its range")
}

fn split(
    request: Option<&SplitRequest>,
    profile: &Profile,
    errors: &mut Vec<FieldError>,
    warnings: &mut Vec<Warning>,
) -> SplitSpec {
    let seed = request.and_then(|r| r.seed).unwrap_or(1);
    let all = SplitSpec::Shares { train: 1.0, validation: 0.0, calibration: 0.0, test: 0.0, seed };
    let Some(request) =
        request.filter(|r| **r != SplitRequest { seed: r.seed, ..Default::default() })
    else {
        if profile.rows < SMALL_DATASET {
            let message = format!(
                "{} records are too few to set any aside (fewer than {SMALL_DATASET}), so all of \
                 them train: nothing is validated, calibrated or tested",
                profile.rows
            );
            warnings.push(Warning::new("small_dataset", message));
            return all;
        }
        return SplitSpec::Shares {
            train: 0.7,
            validation: 0.1,
            calibration: 0.1,
            test: 0.1,
            seed,
        };
    };
    if let Some(name) = &request.column {
        return by_column(name, request, profile, seed, errors).unwrap_or(all);
    }
    let shares = [request.train, request.validation, request.calibration, request.test];
    let [train, validation, calibration, test] = shares.map(|share| share.unwrap_or(0.0));
    let sum = train + validation + calibration + test;
    if (sum - 1.0).abs() > 1e-6 {
        let hint = "let train, validation, calibration and test sum to 1; what is left out is 0";
        let message = format!("the shares sum to {}", (sum * 1e6).round() / 1e6);
        errors.push(FieldError::new("split", message).hint(hint));
    } else if train <= 0.0 {
        let hint = "give train a share; 0.7 is usual";
        errors.push(FieldError::new("split.train", "nothing would train").hint(hint));
    } else {
        for (split, share) in Split::ALL.iter().zip([train, validation, calibration, test]) {
            if share > 0.0 && profile.rows as f64 * share < 0.5 {
                let (rows, name) = (profile.rows, split.name());
                let message = format!("a share of {share} of {rows} records gives {name} none");
                let hint = format!(
                    "add records (at least {} for this share), or set split.{name} to 0",
                    (1.0 / share).ceil()
                );
                errors.push(FieldError::new(format!("split.{name}"), message).hint(hint));
            }
        }
    }
    SplitSpec::Shares { train, validation, calibration, test, seed }
}

fn by_column(
    name: &str,
    request: &SplitRequest,
    profile: &Profile,
    seed: u64,
    errors: &mut Vec<FieldError>,
) -> Option<SplitSpec> {
    for (field, share) in [("train", request.train), ("test", request.test)] {
        if share.is_some() {
            let hint = "leave it out: the column decides";
            let message = "cannot be a share where a column names the splits";
            errors.push(FieldError::new(format!("split.{field}"), message).hint(hint));
        }
    }
    for (field, share) in [("validation", request.validation), ("calibration", request.calibration)]
    {
        if share == Some(1.0) {
            let hint = "a share below 1 leaves records for the split that it is taken from";
            let message = "would take every record";
            errors.push(FieldError::new(format!("split.{field}"), message).hint(hint));
        }
    }
    let column = column("split.column", name, profile, errors)?;
    let mut fail = |row: Option<u64>, message: String, hint: &str| {
        let error = FieldError::new("split.column", message).hint(hint);
        errors.push(error.at(row, Some(name)));
    };
    let names = "name train, validation, calibration or test in every row";
    if let Some(row) = column.first_missing_row {
        fail(Some(row), format!("row {row} names no split"), names);
    }
    let Some(values) = &column.values else {
        fail(None, format!("the column {name:?} has {} distinct values", column.distinct), names);
        return None;
    };
    let found: Vec<Option<Split>> = values.iter().map(|v| Split::parse(&v.value)).collect();
    let mut others = values.iter().zip(&found).filter(|(_, split)| split.is_none());
    if let Some((first, _)) = others.next() {
        let more = match others.count() {
            0 => String::new(),
            count => format!(", nor are {count} other values"),
        };
        fail(None, format!("{:?} is no split{more}", first.value), names);
    }
    if !found.contains(&Some(Split::Train)) {
        fail(None, "no record is named train".to_owned(), "name at least some records train");
    }
    Some(SplitSpec::Column {
        column: name.to_owned(),
        validation: request.validation.unwrap_or(0.1),
        calibration: request.calibration.unwrap_or(0.5),
        seed,
    })
}

/// Training records, roughly.
fn train_records(split: &SplitSpec, profile: &Profile) -> usize {
    let rows = profile.rows as f64;
    let records = match split {
        SplitSpec::Shares { train, .. } => rows * train,
        SplitSpec::Column { column, .. } => {
            let values = profile.column(column).and_then(|(_, c)| c.values.as_ref());
            let train = values
                .into_iter()
                .flatten()
                .filter(|v| Split::parse(&v.value) == Some(Split::Train));
            train.map(|v| v.count as f64).sum()
        }
    };
    (records.round() as usize).max(1)
}

fn training(request: &TrainRequest, records: usize) -> TrainingSpec {
    let asked = &request.training;
    let batch_size = asked.batch_size.unwrap_or_else(|| (records / 16).clamp(1, 64));
    let accumulate = asked.accumulate.unwrap_or(1);
    let steps = records.div_ceil(batch_size.saturating_mul(accumulate));
    let epochs = asked.epochs.unwrap_or_else(|| WANTED_STEPS.div_ceil(steps).clamp(20, 100));
    let stopping = |asked: &EarlyStoppingRequest| EarlyStopping {
        metric: asked.metric,
        patience: asked.patience.unwrap_or_else(|| (epochs / 10).max(3)),
        min_delta: asked.min_delta,
    };
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
        checkpoint_seconds: asked.checkpoint_seconds.unwrap_or(30),
    }
}
#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
