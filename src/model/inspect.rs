//! The layers of a model's network, on some of the records that trained it.

use serde::{Deserialize, Serialize};

use super::Model;
use crate::eval::noise_scale::{NoiseScale, gradient_noise_scale};
use crate::learn::LearnError;
use crate::learn::inspect::{self, LayerReport};
use crate::learn::loss::Loss;
use crate::learn::network::{Frozen, Network};
use crate::learn::rows::{Features, Targets};

/// Training records that are looked at, at most.
pub const RECORDS: usize = 256;
/// Records of the small and of the large batches that the gradient's noise is measured with.
const BATCHES: [usize; 2] = [4, 32];

/// The first training records, to look into the layers by.
pub struct Sample {
    /// What training minimised.
    pub loss: Loss,
    /// Their features.
    pub features: Features,
    /// Their targets.
    pub targets: Targets,
}

/// The layers before training and after it, from the input on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// With the parameters that training began with; empty where it began with another model's.
    pub before: Vec<LayerReport>,
    /// With those that it kept.
    pub after: Vec<LayerReport>,
    /// The gradient's noise where training began; `None` where the sample does not tell.
    #[serde(default)]
    pub noise_before: Option<NoiseScale>,
    /// The same where it ended.
    #[serde(default)]
    pub noise_after: Option<NoiseScale>,
}

impl Sample {
    /// How large a batch is worth while at some parameters.
    fn noise(&self, at: &Frozen) -> Result<Option<NoiseScale>, LearnError> {
        let norms = |size| {
            let records = (&self.features, &self.targets);
            inspect::squared_gradient_norms(at, &self.loss, records, size)
        };
        let [small, large] = BATCHES;
        let (of_small, of_large) = (norms(small)?, norms(large)?);
        // Of each large batch, the mean of the small ones in it.
        let parts = of_small.chunks_exact(large / small);
        let means = parts.map(|part| part.iter().sum::<f64>() / part.len() as f64);
        let draws: Vec<(f64, f64)> = means.zip(of_large).collect();
        Ok(gradient_noise_scale(small, large, &draws))
    }
}

/// Inspects a model on a sample of its training records.
pub fn layers(model: &Model, sample: &Sample) -> Result<Inspected, LearnError> {
    let (spec, after) = (&model.spec, &model.reader.network);
    let records = (&sample.features, &sample.targets);
    let (before, noise_before) = match &spec.init_from {
        Some(_) => (Vec::new(), None),
        None => {
            let seed = spec.training.seed;
            let first = Network::new(&spec.network, after.input(), after.outputs(), seed)?;
            let first = first.freeze()?;
            (inspect::layers(&first, &sample.loss, records)?, sample.noise(&first)?)
        }
    };
    let noise_after = sample.noise(after)?;
    let after = inspect::layers(after, &sample.loss, records)?;
    Ok(Inspected { before, after, noise_before, noise_after })
}
