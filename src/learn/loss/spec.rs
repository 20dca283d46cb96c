//! Which loss, as it is asked for ([`LossSpec`]) and as it is computed ([`Loss`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::learn::rows::Targets;

/// What training minimises. Whether it is of a softmax or of sigmoids is the task's to say: one label
/// of several, or any number of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LossSpec {
    /// Negative log probability of the true labels.
    CrossEntropy(CrossEntropySpec),
    /// Mean squared error, for a regression: ½ is not in it.
    Mse,
    /// Mean absolute error, for a regression: outliers pull less.
    Mae,
    /// Squared near 0, absolute far from it, for a regression (Huber 1964).
    Huber(HuberSpec),
}

/// Settings of the Huber loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HuberSpec {
    /// Error δ up to which the loss is ½ e², in standard deviations of the target; beyond, it is
    /// δ (|e| − ½ δ).
    #[schema(exclusive_minimum = 0.0, maximum = 1000.0)]
    pub delta: f64,
}

impl Default for HuberSpec {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl Default for LossSpec {
    fn default() -> Self {
        Self::CrossEntropy(CrossEntropySpec::default())
    }
}

/// Cross-entropy: −Σ q ln p over the labels, averaged over the records; for a multi-label task, binary
/// cross-entropy, averaged over records and labels. Metrics never see what is set here: the log loss
/// of a split stays plain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CrossEntropySpec {
    /// Share ε of a target that is spread evenly over all labels, in \[0, 1) (Szegedy et al. 2016):
    /// q = (1 − ε) y + ε / labels; multi-label: (1 − ε) y + ε / 2. Larger means less sure of itself;
    /// 0.1 is usual.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    pub label_smoothing: f64,
    /// Exponent γ of the focal loss, −Σ q (1 − p)^γ ln p (Lin et al. 2017). Larger counts records that
    /// are right already for less; 2 is usual, 0 is plain cross-entropy.
    #[schema(minimum = 0.0, maximum = 10.0)]
    pub focal_gamma: f64,
    /// How much each label counts. Default: all the same.
    pub class_weights: Option<ClassWeights>,
}

/// How much each label counts: `"balanced"`, or a factor for each label by name. A record's loss is
/// multiplied by the factor of its label; the batch's is divided by the number of records all the
/// same. In a multi-label task the factor is that of records that have the label against those that
/// do not (PyTorch's `pos_weight`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ClassWeights {
    /// By rarity among the training records: records / (labels · records of the label); multi-label:
    /// records without the label / records with it.
    Balanced(Balanced),
    /// A factor above 0 for each label by name; 1 for labels that are not named.
    ByLabel(BTreeMap<String, f64>),
}

/// The one word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balanced {
    /// By rarity.
    Balanced,
}

/// A factor for a label that no record has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no record has the label {label:?}")]
pub struct UnknownLabel {
    /// The label.
    pub label: String,
}

/// A loss, ready to be computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loss {
    /// Share of a target that is spread evenly.
    pub smoothing: f64,
    /// Exponent of the focal loss.
    pub gamma: f64,
    /// Factor of each label, if they differ.
    pub weights: Option<Vec<f64>>,
    /// Factor of each record, if they differ.
    pub records: Option<Vec<f32>>,
    /// What is minimised where the targets are numbers.
    pub error: ErrorLoss,
}

/// A loss of the error e of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum ErrorLoss {
    /// e².
    #[default]
    Squared,
    /// |e|.
    Absolute,
    /// ½ e² up to δ, δ (|e| − ½ δ) beyond.
    Huber(f64),
}

