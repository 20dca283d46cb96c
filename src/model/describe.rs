//! From a fit to its card: metrics of each part, the intended range, and what could not be computed.

use rayon::prelude::*;

use super::card::{
    CalibrationReport, Card, IntendedRange, IntervalReport, LabelCount, PartMetrics, PartSizes,
    RowRange, TargetRange, TextRange, Unavailable,
};
use super::encoder::{Encoded, Encoder};
use super::p_values::TestPValues;
use super::spec::Warning;
use super::splits::{Data, Parts};
use super::{Calibration, Reader, Reading};
use crate::eval::reliability::Reliability;
use crate::eval::risk_coverage::risk_coverage;
use crate::eval::{argmax, calibrator, conformal};
use crate::learn::trainer::Outcome;
use crate::task::{
    CalibratedScores, Evaluated, Head, MetricsReport, Output, Predicted, RegressionReport, report,
};

/// Error rate that the card's prediction sets and intervals are for.
const MISCOVERAGE: f64 = 0.1;

/// Writes the card of a model that was just fitted. `readings` are of the calibration records.
pub(super) fn card(
    reader: &Reader,
    calibration: &Calibration,
    data: &Data<'_>,
    readings: &[Reading],
    outcome: &Outcome,
    seed: u64,
    mut warnings: Vec<Warning>,
) -> Card {
    let parts = data.parts;
    let answered = |records: &[usize], encoded: &[Encoded]| {
        Answered::of(reader, calibration, data, records, encoded)
    };
    let output = &reader.output;
    let test = answered(&parts.test, &data.test);
    let metrics = PartMetrics {
        train: answered(&parts.train, &data.train).metrics(output),
        validation: answered(&parts.validation, &data.validation).metrics(output),
        test: test.metrics(output),
    };
    warnings.extend(worse_than_the_mean(&metrics));
    let names = reader.output.label_names();
    let mut counts = vec![0; names.len()];
    let trained = parts.train.iter().flat_map(|&record| data.outcomes.labels_of(record));
    trained.for_each(|&label| counts[label as usize] += 1);
    let labels = names.iter().zip(counts);
    let targets = match &reader.output {
        Output::Labels { .. } => Vec::new(),
        Output::Values { names, scaler } => names
            .iter()
            .zip(scaler.means().iter().zip(scaler.scales()))
            .map(|(target, (&mean, &standard_deviation))| TargetRange {
                target: target.clone(),
                mean,
                standard_deviation,
            })
            .collect(),
    };
    let before = metrics.test.as_ref().and_then(MetricsReport::classification);
    let confidences = test.confidences(output);
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
        labels: labels
            .map(|(label, train_records)| LabelCount { label: label.clone(), train_records })
            .collect(),
        targets,
        parameters: outcome.network.parameters(),
        best_epoch: outcome.best_epoch,
        epochs: outcome.epochs,
        end_reason: outcome.reason,
        calibration: CalibrationReport {
            records: parts.calibration.len(),
            calibrator: calibration.calibrator.as_ref().map(|choice| choice.calibrator.clone()),
            candidates: calibration.calibrator.as_ref().map_or(Vec::new(), |c| c.losses.clone()),
            test_before: before.map(|m| CalibratedScores {
                log_loss: m.log_loss,
                brier: m.brier,
                ece: m.ece,
            }),
            test_after: before.and_then(|m| m.calibrated.clone()),
            reliability: confidences
                .as_ref()
                .and_then(|c| Reliability::of(&c.raw, c.calibrated.as_deref(), seed)),
            risk_coverage: confidences
                .as_ref()
                .and_then(|c| risk_coverage(c.calibrated.as_ref().unwrap_or(&c.raw))),
            intervals: test.intervals(output, calibration),
            test_p_values: TestPValues::of(reader, calibration, data),
        },
        intended_range: range(reader, data, readings),
        metrics,
        transfer: None,
        unavailable: unavailable(parts, &reader.output),
        warnings,
    }
}

