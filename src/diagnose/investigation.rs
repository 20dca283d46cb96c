//! The course of a diagnosis: what is concluded so far, and which probes to run next. A pure function of
//! what is known, so that a diagnosis that is taken up again goes on as if nothing had happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::experiment::{self, Outcome, Performed, SharedOutcome};
use super::finding::{Finding, FindingStatus};
use super::known::Known;
use super::probe::{Probe, Selection};
use super::report::settings::effects;
use super::report::{LimitationsReport, ProbeSummary, Scope, Spent, metric, ordered, summary};
use super::request::DiagnoseSpec;
use super::workbench::Workbench;
use super::{ALL, Diagnosis, Wanted, verify};
use crate::arrays::Arrays;
use crate::clock::Clock;
use crate::learn::trainer::{EpochReport, Interrupt, StepReport};
use crate::model::FitError;
use crate::model::monitor::{FitMonitor, Phase};
use crate::task::MetricsReport;

/// Share of the budget that looking for limitations may take; the rest is for trying remedies.
const LOOKING: f64 = 0.55;
/// The same while nothing is found whose remedy could be tried.
const UNFOUND: f64 = 0.85;
/// Severity of a finding whose remedy comes before all that may be found beside it: where one cause
/// makes most of the errors, what else is wrong shows when it is gone.
const DECISIVE: f64 = 0.5;
/// Share of the most useful probe's worth below which others wait for what it tells.
const WAITS: f64 = 0.5;

/// A probe that ran.
#[derive(Debug, Clone)]
pub struct Done {
    /// The probe.
    pub probe: Probe,
    /// What came of it.
    pub outcome: SharedOutcome,
}

/// Where a diagnosis stands.
pub struct Step {
    /// What it concludes so far.
    pub report: LimitationsReport,
    /// The probes to run next, in order; none when it has ended, or waits for those that run.
    pub next: Vec<Probe>,
    /// Share of what there is to do that is done, in \[0, 1\]; of a budget that is not used up, a guess.
    pub share: f64,
}

