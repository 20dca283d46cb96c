//! Random changes of a spec, such as someone without a diagnosis would try: what a remedy must beat. A
//! study of repair tools (arXiv 2301.11568) found that such changes, at equal cost, match them.

use serde_json::{Value, json};

use super::probe::Change;
use crate::model::spec::TrainSpec;
use crate::random::{self, keyed};

/// Fields that say how long a training goes on.
const LENGTH: [&str; 4] =
    ["training.epochs", "training.early_stopping", "training.max_steps", "training.max_seconds"];

/// A random change of one or two settings, of those that leave the cost of an epoch about the same.
/// Deterministic by its seed. `epochs` is set where the remedy that it is compared with changes them, so
/// that both cost as much; but where these are all of the remedy, a change with them would be the remedy
/// and more, and it has the epochs of the original.
pub fn random_change(spec: &TrainSpec, remedy: &Change, seed: u64) -> Change {
    let mut rng = random::stream(keyed(seed), "diagnose.random_change");
    let mut options = options(spec);
    random::shuffle(&mut options, &mut rng);
    let count = 1 + (keyed(seed ^ 0x0063_6f75_6e74) % 2) as usize;
    let mut change = Change::new();
    for (path, mut values) in options.into_iter().take(count) {
        random::shuffle(&mut values, &mut rng);
        if let Some(value) = values.into_iter().next() {
            change.insert(path, value);
        }
    }
    let longer = |path: &String| LENGTH.contains(&path.as_str());
    for path in ["training.epochs", "training.early_stopping"] {
        if let Some(value) = remedy.get(path).filter(|_| !remedy.keys().all(longer)) {
            change.insert(path.to_owned(), value.clone());
        }
    }
    change
}

/// The settings that may change, each with the values that it may take.
fn options(spec: &TrainSpec) -> Vec<(String, Vec<Value>)> {
    let mut options = Vec::new();
    let now = serde_json::to_value(spec).unwrap_or_default();
    // What is so already is no change.
    let mut add = |path: &str, mut values: Vec<Value>| {
        let current = path.split('.').fold(&now, |value, name| &value[name]);
        let same = |value: &Value| match (value.as_f64(), current.as_f64()) {
            (Some(a), Some(b)) => a as f32 == b as f32,
            _ => value == current,
        };
        values.retain(|value| !same(value));
        if !values.is_empty() {
            options.push((path.to_owned(), values));
        }
    };
    let rate = spec.optimizer.learning_rate();
    let rates = [0.1, 0.3, 3.0, 10.0].map(|factor| json!((rate * factor).min(1.0)));
    add("optimizer.learning_rate", rates.to_vec());
    let batch = spec.training.batch_size;
    let batches = [batch / 4, batch / 2, batch * 2, batch * 4];
    let batches = batches.into_iter().filter(|size| (1..=4096).contains(size) && *size != batch);
    add("training.batch_size", batches.map(|size| json!(size)).collect());
    add("regularization.l2", [0.0, 1e-5, 1e-4, 1e-3].map(|l2| json!(l2)).to_vec());
    let dense = spec.network.dense();
    if !dense.hidden.is_empty() {
        let scaled = |factor: f64| -> Value {
            let scaled = |width: &usize| ((*width as f64 * factor).round() as usize).max(1);
            dense.hidden.iter().map(scaled).collect()
        };
        add("network.hidden", [0.5, 0.75, 1.5].map(scaled).to_vec());
        let activations = ["relu", "leaky_relu", "gelu", "tanh", "sigmoid"];
        add("network.activation", activations.map(|name| json!(name)).to_vec());
        add("network.dropout", [0.0, 0.1, 0.2, 0.5].map(|share| json!(share)).to_vec());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::probe::changed;
    use crate::diagnose::workbench::tests::spec_of;

    #[test]
    fn every_change_gives_a_spec_and_seeds_differ() {
        let spec = spec_of(&[10, 10]);
        let changes: Vec<Change> =
            (0..200).map(|seed| random_change(&spec, &Change::new(), seed)).collect();
        for change in &changes {
            assert!((1..=2).contains(&change.len()), "{change:?}");
            assert!(changed(&spec, change).is_some(), "{change:?}");
        }
        let mut distinct: Vec<String> = changes.iter().map(|c| format!("{c:?}")).collect();
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() > 30, "{}", distinct.len());
        assert_eq!(changes[7], random_change(&spec, &Change::new(), 7));
    }

    #[test]
    fn it_costs_as_much_as_the_remedy() {
        let epochs = ("training.epochs".to_owned(), json!(400));
        let hidden = ("network.hidden".to_owned(), json!([50]));
        let change = random_change(&spec_of(&[]), &Change::from([epochs.clone(), hidden]), 3);
        assert_eq!(change["training.epochs"], json!(400));
        // Random changes with the remedy in them would say nothing of it.
        let change = random_change(&spec_of(&[]), &Change::from([epochs]), 3);
        assert!(!change.contains_key("training.epochs"), "{change:?}");
    }
}
