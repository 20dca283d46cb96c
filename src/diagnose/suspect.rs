//! Diagnoses that take the same course: signs of the model's own training make a cause a suspect; only
//! then what would do without it is trained, and the cause is found if that does better on the
//! validation records by more than chance explains.

use super::experiment::{EpochPoint, Outcome};
use super::finding::{Area, Figure, Finding, FindingStatus, Measurement, Remedy, Series};
use super::gain::Gain;
use super::known::Known;
use super::looks::{self, Look, MATTERS, MORE_SEEDS, Told, Trainings, level};
use super::probe::{Change, Probe};
use super::steadiness::is_unstable;
use super::{Diagnosis, Wanted};

/// Share of the variance that it must account for where numbers are predicted: below, what it would
/// win is nothing that anybody sees.
const MATTERS_OF_VARIANCE: f64 = 0.01;
/// Worth of the trainings that confirm what one training promises, at least, ...
const CONFIRMS: f64 = 0.5;
/// ... and of those that decide where some did not tell.
const UNCLEAR: f64 = 0.1;
/// Points of a curve in a figure at most.
const POINTS: usize = 200;

/// Looks for a limitation that signs of the training speak for.
pub trait Suspect: Sync {
    /// Stable name of the limitation.
    const KIND: &'static str;
    /// Which kind of limit it is.
    const AREA: Area;
    /// What it looks for, in a sentence.
    const ABOUT: &'static str;

    /// Whether it can be there at all in this model.
    fn possible(&self, _known: &Known<'_>) -> bool {
        true
    }

    /// Whether something speaks for it.
    fn suspicion(&self, known: &Known<'_>) -> Suspicion;
}

/// Whether something speaks for a limitation.
pub enum Suspicion {
    /// It takes these probes to say.
    Unknown(Vec<Wanted>),
    /// Nothing does.
    Unfounded {
        /// What was measured.
        sign: Measurement,
        /// That it is not there, in a sentence.
        statement: String,
        /// The smallest value of the sign that would have spoken for it.
        smallest: f64,
        /// What was measured beside it.
        beside: Option<Measurement>,
        /// Probes that would tell more, though nothing hangs on them.
        tells: Vec<Wanted>,
    },
    /// Something does.
    Case(Case),
}

/// A suspicion, and what would do without the cause.
pub struct Case {
    /// The chance that it is the cause, before anything is tried, in (0, 1].
    pub worth: f64,
    /// How well the signs fit this cause and no other, in (0, 1]. The severity is the share of the
    /// errors times this, so that of two changes that help alike the one comes first that undoes what
    /// is unusual.
    pub weight: f64,
    /// What speaks for it.
    pub sign: Measurement,
    /// The cause, as the beginning of a sentence: `The momentum of 0.999 is too high`.
    pub cause: String,
    /// What to try.
    pub trials: Vec<Trial>,
    /// Whether training records decide where there are no validation records. Only what shows in
    /// training already can be told by them.
    pub by_training: bool,
}

/// What would do without the cause.
pub struct Trial {
    /// In words, after "with": `a momentum of 0.9`.
    pub with: String,
    /// The change.
    pub remedy: Remedy,
}

impl Suspicion {
    /// What takes the original training, once more, to say.
    pub fn needs_original(known: &Known<'_>) -> Self {
        Self::Unknown(vec![Wanted::new(known.original_probe(), 1.0)])
    }

    /// With something that was measured beside it, where nothing speaks for it.
    pub fn beside(mut self, measurement: Option<Measurement>) -> Self {
        if let Self::Unfounded { beside, .. } = &mut self {
            *beside = measurement;
        }
        self
    }

    /// With more probes that tell something, though it takes none to say that nothing speaks for it.
    pub fn telling(mut self, probes: Vec<Wanted>) -> Self {
        if let Self::Unfounded { tells, .. } = &mut self {
            *tells = probes;
        }
        self
    }