/// Concludes from the probes that ran, in the order in which they ended, and names the next ones.
/// `running` probes are under way. With `over` the diagnosis ends here.
pub fn step(
    bench: &Workbench,
    request: &DiagnoseSpec,
    done: &[Done],
    running: &[Probe],
    over: Option<&str>,
) -> Step {
    let outcomes: BTreeMap<String, SharedOutcome> =
        done.iter().map(|done| (done.probe.key(), done.outcome.clone())).collect();
    let known = Known { bench, request, outcomes: &outcomes };
    let spec = bench.spec();
    let unit = bench.unit();
    let cost = |probe: &Probe| probe.cost(spec, unit);
    // From 0.0 on: the sum of nothing is -0.0.
    let spent = done.iter().fold(0.0, |spent, done| spent + cost(&done.probe));
    let committed: f64 = spent + running.iter().map(cost).sum::<f64>();
    let mut not_looked_at: Vec<String> = over.map(str::to_owned).into_iter().collect();

    let mut wanted: Vec<Wanted> = Vec::new();
    let mut findings = Vec::new();
    let mut waiting: Vec<(usize, &dyn Diagnosis, Vec<Wanted>)> = Vec::new();
    for diagnosis in applicable(&known) {
        let wants: Vec<Wanted> = diagnosis.wants(&known);
        match diagnosis.conclude(&known) {
            Some(finding) => findings.push(finding),
            None => {
                waiting.push((findings.len(), diagnosis, wants.clone()));
                let status = FindingStatus::Pending;
                let statement = format!("Not known yet: {}", diagnosis.about());
                findings.push(Finding::new(diagnosis.kind(), diagnosis.area(), status, statement));
            }
        }
        wanted.extend(wants);
    }
    let missing =
        |wanted: &Wanted| known.of(&wanted.probe).is_none() && wanted.probe.spec(spec).is_some();
    wanted.retain(missing);
    let value = |wanted: &Wanted| wanted.worth / cost(&wanted.probe).max(0.01);
    wanted.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let limit = looking_until(&known, &findings, spent, running);
    wanted.retain(|wanted| {
        running.contains(&wanted.probe) || committed + cost(&wanted.probe) <= limit
    });
    let best = wanted.first().map_or(0.0, value);
    wanted.retain(|wanted| value(wanted) >= WAITS * best);
    let mut next = within(&known, wanted, running, committed, limit);
    let looking = !next.is_empty() || running.iter().any(|probe| known.of(probe).is_none());

    let mut chosen = Vec::new();
    if !looking || over.is_some() {
        for (at, diagnosis, wants) in waiting {
            let left: f64 = wants.iter().map(|wanted| cost(&wanted.probe)).sum();
            let why = match over {
                Some(why) => why.to_owned(),
                None => format!(
                    "the budget does not reach for trainings worth {left:.1} of the model's own"
                ),
            };
            let settled = diagnosis.settle(&known);
            if settled.as_ref().is_none_or(|f| f.status == FindingStatus::NotMeasured) {
                not_looked_at.push(format!("{}: {why}", diagnosis.kind()));
            }
            findings[at] = settled.unwrap_or_else(|| diagnosis.not_measured(&why));
        }
        chosen = verify::candidates(bench.spec(), &findings, request.remedies);
    }
    let again = verify::verify(&known, &mut findings, &chosen);
    if over.is_some() {
        next.clear();
    } else if !looking {
        // One remedy after the other, with as many looks as it takes: that the first one helps is worth
        // more than a look at each.
        let looks = chosen.iter().flat_map(|at| {
            let more = again.iter().find(|(of, _)| of == at).copied();
            [Some((*at, request.seeds)), more].into_iter().flatten()
        });
        for (at, seeds) in looks {
            let Some(remedy) = &findings[at].remedy else { continue };
            let wants = verify::wants(&known, remedy, seeds);
            if wants.is_empty() {
                continue;
            }
            let price = price(&known, &wants, running);
            if committed + price > request.budget.runs {
                let advice = &remedy.advice;
                not_looked_at.push(match findings[at].verification {
                    None => format!("whether this helps: {advice} (the budget does not reach)"),
                    Some(_) => format!("more seeds for this: {advice} (the budget does not reach)"),
                });
                continue;
            }
            next = within(&known, wants, running, 0.0, f64::INFINITY);
            break;
        }
    }
    let ended = next.is_empty() && running.is_empty();
    let scope = scope(&known, done, spent, not_looked_at);
    let findings = ordered(findings);
    let report = LimitationsReport {
        model: request.model.clone(),
        complete: ended,
        summary: summary(&findings, ended, &scope),
        settings: effects(&known),
        findings,
        scope,
    };
    let all = spent + running.iter().chain(&next).map(cost).sum::<f64>();
    let share = if ended { 1.0 } else { spent / all.max(request.budget.runs * LOOKING).max(1e-9) };
    Step { report, next, share }
}

/// Runs a diagnosis from its start to its end on this thread. Probes that can run beside one another
/// do, on the current rayon pool; what is concluded does not depend on its size.
pub fn run(
    bench: &Workbench,
    request: &DiagnoseSpec,
    clock: &dyn Clock,
) -> Result<(LimitationsReport, Vec<Done>), FitError> {
    let mut done: Vec<Done> = Vec::new();
    loop {
        let Step { report, next, .. } = step(bench, request, &done, &[], None);
        if next.is_empty() {
            return Ok((report, done));
        }
        let run = |probe: Probe| {
            let Performed { mut outcome, .. } =
                experiment::run(bench, &probe, clock, &mut Unheard)?;
            outcome.run = format!("probe {}", probe.key());
            Ok(Done { probe, outcome: Arc::new(outcome) })
        };
        let found: Result<Vec<Done>, FitError> = next.into_par_iter().map(run).collect();
        done.extend(found?);
    }
}

/// Listens to nothing.
struct Unheard;

impl FitMonitor for Unheard {
    fn phase(&mut self, _: Phase) {}
    fn step(&mut self, _: &StepReport) {}
    fn epoch(&mut self, _: &EpochReport, _: Option<&MetricsReport>) {}
    fn checkpoint(&mut self, _: usize, _: u64, _: Arrays) {}
    fn interrupt(&self) -> Interrupt {
        Interrupt::None
    }
}

/// The diagnoses that were asked for and can be made of this model.
fn applicable<'a>(known: &'a Known<'_>) -> impl Iterator<Item = &'static dyn Diagnosis> + 'a {
    let asked = |diagnosis: &&'static dyn Diagnosis| match &known.request.only {
        Some(kinds) => kinds.iter().any(|kind| kind == diagnosis.kind()),
        None => true,
    };
    ALL.iter().copied().filter(asked).filter(|diagnosis| diagnosis.applies(known))
}

