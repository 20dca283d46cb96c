//! Whether more records would help: trainings on parts of them, and what the curve of their errors
//! leads to.

use serde_json::json;

use crate::diagnose::capacity::capacity_too_large::TooLarge;
use crate::diagnose::experiment::Outcome;
use crate::diagnose::finding::{Area, Figure, Finding, FindingStatus, Measurement, Remedy, Series};
use crate::diagnose::known::Known;
use crate::diagnose::probe::{Change, Probe, Selection};
use crate::diagnose::signs::Errors;
use crate::diagnose::suspect::Suspect;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::learning_curve::{
    CurveForecast, CurvePoint, FORECAST_FACTORS, LearningCurve, NoLearningCurve, fit_learning_curve,
};
use crate::eval::seeds::{NoSeedComparison, SeedComparison};

/// Fewer records than the task takes.
pub struct TooLittleData;

/// Shares of the training records that are trained on, beside all of them.
const SHARES: [f64; 3] = [0.125, 0.25, 0.5];
/// Share of the errors that twice the records must take away.
const MATTERS: f64 = 0.1;
/// Share of all records, or of the variance, that twice the records must win if they take away as large a
/// share of the errors as the last doubling did: below, nobody sees it.
const SEEN: f64 = 0.02;
/// What the training error must lie below the validation error, where no smaller or more regularised
/// network does better, for the records to be what is lacking.
const GAP: f64 = 0.1;
/// Seeds that decide whether the second half of the records has brought something.
const SEEDS: usize = 3;
/// The same where a training is so short that it counts half at most: on few records seeds differ more.
const MORE_SEEDS: usize = 6;
/// Training records up to which halves are compared even where their parts make no curve.
const FEW: usize = 128;
/// Standard errors by which the last doubling must have done better.
const STANDARD_ERRORS: f64 = 2.0;
/// Training records below which parts of them are no training.
const FEWEST: usize = 32;

/// What the trainings tell.
struct Curve<'a> {
    fitted: LearningCurve,
    points: Vec<CurvePoint>,
    outcomes: Vec<&'a Outcome>,
    /// What the last doubling took away of the test error, its standard error over the records, and the
    /// error before.
    last: Option<(f64, f64, f64)>,
}

impl Curve<'_> {
    /// The forecast at the present size, and at twice, four and ten times it.
    fn forecasts(&self) -> Option<(f64, &[CurveForecast])> {
        let (now, later) = self.fitted.forecasts.split_first()?;
        (now.error > 0.0).then_some((now.error, later))
    }

    /// Share of the errors that `later` lacks, and its interval.
    fn taken(now: f64, later: &CurveForecast) -> (f64, [f64; 2]) {
        let [low, high] = later.interval;
        (1.0 - later.error / now, [1.0 - high / now, 1.0 - low / now])
    }

    /// Whether twice the records promise something: the last doubling did better by more than chance, and
    /// that matters. The forecast's own interval is wide with a training of each size.
    fn promises(&self) -> bool {
        self.last.is_some_and(|(taken, error, half)| {
            taken > STANDARD_ERRORS * error && taken >= MATTERS * half
        })
    }
}

/// The change that the trainings on parts of the records are made with: nothing, or what the model needs
/// before its records say anything. Once there is a training on the least part with a change, it stays.
fn needed(known: &Known<'_>) -> Change {
    let least = Selection::Share { share: SHARES[0] };
    let changed = |probe: &Probe| probe.records == least && !probe.change.is_empty();
    known.own_probes().find(changed).map_or_else(|| known.mended(), |probe| probe.change)
}

fn probe(known: &Known<'_>, share: f64) -> Probe {
    known.original_probe().changed(&needed(known)).on(Selection::Share { share })
}

/// The training on all records.
fn whole(known: &Known<'_>, seed: u64) -> Probe {
    Probe::original(seed).changed(&needed(known))
}

/// Half of the records, for as many steps as all of them take.
fn as_many_steps(known: &Known<'_>, seed: u64) -> Probe {
    let probe = Probe { seed, ..probe(known, 0.5) };
    let spec = probe.spec(known.bench.spec());
    let training = &spec.as_ref().unwrap_or(known.bench.spec()).training;
    let probe = probe.with("training.epochs", json!(2 * training.epochs));
    match &training.early_stopping {
        Some(stopping) => {
            probe.with("training.early_stopping.patience", json!(2 * stopping.patience))
        }
        None => probe,
    }
}

