//! The training records that a model keeps to show what a record is like: vector, row number and
//! what was to be learnt. What the records hold stays in the dataset.

use super::Reader;
use super::encoder::Encoder;
use super::spec::TrainSpec;
use super::splits::Data;
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Matrix;
use crate::eval::detector::RecordKind;
use crate::eval::neighbors::{Neighbors, Similarity};
use crate::task::Output;

/// Training records, in the order of their rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingRecords {
    neighbors: Neighbors,
    /// Row of each in the dataset, from 1, ascending.
    rows: Vec<u64>,
    /// Labels of each, by position; none where numbers were learnt.
    labels: Vec<Vec<u32>>,
    /// Numbers of each, a target each; none where labels were learnt.
    values: Vec<Vec<f64>>,
}

/// A training record that is like another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike<'a> {
    /// Its row in the dataset, from 1.
    pub row: u64,
    /// How alike they are; higher is more.
    pub similarity: f64,
    /// Its labels, by position.
    pub labels: &'a [u32],
    /// Its numbers, a target each.
    pub values: &'a [f64],
}

impl TrainingRecords {
    /// Keeps the training records of these vectors, or a seeded sample; `None` where the spec
    /// forbids it.
    pub(super) fn keep(
        spec: &TrainSpec,
        kind: RecordKind,
        vectors: &Matrix,
        data: &Data<'_>,
    ) -> Option<Self> {
        if !spec.keep_training_vectors {
            return None;
        }
        let (neighbors, kept) = Neighbors::fit(vectors, similarity(kind), spec.training.seed);
        let records: Vec<usize> = kept.into_iter().map(|i| data.parts.train[i]).collect();
        let labels = records.iter().map(|&record| data.outcomes.labels_of(record).to_vec());
        let values = records.iter().map(|&record| data.outcomes.values_of(record).to_vec());
        Some(Self {
            neighbors,
            labels: labels.collect(),
            values: values.collect(),
            rows: records.iter().map(|&record| record as u64 + 1).collect(),
        })
    }

    /// The `k` that are most like a record with this vector, the most alike first.
    pub fn nearest(&self, vector: &[f32], k: usize) -> Vec<Alike<'_>> {
        let alike = |(place, similarity): (usize, f64)| Alike {
            row: self.rows[place],
            similarity,
            labels: &self.labels[place],
            values: &self.values[place],
        };
        self.neighbors.nearest(vector, k).into_iter().map(alike).collect()
    }

    /// What is stored of them.
    pub(super) fn save(&self) -> Arrays {
        let mut arrays = self.neighbors.save();
        arrays.put("rows", self.rows.clone());
        arrays.put("label_counts", self.labels.iter().map(|l| l.len() as u32).collect());
        arrays.put("labels", self.labels.concat());
        arrays.put("values", self.values.concat());
        arrays
    }

    /// What [`TrainingRecords::save`] stored, for vectors of `width` numbers.
    pub(super) fn load(
        arrays: &Arrays,
        output: &Output,
        width: usize,
    ) -> Result<Self, ArraysError> {
        let neighbors = Neighbors::load(arrays)?;
        let rows = arrays.get_exact::<u64>("rows", neighbors.len())?.to_vec();
        let counts = arrays.get_exact::<u32>("label_counts", rows.len())?;
        let mut flat = arrays.get::<u32>("labels")?.iter().copied();
        let labels: Vec<Vec<u32>> =
            counts.iter().map(|&count| flat.by_ref().take(count as usize).collect()).collect();
        let known = output.label_names().len();
        let whole = labels.iter().zip(counts).all(|(labels, &n)| labels.len() == n as usize);
        let in_range = labels.iter().flatten().all(|&label| (label as usize) < known);
        let targets = match output {
            Output::Labels { .. } => 0,
            Output::Values { names, .. } => names.len(),
        };
        let values = arrays.get_exact::<f64>("values", rows.len() * targets)?;
        let values = match targets {
            0 => vec![Vec::new(); rows.len()],
            targets => values.chunks_exact(targets).map(<[f64]>::to_vec).collect(),
        };
        let of_width = neighbors.is_empty() || neighbors.columns() == width;
        let counted = rows.iter().all(|row| *row > 0) && rows.is_sorted_by(|a, b| a < b);
        if !(whole && flat.next().is_none() && in_range && of_width && counted) {
            return Err(ArraysError::Shape {
                name: "rows".to_owned(),
                expected: "training records that fit the model".to_owned(),
                found: format!("{} others", rows.len()),
            });
        }
        Ok(Self { neighbors, rows, labels, values })
    }
}

impl Reader {
    /// Numbers of the vector that distances are measured by.
    pub(super) fn vector_width(&self) -> usize {
        match &self.encoder {
            Encoder::Table(encoder) => encoder.width(),
            Encoder::Text(_) | Encoder::Image(_) => self.network.view().dimension(),
        }
    }
}

fn similarity(kind: RecordKind) -> Similarity {
    match kind {
        RecordKind::Text | RecordKind::Image => Similarity::Cosine,
        RecordKind::Row => Similarity::Distance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Head, LabelSet};

    fn kept() -> (TrainingRecords, Output) {
        let vectors = Matrix::from_values(2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let (neighbors, _) = Neighbors::fit(&vectors, Similarity::Cosine, 1);
        let records = TrainingRecords {
            neighbors,
            rows: vec![2, 3, 9],
            labels: vec![vec![0], vec![], vec![0, 1]],
            values: vec![vec![]; 3],
        };
        let labels = LabelSet::new(vec!["a".to_owned(), "b".to_owned()]);
        (records, Output::Labels { labels, head: Head::MultiLabel })
    }

    #[test]
    fn the_most_alike_with_its_row_and_labels() {
        let (records, _) = kept();
        let found = records.nearest(&[3.0, 3.0], 1);
        let same = Alike { row: 9, similarity: 1.0, labels: &[0, 1], values: &[] };
        assert_eq!(found, [same]);
    }

    #[test]
    fn stored_and_damaged() {
        let (records, output) = kept();
        let saved = records.save();
        assert_eq!(TrainingRecords::load(&saved, &output, 2).unwrap(), records);
        assert!(TrainingRecords::load(&saved, &output, 3).is_err());
        for (what, damaged) in saved.damaged() {
            let loaded = TrainingRecords::load(&damaged, &output, 2);
            // Records without any value have none to lose.
            assert!(loaded.is_err() || what.contains("values"), "{what}");
        }
        let mut backwards = saved.clone();
        backwards.put("rows", vec![2u64, 9, 3]);
        assert!(TrainingRecords::load(&backwards, &output, 2).is_err());
        let mut foreign = saved;
        foreign.put("labels", vec![0u32, 0, 2]);
        assert!(TrainingRecords::load(&foreign, &output, 2).is_err());
    }
}
