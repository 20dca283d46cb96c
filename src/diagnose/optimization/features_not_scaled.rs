//! Whether columns of very different scales go in as they are, and scaling them does better.

use serde_json::json;

use crate::data::Cell;
use crate::diagnose::finding::{Area, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::suspect::{Case, Suspect, Suspicion};
use crate::task::Input;

/// Columns that are not scaled.
pub struct FeaturesNotScaled;

/// Root mean square of a column above which it drowns one of unit scale, and drives the first layer
/// far out.
const LARGE: f64 = 10.0;
/// The same below which nothing is seen of it.
const SMALL: f64 = 0.01;

/// The smallest and the largest root mean square of the numeric columns, on training records.
fn scales(known: &Known<'_>) -> Option<[f64; 2]> {
    let train = &known.bench.parts.train;
    let scale = |cells: &[Cell]| {
        let numbers = train.iter().filter_map(|record| match cells.get(*record)? {
            Cell::Number(number) if number.is_finite() => Some(*number),
            _ => None,
        });
        let (count, squares) =
            numbers.fold((0usize, 0.0), |(count, sum), x| (count + 1, sum + x * x));
        // A column of zeros has no scale.
        (2 * count > train.len() && squares > 0.0).then(|| (squares / count as f64).sqrt())
    };
    let scales = known.bench.table.inputs.iter().filter_map(|column| scale(&column.cells));
    scales.fold(None, |range, scale| {
        let [low, high] = range.unwrap_or([scale; 2]);
        Some([low.min(scale), high.max(scale)])
    })
}

impl Suspect for FeaturesNotScaled {
    const KIND: &'static str = "features_not_scaled";
    const AREA: Area = Area::Optimization;
    const ABOUT: &'static str = "whether scaling the columns does better";

    fn possible(&self, known: &Known<'_>) -> bool {
        let spec = known.bench.spec();
        matches!(spec.task.input(), Input::Table(_)) && !spec.tabular.standardize
    }

    fn suspicion(&self, known: &Known<'_>) -> Suspicion {
        let [low, high] = scales(known).unwrap_or([1.0; 2]);
        let sign = Measurement::new("root mean square of the largest column", high);
        if high <= LARGE && low >= SMALL {
            let statement = format!(
                "The columns are of one scale as they are: their root mean squares lie between                  {low:.2} and {high:.2}."
            );
            return Suspicion::unfounded(sign, LARGE, statement);
        }
        let cause = format!(
            "The columns are not scaled: their root mean squares lie between {low:.1e} and {high:.1e}"
        );
        let advice = "set tabular.standardize to true";
        let remedy = Remedy::change(advice, [("tabular.standardize", json!(true))]);
        let case = Case::new(cause, sign.threshold(LARGE))
            .likely(0.9, 1.0)
            .trying("scaled columns", remedy);
        Suspicion::Case(case)
    }
}
