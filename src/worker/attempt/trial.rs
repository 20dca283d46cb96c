//! What listens to one training of a sweep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::super::recorder::series;
use super::{Control, Reason};
use crate::arrays::Arrays;
use crate::clock::{SharedClock, Timestamp};
use crate::job::MetricPoint;
use crate::job::execute::{Event, Reporter};
use crate::learn::stopping::StoppingMetric;
use crate::learn::trainer::{EpochReport, Interrupt};
use crate::store::metrics::Chunk;
use crate::store::{Store, StoreError};
use crate::task::MetricsReport;

/// The state under a key; without one the training starts over.
pub(super) async fn load(store: &Store, key: &str) -> Result<Option<Arrays>, StoreError> {
    match store.artifacts.get(key).await {
        Ok(bytes) => match Arrays::from_bytes(&bytes) {
            Ok(state) => Ok(Some(state)),
            Err(error) => {
                tracing::warn!(key, %error, "a checkpoint is unreadable; starting over");
                Ok(None)
            }
        },
        Err(StoreError::ArtifactMissing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a training tells while it runs: a state to go on from, and what was measured before it.
pub(super) struct Checkpoint {
    pub position: usize,
    pub step: u64,
    pub state: Arrays,
    pub chunks: Vec<Chunk>,
}

/// Gathers what a training measures, epoch by epoch, and hands its checkpoints on.
pub(super) struct TrialReporter {
    pub position: usize,
    pub control: Arc<Control>,
    pub deadline: Option<Timestamp>,
    /// Keep the best as it is.
    pub wind_up: bool,
    pub tell: mpsc::Sender<Checkpoint>,
    pub epochs: Arc<Vec<AtomicUsize>>,
    pub notes: Notes,
}

/// What was measured after each epoch.
pub(super) struct Notes {
    pub clock: SharedClock,
    pub chunks: Vec<Chunk>,
}

impl Notes {
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, chunks: Vec::new() }
    }

    /// Notes an epoch.
    pub fn epoch(&mut self, report: &EpochReport, validation: Option<&MetricsReport>) {
        let (step, epoch) = (report.step, report.epoch);
        self.note("epoch.train_loss", step, epoch, Some(report.train_loss));
        self.note("epoch.seconds", step, epoch, Some(report.seconds));
        for metric in StoppingMetric::ALL {
            let value = validation.and_then(|v| v.value(metric));
            self.note(series(metric), step, epoch, value);
        }
    }

    fn note(&mut self, name: &'static str, step: u64, epoch: usize, value: Option<f64>) {
        let Some(value) = value else { return };
        let point = MetricPoint { step, epoch: epoch as u32, value, time: self.clock.now() };
        match self.chunks.iter_mut().find(|chunk| chunk.name == name) {
            Some(chunk) => chunk.points.push(point),
            None => self.chunks.push(Chunk { name, points: vec![point] }),
        }
    }
}

impl Reporter for TrialReporter {
    fn report(&mut self, event: Event) {
        match event {
            // What a training shows on its way is in its card.
            Event::Phase(_) | Event::Step(_) | Event::Warning(_) => {}
            Event::Epoch(report, validation) => {
                self.epochs[self.position].store(report.epoch, Ordering::Relaxed);
                self.notes.epoch(&report, validation.as_deref());
            }
            Event::Checkpoint { step, state, .. } => {
                let chunks = std::mem::take(&mut self.notes.chunks);
                let position = self.position;
                let told = Checkpoint { position, step, state, chunks };
                // Whoever listened went away because the lease is lost; then nobody wants it.
                if self.tell.blocking_send(told).is_err() {
                    self.control.abort(Reason::Lost);
                }
            }
        }
    }

    fn interrupt(&self) -> Interrupt {
        let late = || self.deadline.is_some_and(|deadline| self.notes.clock.now() >= deadline);
        match self.control.interrupt() {
            Interrupt::None | Interrupt::Prepare if self.wind_up || late() => Interrupt::Stop,
            asked => asked,
        }
    }
}
