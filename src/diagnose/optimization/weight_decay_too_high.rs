//! Whether penalties on weights are too high: beyond what is usual, and the usual ones do better.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::usual;

/// Weight decay, L1 or L2 penalties that are too high.
pub struct WeightDecayTooHigh;

fn high(known: &Known<'_>) -> Vec<usual::Penalty> {
    let penalties = usual::penalties(known.bench.spec()).into_iter();
    penalties.filter(|penalty| penalty.value > penalty.most).collect()
}

impl Suspect for WeightDecayTooHigh {
    const KIND: &'static str = "weight_decay_too_high";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether smaller penalties on weights do better";

    fn possible(&self, known: &Known<'_>) -> bool {
        !high(known).is_empty()
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let high = high(known);
        let decades =
            |penalty: &usual::Penalty| usual::decades_outside(penalty.value, [0.0, penalty.most]);
        let most = high.iter().max_by(|a, b| decades(a).total_cmp(&decades(b)));
        let Some(most) = most else { return Suspicion::needs_original(known) };
        let sign = Measurement::new(most.path, most.value).threshold(most.most);
        let list = |of: &dyn Fn(&usual::Penalty) -> String| {
            high.iter().map(of).collect::<Vec<_>>().join(" and ")
        };
        let advice = list(&|penalty| format!("set {} to {}", penalty.path, penalty.usual));
        let with = list(&|penalty| format!("{} at {}", penalty.path, penalty.usual));
        let fields: Vec<_> =
            high.iter().map(|penalty| (penalty.path, json!(penalty.usual))).collect();
        let cause = format!("Weights are held too near 0: {} is {}", most.path, most.value);
        let case = Case::new(cause, sign)
            .likely(0.8, usual::weight(1.0 + decades(most)))
            .trying(with, Remedy::change(advice, fields));
        Suspicion::Case(case)
    }
}
