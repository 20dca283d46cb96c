use serde_json::{Value, json};

use super::*;
use crate::clock::ManualClock;
use crate::data::profile::ColumnKind;
use crate::model::encoder::InputColumn;
use crate::model::fit::{Fitted, fit};
use crate::model::monitor::{FitMonitor, Phase};

/// Two clouds of points with labels, and a spec that learns them well.
pub fn clouds(records: usize) -> TrainingTable {
    let mut rng = random::stream(5, "clouds");
    let mut cells = [Vec::new(), Vec::new(), Vec::new()];
    for record in 0..records {
        let side = if record % 2 == 0 { 1.0 } else { -1.0 };
        let [x, y] = [(); 2].map(|()| side + 0.9 * random::normal(&mut rng));
        cells[0].push(Cell::Number(x));
        cells[1].push(Cell::Number(y));
        cells[2].push(Cell::Text(if record % 2 == 0 { "up" } else { "down" }.to_owned()));
    }
    let [x, y, label] = cells;
    let column =
        |name: &str, cells| InputColumn { name: name.to_owned(), kind: ColumnKind::Number, cells };
    TrainingTable {
        inputs: vec![column("x", x), column("y", y)],
        wanted: vec![label],
        weights: None,
        splits: None,
    }
}

/// Points inside and outside of a circle, which a spec for [`clouds`] learns too.
pub fn circle(records: usize) -> TrainingTable {
    let mut table = clouds(records);
    let mut rng = random::stream(6, "circle");
    let mut draw = || (random::normal(&mut rng) * 0.8).clamp(-1.5, 1.5);
    for record in 0..records {
        let (x, y) = (draw(), draw());
        table.inputs[0].cells[record] = Cell::Number(x);
        table.inputs[1].cells[record] = Cell::Number(y);
        let label = if x * x + y * y < 0.8 { "in" } else { "out" };
        table.wanted[0][record] = Cell::Text(label.to_owned());
    }
    table
}

/// Points around (1, 1) and (−1, −1) with a standard deviation: of a `share` in \[0, 1\] the first, and
/// labels wrong where `flipped` says so.
pub fn hard_clouds(
    records: usize,
    (deviation, share): (f64, f64),
    flipped: impl Fn(usize) -> bool,
) -> TrainingTable {
    let mut table = clouds(records);
    let mut rng = random::stream(6, "hard clouds");
    for record in 0..records {
        // Every so many records one more of the first cloud is due.
        let due = |records: usize| (records as f64 * share) as usize;
        let up = due(record + 1) > due(record);
        let side = if up { 1.0 } else { -1.0 };
        for column in &mut table.inputs {
            column.cells[record] = Cell::Number(side + deviation * random::normal(&mut rng));
        }
        let label = if up != flipped(record) { "up" } else { "down" };
        table.wanted[0][record] = Cell::Text(label.to_owned());
    }
    table
}

/// Texts of words that `words` gives for a record and whether it is good, in the split that `split` names.
pub fn texts(
    records: usize,
    words: impl Fn(usize, bool) -> Vec<String>,
    split: impl Fn(usize) -> &'static str,
) -> TrainingTable {
    let good = |record: usize| random::keyed(record as u64).is_multiple_of(2);
    let cell = |text: &str| Cell::Text(text.to_owned());
    let text = |record: usize| cell(&words(record, good(record)).join(" "));
    let label = |record: usize| cell(if good(record) { "good" } else { "bad" });
    let cells = (0..records).map(text).collect();
    TrainingTable {
        inputs: vec![InputColumn { name: "text".to_owned(), kind: ColumnKind::Text, cells }],
        wanted: vec![(0..records).map(label).collect()],
        weights: None,
        splits: Some((0..records).map(|record| cell(split(record))).collect()),
    }
}

/// A number below `n` that a record and a name decide.
pub fn pick(record: usize, name: &str, n: u64) -> u64 {
    random::keyed(record as u64 ^ random::fnv1a(name.as_bytes())) % n
}

/// Half of the records train, the others validate, calibrate and test in turn.
pub fn split_of_record(record: usize) -> &'static str {
    ["train", "test", "train", "validation", "train", "calibration", "train", "test"][record % 8]
}

/// A spec for [`texts`].
pub fn spec_of_texts() -> TrainSpec {
    let mut spec = spec_with(json!({
        "task": {"type": "text_classification", "text": "text", "label": "label"},
        "vectorizer": {"word_ngrams": 1, "character_ngrams": null, "min_word_count": 1,
            "min_ngram_count": 1},
        "network": {"type": "embedding_bag", "dimension": 8},
        "optimizer": {"type": "adam", "learning_rate": 0.05},
        "split": {"column": "split", "validation": 0.0, "calibration": 0.0, "seed": 1},
    }));
    spec.training.epochs = 8;
    spec
}

