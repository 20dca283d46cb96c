//! Scoring: loaded models in memory, threads that score, a bound on what waits.

mod batch;
pub mod monitor;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use tokio::sync::OnceCell;

pub use batch::{Batch, BatchKind, MAX_TEXT_BYTES};
use monitor::{Monitor, Scored};

use crate::compute::{ComputeError, Pool};
use crate::model::artifact::ArtifactError;
use crate::model::card::Unavailable;
use crate::model::criteria::{Criteria, Thresholds, missing_of_predictions};
use crate::model::explain::Explain;
use crate::model::explanation::Explanation;
use crate::model::monitoring::Counts;
use crate::model::prediction::Prediction;
use crate::model::score::ScoreItem;
use crate::model::{Model, Weighed};
use crate::problem::{Code, Problem};
use crate::store::flagged_texts::MOST_TEXTS;
use crate::store::references::StoredModel;
use crate::store::{Store, StoreError};

/// Records below which threads cost more than they bring.
const FEW: usize = 16;
/// Bytes of a text that is scored where its request is read, and of texts that are predicted there: what
/// takes less than some tens of microseconds.
const SHORT_SCORED: usize = 1_000;
const SHORT_PREDICTED: usize = 4_000;

/// Why nothing was scored.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// The model cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model cannot be loaded.
    #[error("a stored model cannot be loaded: {0}")]
    Artifact(ArtifactError),
    /// The records cannot be evaluated.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// It would cost more than a request may.
    #[error("{}", .0.detail)]
    TooMuch(Box<Problem>),
    /// Threads are busy, or a computation panicked.
    #[error(transparent)]
    Compute(#[from] ComputeError),
}

impl From<ScorerError> for Problem {
    fn from(error: ScorerError) -> Self {
        match error {
            ScorerError::Store(store) => store.into(),
            ScorerError::Compute(compute) => compute.into(),
            ScorerError::TooMuch(problem) | ScorerError::Refused(problem) => *problem,
            ScorerError::Artifact(artifact) => {
                tracing::error!(error = %artifact, "a stored model cannot be loaded");
                Problem::new(Code::ArtifactMissing, "the stored model cannot be loaded")
            }
        }
    }
}

type Slot = Arc<OnceCell<Arc<Model>>>;

struct Entry {
    slot: Slot,
    bytes: u64,
    last_used: u64,
}

/// Models in memory, the least recently used dropped first.
struct Cache {
    entries: HashMap<String, Entry>,
    limit: u64,
    clock: u64,
}

impl Cache {
    /// The place of a model; concurrent requests share it, so that a model is loaded once.
    fn slot(&mut self, key: &str, bytes: u64) -> Slot {
        self.clock += 1;
        let last_used = self.clock;
        if let Some(entry) = self.entries.get_mut(key) {
            entry.last_used = last_used;
            return entry.slot.clone();
        }
        let slot = Slot::default();
        let entry = Entry { slot: slot.clone(), bytes, last_used };
        self.entries.insert(key.to_owned(), entry);
        self.evict(key);
        slot
    }

    fn evict(&mut self, keep: &str) {
        while self.entries.values().map(|entry| entry.bytes).sum::<u64>() > self.limit {
            let oldest = self.entries.iter().filter(|(key, _)| *key != keep);
            let oldest =
                oldest.min_by_key(|(_, entry)| entry.last_used).map(|(key, _)| key.clone());
            match oldest {
                Some(key) => self.entries.remove(&key),
                // One model alone may be larger than the limit.
                None => return,
            };
        }
    }
}

/// A model that was asked for.
#[derive(Clone)]
pub struct Found {
    /// What is stored of it.
    pub stored: Arc<StoredModel>,
    /// Itself.
    pub model: Arc<Model>,
}

/// Scores texts with stored models.
#[derive(Clone)]
pub struct Scorer {
    store: Store,
    pool: Pool,
    cache: Arc<Mutex<Cache>>,
    /// What counts scored records.
    pub monitor: Monitor,
}

