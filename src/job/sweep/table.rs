//! What came of a sweep: its settings, best first, and how much each field mattered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::rungs::ranking;
use super::{SweepSpec, TrialRun, TrialStatus};
use crate::eval::groups;
use crate::eval::importance::{ranks, variance_share};
use crate::job::{Job, JobStatus};
use crate::model::card::Unavailable;
use crate::problem::Problem;

/// A sweep and its trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SweepTable {
    /// The job.
    pub job: String,
    /// Where it stands.
    pub status: JobStatus,
    /// The best model; there once the sweep has ended with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The sweep, resolved.
    pub sweep: SweepSpec,
    /// Whether a smaller value is a better one.
    pub lower_is_better: bool,
    /// The settings, best first: those that got furthest, by their value on the validation split. The
    /// best of many is chosen by that value, so that its test metrics say more of how good it is.
    pub trials: Vec<TrialRow>,
    /// How much of the trials' order each field explains, the most first.
    pub importance: Vec<FieldImportance>,
    /// Epochs of all trainings so far.
    pub epochs: usize,
    /// Steps of all trainings so far.
    pub steps: u64,
    /// What could not be computed, and what it would take.
    pub unavailable: Vec<Unavailable>,
}

/// A setting and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrialRow {
    /// Its place, from 1.
    pub rank: usize,
    /// Its number, from 1, in the order of the draws.
    pub trial: usize,
    /// What it has of each varied field.
    pub parameters: BTreeMap<String, Value>,
    /// Where it stands; of several seeds, the one that is furthest behind.
    pub status: TrialStatus,
    /// Stages that it was trained through.
    pub rungs: usize,
    /// The metric, the mean over its seeds; absent until every seed has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Standard deviation over its seeds, if it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<f64>,
    /// Its trainings, a seed each.
    pub runs: Vec<TrialRunRow>,
}

/// One training of a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrialRunRow {
    /// Id of its run; runs can be compared with `GET /v1/runs/compare`.
    pub run: String,
    /// Its seed.
    pub seed: u64,
    /// Where it stands.
    pub status: TrialStatus,
    /// The metric after each stage.
    pub values: Vec<Option<f64>>,
    /// Epochs trained.
    pub epochs: usize,
    /// Steps trained.
    pub steps: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// How much a field mattered: the share of the variance of the trials' ranks after the first stage,
/// where all had trained as long, that the field explains by itself. What two fields do only together
/// counts for neither. Failed trials share the last rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldImportance {
    /// The field.
    pub field: String,
    /// The share, in \[0, 1\]; 0 on average where the field does not matter.
    pub importance: f64,
    /// Its 95 % interval; wide where there are few trials.
    pub interval: [f64; 2],
    /// p-value of the hypothesis that the field does not matter by itself.
    pub p_value: f64,
    /// Trials that it rests on.
    pub trials: usize,
}

/// The metric of a training after a stage; one that ended before has what it ended with.
pub fn value_after(run: &TrialRun, rung: usize) -> Option<f64> {
    let ended = run.status == TrialStatus::Finished;
    let last = || run.values.last().filter(|_| ended);
    run.values.get(rung).or_else(last).copied().flatten().filter(|value| value.is_finite())
}

