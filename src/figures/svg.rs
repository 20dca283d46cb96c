//! A figure as an SVG file, for a README or an e-mail: it needs nothing else, and is light whatever
//! surrounds it.

use super::{
    BarTrace, ErrorBars, HeatmapTrace, ParcoordsTrace, PlotAxis, PlotlyFigure, ScatterTrace, Trace,
};
use crate::diagnose::render::html_text::escaped;
use crate::diagnose::render::ticks::Axis;
use crate::diagnose::render::words::number;

/// Size of the drawing, in pixels.
const SIZE: [f64; 2] = [760.0, 440.0];
/// Colours of curves; further ones repeat them. The first is that of bars and cells.
const COLORS: [&str; 6] = ["#0b57a8", "#c04a00", "#1f7a4d", "#8a3ffc", "#a3195b", "#5d6067"];
const INK: &str = "#1b1d21";
const SOFT: &str = "#565b63";
const LINE: &str = "#d6d7d2";
/// Labels of a matrix up to which each is written out.
const LABELLED: usize = 30;
/// Letters of a label that is not cut.
const LETTERS: usize = 26;

/// Where things are drawn: left, right, top and bottom edge, in pixels.
#[derive(Debug, Clone, Copy)]
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Plot {
    fn x(self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }

    fn y(self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }
}

/// The drawing of a figure.
pub fn svg(figure: &PlotlyFigure) -> String {
    let title = &figure.layout.title.text;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
         height=\"{h}\" role=\"img\" aria-labelledby=\"title\" font-family=\"system-ui, sans-serif\" \
         font-size=\"13\">\n<title id=\"title\">{title}</title>\n\
         <rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n",
        w = SIZE[0],
        h = SIZE[1],
        title = escaped(title),
    );
    text(&mut out, [20.0, 30.0], "start", INK, 17, title);
    let layout = &figure.layout;
    match figure.data.first() {
        Some(Trace::Heatmap(cells)) => {
            heatmap(&mut out, cells);
            axis_names(&mut out, &layout.xaxis, &layout.yaxis);
        }
        Some(Trace::Bar(bar)) => {
            bars(&mut out, bar, &layout.xaxis);
            axis_names(&mut out, &layout.xaxis, &PlotAxis::default());
        }
        Some(Trace::Parcoords(lines)) => parallel(&mut out, lines),
        _ => {
            curves(&mut out, figure);
            axis_names(&mut out, &layout.xaxis, &layout.yaxis);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn text(out: &mut String, [x, y]: [f64; 2], anchor: &str, color: &str, size: u32, words: &str) {
    out.push_str(&format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\" \
         font-size=\"{size}\">{}</text>\n",
        escaped(words)
    ));
}

fn line(out: &mut String, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], color: &str, more: &str) {
    out.push_str(&format!(
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\"{more}/>\n"
    ));
}

fn axis_names(out: &mut String, x: &PlotAxis, y: &PlotAxis) {
    text(out, [SIZE[0] - 20.0, SIZE[1] - 14.0], "end", SOFT, 13, &x.title.text);
    text(out, [20.0, 52.0], "start", SOFT, 13, &y.title.text);
}

fn cut(label: &str) -> String {
    if label.chars().count() <= LETTERS {
        return label.to_owned();
    }
    label.chars().take(LETTERS - 1).chain(['…']).collect()
}

/// The axis over values; with a range of its own, from end to end of that.
fn axis(of: &PlotAxis, values: impl Iterator<Item = f64> + Clone, most: usize) -> Option<Axis> {
    if of.kind == "log" && values.clone().all(|value| value > 0.0) {
        return Axis::logarithmic(values, most);
    }
    if of.kind == "date" {
        return Axis::times(values, most);
    }
    match of.range {
        Some(ends) => Axis::linear(ends.into_iter(), most),
        None => Axis::linear(values, most),
    }
}

fn grid(out: &mut String, plot: Plot, x: &Axis, y: Option<&Axis>) {
    for (value, label) in y.iter().flat_map(|y| &y.ticks) {
        let at = plot.y(y.map_or(0.0, |y| y.place(*value)));
        line(out, [plot.left, at], [plot.right, at], LINE, "");
        text(out, [plot.left - 8.0, at + 4.0], "end", SOFT, 13, label);
    }
    for (value, label) in &x.ticks {
        let at = plot.x(x.place(*value));
        line(out, [at, plot.bottom], [at, plot.bottom + 5.0], SOFT, "");
        text(out, [at, plot.bottom + 20.0], "middle", SOFT, 13, label);
    }
    line(out, [plot.left, plot.bottom], [plot.right, plot.bottom], SOFT, "");
}

