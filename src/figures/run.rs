//! Figures of a training: what it did, step by step.

use super::{PlotlyFigure, ScatterTrace, Trace};
use crate::job::{MetricPoint, Run};
use crate::learn::range_test::RangeTestReport;

/// The figures that every run has, if only with nothing in them yet.
pub const NAMES: [&str; 4] = ["loss", "metrics", "learning_rate", "gradient_norm"];
/// That of a range test.
pub const RANGE_TEST: &str = "range_test";

/// What validation may call the loss, the first that there is counts.
pub(super) const VALIDATION_LOSS: [&str; 3] =
    ["validation.loss", "validation.log_loss", "validation.mse"];

/// The figures of a run.
pub fn names(run: &Run) -> Vec<&'static str> {
    if run.range_test.is_some() { vec![RANGE_TEST] } else { NAMES.to_vec() }
}

/// The metrics that a figure shows, of those that were recorded, and what its legend calls them.
pub fn metrics_of<'a>(figure: &str, recorded: &[&'a str]) -> Vec<(&'a str, String)> {
    let loss = VALIDATION_LOSS.iter().find(|name| recorded.contains(name));
    let called = |name: &str| -> Option<String> {
        match figure {
            "loss" => match name {
                "train.loss" => Some("training, each batch".to_owned()),
                "epoch.train_loss" => Some("training, mean of an epoch".to_owned()),
                _ if loss.is_some_and(|loss| *loss == name) => Some("validation".to_owned()),
                _ => None,
            },
            "metrics" => {
                let metric = name.strip_prefix("validation.")?;
                Some(metric.replace('_', " "))
            }
            "learning_rate" => (name == "train.learning_rate").then(|| "learning rate".to_owned()),
            "gradient_norm" => (name == "train.gradient_norm").then(|| "gradient norm".to_owned()),
            _ => None,
        }
    };
    recorded.iter().filter_map(|name| Some((*name, called(name)?))).collect()
}

/// A figure of a run's histories, each with what its legend calls it.
pub fn history(figure: &str, run: &Run, curves: &[(String, Vec<MetricPoint>)]) -> PlotlyFigure {
    let (title, y) = match figure {
        "loss" => ("Loss", "loss"),
        "metrics" => ("Metrics on the validation records", "value"),
        "learning_rate" => ("Learning rate", "learning rate"),
        _ => ("Norm of the gradient", "norm"),
    };
    let mut plot = PlotlyFigure::new(title, "step", y);
    for (name, points) in curves {
        let mut curve =
            ScatterTrace::curve(name, points.iter().map(|point| (point.step as f64, point.value)));
        curve.customdata = points.iter().map(|point| f64::from(point.epoch)).collect();
        curve.hovertemplate = Some("step %{x}, epoch %{customdata}: %{y:.4g}".to_owned());
        if name.contains("each batch") {
            curve.opacity = Some(0.4);
            curve.mode = "lines".to_owned();
            curve.line.width = Some(1.0);
        }
        plot.data.push(Trace::Scatter(curve));
    }
    // The step at which the best epoch ended, of a curve that has a point an epoch.
    let best = run.best_epoch.and_then(|best| {
        let by_epoch = curves.iter().map(|(_, points)| points);
        let last = |points: &Vec<MetricPoint>| {
            points.iter().rfind(|point| u64::from(point.epoch) == best).map(|point| point.step)
        };
        by_epoch.filter_map(last).max()
    });
    if let Some(step) = best {
        plot.mark(step as f64, "best epoch");
    }
    plot
}

/// The curve of a range test.
pub fn range_test(report: &RangeTestReport) -> PlotlyFigure {
    let mut plot = PlotlyFigure::new("Range test of the learning rate", "learning rate", "loss");
    plot.layout.xaxis.kind = "log".to_owned();
    let of = |value: fn(&crate::learn::range_test::RangePoint) -> f64| {
        report.curve.iter().map(move |point| (point.learning_rate, value(point)))
    };
    let mut batches = ScatterTrace::curve("each batch", of(|point| point.loss));
    batches.opacity = Some(0.4);
    batches.mode = "lines".to_owned();
    let mut smoothed = ScatterTrace::curve("smoothed", of(|point| point.smoothed));
    smoothed.mode = "lines".to_owned();
    plot.data = vec![Trace::Scatter(batches), Trace::Scatter(smoothed)];
    if let Some(suggestion) = report.suggestion {
        plot.mark(suggestion, "suggested");
    }
    plot
}
