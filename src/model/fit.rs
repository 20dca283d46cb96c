//! From records and a resolved spec to a model. Blocking, without any IO: what happens on the way is
//! told to a [`FitMonitor`].

use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::card::Card;
use super::changed_texts::ChangedTexts;
use super::content::{self, Content};
use super::encoder::{Encoded, Encoder, InputColumn, Records, features};
use super::init_from::TransferReport;
use super::inspect::Sample;
use super::monitor::{FitMonitor, Phase};
use super::spec::{TrainSpec, Warning};
use super::splits::{self, Data, Parts, Placing};
use super::steering::Steering;
use super::test_results::TestResults;
use super::watch::{self, Watch};
use super::{Calibration, FitError, Model, Reading, calibrate, describe, inspect, leaks, transfer};
use crate::arrays::Arrays;
use crate::clock::Clock;
use crate::data::Cell;
use crate::learn::LearnError;
use crate::learn::gradient::GradientSpec;
use crate::learn::loss::Loss;
use crate::learn::rows::{Features, Source, Targets};
use crate::learn::start::Start;
use crate::learn::stopping::{EndReason, Limits};
use crate::learn::trainer::{self, CheckpointSpec, Interrupt, TrainerSpec};
use crate::task::{Input, Outcomes, Output, TaskSpec, ValueError};

/// The columns that a training reads.
#[derive(Debug, Clone)]
pub struct TrainingTable {
    /// What records go in by, in the order of the spec's input columns.
    pub inputs: Vec<InputColumn>,
    /// What is to be learnt, in the order of the task's columns.
    pub wanted: Vec<Vec<Cell>>,
    /// Weight of each record, where the task names a column.
    pub weights: Option<Vec<Cell>>,
    /// Split cell of each record, where the spec names a split column.
    pub splits: Option<Vec<Cell>>,
}

/// A model and what its training did.
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// Steps done.
    pub steps: u64,
    /// The state to go on from, if it is to be kept.
    pub last: Option<Arrays>,
    /// What it gave for each test record, if there are any.
    pub test: Option<TestResults>,
    /// The same for each validation record.
    pub validation: Option<TestResults>,
    /// Some of the training records.
    pub sample: Sample,
}

/// Records that are ready to be learnt from.
pub(super) struct Prepared {
    pub output: Output,
    pub outcomes: Outcomes,
    pub records: Records,
    pub parts: Parts,
    pub encoder: Encoder,
    pub train: Vec<Encoded>,
    pub validation: Vec<Encoded>,
    pub rows: Features,
    pub targets: Targets,
    pub loss: Loss,
    /// What to start from, and what came along.
    pub start: Option<(Arc<Start>, TransferReport)>,
    /// As in [`Model`].
    pub trained_on: Vec<u64>,
}

fn go_on(monitor: &dyn FitMonitor) -> Result<(), FitError> {
    match monitor.interrupt() {
        Interrupt::Abort => Err(FitError::Interrupted),
        Interrupt::None | Interrupt::Prepare | Interrupt::Stop => Ok(()),
    }
}

/// Records with what is to be learnt of them, and the part that each is in.
pub struct Divided {
    /// What the network's outputs stand for.
    pub output: Output,
    /// What is to be learnt of each record.
    pub outcomes: Outcomes,
    /// The records.
    pub records: Records,
    weights: Option<Vec<f64>>,
    /// Which records train, validate, calibrate and test.
    pub parts: Parts,
    /// A number for each record, the same for equal ones.
    pub groups: Vec<u64>,
}

/// Decides which records train, validate, calibrate and test. Those that trained an earlier model, by
/// their number in `seen`, ascending, train again: nothing honest can be measured on them.
pub fn divide(
    spec: &TrainSpec,
    table: TrainingTable,
    seen: &[u64],
    warnings: &mut Vec<Warning>,
) -> Result<Divided, FitError> {
    let lacking = lacking(&spec.task, &table)?;
    let (output, outcomes) = spec.task.learn_outcomes(&table.wanted, &lacking)?;
    let weights = weights(&spec.task, table.weights.as_deref(), &lacking)?;
    let records = Records::new(spec.task.input(), table.inputs);
    let groups = records.groups();
    let placing = Placing {
        groups: &groups,
        noun: records.noun(),
        strata: &outcomes.strata(&output),
        lacking: &lacking,
    };
    let mut parts = splits::parts(&spec.split, &placing, table.splits.as_deref(), warnings)?;
    warnings.extend(parts.train_again(|record| seen.binary_search(&groups[record]).is_ok()));
    Ok(Divided { output, outcomes, records, weights, parts, groups })
}

