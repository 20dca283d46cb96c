//! From records and a resolved spec to a model. Blocking, without any IO: what happens on the way is
//! told to a [`FitMonitor`].

use std::time::Duration;

use rayon::prelude::*;

use super::spec::{TrainSpec, Warning};
use super::splits::{self, Data, Parts, Records};
use super::{Calibration, FitError, Model, Reader, Reading, describe};
use crate::arrays::Arrays;
use crate::clock::Clock;
use crate::data::Cell;
use crate::eval::calibrator::{self, Truth};
use crate::eval::combination::Combination;
use crate::eval::conformal::CalibrationScores;
use crate::eval::detector::{DetectorKind, Training};
use crate::eval::prototypes::Prototypes;
use crate::eval::{Link, Matrix};
use crate::learn::gradient::GradientSpec;
use crate::learn::loss::Loss;
use crate::learn::network::View;
use crate::learn::rows::SparseRows;
use crate::learn::trainer::{
    self, EndReason, EpochReport, Interrupt, Monitor, StepReport, StoppingMetric, TrainerSpec,
};
use crate::task::{Evaluated, Head, LabelSet, MetricsReport, TextClassification, Truths, report};
use crate::text::{Encoded, Vectorizer};

/// The columns that a training reads.
pub struct TrainingTable {
    /// Text of each record.
    pub texts: Vec<Cell>,
    /// Label cell of each record.
    pub labels: Vec<Cell>,
    /// Split cell of each record, where the spec names a split column.
    pub splits: Option<Vec<Cell>>,
}

/// What a training is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Learning the vocabulary and turning texts into features.
    Vectorizing,
    /// Running epochs.
    Training,
    /// Fitting detectors, calibrator and conformal thresholds, and measuring every part.
    Evaluating,
}

/// Listens to a training and steers it.
pub trait FitMonitor: Send {
    /// A phase begins.
    fn phase(&mut self, phase: Phase);
    /// A step was done.
    fn step(&mut self, report: &StepReport);
    /// An epoch was done, with the metrics of the validation split if there is one.
    fn epoch(&mut self, report: &EpochReport, validation: Option<&MetricsReport>);
    /// A state from which training can be resumed.
    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays);
    /// Asked at every step and between phases.
    fn interrupt(&self) -> Interrupt;
}

/// A model and what its training did.
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// Steps done.
    pub steps: u64,
}

/// Trains a model. Runs on the current rayon pool; the result does not depend on its size.
pub fn fit(
    spec: &TrainSpec,
    table: TrainingTable,
    mut warnings: Vec<Warning>,
    clock: &dyn Clock,
    monitor: &mut dyn FitMonitor,
    resume: Option<&Arrays>,
) -> Result<Fitted, FitError> {
    let go_on = |monitor: &dyn FitMonitor| match monitor.interrupt() {
        Interrupt::Abort => Err(FitError::Interrupted),
        Interrupt::None | Interrupt::Stop => Ok(()),
    };
    monitor.phase(Phase::Vectorizing);
    let task = spec.task.text_classification();
    let lacking = lacking(task, &table)?;
    let (labels, truths) = task.learn_labels(&table.labels, &lacking)?;
    let texts = texts(table.texts);
    let head = Head::for_labels(labels.len(), task.multi_label);
    let strata = truths.strata(labels.len());
    let records = Records { texts: &texts, strata: &strata, lacking: &lacking };
    let parts = splits::parts(&spec.split, &records, table.splits.as_deref(), &mut warnings)?;
    check_parts(&parts, &labels, &truths)?;

    let train_texts: Vec<&str> = parts.train.iter().map(|&i| texts[i].as_str()).collect();
    let vectorizer = Vectorizer::fit(&spec.vectorizer, &train_texts);
    go_on(monitor)?;
    let encode = |records: &[usize]| -> Vec<Encoded> {
        records.par_iter().map(|&i| vectorizer.encode(&texts[i])).collect()
    };
    let train = encode(&parts.train);
    let validation = encode(&parts.validation);
    let rows = rows(&train);
    let validation_rows = self::rows(&validation);
    go_on(monitor)?;

    monitor.phase(Phase::Training);
    let targets = head.targets(&truths, labels.len(), &parts.train);
    let loss = spec.loss.prepare(labels.names(), &targets)?;
    let vocabulary = vectorizer.vocabulary().len();
    let mut steering = Steering {
        monitor,
        head,
        labels: &labels,
        metric: spec.training.early_stopping.as_ref().map_or_else(Default::default, |s| s.metric),
        validation: &validation_rows,
        truths: parts.validation.iter().map(|&i| truths.of(i)).collect(),
    };
    let outcome = trainer::train(
        &trainer_spec(spec, loss),
        (&rows, &targets),
        vocabulary,
        clock,
        &mut steering,
        resume,
    )?;
    drop((rows, validation_rows));

    monitor.phase(Phase::Evaluating);
    go_on(monitor)?;
    if outcome.reason == EndReason::Diverged {
        let message = format!(
            "the loss became infinite or undefined at step {}; the parameters of epoch {} were kept",
            outcome.steps,
            outcome.best_epoch.unwrap_or_default()
        );
        warnings.push(Warning::new("diverged", message));
    }
    let calibration_texts = encode(&parts.calibration);
    let test = encode(&parts.test);
    let data = Data {
        truths: &truths,
        parts: &parts,
        train,
        validation,
        calibration: calibration_texts,
        test,
    };
    let reader = reader(spec, &data, labels, head, vectorizer, outcome.network.clone());
    let readings: Vec<Reading> =
        data.calibration.par_iter().map(|text| reader.read_encoded(text.clone())).collect();
    let calibration = calibrate(&reader, &data, &readings);
    go_on(monitor)?;
    let card = describe::card(&reader, &calibration, &data, &readings, &outcome, warnings);
    let model = Model { spec: spec.clone(), reader, calibration, card };
    Ok(Fitted { model, steps: outcome.steps })
}

