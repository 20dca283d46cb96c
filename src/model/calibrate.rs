//! What is fitted after training: prototypes and detectors to the training split; calibrator,
//! p-values, prediction sets and intervals to the calibration split.

use rayon::prelude::*;

use super::encoder::Encoder;
use super::spec::TrainSpec;
use super::splits::Data;
use super::{Calibration, Reader, Reading};
use crate::eval::calibrator::{self, Calibrator, Truth};
use crate::eval::combination::Combination;
use crate::eval::conformal::CalibrationScores;
use crate::eval::detector::{DetectorKind, RecordKind, Training};
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
    let mut reader = Reader { output, encoder, network, prototypes: none, detectors: Vec::new() };
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
    let mut rows = Matrix::default();
    let row_records = data.train.iter().zip(&read).filter(|_| kind == RecordKind::Row);
    for (record, (representation, _)) in row_records {
        let vector = reader.vector(record, representation);
        if rows.is_empty() {
            rows = Matrix::new(vector.len());
        }
        rows.push(vector);
    }
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
        // What a network makes of a text or image is the vector that `reader.vector` gives.
        vectors: if kind == RecordKind::Row { &rows } else { &typical },
        logits: &logits,
        seed,
    };
    let kinds = DetectorKind::defaults(kind, head.is_some());
    reader.detectors = kinds.map(|kind| (kind, kind.fit(&training))).collect();
    reader
}

/// Fits calibrator, p-values, prediction sets and intervals to the calibration split.
pub(super) fn calibration(reader: &Reader, data: &Data<'_>, readings: &[Reading]) -> Calibration {
    let records = &data.parts.calibration;
    if records.is_empty() {
        return Calibration::default();
    }
    let axis = |axis: usize| readings.iter().map(|reading| reading.axes[axis]).collect();
    let axes: Vec<Vec<f64>> = (0..reader.detectors.len()).map(axis).collect();
    let calibration = Calibration {
        combination: (!axes.is_empty()).then(|| Combination::new(axes)),
        records: records.len(),
        ..Calibration::default()
    };
    match &reader.output {
        Output::Labels { head, .. } => {
            let calibrator = calibrator(reader, head.link(), data, readings);
            let calibration = Calibration { calibrator, ..calibration };
            let score = |(reading, &record): (&Reading, &usize)| {
                let p = calibration
                    .probabilities(&reader.output, &reading.logits)
                    .unwrap_or_else(|| reader.probabilities(&reading.logits));
                1.0 - p[data.outcomes.labels_of(record)[0] as usize]
            };
            let label_scores = (head.link() == Link::Softmax)
                .then(|| CalibrationScores::new(readings.iter().zip(records).map(score).collect()));
            Calibration { label_scores, ..calibration }
        }
        Output::Values { names, .. } => {
            let predicted: Vec<Vec<f64>> =
                readings.iter().map(|reading| reader.values(&reading.logits)).collect();
            let errors = |target: usize| {
                let error = |(values, &record): (&Vec<f64>, &usize)| {
                    (values[target] - data.outcomes.values_of(record)[target]).abs()
                };
                CalibrationScores::new(predicted.iter().zip(records).map(error).collect())
            };
            Calibration { errors: (0..names.len()).map(errors).collect(), ..calibration }
        }
    }
}

fn calibrator(
    reader: &Reader,
    link: Link,
    data: &Data<'_>,
    readings: &[Reading],
) -> Option<Calibrator> {
    let records = &data.parts.calibration;
    let labels = reader.output.label_names().len();
    let mut logits = Matrix::new(labels);
    readings.iter().for_each(|reading| logits.push(&reading.logits));
    match link {
        Link::Softmax => {
            let classes: Vec<u32> =
                records.iter().map(|&i| data.outcomes.labels_of(i)[0]).collect();
            calibrator::fit(&logits, Truth::Classes(&classes))
        }
        Link::Sigmoid => {
            let holds = |i: usize| {
                (0..labels as u32).map(|l| data.outcomes.labels_of(i).contains(&l)).collect()
            };
            let labels: Vec<Vec<bool>> = records.iter().map(|&i| holds(i)).collect();
            calibrator::fit(&logits, Truth::Labels(&labels))
        }
    }
}
