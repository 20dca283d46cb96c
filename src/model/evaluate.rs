//! How a model does on records, overall, by the values of a column and by coverage: accuracy beside
//! coverage, so that a slice that fails shows whether it lies outside what the model has seen.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::batch_report::{Batch, UnlabelledReport};
use super::card::Unavailable;
use super::coverage::{BIN_ENDS, MeanCoverage, RecordCoverage, bin_ends};
use super::criteria::{Criteria, Judgement};
use super::drift::DriftReport;
use super::encoder::Encoded;
use super::{Model, Weighed};
use crate::eval::reliability::Reliability;
use crate::task::{
    Evaluated, Head, MetricsReport, Outcomes, Output, Predicted, RegressionReport, report,
};

/// Records to evaluate a model on.
pub struct EvaluatedRecords {
    /// The records.
    pub records: Vec<Encoded>,
    /// Their texts, to show; empty where they are no texts.
    pub texts: Vec<String>,
    /// The row of each in its dataset, from 1.
    pub rows: Vec<u64>,
    /// Their true labels or numbers; `None` where they are not known.
    pub outcomes: Option<Outcomes>,
    /// The slice of each, where slices were asked for.
    pub slices: Option<Vec<String>>,
}

/// How a model does on records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// On all records.
    pub overall: SliceReport,
    /// On the records of each value of the slice column, the worst accuracy (or R²) first; without
    /// labels, the least covered first.
    pub slices: Vec<SliceReport>,
    /// On records by how much of them the model knows, the least covered first: the n-grams of a
    /// text, the columns of a row, the representation of an image. The bins end at 0.25, 0.5, 0.75,
    /// 0.9 and 1, and the last holds records that are covered wholly. Bins without records are left
    /// out.
    pub coverage_bins: Vec<CoverageBin>,
    /// How far confidence is from accuracy, before and after calibration, with intervals; where a
    /// record has one label, and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Reliability>,
    /// Whether the records have shifted from the model's calibration records, axis by axis: each
    /// detector, `confidence` (before calibration), `ngram_coverage` of texts or `column_coverage` of
    /// rows, `representation_coverage`, the share of `texts_with_unknown` words or of
    /// `rows_with_outside` values, and `content`: the records themselves, of texts how often they hold
    /// each word, of rows and images the features. An axis that holds what a detector says already is
    /// left out: `confidence` where `coverage_msp` is a detector (1 − the same), and, but for rows,
    /// `representation_coverage` where `prototypes` is. `content` looks at up to 500 of the records, a
    /// seeded sample, against up to 1,000 calibration records; it is left out where the model keeps
    /// none (`keep_training_vectors`), and its p-value is never below 1/10,000, whatever `drift_alpha`.
    /// Supposes that the records are independent of one another. `null` where `unavailable` says why.
    pub drift: Option<DriftReport>,
    /// What can be said without labels; absent where labels were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<UnlabelledReport>,
    /// What could not be computed, and why.
    pub unavailable: Vec<Unavailable>,
}

/// Records of one slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SliceReport {
    /// Value of the slice column; absent for all records together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// Records.
    pub records: u64,
    /// Accuracy and the other metrics; absent without labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsReport>,
    /// Mean coverage.
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

/// Records of which the model knows about as much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CoverageBin {
    /// Least coverage in the bin.
    pub lower: f64,
    /// Upper end of coverage, not in the bin; 1 for the last, which holds 1 alone.
    pub upper: f64,
    /// Records, at least 1.
    pub records: u64,
    /// Share whose label is right, or all of whose labels are; absent without labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// 95 % Wilson interval of the accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_interval: Option<[f64; 2]>,
    /// Mean squared error, where numbers are predicted and known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mse: Option<f64>,
    /// Mean calibrated confidence; absent where nothing was calibrated or numbers are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Mean confidence before calibration; absent where numbers are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_confidence: Option<f64>,
    /// Share flagged as outside at `max_false_alarm`; absent where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flagged: Option<f64>,
    /// Share accepted.
    pub accepted: f64,
}

