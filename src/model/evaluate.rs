//! How a model does on records, overall, by the values of a column and by coverage: accuracy beside
//! coverage, so that a slice that fails shows whether it lies outside what the model has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Model;
use super::batch_report::{Batch, UnlabelledReport};
use super::card::Unavailable;
use super::coverage::{BIN_ENDS, MeanCoverage, RecordCoverage, bin_ends};
use super::criteria::Criteria;
use super::drift::DriftReport;
use super::measured::{Answer, Measured, Measurements, Recall};
use crate::eval::reliability::Reliability;
use crate::problem::Problem;
use crate::task::{
    Evaluated, Head, LabelScores, MetricsReport, Output, Predicted, RegressionReport, report,
    report_of_scores,
};

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

/// What an evaluation is asked for.
pub struct Asked<'a> {
    /// What records must pass to be accepted.
    pub criteria: &'a Criteria,
    /// Level of the test for drift, in (0, 1).
    pub drift_alpha: f64,
    /// Whether truths were read.
    pub labelled: bool,
}

/// What an evaluation is made of.
struct Judged<'a> {
    model: &'a Model,
    records: &'a [Measured],
    labelled: bool,
}

impl Model {
    /// The report on measured records; `None` without any. Some of the records are looked at again.
    pub fn evaluation(
        &self,
        measured: &Measurements,
        asked: &Asked<'_>,
        recall: &dyn Recall,
    ) -> Result<Option<Evaluation>, Problem> {
        let Measurements { records, slices, terms } = measured;
        let judged = Judged { model: self, records, labelled: asked.labelled };
        let all: Vec<usize> = (0..records.len()).collect();
        let Some(overall) = judged.slice(None, &all) else { return Ok(None) };
        let drift = self.drift(records, asked.drift_alpha, recall)?;
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
        let mut unlabelled = None;
        if !asked.labelled {
            let max_false_alarm = asked.criteria.thresholds.max_false_alarm;
            let batch = Batch { model: self, records, terms, recall, max_false_alarm };
            let (report, without) = batch.report()?;
            unavailable.extend(without);
            unlabelled = Some(report);
        }
        Ok(Some(Evaluation {
            overall,
            slices: judged.slices(slices),
            coverage_bins: judged.coverage_bins(),
            reliability: judged.reliability(),
            drift,
            unlabelled,
            unavailable,
        }))
    }
}

impl Judged<'_> {
    fn slices(&self, names: &[String]) -> Vec<SliceReport> {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (record, measured) in self.records.iter().enumerate() {
            if let Some(name) = measured.slice.and_then(|slice| names.get(slice as usize)) {
                members.entry(name).or_default().push(record);
            }
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
        if !self.labelled {
            return None;
        }
        let answers = records.iter().filter_map(|&i| self.records[i].answer.as_ref());
        match &self.model.reader.output {
            Output::Labels { labels, head: Head::MultiLabel } => {
                let evaluated = answers.filter_map(|answer| match answer {
                    Answer::Labels { truth, raw, calibrated } => {
                        let (raw, calibrated) = (raw.clone(), calibrated.clone());
                        Some(Evaluated { truth, raw, calibrated })
                    }
                    Answer::Label(_) | Answer::Values { .. } => None,
                });
                let evaluated: Vec<Evaluated<'_>> = evaluated.collect();
                report(Head::MultiLabel, labels, &evaluated).map(MetricsReport::Classification)
            }
            Output::Labels { labels, .. } => {
                let scores = answers.filter_map(|answer| match answer {
                    Answer::Label(scores) => Some(scores),
                    Answer::Labels { .. } | Answer::Values { .. } => None,
                });
                let scores: Vec<&LabelScores> = scores.collect();
                report_of_scores(labels, &scores).map(MetricsReport::Classification)
            }
            Output::Values { names, .. } => {
                let predicted = answers.filter_map(|answer| match answer {
                    Answer::Values { truth, values } => {
                        Some(Predicted { truth, values: values.clone() })
                    }
                    Answer::Label(_) | Answer::Labels { .. } => None,
                });
                let predicted: Vec<Predicted<'_>> = predicted.collect();
                RegressionReport::of(names, &predicted).map(MetricsReport::Regression)
            }
        }
    }

    /// Share flagged; `None` where that cannot be told.
    fn flagged(&self, records: &[usize]) -> Option<f64> {
        let flags: Option<Vec<bool>> = records.iter().map(|&i| self.records[i].flagged).collect();
        let flags = flags?;
        Some(flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64)
    }

    fn accepted(&self, records: &[usize]) -> Vec<usize> {
        let accepted = |i: &usize| self.records[*i].accepted;
        records.iter().copied().filter(accepted).collect()
    }

    /// A slice; `None` without records.
    fn slice(&self, slice: Option<String>, records: &[usize]) -> Option<SliceReport> {
        let coverage: Vec<RecordCoverage> =
            records.iter().map(|&i| self.records[i].coverage).collect();
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
        for (record, measured) in self.records.iter().enumerate() {
            bins[measured.coverage.bin()].push(record);
        }
        let filled = bins.iter().enumerate().filter(|(_, records)| !records.is_empty());
        filled.map(|(bin, records)| self.coverage_bin(bin, records)).collect()
    }

    fn coverage_bin(&self, bin: usize, records: &[usize]) -> CoverageBin {
        let n = records.len() as f64;
        let mean = |of: fn(&Measured) -> Option<f64>| {
            let values: Option<Vec<f64>> = records.iter().map(|&i| of(&self.records[i])).collect();
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
            confidence: mean(|record| record.confidence),
            raw_confidence: mean(|record| record.raw_confidence),
            flagged: self.flagged(records),
            accepted: self.accepted(records).len() as f64 / n,
        }
    }

    /// Confidence against accuracy, where a record has one label.
    fn reliability(&self) -> Option<Reliability> {
        self.model.reader.output.head().filter(|head| *head != Head::MultiLabel)?;
        let pairs = |of: fn(&Measured) -> Option<f64>| -> Option<Vec<(f64, bool)>> {
            let pair = |record: &Measured| Some((of(record)?, record.answer.as_ref()?.is_right()?));
            self.records.iter().map(pair).collect()
        };
        let before = pairs(|record| record.raw_confidence)?;
        let after = pairs(|record| record.confidence);
        Reliability::of(&before, after.as_deref(), self.model.spec.training.seed)
    }
}
