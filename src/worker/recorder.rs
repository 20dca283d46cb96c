//! Writes what a training tells, in batches: metrics, progress, epochs, warnings, checkpoints.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::job::execute::{Event, phase_name};
use crate::job::{MetricPoint, Seconds};
use crate::learn::stopping::StoppingMetric;
use crate::learn::trainer::{EpochReport, StepReport};
use crate::model::monitor::Phase;
use crate::model::spec::Warning;
use crate::store::metrics::Chunk;
use crate::store::queue::{Claimed, Progress, Told};
use crate::store::{Store, StoreError};
use crate::task::MetricsReport;

/// What an event of an epoch's end tells of the validation split.
const SHOWN: [(&str, StoppingMetric); 4] = [
    ("validation_accuracy", StoppingMetric::Accuracy),
    ("validation_log_loss", StoppingMetric::LogLoss),
    ("validation_mse", StoppingMetric::Mse),
    ("validation_r2", StoppingMetric::R2),
];

/// The name of a validation metric in a run's history.
pub fn series(metric: StoppingMetric) -> &'static str {
    match metric {
        StoppingMetric::LogLoss => "validation.log_loss",
        StoppingMetric::Accuracy => "validation.accuracy",
        StoppingMetric::MacroF1 => "validation.macro_f1",
        StoppingMetric::MicroF1 => "validation.micro_f1",
        StoppingMetric::MeanAveragePrecision => "validation.mean_average_precision",
        StoppingMetric::Brier => "validation.brier",
        StoppingMetric::Ece => "validation.ece",
        StoppingMetric::Mse => "validation.mse",
        StoppingMetric::Mae => "validation.mae",
        StoppingMetric::R2 => "validation.r2",
    }
}

/// Time between writes.
const FLUSH: Duration = Duration::from_millis(250);
/// Points after which a write does not wait for its time.
const FLUSH_POINTS: usize = 20_000;

/// Share of the progress bar that goes to what comes before and after the epochs.
const BEFORE: f64 = 0.05;
const AFTER: f64 = 0.05;

/// An event and when it happened.
pub struct Message {
    pub event: Event,
    pub at: Timestamp,
}

/// Where in its training an attempt begins: the epochs and steps that the checkpoint had done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    pub epoch: u64,
    pub step: u64,
}

/// Key of a run's checkpoint.
pub fn checkpoint_key(run: &str) -> String {
    format!("checkpoints/{run}.safetensors")
}

/// Records until the training has ended; returns what is not written yet, for the transaction that ends
/// the job. Takes one of `checkpoints` for each that is stored.
pub async fn record(
    store: Store,
    claimed: Claimed,
    position: Position,
    mut messages: mpsc::Receiver<Message>,
    mut checkpoints: mpsc::Receiver<()>,
) -> Result<Told, StoreError> {
    let mut book = Book::new(&claimed, position, store.clock.monotonic());
    let mut due = Instant::now() + FLUSH;
    let mut inbox = Vec::with_capacity(512);
    loop {
        let received = tokio::select! {
            count = messages.recv_many(&mut inbox, 512) => count,
            () = tokio::time::sleep_until(due), if book.changed => {
                flush(&store, &claimed, &mut book).await?;
                due = Instant::now() + FLUSH;
                continue;
            }
        };
        if received == 0 {
            return Ok(if book.changed {
                book.told(store.clock.monotonic())
            } else {
                Told::default()
            });
        }
        for Message { event, at } in inbox.drain(..) {
            if let Event::Checkpoint { epoch, step, state } = event {
                // What was measured up to the checkpoint is written before it.
                flush(&store, &claimed, &mut book).await?;
                save(&store, &claimed, (epoch as u64, step), state).await?;
                checkpoints.recv().await;
            } else {
                book.note(event, at, store.clock.monotonic());
            }
        }
        if book.points >= FLUSH_POINTS {
            flush(&store, &claimed, &mut book).await?;
            due = Instant::now() + FLUSH;
        }
    }
}

async fn flush(store: &Store, claimed: &Claimed, book: &mut Book) -> Result<(), StoreError> {
    if !book.changed {
        return Ok(());
    }
    let told = book.told(store.clock.monotonic());
    store.record_progress(claimed, &book.progress(), &told).await
}

/// Stores a checkpoint. One that cannot be stored is logged: training is worth more than the means
/// to repeat a part of it.
async fn save(
    store: &Store,
    claimed: &Claimed,
    place: (u64, u64),
    state: crate::arrays::Arrays,
) -> Result<(), StoreError> {
    let key = checkpoint_key(&claimed.job.run);
    let bytes = match state.to_bytes() {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(run = claimed.job.run, %error, "a checkpoint could not be written");
            return Ok(());
        }
    };
    // A state is never on disk without what was measured before it.
    store.synced().await?;
    match store.artifacts.put(&key, bytes).await {
        Ok(()) => store.record_checkpoint(claimed, &key, place).await,
        Err(error) => {
            tracing::error!(run = claimed.job.run, %error, "a checkpoint could not be stored");
            Ok(())
        }
    }
}