/// A spec for [`clouds`] with these hidden layers.
pub fn spec_of(hidden: &[usize]) -> TrainSpec {
    spec_with(json!({"network": {"type": "mlp", "hidden": hidden}}))
}

/// The same with fields set at the top.
pub fn spec_with(more: Value) -> TrainSpec {
    let mut spec = json!({
        "dataset": "ds_1", "model_name": null,
        "task": {"type": "tabular_classification", "features": ["x", "y"], "label": "label"},
        "vectorizer": {}, "network": {"type": "mlp", "hidden": [10]},
        "optimizer": {"type": "adam", "learning_rate": 0.01},
        "schedule": {"type": "constant"}, "regularization": {}, "augmentation": {},
        "training": {"epochs": 20, "batch_size": 16, "seed": 3, "early_stopping": null,
            "divergence_factor": 10.0, "checkpoint_seconds": 0},
        "split": {"train": 0.5, "validation": 0.2, "calibration": 0.1, "test": 0.2, "seed": 1},
        "device": "cpu",
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

/// Trains a spec on a table and puts the model on the bench.
pub fn bench(spec: &TrainSpec, table: TrainingTable) -> Workbench {
    struct Unheard;
    impl FitMonitor for Unheard {
        fn phase(&mut self, _: Phase) {}
        fn step(&mut self, _: &crate::learn::trainer::StepReport) {}
        fn epoch(
            &mut self,
            _: &crate::learn::trainer::EpochReport,
            _: Option<&crate::task::MetricsReport>,
        ) {
        }
        fn checkpoint(&mut self, _: usize, _: u64, _: crate::arrays::Arrays) {}
        fn interrupt(&self) -> crate::learn::trainer::Interrupt {
            crate::learn::trainer::Interrupt::None
        }
    }
    let clock = ManualClock::at(0);
    let data = (table.clone(), None);
    let fitted = fit(spec, data, Vec::new(), clock.as_ref(), &mut Unheard, None);
    let Fitted { model, .. } = fitted.unwrap();
    Workbench::new(Arc::new(model), table, None, 1).unwrap()
}

fn split_of(selected: &Selected, name: &str) -> Vec<usize> {
    let splits = selected.table.splits.as_ref().unwrap().iter().zip(&selected.rows);
    splits.filter(|(cell, _)| **cell == Cell::Text(name.to_owned())).map(|(_, row)| *row).collect()
}

#[test]
fn a_probe_has_the_records_of_the_original_but_for_what_it_varies() {
    let bench = bench(&spec_of(&[4]), clouds(400));
    let all = bench.select(&Selection::All, 1);
    let Parts { train, validation, calibration, test, .. } = &bench.parts;
    for (name, part) in
        [("train", train), ("validation", validation), ("calibration", calibration), ("test", test)]
    {
        assert_eq!(&split_of(&all, name), part, "{name}");
    }
    let share = |share| split_of(&bench.select(&Selection::Share { share }, 1), "train");
    let (half, quarter) = (share(0.5), share(0.25));
    assert_eq!((half.len(), quarter.len()), (train.len() / 2, train.len() / 4));
    assert!(quarter.iter().all(|record| half.contains(record)));
    let ups = |records: &[usize]| records.iter().filter(|record| *record % 2 == 0).count();
    assert!(ups(&quarter).abs_diff(quarter.len() / 2) <= 1);

    let mut tested: Vec<usize> = Vec::new();
    for fold in 0..3 {
        let selected = bench.select(&Selection::Fold { fold, of: 3 }, 1);
        let (trained, held) = (split_of(&selected, "train"), split_of(&selected, "test"));
        assert_eq!(trained.len() + held.len(), train.len());
        assert_eq!(&split_of(&selected, "validation"), validation);
        tested.extend(held);
    }
    tested.sort_unstable();
    assert_eq!(&tested, train);

    let shuffled = bench.select(&Selection::Shuffled, 1);
    let wanted = |selected: &Selected| selected.table.wanted[0].clone();
    assert_ne!(wanted(&shuffled), wanted(&all));
    let moved = wanted(&shuffled).into_iter().zip(wanted(&all)).zip(&shuffled.rows);
    let moved = moved.filter(|((a, b), _)| a != b).map(|(_, row)| row);
    assert!(moved.into_iter().all(|row| train.contains(row)));
}