/// What the missing ones of these probes cost, but for those under way, which count already.
fn price(known: &Known<'_>, wanted: &[Wanted], running: &[Probe]) -> f64 {
    let missing =
        wanted.iter().filter(|w| known.of(&w.probe).is_none() && !running.contains(&w.probe));
    missing.map(|w| w.probe.cost(known.bench.spec(), known.bench.unit())).sum()
}

/// Up to which cost limitations are looked for. What it takes to try the remedy of the most severe one is
/// kept back; where that makes most of the errors, all that it may take.
fn looking_until(known: &Known<'_>, findings: &[Finding], spent: f64, running: &[Probe]) -> f64 {
    let runs = known.request.budget.runs;
    let usual = runs * LOOKING;
    let candidate =
        verify::candidates(known.bench.spec(), findings, known.request.remedies.min(1)).pop();
    let remedy = candidate.and_then(|at| Some((at, findings[at].remedy.as_ref()?)));
    // What confirms a finding over seeds serves to try its remedy too.
    let Some((first, remedy)) = remedy else { return runs * UNFOUND };
    let mut tried = findings.to_vec();
    let open = verify::verify(known, &mut tried, &[first]);
    if tried[first].verification.is_some() && open.is_empty() {
        return runs;
    }
    let looks = verify::wants(known, remedy, verify::LOOKS.len() * known.request.seeds);
    let left = runs - price(known, &looks, running);
    // A second look that is out of reach keeps nothing back.
    if tried[first].verification.is_some() && left < spent {
        return runs;
    }
    if findings[first].severity >= DECISIVE { left.max(spent) } else { usual.max(left) }
}

/// The probes that are affordable and neither done nor under way, none twice.
fn within(
    known: &Known<'_>,
    wanted: Vec<Wanted>,
    running: &[Probe],
    mut spent: f64,
    budget: f64,
) -> Vec<Probe> {
    let mut chosen: Vec<Probe> = Vec::new();
    for Wanted { probe, .. } in wanted {
        let cost = probe.cost(known.bench.spec(), known.bench.unit());
        if running.contains(&probe) || chosen.contains(&probe) || known.of(&probe).is_some() {
            continue;
        }
        if spent + cost <= budget {
            spent += cost;
            chosen.push(probe);
        }
    }
    chosen
}

fn scope(known: &Known<'_>, done: &[Done], runs: f64, not_looked_at: Vec<String>) -> Scope {
    let spec = known.bench.spec();
    let labels = known.bench.output.head().is_some();
    let epochs = |outcome: &Outcome| outcome.trained.as_ref().map_or(0, |t| t.card.epochs as u64);
    let records = |selection: &Selection| match selection {
        Selection::All => "all".to_owned(),
        Selection::Share { share } => format!("share of {share}"),
        Selection::WithoutTopic { topic } => format!("without topic {topic}"),
        Selection::Fold { fold, of } => format!("without fold {fold} of {of}"),
        Selection::Labelled => "all, and half of the missing topics".to_owned(),
        Selection::Shuffled => "shuffled labels".to_owned(),
        Selection::Lacking { columns } => format!("all, tested without {}", columns.join(", ")),
    };
    let probes = done.iter().map(|Done { probe, outcome }| ProbeSummary {
        run: outcome.run.clone(),
        change: probe.change.clone(),
        records: records(&probe.records),
        seed: probe.seed,
        validation_error: known.validation_error(outcome),
        failure: outcome.failure.as_ref().map(|problem| problem.detail.clone()),
        cost: probe.cost(spec, known.bench.unit()),
    });
    let card = &known.bench.model.card;
    let test = card.metrics.test.as_ref().and_then(|test| match test.classification() {
        Some(report) => Some(report.accuracy),
        None => Some(test.regression()?.mse),
    });
    Scope {
        budget: known.request.budget,
        spent: Spent {
            runs,
            epochs: done.iter().map(|done| epochs(&done.outcome)).sum(),
            seconds: done.iter().map(|done| done.outcome.seconds).sum(),
        },
        seeds: known.seeds(known.request.seeds),
        records: card.records,
        metric: metric(labels).to_owned(),
        test,
        probes: probes.collect(),
        not_looked_at,
    }
}
