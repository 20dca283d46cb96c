//! What references to models mean, kept as long as the database does not change, so that a score asks
//! it nothing.
//!
//! Every commit, of any process, writes to the write-ahead log and so moves the time at which that file
//! was last changed. File systems count it in steps of some milliseconds: within that long after a
//! change, nothing is kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use super::{Store, StoreError};
use crate::clock::Timestamp;

/// Longer than the steps in which file systems tell the time.
const SETTLED: Duration = Duration::from_millis(20);
/// References that are kept at most: more than a server has in use, so that made-up names fill no
/// memory.
const KEPT: usize = 10_000;

/// A model, and where it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredModel {
    /// Its id.
    pub id: String,
    /// Key of its artifact.
    pub key: String,
    /// Bytes of its artifact.
    pub bytes: u64,
    /// Whether any of its flagged texts are kept.
    pub keeps_texts: bool,
}

/// When a file was last changed, since 1970, and how long it is.
type Change = (Duration, u64);

/// What was looked up since the database last changed.
pub(super) struct References {
    log: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    change: Change,
    models: HashMap<String, Arc<StoredModel>>,
}

impl References {
    /// For a database whose write-ahead log is this file.
    pub fn new(log: PathBuf) -> Self {
        Self { log, known: Mutex::default() }
    }

    /// The last change of the database; `None` where the file does not tell.
    fn change(&self) -> Option<Change> {
        let file = std::fs::metadata(&self.log).ok()?;
        Some((file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?, file.len()))
    }

    /// What a reference meant when the database last changed as `change` says.
    fn known(&self, reference: &str, change: Change) -> Option<Arc<StoredModel>> {
        let known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        (known.change == change).then(|| known.models.get(reference).cloned()).flatten()
    }

    /// Keeps what a reference means, which was looked up at `now` or later, and after `change` was
    /// read.
    fn keep(&self, reference: &str, model: &Arc<StoredModel>, change: Change, now: Timestamp) {
        let now = Duration::from_millis(now.millis().max(0) as u64);
        if change.0 + SETTLED > now {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        if known.change != change || known.models.len() >= KEPT {
            *known = Known { change, models: HashMap::new() };
        }
        known.models.insert(reference.to_owned(), model.clone());
    }
}

impl Store {
    /// The model that a reference means, as in [`Store::resolve_model`], and where it is stored.
    pub async fn stored_model(&self, reference: &str) -> Result<Arc<StoredModel>, StoreError> {
        let change = self.references.change();
        if let Some(model) = change.and_then(|change| self.references.known(reference, change)) {
            return Ok(model);
        }
        let now = self.clock.now();
        let id = self.resolve_model(reference).await?;
        let (key, bytes, keeps_texts) = self.model_file(&id).await?;
        let model = Arc::new(StoredModel { id, key, bytes, keeps_texts });
        if let Some(change) = change {
            self.references.keep(reference, &model, change, now);
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str) -> Arc<StoredModel> {
        let (id, key) = (id.to_owned(), "k".to_owned());
        Arc::new(StoredModel { id, key, bytes: 1, keeps_texts: false })
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn what_was_looked_up_holds_until_the_next_change() {
        let references = References::new(PathBuf::new());
        let (before, after) =
            ((Duration::from_millis(1_000), 10), (Duration::from_millis(1_100), 10));
        assert_eq!(references.known("a", before), None);
        references.keep("a", &model("model_1"), before, at(1_050));
        assert_eq!(references.known("a", before), Some(model("model_1")));
        assert_eq!(references.known("b", before), None);
        assert_eq!(references.known("a", after), None);
        // A longer file of the same time is another state too.
        assert_eq!(references.known("a", (before.0, 11)), None);
        references.keep("b", &model("model_2"), after, at(1_200));
        assert_eq!(references.known("a", after), None);
        assert_eq!(references.known("b", after), Some(model("model_2")));
    }

    #[test]
    fn nothing_is_kept_right_after_a_change() {
        let references = References::new(PathBuf::new());
        let change = (Duration::from_millis(1_000), 10);
        for now in [0, 999, 1_000, 1_019] {
            references.keep("a", &model("model_1"), change, at(now));
            assert_eq!(references.known("a", change), None, "{now}");
        }
        references.keep("a", &model("model_1"), change, at(1_020));
        assert!(references.known("a", change).is_some());
    }

    #[test]
    fn made_up_names_fill_no_memory() {
        let references = References::new(PathBuf::new());
        let change = (Duration::from_millis(1_000), 10);
        for i in 0..3 * KEPT {
            references.keep(&i.to_string(), &model("model_1"), change, at(9_000));
        }
        assert!(references.known.lock().unwrap().models.len() <= KEPT);
    }
}
