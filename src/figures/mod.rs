//! Figures in the format of Plotly: `data` and `layout`, as `plotly.io.from_json` reads them. What is
//! drawn is decided here once; a notebook, the dashboard and [`svg`] show the same.

pub mod comparison;
pub mod dataset;
pub mod evaluation;
pub mod model;
pub mod monitoring;
pub mod run;
pub mod svg;
pub mod sweep;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::diagnose::finding::Figure;

/// A figure as Plotly reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotlyFigure {
    /// What is drawn; empty where there is nothing yet.
    pub data: Vec<Trace>,
    /// Title, axes and marks.
    pub layout: PlotLayout,
}

/// Something that is drawn, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Trace {
    /// A curve, or points.
    Scatter(ScatterTrace),
    /// Bars.
    Bar(BarTrace),
    /// A matrix of coloured cells.
    Heatmap(HeatmapTrace),
    /// Parallel coordinates: a line for each row of a table.
    Parcoords(ParcoordsTrace),
}

/// A curve, or points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScatterTrace {
    /// What the legend calls it.
    pub name: String,
    /// Where its points are, along the horizontal axis.
    pub x: Vec<f64>,
    /// And along the vertical one; `null` is a gap: a value that is not finite.
    pub y: Vec<Option<f64>>,
    /// `lines`, `markers` or `lines+markers`.
    #[schema(example = "lines")]
    pub mode: String,
    /// How its line looks.
    #[serde(default)]
    pub line: PlotLine,
    /// In \[0, 1\]; fainter where lower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opacity: Option<f64>,
    /// Intervals around the points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_y: Option<ErrorBars>,
    /// What else is known of each point: of a training's curves the epoch, from 1; of reliability the
    /// records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customdata: Vec<f64>,
    /// What is shown of a point on hovering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hovertemplate: Option<String>,
    /// `legendonly`: it is drawn once the legend is clicked; default: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<String>,
}

/// Bars, lying.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BarTrace {
    /// What the legend calls them.
    pub name: String,
    /// How long they are.
    pub x: Vec<f64>,
    /// What each is of.
    pub y: Vec<String>,
    /// `h`: they lie.
    #[schema(example = "h")]
    pub orientation: String,
    /// Intervals around their ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_x: Option<ErrorBars>,
}

/// A matrix of coloured cells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeatmapTrace {
    /// What it counts.
    pub name: String,
    /// The columns.
    pub x: Vec<String>,
    /// The rows.
    pub y: Vec<String>,
    /// A list of numbers for each row.
    pub z: Vec<Vec<f64>>,
    /// What stands in a cell.
    pub texttemplate: String,
    /// From the colour of few to that of many.
    pub colorscale: String,
}

/// Parallel coordinates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParcoordsTrace {
    /// The axes, from left to right.
    pub dimensions: Vec<PlotDimension>,
    /// How lines are coloured.
    pub line: LineColors,
    /// Of a sweep, the first run of each line's setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

/// An axis of parallel coordinates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotDimension {
    /// Its name.
    pub label: String,
    /// A number for each line.
    pub values: Vec<f64>,
    /// Where numbers stand, if not at round ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickvals: Vec<f64>,
    /// What stands there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticktext: Vec<String>,
}

/// How the lines of parallel coordinates are coloured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineColors {
    /// A number for each line.
    pub color: Vec<f64>,
    /// From the colour of low to that of high.
    pub colorscale: String,
    /// Whether low numbers have the colour of high ones: where less is better.
    pub reversescale: bool,
    /// Whether a scale stands beside it.
    pub showscale: bool,
}

/// How a line looks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotLine {
    /// `solid`, `dash` or `dot`; default: `solid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dash: Option<String>,
    /// In pixels; default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    /// `hv`: steps, each from its point to the next; default: straight from point to point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
}

/// Intervals, as lengths above and below what they are of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBars {
    /// `data`: the lengths are given.
    #[serde(rename = "type")]
    #[schema(example = "data")]
    pub kind: String,
    /// Whether both lengths are the same: no.
    pub symmetric: bool,
    /// Lengths above.
    pub array: Vec<f64>,
    /// Lengths below.
    pub arrayminus: Vec<f64>,
}

/// Title, axes and marks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotLayout {
    /// What the figure shows.
    pub title: PlotText,
    /// The horizontal axis.
    pub xaxis: PlotAxis,
    /// The vertical axis.
    pub yaxis: PlotAxis,
    /// Lines across the figure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shapes: Vec<PlotShape>,
    /// What stands beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<PlotNote>,
}

/// A text of a figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotText {
    /// The text.
    pub text: String,
}

/// An axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotAxis {
    /// What it measures, with its unit.
    pub title: PlotText,
    /// `linear`, `log`, `category`, or `date`: milliseconds since 1970, UTC.
    #[serde(rename = "type")]
    #[schema(example = "linear")]
    pub kind: String,
    /// Its ends, where they do not follow from the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// `reversed`: the first row stands on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autorange: Option<String>,
}

/// An upright line across a figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotShape {
    /// `line`.
    #[serde(rename = "type")]
    #[schema(example = "line")]
    pub kind: String,
    /// Where it is.
    pub x0: f64,
    /// The same: it is upright.
    pub x1: f64,
    /// Its foot, as a share of the figure's height.
    pub y0: f64,
    /// Its top.
    pub y1: f64,
    /// `paper`: `y0` and `y1` are shares.
    #[schema(example = "paper")]
    pub yref: String,
    /// How it looks.
    pub line: PlotLine,
}