/// The records to leave out, unless there are too many.
fn lacking(task: &TextClassification, table: &TrainingTable) -> Result<Vec<bool>, FitError> {
    let lacking = task.lacking(&table.texts, &table.labels);
    let count = lacking.iter().filter(|lacks| **lacks).count() as u64;
    match lacking.iter().position(|lacks| *lacks) {
        Some(first) if count > task.may_miss(lacking.len() as u64) => {
            Err(FitError::Lacking { row: first as u64 + 1, count })
        }
        _ => Ok(lacking),
    }
}

fn texts(cells: Vec<Cell>) -> Vec<String> {
    let text = |cell| match cell {
        Cell::Text(text) => text,
        other => other.to_text().unwrap_or_default(),
    };
    cells.into_iter().map(text).collect()
}

fn check_parts(parts: &Parts, labels: &LabelSet, truths: &Truths) -> Result<(), FitError> {
    let mut trained = vec![false; labels.len()];
    for &record in &parts.train {
        truths.of(record).iter().for_each(|&label| trained[label as usize] = true);
    }
    match trained.iter().position(|trained| !trained) {
        None => Ok(()),
        Some(label) => Err(FitError::Split {
            message: format!("no training record has the label {:?}", labels.names()[label]),
            hint: "give train a larger share, or add records of this label".to_owned(),
            row: None,
        }),
    }
}

fn rows(encoded: &[Encoded]) -> SparseRows {
    let mut rows = SparseRows::default();
    encoded.iter().for_each(|text| rows.push(&text.ids, &text.weights, text.ngrams));
    rows
}

fn trainer_spec(spec: &TrainSpec, loss: Loss) -> TrainerSpec {
    TrainerSpec {
        network: spec.network.clone(),
        optimizer: spec.optimizer.clone(),
        schedule: spec.schedule.clone(),
        loss,
        regularization: spec.regularization.clone(),
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
        checkpoint_every: Duration::from_secs(spec.training.checkpoint_seconds),
    }
}

/// Measures the validation split after each epoch.
struct Steering<'a> {
    monitor: &'a mut dyn FitMonitor,
    head: Head,
    labels: &'a LabelSet,
    metric: StoppingMetric,
    validation: &'a SparseRows,
    truths: Vec<&'a [u32]>,
}

