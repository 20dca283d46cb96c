//! How a model does on labelled records, overall and by the values of a column: accuracy beside
//! coverage, so that a slice that fails shows whether it lies outside what the model has seen.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Model;
use super::criteria::{Criteria, Judgement};
use super::encoder::Encoded;
use super::score::Weighed;
use crate::task::{
    Evaluated, MetricsReport, Outcomes, Output, Predicted, RegressionReport, report,
};

/// Records with an outcome.
pub struct LabelledRecords {
    /// The records.
    pub records: Vec<Encoded>,
    /// Their true labels or numbers.
    pub outcomes: Outcomes,
    /// The slice of each, where slices were asked for.
    pub slices: Option<Vec<String>>,
}

/// How a model does on records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// On all records.
    pub overall: SliceReport,
    /// On the records of each value of the slice column, the worst accuracy (or R²) first.
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
    /// Accuracy among the accepted; absent where none was accepted, or numbers are predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_of_accepted: Option<f64>,
    /// Mean squared error among the accepted; absent where none was accepted, or labels are
    /// predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mse_of_accepted: Option<f64>,
}

/// Mean coverage of several records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeanCoverage {
    /// Of a text's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<f64>,
    /// Of a text's n-grams, weighted as the network pools them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngrams: Option<f64>,
    /// Of a row's columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<f64>,
    /// Of the representation.
    pub representation: f64,
    /// Share of the texts that hold a word the model does not know, in \[0, 1\]; lower is better
    /// covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_with_unknown: Option<f64>,
    /// Share of the rows that hold a value outside what training saw, in \[0, 1\]; lower is better
    /// covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_with_outside: Option<f64>,
}

struct Outcome {
    judgement: Judgement,
    /// Where numbers are predicted.
    values: Vec<f64>,
    coverage: RecordCoverage,
}

/// Coverage of one record.
struct RecordCoverage {
    tokens: Option<f64>,
    ngrams: Option<f64>,
    columns: Option<f64>,
    representation: f64,
    has_outside: bool,
}

impl Model {
    /// Evaluates records; `None` without any.
    pub fn evaluate(&self, data: LabelledRecords, criteria: &Criteria) -> Option<Evaluation> {
        let LabelledRecords { records, outcomes: truths, slices } = data;
        let weighed: Vec<_> = records.into_par_iter().map(|record| self.weigh(record)).collect();
        let q_values = criteria.q_values(&weighed);
        let outcome = |(weighed, q)| self.outcome(weighed, criteria, q);
        let outcomes: Vec<Outcome> = weighed.into_par_iter().zip(q_values).map(outcome).collect();
        let all: Vec<usize> = (0..outcomes.len()).collect();
        let overall = self.slice(None, &all, &outcomes, &truths)?;
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (record, slice) in slices.iter().flatten().enumerate() {
            members.entry(slice).or_default().push(record);
        }
        let mut slices: Vec<SliceReport> = members
            .into_iter()
            .filter_map(|(slice, records)| {
                self.slice(Some(slice.to_owned()), &records, &outcomes, &truths)
            })
            .collect();
        let quality = |slice: &SliceReport| slice.metrics.quality().unwrap_or(f64::INFINITY);
        slices.sort_by(|a, b| quality(a).total_cmp(&quality(b)));
        Some(Evaluation { overall, slices })
    }

    fn outcome(&self, weighed: Weighed, criteria: &Criteria, q_value: Option<f64>) -> Outcome {
        let judgement = criteria.judge(self, &weighed, q_value);
        let reading = weighed.reading;
        let values = self.reader.values(&reading.logits);
        let representation = reading.representation;
        let coverage = match reading.encoded {
            Encoded::Text(text) => RecordCoverage {
                tokens: Some(text.token_coverage.into()),
                ngrams: Some(text.ngram_coverage.into()),
                columns: None,
                representation,
                has_outside: text.unknown_count > 0,
            },
            Encoded::Row(row) => RecordCoverage {
                tokens: None,
                ngrams: None,
                columns: Some(row.coverage.columns),
                representation,
                has_outside: !row.coverage.outside.is_empty(),
            },
            Encoded::Image(_) => RecordCoverage {
                tokens: None,
                ngrams: None,
                columns: None,
                representation,
                has_outside: false,
            },
        };
        Outcome { judgement, values, coverage }
    }

    fn measure(
        &self,
        records: &[usize],
        outcomes: &[Outcome],
        truths: &Outcomes,
    ) -> Option<MetricsReport> {
        match &self.reader.output {
            Output::Labels { labels, head } => {
                let evaluated = |&i: &usize| Evaluated {
                    truth: truths.labels_of(i),
                    raw: outcomes[i].judgement.raw.clone(),
                    calibrated: outcomes[i].judgement.calibrated.clone(),
                };
                let evaluated: Vec<Evaluated<'_>> = records.iter().map(evaluated).collect();
                report(*head, labels, &evaluated).map(MetricsReport::Classification)
            }
            Output::Values { names, .. } => {
                let predicted = |&i: &usize| Predicted {
                    truth: truths.values_of(i),
                    values: outcomes[i].values.clone(),
                };
                let predicted: Vec<Predicted<'_>> = records.iter().map(predicted).collect();
                RegressionReport::of(names, &predicted).map(MetricsReport::Regression)
            }
        }
    }

    fn slice(
        &self,
        slice: Option<String>,
        records: &[usize],
        outcomes: &[Outcome],
        truths: &Outcomes,
    ) -> Option<SliceReport> {
        let metrics = self.measure(records, outcomes, truths)?;
        let n = records.len() as f64;
        let mean = |of: &dyn Fn(&RecordCoverage) -> Option<f64>| -> Option<f64> {
            let shares: Option<Vec<f64>> =
                records.iter().map(|&i| of(&outcomes[i].coverage)).collect();
            shares.map(|shares| shares.iter().sum::<f64>() / n)
        };
        let outside =
            records.iter().filter(|&&i| outcomes[i].coverage.has_outside).count() as f64 / n;
        let tokens = mean(&|c| c.tokens);
        let columns = mean(&|c| c.columns);
        let flags: Option<Vec<bool>> =
            records.iter().map(|&i| outcomes[i].judgement.flagged).collect();
        let accepted: Vec<usize> =
            records.iter().copied().filter(|&i| outcomes[i].judgement.verdict.is_ok()).collect();
        let of_accepted = self.measure(&accepted, outcomes, truths);
        let of_accepted = of_accepted.as_ref();
        Some(SliceReport {
            slice,
            records: records.len() as u64,
            coverage: MeanCoverage {
                tokens,
                ngrams: mean(&|c| c.ngrams),
                columns,
                representation: mean(&|c| Some(c.representation)).unwrap_or_default(),
                texts_with_unknown: tokens.map(|_| outside),
                rows_with_outside: columns.map(|_| outside),
            },
            flagged: flags.map(|flags| flags.iter().filter(|f| **f).count() as f64 / n),
            accepted: accepted.len() as f64 / n,
            accuracy_of_accepted: of_accepted.and_then(|m| Some(m.classification()?.accuracy)),
            mse_of_accepted: of_accepted.and_then(|m| Some(m.regression()?.mse)),
            metrics,
        })
    }
}
