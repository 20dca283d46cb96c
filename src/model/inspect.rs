//! The layers of a model's network, on some of the records that trained it.

use serde::{Deserialize, Serialize};

use super::Model;
use crate::learn::LearnError;
use crate::learn::inspect::{self, LayerReport};
use crate::learn::loss::Loss;
use crate::learn::network::Network;
use crate::learn::rows::{Features, Targets};

/// Training records that are looked at, at most.
pub const RECORDS: usize = 256;

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
}

/// Inspects a model on a sample of its training records.
pub fn layers(model: &Model, sample: &Sample) -> Result<Inspected, LearnError> {
    let (spec, after) = (&model.spec, &model.reader.network);
    let records = (&sample.features, &sample.targets);
    let before = match &spec.init_from {
        Some(_) => Vec::new(),
        None => {
            let seed = spec.training.seed;
            let first = Network::new(&spec.network, after.input(), after.outputs(), seed)?;
            inspect::layers(&first.freeze()?, &sample.loss, records)?
        }
    };
    let after = inspect::layers(after, &sample.loss, records)?;
    Ok(Inspected { before, after })
}
