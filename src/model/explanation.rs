//! Why a record is scored as it is, as answers tell it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a record is scored as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The label for which contributions speak, or the target column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What each token of the text or each column of the row contributes, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contributions: Option<Vec<Contribution>>,
    /// How many tokens or columns come after those that are explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_explained: Option<usize>,
    /// The training records that are most like this one, the most similar first; of equally similar
    /// ones the earlier row. They are found among those that the model keeps: up to 4,096, and
    /// fewer where a vector has more than 1,024 numbers; a seeded sample beyond that. Empty where
    /// nothing of a text is known, so that it is like no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbors: Option<Vec<Neighbor>>,
}

/// What a token or a column contributes: what the model says of the record, minus what it says
/// without that part. Without a token, those before and after it stand side by side, and the n-grams
/// that held it are gone. Without a column, each of its features is the training records' mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contribution {
    /// The token as it stands in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its first character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
    /// One past its last character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
    /// The column of a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The change of ln(p / (1 − p)) of the label's probability p by the network itself; positive
    /// speaks for the label. Where labels are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_odds: Option<f32>,
    /// The change of that probability, in \[-1, 1\].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f32>,
    /// The change of the predicted number, in the target's unit. Where numbers are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The change of Fisher's statistic `ood.score`; positive makes the record more
    /// out-of-distribution. `null` without calibration records.
    pub ood: Option<f32>,
}

/// A training record that is like the one that was scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Neighbor {
    /// Its row in the dataset, from 1.
    pub row: u64,
    /// How alike they are; 1 for the same. Texts and images: the cosine of their representations, in
    /// \[-1, 1\]. Rows: 1 / (1 + d) for the Euclidean distance d of their features, numbers
    /// standardised, in (0, 1\].
    pub similarity: f64,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its labels, where a record may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Its number in each target column, where numbers are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, f64>>,
    /// Its text, cut after 500 characters. As long as the server has the dataset, for models of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its value in each column that the model reads, as the dataset holds it, texts cut after 500
    /// characters. As long as the server has the dataset, for models of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<BTreeMap<String, serde_json::Value>>,
}
