//! Figures of a model, from its card.

use super::{HeatmapTrace, PlotlyFigure, ScatterTrace, Trace, error_bars};
use crate::eval::reliability::{Reliability, ReliabilityDiagram};
use crate::eval::risk_coverage::RiskCoverage;
use crate::model::card::{Card, PartMetrics};
use crate::model::p_values::{self, TestPValues};
use crate::model::test_results::{Results, TestResults};
use crate::task::{ConfusionReport, MetricsReport};

/// The figures that a card has.
pub fn names(card: &Card) -> Vec<&'static str> {
    let of = [
        ("confusion", confusion_of(&card.metrics).is_some()),
        ("reliability", card.calibration.reliability.is_some()),
        ("risk_coverage", card.calibration.risk_coverage.is_some()),
        ("p_values", card.calibration.test_p_values.is_some()),
    ];
    of.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

/// A figure of a card; `None` where the card has none of that name.
pub fn figure(name: &str, card: &Card) -> Option<PlotlyFigure> {
    match name {
        "confusion" => confusion_of(&card.metrics).map(|(part, counts)| confusion(part, counts)),
        "reliability" => card.calibration.reliability.as_ref().map(reliability),
        "risk_coverage" => card.calibration.risk_coverage.as_ref().map(risk_coverage),
        "p_values" => {
            let found = card.calibration.test_p_values.as_ref();
            found.map(|found| spread(found, card.records.calibration))
        }
        _ => None,
    }
}

/// The confusion matrix of the part that says most of the model, and what the part is called.
fn confusion_of(metrics: &PartMetrics) -> Option<(&'static str, &ConfusionReport)> {
    let parts = [("test", &metrics.test), ("validation", &metrics.validation)];
    parts.into_iter().find_map(|(part, report)| match report {
        Some(MetricsReport::Classification(report)) => {
            Some((part, report.confusion_matrix.as_ref()?))
        }
        _ => None,
    })
}

fn confusion(part: &str, counts: &ConfusionReport) -> PlotlyFigure {
    let title = format!("What was taken for what, {part} records");
    let mut plot = PlotlyFigure::new(&title, "predicted label", "true label");
    for axis in [&mut plot.layout.xaxis, &mut plot.layout.yaxis] {
        axis.kind = "category".to_owned();
    }
    plot.layout.yaxis.autorange = Some("reversed".to_owned());
    let row = |row: &Vec<u64>| row.iter().map(|count| *count as f64).collect();
    plot.data.push(Trace::Heatmap(HeatmapTrace {
        name: "records".to_owned(),
        x: counts.labels.clone(),
        y: counts.labels.clone(),
        z: counts.rows.iter().map(row).collect(),
        texttemplate: "%{z}".to_owned(),
        colorscale: "Blues".to_owned(),
    }));
    plot
}

pub(super) fn reliability(reliability: &Reliability) -> PlotlyFigure {
    let mut plot = PlotlyFigure::new("Confidence against accuracy", "confidence", "accuracy");
    for axis in [&mut plot.layout.xaxis, &mut plot.layout.yaxis] {
        axis.range = Some([0.0, 1.0]);
    }
    let ideal = ScatterTrace::curve("confidence that holds", [(0.0, 0.0), (1.0, 1.0)]);
    let ideal = ScatterTrace { mode: "lines".to_owned(), ..ideal.dashed("dot") };
    plot.data.push(Trace::Scatter(ideal));
    let diagram = |name: &str, diagram: &ReliabilityDiagram| {
        let bins = &diagram.bins;
        let curve =
            ScatterTrace::curve(name, bins.iter().map(|bin| (bin.confidence, bin.accuracy)));
        let accuracies: Vec<f64> = bins.iter().map(|bin| bin.accuracy).collect();
        let intervals: Vec<[f64; 2]> = bins.iter().map(|bin| bin.accuracy_interval).collect();
        Trace::Scatter(ScatterTrace {
            error_y: Some(error_bars(&accuracies, &intervals)),
            customdata: bins.iter().map(|bin| bin.count as f64).collect(),
            hovertemplate: Some(
                "confidence %{x:.3g}, accuracy %{y:.3g}, %{customdata} records".to_owned(),
            ),
            ..curve
        })
    };
    plot.data.push(diagram("before calibration", &reliability.before));
    if let Some(after) = &reliability.after {
        plot.data.push(diagram("after calibration", after));
    }
    plot
}

