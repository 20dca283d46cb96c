//! Whether too much is left out of training steps: dropout of units or of n-grams is beyond what is usual,
//! and less of it does better.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::usual;

use crate::task::Input;

/// Dropout that is too high.
pub struct DropoutTooHigh;

/// Share of units to leave out instead, ...
const UNITS: f64 = 0.2;
/// ... and of n-grams.
const NGRAMS: f64 = 0.5;

/// The shares that are too high: field, value, value instead.
fn high(known: &Known<'_>) -> Vec<(&'static str, f64, f64)> {
    let spec = known.bench.spec();
    let dense = spec.network.dense();
    let texts = matches!(spec.task.input(), Input::Text(_));
    let ngrams = if texts { f64::from(spec.regularization.ngram_dropout) } else { 0.0 };
    let units = if dense.hidden.is_empty() { 0.0 } else { f64::from(dense.dropout) };
    let both =
        [("network.dropout", units, UNITS), ("regularization.ngram_dropout", ngrams, NGRAMS)];
    both.into_iter().filter(|(_, share, _)| *share > usual::DROPOUT).collect()
}

impl Suspect for DropoutTooHigh {
    const KIND: &'static str = "dropout_too_high";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether less dropout does better";

    fn possible(&self, known: &Known<'_>) -> bool {
        !high(known).is_empty()
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let high = high(known);
        let most = high.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let Some(&(path, share, _)) = most else { return Suspicion::needs_original(known) };
        let sign = Measurement::new(path, share).threshold(usual::DROPOUT);
        // What is left, as powers of ten.
        let left = usual::decades_outside(1.0 - share, [1.0 - usual::DROPOUT, 1.0]);
        let list = |what: &str, at: &str| {
            let of = high.iter().map(|(path, _, instead)| format!("{what}{path} {at} {instead}"));
            of.collect::<Vec<_>>().join(" and ")
        };
        let fields: Vec<_> =
            high.iter().map(|(path, _, instead)| (*path, json!(instead))).collect();
        let cause = format!("Too much is left out of training: {path} is {share:.2}");
        let case = Case::new(cause, sign)
            .likely(0.8, usual::weight(2.0 * left))
            .trying(list("", "at"), Remedy::change(list("set ", "to"), fields));
        Suspicion::Case(case)
    }
}
