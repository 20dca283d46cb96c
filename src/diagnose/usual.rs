//! Which settings are usual. A setting far from what trainings take as a rule is the first suspect
//! where something is wrong; one within is not, whatever helps. The ranges are wide: they are those of
//! textbooks and of the defaults of common libraries, not of any data set.

use crate::learn::network::NetworkSpec;
use crate::learn::optimizer::OptimizerSpec;
use crate::model::spec::TrainSpec;

/// Weight of a change of a setting that is usual as it is.
const OF_USUAL: f64 = 0.7;
/// Momentum above which a velocity forgets too slowly for trainings of some thousand steps.
pub const MOMENTUM: f64 = 0.95;
/// Share of units left out above which little is left.
pub const DROPOUT: f64 = 0.6;
/// Records a batch.
pub const BATCH: [f64; 2] = [8.0, 512.0];
/// Steps below which hardly any network has learnt.
pub const STEPS: f64 = 200.0;

/// How far a number is outside a range, in powers of ten: above 0 beyond the upper end, below 0 beyond
/// the lower one, 0 within.
pub fn decades_outside(value: f64, [low, high]: [f64; 2]) -> f64 {
    if value > high {
        (value / high).log10()
    } else if value < low {
        (value.max(1e-30) / low).log10()
    } else {
        0.0
    }
}

/// How much a change of a setting counts that is so many powers of ten from what is usual: 0.7 for
/// none, 1 from one on.
pub fn weight(decades: f64) -> f64 {
    OF_USUAL + (1.0 - OF_USUAL) * decades.abs().min(1.0)
}

/// The usual learning rates of an optimiser.
pub fn learning_rates(spec: &TrainSpec) -> [f64; 2] {
    match &spec.optimizer {
        OptimizerSpec::Adam(_) | OptimizerSpec::AdamW(_) => [5e-4, 0.05],
        OptimizerSpec::RmsProp(_) => [2e-4, 0.02],
        OptimizerSpec::Adagrad(_) => [5e-3, 0.5],
        OptimizerSpec::Sgd(sgd) => {
            // Momentum lengthens steps; gradients of pooled n-grams are small.
            let longer = 1.0 / (1.0 - sgd.momentum.min(0.9));
            let bag = matches!(spec.network, NetworkSpec::EmbeddingBag(_));
            let unit = if bag { 10.0 } else { 1.0 } / longer;
            [0.02 * unit, 2.0 * unit]
        }
    }
}

/// How far the learning rate is outside what is usual, in powers of ten.
pub fn learning_rate(spec: &TrainSpec) -> f64 {
    decades_outside(spec.optimizer.learning_rate(), learning_rates(spec))
}

/// The momentum of an optimiser, with its field.
pub fn momentum(spec: &TrainSpec) -> Option<(&'static str, f64)> {
    match &spec.optimizer {
        OptimizerSpec::Sgd(sgd) => Some(("optimizer.momentum", sgd.momentum)),
        OptimizerSpec::RmsProp(rms) => Some(("optimizer.momentum", rms.momentum)),
        OptimizerSpec::Adam(adam) => Some(("optimizer.beta1", adam.beta1)),
        OptimizerSpec::AdamW(adam) => Some(("optimizer.beta1", adam.beta1)),
        OptimizerSpec::Adagrad(_) => None,
    }
}

/// A penalty on weights.
pub struct Penalty {
    /// Its field.
    pub path: &'static str,
    /// Its value.
    pub value: f64,
    /// The value above which it is unusual.
    pub most: f64,
    /// The value to go back to.
    pub usual: f64,
}

/// The penalties on weights.
pub fn penalties(spec: &TrainSpec) -> Vec<Penalty> {
    let path = "optimizer.weight_decay";
    let decay = match &spec.optimizer {
        OptimizerSpec::AdamW(adam) => Some((adam.weight_decay, 0.2, 0.01)),
        OptimizerSpec::Sgd(sgd) => Some((sgd.weight_decay, 0.01, 0.0)),
        OptimizerSpec::RmsProp(rms) => Some((rms.weight_decay, 0.01, 0.0)),
        OptimizerSpec::Adam(_) | OptimizerSpec::Adagrad(_) => None,
    };
    let decay = decay.map(|(value, most, usual)| Penalty { path, value, most, usual });
    let [l1, l2] = [spec.regularization.l1, spec.regularization.l2].map(f64::from);
    let l1 = Penalty { path: "regularization.l1", value: l1, most: 1e-3, usual: 0.0 };
    let l2 = Penalty { path: "regularization.l2", value: l2, most: 1e-2, usual: 0.0 };
    decay.into_iter().chain([l1, l2]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_in_powers_of_ten() {
        let of = |value| decades_outside(value, [0.01, 1.0]);
        assert_eq!([of(0.01), of(0.3), of(1.0)], [0.0; 3]);
        assert!((of(100.0) - 2.0).abs() < 1e-12 && (of(0.001) + 1.0).abs() < 1e-12);
        assert!((weight(0.0) - 0.7).abs() < 1e-12 && (weight(-2.0) - 1.0).abs() < 1e-12);
    }
}