struct Outcome {
    judgement: Judgement,
    /// Where numbers are predicted.
    values: Vec<f64>,
    coverage: RecordCoverage,
    /// The network's own; `None` where numbers are predicted.
    raw_confidence: Option<f64>,
    /// Calibrated.
    confidence: Option<f64>,
}

/// What an evaluation is made of.
struct Judged<'a> {
    model: &'a Model,
    outcomes: Vec<Outcome>,
    truths: Option<Outcomes>,
}

impl Model {
    /// Evaluates records; `None` without any. Drift is tested at the level `drift_alpha` in (0, 1).
    pub fn evaluate(
        &self,
        data: EvaluatedRecords,
        criteria: &Criteria,
        drift_alpha: f64,
    ) -> Option<Evaluation> {
        let EvaluatedRecords { records, texts, rows, outcomes: truths, slices } = data;
        let weighed: Vec<_> = records.into_par_iter().map(|record| self.weigh(record)).collect();
        let q_values = criteria.q_values(&weighed);
        let outcome = |(weighed, q)| self.outcome(weighed, criteria, q);
        let outcomes = weighed.par_iter().zip(q_values).map(outcome).collect();
        let judged = Judged { model: self, outcomes, truths };
        let all: Vec<usize> = (0..weighed.len()).collect();
        let overall = judged.slice(None, &all)?;
        let readings: Vec<_> = weighed.iter().map(|weighed| &weighed.reading).collect();
        let drift = self.drift_report(&readings, &texts, drift_alpha);
        let mut unavailable = Vec::new();
        let have = self.calibration.records();
        if drift.is_none() {
            let reason = "there is no calibration record to compare with".to_owned();
            let statistic = "drift".to_owned();
            unavailable.push(Unavailable { statistic, reason, have, need: Some(1) });
        }
        if drift.is_some() && self.calibration.content.is_none() {
            let reason = "the model keeps no calibration record to compare with: it was trained with \
                          keep_training_vectors false";
            let (statistic, reason) = ("drift.content".to_owned(), reason.to_owned());
            unavailable.push(Unavailable { statistic, reason, have: 0, need: None });
        }
        let unlabelled = judged.truths.is_none().then(|| {
            let outcomes = judged.outcomes.iter();
            let batch = Batch {
                weighed: &weighed,
                coverage: &outcomes.clone().map(|o| o.coverage).collect::<Vec<_>>(),
                raw_confidence: &outcomes.clone().map(|o| o.raw_confidence).collect::<Vec<_>>(),
                confidence: outcomes.clone().map(|o| o.confidence.or(o.raw_confidence)).collect(),
                flagged: outcomes.map(|o| o.judgement.flagged).collect(),
                texts: &texts,
                rows: &rows,
                max_false_alarm: criteria.thresholds.max_false_alarm,
            };
            let (report, without) = batch.report(self);
            unavailable.extend(without);
            report
        });
        Some(Evaluation {
            overall,
            slices: judged.slices(slices.as_deref().unwrap_or_default()),
            coverage_bins: judged.coverage_bins(),
            reliability: judged.reliability(),
            drift,
            unlabelled,
            unavailable,
        })
    }

    fn outcome(&self, weighed: &Weighed, criteria: &Criteria, q_value: Option<f64>) -> Outcome {
        let judgement = criteria.judge(self, weighed, q_value);
        let Judgement { raw, calibrated, .. } = &judgement;
        let head = self.reader.output.head();
        let sure = |p: &[f64]| Some(head?.certainty(p, raw));
        Outcome {
            values: self.reader.values(&weighed.reading.logits),
            coverage: RecordCoverage::of(&weighed.reading),
            raw_confidence: sure(raw),
            confidence: calibrated.as_deref().and_then(sure),
            judgement,
        }
    }
}

