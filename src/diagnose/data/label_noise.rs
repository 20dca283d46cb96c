//! Whether labels are wrong: models that were not trained on a record disagree with its label although
//! they are sure of themselves. Of records that are hard, not mislabelled, they are not sure.

use crate::diagnose::experiment::Outcome;
use crate::diagnose::finding::{Area, Figure, Finding, FindingStatus, Measurement, Remedy, Series};
use crate::diagnose::known::Known;
use crate::diagnose::probe::{Change, Probe, Selection};
use crate::diagnose::{Diagnosis, Wanted, signs};
use crate::eval::interval::wilson;
use crate::eval::label_noise::{LabelNoise as Estimate, confident_learning};
use crate::task::Head;

/// Labels that are wrong.
pub struct LabelNoise;

/// Parts that the training records are tested in, each by a model of the others.
const FOLDS: usize = 3;
/// Training records that this needs.
const FEWEST: usize = 60;
/// Share of the records that the models are surest of.
const SURE: f64 = 1.0 / 3.0;
/// Share of wrong labels from which on it matters.
const MATTERS: f64 = 0.02;
/// Share of the disagreement with all records that must be with the surest: hard records are not sure.
const EVEN: f64 = 0.45;
/// Errors, as a share of those of always naming the commonest label, above which a model cannot judge.
const WEAK: f64 = 0.6;
/// Confidence above which a 32-bit probability no longer ranks.
const FULL: f32 = 1.0 - 1e-6;
/// Rows that a remedy lists.
const ROWS: usize = 100;

/// Out-of-fold predictions of the training records.
struct Judged {
    /// Positions in the dataset.
    records: Vec<usize>,
    given: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    /// Places, the surest first.
    order: Vec<usize>,
}

impl Judged {
    fn of(known: &Known<'_>, outcomes: &[&Outcome]) -> Option<Self> {
        let (mut records, mut probabilities) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            records.extend(outcome.losses.iter().map(|(record, _)| *record as usize));
            let wide = |row: &Vec<f32>| row.iter().map(|p| f64::from(*p)).collect::<Vec<f64>>();
            probabilities.extend(outcome.probabilities.iter().map(wide));
        }
        let label = |record: &usize| known.bench.outcomes.labels_of(*record).first().copied();
        let given: Option<Vec<usize>> =
            records.iter().map(|record| Some(label(record)? as usize)).collect();
        let given = given?;
        let mut order: Vec<usize> = (0..records.len().min(probabilities.len())).collect();
        order.sort_by(|a, b| {
            largest(&probabilities[*b]).total_cmp(&largest(&probabilities[*a])).then(a.cmp(b))
        });
        Some(Self { records, given, probabilities, order })
    }

    fn disagrees(&self, place: usize) -> bool {
        let row = &self.probabilities[place];
        row.get(self.given[place]).is_none_or(|p| *p < largest(row))
    }

    /// Disagreements among some places.
    fn count(&self, places: &[usize]) -> u64 {
        places.iter().filter(|place| self.disagrees(**place)).count() as u64
    }

    /// Disagreements among some places, as a share of them.
    fn share(&self, places: &[usize]) -> f64 {
        self.count(places) as f64 / places.len().max(1) as f64
    }

    /// The places of a share of the records, the surest.
    fn surest(&self, share: f64) -> &[usize] {
        &self.order[..(self.order.len() as f64 * share) as usize]
    }

    /// Share of records that always naming the commonest label gets wrong.
    fn open(&self) -> f64 {
        let mut counts: Vec<usize> = Vec::new();
        for given in &self.given {
            counts.resize(counts.len().max(given + 1), 0);
            counts[*given] += 1;
        }
        let most = counts.into_iter().max().unwrap_or(0);
        1.0 - most as f64 / self.given.len().max(1) as f64
    }
}

fn largest(row: &[f64]) -> f64 {
    row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn probe(known: &Known<'_>, change: &Change, fold: usize) -> Probe {
    known.original_probe().changed(change).on(Selection::Fold { fold, of: FOLDS })
}

/// The trainings on parts of the records, with a change; `None` before all have run.
fn folds<'a>(known: &Known<'a>, change: &Change) -> Option<Vec<&'a Outcome>> {
    (0..FOLDS).map(|fold| known.of(&probe(known, change, fold))).collect()
}

/// Whether the model itself is too weak to judge, and nothing that mends it is known.
fn is_weak(known: &Known<'_>) -> bool {
    let error = known.original().and_then(|original| known.validation_error(original));
    error.is_some_and(|error| error > WEAK * signs::baseline(known)) && known.judging().is_empty()
}

/// The predictions of the models that judge, or why they cannot.
fn judge(known: &Known<'_>, outcomes: &[&Outcome]) -> Result<Judged, String> {
    if outcomes.iter().any(|outcome| outcome.diverged()) {
        return Err("a training on a part of the records failed or diverged".to_owned());
    }
    let judged = Judged::of(known, outcomes).ok_or("a training record has no label")?;
    let all = judged.share(&judged.order);
    if all > WEAK * judged.open() {
        return Err(format!(
            "models of the other records are wrong on {:.0} % themselves, too many to judge labels",
            100.0 * all
        ));
    }
    let full = FULL.into();
    if judged.surest(SURE).last().is_some_and(|last| largest(&judged.probabilities[*last]) > full) {
        return Err("the network is fully sure of too many records to rank them".to_owned());
    }
    Ok(judged)
}

