//! What a diagnosis makes of a case, and what two other ways to mend a training make of it.

use std::sync::Arc;

use rayon::prelude::*;
use whereof::arrays::Arrays;
use whereof::clock::{Clock, ManualClock};
use whereof::diagnose::experiment::{self, Outcome};
use whereof::diagnose::finding::{Finding, FindingStatus, Verdict};
use whereof::diagnose::investigation;
use whereof::diagnose::probe::{Change, Probe, changed};
use whereof::diagnose::random_change::random_change;
use whereof::diagnose::report::LimitationsReport;
use whereof::diagnose::request::{DiagnoseBudget, DiagnoseRequest};
use whereof::diagnose::workbench::Workbench;
use whereof::learn::trainer::{EpochReport, Interrupt, StepReport};
use whereof::model::fit::{Fitted, TrainingTable, fit};
use whereof::model::monitor::{FitMonitor, Phase};
use whereof::model::spec::TrainSpec;
use whereof::random::keyed;
use whereof::task::MetricsReport;

use super::Failure;
use super::cases::Case;
use super::data::Setup;
use super::faults::Harm;
use super::records::judged;
use super::rules;

/// Seeds that judge, none of which anything was chosen by.
const FRESH: [u64; 5] = [9_001, 9_002, 9_003, 9_004, 9_005];
/// Accuracy or R² that a setting must cost to be a limitation.
pub const HARM: f64 = 0.02;
/// Mean distance of confidence from accuracy that is one.
pub const OFF: f64 = 0.05;
/// Strengths that a fault is planted with, until a model comes out.
const STRENGTHS: [f64; 6] = [1.0, 0.75, 0.5, 0.35, 0.2, 0.1];
/// Findings about what the future may bring, which a sound training may have.
const INFORMATIONAL: [&str; 1] = ["vocabulary_grows"];

/// A diagnosis, or the rules, against what was planted.
#[derive(Debug, Clone, Default)]
pub struct Verdicts {
    /// What was found, in order.
    pub found: Vec<String>,
    /// Whether all that was planted was found.
    pub all: bool,
    /// Whether what is named first was planted.
    pub first: bool,
    /// Accuracy or R² of what it ends with, on records and seeds that it never saw.
    pub quality: f64,
}

/// A case, scored.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The case.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Whether nothing was planted.
    pub sound: bool,
    /// What the fault costs, in accuracy or R², or of confidence; `None` where that is not asked.
    pub harm: Option<f64>,
    /// What it must cost to count.
    pub least: f64,
    /// How strongly it could be planted, in (0, 1].
    pub strength: f64,
    /// Accuracy or R² of the original training.
    pub original: f64,
    /// The diagnosis.
    pub report: Verdicts,
    /// Limitations that it found, but for informational ones.
    pub alarms: usize,
    /// What each verified remedy adds, by its kind.
    pub verified: Vec<(String, f64)>,
    /// The symptom rules.
    pub rules: Verdicts,
    /// What the best of as many random changes ends with.
    pub random: f64,
    /// Trainings that the diagnosis took, in units of the original.
    pub runs: f64,
    /// What it found, in its own words, with severities, and what came of the remedies.
    pub told: Vec<String>,
}

impl Scored {
    /// Whether it counts: a setting that costs nothing is no limitation.
    pub fn counts(&self) -> bool {
        self.harm.is_none_or(|harm| harm >= self.least)
    }
}

