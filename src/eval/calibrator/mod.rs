//! Calibrators: from logits to probabilities that mean what they say.
//!
//! A new calibrator is a file here, a variant of [`Calibrator`] and [`CalibratorKind`] and a line
//! in `CalibratorKind::fit` and `Calibrator::probabilities`.

mod beta;
mod choice;
mod isotonic;
mod lbfgs;
mod logistic;
mod per_label;
mod platt;
mod temperature;
#[cfg(test)]
mod tests;
mod top_label;
mod vector;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use beta::BetaCalibration;
pub use choice::{CandidateLoss, Choice, MIN_RECORDS, fit};
pub use isotonic::IsotonicRegression;
pub use per_label::LabelCalibrator;
pub use platt::PlattScaling;
pub use vector::VectorScaling;

use super::named::named;
use super::{Link, Matrix, sigmoid};
use top_label::TopLabel;

named! {
    /// Which calibrator, the simpler first.
    pub enum CalibratorKind {
        /// The network's own probabilities.
        Identity = "identity",
        /// One temperature for all logits.
        Temperature = "temperature",
        /// A temperature for each label; where records are multi-label.
        TemperaturePerLabel = "temperature_per_label",
        /// A scale and a bias for each class; where records have one class. (Where they are multi-label
        /// that is `platt`.)
        Vector = "vector",
        /// A line through the log-odds of the top label, or of each label where records are
        /// multi-label.
        Platt = "platt",
        /// A beta curve, of the same.
        Beta = "beta",
        /// Any non-decreasing curve, of the same.
        Isotonic = "isotonic",
    }
}

impl CalibratorKind {
    /// Whether it calibrates such probabilities.
    pub fn applies(self, link: Link) -> bool {
        match self {
            Self::TemperaturePerLabel => link == Link::Sigmoid,
            Self::Vector => link == Link::Softmax,
            Self::Identity | Self::Temperature | Self::Platt | Self::Beta | Self::Isotonic => true,
        }
    }

    /// Fits to `records`; `None` where it does not apply.
    fn fit(self, logits: &Matrix, truth: Truth<'_>, records: &[usize]) -> Option<Calibrator> {
        let temperature = || temperature::fit(logits, truth, records);
        match (self, truth) {
            (Self::Identity, _) => Some(Calibrator::Identity),
            (Self::Temperature, _) => Some(Calibrator::Temperature { temperature: temperature() }),
            (kind, Truth::Labels(labels)) => {
                let labels = per_label::fit(kind, logits, labels, records)?;
                Some(Calibrator::PerLabel { labels })
            }
            (Self::Vector, Truth::Classes(classes)) => {
                let vector = VectorScaling::fit(logits, classes, records, temperature());
                Some(Calibrator::Vector(vector))
            }
            (kind, Truth::Classes(classes)) => {
                let (log_odds, right) = top_labels(logits, classes, records);
                match kind {
                    Self::Platt => Some(Calibrator::Platt(PlattScaling::fit(&log_odds, &right))),
                    Self::Beta => Some(Calibrator::Beta(BetaCalibration::fit(&log_odds, &right))),
                    Self::Isotonic => {
                        Some(Calibrator::Isotonic(IsotonicRegression::fit(&log_odds, &right)))
                    }
                    Self::Identity
                    | Self::Temperature
                    | Self::TemperaturePerLabel
                    | Self::Vector => None,
                }
            }
        }
    }
}

/// A fitted calibrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Calibrator {
    /// The network's own probabilities.
    Identity,
    /// All logits divided by one temperature (Guo et al. 2017).
    Temperature {
        /// Above 1 it lowers confidence, below 1 it raises it.
        temperature: f64,
    },
    /// A scale and a bias for each class (Guo et al. 2017). It may change which class is the top.
    Vector(VectorScaling),
    /// A line through the log-odds of the top label (Platt 1999). The other labels keep their
    /// proportions, and the top label stays the top.
    Platt(PlattScaling),
    /// A beta curve of the top label's probability (Kull et al. 2017), likewise.
    Beta(BetaCalibration),
    /// A non-decreasing curve of the top label's probability (Zadrozny and Elkan 2002), likewise.
    Isotonic(IsotonicRegression),
    /// Each label by itself; where records are multi-label.
    PerLabel {
        /// The calibrator of each label, in their order.
        labels: Vec<LabelCalibrator>,
    },
}

/// What the records' true labels are.
#[derive(Debug, Clone, Copy)]
pub enum Truth<'a> {
    /// The class of each record.
    Classes(&'a [u32]),
    /// Whether each label holds, record by record.
    Labels(&'a [Vec<bool>]),
}

impl Truth<'_> {
    fn link(&self) -> Link {
        match self {
            Truth::Classes(_) => Link::Softmax,
            Truth::Labels(_) => Link::Sigmoid,
        }
    }
}

impl Calibrator {
    /// Probabilities of one record.
    pub fn probabilities(&self, link: Link, logits: &[f32]) -> Vec<f64> {
        match self {
            Self::Identity => link.probabilities(logits, 1.0),
            Self::Temperature { temperature } => link.probabilities(logits, *temperature),
            Self::Vector(vector) => vector.probabilities(link, logits),
            Self::Platt(platt) => by_log_odds(link, logits, |m| platt.probability(m)),
            Self::Beta(beta) => by_log_odds(link, logits, |m| beta.probability(m)),
            Self::Isotonic(curve) => by_log_odds(link, logits, |m| curve.probability(m)),
            Self::PerLabel { labels } => {
                let probability = |(i, &z): (usize, &f32)| {
                    let z = f64::from(z);
                    labels.get(i).map_or_else(|| sigmoid(z), |label| label.probability(z))
                };
                logits.iter().enumerate().map(probability).collect()
            }
        }
    }
}

/// One curve of log-odds, applied to the top label or, where each label stands by itself, to all.
fn by_log_odds(link: Link, logits: &[f32], probability: impl Fn(f64) -> f64) -> Vec<f64> {
    match link {
        Link::Softmax => {
            let top = TopLabel::of(logits);
            let confidence = probability(top.log_odds);
            top.spread(confidence)
        }
        Link::Sigmoid => logits.iter().map(|&z| probability(f64::from(z))).collect(),
    }
}

/// The log-odds of each record's top label, and whether it is right.
fn top_labels(logits: &Matrix, classes: &[u32], records: &[usize]) -> (Vec<f64>, Vec<bool>) {
    let read = |&record: &usize| {
        let top = TopLabel::of(logits.row(record));
        // Finite, also where there is one class only.
        (top.log_odds.min(f64::from(f32::MAX)), top.label == classes[record] as usize)
    };
    records.iter().map(read).unzip()
}
