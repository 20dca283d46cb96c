//! What a model predicts of a record, and nothing of what tells how far to trust it but its confidence.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::Model;
use super::criteria::Thresholds;
use super::encoder::Encoded;
use crate::eval::argmax;
use crate::problem::Problem;
use crate::task::{Head, LabelSet, Output};

/// The prediction for one record, or the problem with this record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Prediction {
    /// The record was given labels.
    Label(PredictedLabel),
    /// The record was given numbers.
    Value(PredictedValue),
    /// The record could not be scored; the others were.
    Failed {
        /// Why.
        error: Box<Problem>,
    },
}

/// The label of a record, as in a full score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PredictedLabel {
    /// The most probable label; `null` where a record may have several.
    #[schema(value_type = Option<String>)]
    pub label: Option<LabelName>,
    /// Every label with a probability of at least ½, where a record may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub labels: Option<Vec<LabelName>>,
    /// The calibrated probability that the label is right, in \[0, 1\]; where a text may have
    /// several, that the least certain one is. `null` where nothing was calibrated.
    pub confidence: Option<f32>,
    /// The same before calibration.
    pub raw_confidence: f32,
}

/// The number of a record, as in a full score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PredictedValue {
    /// The predicted number, in the target's unit; of several targets, the first one's.
    pub value: f64,
    /// Where the true number lies with probability at least 1 − `max_miscoverage`, for records like
    /// those of the training. `null` where the calibration split is too small.
    pub interval: Option<[f64; 2]>,
    /// Every target, where there are several. Each interval holds by itself, not all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<TargetValue>,
}

/// The prediction of one of several targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetValue {
    /// The column.
    pub target: String,
    /// The predicted number, in its unit.
    pub value: f64,
    /// Where the true number lies with probability at least 1 − `max_miscoverage`.
    pub interval: Option<[f64; 2]>,
}

/// The name of a label, without a copy of it. Predictions of one model share the names.
#[derive(Clone)]
pub struct LabelName {
    names: Arc<[String]>,
    label: u32,
}

impl LabelName {
    fn of(labels: &LabelSet, label: usize) -> Self {
        Self { names: labels.shared_names(), label: label as u32 }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.names.get(self.label as usize).map_or("", String::as_str)
    }
}

impl fmt::Debug for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl PartialEq for LabelName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for LabelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for LabelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self { names: Arc::new([name]), label: 0 })
    }
}

impl PredictedLabel {
    /// From the network's own probabilities and the calibrated ones.
    pub(super) fn of(
        (labels, head): (&LabelSet, Head),
        raw: &[f64],
        calibrated: Option<&[f64]>,
    ) -> Self {
        let several = head == Head::MultiLabel;
        let name = |label| LabelName::of(labels, label);
        let holding = || {
            let holds = |(label, p): (usize, &f64)| (*p >= 0.5).then(|| name(label));
            raw.iter().enumerate().filter_map(holds).collect()
        };
        Self {
            label: (!several).then(|| name(argmax(raw))),
            labels: several.then(holding),
            confidence: calibrated.map(|p| head.certainty(p, raw) as f32),
            raw_confidence: head.certainty(raw, raw) as f32,
        }
    }
}

impl Model {
    /// The prediction for a record: the label and confidence, or the value and interval, that its full
    /// score has, with the same bits.
    pub fn predict(&self, encoded: &Encoded, thresholds: &Thresholds) -> Prediction {
        let (representation, logits) = self.reader.evaluate(encoded);
        match &self.reader.output {
            Output::Labels { labels, head } => {
                let raw = self.reader.probabilities(&logits);
                let calibrated = self.calibration.calibrated(&self.reader.output, &logits, &raw);
                let of = (labels, *head);
                Prediction::Label(PredictedLabel::of(of, &raw, calibrated.as_deref()))
            }
            Output::Values { names, .. } => {
                let vector = super::vector(encoded, &representation);
                Prediction::Value(self.predicted_value(names, &logits, vector, thresholds))
            }
        }
    }

    /// The numbers that outputs stand for. `vector` is what distances are measured by.
    pub(super) fn predicted_value(
        &self,
        names: &[String],
        outputs: &[f32],
        vector: &[f32],
        thresholds: &Thresholds,
    ) -> PredictedValue {
        let predicted = self.reader.values(outputs);
        let halves = self.half_widths(vector, thresholds);
        let interval = |target: usize| {
            let half = *halves.as_ref()?.get(target)?;
            Some([predicted[target] - half, predicted[target] + half])
        };
        let value = |(target, name): (usize, &String)| TargetValue {
            target: name.clone(),
            value: predicted[target],
            interval: interval(target),
        };
        let several = names.len() > 1;
        PredictedValue {
            value: predicted[0],
            interval: interval(0),
            values: names.iter().enumerate().filter(|_| several).map(value).collect(),
        }
    }
}
