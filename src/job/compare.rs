//! Runs beside one another: what differs in their specs, their metrics with intervals, paired tests on
//! the same test records, and means over seeds.

mod pairs;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{JobStatus, Run};
use crate::eval::bootstrap::{mean_interval, percentile_interval};
use crate::eval::groups::{self, Mean, MeanDifference};
use crate::eval::metric::Confusion;
use crate::learn::stopping::StoppingMetric;
use crate::model::card::Unavailable;
use crate::model::test_results::{Results, TestResults};
use crate::task::MetricsReport;
use pairs::{PairedDifference, paired};

/// Draws of every interval and test, so that the same runs give the same answer.
pub(super) const SEED: u64 = 1;

/// Runs beside one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The runs, in the order they were asked for; the first is the baseline.
    pub runs: Vec<ComparedRun>,
    /// The fields in which their specs differ.
    pub differences: Vec<FieldDifference>,
    /// Every metric that a run has, part by part.
    pub metrics: Vec<MetricRow>,
    /// Each run against the first, on the same test records.
    pub paired: Vec<PairedDifference>,
    /// Runs whose specs differ only by `training.seed`; there if some do.
    pub groups: Vec<SeedGroup>,
    /// Means over each group's seeds.
    pub group_metrics: Vec<GroupRow>,
    /// What could not be computed, and why.
    pub unavailable: Vec<Unavailable>,
}

/// A run that is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparedRun {
    /// Its id.
    pub run: String,
    /// Where it stands.
    pub status: JobStatus,
    /// The model it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// Epochs trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Steps trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Seconds that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// A field in which specs differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldDifference {
    /// Its path.
    #[schema(example = "optimizer.learning_rate")]
    pub field: String,
    /// Its value in each run, or each group, in order; `null` where it has none.
    pub values: Vec<Value>,
}

/// A part of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Records that trained.
    Train,
    /// Records that chose the best epoch.
    Validation,
    /// Records that nothing was fitted to.
    Test,
}

/// A metric of every run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricRow {
    /// Measured on this part.
    pub part: Part,
    /// The metric.
    pub metric: StoppingMetric,
    /// Whether a smaller value is a better one.
    pub lower_is_better: bool,
    /// Its value in each run, in order.
    pub values: Vec<MetricValue>,
}

/// A metric of a run. The interval is of what other records of the same kind would have given; it
/// says nothing of other seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricValue {
    /// The value; absent where the run has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Its 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// How the interval was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_method: Option<IntervalMethod>,
}

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Wilson's score interval of a share.
    Wilson,
    /// Studentised bootstrap over the records, of a mean.
    BootstrapT,
    /// Percentiles of the metric over resampled records.
    BootstrapPercentile,
    /// Percentiles over resampled records and one pseudo-record in favour of each run, of a difference
    /// of shares.
    BootstrapSmoothed,
}

/// Runs that differ only by their seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeedGroup {
    /// Ids of its runs.
    pub runs: Vec<String>,
    /// Their seeds, in the same order.
    pub seeds: Vec<u64>,
    /// What its spec has that other groups' have otherwise, by path.
    pub spec_difference: BTreeMap<String, Value>,
}

/// Means of a metric over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupRow {
    /// Measured on this part.
    pub part: Part,
    /// The metric.
    pub metric: StoppingMetric,
    /// Whether a smaller value is a better one.
    pub lower_is_better: bool,
    /// Its mean over the runs of each group, in order. The interval is of what other seeds would have
    /// given on these records.
    pub means: Vec<Mean>,
    /// Each group's mean against the first one's.
    pub differences: Vec<GroupDifference>,
}

/// A group's mean against the first group's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupDifference {
    /// Position of the group among `groups`, from 0.
    pub group: usize,
    /// Its mean − the first group's.
    #[serde(flatten)]
    pub of_means: MeanDifference,
}

/// Compares runs with what their models gave for each test record.
pub fn compare(runs: &[(Run, Option<TestResults>)]) -> Comparison {
    let specs: Vec<BTreeMap<String, Value>> = runs.iter().map(|(run, _)| fields(run)).collect();
    let mut unavailable = Vec::new();
    for (run, _) in runs.iter().filter(|(run, _)| run.metrics.is_none()) {
        let reason = match run.spec.range_test.is_some() {
            true => "the run is a range test, which makes no model".to_owned(),
            false => format!("the run is {}", run.status.name()),
        };
        unavailable.push(lack(format!("metrics of {}", run.id), reason, None));
    }
    let metrics = rows(runs);
    let paired = paired(runs, &mut unavailable);
    let members = members(&specs);
    let (groups, group_metrics) = if members.iter().any(|group| group.len() > 1) {
        let groups = seed_groups(runs, &specs, &members, &mut unavailable);
        let rows = group_rows(runs, &metrics, &groups);
        (groups, rows)
    } else {
        (Vec::new(), Vec::new())
    };
    let compared = runs.iter().map(|(run, _)| ComparedRun {
        run: run.id.clone(),
        status: run.status,
        model: run.model.clone(),
        seed: run.spec.training.seed,
        epochs: run.epochs,
        steps: run.steps,
        seconds: run.seconds.as_ref().map(|seconds| seconds.total),
    });
    let differences = differences(&specs);
    let runs = compared.collect();
    Comparison { runs, differences, metrics, paired, groups, group_metrics, unavailable }
}