    /// Nothing speaks for it.
    pub fn unfounded(sign: Measurement, smallest: f64, statement: impl Into<String>) -> Self {
        let sign = if sign.threshold.is_some() { sign } else { sign.threshold(smallest) };
        Self::Unfounded {
            sign,
            statement: statement.into(),
            smallest,
            beside: None,
            tells: Vec::new(),
        }
    }
}

impl Case {
    /// A case with what speaks for it.
    pub fn new(cause: impl Into<String>, sign: Measurement) -> Self {
        Self {
            worth: 0.5,
            weight: 1.0,
            sign,
            cause: cause.into(),
            trials: Vec::new(),
            by_training: false,
        }
    }

    /// With a chance and a weight.
    pub fn likely(mut self, worth: f64, weight: f64) -> Self {
        (self.worth, self.weight) = (worth, weight);
        self
    }

    /// With something to try.
    pub fn trying(mut self, with: impl Into<String>, remedy: Remedy) -> Self {
        self.trials.push(Trial { with: with.into(), remedy });
        self
    }

    fn probe(known: &Known<'_>, trial: &Trial, seed: u64) -> Probe {
        Probe { seed, ..known.original_probe().changed(&trial.remedy.change) }
    }

    /// What the trials show, as far as they ran.
    fn judge(&self, known: &Known<'_>) -> Judgement<'_> {
        let Some(perfect) = perfect(known, self.by_training) else {
            return Judgement::Blind;
        };
        if !perfect.helps() {
            return Judgement::Perfect(perfect);
        }
        let mut missing = vec![Wanted::new(known.original_probe(), 1.0)];
        let mut gains = Vec::new();
        for trial in &self.trials {
            match known.gain_over_seeds((1, 1), &trial.remedy.change, self.by_training) {
                Some(gain) => gains.push((trial, gain)),
                None => {
                    missing.push(Wanted::new(Self::probe(known, trial, known.seed()), self.worth))
                }
            }
        }
        if gains.len() < self.trials.len() {
            return Judgement::Needs(missing, None);
        }
        let best = gains.into_iter().min_by(|a, b| a.1.changed.total_cmp(&b.1.changed));
        let Some((trial, _)) = best else { return Judgement::Blind };
        let arms = Arms { known, change: &trial.remedy.change, by_training: self.by_training };
        match looks::look(level(self.weight), &arms) {
            None => Judgement::Blind,
            Some(Look::Told(told)) => Judgement::Tried { trial, told },
            Some(Look::More { originals, changed, unclear }) => {
                // More of what did not tell comes last.
                let worth = if unclear { UNCLEAR } else { self.worth.max(CONFIRMS) };
                let of = |count: usize, change: &Change| -> Vec<Wanted> {
                    let probe = |seed| Probe::original(seed).changed(change);
                    known.seeds(count).into_iter().map(|s| Wanted::new(probe(s), worth)).collect()
                };
                let [mut originals, changed] =
                    [of(originals, &Change::new()), of(changed, &trial.remedy.change)];
                // Seed by seed, so that what is affordable of it can be compared.
                originals.extend(changed);
                originals.sort_by_key(|wanted| wanted.probe.seed.wrapping_sub(known.seed()));
                Judgement::Needs(originals, Some(trial))
            }
        }
    }
}

/// A change and the trainings that there are of it.
struct Arms<'a, 'b> {
    known: &'a Known<'b>,
    change: &'a Change,
    by_training: bool,
}

impl Trainings for Arms<'_, '_> {
    fn at_hand(&self) -> (usize, usize) {
        let of = |change: &Change| self.known.at_hand(change, MORE_SEEDS);
        (of(&Change::new()), of(self.change))
    }

    fn gain(&self, originals: usize, changed: usize) -> Option<Gain> {
        self.known.gain_over_seeds((originals, changed), self.change, self.by_training)
    }

    fn errors(&self, originals: usize, changed: usize) -> Option<[Vec<f64>; 2]> {
        let of = |count: usize, change: &Change| -> Option<Vec<f64>> {
            let outcomes = self.known.over_seeds(count, |_| change.clone())?;
            outcomes.iter().map(|(_, o)| self.known.error(o, self.by_training)).collect()
        };
        Some([of(originals, &Change::new())?, of(changed, self.change)?])
    }

