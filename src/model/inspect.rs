//! The layers of a model's network, on some of the records that trained it.

use serde::{Deserialize, Serialize};

use super::Model;
use super::encoder::{Records, features};
use super::error::FitError;
use super::fit::{Divided, TrainingTable, divide};
use crate::learn::inspect::{self, LayerReport};
use crate::learn::network::Network;

/// Training records that are looked at, at most.
pub const RECORDS: usize = 256;

/// The layers before training and after it, from the input on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// With the parameters that training began with; empty where it began with another model's.
    pub before: Vec<LayerReport>,
    /// With those that it kept.
    pub after: Vec<LayerReport>,
}

/// Inspects a model on the first records of its training split. `table` holds the columns that its
/// spec names.
pub fn layers(
    model: &Model,
    table: &TrainingTable,
    source: Option<&Model>,
) -> Result<Inspected, FitError> {
    let spec = &model.spec;
    let seen = source.map_or(&[][..], |source| source.trained_on.as_slice());
    let Divided { output, outcomes, parts, .. } =
        divide(spec, table.clone(), seen, &mut Vec::new())?;
    // The numbers are scaled as the model learnt to.
    let output = if output.head().is_some() { output } else { model.reader.output.clone() };
    let records = Records::new(spec.task.input(), table.inputs.clone());
    let sample: Vec<usize> = parts.train.iter().copied().take(RECORDS).collect();
    let encoder = &model.reader.encoder;
    let encoded = encoder.encode_all(&records, &sample)?;
    let form = spec.network.text_form();
    let rows = features(encoder, encoder.shape(form), form, &encoded);
    let targets = output.targets(&outcomes, &sample);
    let loss = spec.loss.prepare(output.label_names(), &targets)?;
    let after = &model.reader.network;
    let before = match &spec.init_from {
        Some(_) => Vec::new(),
        None => {
            let seed = spec.training.seed;
            let first = Network::new(&spec.network, after.input(), after.outputs(), seed)?;
            inspect::layers(&first.freeze()?, &loss, (&rows, &targets))?
        }
    };
    let after = inspect::layers(after, &loss, (&rows, &targets))?;
    Ok(Inspected { before, after })
}