/// What the second half of the records has brought at as many steps, over seeds: of test losses, all
/// less half. `None` before the trainings have run.
fn compared(known: &Known<'_>) -> Option<Result<SeedComparison, NoSeedComparison>> {
    let seeds = seeds(known).into_iter();
    let half = seeds.map(|seed| Some((seed, known.of(&as_many_steps(known, seed))?)));
    let half: Vec<(u64, &Outcome)> = half.collect::<Option<_>>()?;
    let all = known.over_seeds(half.len(), |_| needed(known))?;
    Some(known.compare(&half, &all))
}

fn seeds(known: &Known<'_>) -> Vec<u64> {
    known.seeds(if known.bench.unit() <= 0.5 { MORE_SEEDS } else { SEEDS })
}

/// What the second half of the records has brought.
struct Brought {
    /// Test error with all of them.
    error: f64,
    /// Share of the error that they took away.
    taken: f64,
    /// Whether that is more than chance, and the next doubling would win what anybody sees.
    matters: bool,
    evidence: Measurement,
}

impl Brought {
    fn of(known: &Known<'_>) -> Option<Result<Self, String>> {
        let brought = match compared(known)? {
            Ok(brought) => brought,
            Err(why) => return Some(Err(why.to_string())),
        };
        let all = known.over_seeds(seeds(known).len(), |_| needed(known))?;
        let losses: Vec<f64> = all.iter().flat_map(|(_, o)| known.losses(o)).collect();
        let error = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let before = (error - brought.difference).max(1e-12);
        let taken = -brought.difference / before;
        let name = "share of the test error that the second half of the records took away, at as many steps";
        let evidence = Measurement::new(name, taken)
            .interval(Some([-brought.interval[1] / before, -brought.interval[0] / before]))
            .threshold(MATTERS)
            .runs(all.iter().map(|(_, outcome)| &outcome.run));
        // What the next doubling would win if it took away as large a share.
        let seen = taken * error / known.unit_of_loss().max(1e-12) >= SEEN;
        let matters = brought.interval[1] < 0.0 && taken >= MATTERS && seen;
        Some(Ok(Self { error, taken, matters, evidence }))
    }

    /// Probes that tell.
    fn wants(known: &Known<'_>) -> impl Iterator<Item = Wanted> {
        let probes = |seed| [whole(known, seed), as_many_steps(known, seed)];
        seeds(known).into_iter().flat_map(probes).map(|probe| Wanted::new(probe, 0.3))
    }
}

/// Training and validation error where they are far apart and nothing but records would bring them
/// together: a smaller and a more regularised network were tried and do no better.
fn overfits(known: &Known<'_>) -> Option<Errors> {
    let errors = Errors::of(known, known.original()?)?;
    let far = errors.apart() && errors.gap() >= 0.5 && errors.validation - errors.train >= GAP;
    let tried = TooLarge.conclude(known)?.status == FindingStatus::NotFound;
    (far && tried && TooLarge.possible(known)).then_some(errors)
}

fn are_few(known: &Known<'_>) -> bool {
    known.bench.parts.train.len() <= FEW
}

/// Why there is no curve, in words.
fn refused(why: NoLearningCurve) -> String {
    why.to_string()
}

