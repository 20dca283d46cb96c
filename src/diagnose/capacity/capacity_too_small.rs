//! Whether the network is too small: it makes as many mistakes on the records that trained it, and a wider
//! and deeper one does better in the same epochs. Where the loss still fell at their end, the larger one is
//! tried with more of them too.

use serde_json::{Value, json};

use super::{hidden, parameters, widths};
use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::looks::MATTERS;
use crate::diagnose::optimization::too_few_epochs::{ended_early, longer};
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};
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

/// The change to a larger network of so many times the epochs. Where the loss still falls it is stopped when it
/// no longer gets better: a larger network may overfit before its epochs end.
fn larger_for(known: &Known<'_>, next: &[usize], times: usize, falls: bool) -> (String, Remedy) {
    let training = &known.bench.spec().training;
    let epochs = training.epochs * times;
    let mut fields: Vec<(&'static str, Value)> = vec![("network.hidden", json!(next))];
    let mut with = widths(next);
    let mut advice = format!("set network.hidden to {next:?}");
    if times > 1 {
        fields.push(("training.epochs", json!(epochs)));
        with = format!("{with} and {epochs} epochs");
        advice = format!("{advice} and training.epochs to {epochs}");
    }
    if falls && training.early_stopping.is_none() && !known.bench.parts.validation.is_empty() {
        let metric = default_metric(&known.bench.spec().task);
        let patience = PATIENCE.max(epochs / 10);
        let stopping = json!({"metric": metric, "patience": patience, "min_delta": 1e-4});
        fields.push(("training.early_stopping", stopping));
        with.push_str(" with early stopping");
        advice.push_str(", with early stopping");
    }
    (with, Remedy::change(advice, fields))
}

impl Suspect for TooSmall {
    const KIND: &'static str = "capacity_too_small";
    const AREA: Area = Area::Capacity;
    const ABOUT: &'static str = "whether a larger network does better";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let (Some(original), Some((early, _))) = (known.original(), ended_early(known)) else {
            return Suspicion::needs_original(known);
        };
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
            return Suspicion::unfounded(sign, SHOWN, statement).beside(Some(parameters(known)));
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
        // One of hardly any units needs no more than units. Otherwise, where the loss still falls, more epochs
        // may do better still: they are tried once a larger network does better in the same ones.
        let falls = early && small > HARDLY_ANY;
        let alone = larger_for(known, &next, 1, falls);
        let in_same_epochs = known.gain_over_seeds((1, 1), &alone.1.change, true);
        let promising = in_same_epochs.is_some_and(|gain| gain.share() >= MATTERS && gain.leans());
        let and_longer =
            (falls && promising).then(|| larger_for(known, &next, longer(known), true));
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
            .trying(alone.0, alone.1);
        if let Some((with, remedy)) = and_longer {
            case = case.trying(with, remedy);
        }
        case.by_training = true;
        Suspicion::Case(case)
    }
}