impl Scorer {
    /// A scorer that computes on `pool`, keeps models up to `limit` bytes and counts by `monitor`.
    pub fn new(store: Store, pool: Pool, limit: u64, monitor: Monitor) -> Self {
        let cache = Cache { entries: HashMap::new(), limit, clock: 0 };
        Self { store, pool, cache: Arc::new(Mutex::new(cache)), monitor }
    }

    /// The model of an id, loaded.
    pub async fn model(&self, id: &str) -> Result<Arc<Model>, ScorerError> {
        Ok(self.find(id).await?.model)
    }

    /// The model that a reference means, loaded.
    pub async fn find(&self, reference: &str) -> Result<Found, ScorerError> {
        let stored = self.store.stored_model(reference).await?;
        let StoredModel { key, bytes, .. } = &*stored;
        // A poisoned lock holds a cache that is as good as before.
        let slot = self.cache.lock().unwrap_or_else(|e| e.into_inner()).slot(key, *bytes);
        let model = slot.get_or_try_init(|| async {
            let bytes = self.store.artifacts.get_hashed(key).await?;
            self.parse(bytes).await.map(Arc::new)
        });
        Ok(Found { model: model.await?.clone(), stored })
    }

    /// Loads a model from bytes.
    pub async fn parse(&self, bytes: Vec<u8>) -> Result<Model, ScorerError> {
        let parsed = self.pool.run(move || Model::from_bytes(&bytes)).await?;
        parsed.map_err(ScorerError::Artifact)
    }

    /// Scores texts in order. A text that cannot be scored has a problem of its own. With them comes
    /// what the request asks for and the model's calibration is too small to give. They are counted
    /// where that is asked for.
    pub async fn score(
        &self,
        Found { stored, model }: Found,
        batch: Batch,
        thresholds: Thresholds,
        explain: Option<Explain>,
        counted: bool,
    ) -> Result<(Vec<ScoreItem>, Vec<Unavailable>), ScorerError> {
        let monitor = self.monitor.clone();
        let counted = Some(stored).filter(|_| counted && monitor.window().is_some());
        let at_once = explain.is_none() && batch.is_short(&model, SHORT_SCORED);
        let work = move || {
            if explain.is_some_and(|explain| explain.contributions) {
                let checked = batch.check_cost(&model, "explain.contributions");
                checked.map_err(|problem| ScorerError::TooMuch(Box::new(problem)))?;
            }
            let weigh = |(index, value): (usize, &serde_json::Value)| {
                batch.kind.read(&model, index, value).map(|encoded| model.weigh(encoded))
            };
            let weighed: Vec<Result<Weighed, Problem>> = if batch.values.len() < FEW {
                batch.values.iter().enumerate().map(weigh).collect()
            } else {
                batch.values.par_iter().enumerate().map(weigh).collect()
            };
            let mut places = Vec::with_capacity(weighed.len());
            let mut read = Vec::with_capacity(weighed.len());
            for weighed in weighed {
                places.push(weighed.map(|weighed| read.push(weighed)));
            }
            let scored = places.iter().zip(&batch.values).filter(|(place, _)| place.is_ok());
            let explained: Vec<Option<Explanation>> = match explain {
                None => vec![None; read.len()],
                Some(explain) => {
                    let values: Vec<&serde_json::Value> = scored.map(|(_, value)| value).collect();
                    let both = read.par_iter().zip(values);
                    both.map(|(weighed, value)| {
                        let text = batch.kind.text_of(&model, value);
                        Some(model.explain(weighed, text, &explain))
                    })
                    .collect()
                }
            };
            let criteria = Criteria::new(&model, thresholds);
            let count = read.len();
            let ranks = counted.is_some().then(|| Ranks::of(&read, &criteria));
            let answers = model.answers(read, &criteria).into_iter().zip(explained);
            let mut answers = answers.map(|(answer, explained)| answer.explained(explained));
            let items = places.into_iter().filter_map(|place| match place {
                Ok(()) => answers.next(),
                Err(error) => Some(ScoreItem::Failed { error: Box::new(error) }),
            });
            let items: Vec<ScoreItem> = items.collect();
            if let Some((stored, ranks)) = counted.zip(ranks) {
                let flagged = match stored.keeps_texts {
                    true => ranks.flagged(&items, &model, &batch),
                    false => Vec::new(),
                };
                monitor.count(&stored.id, Scored { flagged, ..ranks.counted(&items, &model) });
            }
            Ok((items, criteria.unavailable(&model, count)))
        };
        match at_once {
            true => self.pool.run_here(work)?,
            false => self.pool.run(work).await?,
        }
    }

