//! From a fit to its card: metrics of each part, the intended range, and what could not be computed.

use rayon::prelude::*;

use super::card::{
    CalibrationReport, Card, IntendedRange, LabelCount, PartMetrics, PartSizes, Unavailable,
};
use super::spec::Warning;
use super::splits::{Data, Parts};
use super::{Calibration, Reader, Reading};
use crate::eval::{calibrator, conformal};
use crate::learn::trainer::Outcome;
use crate::task::{CalibratedScores, Evaluated, Head, report};
use crate::text::Encoded;

/// Writes the card of a model that was just fitted. `readings` are of the calibration records.
pub(super) fn card(
    reader: &Reader,
    calibration: &Calibration,
    data: &Data<'_>,
    readings: &[Reading],
    outcome: &Outcome,
    warnings: Vec<Warning>,
) -> Card {
    let Data { truths, parts, train, .. } = data;
    let measure = |records: &[usize], texts: &[Encoded]| {
        let evaluated: Vec<Evaluated<'_>> = records
            .par_iter()
            .zip(texts)
            .map(|(&record, text)| {
                let logits = reader.logits(text).1;
                Evaluated {
                    truth: truths.of(record),
                    raw: reader.probabilities(&logits),
                    calibrated: calibration.probabilities(reader.head, &logits),
                }
            })
            .collect();
        report(reader.head, &reader.labels, &evaluated)
    };
    let metrics = PartMetrics {
        train: measure(&parts.train, train),
        validation: measure(&parts.validation, &data.validation),
        test: measure(&parts.test, &data.test),
    };
    let mut counts = vec![0; reader.labels.len()];
    let trained = parts.train.iter().flat_map(|&record| truths.of(record));
    trained.for_each(|&label| counts[label as usize] += 1);
    let label_counts = reader.labels.names().iter().zip(counts);
    let words = |p| quantile(train.iter().map(|text| text.words.len()).collect(), p);
    let coverage: Vec<f32> = readings.iter().map(|r| r.encoded.token_coverage).collect();
    let vocabulary = reader.vectorizer.vocabulary();
    Card {
        whereof_version: env!("CARGO_PKG_VERSION").to_owned(),
        records: PartSizes {
            train: parts.train.len(),
            validation: parts.validation.len(),
            calibration: parts.calibration.len(),
            test: parts.test.len(),
            excluded: parts.excluded,
            lacking: parts.lacking,
        },
        labels: label_counts
            .map(|(label, train_records)| LabelCount { label: label.clone(), train_records })
            .collect(),
        parameters: outcome.network.parameters(),
        best_epoch: outcome.best_epoch,
        epochs: outcome.epochs,
        end_reason: outcome.reason,
        calibration: CalibrationReport {
            records: parts.calibration.len(),
            calibrator: calibration.calibrator,
            test_before: metrics.test.as_ref().map(|m| CalibratedScores {
                log_loss: m.log_loss,
                brier: m.brier,
                ece: m.ece,
            }),
            test_after: metrics.test.as_ref().and_then(|m| m.calibrated.clone()),
        },
        metrics,
        intended_range: IntendedRange {
            words: [words(0.05), words(0.5), words(0.95)],
            known_words: vocabulary.words(),
            known_ngrams: vocabulary.len(),
            token_coverage_p05: (!coverage.is_empty()).then(|| quantile_f32(coverage, 0.05)),
        },
        unavailable: unavailable(parts, reader.head),
        warnings,
    }
}

/// What the sizes of the parts leave undone.
fn unavailable(parts: &Parts, head: Head) -> Vec<Unavailable> {
    let mut list = Vec::new();
    let mut lack = |statistic: &str, reason: &str, have: usize, need: Option<usize>| {
        if need.is_none_or(|need| have < need) {
            let (statistic, reason) = (statistic.to_owned(), reason.to_owned());
            list.push(Unavailable { statistic, reason, have, need });
        }
    };
    let (validation, calibration, test) =
        (parts.validation.len(), parts.calibration.len(), parts.test.len());
    lack(
        "best_epoch",
        "no validation record chooses an epoch, so the last one was kept",
        validation,
        Some(1),
    );
    lack(
        "confidence",
        "too few calibration records to calibrate probabilities",
        calibration,
        Some(calibrator::MIN_RECORDS),
    );
    lack("ood.p_value", "no calibration record to rank a text among", calibration, Some(1));
    lack(
        "accepted",
        "too few calibration records for a false-alarm rate of 0.05",
        calibration,
        conformal::records_needed(0.05),
    );
    if head == Head::MultiLabel {
        lack("prediction_set", "prediction sets are for records with one label", calibration, None);
    } else {
        lack(
            "prediction_set",
            "too few calibration records for an error rate of 0.1",
            calibration,
            conformal::records_needed(0.1),
        );
    }
    lack("metrics.test", "no test record", test, Some(1));
    list
}

/// The value below which a share `p` lies; the data must not be empty.
fn quantile(mut values: Vec<usize>, p: f64) -> usize {
    values.sort_unstable();
    values[((values.len() - 1) as f64 * p).round() as usize]
}

fn quantile_f32(mut values: Vec<f32>, p: f64) -> f32 {
    values.sort_by(f32::total_cmp);
    values[((values.len() - 1) as f64 * p).round() as usize]
}
