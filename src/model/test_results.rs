//! What a model gave for each test record. It is kept with the run, apart from the model, so that
//! runs can be compared record by record: what two models both get right or wrong cancels.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Reader;
use super::encoder::Encoded;
use super::splits::Data;
use crate::arrays::{Arrays, ArraysError};
use crate::eval::argmax;
use crate::eval::metric::log_loss;
use crate::task::{Head, Output};

/// What a model gave for each test record, in the order of the records.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResults {
    /// Positions of the records in their dataset, from 0.
    pub records: Vec<u64>,
    /// What was true and what was predicted.
    pub results: Results,
}

/// True and predicted, record by record.
#[derive(Debug, Clone, PartialEq)]
pub enum Results {
    /// One label a record, by position among the task's labels.
    Labels {
        /// True label of each.
        truth: Vec<u32>,
        /// Most probable label of each.
        predicted: Vec<u32>,
        /// Negative log of the network's own probability of the true label.
        log_loss: Vec<f64>,
    },
    /// Any number of labels a record.
    Sets {
        /// Right labels of each that were predicted.
        hits: Vec<u32>,
        /// Labels of each that were predicted and are wrong.
        extra: Vec<u32>,
        /// Right labels of each that were not predicted.
        missed: Vec<u32>,
    },
    /// Numbers, in their own units; record by record, in each the targets in order.
    Values {
        /// Column of each target.
        targets: Vec<String>,
        /// True values.
        truth: Vec<f64>,
        /// Predicted values.
        predicted: Vec<f64>,
    },
}

/// What the arrays' text says of them.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    Labels,
    Sets,
    Values { targets: Vec<String> },
}

impl TestResults {
    /// Reads the test records once more; `None` without any.
    pub(super) fn of(reader: &Reader, data: &Data<'_>) -> Option<Self> {
        Self::of_part(reader, data, (&data.parts.test, &data.test))
    }

    /// The same of the validation records.
    pub(super) fn of_validation(reader: &Reader, data: &Data<'_>) -> Option<Self> {
        Self::of_part(reader, data, (&data.parts.validation, &data.validation))
    }

    fn of_part(
        reader: &Reader,
        data: &Data<'_>,
        (positions, encoded): (&[usize], &[Encoded]),
    ) -> Option<Self> {
        let records: Vec<u64> = positions.iter().map(|&i| i as u64).collect();
        if records.is_empty() {
            return None;
        }
        let outputs = |encoded: &Encoded| reader.evaluate(encoded).1;
        let labels_of = |i: usize| data.outcomes.labels_of(positions[i]);
        let both = encoded.par_iter().enumerate();
        let results = match &reader.output {
            Output::Labels { head: Head::MultiLabel, .. } => {
                let counts = both.map(|(i, encoded)| {
                    let p = reader.probabilities(&outputs(encoded));
                    let decided = |label: &u32| p[*label as usize] >= 0.5;
                    let predicted = p.iter().filter(|p| **p >= 0.5).count();
                    let hits = labels_of(i).iter().filter(|label| decided(label)).count();
                    [hits, predicted - hits, labels_of(i).len() - hits].map(|count| count as u32)
                });
                let counts: Vec<[u32; 3]> = counts.collect();
                let [hits, extra, missed] =
                    [0, 1, 2].map(|of| counts.iter().map(|counts| counts[of]).collect());
                Results::Sets { hits, extra, missed }
            }
            Output::Labels { .. } => {
                let judged = both.map(|(i, encoded)| {
                    let p = reader.probabilities(&outputs(encoded));
                    let truth = labels_of(i)[0];
                    (truth, argmax(&p) as u32, log_loss([(p.as_slice(), truth as usize)]))
                });
                let judged: Vec<(u32, u32, f64)> = judged.collect();
                Results::Labels {
                    truth: judged.iter().map(|(truth, ..)| *truth).collect(),
                    predicted: judged.iter().map(|(_, predicted, _)| *predicted).collect(),
                    log_loss: judged.iter().map(|(.., loss)| *loss).collect(),
                }
            }
            Output::Values { names, .. } => {
                let predicted: Vec<Vec<f64>> =
                    both.map(|(_, encoded)| reader.values(&outputs(encoded))).collect();
                let truth = positions.iter().flat_map(|&i| data.outcomes.values_of(i));
                Results::Values {
                    targets: names.clone(),
                    truth: truth.copied().collect(),
                    predicted: predicted.concat(),
                }
            }
        };
        Some(Self { records, results })
    }

