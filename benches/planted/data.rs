//! Problems that a network learns well: records, and a training that suits them. Each comes with records
//! that neither the training nor its diagnosis ever sees, to judge what a remedy is worth.

use serde_json::{Value, json};
use whereof::data::generator::{
    BlobsSpec, CirclesSpec, GeneratorSpec, MakeClassificationSpec, MoonsSpec, SineSpec,
};
use whereof::data::profile::ColumnKind;
use whereof::data::{Cell, DataError, Sink};
use whereof::model::encoder::InputColumn;
use whereof::model::fit::TrainingTable;
use whereof::model::spec::TrainSpec;
use whereof::random::{self, Rng};

use super::Failure;
use super::files;
use super::texts;

/// Records that judge.
const JUDGES: usize = 600;
/// Column that names each record's part.
const SPLIT: &str = "split";

/// A training and its records.
#[derive(Clone)]
pub struct Setup {
    /// What is trained.
    pub spec: TrainSpec,
    /// What it is made from; its split column is always there.
    pub table: TrainingTable,
    /// Records that are judged on.
    pub judge: TrainingTable,
    /// Where each record comes from: a topic, or a fifth of the first column's range.
    pub groups: Vec<usize>,
}

/// What is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Two classes of two clusters each, ten columns.
    Clusters,
    /// Four classes, ten columns.
    FourClasses,
    /// Two classes that overlap, among twenty columns of which five say something.
    Overlap,
    /// Five clouds in three columns.
    Blobs,
    /// A circle in another.
    Circles,
    /// Two half moons.
    Moons,
    /// A sine.
    Sine,
    /// Friedman's function of five columns (1991): a product, a square, two lines.
    Friedman,
    /// Short texts that are for or against something, in the same words whatever the topic.
    Texts,
    /// The same, where every topic has words of its own for it.
    TopicTexts,
    /// Whether a white wine is rated 6 or better, from eleven measurements. Real data.
    Wine,
    /// Whether an income is above a limit, from fourteen columns. Real data.
    Adult,
}

impl Base {
    /// Those whose training has no limitation that is known: made records that are learnt well.
    pub const SOUND: [Self; 8] = [
        Self::Clusters,
        Self::FourClasses,
        Self::Blobs,
        Self::Circles,
        Self::Moons,
        Self::Sine,
        Self::Friedman,
        Self::Texts,
    ];

    /// Makes so many records and those that judge. `None` where real data is not at hand.
    pub fn setup(self, records: usize, seed: u64) -> Result<Option<Setup>, Failure> {
        let all = records + JUDGES;
        let rows = match self {
            Self::Clusters => generated(&GeneratorSpec::MakeClassification(classes(all, 2, seed)))?,
            Self::FourClasses => {
                generated(&GeneratorSpec::MakeClassification(classes(all, 4, seed)))?
            }
            Self::Overlap => {
                let spec = MakeClassificationSpec {
                    features: 20,
                    class_sep: 0.8,
                    clusters_per_class: 1,
                    ..classes(all, 2, seed)
                };
                generated(&GeneratorSpec::MakeClassification(spec))?
            }
            Self::Blobs => {
                let spec = BlobsSpec { samples: all, features: 3, centers: 5, std: 1.5, seed };
                generated(&GeneratorSpec::Blobs(spec))?
            }
            Self::Circles => {
                let spec = CirclesSpec { samples: all, factor: 0.5, noise: 0.08, seed };
                generated(&GeneratorSpec::Circles(spec))?
            }
            Self::Moons => {
                let spec = MoonsSpec { samples: all, noise: 0.12, seed };
                generated(&GeneratorSpec::Moons(spec))?
            }
            Self::Sine => {
                let spec = SineSpec { points: all, low: 0.0, high: 10.0, noise: 0.1, seed };
                generated(&GeneratorSpec::Sine(spec))?
            }
            Self::Friedman => friedman(all, seed),
            Self::Texts => texts::rows(all, false, seed),
            Self::TopicTexts => texts::rows(all, true, seed),
            Self::Wine => match files::wine(all, seed)? {
                Some(rows) => rows,
                None => return Ok(None),
            },
            Self::Adult => match files::adult(all, seed)? {
                Some(rows) => rows,
                None => return Ok(None),
            },
        };
        self.of_rows(rows, seed).map(Some)
    }

