//! Two runs on the same test records.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IntervalMethod, Run, SEED, errors, lack, micro_f1};
use crate::eval::bootstrap::{MIN_RECORDS, mean_interval, percentile_interval};
use crate::eval::paired::{holm, mcnemar_mid_p, share_difference_interval, sign_flip_p, swap_p};
use crate::learn::stopping::StoppingMetric;
use crate::model::card::Unavailable;
use crate::model::test_results::{Results, TestResults};

/// A run against the baseline on the same test records. Interval and test are of what other records
/// of the same kind would have given; they say nothing of other seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PairedDifference {
    /// The run.
    pub run: String,
    /// What it is compared with.
    pub baseline: String,
    /// The metric.
    pub metric: StoppingMetric,
    /// Whether a smaller value is a better one.
    pub lower_is_better: bool,
    /// Test records that both were measured on.
    pub records: usize,
    /// Value of the run − value of the baseline.
    pub difference: f64,
    /// Its 95 % interval; absent below 10 records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// How the interval was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_method: Option<IntervalMethod>,
    /// Two-sided p-value of the hypothesis that both are alike.
    pub p_value: f64,
    /// The same by Holm's method, for all runs that are compared in this metric together.
    pub p_value_adjusted: f64,
    /// The test.
    pub test: PairedTest,
    /// Records that only the run got right; for accuracies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_run_right: Option<u64>,
    /// Records that only the baseline got right; for accuracies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_baseline_right: Option<u64>,
}

/// A paired test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairedTest {
    /// McNemar's test in its mid-p form.
    McnemarMidP,
    /// Permutation test: the sign of each record's difference is flipped at random.
    SignFlip,
    /// Permutation test: what the two gave for a record is swapped at random.
    Swap,
}

/// Every run against the first.
pub(super) fn paired(
    runs: &[(Run, Option<TestResults>)],
    unavailable: &mut Vec<Unavailable>,
) -> Vec<PairedDifference> {
    let Some(((baseline, of_baseline), others)) = runs.split_first() else { return Vec::new() };
    let mut all = Vec::new();
    for (run, results) in others {
        let statistic = format!("paired difference of {} and {}", run.id, baseline.id);
        let (Some(a), Some(b)) = (results, of_baseline) else {
            let lacking = if of_baseline.is_none() { baseline } else { run };
            let reason = format!("{} has no stored results of test records", lacking.id);
            unavailable.push(lack(statistic, reason, None));
            continue;
        };
        if run.spec.dataset != baseline.spec.dataset || !a.same_records(b) {
            let reason = "the runs were tested on other records, or on another truth: a paired test \
                          needs the same dataset, task and split";
            unavailable.push(lack(statistic, reason.to_owned(), None));
            continue;
        }
        let records = a.records.len();
        if records < MIN_RECORDS {
            let reason = "too few test records for an interval".to_owned();
            let counts = Some((records, MIN_RECORDS));
            unavailable.push(lack(format!("interval of the {statistic}"), reason, counts));
        }
        for found in against(a, b) {
            all.push(PairedDifference {
                run: run.id.clone(),
                baseline: baseline.id.clone(),
                metric: found.metric,
                lower_is_better: found.metric.lower_is_better(),
                records,
                difference: found.difference,
                interval: found.interval,
                interval_method: found.interval.map(|_| found.method),
                p_value: found.p_value,
                p_value_adjusted: found.p_value,
                test: found.test,
                only_run_right: found.only.map(|(run, _)| run),
                only_baseline_right: found.only.map(|(_, baseline)| baseline),
            });
        }
    }
    for metric in StoppingMetric::ALL {
        let of_metric: Vec<usize> = (0..all.len()).filter(|&i| all[i].metric == metric).collect();
        let p_values: Vec<f64> = of_metric.iter().map(|&i| all[i].p_value).collect();
        for (i, adjusted) in of_metric.into_iter().zip(holm(&p_values)) {
            all[i].p_value_adjusted = adjusted;
        }
    }
    all
}

struct Found {
    metric: StoppingMetric,
    difference: f64,
    interval: Option<[f64; 2]>,
    method: IntervalMethod,
    p_value: f64,
    test: PairedTest,
    /// Records that only one of them got right.
    only: Option<(u64, u64)>,
}

