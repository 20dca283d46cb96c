//! What goes on in the layers of a network, on a batch of training records: gradients that vanish or
//! explode on their way back, hidden units that are dead or saturated.

use serde::{Deserialize, Serialize};

use super::LearnError;
use super::augment::{Augmentation, AugmentationSpec};
use super::loss::Loss;
use super::network::{Activation, Frozen, Network, Noise};
use super::regularize::NgramDropout;
use super::rows::{Features, Targets};

/// A value of a sigmoid or hyperbolic tangent within this of its ends is saturated.
const SATURATED: f32 = 0.01;

/// A layer of a network, on a batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Its name, such as `layers.0`.
    pub name: String,
    /// Euclidean norm of its parameters' gradient of the mean loss; `None` where that is not finite.
    pub gradient_norm: Option<f64>,
    /// Share of its units that are 0 for every record (ReLU), in \[0, 1\]; `None` for layers without a
    /// rectifier.
    pub dead: Option<f64>,
    /// Share of its values within 0.01 of an end of their range (sigmoid, tanh), in \[0, 1\]; `None`
    /// for layers without such an activation.
    pub saturated: Option<f64>,
    /// Standard deviation of its values over records, mean over its units; `None` for layers without
    /// an activation. Near 0 the layer says the same of every record.
    pub spread: Option<f64>,
}

/// Inspects a network on all of these records, with nothing left to chance but the dropout of hidden
/// units.
pub fn layers(
    frozen: &Frozen,
    loss: &Loss,
    (features, targets): (&Features, &Targets),
) -> Result<Vec<LayerReport>, LearnError> {
    let all: Vec<usize> = (0..features.len()).collect();
    let mut network = Network::thaw(frozen)?.with_loss(loss.clone());
    let gradients = gradient_norms(&mut network, (features, targets), &all)?;
    let activation = frozen.spec().dense().activation;
    let mut units: Vec<Vec<Unit>> =
        frozen.spec().dense().hidden.iter().map(|width| vec![Unit::default(); *width]).collect();
    for &record in &all {
        frozen.view().evaluate_seen(features.row(record), |layer, values| {
            units[layer]
                .iter_mut()
                .zip(values)
                .for_each(|(unit, value)| unit.see(*value, activation));
        });
    }
    let report = |(name, norm): (String, f64)| {
        let layer = name.strip_prefix("layers.").and_then(|place| place.parse::<usize>().ok());
        let units = layer.and_then(|layer| units.get(layer)).filter(|units| !units.is_empty());
        let mean = |of: &dyn Fn(&Unit) -> f64| {
            units.map(|units| units.iter().map(of).sum::<f64>() / units.len() as f64)
        };
        let n = all.len().max(1) as f64;
        let rectifies = matches!(activation, Activation::Relu);
        let bounded = matches!(activation, Activation::Sigmoid | Activation::Tanh);
        LayerReport {
            gradient_norm: Some(norm).filter(|norm| norm.is_finite()),
            dead: mean(&|unit| f64::from(u8::from(unit.zeros as f64 == n))).filter(|_| rectifies),
            saturated: mean(&|unit| unit.saturated as f64 / n).filter(|_| bounded),
            spread: mean(&|unit| unit.deviation(n)).filter(|spread| spread.is_finite()),
            name,
        }
    };
    Ok(gradients.into_iter().map(report).collect())
}

/// Squared norm of the gradient of the mean loss, of each `size` records after another, as many as are
/// full.
pub fn squared_gradient_norms(
    frozen: &Frozen,
    loss: &Loss,
    records: (&Features, &Targets),
    size: usize,
) -> Result<Vec<f64>, LearnError> {
    let mut network = Network::thaw(frozen)?.with_loss(loss.clone());
    let all: Vec<usize> = (0..records.0.len()).collect();
    let of = |batch: &[usize]| {
        let norms = gradient_norms(&mut network, records, batch)?;
        Ok(norms.into_iter().map(|(_, norm)| norm * norm).sum())
    };
    all.chunks_exact(size.max(1)).map(of).collect()
}

/// The norm of the gradient of the mean loss of these records, for each layer.
fn gradient_norms(
    network: &mut Network,
    records: (&Features, &Targets),
    batch: &[usize],
) -> Result<Vec<(String, f64)>, LearnError> {
    let none = NgramDropout::new(0.0, 0, 0);
    let augmentation = Augmentation::new(&AugmentationSpec::default(), 0, 0);
    let noise = Noise { ngrams: &none, augmentation: &augmentation, key: 0 };
    Ok(network.layer_gradients(records, batch, noise)?.0)
}

/// What was seen of a hidden unit.
#[derive(Clone, Default)]
struct Unit {
    zeros: usize,
    saturated: usize,
    sum: f64,
    squares: f64,
}

impl Unit {
    fn see(&mut self, value: f32, activation: Activation) {
        let low = if activation == Activation::Sigmoid { 0.0 } else { -1.0 };
        self.zeros += usize::from(value == 0.0);
        self.saturated += usize::from(value < low + SATURATED || value > 1.0 - SATURATED);
        self.sum += f64::from(value);
        self.squares += f64::from(value).powi(2);
    }

    fn deviation(&self, n: f64) -> f64 {
        (self.squares / n - (self.sum / n).powi(2)).max(0.0).sqrt()
    }
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
