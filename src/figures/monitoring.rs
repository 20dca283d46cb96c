//! Figures of a model in use: what was scored, over time.

use super::{PlotlyFigure, ScatterTrace, Trace};
use crate::model::coverage::MeanCoverage;
use crate::model::monitoring::{P_VALUE_BINS, Window};

/// The figures of a model in use, if only with nothing in them yet.
pub const NAMES: [&str; 4] =
    ["monitoring_volume", "monitoring_shares", "monitoring_coverage", "monitoring_p_values"];

/// A figure of windows, oldest first; `None` where there is none of that name.
pub fn figure(name: &str, windows: &[Window]) -> Option<PlotlyFigure> {
    match name {
        "monitoring_volume" => {
            let mut plot = over_time("Records scored", "records of a window");
            curve(&mut plot, windows, "scored", |window| Some(window.records as f64));
            if windows.iter().any(|window| window.failed > 0) {
                curve(&mut plot, windows, "failed", |window| Some(window.failed as f64));
            }
            Some(plot)
        }
        "monitoring_shares" => {
            let mut plot = over_time("Accepted and flagged", "share of the records");
            plot.layout.yaxis.range = Some([0.0, 1.0]);
            curve(&mut plot, windows, "accepted", |window| window.accepted_share);
            curve(&mut plot, windows, "flagged as outside", |window| window.flagged_share);
            curve(&mut plot, windows, "mean confidence", |window| window.mean_confidence);
            Some(plot)
        }
        "monitoring_coverage" => {
            let mut plot = over_time("Coverage", "mean over the records");
            plot.layout.yaxis.range = Some([0.0, 1.0]);
            type Kind = fn(&MeanCoverage) -> Option<f64>;
            let kinds: [(&str, Kind); 4] = [
                ("words", |coverage| coverage.tokens),
                ("pieces of text", |coverage| coverage.ngrams),
                ("columns", |coverage| coverage.columns),
                ("representation", |coverage| Some(coverage.representation)),
            ];
            for (name, of) in kinds {
                curve(&mut plot, windows, name, |window| of(window.mean_coverage.as_ref()?));
            }
            Some(plot)
        }
        "monitoring_p_values" => Some(p_values(windows)),
        _ => None,
    }
}

fn over_time(title: &str, y: &str) -> PlotlyFigure {
    let mut plot = PlotlyFigure::new(title, "start of the window", y);
    plot.layout.xaxis.kind = "date".to_owned();
    plot
}

/// A curve over the windows; none where no window has a value.
fn curve(
    plot: &mut PlotlyFigure,
    windows: &[Window],
    name: &str,
    value: impl Fn(&Window) -> Option<f64>,
) {
    let values: Vec<Option<f64>> = windows.iter().map(value).collect();
    if values.iter().all(Option::is_none) {
        return;
    }
    let moments = windows.iter().map(|window| window.starts_at.millis() as f64);
    let points = moments.zip(values.into_iter().map(|value| value.unwrap_or(f64::NAN)));
    let mut curve = ScatterTrace::curve(name, points);
    curve.customdata = windows.iter().map(|window| window.records as f64).collect();
    curve.hovertemplate = Some("%{x}: %{y:.3g} (%{customdata} records)".to_owned());
    plot.data.push(Trace::Scatter(curve));
}

/// The p-values of all windows together, and how they are spread without drift.
fn p_values(windows: &[Window]) -> PlotlyFigure {
    let title = "Out-of-distribution p-values of what was scored";
    let mut plot = PlotlyFigure::new(title, "p-value", "share of the records");
    plot.layout.xaxis.range = Some([0.0, 1.0]);
    let mut counts = [0; P_VALUE_BINS];
    for bins in windows.iter().filter_map(|window| window.p_values.as_ref()) {
        counts.iter_mut().zip(bins).for_each(|(sum, count)| *sum += count);
    }
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return plot;
    }
    let edges: Vec<f64> = (0..=P_VALUE_BINS).map(|at| at as f64 / P_VALUE_BINS as f64).collect();
    let even = [1.0 / P_VALUE_BINS as f64; P_VALUE_BINS];
    plot.data.push(Trace::Scatter(
        ScatterTrace::steps("without drift, about", &edges, &even).dashed("dot"),
    ));
    let shares = counts.map(|count| count as f64 / all as f64);
    let mut steps = ScatterTrace::steps("scored", &edges, &shares);
    steps.hovertemplate =
        Some("p from %{x:.3g} to %{customdata:.3g}: %{y:.3g} of the records".to_owned());
    plot.data.push(Trace::Scatter(steps));
    plot
}