    /// Predicts records in order, as [`Scorer::score`] does, and nothing else of them. Counted are their
    /// number and their confidence.
    pub async fn predict(
        &self,
        Found { stored, model }: Found,
        batch: Batch,
        thresholds: Thresholds,
        counted: bool,
    ) -> Result<(Vec<Prediction>, Vec<Unavailable>), ScorerError> {
        let at_once = batch.is_short(&model, SHORT_PREDICTED);
        let monitor = counted.then(|| self.monitor.clone());
        let work = move || {
            let predict = |(index, value): (usize, &serde_json::Value)| match batch
                .kind
                .read(&model, index, value)
            {
                Ok(encoded) => model.predict(&encoded, &thresholds),
                Err(error) => Prediction::Failed { error: Box::new(error) },
            };
            let items: Vec<Prediction> = if at_once || batch.values.len() < FEW {
                batch.values.iter().enumerate().map(predict).collect()
            } else {
                batch.values.par_iter().enumerate().map(predict).collect()
            };
            if let Some(monitor) = monitor {
                let mut counts = Counts::default();
                items.iter().for_each(|item| counts.put_prediction(item));
                monitor.count(&stored.id, Scored { counts, ..Scored::default() });
            }
            (items, missing_of_predictions(&model, &thresholds))
        };
        Ok(match at_once {
            true => self.pool.run_here(work)?,
            false => self.pool.run(work).await?,
        })
    }

    /// Does work with a model, such as an evaluation, on the threads that score.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, ScorerError> {
        let done = self.pool.run(work).await?;
        done.map_err(|problem| ScorerError::Refused(Box::new(problem)))
    }
}

/// What is counted of readings besides their answers, in order.
struct Ranks {
    p_values: Vec<Option<f64>>,
    flags: Vec<Option<bool>>,
}

impl Ranks {
    fn of(read: &[Weighed], criteria: &Criteria) -> Self {
        let p_values = read.iter().map(|w| w.combined.as_ref().map(|c| c.p_value)).collect();
        Self { p_values, flags: criteria.flags(read) }
    }

    /// The texts that are flagged, with their p-values; the newest as many as may be kept.
    fn flagged(&self, items: &[ScoreItem], model: &Model, batch: &Batch) -> Vec<(String, f64)> {
        let scored = items.iter().zip(&batch.values);
        let scored = scored.filter(|(item, _)| !matches!(item, ScoreItem::Failed { .. }));
        let ranked = scored.zip(self.p_values.iter().zip(&self.flags));
        let flagged = ranked.filter_map(|((_, value), (p_value, flag))| {
            let text = batch.kind.text_of(model, value).filter(|_| *flag == Some(true))?;
            Some((text.to_owned(), (*p_value)?))
        });
        let mut flagged: Vec<(String, f64)> = flagged.collect();
        flagged.drain(..flagged.len().saturating_sub(MOST_TEXTS));
        flagged
    }

    /// With the answers of all records, the failed ones included.
    fn counted(self, items: &[ScoreItem], model: &Model) -> Scored {
        let mut counts = Counts::default();
        let mut ranks = self.p_values.iter().copied().zip(self.flags);
        for item in items {
            let rank = match item {
                ScoreItem::Failed { .. } => None,
                ScoreItem::Score(_) | ScoreItem::Value(_) => ranks.next(),
            };
            let (p_value, flagged) = rank.unwrap_or_default();
            counts.put(item, p_value, flagged);
        }
        let combination = model.calibration.combination.as_ref();
        Scored {
            counts,
            p_values: self.p_values.into_iter().flatten().collect(),
            calibration_records: combination.map_or(0, |c| c.records()),
            flagged: Vec::new(),
        }
    }
}