    /// Whether numbers are predicted.
    pub fn is_regression(self) -> bool {
        matches!(self, Self::Sine | Self::Friedman)
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Texts | Self::TopicTexts)
    }

    fn of_rows(self, rows: Rows, seed: u64) -> Result<Setup, Failure> {
        let Rows { names, mut records, topics } = rows;
        let mut order: Vec<usize> = (0..records.len()).collect();
        random::shuffle(&mut order, &mut random::stream(seed, "planted.order"));
        records = order.iter().map(|record| records[*record].clone()).collect();
        let groups: Vec<usize> = match topics {
            Some(topics) => order.iter().map(|record| topics[*record]).collect(),
            None => fifths(&records),
        };
        let inputs = names.len() - 1;
        let table = |records: &[Vec<Cell>]| {
            let column =
                |at: usize| -> Vec<Cell> { records.iter().map(|r| r[at].clone()).collect() };
            let input = |at: usize| InputColumn {
                name: names[at].clone(),
                kind: kind_of(self.is_text(), records.iter().map(|record| &record[at])),
                cells: column(at),
            };
            TrainingTable {
                inputs: (0..inputs).map(input).collect(),
                wanted: vec![column(inputs)],
                weights: None,
                splits: None,
            }
        };
        let (judged, own) = records.split_at(JUDGES);
        let splits = (0..own.len()).map(|at| part(at, own.len()).to_owned());
        let own = TrainingTable { splits: Some(splits.map(Cell::Text).collect()), ..table(own) };
        let spec = serde_json::from_value(self.spec(&names))?;
        Ok(Setup { spec, table: own, judge: table(judged), groups: groups[JUDGES..].to_vec() })
    }

    /// A training that learns it well.
    fn spec(self, names: &[String]) -> Value {
        let features = &names[..names.len() - 1];
        let target = names.last();
        let (hidden, rate, epochs) = match self {
            Self::Clusters | Self::FourClasses => (vec![32, 32], 0.005, 30),
            Self::Overlap => (vec![16], 0.01, 30),
            Self::Blobs => (vec![16], 0.01, 30),
            Self::Circles | Self::Moons => (vec![16, 16], 0.01, 40),
            Self::Sine => (vec![32, 32], 0.01, 60),
            Self::Friedman => (vec![32, 32], 0.01, 50),
            Self::Texts | Self::TopicTexts => (vec![16], 0.01, 12),
            Self::Wine | Self::Adult => (vec![16], 0.01, 30),
        };
        let task = if self.is_text() {
            json!({"type": "text_classification", "text": "text", "label": target})
        } else if self.is_regression() {
            json!({"type": "tabular_regression", "features": features, "target": target})
        } else {
            json!({"type": "tabular_classification", "features": features, "label": target})
        };
        let network = if self.is_text() {
            json!({"type": "embedding_bag", "dimension": 16, "hidden": hidden})
        } else {
            json!({"type": "mlp", "hidden": hidden})
        };
        let (loss, metric) =
            if self.is_regression() { ("mse", "mse") } else { ("cross_entropy", "log_loss") };
        json!({
            "dataset": "planted", "model_name": null, "task": task,
            "vectorizer": {"word_ngrams": 1, "character_ngrams": null},
            "network": network,
            "optimizer": {"type": "adam", "learning_rate": rate},
            "schedule": {"type": "linear"}, "loss": {"type": loss},
            "regularization": {"ngram_dropout": 0.3, "l2": 0.0001}, "augmentation": {},
            "training": {"epochs": epochs, "batch_size": 32, "seed": 1,
                "early_stopping": {"metric": metric, "patience": 8, "min_delta": 0.0},
                "divergence_factor": 10.0, "checkpoint_seconds": 1_000_000},
            "split": {"column": SPLIT, "validation": 0.0, "calibration": 0.0, "seed": 1},
            "keep_training_vectors": false, "device": "cpu",
        })
    }
}

/// Records with their columns; the last column is to be learnt.
pub struct Rows {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Cells, record by record.
    pub records: Vec<Vec<Cell>>,
    /// What each is about, where that is known.
    pub topics: Option<Vec<usize>>,
}

impl Sink for Rows {
    fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
        self.names = names.to_vec();
        Ok(())
    }

    fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
        self.records.push(cells.to_vec());
        Ok(())
    }
}

impl Rows {
    /// None yet.
    pub fn new() -> Self {
        Self { names: Vec::new(), records: Vec::new(), topics: None }
    }
}

/// Half train, a fifth steer, a tenth calibrate and a fifth test; the order is random already.
fn part(at: usize, of: usize) -> &'static str {
    match at as f64 / of as f64 {
        share if share < 0.5 => "train",
        share if share < 0.7 => "validation",
        share if share < 0.8 => "calibration",
        _ => "test",
    }
}

fn kind_of<'a>(text: bool, mut cells: impl Iterator<Item = &'a Cell>) -> ColumnKind {
    // The first that is there tells; the others are alike.
    match cells.find(|cell| **cell != Cell::Null) {
        Some(Cell::Text(_)) if text => ColumnKind::Text,
        Some(Cell::Text(_)) => ColumnKind::Category,
        Some(Cell::Integer(_)) => ColumnKind::Integer,
        _ => ColumnKind::Number,
    }
}

fn classes(samples: usize, classes: usize, seed: u64) -> MakeClassificationSpec {
    MakeClassificationSpec {
        samples,
        features: 10,
        informative: 5,
        redundant: 2,
        classes,
        clusters_per_class: if classes == 2 { 2 } else { 1 },
        class_sep: 1.6,
        flip_y: 0.0,
        seed,
    }
}

fn generated(spec: &GeneratorSpec) -> Result<Rows, Failure> {
    let mut rows = Rows::new();
    spec.generate(&mut rows)?;
    Ok(rows)
}

/// y = 10 sin(π x₀ x₁) + 20 (x₂ − ½)² + 10 x₃ + 5 x₄ and noise of deviation 1, of uniform columns.
fn friedman(records: usize, seed: u64) -> Rows {
    let mut rng = random::stream(seed, "planted.friedman");
    let mut record = |_| {
        let x: [f64; 5] = [(); 5].map(|()| rng.random());
        let y = 10.0 * (std::f64::consts::PI * x[0] * x[1]).sin()
            + 20.0 * (x[2] - 0.5).powi(2)
            + 10.0 * x[3]
            + 5.0 * x[4]
            + random::normal(&mut rng);
        x.into_iter().chain([y]).map(Cell::Number).collect()
    };
    let records = (0..records).map(&mut record).collect();
    let names = ["x0", "x1", "x2", "x3", "x4", "y"].map(str::to_owned).to_vec();
    Rows { names, records, topics: None }
}

/// Fifths of the first column, where it holds numbers.
fn fifths(records: &[Vec<Cell>]) -> Vec<usize> {
    let first: Vec<f64> = records.iter().map(|r| r[0].to_number().unwrap_or(0.0)).collect();
    let mut sorted = first.clone();
    sorted.sort_by(f64::total_cmp);
    let rank = |value: &f64| sorted.partition_point(|other| other < value);
    first.iter().map(|value| rank(value) * 5 / sorted.len()).collect()
}
