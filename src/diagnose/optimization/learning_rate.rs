//! Whether the learning rate is too high: it is beyond what is usual, training diverged or learnt nothing,
//! a range test explodes below it, or the result hangs on the seed; and a smaller one does better on the
//! validation records.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::probe::Probe;
use crate::diagnose::steadiness::is_unstable;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{Wanted, signs, usual};
use crate::learn::range_test::RangeTestReport;

/// A learning rate that is too high.
pub struct TooHigh;

/// The range test's suggestion times this is still no suspect: what suits the first steps is not
/// exactly what suits all.
const TOLERANCE: f64 = 10.0;
/// Training error, as a share of that of who knows nothing, that speaks for a rate at which nothing
/// is learnt.
const UNLEARNT: f64 = 0.7;

/// What a range test says of the learning rate.
pub(super) struct Range<'a> {
    /// The rate over the suggested one; `None` where there is no suggestion.
    pub ratio: Option<f64>,
    /// Its report; `None` where it failed.
    pub report: Option<&'a RangeTestReport>,
    /// Its run.
    pub run: &'a String,
}

impl Range<'_> {
    /// The ratio as a measurement.
    pub fn measurement(&self) -> Measurement {
        let name = "learning rate as a multiple of what a range test suggests";
        Measurement::new(name, self.ratio.unwrap_or(f64::NAN)).runs([self.run])
    }
}

/// The probe that goes through learning rates.
pub(super) fn range_probe(known: &Known<'_>) -> Probe {
    known.original_probe().as_range_test()
}

/// What came of it.
pub(super) fn range<'a>(known: &Known<'a>) -> Option<Range<'a>> {
    let outcome = known.of(&range_probe(known))?;
    let report = outcome.range_test.as_ref();
    let rate = known.bench.spec().optimizer.learning_rate();
    let ratio = report.and_then(|report| Some(rate / report.suggestion?));
    Some(Range { ratio, report, run: &outcome.run })
}

/// The change to another rate.
pub(super) fn to_rate(rate: f64) -> (String, Remedy) {
    let advice = format!("set optimizer.learning_rate to {rate:.1e}");
    let remedy = Remedy::change(advice, [("optimizer.learning_rate", json!(rate))]);
    (format!("a learning rate of {rate:.1e}"), remedy)
}

impl Suspect for TooHigh {
    const KIND: &'static str = "learning_rate_too_high";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether a smaller learning rate does better";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let (Some(original), Some(range)) = (known.original(), range(known)) else {
            return Suspicion::Unknown(vec![
                Wanted::new(known.original_probe(), 1.0),
                Wanted::new(range_probe(known), 0.3),
            ]);
        };
        let spec = known.bench.spec();
        let rate = spec.optimizer.learning_rate();
        let above = usual::learning_rate(spec).max(0.0);
        let explodes = range
            .report
            .is_some_and(|report| report.diverged_at.is_some_and(|at| rate >= at / 3.0));
        let tested = explodes || range.ratio.is_some_and(|ratio| ratio >= TOLERANCE);
        let diverged = original.diverged();
        let unlearnt = signs::unlearnt(known, original) >= UNLEARNT;
        let worth = match () {
            () if above > 0.0 => 0.9,
            () if diverged => 0.8,
            () if tested => 0.5,
            () if is_unstable(known) => 0.5,
            () if unlearnt => 0.2,
            () => {
                let statement = format!(
                    "The learning rate of {rate:.1e} is not too high: training went well with it, \
                     and a range test does not explode near it."
                );
                return Suspicion::unfounded(range.measurement(), TOLERANCE, statement);
            }
        };
        let sign = range.measurement().threshold(TOLERANCE);
        let cause = format!("The learning rate of {rate:.1e} is too high");
        let mut case = Case::new(cause, sign).likely(worth, usual::weight(above));
        // Two steps where the rate is far out, otherwise one.
        let factors: &[f64] = if above > 0.5 { &[10.0, 100.0] } else { &[10.0] };
        for factor in factors {
            let (with, remedy) = to_rate(rate / factor);
            case = case.trying(with, remedy);
        }
        Suspicion::Case(case)
    }
}