pub(super) fn lack(
    statistic: String,
    reason: String,
    counts: Option<(usize, usize)>,
) -> Unavailable {
    let (have, need) = counts.map_or((0, None), |(have, need)| (have, Some(need)));
    Unavailable { statistic, reason, have, need }
}

/// A spec as plain values by path; lists are values.
fn fields(run: &Run) -> BTreeMap<String, Value> {
    fn walk(value: Value, path: String, fields: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                    walk(value, path, fields);
                }
            }
            value => drop(fields.insert(path, value)),
        }
    }
    let mut fields = BTreeMap::new();
    // A spec is plain data, which always can be JSON: it was stored as such.
    walk(serde_json::to_value(&run.spec).unwrap_or_default(), String::new(), &mut fields);
    fields
}

/// The fields whose values are not all the same.
fn differences(specs: &[BTreeMap<String, Value>]) -> Vec<FieldDifference> {
    let mut names: Vec<&String> = specs.iter().flat_map(BTreeMap::keys).collect();
    names.sort_unstable();
    names.dedup();
    let values = |name: &String| -> Vec<Value> {
        specs.iter().map(|spec| spec.get(name).cloned().unwrap_or_default()).collect()
    };
    let all = names.into_iter().map(|name| (name, values(name)));
    all.filter(|(_, values)| values.iter().any(|value| *value != values[0]))
        .map(|(field, values)| FieldDifference { field: field.clone(), values })
        .collect()
}

/// The metrics of a run's parts.
fn report(run: &Run, part: Part) -> Option<&MetricsReport> {
    let metrics = run.metrics.as_ref()?;
    match part {
        Part::Train => metrics.train.as_ref(),
        Part::Validation => metrics.validation.as_ref(),
        Part::Test => metrics.test.as_ref(),
    }
}

fn rows(runs: &[(Run, Option<TestResults>)]) -> Vec<MetricRow> {
    let mut rows = Vec::new();
    for part in [Part::Test, Part::Validation, Part::Train] {
        for metric in StoppingMetric::ALL {
            let value = |(run, results): &(Run, Option<TestResults>)| {
                let report = report(run, part);
                let value = report.and_then(|report| report.value(metric));
                let results = results.as_ref().filter(|_| part == Part::Test);
                let interval = report.and_then(|report| interval(report, results, metric));
                MetricValue {
                    value,
                    interval: interval.map(|(interval, _)| interval),
                    interval_method: interval.map(|(_, method)| method),
                }
            };
            let values: Vec<MetricValue> = runs.iter().map(value).collect();
            if values.iter().any(|value| value.value.is_some()) {
                let lower_is_better = metric.lower_is_better();
                rows.push(MetricRow { part, metric, lower_is_better, values });
            }
        }
    }
    rows
}

/// The interval of a metric, where there is one.
fn interval(
    report: &MetricsReport,
    results: Option<&TestResults>,
    metric: StoppingMetric,
) -> Option<([f64; 2], IntervalMethod)> {
    use IntervalMethod::{BootstrapPercentile, BootstrapT, Wilson};
    let single = !matches!(results.map(|r| &r.results), Some(Results::Sets { .. }));
    if let Some(report) = report.classification()
        && (metric == StoppingMetric::Accuracy
            // Of one label a record, both are the same share.
            || (metric == StoppingMetric::MicroF1 && single && report.confusion_matrix.is_some()))
    {
        return Some((report.accuracy_interval, Wilson));
    }
    let n = results?.records.len();
    let mean = |values: &[f64]| mean_interval(values, SEED).map(|interval| (interval, BootstrapT));
    let percentile = |statistic: &dyn Fn(&[usize]) -> Option<f64>| {
        let interval = percentile_interval(n, statistic, SEED);
        interval.map(|interval| (interval, BootstrapPercentile))
    };
    match (&results?.results, metric) {
        (Results::Labels { log_loss, .. }, StoppingMetric::LogLoss) => mean(log_loss),
        (Results::Labels { truth, predicted, .. }, StoppingMetric::MacroF1) => {
            let classes = truth.iter().chain(predicted).max().map_or(0, |most| *most as usize + 1);
            percentile(&|at| {
                let pair = |&i: &usize| (truth[i] as usize, predicted[i] as usize);
                Some(Confusion::new(classes, at.iter().map(pair)).macro_f1())
            })
        }
        (Results::Sets { hits, extra, missed }, StoppingMetric::MicroF1) => {
            percentile(&|at| micro_f1(at.iter().map(|&i| [hits[i], extra[i], missed[i]])))
        }
        (Results::Values { .. }, StoppingMetric::Mse) => mean(&errors(results?, |e| e * e)),
        (Results::Values { .. }, StoppingMetric::Mae) => mean(&errors(results?, f64::abs)),
        (Results::Values { targets, truth, predicted }, StoppingMetric::R2) => {
            percentile(&|at| r2(at, targets.len(), truth, predicted))
        }
        _ => None,
    }
}

