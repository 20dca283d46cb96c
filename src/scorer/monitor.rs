//! What is counted of scored records: in memory at once, in the database a little later.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::compute::{ComputeError, Pool};
use crate::model::monitoring::{Counts, Stream};
use crate::problem::Problem;
use crate::store::flagged_texts::{FlaggedText, MOST_TEXTS};
use crate::store::monitoring::{Counted, Span};
use crate::store::{Store, StoreError};

/// Time between two writes: what a process that is killed has counted since the last one is lost.
pub const WRITTEN_EVERY: Duration = Duration::from_secs(2);
/// P-values of a model that may wait for a database that cannot be written. Further ones are counted
/// into windows, but not bet on.
const MAX_WAITING: usize = 1_000_000;

/// Why what was counted is not written.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The database refuses it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The computation of a stream panicked.
    #[error(transparent)]
    Compute(#[from] ComputeError),
}

impl From<MonitorError> for Problem {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Store(store) => store.into(),
            MonitorError::Compute(compute) => compute.into(),
        }
    }
}

/// Counts scored records by model and window, and watches each model's stream for drift.
#[derive(Clone)]
pub struct Monitor {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    pool: Pool,
    window: Option<Duration>,
    alpha: f64,
    waiting: Mutex<HashMap<String, Waiting>>,
    /// Held while what waited is written, so that every stream is read, moved on and written by one.
    writing: tokio::sync::Mutex<()>,
}

/// What was counted of a model and is not written yet.
#[derive(Clone, Default)]
struct Waiting {
    windows: BTreeMap<Span, Counts>,
    arrived: Vec<Arrived>,
    /// All that arrived.
    p_values: usize,
    calibration_records: usize,
    /// Of a model that keeps them, the newest texts that were flagged.
    texts: Vec<FlaggedText>,
}

/// Records that were scored together.
#[derive(Clone)]
struct Arrived {
    at: Timestamp,
    p_values: Vec<f64>,
}

/// What a request adds.
#[derive(Default)]
pub struct Scored {
    /// Of all its records.
    pub counts: Counts,
    /// Combined p-values of those that have one, in the order of the request.
    pub p_values: Vec<f64>,
    /// Records that the p-values rank among.
    pub calibration_records: usize,
    /// Texts that were flagged, with their p-values; none of a model that keeps none.
    pub flagged: Vec<(String, f64)>,
}

impl Monitor {
    /// Counts into windows of this length, none for `None`; streams begin at the level `alpha`. Streams
    /// are moved on by `pool`.
    pub fn new(store: Store, pool: Pool, window: Option<Duration>, alpha: f64) -> Self {
        let (waiting, writing) = Default::default();
        Self { shared: Arc::new(Shared { store, pool, window, alpha, waiting, writing }) }
    }

    /// Length of a window; `None` where nothing is counted.
    pub fn window(&self) -> Option<Duration> {
        self.shared.window
    }

    /// The level at which streams begin.
    pub fn alpha(&self) -> f64 {
        self.shared.alpha
    }

    /// Counts a request's records, in the window of this moment. Never waits for the database.
    pub fn count(&self, model: &str, scored: Scored) {
        let Some(length) = self.shared.window else { return };
        let at = self.shared.store.clock.now();
        let mut waiting = self.shared.waiting();
        // Most requests find their model there, and copy no name.
        let waiting = match waiting.get_mut(model) {
            Some(waiting) => waiting,
            None => waiting.entry(model.to_owned()).or_default(),
        };
        waiting.windows.entry(span(at, length)).or_default().add(&scored.counts);
        waiting.calibration_records = waiting.calibration_records.max(scored.calibration_records);
        let flagged = scored.flagged.into_iter();
        waiting.texts.extend(flagged.map(|(text, p_value)| FlaggedText {
            text,
            p_value,
            scored_at: at,
        }));
        newest(&mut waiting.texts);
        if !scored.p_values.is_empty() && waiting.p_values < MAX_WAITING {
            waiting.p_values += scored.p_values.len();
            waiting.arrived.push(Arrived { at, p_values: scored.p_values });
        }
    }

    /// Writes what was counted so far. Where that fails, it waits for the next time.
    pub async fn write(&self) -> Result<(), MonitorError> {
        let shared = self.shared.clone();
        // Whoever asked may go away in the middle; what was taken up must not go with them.
        let written = tokio::spawn(async move { shared.write().await });
        let panicked = |error: tokio::task::JoinError| ComputeError::Panicked(error.to_string());
        written.await.map_err(panicked)?
    }

    /// Writes again and again, for ever.
    pub async fn keep_writing(self) {
        let mut failing = false;
        loop {
            tokio::time::sleep(WRITTEN_EVERY).await;
            let written = self.write().await;
            // Once, not every two seconds.
            if let (Err(error), false) = (&written, failing) {
                tracing::warn!(%error, "what monitoring counted cannot be written, and waits");
            }
            failing = written.is_err();
        }
    }

    /// Keeps so many of a model's flagged texts from now on, and forgets the older ones.
    pub async fn store_texts(&self, model: &str, most: usize) -> Result<(), MonitorError> {
        let _writing = self.shared.writing.lock().await;
        if most == 0 {
            self.drop_texts(model);
        }
        Ok(self.shared.store.set_store_texts(model, most).await?)
    }

    /// Forgets a model's flagged texts.
    pub async fn forget_texts(&self, model: &str) -> Result<(), MonitorError> {
        let _writing = self.shared.writing.lock().await;
        self.drop_texts(model);
        Ok(self.shared.store.forget_texts(model).await?)
    }

