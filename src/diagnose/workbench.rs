//! What every diagnosis of a model works with: the model, the records that it was made from, and the
//! part that each was in.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::data::Cell;
use crate::data::split::Split;
use crate::eval::topics::TopicAssignment;
use crate::model::fit::{Divided, TrainingTable, divide};
use crate::model::spec::{SplitSpec, TrainSpec, Warning};
use crate::model::splits::Parts;
use crate::model::{FitError, Model};
use crate::random;
use crate::task::{Outcomes, Output};

use super::cache::Readings;
use super::probe::{self, Selection};
use super::topics;

/// Name of the column that stands for the split in a probe's spec.
const SPLIT: &str = "split";

/// A model, and what it was made from.
pub struct Workbench {
    /// The model that is diagnosed.
    pub model: Arc<Model>,
    /// The columns that its spec names.
    pub table: Arc<TrainingTable>,
    /// The model that its training started from, if it did.
    pub source: Option<Arc<Model>>,
    /// The records of each part, by position.
    pub parts: Parts,
    /// What is to be learnt of each record.
    pub outcomes: Outcomes,
    /// What the outputs stand for.
    pub output: Output,
    /// What splitting the records warned of.
    pub warnings: Vec<Warning>,
    /// What the training records are about; `None` where that cannot be told.
    pub topics: Option<TopicAssignment>,
    /// What each record of the dataset is about, where a column says so.
    pub slices: Option<Vec<Option<String>>>,
    /// What was read of the records so far.
    pub readings: Readings,
}

/// Records for a probe.
pub struct Selected {
    /// Their columns.
    pub table: TrainingTable,
    /// How the spec splits them.
    pub split: SplitSpec,
    /// The position of each in the dataset.
    pub rows: Vec<usize>,
}

impl Workbench {
    /// From a model, the columns that its spec names, and the model that it started from.
    pub fn new(
        model: Arc<Model>,
        table: TrainingTable,
        source: Option<Arc<Model>>,
        seed: u64,
    ) -> Result<Self, FitError> {
        let seen = source.as_ref().map_or(&[][..], |source| source.trained_on.as_slice());
        let mut warnings = Vec::new();
        let divided = divide(&model.spec, table.clone(), seen, &mut warnings)?;
        let Divided { output, outcomes, records, parts, .. } = divided;
        let topics = topics::find(&model, &records, &parts, seed);
        let table = Arc::new(table);
        let readings = Readings::default();
        Ok(Self {
            model,
            table,
            source,
            parts,
            outcomes,
            output,
            warnings,
            topics,
            slices: None,
            readings,
        })
    }

    /// With the values of a column as topics, one cell a record of the dataset, instead of those that words
    /// show.
    pub fn sliced(mut self, column: &[Cell]) -> Self {
        let slices: Vec<Option<String>> = column.iter().map(Cell::to_text).collect();
        self.topics = Some(topics::named(&slices, &self.parts.train));
        self.slices = Some(slices);
        self
    }

    /// The spec of the model.
    pub fn spec(&self) -> &TrainSpec {
        &self.model.spec
    }

    /// The positions of the training records of a topic.
    pub fn of_topic(&self, topic: usize) -> Vec<usize> {
        let Some(found) = &self.topics else { return Vec::new() };
        let records = self.parts.train.iter().zip(&found.of_record);
        records.filter(|(_, of)| **of == Some(topic)).map(|(record, _)| *record).collect()
    }

    /// The positions of the test records of topics that training has none of, where a column names topics.
    pub fn of_missing_topics(&self) -> Vec<usize> {
        let Some(slices) = &self.slices else { return Vec::new() };
        let of = |record: &usize| slices.get(*record).and_then(Option::as_deref);
        let trained: BTreeSet<&str> = self.parts.train.iter().filter_map(of).collect();
        let missing = |record: &usize| of(record).is_some_and(|topic| !trained.contains(topic));
        self.parts.test.iter().copied().filter(missing).collect()
    }

    /// A half of them: those that are labelled to see what labels are worth.
    pub fn to_label(&self) -> Vec<usize> {
        let half = |record: &usize| random::keyed(LABELLED ^ *record as u64).is_multiple_of(2);
        self.of_missing_topics().into_iter().filter(half).collect()
    }

