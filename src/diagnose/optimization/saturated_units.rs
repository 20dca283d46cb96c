//! Whether units are saturated: at an end of their range for most records, where their slope is near 0;
//! and keeping their sums near 0 does better.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

use crate::learn::network::{Activation, Normalization};

/// Sigmoid or tanh units at the ends of their range.
pub struct Saturated;

/// Share of a layer's values from which on it is held back.
const SHARE: f64 = 0.5;
/// What drove them there, such as initial weights or inputs that are too large, comes first.
const WEIGHT: f64 = 0.85;

impl Suspect for Saturated {
    const KIND: &'static str = "saturated_units";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether units are saturated";

    fn possible(&self, known: &Known<'_>) -> bool {
        let dense = known.bench.spec().network.dense();
        let bounded = matches!(dense.activation, Activation::Sigmoid | Activation::Tanh);
        !dense.hidden.is_empty() && bounded && dense.normalization == Normalization::None
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let layers = original.trained.as_ref().map(|trained| &trained.layers);
        let share = layers.map_or(0.0, |layers| {
            let both = [&layers.before, &layers.after];
            let shares = both.map(|at| signs::largest(at, |layer| layer.saturated).unwrap_or(0.0));
            shares[0].max(shares[1])
        });
        let sign = Measurement::new("largest share of saturated values of a layer", share);
        let percent = 100.0 * share;
        if share < SHARE {
            let statement =
                format!("Units are not saturated: at most {percent:.0} % of a layer's values.");
            return Suspicion::unfounded(sign, SHARE, statement);
        }
        let cause = format!(
            "Units are saturated: {percent:.0} % of a layer's values are at an end of their range"
        );
        let advice = "set network.normalization to layer";
        let fields = [("network.normalization", json!("layer"))];
        let case = Case::new(cause, sign.threshold(SHARE))
            .likely(0.5, WEIGHT.max(usual::weight(0.0)))
            .trying("normalized layers", Remedy::change(advice, fields));
        Suspicion::Case(case)
    }
}
