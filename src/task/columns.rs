//! The columns that a task names, in and out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The column with the labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LabelColumn {
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
    /// Share of the records that may lack a text, an image or, where a record has one label, a
    /// label. They are left out, with a warning that names the first; where there are more, all are
    /// refused.
    #[serde(default = "default_max_missing")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub max_missing: f64,
    /// Column with a record's weight, a number above 0: how much it counts in the loss against
    /// others. Metrics count every record alike. Default: all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub weight: Option<String>,
}

/// The columns with the numbers to predict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetColumns {
    /// Column with the number to predict, or several.
    pub target: Names,
    /// Share of the records that may lack a text, an image or a target. They are left out, with a
    /// warning that names the first; where there are more, all are refused.
    #[serde(default = "default_max_missing")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub max_missing: f64,
    /// Column with a record's weight, a number above 0: how much it counts in the loss against
    /// others. Metrics count every record alike. Default: all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub weight: Option<String>,
}

/// One column, or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Names {
    /// The names.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

fn default_separator() -> String {
    ";".to_owned()
}

fn default_max_missing() -> f64 {
    0.001
}

impl LabelColumn {
    /// One label a record, in a column of this name.
    pub fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            multi_label: false,
            label_separator: default_separator(),
            max_missing: default_max_missing(),
            weight: None,
        }
    }
}

/// What a record goes in as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// The text of a column.
    Text(&'a str),
    /// The image of a column.
    Image(&'a str),
    /// Several columns; all that are not otherwise used, where none is named.
    Table(Option<&'a [String]>),
}

/// What is to be learnt of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted<'a> {
    /// Labels.
    Labels(&'a LabelColumn),
    /// Numbers.
    Values(&'a TargetColumns),
}
