//! Whether training began from poor parameters: all alike, or so small or large that the layers say
//! nothing, and it does better from the default ones.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

use crate::learn::init::{InitSpec, InitializationSpec};

/// Initial parameters that hold training back.
pub struct PoorInitialization;

/// Standard deviations of a layer's values over records that are usual before training.
const SPREAD: [f64; 2] = [1e-2, 10.0];

impl Suspect for PoorInitialization {
    const KIND: &'static str = "poor_initialization";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether training began from poor parameters";

    fn possible(&self, known: &Known<'_>) -> bool {
        let spec = known.bench.spec();
        spec.init_from.is_none()
            && spec.network.dense().initialization != InitializationSpec::default()
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let before = original.trained.as_ref().map_or(&[][..], |t| &t.layers.before);
        let start = &known.bench.spec().network.dense().initialization.weights;
        let alike = matches!(start, InitSpec::Zeros | InitSpec::Constant(_));
        let least = signs::smallest(before, |layer| layer.spread);
        let most = signs::largest(before, |layer| layer.spread);
        let outside = |spread: Option<f64>| {
            spread.map_or(0.0, |spread| usual::decades_outside(spread, SPREAD))
        };
        let (low, high) = (outside(least), outside(most));
        let (decades, spread) = if low.abs() > high.abs() { (low, least) } else { (high, most) };
        let sign = Measurement::new(
            "spread of a layer's values over records before training",
            spread.unwrap_or(f64::NAN),
        );
        // A failed training cannot be looked at before its first step.
        let suspect = alike || decades != 0.0 || original.failure.is_some();
        if !suspect {
            let statement = "The initial parameters are sound: the layers told the records apart \
             before training.";
            return Suspicion::unfounded(sign, SPREAD[0], statement);
        }
        let told = match start {
            InitSpec::Zeros => "are all 0".to_owned(),
            InitSpec::Constant(constant) => format!("are all {}", constant.value),
            _ if decades > 0.0 => format!("are {:.0} times too large", 10f64.powf(decades)),
            _ => "are too small to tell records apart".to_owned(),
        };
        let advice = "leave network.initialization at its default";
        let fields = [("network.initialization", json!({}))];
        let case = Case::new(format!("The initial weights {told}"), sign)
            .likely(0.9, usual::weight(if alike { 1.0 } else { decades }))
            .trying("default initial weights", Remedy::change(advice, fields));
        Suspicion::Case(case)
    }
}
