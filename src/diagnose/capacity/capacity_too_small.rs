//! Whether the network is too small: it makes as many mistakes on the records that trained it, and a wider
//! and deeper one does better. Where the loss still fell at the end, the larger one gets more epochs too,
//! and must then beat the same epochs alone.

use serde_json::{Value, json};

use super::{hidden, widths};
use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::optimization::too_few_epochs::{ended_early, longer};
use crate::diagnose::suspect::{Case, MATTERS, Suspect, Suspicion};
use crate::diagnose::{Wanted, signs, usual};
use crate::model::spec::default_metric;

/// A network that is too small.
pub struct TooSmall;

/// Share of the validation error that the training records must show as well: where they do not, the
/// network has enough to remember them by.
const SHOWN: f64 = 0.5;
/// Units of a layer that are usual.
const UNITS: [f64; 2] = [32.0, 1024.0];
/// Powers of ten below what is usual from which on a layer has hardly any units.
const HARDLY_ANY: f64 = -1.0;
/// Epochs without improvement, after which a larger network stops.
const PATIENCE: usize = 10;

/// The next larger network: at least two hidden layers, five times as wide up to 20 units, otherwise
/// twice.
pub(super) fn larger(hidden: &[usize]) -> Vec<usize> {
    let wider = |width: usize| if width <= 20 { 5 * width.max(2) } else { 2 * width };
    let mut widths: Vec<usize> = hidden.iter().map(|width| wider(*width)).collect();
    while widths.len() < 2 {
        widths.push(widths.last().copied().unwrap_or(10));
    }
    widths
}

impl Suspect for TooSmall {
    const KIND: &'static str = "capacity_too_small";
    const AREA: Area = Area::Capacity;
    const ABOUT: &'static str = "whether a larger network does better";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let (Some(original), Some((early, _))) = (known.original(), ended_early(known)) else {
            return Suspicion::needs_original(known);
        };
        let spec = known.bench.spec();
        let train = known.training_error(original).unwrap_or(1.0);
        let shown = match signs::Errors::of(known, original) {
            Some(errors) => errors.train / errors.validation.max(1e-12),
            None => 1.0,
        };
        let name = "training error as a share of the validation error";
        let sign = Measurement::new(name, shown).threshold(SHOWN);
        if shown < SHOWN || original.diverged() {
            let statement = format!(
                "The network is large enough: it makes only {:.1} % mistakes on the records that \
                 trained it.",
                100.0 * train
            );
            let statement = if original.diverged() {
                "Whether the network is large enough does not show in a training that diverged."
                    .to_owned()
            } else {
                statement
            };
            return Suspicion::unfounded(sign, SHOWN, statement);
        }
        if signs::few_epochs(known) {
            let statement =
                "Whether the network is large enough does not show after hardly any steps.";
            return Suspicion::unfounded(sign, SHOWN, statement);
        }
        let now = hidden(known);
        let next = larger(&now);
        let width = now.iter().copied().max().unwrap_or(0) as f64;
        let small = usual::decades_outside(width.max(1.0), UNITS);
        // A network of hardly any units does better with more of them in the same epochs.
        let early = early && small > HARDLY_ANY;
        let network = json!(next);
        let mut fields: Vec<(&'static str, Value)> = vec![("network.hidden", network)];
        let mut with = widths(&next);
        let mut advice = format!("set network.hidden to {next:?}");
        if early {
            let epochs = spec.training.epochs * longer(known);
            let metric = match &spec.training.early_stopping {
                Some(stopping) => stopping.metric,
                None => default_metric(&spec.task),
            };
            fields.push(("training.epochs", json!(epochs)));
            with = format!("{with} and {epochs} epochs");
            advice = format!("{advice} and training.epochs to {epochs}");
            if !known.bench.parts.validation.is_empty() {
                let patience = PATIENCE.max(epochs / 20);
                let stopping = json!({"metric": metric, "patience": patience, "min_delta": 1e-4});
                fields.push(("training.early_stopping", stopping));
                with.push_str(" with early stopping");
                advice = format!("{advice}, with early stopping");
            }
        }
        // More epochs alone may be all that it takes.
        let alone = known
            .original_probe()
            .with("training.epochs", json!(spec.training.epochs * longer(known)));
        if early && known.of(&alone).is_none() {
            return Suspicion::Unknown(vec![Wanted::new(alone, 0.5)]);
        }
        let remedy = Remedy::change(advice, fields);
        let both = known.original_probe().changed(&remedy.change);
        if early
            && let (Some(alone), Some(both)) = (known.gain(&alone), known.gain(&both))
            && (alone.changed - both.changed) < MATTERS * alone.original
        {
            let beyond = (alone.changed - both.changed) / alone.original.max(1e-12);
            let name = "share of the validation error that a larger network takes away beyond what \
                        more epochs do";
            let statement = format!(
                "The network is large enough: {} do no better than more epochs alone.",
                widths(&next)
            );
            return Suspicion::unfounded(Measurement::new(name, beyond), MATTERS, statement);
        }
        let cause = format!(
            "The network is too small: with {} it makes {:.1} % mistakes even on the records that \
             trained it",
            widths(&now),
            100.0 * train
        );
        let cause = match known.bench.output.head() {
            Some(_) => cause,
            None => format!(
                "The network is too small: with {} it leaves {:.1} % of the variance unexplained even \
                 on the records that trained it",
                widths(&now),
                100.0 * train
            ),
        };
        let mut case = Case::new(cause, sign)
            .likely(if small < 0.0 { 0.9 } else { 0.2 }, usual::weight(2.0 * small))
            .trying(with, remedy);
        case.by_training = true;
        Suspicion::Case(case)
    }
}