impl Judged<'_> {
    fn slices(&self, of_records: &[String]) -> Vec<SliceReport> {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (record, slice) in of_records.iter().enumerate() {
            members.entry(slice).or_default().push(record);
        }
        let slice =
            |(slice, records): (&str, Vec<usize>)| self.slice(Some(slice.to_owned()), &records);
        let mut slices: Vec<SliceReport> = members.into_iter().filter_map(slice).collect();
        let quality = |slice: &SliceReport| match &slice.metrics {
            Some(metrics) => metrics.quality().unwrap_or(f64::INFINITY),
            None => slice.coverage.share(),
        };
        slices.sort_by(|a, b| quality(a).total_cmp(&quality(b)));
        slices
    }

    fn measure(&self, records: &[usize]) -> Option<MetricsReport> {
        let (truths, outcomes) = (self.truths.as_ref()?, &self.outcomes);
        match &self.model.reader.output {
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

    /// Share flagged; `None` where that cannot be told.
    fn flagged(&self, records: &[usize]) -> Option<f64> {
        let flags: Option<Vec<bool>> =
            records.iter().map(|&i| self.outcomes[i].judgement.flagged).collect();
        let flags = flags?;
        Some(flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64)
    }

    fn accepted(&self, records: &[usize]) -> Vec<usize> {
        let accepted = |i: &usize| self.outcomes[*i].judgement.verdict.is_ok();
        records.iter().copied().filter(accepted).collect()
    }

    /// A slice; `None` without records.
    fn slice(&self, slice: Option<String>, records: &[usize]) -> Option<SliceReport> {
        let coverage: Vec<RecordCoverage> =
            records.iter().map(|&i| self.outcomes[i].coverage).collect();
        let coverage = MeanCoverage::of(&coverage)?;
        let accepted = self.accepted(records);
        let of_accepted = self.measure(&accepted);
        let of_accepted = of_accepted.as_ref();
        Some(SliceReport {
            slice,
            records: records.len() as u64,
            metrics: self.measure(records),
            coverage,
            flagged: self.flagged(records),
            accepted: accepted.len() as f64 / records.len() as f64,
            accuracy_of_accepted: of_accepted.and_then(|m| Some(m.classification()?.accuracy)),
            mse_of_accepted: of_accepted.and_then(|m| Some(m.regression()?.mse)),
        })
    }

    fn coverage_bins(&self) -> Vec<CoverageBin> {
        let mut bins = vec![Vec::new(); BIN_ENDS.len() + 1];
        for (record, outcome) in self.outcomes.iter().enumerate() {
            bins[outcome.coverage.bin()].push(record);
        }
        let filled = bins.iter().enumerate().filter(|(_, records)| !records.is_empty());
        filled.map(|(bin, records)| self.coverage_bin(bin, records)).collect()
    }

    fn coverage_bin(&self, bin: usize, records: &[usize]) -> CoverageBin {
        let n = records.len() as f64;
        let mean = |of: fn(&Outcome) -> Option<f64>| {
            let values: Option<Vec<f64>> = records.iter().map(|&i| of(&self.outcomes[i])).collect();
            values.map(|values| values.iter().sum::<f64>() / n)
        };
        let metrics = self.measure(records);
        let classification = metrics.as_ref().and_then(MetricsReport::classification);
        let [lower, upper] = bin_ends(bin);
        CoverageBin {
            lower,
            upper,
            records: records.len() as u64,
            accuracy: classification.map(|c| c.accuracy),
            accuracy_interval: classification.map(|c| c.accuracy_interval),
            mse: metrics.as_ref().and_then(|m| Some(m.regression()?.mse)),
            confidence: mean(|outcome| outcome.confidence),
            raw_confidence: mean(|outcome| outcome.raw_confidence),
            flagged: self.flagged(records),
            accepted: self.accepted(records).len() as f64 / n,
        }
    }

    /// Confidence against accuracy, where a record has one label.
    fn reliability(&self) -> Option<Reliability> {
        let truths = self.truths.as_ref()?;
        let head = self.model.reader.output.head().filter(|head| *head != Head::MultiLabel)?;
        let pairs = |of: fn(&Outcome) -> Option<f64>| -> Option<Vec<(f64, bool)>> {
            let pair = |(record, outcome): (usize, &Outcome)| {
                let right = head.labels(&outcome.judgement.raw) == truths.labels_of(record);
                Some((of(outcome)?, right))
            };
            self.outcomes.iter().enumerate().map(pair).collect()
        };
        let before = pairs(|outcome| outcome.raw_confidence)?;
        let after = pairs(|outcome| outcome.confidence);
        Reliability::of(&before, after.as_deref(), self.model.spec.training.seed)
    }
}
