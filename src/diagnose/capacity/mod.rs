//! What the network can represent: too little, or so much that it memorises.

pub mod capacity_too_large;
pub mod capacity_too_small;
pub mod memorizes;

use crate::diagnose::finding::Measurement;
use crate::diagnose::known::Known;

/// Hidden widths of the model.
fn hidden(known: &Known<'_>) -> Vec<usize> {
    known.bench.spec().network.dense().hidden.clone()
}

/// Parameters of the network for each training record: many more than one can remember them all.
fn parameters(known: &Known<'_>) -> Measurement {
    let records = known.bench.parts.train.len().max(1) as f64;
    let parameters = known.bench.model.card.parameters as f64;
    Measurement::new("parameters of the network for each training record", parameters / records)
}

/// Widths as text, such as `50-50`, or `none`.
fn widths(hidden: &[usize]) -> String {
    match hidden {
        [] => "no hidden layer".to_owned(),
        [one] => format!("a hidden layer of {one} units"),
        many => {
            let named: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("hidden layers of {} units", named.join(" and "))
        }
    }
}

#[cfg(test)]
mod tests;