/// A function of each record's errors, averaged over its targets; none where labels are predicted.
pub(super) fn errors(results: &TestResults, of: impl Fn(f64) -> f64) -> Vec<f64> {
    let Results::Values { targets, truth, predicted } = &results.results else { return Vec::new() };
    let n = targets.len().max(1);
    let pairs = truth.chunks(n).zip(predicted.chunks(n));
    pairs
        .map(|(truth, predicted)| {
            truth.iter().zip(predicted).map(|(y, p)| of(y - p)).sum::<f64>() / n as f64
        })
        .collect()
}

/// Micro F1 of records' hits, extra and missed labels: 2·TP / (2·TP + FP + FN).
pub(super) fn micro_f1(counts: impl Iterator<Item = [u32; 3]>) -> Option<f64> {
    let sums =
        counts.fold([0u64; 3], |sums, counts| [0, 1, 2].map(|of| sums[of] + u64::from(counts[of])));
    let [hits, extra, missed] = sums.map(|sum| sum as f64);
    let all = 2.0 * hits + extra + missed;
    (all > 0.0).then(|| 2.0 * hits / all)
}

/// The mean over targets of 1 − Σ(y − ŷ)² / Σ(y − ȳ)² of some records.
fn r2(at: &[usize], targets: usize, truth: &[f64], predicted: &[f64]) -> Option<f64> {
    let mut sum = 0.0;
    for target in 0..targets {
        let place = |i: &usize| i * targets + target;
        let mean = at.iter().map(|i| truth[place(i)]).sum::<f64>() / at.len() as f64;
        let spread: f64 = at.iter().map(|i| (truth[place(i)] - mean).powi(2)).sum();
        let errors: f64 = at.iter().map(|i| (truth[place(i)] - predicted[place(i)]).powi(2)).sum();
        sum += (spread > 0.0).then(|| 1.0 - errors / spread)?;
    }
    Some(sum / targets as f64)
}

/// Fields that say nothing of what a training does, besides its seed.
const ASIDE: [&str; 4] =
    ["training.seed", "model_name", "training.checkpoint_seconds", "training.checkpoint_steps"];

fn without_seed(spec: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut spec = spec.clone();
    spec.retain(|name, _| !ASIDE.contains(&name.as_str()));
    spec
}

/// Positions of the runs whose specs are the same but for the seed, in the order of the first.
fn members(specs: &[BTreeMap<String, Value>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(BTreeMap<String, Value>, Vec<usize>)> = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let key = without_seed(spec);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(i),
            None => groups.push((key, vec![i])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

fn seed_groups(
    runs: &[(Run, Option<TestResults>)],
    specs: &[BTreeMap<String, Value>],
    members: &[Vec<usize>],
    unavailable: &mut Vec<Unavailable>,
) -> Vec<SeedGroup> {
    let keys: Vec<_> = members.iter().map(|group| without_seed(&specs[group[0]])).collect();
    let differences = differences(&keys);
    let group = |(position, members): (usize, &Vec<usize>)| {
        let mut group =
            SeedGroup { runs: Vec::new(), seeds: Vec::new(), spec_difference: BTreeMap::new() };
        for &i in members {
            let run = &runs[i].0;
            let seed = run.spec.training.seed;
            // The same spec and seed give the same model: a repeat would feign certainty.
            if group.seeds.contains(&seed) {
                let reason = format!("{} repeats the seed {seed} and is left out", run.id);
                unavailable.push(lack(format!("groups[{position}]"), reason, None));
                continue;
            }
            group.runs.push(run.id.clone());
            group.seeds.push(seed);
        }
        let own = differences.iter().map(|d| (d.field.clone(), d.values[position].clone()));
        group.spec_difference = own.collect();
        group
    };
    members.iter().enumerate().map(group).collect()
}

fn group_rows(
    runs: &[(Run, Option<TestResults>)],
    metrics: &[MetricRow],
    groups: &[SeedGroup],
) -> Vec<GroupRow> {
    let mut rows = Vec::new();
    for row in metrics {
        let value = |id: &String| {
            let position = runs.iter().position(|(run, _)| run.id == *id)?;
            row.values[position].value.filter(|value| value.is_finite())
        };
        // A mean over some of the runs would be of another group.
        let values: Option<Vec<Vec<f64>>> =
            groups.iter().map(|group| group.runs.iter().map(value).collect()).collect();
        let Some(values) = values else { continue };
        let means: Option<Vec<Mean>> = values.iter().map(|values| groups::mean(values)).collect();
        let Some(means) = means else { continue };
        let against = |(group, values_of): (usize, &Vec<f64>)| {
            let of_means = groups::difference(values_of, &values[0])?;
            Some(GroupDifference { group, of_means })
        };
        let differences = values.iter().enumerate().skip(1).filter_map(against).collect();
        let MetricRow { part, metric, lower_is_better, .. } = *row;
        rows.push(GroupRow { part, metric, lower_is_better, means, differences });
    }
    rows
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
