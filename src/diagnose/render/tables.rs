//! The tables of a report.

use std::collections::BTreeMap;

use super::words::{self, between, count, maybe, number};
use crate::diagnose::finding::{Figure, Finding, Verification};
use crate::diagnose::report::settings::SettingEffect;
use crate::diagnose::report::{LimitationsReport, ProbeSummary};

/// A cell: texts, some of which are links to a path of the API.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell(pub Vec<(String, Option<String>)>);

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(if text.is_empty() { Vec::new() } else { vec![(text, None)] })
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A table; the first cell of a row names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// The rows, each as long as the head.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    fn new(caption: &str, head: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        let head = head.iter().map(|name| (*name).to_owned()).collect();
        Self { caption: caption.to_owned(), head, rows }
    }

    /// Without columns that say nothing.
    fn without_empty_columns(mut self) -> Self {
        let kept: Vec<bool> = (0..self.head.len())
            .map(|column| column == 0 || self.rows.iter().any(|row| !row[column].0.is_empty()))
            .collect();
        let mut keep = kept.iter();
        self.head.retain(|_| keep.next() == Some(&true));
        for row in &mut self.rows {
            let mut keep = kept.iter();
            row.retain(|_| keep.next() == Some(&true));
        }
        self
    }
}

/// Runs as links: by their place among the report's trainings, where they have one.
fn runs(report: &LimitationsReport, runs: &[String]) -> Cell {
    let probes = &report.scope.probes;
    let link = |run: &String| {
        let name = match probes.iter().position(|probe| probe.run == *run) {
            Some(at) => format!("training {}", at + 1),
            None => run.clone(),
        };
        (name, run_path(run))
    };
    Cell(runs.iter().map(link).collect())
}

/// Where a run is read.
fn run_path(run: &str) -> Option<String> {
    run.starts_with("run_").then(|| format!("/v1/runs/{}", words::path_part(run)))
}

/// What was measured for a finding.
pub fn evidence(report: &LimitationsReport, finding: &Finding) -> Table {
    let row = |measured: &crate::diagnose::finding::Measurement| -> Vec<Cell> {
        vec![
            words::capital(&measured.name).into(),
            maybe(measured.value).into(),
            measured.interval.map(between).unwrap_or_default().into(),
            measured.threshold.map(number).unwrap_or_default().into(),
            runs(report, &measured.runs),
        ]
    };
    let head = ["Measure", "Value", "With 95 % confidence", "A limitation from", "Measured in"];
    let rows = finding.evidence.iter().map(row).collect();
    Table::new("What was measured", &head, rows).without_empty_columns()
}

/// What the remedy did, beside the original and random changes.
pub fn verification(report: &LimitationsReport, tried: &Verification) -> Table {
    let metric = words::capital(words::metric(&tried.metric));
    let better = if tried.lower_is_better { "lower is better" } else { "higher is better" };
    let against = |difference: &crate::diagnose::finding::SeedDifference| -> [Cell; 2] {
        let range = between(difference.interval);
        let told = format!("{} ({range})", number(difference.difference));
        [told.into(), p_value(difference.p_value_adjusted).into()]
    };
    let [original, p_original] = against(&tried.against_original);
    let [random, p_random] = against(&tried.against_random);
    let rows = vec![
        vec![
            "The remedy".into(),
            number(tried.remedy).into(),
            "".into(),
            "".into(),
            runs(report, &tried.runs),
        ],
        vec![
            "The model's own settings".into(),
            number(tried.original).into(),
            original,
            p_original,
            "".into(),
        ],
        vec![
            "Random changes".into(),
            number(tried.random_change).into(),
            random,
            p_random,
            "".into(),
        ],
    ];
    let head = [
        "What was trained".to_owned(),
        format!("{metric} ({better})"),
        "The remedy − this, with 95 % confidence".to_owned(),
        "p-value, corrected".to_owned(),
        "Measured in".to_owned(),
    ];
    let caption = format!(
        "Means over {} and {}",
        count(tried.seeds.len(), "seed"),
        count(tried.records, "test record")
    );
    Table { caption, head: head.to_vec(), rows }.without_empty_columns()
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "below 0.001".to_owned() } else { number(p) }
}

/// What a report rests on, as names and values.
pub fn scope(report: &LimitationsReport) -> Vec<(&'static str, String)> {
    let scope = &report.scope;
    let trainings = |runs: f64| match number(runs).as_str() {
        "1" => "1 training".to_owned(),
        n => format!("{n} trainings"),
    };
    let mut limits = vec![format!("{} of the model's own size", trainings(scope.budget.runs))];
    limits.extend(scope.budget.epochs.map(|epochs| count(epochs as usize, "epoch")));
    limits.extend(scope.budget.seconds.map(|seconds| duration(seconds as f64)));
    let spent = format!(
        "{} of the model's own size, {}, {} of computing",
        trainings(scope.spent.runs),
        count(scope.spent.epochs as usize, "epoch"),
        duration(scope.spent.seconds)
    );
    let seeds: Vec<String> = scope.seeds.iter().map(u64::to_string).collect();
    let records = scope.records;
    let mut parts = vec![
        format!("{} for training", number(records.train as f64)),
        format!("{} for validation", number(records.validation as f64)),
        format!("{} for calibration", number(records.calibration as f64)),
        format!("{} for the test", number(records.test as f64)),
    ];
    if records.excluded > 0 {
        parts.push(format!("{} left out as copies", number(records.excluded as f64)));
    }
    if records.lacking > 0 {
        parts.push(format!("{} left out for lack of a value", number(records.lacking as f64)));
    }
    let test = match scope.test {
        Some(value) => number(value),
        None => "not known: there are no test records".to_owned(),
    };
    vec![
        ("Budget", limits.join(", and at most ")),
        ("Spent", spent),
        ("Seeds", seeds.join(", ")),
        ("Records", parts.join(", ")),
        ("Compared by", words::metric(&scope.metric).to_owned()),
        ("The model itself, on the test records", test),
    ]
}