/// What has been told and not yet written.
struct Book {
    epochs_wanted: usize,
    phase: Phase,
    began: Duration,
    phase_began: Duration,
    /// Seconds of the phases that have ended.
    phases: BTreeMap<String, f64>,
    /// Share of the training that is done.
    share: f64,
    /// When training began, and the share that was done by then.
    training_since: Option<(Duration, f64)>,
    now: Duration,
    steps: [(&'static str, Vec<MetricPoint>); 4],
    measured: Vec<(&'static str, Vec<MetricPoint>)>,
    epochs: Vec<serde_json::Value>,
    /// Those of the job, and what the training told since.
    warnings: Vec<Warning>,
    /// Whether there are new ones.
    warned: bool,
    points: usize,
    changed: bool,
}

impl Book {
    fn new(claimed: &Claimed, position: Position, now: Duration) -> Self {
        Self {
            epochs_wanted: claimed.spec.training.epochs,
            phase: Phase::Vectorizing,
            began: now,
            phase_began: now,
            phases: BTreeMap::new(),
            share: (position.epoch as f64 / claimed.spec.training.epochs.max(1) as f64).min(1.0),
            training_since: None,
            now,
            steps: [
                ("train.loss", Vec::new()),
                ("train.learning_rate", Vec::new()),
                ("train.gradient_norm", Vec::new()),
                ("train.records_per_second", Vec::new()),
            ],
            measured: Vec::new(),
            epochs: Vec::new(),
            warnings: claimed.job.warnings.clone(),
            warned: false,
            points: 0,
            changed: false,
        }
    }

    fn note(&mut self, event: Event, at: Timestamp, now: Duration) {
        self.changed = true;
        self.now = now;
        match event {
            Event::Phase(phase) => {
                self.phases = self.phases_until(now);
                (self.phase, self.phase_began) = (phase, now);
            }
            Event::Step(step) => self.step(&step, at),
            Event::Epoch(epoch, validation) => self.epoch(&epoch, validation.as_deref(), at),
            // An attempt before this one may have told of it.
            Event::Warning(warning) if self.warnings.iter().all(|w| w.code != warning.code) => {
                self.warnings.push(warning);
                self.warned = true;
            }
            Event::Warning(_) | Event::Checkpoint { .. } => {}
        }
    }

    fn step(&mut self, report: &StepReport, at: Timestamp) {
        let values = [
            f64::from(report.loss),
            report.learning_rate,
            f64::from(report.gradient_norm),
            report.records_per_second,
        ];
        for ((_, points), value) in self.steps.iter_mut().zip(values) {
            let epoch = report.epoch as u32;
            points.push(MetricPoint { step: report.step, epoch, value, time: at });
        }
        self.points += 4;
        self.share = report.share;
        self.training_since.get_or_insert((self.now, self.share));
    }

    fn epoch(&mut self, report: &EpochReport, validation: Option<&MetricsReport>, at: Timestamp) {
        let mut measure = |name: &'static str, value: Option<f64>| {
            if let Some(value) = value {
                let epoch = report.epoch as u32;
                let point = MetricPoint { step: report.step, epoch, value, time: at };
                match self.measured.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, points)) => points.push(point),
                    None => self.measured.push((name, vec![point])),
                }
                self.points += 1;
            }
        };
        measure("epoch.train_loss", Some(report.train_loss));
        measure("epoch.seconds", Some(report.seconds));
        for metric in StoppingMetric::ALL {
            measure(series(metric), validation.and_then(|m| m.value(metric)));
        }
        let finite = |value: f64| value.is_finite().then_some(value);
        let mut epoch = json!({
            "epoch": report.epoch,
            "epochs": self.epochs_wanted,
            "step": report.step,
            "train_loss": finite(report.train_loss),
            "seconds": report.seconds,
        });
        for (name, metric) in SHOWN {
            if let Some(value) = validation.and_then(|m| m.value(metric)) {
                epoch[name] = json!(finite(value));
            }
        }
        self.epochs.push(epoch);
    }

    /// Seconds of the phases so far, the one under way included.
    fn phases_until(&self, now: Duration) -> BTreeMap<String, f64> {
        let mut phases = self.phases.clone();
        let seconds = (now - self.phase_began).as_secs_f64();
        *phases.entry(phase_name(self.phase).to_owned()).or_default() += seconds;
        phases
    }

    /// Seconds of this attempt so far.
    fn seconds(&self, now: Duration) -> Seconds {
        Seconds { total: (now - self.began).as_secs_f64(), phases: self.phases_until(now) }
    }

    /// Takes what is not written yet.
    fn told(&mut self, now: Duration) -> Told {
        self.changed = false;
        let warned = std::mem::take(&mut self.warned);
        Told {
            seconds: Some(self.seconds(now)),
            epochs: std::mem::take(&mut self.epochs),
            chunks: self.take_chunks(),
            warnings: warned.then(|| self.warnings.clone()),
        }
    }

    fn take_chunks(&mut self) -> Vec<Chunk> {
        self.points = 0;
        let steps = self.steps.iter_mut().map(|(name, points)| (*name, std::mem::take(points)));
        let measured = std::mem::take(&mut self.measured);
        steps
            .chain(measured)
            .filter(|(_, points)| !points.is_empty())
            .map(|(name, points)| Chunk { name, points })
            .collect()
    }

    fn progress(&self) -> Progress {
        let progress = match self.phase {
            // Of a run that goes on, the epochs that its checkpoint had done still count.
            Phase::Vectorizing if self.share > 0.0 => BEFORE + self.share * (1.0 - BEFORE - AFTER),
            Phase::Vectorizing => 0.0,
            Phase::Training => BEFORE + self.share * (1.0 - BEFORE - AFTER),
            Phase::Evaluating => 1.0 - AFTER,
        };
        let eta_seconds = match (self.phase, self.training_since) {
            (Phase::Training, Some((since, done))) if self.share > done => {
                let pace = (self.now - since).as_secs_f64() / (self.share - done);
                Some(pace * (1.0 - self.share))
            }
            _ => None,
        };
        Progress { progress, phase: phase_name(self.phase), eta_seconds }
    }
}