/// One run's results against another's, of the same records.
fn against(a: &TestResults, b: &TestResults) -> Vec<Found> {
    match (&a.results, &b.results) {
        (
            Results::Labels { truth, predicted: of_a, log_loss: loss_a },
            Results::Labels { predicted: of_b, log_loss: loss_b, .. },
        ) => {
            let right = |predicted: &[u32]| -> Vec<bool> {
                truth.iter().zip(predicted).map(|(y, p)| y == p).collect()
            };
            vec![
                accuracy(&right(of_a), &right(of_b)),
                means(StoppingMetric::LogLoss, loss_a, loss_b),
            ]
        }
        (
            Results::Sets { hits: ha, extra: ea, missed: ma },
            Results::Sets { hits: hb, extra: eb, missed: mb },
        ) => {
            let right = |extra: &[u32], missed: &[u32]| -> Vec<bool> {
                extra.iter().zip(missed).map(|(e, m)| e + m == 0).collect()
            };
            let counts = |h: &[u32], e: &[u32], m: &[u32]| -> Vec<[u32; 3]> {
                h.iter().zip(e).zip(m).map(|((h, e), m)| [*h, *e, *m]).collect()
            };
            vec![
                accuracy(&right(ea, ma), &right(eb, mb)),
                micro_f1s(&counts(ha, ea, ma), &counts(hb, eb, mb)),
            ]
        }
        (Results::Values { .. }, Results::Values { .. }) => vec![
            means(StoppingMetric::Mse, &errors(a, |e| e * e), &errors(b, |e| e * e)),
            means(StoppingMetric::Mae, &errors(a, f64::abs), &errors(b, f64::abs)),
        ],
        _ => Vec::new(),
    }
}

fn accuracy(a: &[bool], b: &[bool]) -> Found {
    let differences: Vec<f64> =
        a.iter().zip(b).map(|(a, b)| f64::from(u8::from(*a)) - f64::from(u8::from(*b))).collect();
    let count = |sign: f64| differences.iter().filter(|d| **d == sign).count() as u64;
    let (only_a, only_b) = (count(1.0), count(-1.0));
    Found {
        metric: StoppingMetric::Accuracy,
        difference: (only_a as f64 - only_b as f64) / differences.len() as f64,
        interval: share_difference_interval(&differences, SEED),
        method: IntervalMethod::BootstrapSmoothed,
        p_value: mcnemar_mid_p(only_a, only_b),
        test: PairedTest::McnemarMidP,
        only: Some((only_a, only_b)),
    }
}

fn means(metric: StoppingMetric, a: &[f64], b: &[f64]) -> Found {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    Found {
        metric,
        difference: differences.iter().sum::<f64>() / differences.len() as f64,
        interval: mean_interval(&differences, SEED),
        method: IntervalMethod::BootstrapT,
        p_value: sign_flip_p(&differences, SEED),
        test: PairedTest::SignFlip,
        only: None,
    }
}

fn micro_f1s(a: &[[u32; 3]], b: &[[u32; 3]]) -> Found {
    let difference = |at: &[usize]| {
        let of = |counts: &[[u32; 3]]| micro_f1(at.iter().map(|&i| counts[i]));
        Some(of(a)? - of(b)?)
    };
    let all: Vec<usize> = (0..a.len()).collect();
    let swapped = |swap: &[bool]| {
        let of = |first: &[[u32; 3]], second: &[[u32; 3]]| {
            micro_f1((0..swap.len()).map(|i| if swap[i] { second[i] } else { first[i] }))
        };
        // Without any label to find or found, neither is better.
        of(a, b).zip(of(b, a)).map_or(0.0, |(a, b)| a - b)
    };
    Found {
        metric: StoppingMetric::MicroF1,
        difference: difference(&all).unwrap_or(0.0),
        interval: percentile_interval(a.len(), difference, SEED),
        method: IntervalMethod::BootstrapPercentile,
        p_value: swap_p(a.len(), swapped, SEED),
        test: PairedTest::Swap,
        only: None,
    }
}