/// What a model says of records whose labels or numbers are known.
enum Answered<'a> {
    Labels(Vec<Evaluated<'a>>),
    Values(Vec<Predicted<'a>>),
}

/// Confidences of records, and whether the label is right.
struct Confidences {
    raw: Vec<(f64, bool)>,
    calibrated: Option<Vec<(f64, bool)>>,
}

impl<'a> Answered<'a> {
    fn of(
        reader: &Reader,
        calibration: &Calibration,
        data: &'a Data<'_>,
        records: &[usize],
        encoded: &[Encoded],
    ) -> Self {
        let both = records.par_iter().zip(encoded);
        match &reader.output {
            Output::Labels { .. } => {
                let evaluated = both.map(|(&record, encoded)| {
                    let logits = reader.evaluate(encoded).1;
                    Evaluated {
                        truth: data.outcomes.labels_of(record),
                        raw: reader.probabilities(&logits),
                        calibrated: calibration.probabilities(&reader.output, &logits),
                    }
                });
                Self::Labels(evaluated.collect())
            }
            Output::Values { .. } => {
                let predicted = both.map(|(&record, encoded)| {
                    let values = reader.values(&reader.evaluate(encoded).1);
                    Predicted { truth: data.outcomes.values_of(record), values }
                });
                Self::Values(predicted.collect())
            }
        }
    }

    /// How the model does on them; `None` without any.
    fn metrics(&self, output: &Output) -> Option<MetricsReport> {
        match (self, output) {
            (Self::Labels(evaluated), Output::Labels { labels, head }) => {
                report(*head, labels, evaluated).map(MetricsReport::Classification)
            }
            (Self::Values(predicted), Output::Values { names, .. }) => {
                RegressionReport::of(names, predicted).map(MetricsReport::Regression)
            }
            (Self::Labels(_), Output::Values { .. }) | (Self::Values(_), Output::Labels { .. }) => {
                None
            }
        }
    }

    /// `None` where a record may have several labels, or none is predicted.
    fn confidences(&self, output: &Output) -> Option<Confidences> {
        let Output::Labels { head: Head::Binary | Head::MultiClass, .. } = output else {
            return None;
        };
        let Self::Labels(evaluated) = self else { return None };
        let both = evaluated.iter().map(|Evaluated { truth, raw, calibrated }| {
            let label = argmax(raw);
            let right = *truth == [label as u32];
            ((raw[label], right), calibrated.as_ref().map(|p| (p[label], right)))
        });
        let (raw, calibrated): (Vec<_>, Vec<_>) = both.unzip();
        Some(Confidences { raw, calibrated: calibrated.into_iter().collect() })
    }

    /// Intervals of each target, and how often they hold on these records.
    fn intervals(&self, output: &Output, calibration: &Calibration) -> Vec<IntervalReport> {
        let (Self::Values(predicted), Output::Values { names, .. }) = (self, output) else {
            return Vec::new();
        };
        let report = |(target, name): (usize, &String)| {
            let errors = calibration.errors.get(target);
            let half_width = errors.and_then(|errors| errors.quantile(MISCOVERAGE));
            let within = |half: f64| {
                let holds = predicted
                    .iter()
                    .filter(|record| (record.values[target] - record.truth[target]).abs() <= half);
                holds.count() as f64 / predicted.len() as f64
            };
            let test_coverage = half_width.filter(|_| !predicted.is_empty()).map(within);
            IntervalReport { target: name.clone(), half_width, test_coverage }
        };
        names.iter().enumerate().map(report).collect()
    }
}

/// Warns of a regression that does worse than the mean of the targets would.
fn worse_than_the_mean(metrics: &PartMetrics) -> Option<Warning> {
    let (part, metrics) = match (&metrics.test, &metrics.validation) {
        (Some(test), _) => ("test", test),
        (None, Some(validation)) => ("validation", validation),
        (None, None) => return None,
    };
    let r2 = metrics.regression()?.r2?;
    let message = format!(
        "on the {part} records the model does worse than their mean would (R² {r2:.3e}): lower \
         optimizer.learning_rate, train longer, or look whether the columns tell the target"
    );
    // A little below 0 is chance.
    (r2 < -0.1).then(|| Warning::new("worse_than_the_mean", message))
}

/// What the training records are like.
fn range(reader: &Reader, data: &Data<'_>, readings: &[Reading]) -> IntendedRange {
    let low = |coverage: Vec<f32>| (!coverage.is_empty()).then(|| quantile_f32(coverage, 0.05));
    match &reader.encoder {
        Encoder::Text(vectorizer) => {
            let words =
                |p| quantile(data.train.iter().map(|record| record.words().len()).collect(), p);
            let coverage = readings.iter().filter_map(|r| r.encoded.text());
            let vocabulary = vectorizer.vocabulary();
            IntendedRange::Texts(TextRange {
                words: [words(0.05), words(0.5), words(0.95)],
                known_words: vocabulary.words(),
                known_ngrams: vocabulary.len(),
                token_coverage_p05: low(coverage.map(|text| text.token_coverage).collect()),
            })
        }
        Encoder::Table(encoder) => {
            let coverage = readings.iter().filter_map(|r| match &r.encoded {
                Encoded::Row(row) => Some(row.coverage.columns as f32),
                Encoded::Text(_) | Encoded::Image(_) => None,
            });
            IntendedRange::Rows(RowRange {
                columns: encoder.columns().map(str::to_owned).collect(),
                ranges: encoder.ranges(),
                features: encoder.feature_names(),
                column_coverage_p05: low(coverage.collect()),
            })
        }
        Encoder::Image(size) => IntendedRange::Images(*size),
    }
}

/// What the sizes of the parts leave undone.
fn unavailable(parts: &Parts, output: &Output) -> Vec<Unavailable> {
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
    if output.head().is_some() {
        lack(
            "confidence",
            "too few calibration records to calibrate probabilities",
            calibration,
            Some(calibrator::MIN_RECORDS),
        );
    }
    lack("ood.p_value", "no calibration record to rank a record among", calibration, Some(1));
    lack(
        "accepted",
        "too few calibration records for a false-alarm rate of 0.05",
        calibration,
        conformal::records_needed(0.05),
    );
    if output.head() == Some(Head::MultiLabel) {
        lack("prediction_set", "prediction sets are for records with one label", calibration, None);
    } else {
        let regression = output.head().is_none();
        lack(
            if regression { "interval" } else { "prediction_set" },
            "too few calibration records for an error rate of 0.1",
            calibration,
            conformal::records_needed(MISCOVERAGE),
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
