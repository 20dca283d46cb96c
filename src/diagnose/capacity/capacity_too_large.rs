//! Whether the network is too large for its records: it is nearly perfect on those that trained it and
//! clearly worse on others, and a smaller or more regularised one does better on these.

use serde_json::json;

use super::{hidden, parameters, widths};
use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

/// A network that is too large.
pub struct TooLarge;

/// Share of the validation error that the training records do not show, from which on a network
/// memorises.
pub(super) const GAP: f64 = 0.5;
/// How much narrower a network to try.
const NARROWER: usize = 8;
/// Parameters of a training record that are usual.
const PARAMETERS: [f64; 2] = [0.0, 10.0];

/// The gap, and whether it is there.
pub(super) fn gap(known: &Known<'_>) -> Option<(f64, bool)> {
    let original = known.original()?;
    let errors = signs::Errors::of(known, original);
    Some(errors.map_or((f64::NAN, false), |errors| {
        (errors.gap(), errors.apart() && errors.gap() >= GAP && !original.diverged())
    }))
}

/// The change to a more regularised network of the same size.
pub(super) fn regularized(known: &Known<'_>) -> Option<(String, Remedy)> {
    let dense = known.bench.spec().network.dense();
    (!dense.hidden.is_empty() && dense.dropout < 0.3).then(|| {
        let advice = "set network.dropout to 0.5";
        let remedy = Remedy::change(advice, [("network.dropout", json!(0.5))]);
        ("half of the units left out of each step".to_owned(), remedy)
    })
}

impl Suspect for TooLarge {
    const KIND: &'static str = "capacity_too_large";
    const AREA: Area = Area::Capacity;
    const ABOUT: &'static str = "whether a smaller network does better";

    fn possible(&self, known: &Known<'_>) -> bool {
        !hidden(known).is_empty() && !known.bench.parts.validation.is_empty()
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some((gap, apart)) = gap(known) else { return Suspicion::needs_original(known) };
        let name = "share of the validation error that the training records do not show";
        let errors = known.original().and_then(|original| signs::Errors::of(known, original));
        let interval = errors.map(|errors| errors.gap_interval());
        let sign = Measurement::new(name, gap).interval(interval).threshold(GAP);
        if !apart {
            let statement = format!(
                "The network is not too large: {:.0} % of its validation error shows in the training \
                 records as well.",
                100.0 * (1.0 - gap).clamp(0.0, 1.0)
            );
            return Suspicion::unfounded(sign, GAP, statement).beside(Some(parameters(known)));
        }
        let now = hidden(known);
        let next: Vec<usize> = now.iter().take(2).map(|width| (width / NARROWER).max(2)).collect();
        let records = known.bench.parts.train.len().max(1) as f64;
        let parameters = known.bench.model.card.parameters as f64;
        let many = usual::decades_outside(parameters / records, PARAMETERS);
        let cause = format!(
            "The network is too large for {records} records: its {parameters} parameters remember \
             them, and {:.0} % of its validation error does not show in training",
            100.0 * gap
        );
        let advice = format!("set network.hidden to {next:?}");
        let smaller = Remedy::change(advice, [("network.hidden", json!(next))]);
        let mut case =
            Case::new(cause, sign).likely(0.4, usual::weight(many)).trying(widths(&next), smaller);
        if let Some((with, remedy)) = regularized(known) {
            case = case.trying(with, remedy);
        }
        Suspicion::Case(case)
    }
}