/// Learns how to read the records and reads those that train and steer.
pub(super) fn prepare(
    spec: &TrainSpec,
    table: TrainingTable,
    source: Option<&Model>,
    warnings: &mut Vec<Warning>,
    monitor: &mut dyn FitMonitor,
) -> Result<Prepared, FitError> {
    monitor.phase(Phase::Vectorizing);
    let seen = source.map_or(&[][..], |source| source.trained_on.as_slice());
    let Divided { mut output, outcomes, records, weights, parts, groups } =
        divide(spec, table, seen, warnings)?;
    let own = parts.train.iter().map(|&record| groups[record]);
    let mut trained_on: Vec<u64> = seen.iter().copied().chain(own).collect();
    trained_on.sort_unstable();
    trained_on.dedup();
    check_parts(&parts, &output, &outcomes)?;
    output.fit_scale(&outcomes, &parts.train);

    let mut encoder = Encoder::fit(spec, &records, &parts.train, warnings)?;
    warnings.extend(leaks::warnings(&records, &parts.train, &output, &outcomes));
    let mut start = None;
    if let Some(init) = &spec.init_from {
        let source = source.ok_or_else(|| FitError::Transfer {
            field: "init_from.model".to_owned(),
            message: format!("the model {:?} is not at hand", init.model),
            hint: "submit the job again with a model that is stored".to_owned(),
        })?;
        (encoder, output) = transfer::adapt(init, source, encoder, output);
        let (first, report) = transfer::start((spec, init), source, (&encoder, &output))?;
        start = Some((Arc::new(first), report));
    }
    go_on(monitor)?;
    let form = spec.network.text_form();
    let shape = encoder.shape(form);
    let train = encoder.encode_all(&records, &parts.train)?;
    let validation = encoder.encode_all(&records, &parts.validation)?;
    let rows = features(&encoder, shape, form, &train);
    go_on(monitor)?;

    let targets = output.targets(&outcomes, &parts.train);
    let of_records = weights.map(|weights| relative(&weights, &parts.train));
    let loss = spec.loss.prepare(output.label_names(), &targets)?;
    let loss = Loss { records: of_records, ..loss };
    Ok(Prepared {
        output,
        outcomes,
        records,
        parts,
        encoder,
        train,
        validation,
        rows,
        targets,
        loss,
        start,
        trained_on,
    })
}

/// Trains a model. Runs on the current rayon pool; the result does not depend on its size.
pub fn fit(
    spec: &TrainSpec,
    (table, source): (TrainingTable, Option<&Model>),
    mut warnings: Vec<Warning>,
    clock: &dyn Clock,
    monitor: &mut dyn FitMonitor,
    resume: Option<&Arrays>,
) -> Result<Fitted, FitError> {
    let Prepared {
        output,
        outcomes,
        records,
        parts,
        encoder,
        train,
        validation,
        rows,
        targets,
        loss,
        start,
        trained_on,
    } = prepare(spec, table, source, &mut warnings, monitor)?;
    let (start, transferred) = start.unzip();
    monitor.phase(Phase::Training);
    // An earlier attempt told of what it saw; the state that it left knows.
    warnings.retain(|warning| !watch::CODES.contains(&warning.code.as_str()));
    let entropy = outcomes.entropy(&output, &parts.train);
    let mut watch = Watch::new(spec, entropy);
    if let Some(state) = resume {
        watch = watch.restore(state).map_err(LearnError::from)?;
        watch.told().iter().for_each(|warning| monitor.warning(warning));
    }
    let sample = {
        let few = parts.train.len().min(inspect::RECORDS);
        let form = spec.network.text_form();
        Sample {
            loss: loss.clone(),
            features: features(&encoder, encoder.shape(form), form, &train[..few]),
            targets: output.targets(&outcomes, &parts.train[..few]),
        }
    };
    let mut steering = Steering {
        monitor,
        output: &output,
        metric: spec.training.metric(&spec.task),
        target: spec.training.target,
        validation: (&encoder, &validation),
        records: &parts.validation,
        outcomes: &outcomes,
        watch,
        entropy,
        look: Some(&sample).filter(|_| !spec.network.dense().hidden.is_empty()),
    };
    let changed = ChangedTexts::new(spec, &encoder, &records, &parts.train);
    let training_rows = changed.as_ref().map_or(&rows as &dyn Source, |changed| changed);
    let mut outcome = trainer::train(
        &trainer_spec(spec, loss, start),
        (training_rows, &targets),
        encoder.shape(spec.network.text_form()),
        clock,
        &mut steering,
        resume,
    )?;
    let watch = steering.watch;
    if let Some(last) = &mut outcome.last {
        let (epochs, _) = trainer::position(last).map_err(LearnError::from)?;
        watch.save(epochs as usize, last);
    }
    drop(rows);

    monitor.phase(Phase::Evaluating);
    go_on(monitor)?;
    let diverged = outcome.reason == EndReason::Diverged;
    let told = watch.told().iter().filter(|told| !diverged || told.code != watch::DIVERGED);
    warnings.extend(told.cloned());
    if diverged {
        let message = format!(
            "the loss or a parameter became infinite, undefined or many times what it began with \
             by step {}; the parameters of epoch {} were kept; set a lower optimizer.learning_rate, or \
             training.clip_norm to 1",
            outcome.steps,
            outcome.best_epoch.unwrap_or_default()
        );
        warnings.push(Warning::new(watch::DIVERGED, message));
    }
    let calibration = encoder.encode_all(&records, &parts.calibration)?;
    let test = encoder.encode_all(&records, &parts.test)?;
    let common = content::common_words(spec, &encoder, &records, &parts.calibration);
    drop(records);
    let data = Data { outcomes: &outcomes, parts: &parts, train, validation, calibration, test };
    let reader = calibrate::reader(spec, &data, output, encoder, outcome.network.clone());
    let readings: Vec<Reading> =
        data.calibration.par_iter().map(|record| reader.read(record.clone())).collect();
    let content = Content::keep(spec, &reader, &readings, common);
    let calibration =
        Calibration { content, ..calibrate::calibration(spec, &reader, &data, &readings) };
    go_on(monitor)?;
    let card = {
        let seed = spec.training.seed;
        describe::card(&reader, &calibration, &data, &readings, &outcome, seed, warnings)
    };
    let card = Card { transfer: transferred, ..card };
    let test = TestResults::of(&reader, &data);
    let validation = TestResults::of_validation(&reader, &data);
    let model = Model { spec: spec.clone(), reader, calibration, card, trained_on };
    let (steps, last) = (outcome.steps, outcome.last.take());
    Ok(Fitted { model, steps, last, test, validation, sample })
}