impl LossSpec {
    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy(_) => "cross_entropy",
            Self::Mse => "mse",
            Self::Mae => "mae",
            Self::Huber(_) => "huber",
        }
    }

    /// Whether it is for targets that are numbers, not labels.
    pub fn is_of_numbers(&self) -> bool {
        !matches!(self, Self::CrossEntropy(_))
    }

    /// The loss for `labels`, in the order of the outputs, and what is learnt.
    pub fn prepare(&self, labels: &[String], targets: &Targets) -> Result<Loss, UnknownLabel> {
        let error = |error| Loss { error, ..Loss::default() };
        Ok(match self {
            Self::CrossEntropy(CrossEntropySpec {
                label_smoothing,
                focal_gamma,
                class_weights,
            }) => {
                let weights = class_weights.as_ref().map(|weights| weights.of(labels, targets));
                let (smoothing, gamma) = (*label_smoothing, *focal_gamma);
                Loss { smoothing, gamma, weights: weights.transpose()?, ..Loss::default() }
            }
            Self::Mse => error(ErrorLoss::Squared),
            Self::Mae => error(ErrorLoss::Absolute),
            Self::Huber(spec) => error(ErrorLoss::Huber(spec.delta)),
        })
    }
}

impl ClassWeights {
    fn of(&self, labels: &[String], targets: &Targets) -> Result<Vec<f64>, UnknownLabel> {
        match self {
            Self::Balanced(_) => Ok(balanced(labels.len(), targets)),
            Self::ByLabel(factors) => {
                let mut weights = vec![1.0; labels.len()];
                for (label, factor) in factors {
                    let unknown = || UnknownLabel { label: label.clone() };
                    let position = labels.iter().position(|l| l == label).ok_or_else(unknown)?;
                    weights[position] = *factor;
                }
                Ok(weights)
            }
        }
    }
}

fn balanced(labels: usize, targets: &Targets) -> Vec<f64> {
    let mut counts = vec![0.0f64; labels];
    let records = targets.len() as f64;
    match targets {
        Targets::Binary(classes) | Targets::MultiClass { labels: classes, .. } => {
            classes.iter().for_each(|&class| counts[class as usize] += 1.0);
            counts.iter().map(|count| records / (labels as f64 * count.max(1.0))).collect()
        }
        Targets::MultiLabel { indicators, .. } => {
            for row in indicators.chunks_exact(labels) {
                counts.iter_mut().zip(row).for_each(|(count, &y)| *count += f64::from(y));
            }
            // A label that every record has still counts.
            counts.iter().map(|count| (records - count).max(1.0) / count.max(1.0)).collect()
        }
        Targets::Values { .. } => vec![1.0; labels],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(weights: &str, targets: &Targets) -> Result<Vec<f64>, UnknownLabel> {
        let json = format!(r#"{{"type": "cross_entropy", "class_weights": {weights}}}"#);
        let spec: LossSpec = serde_json::from_str(&json).unwrap();
        let back: LossSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(spec, back);
        let names = ["a", "b", "c"].map(str::to_owned);
        let names = if targets.outputs() == 1 { &names[..2] } else { &names[..] };
        Ok(spec.prepare(names, targets)?.weights.unwrap())
    }

    /// scikit-learn: compute_class_weight("balanced", classes=[0, 1, 2], y=[0, 0, 0, 1, 1, 2]).
    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        let targets = Targets::MultiClass { labels: vec![0, 0, 0, 1, 1, 2], classes: 3 };
        assert_eq!(prepared("\"balanced\"", &targets), Ok(vec![6.0 / 9.0, 1.0, 2.0]));
        let binary = Targets::Binary(vec![0, 0, 0, 1]);
        assert_eq!(prepared("\"balanced\"", &binary), Ok(vec![4.0 / 6.0, 2.0]));
    }

    #[test]
    fn balanced_labels_weigh_what_is_without_them() {
        let indicators = vec![1., 0., 1., 0., 0., 1., 0., 0., 1., 0., 1., 1.];
        let targets = Targets::MultiLabel { indicators, labels: 3 };
        assert_eq!(prepared("\"balanced\"", &targets), Ok(vec![3.0, 3.0, 0.25]));
    }

    #[test]
    fn factors_by_name() {
        let targets = Targets::Binary(vec![0, 1]);
        assert_eq!(prepared(r#"{"b": 3.5}"#, &targets), Ok(vec![1.0, 3.5]));
        let unknown = prepared(r#"{"z": 2}"#, &targets);
        assert_eq!(unknown, Err(UnknownLabel { label: "z".to_owned() }));
    }
}
