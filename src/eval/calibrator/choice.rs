//! Which calibrator: the one with the lowest cross-validated log loss.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Calibrator, CalibratorKind, Truth, temperature};
use crate::eval::Matrix;
use crate::eval::metric::{log_loss, multi_label_log_loss};

/// Labelled records that a calibrator needs at least. Below this, the log loss that chooses between
/// candidates is little more than chance (science: at 50 labels temperature still made two of three
/// sets worse, which is why identity stays a candidate).
pub const MIN_RECORDS: usize = 20;
/// Records below which only identity and temperature are candidates (science: temperature scaling
/// below about 200 labels).
const MANY_RECORDS: usize = 200;
/// Records below which isotonic regression is no candidate: it was never clearly best, and is the
/// most easily overfitted.
const ISOTONIC_RECORDS: usize = 1_000;
/// Records for each class below which vector scaling is no candidate: five for each of its numbers.
const VECTOR_RECORDS: usize = 10;

const FOLDS: usize = 5;

/// What was fitted, and what it was chosen over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What was fitted to all records.
    pub calibrator: Calibrator,
    /// Every candidate, the simpler first.
    pub losses: Vec<CandidateLoss>,
}

/// How well a candidate did on records that did not fit it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateLoss {
    /// Which.
    pub name: CalibratorKind,
    /// Mean log loss over five folds, in nats, at least 0, lower is better. Where records are
    /// multi-label, of each decision.
    pub log_loss: f64,
}

impl CalibratorKind {
    /// Whether it is a candidate for so many records and labels, of which the network gets so many
    /// wrong. With next to nothing wrong, nothing tells how sure is too sure: only temperature,
    /// which then never sharpens, stands beside identity.
    fn is_candidate(self, records: usize, labels: usize, mistakes: usize) -> bool {
        let needed = match self {
            Self::Identity | Self::Temperature => return true,
            Self::TemperaturePerLabel | Self::Platt | Self::Beta => MANY_RECORDS,
            Self::Vector => MANY_RECORDS.max(VECTOR_RECORDS * labels),
            Self::Isotonic => ISOTONIC_RECORDS,
        };
        records >= needed && mistakes >= temperature::MIN_MISTAKES
    }
}

/// Fits every candidate and keeps the one with the lowest cross-validated log loss, of equals the
/// simplest; so nothing is chosen that does not beat identity. `method`, where given, is fitted
/// whatever the losses, and shown among them. `None` below [`MIN_RECORDS`] records, and for a
/// method that does not apply. The records of a class, or of a set of labels, are dealt to the
/// folds in turn, so that every fold knows of each.
pub fn fit(logits: &Matrix, truth: Truth<'_>, method: Option<CalibratorKind>) -> Option<Choice> {
    let all: Vec<usize> = (0..logits.len()).collect();
    if all.len() < MIN_RECORDS || method.is_some_and(|kind| !kind.applies(truth.link())) {
        return None;
    }
    let mistakes = temperature::mistakes(logits, truth, &all);
    let is_candidate = |kind: &CalibratorKind| {
        kind.applies(truth.link())
            && (kind.is_candidate(all.len(), logits.columns(), mistakes) || method == Some(*kind))
    };
    let kinds: Vec<CalibratorKind> =
        CalibratorKind::ALL.iter().copied().filter(is_candidate).collect();
    let order = alike_together(&all, truth);
    // Folds by themselves, and summed in their order: the same bits on any number of threads.
    let folds: Vec<Vec<f64>> = (0..FOLDS)
        .into_par_iter()
        .map(|fold| {
            let part = |held: bool| -> Vec<usize> {
                let places = (0..order.len()).filter(|place| (place % FOLDS == fold) == held);
                places.map(|place| order[place]).collect()
            };
            let (held, rest) = (part(true), part(false));
            let sum = |kind: &CalibratorKind| {
                let fitted = kind.fit(logits, truth, &rest)?;
                Some(loss(&fitted, logits, truth, &held) * held.len() as f64)
            };
            kinds.iter().filter_map(sum).collect()
        })
        .collect();
    let total = |place: usize| folds.iter().filter_map(|sums| sums.get(place)).sum::<f64>();
    let losses: Vec<CandidateLoss> = kinds
        .iter()
        .enumerate()
        .map(|(i, &name)| CandidateLoss { name, log_loss: total(i) / all.len() as f64 })
        .collect();
    let better = |best: CandidateLoss, next: CandidateLoss| {
        if next.log_loss < best.log_loss { next } else { best }
    };
    let best = losses.iter().copied().reduce(better)?.name;
    let calibrator = method.unwrap_or(best).fit(logits, truth, &all)?;
    Some(Choice { calibrator, losses })
}

/// The records, those with the same truth beside one another, else in their order.
fn alike_together(records: &[usize], truth: Truth<'_>) -> Vec<usize> {
    let mut order = records.to_vec();
    match truth {
        Truth::Classes(classes) => order.sort_by_key(|&i| classes[i]),
        Truth::Labels(labels) => order.sort_by(|&i, &j| labels[i].cmp(&labels[j])),
    }
    order
}

fn loss(calibrator: &Calibrator, logits: &Matrix, truth: Truth<'_>, records: &[usize]) -> f64 {
    let probabilities: Vec<Vec<f64>> =
        records.iter().map(|&i| calibrator.probabilities(truth.link(), logits.row(i))).collect();
    match truth {
        Truth::Classes(classes) => log_loss(
            probabilities.iter().zip(records).map(|(p, &i)| (p.as_slice(), classes[i] as usize)),
        ),
        Truth::Labels(labels) => multi_label_log_loss(
            probabilities.iter().zip(records).map(|(p, &i)| (p.as_slice(), labels[i].as_slice())),
        ),
    }
}