/// The records to leave out, unless there are too many.
fn lacking(task: &TaskSpec, table: &TrainingTable) -> Result<Vec<bool>, FitError> {
    let input = match task.input() {
        Input::Table(_) => None,
        Input::Text(_) | Input::Image(_) => {
            table.inputs.first().map(|column| column.cells.as_slice())
        }
    };
    let mut lacking = task.lacking(input, &table.wanted);
    for (lacks, weight) in lacking.iter_mut().zip(table.weights.iter().flatten()) {
        *lacks |= *weight == Cell::Null;
    }
    let count = lacking.iter().filter(|lacks| **lacks).count() as u64;
    match lacking.iter().position(|lacks| *lacks) {
        Some(first) if count > task.may_miss(lacking.len() as u64) => {
            Err(FitError::Lacking { row: first as u64 + 1, count })
        }
        _ => Ok(lacking),
    }
}

/// The weight of each record; 0 for those that lack something.
fn weights(
    task: &TaskSpec,
    cells: Option<&[Cell]>,
    lacking: &[bool],
) -> Result<Option<Vec<f64>>, ValueError> {
    let Some((cells, column)) = cells.zip(task.weight()) else { return Ok(None) };
    let read = |(row, (cell, lacks)): (usize, (&Cell, &bool))| match cell.to_number() {
        _ if *lacks => Ok(0.0),
        Some(weight) if weight > 0.0 && weight <= 1e30 => Ok(weight),
        _ => Err(ValueError {
            row: row as u64 + 1,
            column: column.to_owned(),
            value: cell.to_text().unwrap_or_default(),
            above: Some(0.0),
        }),
    };
    cells.iter().zip(lacking).enumerate().map(read).collect::<Result<_, _>>().map(Some)
}

/// Weights of the training records, scaled to a mean of 1, so that they leave the size of a step as
/// it is.
fn relative(weights: &[f64], training: &[usize]) -> Vec<f32> {
    let mean = training.iter().map(|&i| weights[i]).sum::<f64>() / training.len().max(1) as f64;
    training.iter().map(|&i| (weights[i] / mean) as f32).collect()
}

fn check_parts(parts: &Parts, output: &Output, outcomes: &Outcomes) -> Result<(), FitError> {
    let names = output.label_names();
    let mut trained = vec![false; names.len()];
    for &record in &parts.train {
        outcomes.labels_of(record).iter().for_each(|&label| trained[label as usize] = true);
    }
    match trained.iter().position(|trained| !trained) {
        None => Ok(()),
        Some(label) => Err(FitError::Split {
            message: format!("no training record has the label {:?}", names[label]),
            hint: "give train a larger share, or add records of this label".to_owned(),
            row: None,
        }),
    }
}

pub(super) fn trainer_spec(spec: &TrainSpec, loss: Loss, start: Option<Arc<Start>>) -> TrainerSpec {
    TrainerSpec {
        device: spec.device,
        network: spec.network.clone(),
        optimizer: spec.optimizer.clone(),
        schedule: spec.schedule.clone(),
        loss,
        regularization: spec.regularization.clone(),
        augmentation: spec.augmentation.of_features(),
        epochs: spec.training.epochs,
        gradient: GradientSpec {
            batch_size: spec.training.batch_size,
            l1: spec.regularization.l1,
            l2: spec.regularization.l2,
            clip_norm: spec.training.clip_norm.map(|most| most as f32),
            clip_value: spec.training.clip_value.map(|most| most as f32),
        },
        accumulate: spec.training.accumulate,
        ema_decay: spec.training.ema_decay,
        seed: spec.training.seed,
        early_stopping: spec.training.early_stopping.clone(),
        limits: Limits {
            max_steps: spec.training.max_steps,
            max_time: spec.training.max_seconds.map(Duration::from_secs_f64),
            divergence_factor: spec.training.divergence_factor,
        },
        checkpoints: CheckpointSpec {
            every: Duration::from_secs(spec.training.checkpoint_seconds),
            steps: spec.training.checkpoint_steps,
            keep_last: spec.training.keep_state,
        },
        start,
    }
}
