//! Calibrators: from logits to probabilities that mean what they say.
//!
//! A new calibrator is a file here, a variant of [`Calibrator`] and a line in `candidates`.

mod temperature;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::metric::{log_loss, multi_label_log_loss};
use super::{Link, Matrix};

/// Labelled records that a calibrator needs at least. Below this, the log loss that chooses between
/// candidates is little more than chance (science: at 50 labels temperature still made two of three
/// sets worse, which is why identity stays a candidate).
pub const MIN_RECORDS: usize = 20;

const FOLDS: usize = 5;

/// A fitted calibrator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Calibrator {
    /// The network's own probabilities.
    Identity,
    /// All logits divided by one temperature (Guo et al. 2017).
    Temperature {
        /// Above 1 it lowers confidence, below 1 it raises it.
        temperature: f64,
    },
}

/// What the records' true labels are.
#[derive(Debug, Clone, Copy)]
pub enum Truth<'a> {
    /// The class of each record.
    Classes(&'a [u32]),
    /// Whether each label holds, record by record.
    Labels(&'a [Vec<bool>]),
}

impl Truth<'_> {
    fn link(&self) -> Link {
        match self {
            Truth::Classes(_) => Link::Softmax,
            Truth::Labels(_) => Link::Sigmoid,
        }
    }
}

impl Calibrator {
    /// Probabilities of one record.
    pub fn probabilities(&self, link: Link, logits: &[f32]) -> Vec<f64> {
        match self {
            Self::Identity => link.probabilities(logits, 1.0),
            Self::Temperature { temperature } => link.probabilities(logits, *temperature),
        }
    }
}

/// Every kind of calibrator, fitted to `records`.
fn candidates(logits: &Matrix, truth: Truth<'_>, records: &[usize]) -> [Calibrator; 2] {
    let temperature = temperature::fit(logits, truth, records);
    [Calibrator::Identity, Calibrator::Temperature { temperature }]
}

/// Fits every kind and keeps the one with the lowest cross-validated log loss; `None` below
/// [`MIN_RECORDS`] records. Records are dealt to the folds in turn.
pub fn fit(logits: &Matrix, truth: Truth<'_>) -> Option<Calibrator> {
    let all: Vec<usize> = (0..logits.len()).collect();
    if all.len() < MIN_RECORDS {
        return None;
    }
    let mut losses = [0.0; 2];
    for fold in 0..FOLDS {
        let (held, rest): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&i| i % FOLDS == fold);
        for (sum, candidate) in losses.iter_mut().zip(candidates(logits, truth, &rest)) {
            *sum += loss(&candidate, logits, truth, &held) * held.len() as f64;
        }
    }
    let mut fitted = candidates(logits, truth, &all).into_iter().zip(losses);
    let first = fitted.next()?;
    let better = |best: (Calibrator, f64), next: (Calibrator, f64)| {
        if next.1 < best.1 { next } else { best }
    };
    Some(fitted.fold(first, better).0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metric::expected_calibration_error;
    use crate::eval::{argmax, softmax};
    use crate::random::{self, Rng};

    /// Logits whose softmax is the truth, then sharpened by `factor`.
    fn sample(records: usize, factor: f32, seed: u64) -> (Matrix, Vec<u32>) {
        let mut rng = random::stream(seed, "calibrator");
        let mut logits = Matrix::new(3);
        let mut classes = Vec::new();
        for _ in 0..records {
            let row: Vec<f32> = (0..3).map(|_| rng.random::<f32>() * 4.0 - 2.0).collect();
            let p = softmax(&row, 1.0);
            let draw = rng.random::<f64>();
            let class = if draw < p[0] { 0 } else { 1 + u32::from(draw >= p[0] + p[1]) };
            classes.push(class);
            logits.push(&row.iter().map(|z| z * factor).collect::<Vec<f32>>());
        }
        (logits, classes)
    }

    fn ece(calibrator: &Calibrator, logits: &Matrix, classes: &[u32]) -> f64 {
        let records = logits.rows().zip(classes).map(|(row, &class)| {
            let p = calibrator.probabilities(Link::Softmax, row);
            (p[argmax(&p)], argmax(&p) == class as usize)
        });
        expected_calibration_error(records, 15)
    }

    #[test]
    fn overconfidence_is_found_and_undone_on_fresh_records() {
        let (logits, classes) = sample(1_000, 3.0, 1);
        let calibrator = fit(&logits, Truth::Classes(&classes)).unwrap();
        let Calibrator::Temperature { temperature } = calibrator else { panic!("{calibrator:?}") };
        assert!((temperature - 3.0).abs() < 0.4, "{temperature}");
        let (fresh, truth) = sample(4_000, 3.0, 2);
        let before = ece(&Calibrator::Identity, &fresh, &truth);
        let after = ece(&calibrator, &fresh, &truth);
        assert!(before > 0.15 && after < 0.04, "{before} {after}");
    }

    #[test]
    fn what_is_calibrated_is_mostly_left_alone() {
        let kept = (0..40)
            .filter(|&seed| {
                let (logits, classes) = sample(100, 1.0, 100 + seed);
                fit(&logits, Truth::Classes(&classes)) == Some(Calibrator::Identity)
            })
            .count();
        assert!(kept >= 20, "{kept} of 40");
    }

    #[test]
    fn too_few_records_calibrate_nothing() {
        let (logits, classes) = sample(MIN_RECORDS - 1, 1.0, 1);
        assert_eq!(fit(&logits, Truth::Classes(&classes)), None);
    }
}
