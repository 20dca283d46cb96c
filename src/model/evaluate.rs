//! How a model does on labelled records, overall and by the values of a column: accuracy beside
//! coverage, so that a slice that fails shows whether it lies outside what the model has seen.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Model;
use super::score::{Judgement, Thresholds};
use crate::task::{Evaluated, MetricsReport, Truths, report};

/// Records with an outcome.
pub struct LabelledTexts {
    /// The texts.
    pub texts: Vec<String>,
    /// Their true labels.
    pub truths: Truths,
    /// The slice of each, where slices were asked for.
    pub slices: Option<Vec<String>>,
}

/// How a model does on records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// On all records.
    pub overall: SliceReport,
    /// On the records of each value of the slice column, the worst accuracy first.
    pub slices: Vec<SliceReport>,
}

/// Records of one slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SliceReport {
    /// Value of the slice column; absent for all records together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// Records.
    pub records: u64,
    /// Accuracy and the other metrics.
    pub metrics: MetricsReport,
    /// Mean coverage; each share in \[0, 1\], higher is better covered.
    pub coverage: MeanCoverage,
    /// Share flagged as outside at `max_false_alarm`; absent where that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flagged: Option<f64>,
    /// Share accepted.
    pub accepted: f64,
    /// Accuracy among the accepted; absent where none was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_of_accepted: Option<f64>,
}

/// Mean coverage of several texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeanCoverage {
    /// Of words.
    pub tokens: f64,
    /// Of n-grams, weighted as the network pools them.
    pub ngrams: f64,
    /// Of the representation.
    pub representation: f64,
    /// Share of the texts that hold a word the model does not know, in \[0, 1\]; lower is better
    /// covered.
    pub texts_with_unknown: f64,
}

struct Outcome {
    judgement: Judgement,
    coverage: [f64; 3],
    has_unknown: bool,
}

impl Model {
    /// Evaluates records; `None` without any.
    pub fn evaluate(&self, data: &LabelledTexts, thresholds: &Thresholds) -> Option<Evaluation> {
        let outcomes: Vec<Outcome> =
            data.texts.par_iter().map(|text| self.outcome(text, thresholds)).collect();
        let all: Vec<usize> = (0..outcomes.len()).collect();
        let overall = self.slice(None, &all, &outcomes, &data.truths)?;
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (record, slice) in data.slices.iter().flatten().enumerate() {
            members.entry(slice).or_default().push(record);
        }
        let mut slices: Vec<SliceReport> = members
            .into_iter()
            .filter_map(|(slice, records)| {
                self.slice(Some(slice.to_owned()), &records, &outcomes, &data.truths)
            })
            .collect();
        slices.sort_by(|a, b| a.metrics.accuracy.total_cmp(&b.metrics.accuracy));
        Some(Evaluation { overall, slices })
    }

    fn outcome(&self, text: &str, thresholds: &Thresholds) -> Outcome {
        let reading = self.reader.read(text);
        let judgement = self.judge(&reading, thresholds);
        let (tokens, ngrams) = (reading.encoded.token_coverage, reading.encoded.ngram_coverage);
        let coverage = [tokens.into(), ngrams.into(), reading.representation];
        Outcome { judgement, coverage, has_unknown: !reading.encoded.unknown.is_empty() }
    }

    fn slice(
        &self,
        slice: Option<String>,
        records: &[usize],
        outcomes: &[Outcome],
        truths: &Truths,
    ) -> Option<SliceReport> {
        let measure = |records: &[usize]| {
            let evaluated: Vec<Evaluated<'_>> = records
                .iter()
                .map(|&i| Evaluated {
                    truth: truths.of(i),
                    raw: outcomes[i].judgement.raw.clone(),
                    calibrated: outcomes[i].judgement.calibrated.clone(),
                })
                .collect();
            report(self.reader.head, &self.reader.labels, &evaluated)
        };
        let metrics = measure(records)?;
        let n = records.len() as f64;
        let mean =
            |axis: usize| records.iter().map(|&i| outcomes[i].coverage[axis]).sum::<f64>() / n;
        let with_unknown = records.iter().filter(|&&i| outcomes[i].has_unknown).count();
        let flags: Option<Vec<bool>> =
            records.iter().map(|&i| outcomes[i].judgement.flagged).collect();
        let accepted: Vec<usize> =
            records.iter().copied().filter(|&i| outcomes[i].judgement.verdict.is_ok()).collect();
        Some(SliceReport {
            slice,
            records: records.len() as u64,
            metrics,
            coverage: MeanCoverage {
                tokens: mean(0),
                ngrams: mean(1),
                representation: mean(2),
                texts_with_unknown: with_unknown as f64 / n,
            },
            flagged: flags.map(|flags| flags.iter().filter(|f| **f).count() as f64 / n),
            accepted: accepted.len() as f64 / n,
            accuracy_of_accepted: measure(&accepted).map(|metrics| metrics.accuracy),
        })
    }
}