    /// Drops the texts of a model that wait to be written.
    fn drop_texts(&self, model: &str) {
        if let Some(waiting) = self.shared.waiting().get_mut(model) {
            waiting.texts.clear();
        }
    }

    /// Forgets what was counted of a model, and its flagged texts.
    pub async fn reset(&self, model: &str) -> Result<(), MonitorError> {
        let _writing = self.shared.writing.lock().await;
        self.shared.waiting().remove(model);
        Ok(self.shared.store.forget_counts(model).await?)
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        // A poisoned lock holds counts that are as good as before.
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }

    async fn write(&self) -> Result<(), MonitorError> {
        let _writing = self.writing.lock().await;
        let taken = std::mem::take(&mut *self.waiting());
        if taken.is_empty() {
            return Ok(());
        }
        let taken = Arc::new(taken);
        let written = self.write_all(&taken).await;
        if written.is_err() {
            self.put_back(Arc::unwrap_or_clone(taken));
        }
        written
    }

    async fn write_all(&self, taken: &Arc<HashMap<String, Waiting>>) -> Result<(), MonitorError> {
        let mut before = HashMap::new();
        for (model, _) in taken.iter().filter(|(_, waiting)| !waiting.arrived.is_empty()) {
            before.insert(model.clone(), self.stream(model).await?);
        }
        let (all, alpha) = (taken.clone(), self.alpha);
        let moved_on = move || {
            let stream = |(model, stream): (String, Option<Stream>)| {
                let moved = moved_on(stream, &all[&model], alpha)?;
                Some((model, moved))
            };
            before.into_iter().filter_map(stream).collect::<HashMap<String, Stream>>()
        };
        let streams = self.pool.run(moved_on).await?;
        let counted: Vec<Counted<'_>> = taken
            .iter()
            .map(|(model, waiting)| Counted {
                model,
                windows: &waiting.windows,
                stream: streams.get(model),
                texts: &waiting.texts,
            })
            .collect();
        Ok(self.store.add_counts(&counted).await?)
    }

    /// Where a model's stream stands. One that cannot be read begins anew, since it would keep what was
    /// counted of every model from being written.
    async fn stream(&self, model: &str) -> Result<Option<Stream>, StoreError> {
        match self.store.stream(model).await {
            Err(error @ StoreError::Inconsistent { .. }) => {
                tracing::warn!(%error, "a stream of monitoring is damaged, and begins anew");
                Ok(None)
            }
            other => other,
        }
    }

    /// Puts what could not be written before what was counted since.
    fn put_back(&self, taken: HashMap<String, Waiting>) {
        let mut waiting = self.waiting();
        for (model, mut earlier) in taken {
            let later = waiting.remove(&model).unwrap_or_default();
            for (span, counts) in &later.windows {
                earlier.windows.entry(*span).or_default().add(counts);
            }
            earlier.arrived.extend(later.arrived);
            earlier.p_values += later.p_values;
            earlier.texts.extend(later.texts);
            newest(&mut earlier.texts);
            waiting.insert(model, earlier);
        }
    }
}

/// Leaves the newest texts, as many as may be kept.
fn newest(texts: &mut Vec<FlaggedText>) {
    texts.drain(..texts.len().saturating_sub(MOST_TEXTS));
}

/// A stream after the records that arrived; `None` where none did.
fn moved_on(stream: Option<Stream>, waiting: &Waiting, alpha: f64) -> Option<Stream> {
    let first = waiting.arrived.first()?;
    let begin = || Stream::new(waiting.calibration_records, alpha, first.at);
    let mut stream = stream.unwrap_or_else(begin);
    for Arrived { at, p_values } in &waiting.arrived {
        stream.extend(p_values, *at);
    }
    Some(stream)
}

/// The window of a moment: windows begin at whole multiples of their length since 1970.
fn span(at: Timestamp, length: Duration) -> Span {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
    let starts_at = at.millis().div_euclid(length) * length;
    Span {
        starts_at: Timestamp::from_millis(starts_at),
        ends_at: Timestamp::from_millis(starts_at.saturating_add(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::compute::Priority;

    /// A request of one record with a p-value, scored at this moment.
    fn scored() -> Scored {
        let counts = Counts { records: 1, ..Counts::default() };
        Scored { counts, p_values: vec![0.5], calibration_records: 80, flagged: Vec::new() }
    }

    /// What the database refused waits, in order, and is not counted twice.
    #[tokio::test]
    async fn what_cannot_be_written_waits() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(5_000);
        let store = Store::open(folder.path(), clock.clone()).await.unwrap();
        let pool = Pool::start("monitor", 1, 1, Priority::Background).unwrap();
        let monitor = Monitor::new(store.clone(), pool, Some(Duration::from_secs(60)), 0.05);
        monitor.write().await.unwrap();
        store.close().await;
        for second in 0..3 {
            monitor.count("model_1", scored());
            clock.advance(Duration::from_secs(30));
            assert!(monitor.write().await.is_err(), "{second}");
        }
        let waiting = monitor.shared.waiting();
        let waiting = &waiting["model_1"];
        let windows: Vec<(i64, u64)> = waiting
            .windows
            .iter()
            .map(|(span, counts)| (span.starts_at.millis(), counts.records))
            .collect();
        assert_eq!(windows, [(0, 2), (60_000, 1)]);
        let at: Vec<i64> = waiting.arrived.iter().map(|arrived| arrived.at.millis()).collect();
        assert_eq!((at, waiting.p_values), (vec![5_000, 35_000, 65_000], 3));
    }
}