    fn hangs_on_seed(&self) -> bool {
        is_unstable(self.known)
    }
}

enum Judgement<'a> {
    /// These probes first; of the trial that is promising so far.
    Needs(Vec<Wanted>, Option<&'a Trial>),
    /// There are no records to choose by.
    Blind,
    /// Not even a model without errors would be told from this one.
    Perfect(Gain),
    /// The best of the trials.
    Tried { trial: &'a Trial, told: Told },
}

/// What a model without errors would do, against the worst of the original trainings at hand: a lucky seed
/// is no sign that there is nothing to win.
fn perfect(known: &Known<'_>, by_training: bool) -> Option<Gain> {
    let originals =
        known.over_seeds(known.at_hand(&Change::new(), looks::SEEDS), |_| Change::new())?;
    let gains = originals.iter().map(|(_, outcome)| known.gain_between(outcome, None, by_training));
    let gains: Vec<Gain> = gains.collect::<Option<_>>()?;
    gains.into_iter().max_by(|a, b| a.original.total_cmp(&b.original))
}

impl<S: Suspect> Diagnosis for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn area(&self) -> Area {
        S::AREA
    }

    fn about(&self) -> &'static str {
        S::ABOUT
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        self.possible(known)
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        match self.suspicion(known) {
            Suspicion::Unknown(wanted) => wanted,
            Suspicion::Unfounded { tells, .. } => tells,
            Suspicion::Case(_) if known.original().is_none() => {
                vec![Wanted::new(known.original_probe(), 1.0)]
            }
            Suspicion::Case(case) => match case.judge(known) {
                Judgement::Needs(wanted, _) => wanted,
                _ => Vec::new(),
            },
        }
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let finding = |status, statement: String| Finding::new(S::KIND, S::AREA, status, statement);
        let case = match self.suspicion(known) {
            Suspicion::Unknown(_) => return None,
            Suspicion::Unfounded { sign, statement, smallest, beside, .. } => {
                let mut finding = finding(FindingStatus::NotFound, statement).measured(sign);
                finding.evidence.extend(beside);
                return Some(finding.smallest_effect(smallest));
            }
            Suspicion::Case(case) => case,
        };
        known.original()?;
        match case.judge(known) {
            Judgement::Needs(..) => None,
            Judgement::Blind => {
                let why = "there are no validation records to tell by: set split.validation";
                Some(self.not_measured(why).measured(case.sign))
            }
            Judgement::Perfect(gain) => {
                let part = part(known);
                let statement = format!(
                    "{}: not tried, as the model's error of {:.1} % on the {part} records is too \
                     small for so few of them to show anything better.",
                    capitalised(S::ABOUT),
                    100.0 * gain.original
                );
                let error = Measurement::new(format!("{part} error"), gain.original);
                let finding = finding(FindingStatus::NotFound, statement).measured(error);
                Some(finding.measured(case.sign).smallest_effect(gain.smallest()))
            }
            Judgement::Tried { trial, told } => tried::<S>(known, &case, trial, told),
        }
    }