    /// Whether both are of the same records with the same truth; of records with any number of
    /// labels, the same number of them.
    pub fn same_records(&self, other: &Self) -> bool {
        let same_truth = match (&self.results, &other.results) {
            (Results::Labels { truth: a, .. }, Results::Labels { truth: b, .. }) => a == b,
            (
                Results::Sets { hits: a, missed: b, .. },
                Results::Sets { hits: c, missed: d, .. },
            ) => {
                let pairs = a.iter().zip(b).zip(c.iter().zip(d));
                pairs.into_iter().all(|((a, b), (c, d))| a + b == c + d)
            }
            (
                Results::Values { targets: a, truth: b, .. },
                Results::Values { targets: c, truth: d, .. },
            ) => a == c && b == d,
            _ => false,
        };
        self.records == other.records && same_truth
    }

    /// How far the model is from the truth, record by record; lower is better. Of labels, 0 where all
    /// are right and 1 where any is wrong. Of numbers, the squared error in the target's unit; of
    /// several targets, the mean of each one's as a share of its variance among the records.
    pub fn losses(&self) -> Vec<f64> {
        let wrong = |wrong: bool| f64::from(u8::from(wrong));
        match &self.results {
            Results::Labels { truth, predicted, .. } => {
                truth.iter().zip(predicted).map(|(truth, label)| wrong(truth != label)).collect()
            }
            Results::Sets { extra, missed, .. } => {
                extra.iter().zip(missed).map(|(extra, missed)| wrong(extra + missed > 0)).collect()
            }
            Results::Values { targets, truth, predicted } => {
                let each = targets.len().max(1);
                let units: Vec<f64> = (0..each)
                    .map(|target| match each {
                        1 => 1.0,
                        _ => variance(truth.iter().skip(target).step_by(each).copied()),
                    })
                    .collect();
                let records = truth.chunks(each).zip(predicted.chunks(each));
                let loss = |(truth, predicted): (&[f64], &[f64])| {
                    let errors = truth.iter().zip(predicted).zip(&units);
                    errors.map(|((t, p), unit)| (t - p).powi(2) / unit).sum::<f64>() / each as f64
                };
                records.map(loss).collect()
            }
        }
    }

    /// Positions of those records whose true and predicted label are these, or only those that the model
    /// got wrong; the one that it is furthest from first. Of labels that is the largest log loss, else as
    /// [`TestResults::losses`]. No record has a label where none is predicted by itself.
    pub fn worst(&self, truth: Option<u32>, predicted: Option<u32>, wrong: bool) -> Vec<usize> {
        let losses = self.losses();
        let mut found: Vec<usize> =
            (0..self.records.len()).filter(|i| !wrong || losses[*i] > 0.0).collect();
        let far = match &self.results {
            Results::Labels { truth: labels, predicted: given, log_loss } => {
                found.retain(|&i| truth.is_none_or(|label| labels[i] == label));
                found.retain(|&i| predicted.is_none_or(|label| given[i] == label));
                log_loss
            }
            Results::Sets { .. } | Results::Values { .. } => {
                if truth.or(predicted).is_some() {
                    found.clear();
                }
                &losses
            }
        };
        found.sort_by(|&a, &b| far[b].total_cmp(&far[a]));
        found
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArraysError> {
        let mut arrays = Arrays::default();
        arrays.put("records", self.records.clone());
        let kind = match &self.results {
            Results::Labels { truth, predicted, log_loss } => {
                arrays.put("truth", truth.clone());
                arrays.put("predicted", predicted.clone());
                arrays.put("log_loss", log_loss.clone());
                Kind::Labels
            }
            Results::Sets { hits, extra, missed } => {
                arrays.put("hits", hits.clone());
                arrays.put("extra", extra.clone());
                arrays.put("missed", missed.clone());
                Kind::Sets
            }
            Results::Values { targets, truth, predicted } => {
                arrays.put("truth", truth.clone());
                arrays.put("predicted", predicted.clone());
                Kind::Values { targets: targets.clone() }
            }
        };
        arrays.metadata =
            serde_json::to_string(&kind).map_err(|error| ArraysError::Format(error.to_string()))?;
        arrays.to_bytes()
    }

    /// From bytes that [`TestResults::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArraysError> {
        let arrays = Arrays::from_bytes(bytes)?;
        let records = arrays.get::<u64>("records")?.to_vec();
        let n = records.len();
        let counts = |name: &str| Ok(arrays.get_exact::<u32>(name, n)?.to_vec());
        let numbers = |name: &str, each: usize| Ok(arrays.get_exact(name, n * each)?.to_vec());
        let kind = serde_json::from_str(&arrays.metadata);
        let results = match kind.map_err(|error| ArraysError::Format(error.to_string()))? {
            Kind::Labels => Results::Labels {
                truth: counts("truth")?,
                predicted: counts("predicted")?,
                log_loss: numbers("log_loss", 1)?,
            },
            Kind::Sets => Results::Sets {
                hits: counts("hits")?,
                extra: counts("extra")?,
                missed: counts("missed")?,
            },
            Kind::Values { targets } => Results::Values {
                truth: numbers("truth", targets.len())?,
                predicted: numbers("predicted", targets.len())?,
                targets,
            },
        };
        Ok(Self { records, results })
    }
}