/// Scores a case; `None` where its data is not at hand. `alone` leaves out what a diagnosis is compared
/// with.
pub fn score(case: &Case, budget: f64, alone: bool) -> Result<Option<Scored>, Failure> {
    let Some(sound) = case.sound()? else { return Ok(None) };
    let (setup, strength) = trainable(case, &sound)?;
    let clock = ManualClock::at(0);
    let model = train(&setup.spec, setup.table.clone(), clock.as_ref())?.model;
    let bench = Workbench::new(Arc::new(model), setup.table.clone(), None, 1)?;
    let request = DiagnoseRequest {
        model: "planted".to_owned(),
        budget: DiagnoseBudget { runs: Some(budget), epochs: None, seconds: None },
        seeds: None,
        remedies: None,
        only: None,
        slice: None,
        seed: Some(case.seed),
    };
    let request = request.resolve("planted".to_owned());
    let (report, _) = investigation::run(&bench, &request, clock.as_ref())?;
    let found: Vec<&Finding> = report.found().collect();
    let kinds: Vec<String> = found.iter().map(|finding| finding.kind.clone()).collect();
    let alarms = kinds.iter().filter(|kind| !INFORMATIONAL.contains(&kind.as_str())).count();
    let original = fresh(&setup, &Change::new(), clock.as_ref())?;

    let mut verified = Vec::new();
    let mut quality = None;
    for finding in &found {
        let Some(remedy) = &finding.remedy else { continue };
        let holds = finding.verification.as_ref().is_some_and(|v| v.verdict == Verdict::Verified);
        if holds && !remedy.change.is_empty() {
            let with = fresh(&setup, &remedy.change, clock.as_ref())?;
            verified.push((finding.kind.clone(), with - original));
            // What someone would do: the first remedy that is said to help.
            quality = quality.or(Some(with));
        }
    }
    let names = |fault: &[&str], kind: &String| fault.contains(&kind.as_str());
    let all = case.faults.iter().all(|fault| kinds.iter().any(|kind| names(fault.kinds, kind)));
    let first = kinds.first().is_some_and(|kind| case.faults.iter().any(|f| names(f.kinds, kind)));
    let diagnosed = Verdicts { found: kinds, all, first, quality: quality.unwrap_or(original) };

    let asked = |harm: Harm| case.faults.iter().any(|fault| fault.harm == harm);
    let harm = if asked(Harm::Quality) {
        Some(fresh(&sound, &Change::new(), clock.as_ref())? - original)
    } else if asked(Harm::Confidence) {
        Some(miscalibration(&setup, clock.as_ref())?)
    } else {
        None
    };
    let random = match alone || case.faults.is_empty() {
        true => original,
        false => {
            // As many epochs as the diagnosis took.
            let spent = report.scope.spent;
            let runs = spent.epochs as f64 / setup.spec.training.epochs.max(1) as f64;
            let change = best_random(&bench, case.seed, runs.max(spent.runs), clock.as_ref())?;
            change.map_or(Ok(original), |change| fresh(&setup, &change, clock.as_ref()))?
        }
    };
    Ok(Some(Scored {
        name: case.name(),
        group: case.group.clone(),
        sound: case.faults.is_empty(),
        harm,
        least: if asked(Harm::Quality) { HARM } else { OFF },
        strength,
        original,
        report: diagnosed,
        alarms,
        verified,
        rules: match alone {
            true => Verdicts { quality: original, ..Verdicts::default() },
            false => by_rules(case, &setup, &bench, original, clock.as_ref())?,
        },
        random,
        runs: report.scope.spent.runs,
        told: told(&report),
    }))
}

/// A report in lines: what was found with what came of its remedy, then what was not looked at.
fn told(report: &LimitationsReport) -> Vec<String> {
    let found = report.findings.iter().filter(|f| f.status != FindingStatus::Pending).map(|f| {
        let verdict = f.verification.as_ref().map_or(String::new(), |v| {
            let advice = f.remedy.as_ref().map_or("", |remedy| remedy.advice.as_str());
            format!(
                " [{:?} with {} seeds: {:.4} → {:.4}, p {:.3}, random {:.4}: {advice}]",
                v.verdict,
                v.seeds.len(),
                v.original,
                v.remedy,
                v.against_original.p_value_adjusted,
                v.random_change,
            )
        });
        format!("{:?} {} {:.3}: {}{verdict}", f.status, f.kind, f.severity, f.statement)
    });
    let missing = report.scope.not_looked_at.iter().map(|what| format!("not looked at: {what}"));
    found.chain(missing).collect()
}

/// The case with its fault as strong as it can be for a model to come out.
fn trainable(case: &Case, sound: &Setup) -> Result<(Setup, f64), Failure> {
    let clock = ManualClock::at(0);
    let mut why: Failure = "no strength was tried".into();
    for strength in STRENGTHS {
        let setup = case.planted(sound, strength)?;
        match train(&setup.spec, setup.table.clone(), clock.as_ref()) {
            Ok(_) => return Ok((setup, strength)),
            Err(error) => why = error,
        }
    }
    Err(format!("{}: no model at any strength: {why}", case.name()).into())
}