    fn settle(&self, known: &Known<'_>) -> Option<Finding> {
        let Suspicion::Case(case) = self.suspicion(known) else { return None };
        known.original()?;
        let Judgement::Needs(_, Some(trial)) = case.judge(known) else { return None };
        let change = &trial.remedy.change;
        let arms = Arms { known, change, by_training: case.by_training };
        let Some(Look::Told(told)) = looks::last(level(case.weight), &arms) else { return None };
        let finding = tried::<S>(known, &case, trial, told)?;
        if finding.status == FindingStatus::Found {
            return Some(finding);
        }
        let why = format!(
            "with {} it looks better, {:.1} % {} errors instead of {:.1} %, but the budget does not \
             reach for the trainings that would tell this from luck",
            trial.with,
            100.0 * told.gain.changed,
            part(known),
            100.0 * told.gain.original,
        );
        let Finding { status, statement, .. } = self.not_measured(&why);
        Some(Finding { status, statement, ..finding })
    }
}

/// The records that choose.
fn part(known: &Known<'_>) -> &'static str {
    if known.bench.parts.validation.is_empty() { "training" } else { "validation" }
}

/// What came of the best of the trials.
fn tried<S: Suspect>(known: &Known<'_>, case: &Case, trial: &Trial, told: Told) -> Option<Finding> {
    let Told { gain, better, level, changed } = told;
    let (labels, part) = (known.bench.output.head().is_some(), part(known));
    let outcomes: Vec<&Outcome> = known
        .seeds(changed)
        .into_iter()
        .filter_map(|seed| known.of(&Case::probe(known, trial, seed)))
        .collect();
    let unit = gain.original.max(1e-12);
    let half = 1.96 * gain.standard_error / unit;
    let taken = Measurement::new(
        format!("share of the {part} error that {} takes away", trial.with),
        gain.share(),
    );
    let taken = taken
        .interval(Some([gain.share() - half, gain.share() + half]))
        .threshold(MATTERS)
        .runs(outcomes.iter().map(|outcome| &outcome.run));
    let chance =
        format!("chance of such a difference if the change did nothing (counts up to {level:.4})");
    let chance = Measurement::new(chance, gain.p_value);
    let smallest = (gain.smallest() / unit).max(MATTERS);
    let matters =
        gain.share() >= MATTERS && (labels || gain.original - gain.changed >= MATTERS_OF_VARIANCE);
    let found = better && matters;
    let error = |error: f64, what: &str| Measurement::new(format!("{part} error {what}"), error);
    let (status, statement) = if found {
        (FindingStatus::Found, cost(case, trial, gain, (labels, part)))
    } else {
        let change = match gain.original - gain.changed {
            taken if taken > 0.0 => "hardly less",
            _ => "no less",
        };
        let statement = format!(
            "{}: tried and not found, as the {part} error with {} is {change} ({:.1} % instead of \
             {:.1} %).",
            capitalised(S::ABOUT),
            trial.with,
            100.0 * gain.changed,
            100.0 * gain.original,
        );
        (FindingStatus::NotFound, statement)
    };
    let finding = Finding::new(S::KIND, S::AREA, status, statement)
        .measured(taken)
        .measured(case.sign.clone())
        .measured(chance)
        .measured(error(gain.original, "as it is"))
        .measured(error(gain.changed, &format!("with {}", trial.with)))
        .smallest_effect(smallest);
    if !found {
        return Some(finding);
    }
    let finding = match curves(known.original()?, outcomes.first()?, &trial.with) {
        Some(figure) => finding.figure(figure),
        None => finding,
    };
    Some(finding.severity(case.weight * gain.share()).remedy(trial.remedy.clone()))
}

/// The cause and what it costs, in a sentence.
fn cost(case: &Case, trial: &Trial, gain: Gain, (labels, part): (bool, &str)) -> String {
    let Case { cause, .. } = case;
    let percent = 100.0 * gain.share();
    let (changed, original) = (100.0 * gain.changed, 100.0 * gain.original);
    if labels {
        format!(
            "{cause}: with {} the model makes {percent:.0} % fewer mistakes on the {part} records \
             ({changed:.1} % are wrong instead of {original:.1} %).",
            trial.with
        )
    } else {
        format!(
            "{cause}: with {} the squared error on the {part} records is {percent:.0} % smaller \
             ({changed:.1} % of the variance stays unexplained instead of {original:.1} %).",
            trial.with
        )
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The training loss of both, epoch by epoch; `None` where one has no epochs.
fn curves(original: &Outcome, changed: &Outcome, with: &str) -> Option<Figure> {
    let series = |name: &str, outcome: &Outcome| {
        let curve = &outcome.trained.as_ref()?.curve;
        let every = curve.len().div_ceil(POINTS).max(1);
        let point = |at: &EpochPoint| [at.epoch as f64, at.train_loss];
        let points: Vec<[f64; 2]> = curve
            .iter()
            .step_by(every)
            .map(point)
            .filter(|point| point.iter().all(|value| value.is_finite()))
            .collect();
        (points.len() > 1).then(|| Series { name: name.to_owned(), points })
    };
    Some(Figure {
        title: "Training loss".to_owned(),
        x: "epoch".to_owned(),
        y: "mean training loss".to_owned(),
        log_x: false,
        series: vec![series("as it is", original)?, series(&format!("with {with}"), changed)?],
    })
}
