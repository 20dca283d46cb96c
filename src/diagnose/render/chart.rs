//! A figure as inline SVG, its legend, and its data as a table.

use super::html_text::escaped;
use super::tables::thinned;
use super::ticks::Axis;
use super::words::number;
use crate::diagnose::finding::{Figure, Series};

/// Size of the drawing, in its own unit; it is scaled to the page's width.
const SIZE: [f64; 2] = [380.0, 240.0];
/// Room beside the plot: left, right, top, bottom.
const ROOM: [f64; 4] = [54.0, 16.0, 10.0, 26.0];
/// Points drawn of a curve.
const DRAWN: usize = 400;
/// Points up to which each has a mark.
const MARKED: usize = 30;
/// Looks of curves; further ones repeat them.
const LOOKS: usize = 6;

/// The drawing and its legend, or `None` where there is no point to draw. `id` is unique on the page.
pub fn chart(figure: &Figure, id: &str) -> Option<String> {
    let drawable = |point: &[f64; 2]| point.iter().all(|value| value.is_finite());
    let points = || figure.series.iter().flat_map(|series| &series.points);
    // Where a logarithm is of no use, the axis is an ordinary one.
    let log = figure.log_x && points().filter(|point| drawable(point)).all(|[x, _]| *x > 0.0);
    let of = |at: usize| points().filter(|point| drawable(point)).map(move |point| point[at]);
    let x = if log { Axis::logarithmic(of(0), 5) } else { Axis::linear(of(0), 4) }?;
    let y = Axis::linear(of(1), 5)?;
    let place = |[px, py]: [f64; 2]| {
        let [left, right, top, bottom] = ROOM;
        let width = SIZE[0] - left - right;
        let height = SIZE[1] - top - bottom;
        [left + x.place(px) * width, top + (1.0 - y.place(py)) * height]
    };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-title \
         {id}-about\">\n<title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-about\">{}</desc>\n",
        SIZE[0],
        SIZE[1],
        escaped(&figure.title),
        escaped(&described(figure)),
    );
    svg.push_str(&grid(&x, &y));
    for (at, series) in figure.series.iter().enumerate() {
        let points: Vec<[f64; 2]> = series.points.iter().copied().filter(drawable).collect();
        let points: Vec<[f64; 2]> = thinned(&points, DRAWN).into_iter().map(place).collect();
        svg.push_str(&curve(&points, at % LOOKS));
    }
    svg.push_str("</svg>\n");
    Some(format!("{svg}{}", legend(&figure.series)))
}

/// A figure in words, for those who do not see it.
fn described(figure: &Figure) -> String {
    let curve = |series: &Series| {
        let (first, last) = (series.points.first()?, series.points.last()?);
        let [from, to] = [first, last].map(|[x, y]| format!("{} at {}", number(*y), number(*x)));
        Some(match series.points.len() {
            1 => format!("{}: {from}.", series.name),
            _ => format!("{}: from {from} to {to}.", series.name),
        })
    };
    let curves: Vec<String> = figure.series.iter().filter_map(curve).collect();
    format!("{} over {}. {}", figure.y, figure.x, curves.join(" "))
}

/// Lines and numbers of both axes.
fn grid(x: &Axis, y: &Axis) -> String {
    let [left, right, top, bottom] = ROOM;
    let (end, floor) = (SIZE[0] - right, SIZE[1] - bottom);
    let mut out = String::from("<g class=\"grid\">\n");
    for (value, label) in &y.ticks {
        let at = top + (1.0 - y.place(*value)) * (floor - top);
        out.push_str(&format!(
            "<line x1=\"{left}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
            left - 7.0,
            at + 4.0,
        ));
    }
    for (value, label) in &x.ticks {
        let share = x.place(*value);
        let at = left + share * (end - left);
        // The last number ends where the plot does.
        let anchor = if share > 0.97 && label.chars().count() > 3 { "end" } else { "middle" };
        let text = if anchor == "end" { at + 8.0 } else { at };
        out.push_str(&format!(
            "<line class=\"tick\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{floor}\" y2=\"{:.1}\"/>\
             <text x=\"{text:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>\n",
            floor + 5.0,
            floor + 19.0,
        ));
    }
    out.push_str(&format!(
        "<line class=\"axis\" x1=\"{left}\" x2=\"{end}\" y1=\"{floor}\" y2=\"{floor}\"/>\n</g>\n"
    ));
    out
}

/// A curve, with a mark on each of its points where they are few.
fn curve(points: &[[f64; 2]], look: usize) -> String {
    let mut out = String::new();
    if points.len() > 1 {
        let line: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        out.push_str(&format!(
            "<polyline class=\"line s{look}\" points=\"{}\"/>\n",
            line.join(" ")
        ));
    }
    if points.len() <= MARKED {
        out.extend(points.iter().map(|point| mark(*point, look)));
    }
    out
}

/// A mark whose shape, and not only its colour, tells the curve.
fn mark([x, y]: [f64; 2], look: usize) -> String {
    let shape = match look % 3 {
        0 => format!("<circle class=\"mark s{look}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
        1 => {
            let (left, top) = (x - 3.7, y - 3.7);
            format!(
                "<rect class=\"mark s{look}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"7.4\" \
                 height=\"7.4\"/>"
            )
        }
        _ => {
            let (top, foot) = (y - 5.0, y + 3.8);
            let (left, right) = (x - 4.8, x + 4.8);
            format!(
                "<path class=\"mark s{look}\" d=\"M{x:.1} {top:.1}L{right:.1} {foot:.1}L{left:.1} \
                 {foot:.1}Z\"/>"
            )
        }
    };
    shape + "\n"
}

/// The names of the curves, each with its look.
fn legend(series: &[Series]) -> String {
    let item = |(at, series): (usize, &Series)| {
        let look = at % LOOKS;
        format!(
            "<li><svg viewBox=\"0 0 30 12\" aria-hidden=\"true\"><line class=\"line s{look}\" x1=\"1\" \
             x2=\"29\" y1=\"6\" y2=\"6\"/>{}</svg>{}</li>\n",
            mark([15.0, 6.0], look).trim_end(),
            escaped(&series.name)
        )
    };
    let items: String = series.iter().enumerate().map(item).collect();
    format!("<ul class=\"legend\">\n{items}</ul>\n")
}