/// The curve; `None` before all trainings have run.
fn curve<'a>(known: &Known<'a>) -> Option<Result<Curve<'a>, String>> {
    let parts: Option<Vec<&Outcome>> =
        SHARES.iter().map(|share| known.of(&probe(known, *share))).collect();
    let mut outcomes = parts?;
    outcomes.push(known.of(&whole(known, known.seed()))?);
    // One that failed, for want of a label perhaps, is no point of the curve.
    let trained: Vec<(usize, &Outcome)> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome.trained.as_ref()?.card.records.train, *outcome)))
        .collect();
    let losses: Vec<Vec<f64>> = trained.iter().map(|(_, o)| known.losses(o)).collect();
    // What the test records have in common moves the whole curve, and says nothing of its fall: only
    // what sets a training apart from the next larger one counts, half of it each.
    let own = |at: usize| {
        let other = if at + 1 < losses.len() { at + 1 } else { at.saturating_sub(1) };
        let n = losses[at].len().max(1) as f64;
        let differences = losses[at].iter().zip(&losses[other]).map(|(a, b)| a - b);
        let mean = differences.clone().sum::<f64>() / n;
        // Laplace's estimate of labels: two more records that differ, one to either side.
        let more = if known.bench.output.head().is_some() { 2.0 } else { 0.0 };
        let squares = differences.map(|d| (d - mean).powi(2)).sum::<f64>() + more;
        (squares / n / n / 2.0).sqrt()
    };
    let points: Vec<CurvePoint> = trained
        .iter()
        .enumerate()
        .map(|(at, (records, _))| {
            let n = losses[at].len().max(1) as f64;
            let error = losses[at].iter().sum::<f64>() / n;
            CurvePoint { records: *records, error, standard_error: own(at) }
        })
        .collect();
    let factors: Vec<f64> = [1.0].into_iter().chain(FORECAST_FACTORS).collect();
    let fitted = fit_learning_curve(&points, &factors, known.request.seed).map_err(refused);
    let last = points.len().checked_sub(2).map(|half| {
        let taken = points[half].error - points[half + 1].error;
        (taken, own(half) * std::f64::consts::SQRT_2, points[half].error)
    });
    Some(fitted.map(|fitted| Curve { fitted, points, outcomes, last }))
}

impl TooLittleData {
    fn measured(&self, status: FindingStatus, statement: String, curve: &Curve<'_>) -> Finding {
        let mut finding = Finding::new(self.kind(), self.area(), status, statement);
        let runs: Vec<&String> = curve.outcomes.iter().map(|outcome| &outcome.run).collect();
        if let Some((now, later)) = curve.forecasts() {
            for forecast in later {
                let (share, interval) = Curve::taken(now, forecast);
                let name = format!(
                    "share of the test errors that {} times the training records would take away",
                    forecast.factor
                );
                let measured = Measurement::new(name, share).interval(Some(interval));
                let measured = if forecast.factor == FORECAST_FACTORS[0] {
                    measured.threshold(MATTERS).runs(runs.iter().copied())
                } else {
                    measured
                };
                finding = finding.measured(measured);
            }
            if let Some((share, [low, _])) = later.first().map(|f| Curve::taken(now, f)) {
                finding = finding.smallest_effect((share - low).max(MATTERS));
            }
        }
        let floor = Measurement::new(
            "test error that more records of this kind will not pass",
            curve.fitted.floor,
        );
        let measured: Vec<[f64; 2]> =
            curve.points.iter().map(|point| [point.records as f64, point.error]).collect();
        let forecast: Vec<[f64; 2]> = curve
            .fitted
            .forecasts
            .iter()
            .map(|forecast| [forecast.records as f64, forecast.error])
            .collect();
        finding.measured(floor.interval(Some(curve.fitted.floor_interval))).figure(Figure {
            title: "Test error by training records".to_owned(),
            x: "training records".to_owned(),
            y: "test error".to_owned(),
            log_x: true,
            series: vec![
                Series { name: "measured".to_owned(), points: measured },
                Series { name: "forecast".to_owned(), points: forecast },
            ],
        })
    }
}

impl TooLittleData {
    /// A finding where there is no curve, as parts of the records are too few to train on, but where the
    /// second half of them has brought much.
    fn by_halves(&self, known: &Known<'_>, brought: Brought) -> Finding {
        let records = known.bench.parts.train.len();
        let statement = format!(
            "The model has too few records to learn from: the second half of its {records} training records \
             took away {:.0} % of its errors.",
            100.0 * brought.taken
        );
        let finding = Finding::new(self.kind(), self.area(), FindingStatus::Found, statement);
        let finding =
            finding.measured(brought.evidence).remedy(Remedy::data(advice(records), Vec::new()));
        finding.severity(1.0 - (1.0 - brought.taken).powi(2))
    }