/// The variance of numbers; 1 where they do not vary.
fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { variance } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [TestResults; 3] {
        let of = |results| TestResults { records: vec![3, 7], results };
        [
            of(Results::Labels {
                truth: vec![0, 1],
                predicted: vec![0, 0],
                log_loss: vec![0.25, 1.5],
            }),
            of(Results::Sets { hits: vec![1, 0], extra: vec![0, 2], missed: vec![1, 1] }),
            of(Results::Values {
                targets: vec!["a".to_owned(), "b".to_owned()],
                truth: vec![1.0, 2.0, 3.0, 4.0],
                predicted: vec![1.5, 2.5, 3.5, 4.5],
            }),
        ]
    }

    #[test]
    fn bytes_and_back() {
        for results in all() {
            let bytes = results.to_bytes().unwrap();
            assert_eq!(TestResults::from_bytes(&bytes).unwrap(), results);
            assert!(TestResults::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        }
    }

    #[test]
    fn losses_are_lower_where_the_model_is_better() {
        let [labels, sets, values] = all();
        assert_eq!(labels.losses(), [0.0, 1.0]);
        assert_eq!(sets.losses(), [1.0, 1.0]);
        // Errors of 0.5 where both targets have a variance of 1.
        assert_eq!(values.losses(), [0.25, 0.25]);
    }

    #[test]
    fn the_worst_come_first_and_only_those_that_are_asked_for() {
        let [mut labels, sets, values] = all();
        assert_eq!(labels.worst(None, None, false), [1, 0]);
        assert_eq!(labels.worst(None, None, true), [1]);
        assert_eq!(labels.worst(Some(0), Some(0), false), [0]);
        assert_eq!(labels.worst(Some(1), Some(0), true), [1]);
        assert_eq!(labels.worst(Some(0), Some(1), false), [0; 0]);
        // A loss that is no number is worse than any.
        let Results::Labels { log_loss, .. } = &mut labels.results else { panic!() };
        log_loss[0] = f64::NAN;
        assert_eq!(labels.worst(None, None, false), [0, 1]);
        // Both have an error; equal ones stay in the order of the records.
        assert_eq!(sets.worst(None, None, true), [0, 1]);
        assert_eq!(
            (values.worst(None, None, true), values.worst(Some(0), None, true)),
            (vec![0, 1], vec![])
        );
    }

    #[test]
    fn other_records_or_another_truth_are_not_the_same() {
        for (i, results) in all().iter().enumerate() {
            for (j, other) in all().iter().enumerate() {
                assert_eq!(results.same_records(other), i == j);
            }
            let moved = TestResults { records: vec![3, 8], ..results.clone() };
            assert!(!results.same_records(&moved));
        }
    }
}