fn risk_coverage(risks: &RiskCoverage) -> PlotlyFigure {
    let title = "Errors among accepted test records";
    let mut plot = PlotlyFigure::new(title, "share accepted", "share of errors among them");
    plot.layout.xaxis.range = Some([0.0, 1.0]);
    let points = risks.curve.iter().map(|point| (point.acceptance, point.risk));
    let mut curve = ScatterTrace::curve("most confident first", points);
    curve.mode = "lines".to_owned();
    curve.customdata = risks.curve.iter().map(|point| point.threshold).collect();
    curve.hovertemplate =
        Some("%{x:.3g} accepted (confidence from %{customdata:.3g}): %{y:.3g} wrong".to_owned());
    plot.data.push(Trace::Scatter(curve));
    plot
}

/// Of the p-values of test records, the share in each bin, and what it is where they are like the
/// calibration records.
fn spread(found: &TestPValues, calibration: usize) -> PlotlyFigure {
    let title = "Out-of-distribution p-values of test records";
    let mut plot = PlotlyFigure::new(title, "p-value", "share of the test records");
    plot.layout.xaxis.range = Some([0.0, 1.0]);
    let edges: Vec<f64> =
        (0..=p_values::BINS).map(|at| at as f64 / p_values::BINS as f64).collect();
    let ideal = ScatterTrace::steps(
        "records like those of calibration",
        &edges,
        &p_values::expected(calibration),
    );
    plot.data.push(Trace::Scatter(ideal.dashed("dot")));
    let mut histogram = |name: &str, counts: &[u64], visible: Option<String>| {
        let share = |count: &u64| *count as f64 / found.records.max(1) as f64;
        let shares: Vec<f64> = counts.iter().map(share).collect();
        let mut steps = ScatterTrace::steps(name, &edges, &shares);
        steps.hovertemplate =
            Some("p from %{x:.3g} to %{customdata:.3g}: %{y:.3g} of the records".to_owned());
        steps.visible = visible;
        plot.data.push(Trace::Scatter(steps));
    };
    histogram("all axes together", &found.combined, None);
    for axis in &found.axes {
        let name = axis.axis.name().replace('_', " ");
        histogram(&name, &axis.counts, Some("legendonly".to_owned()));
    }
    plot
}

/// Points of a target that are drawn at most, evenly chosen.
const POINTS: usize = 2_000;

/// The name of [`predictions`].
pub const PREDICTIONS: &str = "predictions";

/// Predicted numbers of the test records against the true ones; `None` where labels were predicted.
pub fn predictions(test: &TestResults) -> Option<PlotlyFigure> {
    let Results::Values { targets, truth, predicted } = &test.results else { return None };
    let mut plot = PlotlyFigure::new("Predicted against true, test records", "true", "predicted");
    let all = truth.iter().chain(predicted).copied().filter(|value| value.is_finite());
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low < high {
        let ideal = ScatterTrace::curve("what is true", [(low, low), (high, high)]);
        let ideal = ScatterTrace { mode: "lines".to_owned(), ..ideal.dashed("dot") };
        plot.data.push(Trace::Scatter(ideal));
    }
    let each = targets.len().max(1);
    let every = test.records.len().div_ceil(POINTS).max(1);
    for (at, target) in targets.iter().enumerate() {
        let of = |values: &'_ [f64]| -> Vec<f64> {
            values.iter().skip(at).step_by(each).step_by(every).copied().collect()
        };
        let mut points = ScatterTrace::curve(target, of(truth).into_iter().zip(of(predicted)));
        points.mode = "markers".to_owned();
        points.customdata =
            test.records.iter().step_by(every).map(|row| (row + 1) as f64).collect();
        points.hovertemplate = Some("row %{customdata}: %{y:.4g}, in truth %{x:.4g}".to_owned());
        plot.data.push(Trace::Scatter(points));
    }
    Some(plot)
}
