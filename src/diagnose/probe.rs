//! Probes: a training that varies one thing, to learn something of the model that is diagnosed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json;
use crate::learn::range_test::RangeTestSpec;
use crate::model::spec::TrainSpec;

use super::usual::STEPS;

/// Fields of the spec to set, by path.
pub type Change = BTreeMap<String, Value>;

/// A variation of the original training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What it sets.
    pub change: Change,
    /// What it trains and tests on.
    pub records: Selection,
    /// Its seed.
    pub seed: u64,
    /// Whether it goes through learning rates instead of training.
    pub range_test: bool,
}

/// Which records a probe trains and is tested on. Validation and calibration records stay as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Selection {
    /// Those of the original.
    All,
    /// A share of the training records, in (0, 1); of halves, quarters and so on, the smaller are
    /// parts of the larger.
    Share {
        /// The share.
        share: f64,
    },
    /// The training records without a topic; those join the test records.
    WithoutTopic {
        /// Its number among the workbench's topics.
        topic: usize,
    },
    /// The training records without a part of them, which is tested instead of the test records.
    Fold {
        /// Which part, from 0.
        fold: usize,
        /// Parts.
        of: usize,
    },
    /// The training records and half of the test records whose topics training lacks, as if these had been
    /// labelled; the other test records are tested.
    Labelled,
    /// The training records with their labels or numbers shuffled among them.
    Shuffled,
    /// All, with the values of these columns shuffled among the test records: as if they were not known
    /// yet when a prediction is wanted.
    Lacking {
        /// Names of the columns.
        columns: Vec<String>,
    },
}

impl Probe {
    /// The original training, with a seed.
    pub fn original(seed: u64) -> Self {
        Self { change: Change::new(), records: Selection::All, seed, range_test: false }
    }

    /// With a field set.
    pub fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.change.insert(path.to_owned(), value.into());
        self
    }

    /// With fields set.
    pub fn changed(mut self, change: &Change) -> Self {
        self.change.extend(change.clone());
        self
    }

    /// On other records.
    pub fn on(mut self, records: Selection) -> Self {
        self.records = records;
        self
    }

    /// As a learning-rate range test.
    pub fn as_range_test(mut self) -> Self {
        self.range_test = true;
        self
    }

    /// The same for the same probe, another for another.
    pub fn key(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What it trains; `None` where its change gives no spec.
    pub fn spec(&self, original: &TrainSpec) -> Option<TrainSpec> {
        let mut spec = changed(original, &self.change)?;
        spec.training.seed = self.seed;
        // A probe leaves no state to go on from, and is no model of that name.
        (spec.training.keep_state, spec.model_name) = (false, None);
        spec.range_test = self.range_test.then(RangeTestSpec::default);
        Some(spec)
    }

    /// What it costs, where the original training costs 1: its share of the records times its share
    /// of the epochs. An original of so few steps that hardly anything was learnt counts as if it had
    /// more: [`unit()`] says of how much of one it is.
    pub fn cost(&self, original: &TrainSpec, unit: f64) -> f64 {
        let records = match &self.records {
            Selection::All
            | Selection::Labelled
            | Selection::Shuffled
            | Selection::WithoutTopic { .. }
            | Selection::Lacking { .. } => 1.0,
            Selection::Share { share } => *share,
            Selection::Fold { of, .. } => 1.0 - 1.0 / (*of).max(1) as f64,
        };
        let Some(spec) = self.spec(original) else { return 0.0 };
        if self.range_test {
            return RANGE_TEST_COST;
        }
        let epochs = |spec: &TrainSpec| spec.training.epochs.max(1) as f64;
        unit * records * epochs(&spec) / epochs(original)
    }
}

/// What a training of a spec on so many records counts, in (0, 1\]: 1, but for one of fewer steps than
/// any network takes to learn (`STEPS`).
pub fn unit(spec: &TrainSpec, records: usize) -> f64 {
    let per_step = spec.training.batch_size.saturating_mul(spec.training.accumulate).max(1);
    let steps = spec.training.epochs.max(1) * records.div_ceil(per_step).max(1);
    (steps as f64 / STEPS).min(1.0)
}

/// A range test takes some hundreds of steps, about as many as a few epochs.
const RANGE_TEST_COST: f64 = 0.3;

/// A spec with fields set; `None` where that is none.
pub fn changed(spec: &TrainSpec, change: &Change) -> Option<TrainSpec> {
    let resolved = serde_json::to_value(spec).ok()?;
    let mut value = resolved.clone();
    // Whole objects are set before fields of them.
    let mut fields: Vec<_> = change.iter().collect();
    fields.sort_by_key(|(path, _)| path.split('.').count());
    for (path, to) in fields {
        json::set(&mut value, path, to, &resolved);
    }
    serde_json::from_value(value).ok()
}
