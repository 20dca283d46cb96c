//! What a record's target means: for each task its head, its targets and its metrics.
//!
//! A new task is a file here and a variant of [`TaskSpec`].

mod labels;
mod metrics;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use labels::{LabelError, LabelSet, MAX_LABELS, Truths};
pub use metrics::{
    CalibratedScores, ClassReport, ConfusionReport, Evaluated, MetricsReport, report,
};

use crate::data::Cell;
use crate::eval::Link;
use crate::learn::rows::Targets;

/// What to learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TaskSpec {
    /// Give a text one label, or several.
    TextClassification(TextClassification),
}

/// Columns and kind of a text classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextClassification {
    /// Column with the text.
    #[schema(min_length = 1, max_length = 500, example = "text")]
    pub text: String,
    /// Column with the label.
    #[schema(min_length = 1, max_length = 500, example = "label")]
    pub label: String,
    /// Whether a record has any number of labels: a JSON array, or one text with separators.
    #[serde(default)]
    pub multi_label: bool,
    /// What separates the labels of a text cell where `multi_label` is set.
    #[serde(default = "default_separator")]
    #[schema(min_length = 1, max_length = 10)]
    pub label_separator: String,
    /// Share of the records that may lack a text or, where a record has one label, a label. They are
    /// left out, with a warning that names the first; where there are more, all are refused.
    #[serde(default = "default_max_missing")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub max_missing: f64,
}

fn default_separator() -> String {
    ";".to_owned()
}

fn default_max_missing() -> f64 {
    0.001
}

impl TextClassification {
    /// How many of `rows` records may lack something.
    pub fn may_miss(&self, rows: u64) -> u64 {
        (rows as f64 * self.max_missing) as u64
    }

    /// Which records lack a text, or a label where they need one.
    pub fn lacking(&self, texts: &[Cell], labels: &[Cell]) -> Vec<bool> {
        let lacks = |(text, label): (&Cell, &Cell)| {
            *text == Cell::Null || (!self.multi_label && *label == Cell::Null)
        };
        texts.iter().zip(labels).map(lacks).collect()
    }
}

impl TaskSpec {
    /// The text classification.
    pub fn text_classification(&self) -> &TextClassification {
        match self {
            Self::TextClassification(task) => task,
        }
    }

    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TextClassification(_) => "text_classification",
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
