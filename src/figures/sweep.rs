//! Figures of a sweep.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    LineColors, ParcoordsTrace, PlotDimension, PlotlyFigure, Trace, as_number, share_bars,
};
use crate::diagnose::render::words::number;
use crate::job::sweep::space::Range;
use crate::job::sweep::table::{SweepTable, TrialRow};

/// The figures of a sweep.
pub const NAMES: [&str; 2] = ["trials", "importance"];

/// A figure of a sweep; `None` where it has none of that name.
pub fn figure(name: &str, table: &SweepTable) -> Option<PlotlyFigure> {
    match name {
        "trials" => Some(trials(table)),
        "importance" => Some(importance(table)),
        _ => None,
    }
}

/// A line for each setting that has a value, through the fields that were varied to that value.
fn trials(table: &SweepTable) -> PlotlyFigure {
    let metric = json!(table.sweep.metric);
    let metric = metric.as_str().unwrap_or("value");
    let mut plot = PlotlyFigure::new("Settings and what came of them", "field", metric);
    plot.layout.xaxis.kind = "category".to_owned();
    let trials: Vec<&TrialRow> = table.trials.iter().filter(|t| t.value.is_some()).collect();
    if trials.is_empty() {
        return plot;
    }
    let field = |(field, range): (&String, &Range)| {
        let values: Vec<&Value> = trials
            .iter()
            .map(|trial| trial.parameters.get(field).unwrap_or(&Value::Null))
            .collect();
        dimension(field, range, &values)
    };
    let mut dimensions: Vec<PlotDimension> = table.sweep.space.iter().map(field).collect();
    let color: Vec<f64> = trials.iter().filter_map(|trial| trial.value).collect();
    dimensions.push(PlotDimension {
        label: format!("{metric}, validation"),
        values: color.clone(),
        ..PlotDimension::default()
    });
    let line = LineColors {
        color,
        colorscale: "Viridis".to_owned(),
        reversescale: table.lower_is_better,
        showscale: true,
    };
    let first =
        |trial: &&TrialRow| trial.runs.first().map(|run| run.run.clone()).unwrap_or_default();
    let ids = trials.iter().map(first).collect();
    plot.data.push(Trace::Parcoords(ParcoordsTrace { dimensions, line, ids }));
    plot
}

/// The axis of a field: numbers where all values are, by their logarithm where they were drawn so, else
/// the place of the value among the different ones.
fn dimension(field: &str, range: &Range, values: &[&Value]) -> PlotDimension {
    let label = field.to_owned();
    let numbers: Option<Vec<f64>> = values.iter().map(|value| as_number(value)).collect();
    match numbers {
        Some(numbers) if matches!(range, Range::Log(_)) && numbers.iter().all(|n| *n > 0.0) => {
            let values: Vec<f64> = numbers.iter().map(|number| number.log10()).collect();
            let ends = values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| {
                (low.min(*value), high.max(*value))
            });
            let exponents = ends.0.floor() as i32..=ends.1.ceil() as i32;
            let tickvals: Vec<f64> = exponents.map(f64::from).collect();
            let ticktext = tickvals.iter().map(|exponent| number(10_f64.powf(*exponent)));
            PlotDimension { label, values, ticktext: ticktext.collect(), tickvals }
        }
        Some(values) => PlotDimension { label, values, ..PlotDimension::default() },
        None => {
            let text =
                |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let different: BTreeSet<String> = values.iter().map(|value| text(value)).collect();
            let ticktext: Vec<String> = different.into_iter().collect();
            let place = |value: &&Value| {
                let text = text(value);
                ticktext.iter().position(|known| *known == text).unwrap_or(0) as f64
            };
            let values = values.iter().map(place).collect();
            let tickvals = (0..ticktext.len()).map(|place| place as f64).collect();
            PlotDimension { label, values, tickvals, ticktext }
        }
    }
}

fn importance(table: &SweepTable) -> PlotlyFigure {
    let fields = table.importance.iter();
    let bars = fields.map(|field| (field.field.clone(), field.importance, Some(field.interval)));
    let title = "How much of the order of the settings each field explains";
    let mut plot = share_bars(title, "share of the variance of the ranks", bars.collect());
    plot.layout.yaxis.title.text = "field".to_owned();
    plot
}
