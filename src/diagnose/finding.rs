//! What a diagnosis found: a limitation with its evidence, its remedy, and what the remedy did when it
//! was tried; or that there is none, and how hard it looked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Which kind of limit a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Records unlike those that trained.
    Generalization,
    /// The records themselves: too few, mislabelled, unbalanced, leaking.
    Data,
    /// What the network can represent: too little, or so much that it memorises.
    Capacity,
    /// How training went: rates, plateaus, gradients, seeds.
    Optimization,
    /// How far stated confidence can be trusted.
    Confidence,
}

/// What came of looking for a limitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// It waits for trainings.
    Pending,
    /// The limitation is there.
    Found,
    /// It was looked for and is not there, as far as `smallest_effect` reaches.
    NotFound,
    /// It was not looked for; the statement says why.
    NotMeasured,
}

/// One limitation that was looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Stable name of the limitation; unique within a report.
    #[schema(example = "learning_rate_too_high")]
    pub kind: String,
    /// Which kind of limit it is about.
    pub area: Area,
    /// What came of looking for it.
    pub status: FindingStatus,
    /// How much it matters, in \[0, 1\]; higher is worse: the share of the model's errors (of its
    /// squared error, where numbers are predicted) that it accounts for, measured where a probe
    /// measured it. Limitations that make the measured errors themselves untrue, such as a leak, have
    /// 1; topics that training has no records of, at least the share of the test records that are about
    /// them. 0 unless it was found.
    pub severity: f64,
    /// It in one plain sentence, with the number in it.
    pub statement: String,
    /// What was measured.
    pub evidence: Vec<Measurement>,
    /// Data for a figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<Figure>,
    /// The smallest effect that would have been seen, in the unit of the first measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest_effect: Option<f64>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// What the remedy did when it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

/// A number that was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measurement {
    /// What, in words.
    #[schema(example = "test accuracy at a tenth of the learning rate")]
    pub name: String,
    /// Its value; `null` where it is not a finite number.
    pub value: Option<f64>,
    /// Its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The value from which on it counts as a limitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The runs that it comes from; none where the model itself was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
}

/// Curves or points over an axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// The horizontal axis, with its unit.
    pub x: String,
    /// The vertical axis, with its unit.
    pub y: String,
    /// Whether the horizontal axis is better logarithmic.
    #[serde(default)]
    pub log_x: bool,
    /// The curves.
    pub series: Vec<Series>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its points, in the order in which they are joined.
    pub points: Vec<[f64; 2]>,
}

/// What to do about a limitation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Remedy {
    /// In words.
    pub advice: String,
    /// Fields of the spec to set, by path; empty where it takes other data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
    pub change: BTreeMap<String, Value>,
    /// Rows of the dataset to look at, label or remove, from 1, the most pressing first; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<u64>,
    /// Whether it is to label records like those rows and to add them to the training split, and some are at
    /// hand to try that with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub label: bool,
}

/// What came of trying a remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It did better than the original, and than random changes of equal cost.
    Verified,
    /// It did worse than the original, or not better than random changes of equal cost did.
    Refuted,
    /// The trainings do not tell.
    Inconclusive,
}

/// A remedy, tried: trained with several seeds and measured on the same test records as the original
/// training and as random changes of equal cost, with the same seeds. Where the remedy only trains
/// longer, random changes have the epochs of the original: with more they would be the remedy too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// What came of it.
    pub verdict: Verdict,
    /// What is compared: `accuracy` (share of test records whose labels are all right), or `mse`.
    #[schema(example = "accuracy")]
    pub metric: String,
    /// Whether a smaller value is a better one.
    pub lower_is_better: bool,
    /// Seeds that each was trained with: those asked for, or where these did not tell, twice as many of
    /// the remedy and the original.
    pub seeds: Vec<u64>,
    /// Test records that each was measured on.
    pub records: usize,
    /// Mean of the original training over the seeds.
    pub original: f64,
    /// Mean of the remedy.
    pub remedy: f64,
    /// Mean of the random changes.
    pub random_change: f64,
    /// The remedy against the original.
    pub against_original: SeedDifference,
    /// The remedy against the random changes.
    pub against_random: SeedDifference,
    /// Remedies that were tried in this report.
    pub remedies_tried: usize,
    /// The random changes: what each seed's training set instead.
    #[schema(value_type = Vec<BTreeMap<String, Object>>)]
    pub random_changes: Vec<BTreeMap<String, Value>>,
    /// Runs of the remedy.
    pub runs: Vec<String>,
    /// Columns whose values were shuffled among the test records, as if they were not known yet when a
    /// prediction is wanted: those that the remedy leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
    /// Test records that were added to training, as if they had been labelled for it: the remedy. All are
    /// measured on the others of their topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled: Option<usize>,
}

/// A difference of means over seeds and test records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeedDifference {
    /// Value of the remedy − value of the other.
    pub difference: f64,
    /// Its 95 % interval, over seeds and test records.
    pub interval: [f64; 2],
    /// Two-sided p-value of "no difference".
    pub p_value: f64,
    /// The same, corrected for the remedies that may be tried (fallback procedure, Wiens 2003: four
    /// fifths of the level for the first) and for a second look with more seeds: times 2 in each.
    pub p_value_adjusted: f64,
}

impl Finding {
    /// A finding of a kind with a status, and nothing else yet.
    pub fn new(
        kind: &str,
        area: Area,
        status: FindingStatus,
        statement: impl Into<String>,
    ) -> Self {
        Self {
            kind: kind.to_owned(),
            area,
            status,
            severity: 0.0,
            statement: statement.into(),
            evidence: Vec::new(),
            figure: None,
            smallest_effect: None,
            remedy: None,
            verification: None,
        }
    }

    /// With how much it matters.
    pub fn severity(mut self, severity: f64) -> Self {
        self.severity = if severity.is_finite() { severity.clamp(0.0, 1.0) } else { 1.0 };
        self
    }

    /// With one more measurement.
    pub fn measured(mut self, measurement: Measurement) -> Self {
        self.evidence.push(measurement);
        self
    }

    /// With data for a figure.
    pub fn figure(mut self, figure: Figure) -> Self {
        self.figure = Some(figure);
        self
    }

    /// With the smallest effect that would have been seen.
    pub fn smallest_effect(mut self, effect: f64) -> Self {
        self.smallest_effect = Some(effect).filter(|effect| effect.is_finite());
        self
    }

    /// With what to do about it.
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }
}

impl Measurement {
    /// A value.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        let value = Some(value).filter(|value| value.is_finite());
        Self { name: name.into(), value, ..Self::default() }
    }

    /// With its 95 % interval.
    pub fn interval(mut self, interval: Option<[f64; 2]>) -> Self {
        self.interval = interval.filter(|ends| ends.iter().all(|end| end.is_finite()));
        self
    }

    /// With the value from which on it counts.
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }

    /// With the runs that it comes from.
    pub fn runs<'a>(mut self, runs: impl IntoIterator<Item = &'a String>) -> Self {
        self.runs = runs.into_iter().filter(|run| !run.is_empty()).cloned().collect();
        self
    }
}

impl Remedy {
    /// A change of the spec.
    pub fn change(
        advice: impl Into<String>,
        fields: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let change = fields.into_iter().map(|(path, value)| (path.to_owned(), value)).collect();
        Self { advice: advice.into(), change, ..Self::default() }
    }

    /// Something to be done about the data.
    pub fn data(advice: impl Into<String>, rows: Vec<u64>) -> Self {
        Self { advice: advice.into(), rows, ..Self::default() }
    }
}