fn curves(out: &mut String, figure: &PlotlyFigure) {
    fn scatter(trace: &Trace) -> Option<&ScatterTrace> {
        match trace {
            // What waits for a click is not drawn where nothing can be clicked.
            Trace::Scatter(scatter) => Some(scatter).filter(|scatter| scatter.visible.is_none()),
            _ => None,
        }
    }
    let traces: Vec<&ScatterTrace> = figure.data.iter().filter_map(scatter).collect();
    let points = || {
        let each = traces.iter().flat_map(|trace| trace.x.iter().zip(&trace.y));
        each.filter_map(|(x, y)| Some([*x, (*y)?]))
    };
    let layout = &figure.layout;
    let axes = (
        axis(&layout.xaxis, points().map(|[x, _]| x).collect::<Vec<_>>().into_iter(), 8),
        axis(&layout.yaxis, points().map(|[_, y]| y).collect::<Vec<_>>().into_iter(), 6),
    );
    let (Some(x), Some(y)) = axes else {
        return text(
            out,
            [SIZE[0] / 2.0, SIZE[1] / 2.0],
            "middle",
            SOFT,
            15,
            "Nothing to show yet",
        );
    };
    let plot = Plot { left: 70.0, right: SIZE[0] - 24.0, top: 66.0, bottom: SIZE[1] - 88.0 };
    grid(out, plot, &x, Some(&y));
    let place = |[px, py]: [f64; 2]| [plot.x(x.place(px)), plot.y(y.place(py))];
    for mark in &layout.shapes {
        let at = plot.x(x.place(mark.x0));
        line(out, [at, plot.top], [at, plot.bottom], SOFT, " stroke-dasharray=\"2 4\"");
    }
    for note in &layout.annotations {
        let log = layout.xaxis.kind == "log";
        let at = if log { 10_f64.powf(note.x) } else { note.x };
        text(out, [plot.x(x.place(at)), plot.top - 5.0], "middle", SOFT, 12, &note.text);
    }
    for (at, trace) in traces.iter().enumerate() {
        scatter_trace(out, trace, COLORS[at % COLORS.len()], &place);
    }
    let names = traces.iter().map(|trace| trace.name.as_str());
    let mut left = plot.left;
    for (at, name) in names.enumerate() {
        let color = COLORS[at % COLORS.len()];
        let foot = SIZE[1] - 40.0;
        line(out, [left, foot - 4.0], [left + 22.0, foot - 4.0], color, " stroke-width=\"3\"");
        text(out, [left + 28.0, foot], "start", INK, 13, name);
        left += 52.0 + 7.2 * name.chars().count() as f64;
    }
}

fn scatter_trace(
    out: &mut String,
    trace: &ScatterTrace,
    color: &str,
    place: &dyn Fn([f64; 2]) -> [f64; 2],
) {
    let dash = match trace.line.dash.as_deref() {
        Some("dash") => " stroke-dasharray=\"7 5\"",
        Some("dot") => " stroke-dasharray=\"2 5\"",
        _ => "",
    };
    let (opacity, width) = (trace.opacity.unwrap_or(1.0), trace.line.width.unwrap_or(2.0));
    // A gap ends a piece of the curve.
    let points: Vec<Option<[f64; 2]>> =
        trace.x.iter().zip(&trace.y).map(|(x, y)| Some(place([*x, (*y)?]))).collect();
    let steps = trace.line.shape.as_deref() == Some("hv");
    if trace.mode.contains("lines") {
        for piece in points.split(Option::is_none).filter(|piece| piece.len() > 1) {
            let mut corners: Vec<String> = Vec::new();
            let mut before: Option<f64> = None;
            for [x, y] in piece.iter().flatten() {
                corners
                    .extend(before.filter(|_| steps).map(|height| format!("{x:.1},{height:.1}")));
                corners.push(format!("{x:.1},{y:.1}"));
                before = Some(*y);
            }
            out.push_str(&format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" \
                 opacity=\"{opacity}\" stroke-linejoin=\"round\"{dash}/>\n",
                corners.join(" ")
            ));
        }
    }
    if let Some(ErrorBars { array, arrayminus, .. }) = &trace.error_y {
        for (((x, y), up), down) in trace.x.iter().zip(&trace.y).zip(array).zip(arrayminus) {
            let Some(y) = y else { continue };
            line(out, place([*x, y - down]), place([*x, y + up]), color, " opacity=\"0.5\"");
        }
    }
    if trace.mode.contains("markers") {
        for [x, y] in points.iter().flatten() {
            out.push_str(&format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{color}\"/>\n"
            ));
        }
    }
}

