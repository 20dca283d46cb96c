//! Figures of an evaluation.

use super::{PlotlyFigure, ScatterTrace, Trace, error_bars, model, share_bars};
use crate::model::evaluate::{CoverageBin, Evaluation, SliceReport};
use crate::task::MetricsReport;

/// The figures that an evaluation has.
pub fn names(report: &Evaluation) -> Vec<&'static str> {
    let of = [
        ("coverage", report.coverage_bins.iter().any(|bin| bin.accuracy.is_some())),
        ("slices", report.slices.iter().any(|slice| accuracy(slice).is_some())),
        ("reliability", report.reliability.is_some()),
        ("drift", report.drift.is_some()),
    ];
    of.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

/// A figure of an evaluation; `None` where it has none of that name.
pub fn figure(name: &str, report: &Evaluation) -> Option<PlotlyFigure> {
    if !names(report).contains(&name) {
        return None;
    }
    match name {
        "coverage" => Some(by_coverage(&report.coverage_bins)),
        "slices" => {
            let of = |slice: &SliceReport| {
                let (accuracy, interval) = accuracy(slice)?;
                Some((slice.slice.clone().unwrap_or_default(), accuracy, Some(interval)))
            };
            let bars = report.slices.iter().filter_map(of).collect();
            let mut plot = share_bars("Accuracy by slice", "accuracy", bars);
            plot.layout.yaxis.title.text = "slice".to_owned();
            Some(plot)
        }
        "reliability" => report.reliability.as_ref().map(model::reliability),
        "drift" => {
            let drift = report.drift.as_ref()?;
            let axes = drift.shift.axes.iter();
            let bars = axes.map(|axis| (axis.axis.replace('_', " "), axis.adjusted_p_value, None));
            let mut plot =
                share_bars("Drift by axis", "p-value, corrected (low: shifted)", bars.collect());
            plot.layout.yaxis.title.text = "axis".to_owned();
            Some(plot)
        }
        _ => None,
    }
}

fn accuracy(slice: &SliceReport) -> Option<(f64, [f64; 2])> {
    match &slice.metrics {
        Some(MetricsReport::Classification(report)) => {
            Some((report.accuracy, report.accuracy_interval))
        }
        _ => None,
    }
}

/// Accuracy and stated confidence of the records, by how much of them the model knows.
fn by_coverage(bins: &[CoverageBin]) -> PlotlyFigure {
    let mut plot =
        PlotlyFigure::new("Accuracy by coverage", "coverage, from", "accuracy and confidence");
    plot.layout.xaxis.range = Some([0.0, 1.0]);
    plot.layout.yaxis.range = Some([0.0, 1.0]);
    let measured: Vec<(&CoverageBin, f64)> =
        bins.iter().filter_map(|bin| Some((bin, bin.accuracy?))).collect();
    let records: Vec<f64> = measured.iter().map(|(bin, _)| bin.records as f64).collect();
    let template = |what: &str| {
        Some(format!("coverage from %{{x:.3g}}: {what} %{{y:.3g}}, %{{customdata}} records"))
    };
    let accuracies: Vec<f64> = measured.iter().map(|(_, accuracy)| *accuracy).collect();
    let ends = measured.iter().map(|(bin, a)| bin.accuracy_interval.unwrap_or([*a, *a]));
    let curve = measured.iter().map(|(bin, accuracy)| (bin.lower, *accuracy));
    plot.data.push(Trace::Scatter(ScatterTrace {
        error_y: Some(error_bars(&accuracies, &ends.collect::<Vec<_>>())),
        customdata: records.clone(),
        hovertemplate: template("accuracy"),
        ..ScatterTrace::curve("accuracy", curve)
    }));
    let confidences: Option<Vec<(f64, f64)>> =
        measured.iter().map(|(bin, _)| Some((bin.lower, bin.confidence?))).collect();
    if let Some(confidences) = confidences {
        plot.data.push(Trace::Scatter(ScatterTrace {
            customdata: records,
            hovertemplate: template("mean confidence"),
            ..ScatterTrace::curve("mean confidence", confidences)
        }));
    }
    plot
}
