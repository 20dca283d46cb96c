use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::diagnose::finding::Series;
use crate::job::MetricPoint;

fn points(values: &[f64]) -> Vec<MetricPoint> {
    let point = |(i, value): (usize, &f64)| MetricPoint {
        step: 10 * (i as u64 + 1),
        epoch: i as u32 + 1,
        value: *value,
        time: Timestamp::from_millis(0),
    };
    values.iter().enumerate().map(point).collect()
}

#[test]
fn a_figure_takes_the_metrics_that_belong_to_it() {
    let recorded = ["epoch.train_loss", "train.loss", "validation.accuracy", "validation.log_loss"];
    let names = |figure| -> Vec<&str> {
        run::metrics_of(figure, &recorded).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names("loss"), ["epoch.train_loss", "train.loss", "validation.log_loss"]);
    assert_eq!(names("metrics"), ["validation.accuracy", "validation.log_loss"]);
    assert_eq!(names("learning_rate"), [""; 0]);
}

#[test]
fn values_that_are_not_finite_are_gaps() {
    let values = points(&[1.0, f64::NAN, f64::INFINITY, 0.5]);
    let curve = ScatterTrace::curve("loss", values.iter().map(|p| (p.step as f64, p.value)));
    assert_eq!(json!(curve)["y"], json!([1.0, null, null, 0.5]));
    let mut figure = PlotlyFigure::new("Loss", "step", "loss");
    figure.data.push(Trace::Scatter(curve));
    let drawn = svg::svg(&figure);
    // Neither piece of the curve has two points, so that there is no line, and no value is made up.
    assert_eq!((drawn.matches("<polyline").count(), drawn.matches("<circle").count()), (0, 2));
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
}

#[test]
fn a_finding_keeps_its_logarithm_only_where_there_is_one() {
    let figure = |low: f64| Figure {
        title: "t".to_owned(),
        x: "rate".to_owned(),
        y: "loss".to_owned(),
        log_x: true,
        series: vec![Series { name: "s".to_owned(), points: vec![[low, 1.0], [1.0, 2.0]] }],
    };
    assert_eq!(PlotlyFigure::from(&figure(0.1)).layout.xaxis.kind, "log");
    assert_eq!(PlotlyFigure::from(&figure(0.0)).layout.xaxis.kind, "linear");
}

#[test]
fn steps_are_held_over_their_bin() {
    let steps = ScatterTrace::steps("share", &[0.0, 0.5, 1.0], &[0.2, 0.8]);
    assert_eq!(steps.y, [Some(0.2), Some(0.8), Some(0.8)]);
    assert_eq!(steps.customdata, [0.5, 1.0, 1.0]);
    let mut figure = PlotlyFigure::new("Spread", "p", "share");
    figure.data.push(Trace::Scatter(steps));
    let drawn = svg::svg(&figure);
    let corners = drawn.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
    let corners: Vec<(f64, f64)> = corners
        .split(' ')
        .map(|corner| corner.split_once(',').unwrap())
        .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
        .collect();
    // Along, up, along.
    assert_eq!(corners.len(), 5, "{corners:?}");
    assert!(corners.windows(2).all(|pair| pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1));
}