fn heatmap(out: &mut String, cells: &HeatmapTrace) {
    let most = cells.z.iter().flatten().copied().fold(1.0, f64::max);
    let (columns, rows) = (cells.x.len().max(1) as f64, cells.y.len().max(1) as f64);
    let plot = Plot { left: 180.0, right: SIZE[0] - 24.0, top: 66.0, bottom: SIZE[1] - 66.0 };
    let (width, height) = ((plot.right - plot.left) / columns, (plot.bottom - plot.top) / rows);
    let few = cells.x.len().max(cells.y.len()) <= LABELLED;
    for (row, counts) in cells.z.iter().enumerate() {
        let top = plot.top + row as f64 * height;
        for (column, count) in counts.iter().enumerate() {
            let left = plot.left + column as f64 * width;
            let share = count / most;
            out.push_str(&format!(
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
                 fill=\"{}\" fill-opacity=\"{share:.3}\" stroke=\"{LINE}\"/>\n",
                COLORS[0]
            ));
            if few && width > 20.0 && height > 12.0 {
                let color = if share > 0.5 { "#ffffff" } else { INK };
                let at = [left + width / 2.0, top + height / 2.0 + 4.5];
                text(out, at, "middle", color, 13, &number(*count));
            }
        }
        if few {
            let at = [plot.left - 8.0, top + height / 2.0 + 4.5];
            text(out, at, "end", SOFT, 12, &cut(&cells.y[row]));
        }
    }
    if few && width > 60.0 {
        for (column, label) in cells.x.iter().enumerate() {
            let at = [plot.left + (column as f64 + 0.5) * width, plot.bottom + 18.0];
            text(out, at, "middle", SOFT, 12, &cut(label));
        }
    }
}

fn bars(out: &mut String, bar: &BarTrace, of: &PlotAxis) {
    let plot = Plot { left: 220.0, right: SIZE[0] - 30.0, top: 60.0, bottom: SIZE[1] - 66.0 };
    let Some(x) = axis(of, bar.x.iter().copied(), 6) else { return };
    grid(out, plot, &x, None);
    let height = (plot.bottom - plot.top) / bar.x.len().max(1) as f64;
    for (at, (length, name)) in bar.x.iter().zip(&bar.y).enumerate() {
        let middle = plot.top + (at as f64 + 0.5) * height;
        let (from, to) = (plot.x(x.place(0.0)), plot.x(x.place(*length)));
        let thick = (height * 0.6).min(26.0);
        out.push_str(&format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{thick:.1}\" fill=\"{}\"/>\n",
            from.min(to),
            middle - thick / 2.0,
            (to - from).abs(),
            COLORS[0]
        ));
        if let Some(ErrorBars { array, arrayminus, .. }) = &bar.error_x
            && let (Some(up), Some(down)) = (array.get(at), arrayminus.get(at))
        {
            let end = |value: f64| [plot.x(x.place(value)), middle];
            line(out, end(length - down), end(length + up), INK, " stroke-width=\"2\"");
        }
        text(out, [plot.left - 8.0, middle + 4.5], "end", SOFT, 12, &cut(name));
    }
}

fn parallel(out: &mut String, lines: &ParcoordsTrace) {
    let plot = Plot { left: 90.0, right: SIZE[0] - 90.0, top: 80.0, bottom: SIZE[1] - 40.0 };
    let axes: Vec<Option<Axis>> = lines
        .dimensions
        .iter()
        .map(|one| Axis::linear(one.values.iter().chain(&one.tickvals).copied(), 5))
        .collect();
    let across = (axes.len().max(2) - 1) as f64;
    let ends = lines.line.color.iter();
    let (low, high) = ends.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    for (row, color) in lines.line.color.iter().enumerate() {
        let share = if high > low { (color - low) / (high - low) } else { 1.0 };
        let good = if lines.line.reversescale { 1.0 - share } else { share };
        let corner = |(at, one): (usize, &super::PlotDimension)| {
            let share = axes[at].as_ref().zip(one.values.get(row)).map(|(a, v)| a.place(*v));
            format!("{:.1},{:.1}", plot.x(at as f64 / across), plot.y(share.unwrap_or(0.5)))
        };
        let corners: Vec<String> = lines.dimensions.iter().enumerate().map(corner).collect();
        out.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" \
             stroke-opacity=\"{:.2}\"/>\n",
            corners.join(" "),
            COLORS[0],
            0.15 + 0.85 * good
        ));
    }
    for (at, (one, axis)) in lines.dimensions.iter().zip(&axes).enumerate() {
        let x = plot.x(at as f64 / across);
        line(out, [x, plot.top], [x, plot.bottom], SOFT, "");
        text(out, [x, plot.top - 12.0], "middle", INK, 12, &cut(&one.label));
        let Some(axis) = axis else { continue };
        let given = one.tickvals.iter().copied().zip(one.ticktext.iter().cloned());
        let ticks: Vec<(f64, String)> =
            if one.tickvals.is_empty() { axis.ticks.clone() } else { given.collect() };
        for (value, label) in ticks {
            text(out, [x - 6.0, plot.y(axis.place(value)) + 4.0], "end", SOFT, 11, &cut(&label));
        }
    }
}
