//! Whether units are dead: 0 for every record, so that nothing is learnt through them any more; and units
//! that cannot die do better.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

use crate::learn::init::{InitSpec, InitializationSpec};
use crate::learn::network::Activation;

/// Rectified units that are 0 for every record.
pub struct DeadUnits;

/// Share of a layer's units from which on it is held back by them. Some die in any training.
const SHARE: f64 = 0.5;
/// Where a setting made them die, such as the learning rate, that comes first.
const WEIGHT: f64 = 0.9;

impl Suspect for DeadUnits {
    const KIND: &'static str = "dead_units";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether units are dead";

    fn possible(&self, known: &Known<'_>) -> bool {
        let dense = known.bench.spec().network.dense();
        !dense.hidden.is_empty() && dense.activation == Activation::Relu
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let layers = original.trained.as_ref().map(|trained| &trained.layers);
        let dead = |before: bool| {
            let layers = layers.map(|layers| if before { &layers.before } else { &layers.after });
            layers.and_then(|layers| signs::largest(layers, |layer| layer.dead)).unwrap_or(0.0)
        };
        let (before, after) = (dead(true), dead(false));
        let sign = Measurement::new("largest share of dead units of a layer", after.max(before));
        let percent = 100.0 * after;
        if after.max(before) < SHARE {
            let statement = format!("Few units are dead: at most {percent:.0} % of a layer's.");
            return Suspicion::unfounded(sign, SHARE, statement);
        }
        let start = &known.bench.spec().network.dense().initialization;
        let cause =
            format!("Units are dead: {percent:.0} % of a layer's are 0 for every training record");
        let weight = if before >= SHARE { 1.0 } else { WEIGHT * usual::weight(0.5) };
        let advice = "set network.activation to leaky_relu, whose units cannot die";
        let leaky = Remedy::change(advice, [("network.activation", json!("leaky_relu"))]);
        let mut case =
            Case::new(cause, sign.threshold(SHARE)).likely(0.6, weight).trying("leaky_relu", leaky);
        // Weights that are all 0 or alike are not what makes units die.
        let negative = match &start.weights {
            InitSpec::Constant(constant) => constant.value < 0.0,
            InitSpec::Zeros => false,
            _ => true,
        };
        if *start != InitializationSpec::default() && negative && before >= SHARE {
            let advice = "leave network.initialization at its default";
            let fields = [("network.initialization", json!({}))];
            case = case.trying("default initial weights", Remedy::change(advice, fields));
        }
        Suspicion::Case(case)
    }
}