#[test]
fn the_rest_of_many_values_is_one_bar() {
    use crate::data::profile::{Column, ColumnKind, ValueCount};
    let count = |at: u64| ValueCount { value: format!("v{at}"), count: at };
    let text = serde_json::json!({"name": "kind", "kind": "category", "missing": 4, "distinct": 40,
        "distinct_exact": true, "duplicates": 0, "values": (1..=40).map(count).collect::<Vec<_>>()});
    let column: Column = serde_json::from_value(text).unwrap();
    assert_eq!(column.kind, ColumnKind::Category);
    let figure = dataset::balance(&column, 824);
    let Trace::Bar(bars) = &figure.data[0] else { panic!() };
    assert_eq!((bars.y.len(), bars.y[0].as_str()), (32, "v40"));
    assert_eq!(bars.y[30..], ["10 other values", "(missing)"]);
    assert!((bars.x.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{:?}", bars.x);
    assert_eq!(dataset::default_column(std::slice::from_ref(&column)), Some(&column));
}

#[test]
fn runs_are_told_apart_by_letters_of_their_place() {
    let names = [(0, Some("sentiment")), (1, None), (27, None)];
    let called = names.map(|(place, name)| comparison::called(place, name));
    assert_eq!(called, ["A sentiment", "B", "B2"]);
}

/// Every kind of figure, drawn.
fn one_of_each() -> Vec<PlotlyFigure> {
    let mut marked = PlotlyFigure::new("Loss <of> \"it\"", "step", "loss & more");
    let curve = ScatterTrace::curve("a<b", [(1.0, 2.0), (2.0, 1.0)]);
    let bars = error_bars(&[2.0, 1.0], &[[1.5, 2.5], [0.5, 1.25]]);
    assert_eq!((&bars.array, &bars.arrayminus), (&vec![0.5, 0.25], &vec![0.5, 0.5]));
    marked.data.push(Trace::Scatter(ScatterTrace { error_y: Some(bars), ..curve }));
    marked.mark(2.0, "best");
    let mut matrix = PlotlyFigure::new("Confusion", "predicted", "true");
    let labels = vec!["yes".to_owned(), "no".to_owned()];
    matrix.data.push(Trace::Heatmap(HeatmapTrace {
        x: labels.clone(),
        y: labels.clone(),
        z: vec![vec![3.0, 1.0], vec![0.0, 0.0]],
        ..HeatmapTrace::default()
    }));
    let mut bars = PlotlyFigure::new("Importance", "share", "field");
    bars.layout.xaxis.range = Some([0.0, 1.0]);
    bars.data.push(Trace::Bar(BarTrace { x: vec![0.7, 0.1], y: labels, ..BarTrace::default() }));
    let mut lines = PlotlyFigure::new("Trials", "field", "accuracy");
    let dimension = |values: Vec<f64>| PlotDimension { values, ..PlotDimension::default() };
    lines.data.push(Trace::Parcoords(ParcoordsTrace {
        dimensions: vec![dimension(vec![1.0, 2.0]), dimension(vec![0.5, 0.9])],
        line: LineColors { color: vec![0.5, 0.9], ..LineColors::default() },
        ids: vec!["run_1".to_owned(), "run_2".to_owned()],
    }));
    vec![marked, matrix, bars, lines, PlotlyFigure::new("Empty", "x", "y")]
}

#[test]
fn every_kind_is_drawn_as_xml_of_its_own() {
    let drawn: Vec<String> = one_of_each().iter().map(svg::svg).collect();
    for svg in &drawn {
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("script"), "{svg}");
        // Every element that is opened is closed, at once or later.
        let opened = svg.matches('<').count() - svg.matches("</").count();
        assert_eq!(opened, svg.matches("/>").count() + svg.matches("</").count(), "{svg}");
    }
    assert!(drawn[0].contains("Loss &lt;of&gt; &quot;it&quot;") && drawn[0].contains("a&lt;b"));
    assert!(drawn[0].contains(">best</text>"), "{}", drawn[0]);
    assert_eq!(drawn[1].matches("<rect").count(), 1 + 4, "{}", drawn[1]);
    assert_eq!(drawn[3].matches("<polyline").count(), 2, "{}", drawn[3]);
    assert!(drawn[4].contains("Nothing to show yet"));
}

/// Plotly places lines on a logarithmic axis by their values, and notes by logarithms.
#[test]
fn a_mark_stands_at_one_place_on_a_logarithmic_axis() {
    let mut figure = PlotlyFigure::new("Rates", "rate", "loss");
    figure.layout.xaxis.kind = "log".to_owned();
    figure.data.push(Trace::Scatter(ScatterTrace::curve("c", [(0.001, 1.0), (1.0, 2.0)])));
    figure.mark(0.01, "here");
    assert_eq!(figure.layout.shapes[0].x0, 0.01);
    assert!((figure.layout.annotations[0].x + 2.0).abs() < 1e-12);
    let drawn = svg::svg(&figure);
    let place = |before: &str, attribute: &str| -> f64 {
        let element = drawn.lines().find(|line| line.contains(before)).unwrap();
        let value = element.split(&format!("{attribute}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().parse().unwrap()
    };
    assert_eq!(place("stroke-dasharray=\"2 4\"", "x1"), place(">here<", " x"));
}

#[test]
fn figures_are_what_plotly_reads() {
    for figure in one_of_each() {
        let text = json!(figure);
        assert!(text["data"].is_array() && text["layout"]["title"]["text"].is_string());
        for trace in text["data"].as_array().unwrap() {
            let kind = trace["type"].as_str().unwrap();
            assert!(["scatter", "bar", "heatmap", "parcoords"].contains(&kind), "{kind}");
        }
        assert_eq!(serde_json::from_value::<PlotlyFigure>(text).unwrap(), figure);
    }
}
