//! What is fitted after training: prototypes and detectors to the training split; calibrator,
//! p-values, prediction sets and intervals to the calibration split.

use rayon::prelude::*;

use super::coverage::RecordCoverage;
use super::encoder::{Encoded, Encoder};
use super::spec::TrainSpec;
use super::splits::Data;
use super::training_records::TrainingRecords;
use super::{Calibration, Reader, Reading};
use crate::eval::calibrator::{self, Choice, Truth};
use crate::eval::combination::Combination;
use crate::eval::conformal::CalibrationScores;
use crate::eval::detector::{DetectorKind, RecordKind, Training};
use crate::eval::interval_conformal::NormalizedIntervals;
use crate::eval::prediction_set::PredictionSets;
use crate::eval::prototypes::Prototypes;
use crate::eval::{Link, Matrix};
use crate::learn::network::Frozen;
use crate::task::Output;

/// Fits prototypes and detectors to the training split.
pub(super) fn reader(
    spec: &TrainSpec,
    data: &Data<'_>,
    output: Output,
    encoder: Encoder,
    network: Frozen,
) -> Reader {
    let seed = spec.training.seed;
    let dimension = network.view().dimension();
    let none = Prototypes::from_centres(Matrix::new(dimension));
    let mut reader = Reader {
        output,
        encoder,
        network,
        prototypes: none,
        detectors: Vec::new(),
        training_records: None,
    };
    let read: Vec<(Vec<f32>, Vec<f32>)> =
        data.train.par_iter().map(|record| reader.evaluate(record)).collect();
    let mut typical = Matrix::new(dimension);
    let mut logits = Matrix::new(read.first().map_or(0, |(_, logits)| logits.len()));
    for (representation, of_record) in &read {
        typical.push(representation);
        logits.push(of_record);
    }
    reader.prototypes = Prototypes::fit(&typical, seed);

    let kind = reader.encoder.record_kind();
    let rows = data.train.iter().filter_map(|record| match record {
        Encoded::Row(row) => Some(row.features.as_slice()),
        Encoded::Text(_) | Encoded::Image(_) => None,
    });
    let rows = Matrix::of_rows(rows);
    let words: Vec<Vec<u32>> = data.train.iter().map(|record| record.words().to_vec()).collect();
    let truth: Vec<Vec<u32>> =
        data.parts.train.iter().map(|&i| data.outcomes.labels_of(i).to_vec()).collect();
    let head = reader.output.head();
    let training = Training {
        link: head.map_or(Link::Softmax, |head| head.link()),
        kind,
        labels: reader.output.label_names().len(),
        words: match &reader.encoder {
            Encoder::Text(vectorizer) => vectorizer.vocabulary().words(),
            Encoder::Table(_) | Encoder::Image(_) => 0,
        },
        records: &words,
        truth: &truth,
        // What a network makes of a text or image is what distances are measured by.
        vectors: if kind == RecordKind::Row { &rows } else { &typical },
        logits: &logits,
        seed,
    };
    let kinds = spec.detectors.clone();
    let kinds = kinds.unwrap_or_else(|| DetectorKind::defaults(kind, head.is_some()).collect());
    reader.detectors = kinds.into_iter().map(|kind| (kind, kind.fit(&training))).collect();
    reader.training_records = TrainingRecords::keep(spec, kind, training.vectors, data);
    reader
}

/// Fits calibrator, p-values, prediction sets and intervals to the calibration split.
pub(super) fn calibration(
    spec: &TrainSpec,
    reader: &Reader,
    data: &Data<'_>,
    readings: &[Reading],
) -> Calibration {
    let records = &data.parts.calibration;
    if records.is_empty() {
        return Calibration::default();
    }
    let axis = |axis: usize| readings.iter().map(|reading| reading.axes[axis]).collect();
    let axes: Vec<Vec<f64>> = (0..reader.detectors.len()).map(axis).collect();
    let calibration = Calibration {
        combination: (!axes.is_empty()).then(|| Combination::new(axes)),
        coverage: readings.iter().map(RecordCoverage::of).collect(),
        records: records.len(),
        ..Calibration::default()
    };
    match &reader.output {
        Output::Labels { head, .. } => {
            let raw: Vec<Vec<f64>> =
                readings.iter().map(|reading| reader.probabilities(&reading.logits)).collect();
            let truth = |record: &usize| data.outcomes.labels_of(*record);
            let decision = |(p, record): (&Vec<f64>, &usize)| {
                (head.certainty(p, p), head.labels(p) == truth(record))
            };
            let sets = (head.link() == Link::Softmax).then(|| {
                let classes: Vec<u32> = records.iter().map(|record| truth(record)[0]).collect();
                PredictionSets::fit(&raw, &classes, spec.training.seed)
            });
            let decisions = raw.iter().zip(records).map(decision).collect();
            let calibrator = calibrator(spec, reader, head.link(), data, readings);
            Calibration { calibrator, sets, decisions, ..calibration }
        }
        Output::Values { names, .. } => {
            let error = |(reading, &record): (&Reading, &usize)| -> Vec<f64> {
                let values = reader.values(&reading.logits).into_iter();
                values.zip(data.outcomes.values_of(record)).map(|(v, t)| (v - t).abs()).collect()
            };
            let errors: Vec<Vec<f64>> = readings.iter().zip(records).map(error).collect();
            let vectors = Matrix::of_rows(readings.iter().map(Reading::vector));
            let normalized = NormalizedIntervals::fit(&vectors, &errors, spec.training.seed);
            let of_target = |target: usize| {
                CalibrationScores::new(errors.iter().map(|errors| errors[target]).collect())
            };
            let errors = (0..names.len()).map(of_target).collect();
            Calibration { errors, normalized, ..calibration }
        }
    }
}

fn calibrator(
    spec: &TrainSpec,
    reader: &Reader,
    link: Link,
    data: &Data<'_>,
    readings: &[Reading],
) -> Option<Choice> {
    let records = &data.parts.calibration;
    let labels = reader.output.label_names().len();
    let mut logits = Matrix::new(labels);
    readings.iter().for_each(|reading| logits.push(&reading.logits));
    match link {
        Link::Softmax => {
            let classes: Vec<u32> =
                records.iter().map(|&i| data.outcomes.labels_of(i)[0]).collect();
            calibrator::fit(&logits, Truth::Classes(&classes), spec.calibrator)
        }
        Link::Sigmoid => {
            let holds = |i: usize| {
                (0..labels as u32).map(|l| data.outcomes.labels_of(i).contains(&l)).collect()
            };
            let labels: Vec<Vec<bool>> = records.iter().map(|&i| holds(i)).collect();
            calibrator::fit(&logits, Truth::Labels(&labels), spec.calibrator)
        }
    }
}
