//! Whether training minimises something else than what is wanted: a squared error that a few outliers
//! rule, an absolute one where the mean is asked for, labels smoothed or weighed away.

use serde_json::{Value, json};

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::usual;

use crate::learn::loss::{ClassWeights, CrossEntropySpec, LossSpec};

/// A loss that does not suit.
pub struct LossUnsuited;

/// Mean absolute over root mean squared error below which few records make most of the squared one:
/// 0.80 for normal errors, 0.71 for Laplace's.
const TAILS: f64 = 0.6;
/// Smoothing, focal exponent and Huber's δ beyond which a loss is unusual.
const SMOOTHING: f64 = 0.3;
const FOCAL: f64 = 5.0;
const DELTA: f64 = 0.2;
/// Times more than another that a label may count, beyond what its rarity explains.
const UNEVEN: f64 = 5.0;

/// How many times more than another a label counts, beyond what lies between equal weights and those
/// that make up for rarity; 1 where all weights do.
fn uneven(known: &Known<'_>, loss: &CrossEntropySpec) -> f64 {
    let Some(ClassWeights::ByLabel(weights)) = &loss.class_weights else { return 1.0 };
    let labels = &known.bench.model.card.labels;
    let all: usize = labels.iter().map(|label| label.train_records).sum();
    let even = all as f64 / labels.len().max(1) as f64;
    let beyond = labels.iter().map(|label| {
        let weight = weights.get(&label.label).copied().unwrap_or(1.0);
        let balanced = even / label.train_records.max(1) as f64;
        let (low, high) = (balanced.min(1.0), balanced.max(1.0));
        if weight > high { weight / high } else { (weight / low).min(1.0) }
    });
    let (least, most) =
        beyond.fold((f64::MAX, f64::MIN), |(low, high), times| (low.min(times), high.max(times)));
    if least > 0.0 && least <= most { most / least } else { 1.0 }
}

impl Suspect for LossUnsuited {
    const KIND: &'static str = "loss_unsuited";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether another loss does better";

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let try_instead = |cause: String, sign: Measurement, (with, loss): (&str, _), weight| {
            let advice = format!("set loss to {with}");
            let remedy = Remedy::change(advice, [("loss", loss)]);
            let case = Case::new(cause, sign).likely(0.5, weight);
            Suspicion::Case(case.trying(format!("the loss {with}"), remedy))
        };
        match &known.bench.spec().loss {
            LossSpec::CrossEntropy(loss) if uneven(known, loss) > UNEVEN => {
                let times = uneven(known, loss);
                let name = "how many times more than its rarity explains a label counts";
                let sign = Measurement::new(name, times).threshold(UNEVEN);
                let cause = format!(
                    "The loss does not suit: loss.class_weights makes one label count {times:.0} times \
                     more than another, beyond what its rarity explains"
                );
                let remedy = Remedy::change(
                    "leave loss.class_weights out, so that all records count alike",
                    [("loss.class_weights", Value::Null)],
                );
                let decades = usual::decades_outside(times, [1.0, UNEVEN]);
                let case = Case::new(cause, sign).likely(0.9, usual::weight(2.0 * decades));
                Suspicion::Case(case.trying("equal class weights", remedy))
            }
            LossSpec::CrossEntropy(loss) => {
                let sign = if loss.focal_gamma > FOCAL {
                    Measurement::new("focal exponent", loss.focal_gamma).threshold(FOCAL)
                } else {
                    Measurement::new("label smoothing", loss.label_smoothing).threshold(SMOOTHING)
                };
                if loss.focal_gamma <= FOCAL && loss.label_smoothing <= SMOOTHING {
                    let statement = "The loss suits labels: it is their negative log probability.";
                    return Suspicion::unfounded(sign, SMOOTHING, statement);
                }
                let cause = format!("The loss does not suit: its {} is unusual", sign.name);
                let instead = ("cross_entropy", json!({"type": "cross_entropy"}));
                try_instead(cause, sign, instead, 1.0)
            }
            LossSpec::Mse => {
                let metrics = original.trained.as_ref().map(|trained| &trained.card.metrics);
                let report = metrics.and_then(|metrics| metrics.train.as_ref()?.regression());
                let ratio = report.map_or(f64::NAN, |report| report.mae / report.rmse);
                let name = "mean absolute over root mean squared training error";
                let sign = Measurement::new(name, ratio).threshold(TAILS);
                if ratio.is_nan() || ratio >= TAILS {
                    let statement = format!(
                        "The squared loss suits: no few records rule it (mean absolute over root \
                         mean squared error {ratio:.2}, 0.80 for normal errors)."
                    );
                    return Suspicion::unfounded(sign, TAILS, statement);
                }
                let cause = format!(
                    "The squared loss is ruled by a few outliers (mean absolute over root mean \
                     squared error {ratio:.2}, 0.80 for normal errors)"
                );
                try_instead(cause, sign, ("huber", json!({"type": "huber"})), usual::weight(0.5))
            }
            LossSpec::Mae | LossSpec::Huber(_) => {
                let delta = match &known.bench.spec().loss {
                    LossSpec::Huber(huber) => huber.delta,
                    _ => 0.0,
                };
                let name = "error up to which the loss is squared, in standard deviations";
                let sign = Measurement::new(name, delta).threshold(DELTA);
                if delta >= DELTA {
                    let statement = "The loss suits: it is squared for small errors.";
                    return Suspicion::unfounded(sign, DELTA, statement);
                }
                let cause = "The loss does not suit: it looks for the median, not the mean";
                let instead = ("mse", json!({"type": "mse"}));
                try_instead(cause.to_owned(), sign, instead, usual::weight(0.5))
            }
        }
    }
}
