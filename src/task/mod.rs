//! What a record's target means: for each task its head, its targets and its metrics.
//!
//! A task is an input (text, row, image) and something wanted (labels, numbers): a new pair is a
//! variant of [`TaskSpec`], a new kind of target a file here and a variant of [`Outcomes`].

mod columns;
mod labels;
mod metrics;
mod outcome;
mod regression;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use columns::{Input, LabelColumn, Names, TargetColumns, Wanted};
pub use labels::{LabelError, LabelSet, MAX_LABELS, Truths};
pub use metrics::{
    CalibratedScores, ClassReport, ClassificationReport, ConfusionReport, Evaluated, LabelScores,
    ProbabilityScores, report, report_of_scores,
};
pub use outcome::{MetricsReport, OutcomeError, Outcomes, Output, ValueError};
pub use regression::{Predicted, RegressionReport, TargetReport};

use crate::eval::{Link, argmax};
use crate::learn::rows::Targets;
use crate::learn::stopping::StoppingMetric;

/// What to learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TaskSpec {
    /// Give a text one label, or several.
    TextClassification(TextClassification),
    /// Predict numbers from a text.
    TextRegression(TextRegression),
    /// Give a row of a table one label, or several.
    TabularClassification(TabularClassification),
    /// Predict numbers from a row of a table.
    TabularRegression(TabularRegression),
    /// Give an image one label, or several.
    ImageClassification(ImageClassification),
    /// Predict numbers from an image.
    ImageRegression(ImageRegression),
}

/// Columns of a text classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextClassification {
    /// Column with the text.
    #[schema(min_length = 1, max_length = 500, example = "text")]
    pub text: String,
    /// Column with the label.
    #[serde(flatten)]
    pub labels: LabelColumn,
}

/// Columns of a text regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextRegression {
    /// Column with the text.
    #[schema(min_length = 1, max_length = 500, example = "text")]
    pub text: String,
    /// Columns with the numbers.
    #[serde(flatten)]
    pub targets: TargetColumns,
}

/// Columns of a tabular classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TabularClassification {
    /// Columns to learn from. Default: all but the label, the weight and the split column.
    #[serde(default)]
    #[schema(max_items = 10_000)]
    pub features: Option<Vec<String>>,
    /// Column with the label.
    #[serde(flatten)]
    pub labels: LabelColumn,
}

/// Columns of a tabular regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TabularRegression {
    /// Columns to learn from. Default: all but the targets, the weight and the split column.
    #[serde(default)]
    #[schema(max_items = 10_000)]
    pub features: Option<Vec<String>>,
    /// Columns with the numbers.
    #[serde(flatten)]
    pub targets: TargetColumns,
}

/// Columns of an image classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageClassification {
    /// Column with the image: PNG or JPEG as base64.
    #[schema(min_length = 1, max_length = 500, example = "image")]
    pub image: String,
    /// Column with the label.
    #[serde(flatten)]
    pub labels: LabelColumn,
}

/// Columns of an image regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageRegression {
    /// Column with the image: PNG or JPEG as base64.
    #[schema(min_length = 1, max_length = 500, example = "image")]
    pub image: String,
    /// Columns with the numbers.
    #[serde(flatten)]
    pub targets: TargetColumns,
}

impl TaskSpec {
    /// What a record goes in as.
    pub fn input(&self) -> Input<'_> {
        match self {
            Self::TextClassification(TextClassification { text, .. })
            | Self::TextRegression(TextRegression { text, .. }) => Input::Text(text),
            Self::TabularClassification(TabularClassification { features, .. })
            | Self::TabularRegression(TabularRegression { features, .. }) => {
                Input::Table(features.as_deref())
            }
            Self::ImageClassification(ImageClassification { image, .. })
            | Self::ImageRegression(ImageRegression { image, .. }) => Input::Image(image),
        }
    }

    /// What is to be learnt of a record.
    pub fn wanted(&self) -> Wanted<'_> {
        match self {
            Self::TextClassification(TextClassification { labels, .. })
            | Self::TabularClassification(TabularClassification { labels, .. })
            | Self::ImageClassification(ImageClassification { labels, .. }) => {
                Wanted::Labels(labels)
            }
            Self::TextRegression(TextRegression { targets, .. })
            | Self::TabularRegression(TabularRegression { targets, .. })
            | Self::ImageRegression(ImageRegression { targets, .. }) => Wanted::Values(targets),
        }
    }

    /// The same task on other columns: of a text or image, and of what is to be learnt.
    pub fn on_columns(&self, input: Option<String>, wanted: Option<String>) -> Self {
        let mut task = self.clone();
        match &mut task {
            Self::TextClassification(TextClassification { text: column, .. })
            | Self::TextRegression(TextRegression { text: column, .. })
            | Self::ImageClassification(ImageClassification { image: column, .. })
            | Self::ImageRegression(ImageRegression { image: column, .. }) => {
                *column = input.unwrap_or_else(|| column.clone());
            }
            Self::TabularClassification(_) | Self::TabularRegression(_) => {}
        }
        match &mut task {
            Self::TextClassification(TextClassification { labels, .. })
            | Self::TabularClassification(TabularClassification { labels, .. })
            | Self::ImageClassification(ImageClassification { labels, .. }) => {
                labels.label = wanted.unwrap_or_else(|| labels.label.clone());
            }
            Self::TextRegression(TextRegression { targets, .. })
            | Self::TabularRegression(TabularRegression { targets, .. })
            | Self::ImageRegression(ImageRegression { targets, .. }) => {
                targets.target = wanted.map_or_else(|| targets.target.clone(), Names::One);
            }
        }
        task
    }

    /// The columns that records go in by, in order; none for a table whose columns are not resolved.
    pub fn input_columns(&self) -> Vec<&str> {
        match self.input() {
            Input::Text(column) | Input::Image(column) => vec![column],
            Input::Table(features) => {
                features.unwrap_or_default().iter().map(String::as_str).collect()
            }
        }
    }

    /// The columns that hold what is to be learnt, with the field that names them.
    pub fn wanted_columns(&self) -> (&'static str, Vec<&str>) {
        match self.wanted() {
            Wanted::Labels(labels) => ("task.label", vec![&labels.label]),
            Wanted::Values(targets) => {
                ("task.target", targets.target.all().iter().map(String::as_str).collect())
            }
        }
    }

    /// The column with the records' weights.
    pub fn weight(&self) -> Option<&str> {
        match self.wanted() {
            Wanted::Labels(labels) => labels.weight.as_deref(),
            Wanted::Values(targets) => targets.weight.as_deref(),
        }
    }

    /// How many of `rows` records may lack something.
    pub fn may_miss(&self, rows: u64) -> u64 {
        let share = match self.wanted() {
            Wanted::Labels(labels) => labels.max_missing,
            Wanted::Values(targets) => targets.max_missing,
        };
        (rows as f64 * share) as u64
    }

    /// Whether a record may be without what is to be learnt: without any label.
    pub fn may_be_unlabelled(&self) -> bool {
        matches!(self.wanted(), Wanted::Labels(labels) if labels.multi_label)
    }

    /// Whether numbers are predicted, not labels.
    pub fn is_regression(&self) -> bool {
        matches!(self.wanted(), Wanted::Values(_))
    }

    /// Whether a metric is measured in it.
    pub fn measures(&self, metric: StoppingMetric) -> bool {
        match self.wanted() {
            Wanted::Values(_) => metric.is_of_numbers(),
            Wanted::Labels(labels) => {
                !metric.is_of_numbers()
                    && (labels.multi_label || metric != StoppingMetric::MeanAveragePrecision)
            }
        }
    }

    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TextClassification(_) => "text_classification",
            Self::TextRegression(_) => "text_regression",
            Self::TabularClassification(_) => "tabular_classification",
            Self::TabularRegression(_) => "tabular_regression",
            Self::ImageClassification(_) => "image_classification",
            Self::ImageRegression(_) => "image_regression",
        }
    }
}

