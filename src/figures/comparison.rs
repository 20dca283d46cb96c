//! Figures of runs beside one another.

use super::{PlotlyFigure, ScatterTrace, Trace, share_bars};
use crate::job::{MetricPoint, Run};
use crate::task::MetricsReport;

/// The figures of a comparison.
pub const NAMES: [&str; 3] = ["validation_loss", "training_loss", "test"];

/// What a run is called among others: a letter for its place, and the name of its model if it has one.
pub fn called(place: usize, model: Option<&str>) -> String {
    let letter = char::from(b'A' + (place % 26) as u8);
    let round = if place < 26 { String::new() } else { (place / 26 + 1).to_string() };
    match model {
        Some(name) => format!("{letter}{round} {name}"),
        None => format!("{letter}{round}"),
    }
}

/// The metric that a figure of curves shows, of those that were recorded of a run.
pub fn metric_of<'a>(figure: &str, recorded: &[&'a str]) -> Option<&'a str> {
    let wanted: &[&str] = match figure {
        "validation_loss" => &super::run::VALIDATION_LOSS,
        "training_loss" => &["epoch.train_loss"],
        _ => &[],
    };
    wanted.iter().find_map(|name| recorded.iter().copied().find(|found| found == name))
}

/// A curve for each run, each with what its legend calls it.
pub fn curves(figure: &str, of: &[(String, Vec<MetricPoint>)]) -> PlotlyFigure {
    let title = match figure {
        "training_loss" => "Loss on the training records",
        _ => "Loss on the validation records",
    };
    let mut plot = PlotlyFigure::new(title, "step", "loss");
    for (name, points) in of {
        let values = points.iter().map(|point| (point.step as f64, point.value));
        let mut curve = ScatterTrace::curve(name, values);
        curve.customdata = points.iter().map(|point| f64::from(point.epoch)).collect();
        curve.hovertemplate = Some("step %{x}, epoch %{customdata}: %{y:.4g}".to_owned());
        plot.data.push(Trace::Scatter(curve));
    }
    plot
}

/// How well each run does on its test records, where it has any: accuracy with its interval, or the share
/// of the variance that is explained.
pub fn test(runs: &[Run]) -> PlotlyFigure {
    let mut of = "accuracy on the test records";
    let mut bars = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let name = called(place, run.spec.model_name.as_deref());
        match run.metrics.as_ref().and_then(|metrics| metrics.test.as_ref()) {
            Some(MetricsReport::Classification(report)) => {
                bars.push((name, report.accuracy, Some(report.accuracy_interval)));
            }
            Some(MetricsReport::Regression(report)) => {
                of = "explained variance (R²) of the test records";
                // Worse than the mean is drawn as nothing explained.
                let explained = report.r2.map(|r2| r2.max(0.0));
                bars.extend(explained.map(|explained| (name, explained, None)));
            }
            None => {}
        }
    }
    let mut plot = share_bars("Test records", of, bars);
    plot.layout.yaxis.title.text = "run".to_owned();
    plot
}
