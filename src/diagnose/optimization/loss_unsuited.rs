//! Whether training minimises something else than what is wanted: a squared error that a few outliers
//! rule, an absolute one where the mean is asked for, labels smoothed or weighed away.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::usual;

use crate::learn::loss::LossSpec;

/// A loss that does not suit.
pub struct LossUnsuited;

/// Mean absolute over root mean squared error below which few records make most of the squared one:
/// 0.80 for normal errors, 0.71 for Laplace's.
const TAILS: f64 = 0.6;
/// Smoothing, focal exponent and Huber's δ beyond which a loss is unusual.
const SMOOTHING: f64 = 0.3;
const FOCAL: f64 = 5.0;
const DELTA: f64 = 0.2;

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
