//! Whether a network fits: the gap between training and validation, and what a ladder of smaller and
//! larger networks says of its size.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::CONFIDENCE;
use super::uncertainty::{Crossed, Source, Uncertain, mean, record_means, variance, welch};

/// Records of either part that a gap needs.
pub const MIN_RECORDS: usize = 10;
/// Seeds of every rung that a ladder needs.
pub const MIN_SEEDS: usize = 2;
/// Standard errors by which another rung must do better ...
const STANDARD_ERRORS: f64 = 2.0;
/// ... and the chance that any rung is called better although none is.
const FALSE_ALARM: f64 = 0.05;

/// How much worse a network does on records that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FitGap {
    /// Mean loss of the training records.
    pub train: f64,
    /// Mean loss of the validation records.
    pub validation: f64,
    /// `validation` − `train`, in units of the loss; positive where validation is worse.
    pub gap: f64,
    /// Holds the gap at 95 % confidence: over other seeds and records, or, with one seed, over other
    /// records for this one network.
    pub interval: [f64; 2],
    /// Trainings.
    pub seeds: usize,
    /// The gap that 80 % of such measurements would tell from none.
    pub smallest_effect: f64,
}

/// The gap between training and validation, from one loss a record (1 − correct for accuracy): a row for
/// each seed, on the same records for every seed. The two parts are independent samples, so that their
/// variances add; with several seeds that of the seeds' gaps adds as well, and each has the t of its own
/// degrees of freedom. Where losses are 0 and 1, one of each is added to a part's variance (after Agresti
/// and Caffo 2000): a part without any error still has one to come.
///
/// `None` below [`MIN_RECORDS`] in either part, where rows differ in length or number, or a loss is no
/// finite number.
pub fn fit_gap(train: &[Vec<f64>], validation: &[Vec<f64>]) -> Option<FitGap> {
    let (uncertain, train, validation) = gap(train, validation)?;
    Some(FitGap {
        train: train.mean,
        validation: validation.mean,
        gap: uncertain.value,
        interval: uncertain.interval(CONFIDENCE),
        seeds: train.seeds,
        smallest_effect: uncertain.smallest_effect(CONFIDENCE),
    })
}

/// A part's losses over seeds.
struct PartLosses {
    mean: f64,
    seeds: usize,
    /// The mean of each seed.
    by_seed: Vec<f64>,
    /// The variance of `mean` that is due to the records, and its degrees of freedom.
    records: Source,
}

impl PartLosses {
    fn of(rows: &[Vec<f64>]) -> Option<Self> {
        let records = rows.first()?.len();
        let sound =
            |row: &Vec<f64>| row.len() == records && row.iter().all(|loss| loss.is_finite());
        if records < MIN_RECORDS || !rows.iter().all(sound) {
            return None;
        }
        let runs: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let crossed = Crossed::of(&runs);
        let mut by_record = record_means(&runs);
        if rows.iter().flatten().all(|loss| *loss == 0.0 || *loss == 1.0) {
            by_record.extend([0.0, 1.0]);
        }
        let spread = (variance(&by_record) - crossed.within_records(runs.len())).max(0.0);
        Some(Self {
            mean: crossed.mean,
            seeds: runs.len(),
            by_seed: runs.iter().map(|run| mean(run)).collect(),
            records: Source { variance: spread / records as f64, degrees: records as f64 - 1.0 },
        })
    }
}

fn gap(train: &[Vec<f64>], validation: &[Vec<f64>]) -> Option<(Uncertain, PartLosses, PartLosses)> {
    let (train, validation) = (PartLosses::of(train)?, PartLosses::of(validation)?);
    if train.seeds != validation.seeds {
        return None;
    }
    let mut sources = vec![train.records, validation.records];
    if train.seeds > 1 {
        let gaps = validation.by_seed.iter().zip(&train.by_seed).map(|(v, t)| v - t);
        let seeds = train.seeds as f64;
        let variance = variance(&gaps.collect::<Vec<_>>()) / seeds;
        sources.push(Source { variance, degrees: seeds - 1.0 });
    }
    Some((Uncertain { value: validation.mean - train.mean, sources }, train, validation))
}

/// Trainings of one network of a ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacityRung {
    /// Its width as a multiple of the model's; 1 is the model's own.
    pub relative_width: f64,
    /// Whether it is regularised more than the model. The rung of width 1 that is not is the model.
    pub regularized: bool,
    /// The validation metric of each seed.
    pub validation: Vec<f64>,
    /// The training loss of each seed, in units of the noise floor.
    pub train_loss: Vec<f64>,
}

/// What a ladder says of a network's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapacityVerdict {
    /// A larger network does better on validation, and the training loss stands above the noise floor.
    Underfitting,
    /// A smaller or more regularised network does better on validation, and validation is worse than
    /// training by more than its interval.
    Overfitting,
    /// Neither was shown. `smallest_effect` says what could have been.
    Neither,
}

/// Another rung beside the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RungComparison {
    /// Its width as a multiple of the model's.
    pub relative_width: f64,
    /// Whether it is regularised more than the model.
    pub regularized: bool,
    /// How much better its validation metric is on average; negative where it is worse.
    pub improvement: f64,
    /// Standard error of `improvement` over seeds.
    pub standard_error: f64,
    /// Holds the improvement, for all rungs together at 90 % confidence, so that one that is called
    /// better by chance comes up in at most 5 % of ladders.
    pub interval: [f64; 2],
    /// Whether it is better by more than chance: the interval is above 0 and the improvement above two
    /// standard errors.
    pub better: bool,
}