/// The upper end of the test error's interval: no larger share of labels is wrong, since wrong labels are
/// test errors too. `None` without test records.
fn most_errors(known: &Known<'_>) -> Option<f64> {
    let test = known.bench.model.card.metrics.test.as_ref()?.classification()?;
    Some(1.0 - test.accuracy_interval[0])
}

impl LabelNoise {
    fn finding(&self, status: FindingStatus, statement: impl Into<String>) -> Finding {
        Finding::new(self.kind(), self.area(), status, statement)
    }
}

/// Disagreement by tenths of the records, the surest first.
fn figure(judged: &Judged) -> Figure {
    let n = judged.order.len();
    let tenth = |i: usize| {
        let places = &judged.order[i * n / 10..(i + 1) * n / 10];
        let share = judged.count(places) as f64 / places.len().max(1) as f64;
        [10.0 * (i + 1) as f64, share]
    };
    Figure {
        title: "Labels that models of other records disagree with".to_owned(),
        x: "training records, the surest first, in percent".to_owned(),
        y: "share of labels disagreed with".to_owned(),
        log_x: false,
        series: vec![Series {
            name: "disagreement".to_owned(),
            points: (0..10).map(tenth).collect(),
        }],
    }
}

impl Diagnosis for LabelNoise {
    fn kind(&self) -> &'static str {
        "label_noise"
    }

    fn area(&self) -> Area {
        Area::Data
    }

    fn about(&self) -> &'static str {
        "whether labels are wrong"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        let head = known.bench.output.head();
        matches!(head, Some(Head::Binary | Head::MultiClass))
            && known.bench.parts.train.len() >= FEWEST
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        if most_errors(known).is_some_and(|most| most < MATTERS) {
            return Vec::new();
        }
        // A poor model judges poorly: what takes away most of its errors comes first.
        let change = known.judging();
        if change.is_empty() && is_weak(known) && folds(known, &change).is_none() {
            return Vec::new();
        }
        (0..FOLDS).map(|fold| Wanted::new(probe(known, &change, fold), 0.25)).collect()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        if let Some(most) = most_errors(known).filter(|most| *most < MATTERS) {
            let statement = format!(
                "Few labels can be wrong: the model disagrees with at most {:.1} % of the test labels.",
                100.0 * most
            );
            let measured = Measurement::new("upper end of the test error's interval", most);
            return Some(
                self.finding(FindingStatus::NotFound, statement)
                    .measured(measured.threshold(MATTERS))
                    .smallest_effect(most),
            );
        }
        let change = known.judging();
        let Some(outcomes) = folds(known, &change) else {
            let weak = "the model itself is wrong on too many records to judge labels";
            return is_weak(known).then(|| self.not_measured(weak));
        };
        let judged = match judge(known, &outcomes) {
            Ok(judged) => judged,
            Err(why) => return Some(self.not_measured(&why)),
        };
        let all = judged.share(&judged.order);
        let sure = judged.surest(SURE);
        let estimate: Option<Estimate> = confident_learning(&judged.probabilities, &judged.given);
        let disagreed = judged.count(sure);
        let floor = judged.share(sure);
        let (low, high) = wilson(disagreed, sure.len() as u64);
        let runs: Vec<&String> = outcomes.iter().map(|outcome| &outcome.run).collect();
        let mut evidence = vec![
            Measurement::new(
                "share of labels disagreed with, among the third that models of other records are \
                 surest of",
                floor,
            )
            .interval(Some([low, high]))
            .threshold(MATTERS)
            .runs(runs),
            Measurement::new("the same among all training records", all),
        ];
        let mut rows: Vec<u64> = Vec::new();
        if let Some(estimate) = &estimate {
            evidence.push(Measurement::new(
                "share of wrong labels by confident learning (usually too high: hard records count too)",
                estimate.rate,
            ));
            let suspects = estimate.suspects.iter().take(ROWS);
            rows = suspects.map(|s| judged.records[s.record] as u64 + 1).collect();
        }
        let with = |finding: Finding| {
            evidence.iter().cloned().fold(finding, Finding::measured).figure(figure(&judged))
        };
        if low < MATTERS || floor < EVEN * all {
            let statement = format!(
                "No sign of wrong labels: where models of other records are surest, they disagree with \
                 {:.1} % of the labels, and with {:.1} % of all. Hard records explain that.",
                100.0 * floor,
                100.0 * all
            );
            let reach = MATTERS.max(high);
            return Some(
                with(self.finding(FindingStatus::NotFound, statement)).smallest_effect(reach),
            );
        }
        let statement = format!(
            "About {:.0} % of the labels look wrong: models of other records{} disagree with so many of \
             those that they are surest of.",
            100.0 * floor,
            if change.is_empty() {
                ""
            } else {
                ", trained with the change that this model needs first,"
            },
        );
        let advice = format!(
            "look at the labels of these {} rows, the most suspect first, and correct or remove what is \
             wrong; then train again",
            rows.len()
        );
        let finding = with(self.finding(FindingStatus::Found, statement));
        // Wrong labels are errors wherever the model is right about them.
        Some(finding.severity(low / all.max(low)).remedy(Remedy::data(advice, rows)))
    }
}