/// A length of time.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 60.0 {
        let shown = if seconds < 10.0 { number(seconds) } else { number(seconds.round()) };
        return format!("{shown} {}", if shown == "1" { "second" } else { "seconds" });
    }
    let minutes = (seconds / 60.0).round() as usize;
    if minutes < 120 {
        return count(minutes, "minute");
    }
    match minutes % 60 {
        0 => count(minutes / 60, "hour"),
        rest => format!("{} and {}", count(minutes / 60, "hour"), count(rest, "minute")),
    }
}

/// Which settings matter: what every change that was tried did.
pub fn settings(report: &LimitationsReport) -> Table {
    let row = |effect: &SettingEffect| -> Vec<Cell> {
        let points = |share: f64| number(100.0 * share);
        let [low, high] = effect.interval;
        let told = match (effect.matters, effect.difference < 0.0) {
            (false, _) => "may be chance",
            (true, true) => "better",
            (true, false) => "worse",
        };
        vec![
            words::change(&effect.change).into(),
            points(effect.difference).into(),
            format!("{} to {}", points(low), points(high)).into(),
            told.into(),
            effect.trainings.to_string().into(),
        ]
    };
    let head = [
        "What was set",
        "Change of the error, in points",
        "With 95 % confidence",
        "What it does",
        "Trainings",
    ];
    let rows = report.settings.iter().map(row).collect();
    let caption = "Error on the validation records, in points of percent: below 0 is better";
    Table::new(caption, &head, rows)
}

/// The trainings that a report rests on.
pub fn probes(report: &LimitationsReport) -> Table {
    let row = |(at, probe): (usize, &ProbeSummary)| -> Vec<Cell> {
        let change = words::change(&probe.change);
        let change = if change.is_empty() { "nothing: the model's own".to_owned() } else { change };
        let error = match (&probe.failure, probe.validation_error) {
            (Some(failure), _) => format!("failed: {failure}"),
            (None, error) => maybe(error),
        };
        vec![
            Cell(vec![(format!("training {}", at + 1), run_path(&probe.run))]),
            change.into(),
            probe.records.as_str().into(),
            probe.seed.to_string().into(),
            error.into(),
            number(probe.cost).into(),
        ]
    };
    let head = [
        "Training",
        "What it set",
        "Records",
        "Seed",
        "Error on the validation records",
        "Cost (the model's own is 1)",
    ];
    let rows = report.scope.probes.iter().enumerate().map(row).collect();
    Table::new("The trainings, in the order in which they ended", &head, rows)
}

/// The data of a figure: at most `most` rows, evenly over it, and how many there are.
pub fn figure(figure: &Figure, most: usize) -> (Table, usize) {
    let finite = |points: &[[f64; 2]]| -> Vec<[f64; 2]> {
        points.iter().copied().filter(|point| point.iter().all(|v| v.is_finite())).collect()
    };
    let series: Vec<Vec<[f64; 2]>> = figure.series.iter().map(|s| finite(&s.points)).collect();
    let mut wide: BTreeMap<Ordered, Vec<Option<f64>>> = BTreeMap::new();
    let mut twice = false;
    for (at, points) in series.iter().enumerate() {
        for [x, y] in points {
            let row = wide.entry(Ordered(*x + 0.0)).or_insert_with(|| vec![None; series.len()]);
            twice |= row[at].is_some();
            row[at] = Some(*y);
        }
    }
    let (head, rows): (Vec<String>, Vec<Vec<Cell>>) = if twice {
        // Several points over one place of the axis: a row each.
        let rows = figure.series.iter().zip(&series).flat_map(|(series, points)| {
            points.iter().map(|[x, y]| -> Vec<Cell> {
                vec![series.name.as_str().into(), number(*x).into(), number(*y).into()]
            })
        });
        (vec!["Curve".to_owned(), figure.x.clone(), figure.y.clone()], rows.collect())
    } else {
        let names = figure.series.iter().map(|series| series.name.clone());
        let rows = wide.into_iter().map(|(Ordered(x), values)| {
            let value = |y: Option<f64>| Cell::from(y.map(number).unwrap_or_default());
            std::iter::once(number(x).into()).chain(values.into_iter().map(value)).collect()
        });
        (std::iter::once(figure.x.clone()).chain(names).collect(), rows.collect())
    };
    let all = rows.len();
    let rows = thinned(&rows, most);
    (Table { caption: format!("{}: the data ({})", figure.title, figure.y), head, rows }, all)
}

/// At most `most` of the items, the first and the last among them, evenly between.
pub fn thinned<T: Clone>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most || most < 2 {
        return items.iter().take(most.max(1)).cloned().collect();
    }
    (0..most).map(|at| items[at * (items.len() - 1) / (most - 1)].clone()).collect()
}

/// A finite number as a key.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
