//! Whether the network memorises: it can learn labels that say nothing by heart (Zhang et al. 2017), its
//! validation error does not show in training, and leaving units out at random does better. That it
//! could memorise is no limitation as long as that costs nothing.

use super::capacity_too_large::{GAP, gap, regularized};
use crate::diagnose::experiment::Outcome;
use crate::diagnose::finding::{Area, Measurement};
use crate::diagnose::known::Known;
use crate::diagnose::probe::Selection;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{Wanted, signs};

/// A network that memorises.
pub struct Memorizes;

/// Training error with shuffled labels, as a share of that of who knows nothing, below which they are
/// learnt by heart.
const BY_HEART: f64 = 0.3;
/// Worth of what is told though nothing hangs on it.
const TELLING: f64 = 0.03;
/// A network that is too large, records that are too few or mislabelled come first where they are
/// found.
const WEIGHT: f64 = 0.6;

impl Suspect for Memorizes {
    const KIND: &'static str = "memorizes";
    const AREA: Area = Area::Capacity;
    const ABOUT: &'static str = "whether the network memorises its training records";

    fn possible(&self, known: &Known<'_>) -> bool {
        !known.bench.parts.validation.is_empty() && regularized(known).is_some()
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some((gap, apart)) = gap(known) else { return Suspicion::needs_original(known) };
        let probe = known.original_probe().on(Selection::Shuffled);
        let shuffled = known.of(&probe);
        let what = if known.bench.output.head().is_some() { "labels" } else { "numbers" };
        let name = "training error with shuffled labels as a share of that of who knows nothing";
        let left = |shuffled: &Outcome| {
            let left = signs::unlearnt(known, shuffled);
            (left, Measurement::new(name, left).runs([&shuffled.run]))
        };
        if !apart {
            // Told where the budget reaches for it, though nothing hangs on it.
            let beside = shuffled.map(|shuffled| left(shuffled).1);
            let name = "share of the validation error that the training records do not show";
            let statement = format!(
                "The network does not memorise: {:.0} % of its validation error shows in the training \
                 records as well.",
                100.0 * (1.0 - gap).clamp(0.0, 1.0)
            );
            return Suspicion::unfounded(Measurement::new(name, gap), GAP, statement)
                .beside(beside)
                .telling(vec![Wanted::new(probe, TELLING)]);
        }
        let Some(shuffled) = shuffled else {
            return Suspicion::Unknown(vec![Wanted::new(probe, 0.1)]);
        };
        let (left, sign) = left(shuffled);
        let sign = sign.threshold(BY_HEART);
        let Some((with, remedy)) = regularized(known).filter(|_| left < BY_HEART) else {
            let statement = format!(
                "The network cannot memorise its records: of shuffled {what}, which say nothing, it \
                 learns {:.0} %.",
                100.0 * (1.0 - left).clamp(0.0, 1.0)
            );
            return Suspicion::unfounded(sign, BY_HEART, statement);
        };
        let cause = format!(
            "The network memorises: it learns {:.0} % of shuffled {what} by heart, and {:.0} % of its \
             validation error does not show in training",
            100.0 * (1.0 - left).clamp(0.0, 1.0),
            100.0 * gap
        );
        Suspicion::Case(Case::new(cause, sign).likely(0.3, WEIGHT).trying(with, remedy))
    }
}