/// Accuracy or R² with a change, on the judges' records, mean over seeds that nothing was chosen by. A
/// training that fails, and one that does worse than the mean, count 0.
fn fresh(setup: &Setup, change: &Change, clock: &dyn Clock) -> Result<f64, Failure> {
    let spec = changed(&setup.spec, change).ok_or("a change gives no spec")?;
    let table = judged(setup);
    let quality = |seed: u64| {
        let mut spec = spec.clone();
        spec.training.seed = seed;
        let Ok(fitted) = train(&spec, table.clone(), clock) else { return 0.0 };
        let test = fitted.model.card.metrics.test.as_ref().and_then(MetricsReport::quality);
        test.unwrap_or_default().max(0.0)
    };
    let qualities: Vec<f64> = FRESH.into_par_iter().map(quality).collect();
    Ok(qualities.iter().sum::<f64>() / qualities.len() as f64)
}

/// How far stated confidence is from accuracy, on the judges' records, mean over the same seeds.
fn miscalibration(setup: &Setup, clock: &dyn Clock) -> Result<f64, Failure> {
    let table = judged(setup);
    let off = |seed: u64| {
        let mut spec = setup.spec.clone();
        spec.training.seed = seed;
        let reliability =
            train(&spec, table.clone(), clock).ok()?.model.card.calibration.reliability?;
        Some(reliability.after.unwrap_or(reliability.before).ece)
    };
    let off: Vec<f64> = FRESH.into_par_iter().filter_map(off).collect();
    Ok(off.iter().sum::<f64>() / off.len().max(1) as f64)
}

/// Of as many random changes as the diagnosis took trainings, the one that does best on the validation
/// records; `None` where none beats the original.
fn best_random(
    bench: &Workbench,
    seed: u64,
    runs: f64,
    clock: &dyn Clock,
) -> Result<Option<Change>, Failure> {
    let spec = bench.spec();
    let draws = (runs.round() as u64).max(1);
    let changes = (0..draws).map(|at| random_change(spec, &Change::new(), keyed(seed) ^ keyed(at)));
    let changes: Vec<Change> = [Change::new()].into_iter().chain(changes).collect();
    let tried: Result<Vec<f64>, Failure> = changes
        .par_iter()
        .map(|change| Ok(validation(&probe(bench, change, clock)?).unwrap_or(f64::NEG_INFINITY)))
        .collect();
    let mut best = (f64::NEG_INFINITY, 0);
    for (at, quality) in tried?.into_iter().enumerate() {
        if quality > best.0 {
            best = (quality, at);
        }
    }
    Ok((best.1 > 0).then(|| changes[best.1].clone()))
}

/// The rules' symptoms, and what comes of their repairs: of the first symptom's, the first after which no
/// symptom is left, or none.
fn by_rules(
    case: &Case,
    setup: &Setup,
    bench: &Workbench,
    original: f64,
    clock: &dyn Clock,
) -> Result<Verdicts, Failure> {
    let symptoms = rules::symptoms(&probe(bench, &Change::new(), clock)?);
    let all = case.faults.iter().all(|f| symptoms.iter().any(|s| f.symptoms.contains(s)));
    let first =
        symptoms.first().is_some_and(|s| case.faults.iter().any(|f| f.symptoms.contains(s)));
    let mut quality = original;
    if let (Some(symptom), false) = (symptoms.first(), case.faults.is_empty()) {
        for change in rules::repairs(*symptom, bench.spec()) {
            // A text network without hidden layers, say, has nothing to normalise.
            if changed(bench.spec(), &change).is_none() {
                continue;
            }
            if rules::symptoms(&probe(bench, &change, clock)?).is_empty() {
                quality = fresh(setup, &change, clock)?;
                break;
            }
        }
    }
    let found = symptoms.iter().map(|symptom| format!("{symptom:?}")).collect();
    Ok(Verdicts { found, all, first, quality })
}

/// What comes of the original training with a change.
fn probe(bench: &Workbench, change: &Change, clock: &dyn Clock) -> Result<Outcome, Failure> {
    let probe = Probe::original(bench.spec().training.seed).changed(change);
    Ok(experiment::run(bench, &probe, clock, &mut Unheard)?.outcome)
}

fn validation(outcome: &Outcome) -> Option<f64> {
    outcome.trained.as_ref()?.card.metrics.validation.as_ref()?.quality()
}

fn train(spec: &TrainSpec, mut table: TrainingTable, clock: &dyn Clock) -> Result<Fitted, Failure> {
    // A change may leave out columns.
    let columns = spec.task.input_columns();
    if !columns.is_empty() {
        table.inputs.retain(|column| columns.contains(&column.name.as_str()));
    }
    Ok(fit(spec, (table, None), Vec::new(), clock, &mut Unheard, None)?)
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