/// A text at a place of a figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlotNote {
    /// Where it is; on a logarithmic axis the logarithm to base 10, unlike that of a line.
    pub x: f64,
    /// How high, as a share of the figure's height.
    pub y: f64,
    /// `paper`: `y` is a share.
    #[schema(example = "paper")]
    pub yref: String,
    /// The text.
    pub text: String,
    /// Whether an arrow points at it: no.
    pub showarrow: bool,
}

impl PlotlyFigure {
    /// A figure with a title and the names of its axes, and nothing in it yet.
    pub fn new(title: &str, x: &str, y: &str) -> Self {
        let text = |text: &str| PlotText { text: text.to_owned() };
        let axis = |name: &str| PlotAxis {
            title: text(name),
            kind: "linear".to_owned(),
            ..PlotAxis::default()
        };
        let layout = PlotLayout {
            title: text(title),
            xaxis: axis(x),
            yaxis: axis(y),
            ..PlotLayout::default()
        };
        Self { data: Vec::new(), layout }
    }

    /// With an upright line and what it marks.
    fn mark(&mut self, x: f64, text: &str) {
        let line =
            PlotLine { dash: Some("dot".to_owned()), width: Some(1.0), ..PlotLine::default() };
        let yref = "paper".to_owned();
        self.layout.shapes.push(PlotShape {
            kind: "line".to_owned(),
            x0: x,
            x1: x,
            y0: 0.0,
            y1: 1.0,
            yref: yref.clone(),
            line,
        });
        let text = text.to_owned();
        let x = if self.layout.xaxis.kind == "log" { x.log10() } else { x };
        self.layout.annotations.push(PlotNote { x, y: 1.0, yref, text, showarrow: false });
    }
}

impl ScatterTrace {
    /// A curve through points; values that are not finite are gaps.
    fn curve(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (x, y): (Vec<f64>, Vec<Option<f64>>) =
            points.into_iter().map(|(x, y)| (x, Some(y).filter(|y| y.is_finite()))).unzip();
        let mode = if x.len() <= FEW { "lines+markers" } else { "lines" };
        Self { name: name.to_owned(), x, y, mode: mode.to_owned(), ..Self::default() }
    }

    /// Steps over the bins between `edges`, one more than there are `values`; hovering tells both ends.
    fn steps(name: &str, edges: &[f64], values: &[f64]) -> Self {
        let held = values.iter().chain(values.last());
        let mut steps = Self::curve(name, edges.iter().copied().zip(held.copied()));
        steps.mode = "lines".to_owned();
        steps.line.shape = Some("hv".to_owned());
        steps.customdata = edges.iter().skip(1).chain(edges.last()).copied().collect();
        steps
    }

    fn dashed(mut self, dash: &str) -> Self {
        self.line.dash = Some(dash.to_owned());
        self
    }
}

/// Points up to which each has a mark.
const FEW: usize = 30;

/// Lengths from values to the ends of their intervals.
fn error_bars(values: &[f64], intervals: &[[f64; 2]]) -> ErrorBars {
    let lengths = |end: usize| {
        let length = |(value, ends): (&f64, &[f64; 2])| (ends[end] - value).abs();
        values.iter().zip(intervals).map(length).collect()
    };
    ErrorBars {
        kind: "data".to_owned(),
        symmetric: false,
        array: lengths(1),
        arrayminus: lengths(0),
    }
}

/// Lying bars over a share of something, the first on top.
fn share_bars(title: &str, of: &str, shares: Vec<(String, f64, Option<[f64; 2]>)>) -> PlotlyFigure {
    let mut plot = PlotlyFigure::new(title, of, "");
    plot.layout.xaxis.range = Some([0.0, 1.0]);
    plot.layout.yaxis.kind = "category".to_owned();
    plot.layout.yaxis.autorange = Some("reversed".to_owned());
    let lengths: Vec<f64> = shares.iter().map(|(_, share, _)| *share).collect();
    let intervals: Option<Vec<[f64; 2]>> = shares.iter().map(|(_, _, ends)| *ends).collect();
    if !lengths.is_empty() {
        plot.data.push(Trace::Bar(BarTrace {
            name: of.to_owned(),
            error_x: intervals.map(|intervals| error_bars(&lengths, &intervals)),
            x: lengths,
            y: shares.into_iter().map(|(name, ..)| name).collect(),
            orientation: "h".to_owned(),
        }));
    }
    plot
}

/// A number of any JSON value, for an axis: none of what is no number.
fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|value| value.is_finite())
}

/// The figure of a finding.
impl From<&Figure> for PlotlyFigure {
    fn from(figure: &Figure) -> Self {
        let mut plot = Self::new(&figure.title, &figure.x, &figure.y);
        let points = || figure.series.iter().flat_map(|series| &series.points);
        // Where a logarithm is of no use, the axis is an ordinary one.
        if figure.log_x && points().all(|[x, _]| *x > 0.0) {
            plot.layout.xaxis.kind = "log".to_owned();
        }
        let curve = |series: &crate::diagnose::finding::Series| {
            let finite = series.points.iter().filter(|[x, _]| x.is_finite());
            let points = finite.map(|[x, y]| (*x, *y));
            Trace::Scatter(ScatterTrace::curve(&series.name, points))
        };
        plot.data = figure.series.iter().map(curve).collect();
        plot
    }
}