impl Monitor for Steering<'_> {
    fn step(&mut self, report: &StepReport) {
        self.monitor.step(report);
    }

    fn epoch(&mut self, epoch: &EpochReport, network: View<'_>) -> Option<f64> {
        let evaluate = |record: usize| {
            let (_, outputs) = network.evaluate(self.validation.row(record));
            let raw = self.head.link().probabilities(&self.head.label_logits(outputs), 1.0);
            Evaluated { truth: self.truths[record], raw, calibrated: None }
        };
        let records: Vec<Evaluated<'_>> =
            (0..self.validation.len()).into_par_iter().map(evaluate).collect();
        let metrics = report(self.head, self.labels, &records);
        self.monitor.epoch(epoch, metrics.as_ref());
        metrics.map(|metrics| match self.metric {
            StoppingMetric::LogLoss => metrics.log_loss.unwrap_or(f64::INFINITY),
            StoppingMetric::Accuracy => -metrics.accuracy,
            StoppingMetric::MacroF1 => -metrics.macro_f1,
        })
    }

    fn checkpoint(&mut self, epoch: usize, step: u64, state: Arrays) {
        self.monitor.checkpoint(epoch, step, state);
    }

    fn interrupt(&self) -> Interrupt {
        self.monitor.interrupt()
    }
}

/// Fits prototypes and detectors to the training split.
fn reader(
    spec: &TrainSpec,
    data: &Data<'_>,
    labels: LabelSet,
    head: Head,
    vectorizer: Vectorizer,
    network: crate::learn::network::Frozen,
) -> Reader {
    let view = network.view();
    let encoded = rows(&data.train);
    let pooled: Vec<Vec<f32>> = (0..encoded.len())
        .into_par_iter()
        .map(|record| view.evaluate(encoded.row(record)).0)
        .collect();
    let mut vectors = Matrix::new(view.dimension());
    pooled.iter().for_each(|vector| vectors.push(vector));
    let prototypes = Prototypes::fit(&vectors, spec.training.seed);
    let words: Vec<Vec<u32>> = data.train.iter().map(|text| text.words.clone()).collect();
    let truth: Vec<Vec<u32>> =
        data.parts.train.iter().map(|&i| data.truths.of(i).to_vec()).collect();
    let training = Training {
        link: head.link(),
        labels: labels.len(),
        words: vectorizer.vocabulary().words(),
        records: &words,
        truth: &truth,
    };
    let detectors = DetectorKind::ALL.iter().map(|kind| (*kind, kind.fit(&training))).collect();
    Reader { labels, head, vectorizer, network, prototypes, detectors }
}

/// Fits calibrator, p-values and prediction sets to the calibration split.
fn calibrate(reader: &Reader, data: &Data<'_>, readings: &[Reading]) -> Calibration {
    let records = &data.parts.calibration;
    if records.is_empty() {
        return Calibration::default();
    }
    let mut logits = Matrix::new(reader.labels.len());
    readings.iter().for_each(|reading| logits.push(&reading.logits));
    let calibrator = match reader.head.link() {
        Link::Softmax => {
            let classes: Vec<u32> = records.iter().map(|&i| data.truths.of(i)[0]).collect();
            calibrator::fit(&logits, Truth::Classes(&classes))
        }
        Link::Sigmoid => {
            let holds = |i: usize| {
                (0..reader.labels.len() as u32).map(|l| data.truths.of(i).contains(&l)).collect()
            };
            let labels: Vec<Vec<bool>> = records.iter().map(|&i| holds(i)).collect();
            calibrator::fit(&logits, Truth::Labels(&labels))
        }
    };
    let axis = |axis: usize| readings.iter().map(|reading| reading.axes[axis]).collect();
    let combination = Combination::new((0..reader.detectors.len()).map(axis).collect());
    let calibration =
        Calibration { calibrator, combination: Some(combination), label_scores: None };
    let score = |(reading, &record): (&Reading, &usize)| {
        let p = calibration
            .probabilities(reader.head, &reading.logits)
            .unwrap_or_else(|| reader.probabilities(&reading.logits));
        1.0 - p[data.truths.of(record)[0] as usize]
    };
    let label_scores = (reader.head.link() == Link::Softmax)
        .then(|| CalibrationScores::new(readings.iter().zip(records).map(score).collect()));
    Calibration { label_scores, ..calibration }
}
