//! Whether gradients vanish on their way back: the first layer's is tiny beside the last one's, and the
//! network learns more with layers that let them through.

use serde_json::json;

use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::diagnose::{signs, usual};

use crate::learn::network::{Activation, Normalization};

/// Gradients that vanish.
pub struct Vanishing;

/// Ratio of the first layer's gradient to the last one's below which it vanishes.
const RATIO: f64 = 1e-3;
/// The same behind three and more sigmoids, each of which takes away three quarters and more.
const RATIO_OF_SIGMOIDS: f64 = 1e-1;

impl Suspect for Vanishing {
    const KIND: &'static str = "vanishing_gradients";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether gradients vanish on their way back to the first layer";

    fn possible(&self, known: &Known<'_>) -> bool {
        known.bench.spec().network.dense().hidden.len() > 1
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let Some(original) = known.original() else { return Suspicion::needs_original(known) };
        let dense = known.bench.spec().network.dense();
        let bounded = matches!(dense.activation, Activation::Sigmoid | Activation::Tanh);
        let stack = bounded && dense.hidden.len() > 2 && dense.normalization == Normalization::None;
        let threshold = if stack { RATIO_OF_SIGMOIDS } else { RATIO };
        let layers = original.trained.as_ref().map(|trained| &trained.layers);
        let ratio = layers.and_then(|layers| {
            let ratios = [&layers.before, &layers.after].map(|at| signs::gradient_ratio(at));
            ratios.into_iter().flatten().reduce(f64::min)
        });
        let name = "gradient of the first layer as a share of the last one's";
        let sign = Measurement::new(name, ratio.unwrap_or(f64::NAN)).threshold(threshold);
        let low = ratio.filter(|ratio| *ratio < threshold);
        let Some(ratio) = low else {
            let told = ratio.map_or_else(|| "no number".to_owned(), |ratio| format!("{ratio:.1e}"));
            let statement = format!(
                "Gradients do not vanish: the first layer's is {told} times that of the last."
            );
            return Suspicion::unfounded(sign, threshold, statement);
        };
        let layer = json!("layer");
        let cause = format!(
            "Gradients vanish: the first layer's is {ratio:.1e} times that of the last of {} layers",
            dense.hidden.len() + 1
        );
        let case = Case::new(cause, sign).likely(0.8, 1.0);
        Suspicion::Case(if bounded {
            let advice = "set network.activation to relu";
            case.trying("relu", Remedy::change(advice, [("network.activation", json!("relu"))]))
        } else {
            let advice = "set network.normalization to layer";
            let fields = [("network.normalization", layer)];
            case.trying("normalized layers", Remedy::change(advice, fields))
                .likely(0.5, usual::weight(0.5))
        })
    }
}