    /// The records that a probe trains and is tested on, with a split column that says so.
    pub fn select(&self, selection: &Selection, seed: u64) -> Selected {
        let Parts { train, validation, calibration, test, .. } = &self.parts;
        let (mut train, mut test) = (train.clone(), test.clone());
        let mut shuffled = None;
        match selection {
            Selection::All | Selection::Lacking { .. } => {}
            Selection::Share { share } => train = self.share(*share),
            Selection::WithoutTopic { topic } => {
                let without = self.of_topic(*topic);
                train.retain(|record| without.binary_search(record).is_err());
                test.extend(without);
            }
            Selection::Labelled => {
                let labelled = self.to_label();
                test.retain(|record| labelled.binary_search(record).is_err());
                train.extend(labelled);
            }
            Selection::Fold { fold, of } => {
                let order = self.by_label(random::keyed(FOLDS));
                let held = order.iter().enumerate().filter(|(at, _)| at % of == *fold);
                let mut held: Vec<usize> = held.map(|(_, record)| *record).collect();
                held.sort_unstable();
                train.retain(|record| held.binary_search(record).is_err());
                test = held;
            }
            Selection::Shuffled => {
                let mut from = train.clone();
                random::shuffle(&mut from, &mut random::stream(seed, "diagnose.shuffled"));
                shuffled = Some(from);
            }
        }
        let mut placed: Vec<(usize, Split)> = Vec::new();
        let parts = [
            (&train, Split::Train),
            (validation, Split::Validation),
            (calibration, Split::Calibration),
            (&test, Split::Test),
        ];
        for (records, split) in parts {
            placed.extend(records.iter().map(|record| (*record, split)));
        }
        placed.sort_unstable_by_key(|(record, _)| *record);
        let mut wanted_of: Vec<usize> = placed.iter().map(|(record, _)| *record).collect();
        if let Some(from) = shuffled {
            let mut from = from.into_iter();
            for (of, (_, split)) in wanted_of.iter_mut().zip(&placed) {
                if *split == Split::Train {
                    *of = from.next().unwrap_or(*of);
                }
            }
        }
        let mut selected = self.table_of(&placed, &wanted_of);
        if let Selection::Lacking { columns } = selection {
            let places: Vec<usize> =
                (0..placed.len()).filter(|at| placed[*at].1 == Split::Test).collect();
            for column in selected.table.inputs.iter_mut().filter(|c| columns.contains(&c.name)) {
                shuffle_among(&mut column.cells, &places);
            }
        }
        selected
    }

    /// What trainings of this model count in units of a budget.
    pub fn unit(&self) -> f64 {
        probe::unit(self.spec(), self.parts.train.len())
    }

    fn table_of(&self, placed: &[(usize, Split)], wanted_of: &[usize]) -> Selected {
        let pick = |cells: &[Cell]| -> Vec<Cell> {
            placed.iter().map(|(record, _)| cells[*record].clone()).collect()
        };
        let inputs = self.table.inputs.iter().map(|column| {
            let mut column = column.clone();
            column.cells = pick(&column.cells);
            column
        });
        let wanted = self.table.wanted.iter();
        let table = TrainingTable {
            inputs: inputs.collect(),
            wanted: wanted
                .map(|cells| wanted_of.iter().map(|i| cells[*i].clone()).collect())
                .collect(),
            weights: self.table.weights.as_deref().map(pick),
            splits: Some(
                placed.iter().map(|(_, split)| Cell::Text(split.name().to_owned())).collect(),
            ),
        };
        let split = SplitSpec::Column {
            column: SPLIT.to_owned(),
            validation: 0.0,
            calibration: 0.0,
            seed: 1,
        };
        Selected { table, split, rows: placed.iter().map(|(record, _)| *record).collect() }
    }

    /// A share of the training records, the same share of each label.
    fn share(&self, share: f64) -> Vec<usize> {
        let order = self.by_label(random::keyed(SHARES));
        // One in 1/share along an order that goes label by label.
        let mut taken = 0.0;
        let mut kept: Vec<usize> = order
            .into_iter()
            .filter(|_| {
                let before = f64::floor(taken);
                taken += share;
                f64::floor(taken) > before
            })
            .collect();
        kept.sort_unstable();
        kept
    }

    /// The training records, those of a label after one another, in a random order within it.
    fn by_label(&self, seed: u64) -> Vec<usize> {
        let strata = self.outcomes.strata(&self.output);
        let mut order = self.parts.train.clone();
        random::shuffle(&mut order, &mut random::stream(seed, "diagnose.order"));
        order.sort_by_key(|record| strata[*record]);
        order
    }
}

/// Shuffles the values of some records among them, the same way every time.
pub fn shuffle_among(cells: &mut [Cell], places: &[usize]) {
    let mut values: Vec<Cell> = places.iter().map(|place| cells[*place].clone()).collect();
    random::shuffle(&mut values, &mut random::stream(random::keyed(LACKING), "diagnose.lacking"));
    for (place, value) in places.iter().zip(values) {
        cells[*place] = value;
    }
}

const LACKING: u64 = 0x6c61_636b_696e;
const LABELLED: u64 = 0x6c61_6265_6c6c;
const FOLDS: u64 = 0x0066_6f6c_6473;
const SHARES: u64 = 0x7368_6172_6573;

#[cfg(test)]
#[path = "workbench_tests.rs"]
pub mod tests;