/// What the outputs of a network stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// One output: the logit of the second of two labels against the first.
    Binary,
    /// An output for each label, of which one holds.
    MultiClass,
    /// An output for each label, of which any number holds.
    MultiLabel,
}

impl Head {
    /// The head for a number of labels.
    pub fn for_labels(labels: usize, multi_label: bool) -> Self {
        match (multi_label, labels) {
            (true, _) => Self::MultiLabel,
            (false, 2) => Self::Binary,
            (false, _) => Self::MultiClass,
        }
    }

    /// How this head's logits become probabilities, once [`Head::label_logits`] has spread them.
    pub fn link(self) -> Link {
        match self {
            Self::Binary | Self::MultiClass => Link::Softmax,
            Self::MultiLabel => Link::Sigmoid,
        }
    }

    /// The labels that probabilities decide for, ascending: the most probable one, or all of at least
    /// ½ where a record may have several.
    pub fn labels(self, p: &[f64]) -> Vec<u32> {
        match self {
            Self::Binary | Self::MultiClass => vec![argmax(p) as u32],
            Self::MultiLabel => (0..).zip(p).filter(|(_, p)| **p >= 0.5).map(|(i, _)| i).collect(),
        }
    }

    /// The probability, of `p`, of the label that `raw` ranks first; where a record may have several,
    /// that of the least certain decision.
    pub fn certainty(self, p: &[f64], raw: &[f64]) -> f64 {
        match self {
            Self::Binary | Self::MultiClass => p[argmax(raw)],
            Self::MultiLabel => p.iter().map(|p| p.max(1.0 - p)).fold(1.0, f64::min),
        }
    }

    /// A logit for each label. A binary head's z becomes (0, z), whose softmax is (1 − σ(z), σ(z)).
    pub fn label_logits(self, outputs: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Binary => vec![0.0, outputs.first().copied().unwrap_or(0.0)],
            Self::MultiClass | Self::MultiLabel => outputs,
        }
    }

    /// What a network with this head learns from, for the records at `positions`.
    pub fn targets(self, truths: &Truths, labels: usize, positions: &[usize]) -> Targets {
        let of = |position: usize| truths.of(position);
        match self {
            Self::Binary => Targets::Binary(positions.iter().map(|&i| of(i)[0]).collect()),
            Self::MultiClass => Targets::MultiClass {
                labels: positions.iter().map(|&i| of(i)[0]).collect(),
                classes: labels,
            },
            Self::MultiLabel => {
                let mut indicators = vec![0.0; positions.len() * labels];
                for (row, &position) in positions.iter().enumerate() {
                    for &label in of(position) {
                        indicators[row * labels + label as usize] = 1.0;
                    }
                }
                Targets::MultiLabel { indicators, labels }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_follow_the_labels() {
        assert_eq!(Head::for_labels(2, false), Head::Binary);
        assert_eq!(Head::for_labels(3, false), Head::MultiClass);
        assert_eq!(Head::for_labels(2, true), Head::MultiLabel);
    }

    #[test]
    fn a_binary_logit_is_a_softmax_of_two() {
        let logits = Head::Binary.label_logits(vec![1.5]);
        let p = Head::Binary.link().probabilities(&logits, 1.0);
        assert!((p[1] - crate::eval::sigmoid(1.5)).abs() < 1e-7);
    }
}