/// The verdict, and the numbers that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CapacityReport {
    /// What the ladder says.
    pub verdict: CapacityVerdict,
    /// Every other rung beside the model, in the order given.
    pub comparisons: Vec<RungComparison>,
    /// Mean training loss of the model.
    pub train_loss: f64,
    /// Holds it at 95 % confidence, over seeds.
    pub train_loss_interval: [f64; 2],
    /// The training loss that no network of use goes below.
    pub noise_floor: f64,
    /// Whether the interval of the training loss is above the noise floor.
    pub above_noise_floor: bool,
    /// The improvement that 80 % of such ladders would show on their noisiest rung.
    pub smallest_effect: f64,
}

/// Judges a network's size by a ladder of others, each trained with several seeds and measured on the same
/// validation records. Improvements have Welch's interval over seeds with Bonferroni's correction for the
/// number of rungs, and must exceed two standard errors.
///
/// `noise_floor` is the training loss that is left when all that can be learned is: an estimate of the
/// label noise's entropy, or 0. `gap` is that of the model; without one overfitting is not concluded. Where
/// a larger and a smaller rung both do better, that which does best decides.
///
/// `None` without the model's own rung or another, or where the model has fewer than [`MIN_SEEDS`] seeds
/// or a number that is not finite. Other rungs of which that is true are left out: a rung that diverged
/// says nothing of size.
pub fn capacity_verdict(
    rungs: &[CapacityRung],
    higher_is_better: bool,
    noise_floor: f64,
    gap: Option<&FitGap>,
) -> Option<CapacityReport> {
    let judged = judge(rungs, higher_is_better, noise_floor, gap)?;
    let effects = judged.comparisons.iter().map(|(_, uncertain)| uncertain);
    let effects = effects.map(|uncertain| uncertain.smallest_effect(judged.confidence));
    Some(CapacityReport {
        verdict: judged.verdict,
        train_loss: judged.train_loss.value,
        train_loss_interval: judged.train_loss.interval(CONFIDENCE),
        noise_floor,
        above_noise_floor: judged.above_noise_floor,
        smallest_effect: effects.fold(0.0, f64::max),
        comparisons: judged.comparisons.iter().map(|(comparison, _)| *comparison).collect(),
    })
}

struct Judged {
    verdict: CapacityVerdict,
    comparisons: Vec<(RungComparison, Uncertain)>,
    confidence: f64,
    train_loss: Uncertain,
    above_noise_floor: bool,
}

fn judge(
    rungs: &[CapacityRung],
    higher_is_better: bool,
    noise_floor: f64,
    gap: Option<&FitGap>,
) -> Option<Judged> {
    let is_model = |rung: &CapacityRung| rung.relative_width == 1.0 && !rung.regularized;
    let model = rungs.iter().find(|rung| is_model(rung) && sound(rung))?;
    let others: Vec<&CapacityRung> =
        rungs.iter().filter(|rung| !is_model(rung) && sound(rung)).collect();
    if others.is_empty() || !noise_floor.is_finite() {
        return None;
    }
    let confidence = 1.0 - 2.0 * FALSE_ALARM / others.len() as f64;
    let sign = if higher_is_better { 1.0 } else { -1.0 };
    let compare = |rung: &&CapacityRung| {
        let uncertain = improvement(&model.validation, &rung.validation, sign);
        let standard_error = uncertain.sources[0].variance.sqrt();
        let interval = uncertain.interval(confidence);
        let better = interval[0] > 0.0 && uncertain.value > STANDARD_ERRORS * standard_error;
        let comparison = RungComparison {
            relative_width: rung.relative_width,
            regularized: rung.regularized,
            improvement: uncertain.value,
            standard_error,
            interval,
            better,
        };
        (comparison, uncertain)
    };
    let comparisons: Vec<(RungComparison, Uncertain)> = others.iter().map(compare).collect();
    let seeds = model.train_loss.len() as f64;
    let source = Source { variance: variance(&model.train_loss) / seeds, degrees: seeds - 1.0 };
    let train_loss = Uncertain { value: mean(&model.train_loss), sources: vec![source] };
    let above_noise_floor = train_loss.interval(CONFIDENCE)[0] > noise_floor;
    let best = |kind: fn(&RungComparison) -> bool| {
        let better = comparisons.iter().map(|(comparison, _)| comparison);
        let better = better.filter(|comparison| comparison.better && kind(comparison));
        better.map(|comparison| comparison.improvement).fold(0.0, f64::max)
    };
    let larger = best(|rung| rung.relative_width > 1.0 && !rung.regularized);
    let smaller = best(|rung| rung.relative_width < 1.0 || rung.regularized);
    let under = if above_noise_floor { larger } else { 0.0 };
    let over = if gap.is_some_and(|gap| gap.interval[0] > 0.0) { smaller } else { 0.0 };
    let verdict = match under.max(over) {
        0.0 => CapacityVerdict::Neither,
        best if best == under => CapacityVerdict::Underfitting,
        _ => CapacityVerdict::Overfitting,
    };
    Some(Judged { verdict, comparisons, confidence, train_loss, above_noise_floor })
}

fn sound(rung: &CapacityRung) -> bool {
    let enough =
        |values: &[f64]| values.len() >= MIN_SEEDS && values.iter().all(|value| value.is_finite());
    enough(&rung.validation) && enough(&rung.train_loss)
}

/// How much better `other` is than `model` on average, with the error of the seeds.
fn improvement(model: &[f64], other: &[f64], sign: f64) -> Uncertain {
    let part = |values: &[f64]| variance(values) / values.len() as f64;
    let (a, b) = (part(model), part(other));
    let degrees = welch(a, model.len(), b, other.len());
    let value = sign * (mean(other) - mean(model));
    Uncertain { value, sources: vec![Source { variance: a + b, degrees }] }
}

#[cfg(test)]
#[path = "fit_gap_tests.rs"]
mod tests;
