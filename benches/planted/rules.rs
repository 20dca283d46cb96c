//! AutoTrainer (Zhang, Zhai, Ma and Shen, ICSE 2021): symptoms of a training's history, and the repairs
//! that its authors give for each, tried in order until no symptom is left.
//!
//! What it sees here is a little less than the original: accuracy after each epoch is that of the
//! validation records, gradients are measured before and after training and not at every step, and the
//! share of gradients that are 0 is that of dead hidden units. Of a regression, R² stands for the accuracy.

use serde_json::{Value, json};
use whereof::diagnose::experiment::{Outcome, TrainedProbe};
use whereof::diagnose::probe::Change;
use whereof::eval::symptoms::{EpochSigns, Symptom, training_symptoms};
use whereof::learn::inspect::LayerReport;
use whereof::model::spec::TrainSpec;

/// What the rules see in a training. One that failed has no history but a loss that is no number.
pub fn symptoms(outcome: &Outcome) -> Vec<Symptom> {
    let history = match &outcome.trained {
        Some(trained) => history(trained),
        None => vec![EpochSigns {
            accuracy: 0.0,
            validation_accuracy: 0.0,
            loss: f64::NAN,
            first_layer_gradient: None,
            last_layer_gradient: None,
            zero_gradient_share: None,
        }],
    };
    training_symptoms(&history).iter().map(|found| found.symptom).collect()
}

fn history(trained: &TrainedProbe) -> Vec<EpochSigns> {
    let last = trained.curve.len().saturating_sub(1);
    let signs = trained.curve.iter().enumerate().map(|(at, point)| {
        let layers: &[LayerReport] = match at {
            0 => &trained.layers.before,
            _ if at == last => &trained.layers.after,
            _ => &[],
        };
        // A norm that is not finite is reported as none; the rules know it as no number.
        let norm = |layer: Option<&LayerReport>| {
            layer.map(|layer| layer.gradient_norm.unwrap_or(f64::NAN))
        };
        let hidden: Vec<f64> = layers.iter().filter_map(|layer| layer.dead).collect();
        let dead = hidden.iter().sum::<f64>() / hidden.len().max(1) as f64;
        let accuracy = point.quality.unwrap_or_default();
        EpochSigns {
            accuracy,
            validation_accuracy: accuracy,
            loss: point.train_loss,
            first_layer_gradient: norm(layers.first()),
            last_layer_gradient: norm(layers.last()),
            zero_gradient_share: (!hidden.is_empty()).then_some(dead),
        }
    });
    signs.collect()
}

/// The repairs of a symptom, the first to try first.
pub fn repairs(symptom: Symptom, spec: &TrainSpec) -> Vec<Change> {
    let rate = |factor: f64| {
        ("optimizer.learning_rate", json!((spec.optimizer.learning_rate() * factor).min(1.0)))
    };
    let activation = |name: &str| ("network.activation", json!(name));
    let start = ("network.initialization", json!({"weights": {"type": "kaiming_uniform"}}));
    let normalized = ("network.normalization", json!("batch"));
    let larger = ("training.batch_size", json!((spec.training.batch_size * 4).min(4_096)));
    let adam = ("optimizer", json!({"type": "adam", "learning_rate": 0.001}));
    let each: Vec<(&str, Value)> = match symptom {
        Symptom::VanishingGradient => vec![activation("relu"), normalized, start],
        Symptom::ExplodingGradient => {
            vec![("training.clip_norm", json!(1.0)), rate(0.1), start, normalized]
        }
        Symptom::DyingRelu => vec![activation("leaky_relu"), start, rate(0.1)],
        Symptom::OscillatingLoss => vec![rate(0.1), larger, adam],
        Symptom::NotConverging => vec![adam, rate(10.0), rate(0.1), start],
    };
    each.into_iter().map(|(path, value)| Change::from([(path.to_owned(), value)])).collect()
}