    /// A finding, unless training and validation error say otherwise.
    fn or_overfits(&self, known: &Known<'_>, finding: Finding) -> Finding {
        let Some(errors) = overfits(known).filter(|_| needed(known).is_empty()) else {
            return finding;
        };
        let records = known.bench.parts.train.len();
        let statement = format!(
            "The model has too few records to learn from: its error is {:.1} % on the {records} records \
             that trained it and {:.1} % on the validation records, and neither a smaller nor a more \
             regularised network does better.",
            100.0 * errors.train,
            100.0 * errors.validation
        );
        let gap =
            Measurement::new("validation less training error", errors.validation - errors.train);
        let found = Finding { status: FindingStatus::Found, statement, ..finding };
        // With n records the gap is about as 1/√n: four times as many halve it.
        found
            .measured(gap.threshold(GAP))
            .severity(errors.gap() / 2.0)
            .remedy(Remedy::data(advice(records), Vec::new()))
    }
}

/// What to do about it.
fn advice(records: usize) -> String {
    format!(
        "add about {records} labelled records of the same kind to the training split, and train again"
    )
}

impl Diagnosis for TooLittleData {
    fn kind(&self) -> &'static str {
        "too_little_data"
    }

    fn area(&self) -> Area {
        Area::Data
    }

    fn about(&self) -> &'static str {
        "whether more training records would help"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        known.bench.parts.train.len() >= FEWEST && !known.bench.parts.test.is_empty()
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        let mut wanted = vec![Wanted::new(known.original_probe(), 1.0)];
        wanted.extend(SHARES.iter().map(|share| Wanted::new(probe(known, *share), 0.3)));
        if let Some(Ok(curve)) = curve(known)
            && curve.promises()
        {
            wanted.extend(Brought::wants(known));
        }
        if matches!(curve(known), Some(Err(_))) && are_few(known) {
            wanted.extend(Brought::wants(known));
        }
        wanted
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let curve = match curve(known)? {
            Ok(curve) => curve,
            Err(why) => {
                let brought = if are_few(known) { Brought::of(known)?.ok() } else { None };
                if let Some(brought) = brought.filter(|brought| brought.matters) {
                    return Some(self.by_halves(known, brought));
                }
                return Some(self.or_overfits(known, self.not_measured(&why)));
            }
        };
        let records = curve.fitted.largest;
        let Some((now, later)) = curve.forecasts() else {
            let statement = "More training records are not needed: the model makes no test error.";
            return Some(self.measured(FindingStatus::NotFound, statement.to_owned(), &curve));
        };
        let (share, [low, high]) = Curve::taken(now, later.first()?);
        if !curve.promises() {
            let statement = format!(
                "More records like these are not what the model lacks most: twice the {records} \
                 training records would take away about {:.0} % of the errors.",
                100.0 * share.max(0.0)
            );
            let finding = self.measured(FindingStatus::NotFound, statement, &curve);
            return Some(self.or_overfits(known, finding));
        }
        let Brought { error, taken, matters, evidence } = match Brought::of(known)? {
            Ok(brought) => brought,
            Err(why) => {
                let statement = format!("Not measured: {}: {why}.", self.about());
                return Some(self.measured(FindingStatus::NotMeasured, statement, &curve));
            }
        };
        if !matters {
            let statement = format!(
                "More records are not what the model lacks: half of the {records} training records \
                 make about as few errors when they are trained for as many steps, or twice as many \
                 would win less than anybody sees."
            );
            let finding = self.measured(FindingStatus::NotFound, statement, &curve);
            return Some(self.or_overfits(known, finding.measured(evidence)));
        }
        let with = match needed(known).is_empty() {
            true => "",
            false => " (trained with the change that it needs first)",
        };
        let statement = format!(
            "The model has too few records to learn from{with}: the second half of them took away {:.0} % \
             of its errors, and twice the {records} training records would take away about {:.0} % ({:.0} to \
             {:.0} %).",
            100.0 * taken,
            100.0 * share,
            100.0 * low.max(0.0),
            100.0 * high.min(1.0)
        );
        let (four_times, _) = Curve::taken(now, later.get(1)?);
        let finding = self.measured(FindingStatus::Found, statement, &curve).measured(evidence);
        let next = 1.0 - (1.0 - taken).powi(2);
        // Of the errors that are left once the model has what it needs first.
        let left = match known.original() {
            Some(original) if !needed(known).is_empty() => {
                let losses = known.losses(original);
                (error * losses.len() as f64 / losses.iter().sum::<f64>().max(1e-12)).min(1.0)
            }
            _ => 1.0,
        };
        Some(
            finding
                .severity(left * four_times.max(next))
                .remedy(Remedy::data(advice(records), Vec::new())),
        )
    }
}