/// The mean over a setting's seeds after a stage; none unless every seed has one.
pub fn mean_after(runs: &[&TrialRun], rung: usize) -> Option<f64> {
    let values: Option<Vec<f64>> = runs.iter().map(|run| value_after(run, rung)).collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

/// Trainings by setting, in order of the settings.
pub fn by_trial(runs: &[TrialRun]) -> Vec<Vec<&TrialRun>> {
    let mut trials: BTreeMap<usize, Vec<&TrialRun>> = BTreeMap::new();
    runs.iter().for_each(|run| trials.entry(run.trial).or_default().push(run));
    trials.into_values().collect()
}

/// Settings, by position in [`by_trial`], that take part in a stage: the best of the stage before.
pub fn entrants(sweep: &SweepSpec, trials: &[Vec<&TrialRun>], rung: usize) -> Vec<usize> {
    let mut entering: Vec<usize> = (0..trials.len()).collect();
    for before in 0..rung {
        let values: Vec<Option<f64>> =
            entering.iter().map(|&t| mean_after(&trials[t], before)).collect();
        let keep = sweep.rungs[before + 1].trials;
        let best = ranking(&values, sweep.metric).into_iter().take(keep);
        // What has failed does not go on.
        entering = best.filter(|i| values[*i].is_some()).map(|i| entering[i]).collect();
        entering.sort_unstable();
    }
    entering
}

/// Settings, by position, best first: those that got furthest, and of these the best value.
pub fn order(sweep: &SweepSpec, trials: &[Vec<&TrialRun>]) -> Vec<usize> {
    // Who ended by itself in an early stage, and was good enough to go on, got as far as its rivals.
    let mut stage = vec![0; trials.len()];
    for rung in 0..sweep.rungs.len() {
        for t in entrants(sweep, trials, rung) {
            if mean_after(&trials[t], rung).is_some() {
                stage[t] = rung + 1;
            }
        }
    }
    let values: Vec<Option<f64>> = (0..trials.len())
        .map(|t| stage[t].checked_sub(1).and_then(|rung| mean_after(&trials[t], rung)))
        .collect();
    let mut order = ranking(&values, sweep.metric);
    order.sort_by_key(|&t| std::cmp::Reverse(stage[t]));
    order
}

/// The table of a sweep.
pub fn table(job: &Job, sweep: SweepSpec, runs: &[TrialRun]) -> SweepTable {
    let trials = by_trial(runs);
    let row = |(rank, t): (usize, usize)| {
        let of = &trials[t];
        let rungs = of.iter().map(|run| run.values.len()).min().unwrap_or(0);
        let last = |run: &&TrialRun| run.values.last().copied().flatten().filter(|v| v.is_finite());
        let values: Option<Vec<f64>> = of.iter().map(last).collect();
        let mean = values.and_then(|values| groups::mean(&values));
        let behind = |run: &&&TrialRun| TrialStatus::ALL.iter().position(|s| *s == run.status);
        TrialRow {
            rank,
            trial: of[0].trial,
            parameters: of[0].parameters.clone(),
            status: of.iter().min_by_key(behind).map_or(TrialStatus::Waiting, |run| run.status),
            rungs,
            value: mean.map(|mean| mean.mean),
            standard_deviation: mean.and_then(|mean| mean.standard_deviation),
            runs: of.iter().map(|run| run_row(run)).collect(),
        }
    };
    let rows = (1..).zip(order(&sweep, &trials)).map(row).collect();
    let mut unavailable = Vec::new();
    let importance = importance(&sweep, &trials, &mut unavailable);
    SweepTable {
        job: job.id.clone(),
        status: job.status,
        model: job.model.clone(),
        lower_is_better: sweep.metric.lower_is_better(),
        trials: rows,
        importance,
        epochs: runs.iter().map(|run| run.epochs).sum(),
        steps: runs.iter().map(|run| run.steps).sum(),
        unavailable,
        sweep,
    }
}

fn run_row(run: &TrialRun) -> TrialRunRow {
    TrialRunRow {
        run: run.run.clone(),
        seed: run.spec.training.seed,
        status: run.status,
        values: run.values.clone(),
        epochs: run.epochs,
        steps: run.steps,
        error: run.error.clone(),
    }
}

/// The importance of each field, from the first stage.
fn importance(
    sweep: &SweepSpec,
    trials: &[Vec<&TrialRun>],
    unavailable: &mut Vec<Unavailable>,
) -> Vec<FieldImportance> {
    let mut scores = Vec::new();
    let mut settings = Vec::new();
    for runs in trials {
        let failed =
            runs.iter().any(|run| run.status == TrialStatus::Failed && run.values.is_empty());
        match mean_after(runs, 0) {
            Some(value) => scores.push(sweep.metric.to_minimise(value)),
            None if failed => scores.push(f64::INFINITY),
            None => continue,
        }
        settings.push(&runs[0].parameters);
    }
    let ranks = ranks(&scores);
    let mut found = Vec::new();
    for (field, range) in &sweep.space {
        let values: Vec<&Value> = settings.iter().map(|setting| &setting[field]).collect();
        match variance_share(&range.levels(&values), &ranks) {
            Some(share) => found.push(FieldImportance {
                field: field.clone(),
                importance: share.share,
                interval: share.interval,
                p_value: share.p_value,
                trials: ranks.len(),
            }),
            None => unavailable.push(Unavailable {
                statistic: format!("importance of {field}"),
                reason: "too few trials with a value, or all alike".to_owned(),
                have: ranks.len(),
                need: None,
            }),
        }
    }
    found.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    found
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
