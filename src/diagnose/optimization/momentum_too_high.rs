//! Whether the momentum is too high: beyond what is usual, and the usual one does better.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::usual;

/// A momentum that is too high.
pub struct MomentumTooHigh;

/// The momentum to try instead.
const INSTEAD: f64 = 0.9;

impl Suspect for MomentumTooHigh {
    const KIND: &'static str = "momentum_too_high";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether a lower momentum does better";

    fn possible(&self, known: &Known<'_>) -> bool {
        usual::momentum(known.bench.spec()).is_some_and(|(_, value)| value > usual::MOMENTUM)
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let spec = known.bench.spec();
        let (path, momentum) = usual::momentum(spec).unwrap_or(("optimizer.momentum", INSTEAD));
        let sign = Measurement::new("momentum", momentum).threshold(usual::MOMENTUM);
        // The steps that a velocity remembers, as powers of ten.
        let forgets = usual::decades_outside(1.0 - momentum, [1.0 - usual::MOMENTUM, 1.0]);
        let advice = format!("set {path} to {INSTEAD}");
        let case = Case::new(format!("The momentum of {momentum} is too high"), sign)
            .likely(0.9, usual::weight(2.0 * forgets))
            .trying(
                format!("a momentum of {INSTEAD}"),
                Remedy::change(advice, [(path, json!(INSTEAD))]),
            );
        Suspicion::Case(case)
    }
}
