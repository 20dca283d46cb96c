//! The metrics of a classification, as they are reported.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Head, LabelSet};
use crate::eval::argmax;
use crate::eval::interval::wilson;
use crate::eval::metric::{
    ClassScores, Confusion, MultiLabelCounts, average_precision, brier, expected_calibration_error,
    log_loss, multi_label_brier, multi_label_log_loss,
};

/// Bins of the expected calibration error.
const BINS: usize = 15;

/// A record with its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated<'a> {
    /// Its true labels; for a single-label task, one, or none where its label is not known.
    pub truth: &'a [u32],
    /// The network's own probability of each label.
    pub raw: Vec<f64>,
    /// The calibrated probability of each label, if there is a calibrator.
    pub calibrated: Option<Vec<f64>>,
}

/// What the metrics need of a record with one label: a few numbers, however many labels there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelScores {
    /// Its true label, by position; `None` where the model does not know it.
    pub truth: Option<u32>,
    /// Of the network's own probabilities.
    pub raw: ProbabilityScores,
    /// Of the calibrated ones, if there is a calibrator.
    pub calibrated: Option<ProbabilityScores>,
}

/// What the metrics need of one record's probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbabilityScores {
    /// The most probable label, by position.
    pub top: u32,
    /// Its probability, in \[0, 1\].
    pub confidence: f64,
    /// Negative log probability of the true label, at least 0; `None` where that is not known.
    pub log_loss: Option<f64>,
    /// Brier score summed over the labels, in \[0, 2\]; `None` where the true label is not known.
    pub brier: Option<f64>,
}

impl LabelScores {
    /// Of a record.
    pub fn of(record: &Evaluated<'_>) -> Self {
        let truth = record.truth.first().copied();
        let scores = |p: &Vec<f64>| {
            let pair = truth.map(|truth| (p.as_slice(), truth as usize));
            let top = argmax(p);
            ProbabilityScores {
                top: top as u32,
                confidence: p[top],
                log_loss: pair.map(|pair| log_loss([pair])),
                brier: pair.map(|pair| brier([pair])),
            }
        };
        let calibrated = record.calibrated.as_ref().map(scores);
        Self { truth, raw: scores(&record.raw), calibrated }
    }

    /// Whether the network's own label is the true one.
    pub fn is_right(&self) -> bool {
        self.truth == Some(self.raw.top)
    }
}

/// Metrics of a split or a slice of a classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassificationReport {
    /// Records measured.
    pub records: u64,
    /// Share of records whose label is right, or all of whose labels are, in \[0, 1\]; higher is
    /// better.
    pub accuracy: f64,
    /// 95 % Wilson interval of the accuracy.
    pub accuracy_interval: [f64; 2],
    /// Unweighted mean F1 of the labels that occur, in \[0, 1\]; higher is better.
    pub macro_f1: f64,
    /// F1 of all decisions together, in \[0, 1\]; equals the accuracy where a record has one label.
    pub micro_f1: f64,
    /// Mean average precision (mAP): the unweighted mean over the labels that some record has, in
    /// \[0, 1\]; higher is better. For tasks with several labels a record; absent where no record has
    /// a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_average_precision: Option<f64>,
    /// Mean negative log probability of the true label, at least 0; lower is better. Absent where a
    /// record's label is not one of the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<f64>,
    /// Brier score: summed over labels, in \[0, 2\]; multi-label: averaged, in \[0, 1\]. Lower is
    /// better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brier: Option<f64>,
    /// Expected calibration error of the top label in 15 bins of equal width, in \[0, 1\]; lower is
    /// better.
    pub ece: f64,
    /// The same three for calibrated probabilities, if there is a calibrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<CalibratedScores>,
    /// Scores of each label.
    pub per_class: Vec<ClassReport>,
    /// How often each label was taken for each other; for tasks with one label a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion_matrix: Option<ConfusionReport>,
}

/// Scores of calibrated probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CalibratedScores {
    /// As `log_loss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<f64>,
    /// As `brier`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brier: Option<f64>,
    /// As `ece`.
    pub ece: f64,
}

/// Scores of one label, each in \[0, 1\]; higher is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassReport {
    /// The label.
    pub label: String,
    /// Of the records given this label, the share that has it.
    pub precision: f64,
    /// Of the records that have this label, the share that was given it.
    pub recall: f64,
    /// 95 % Wilson interval of the recall; absent where no record has this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall_interval: Option<[f64; 2]>,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Average precision Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds of the label's probability, records of
    /// one probability counted together, as in scikit-learn: how well it puts the records with this
    /// label first, whatever the threshold. Chance gives the share of records with the label. For
    /// tasks with several labels a record; absent where no record has this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<f64>,
    /// Records that have this label.
    pub support: u64,
}

/// Counts by true and predicted label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfusionReport {
    /// The labels, in the order of rows and columns.
    pub labels: Vec<String>,
    /// A row for each true label, a column for each predicted one.
    pub rows: Vec<Vec<u64>>,
}

/// Measures records; `None` without any.
pub fn report(
    head: Head,
    labels: &LabelSet,
    records: &[Evaluated<'_>],
) -> Option<ClassificationReport> {
    if records.is_empty() {
        return None;
    }
    match head {
        Head::Binary | Head::MultiClass => {
            let scores: Vec<LabelScores> = records.iter().map(LabelScores::of).collect();
            report_of_scores(labels, &scores.iter().collect::<Vec<_>>())
        }
        Head::MultiLabel => Some(multiple(labels, records)),
    }
}

/// Measures records of a task with one label a record, from their numbers; `None` without any.
pub fn report_of_scores(
    labels: &LabelSet,
    records: &[&LabelScores],
) -> Option<ClassificationReport> {
    if records.is_empty() {
        return None;
    }
    let count = records.len() as u64;
    let pairs = records.iter().filter_map(|r| Some((r.truth? as usize, r.raw.top as usize)));
    let strays = records.iter().filter(|r| r.truth.is_none()).map(|r| r.raw.top as usize);
    let confusion = Confusion::new(labels.len(), pairs).with_strays(strays);
    let correct = records.iter().filter(|r| r.is_right()).count() as u64;
    let scores = |of: &dyn Fn(&LabelScores) -> ProbabilityScores| {
        let mean = |value: fn(&ProbabilityScores) -> Option<f64>| {
            let sum = records.iter().try_fold(0.0, |sum, r| Some(sum + value(&of(r))?));
            sum.map(|sum| sum / count as f64)
        };
        let tops = records.iter().map(|r| {
            let p = of(r);
            (p.confidence, r.truth == Some(p.top))
        });
        CalibratedScores {
            log_loss: mean(|p| p.log_loss),
            brier: mean(|p| p.brier),
            ece: expected_calibration_error(tops, BINS),
        }
    };
    let (low, high) = wilson(correct, count);
    let accuracy = correct as f64 / count as f64;
    let raw = scores(&|r| r.raw);
    let calibrated = records.iter().all(|r| r.calibrated.is_some());
    Some(ClassificationReport {
        records: count,
        accuracy,
        accuracy_interval: [low, high],
        macro_f1: confusion.macro_f1(),
        micro_f1: accuracy,
        mean_average_precision: None,
        log_loss: raw.log_loss,
        brier: raw.brier,
        ece: raw.ece,
        calibrated: calibrated.then(|| scores(&|r| r.calibrated.unwrap_or(r.raw))),
        per_class: per_class(labels, &vec![None; labels.len()], |class| confusion.class(class)),
        confusion_matrix: Some(ConfusionReport {
            labels: labels.names().to_vec(),
            rows: confusion.rows(),
        }),
    })
}

fn multiple(labels: &LabelSet, records: &[Evaluated<'_>]) -> ClassificationReport {
    let indicators = |r: &Evaluated<'_>| {
        let mut row = vec![false; labels.len()];
        r.truth.iter().for_each(|&label| row[label as usize] = true);
        row
    };
    let truth: Vec<Vec<bool>> = records.iter().map(indicators).collect();
    let decided = |p: &[f64]| p.iter().map(|p| *p >= 0.5).collect::<Vec<bool>>();
    let predicted: Vec<Vec<bool>> = records.iter().map(|r| decided(&r.raw)).collect();
    let pairs = || truth.iter().map(Vec::as_slice).zip(predicted.iter().map(Vec::as_slice));
    let counts = MultiLabelCounts::new(labels.len(), pairs());
    let scores = |p: &dyn Fn(&Evaluated<'_>) -> Vec<f64>| {
        let p: Vec<Vec<f64>> = records.iter().map(p).collect();
        let proper = || p.iter().map(Vec::as_slice).zip(truth.iter().map(Vec::as_slice));
        let certainties = p.iter().zip(&truth).flat_map(|(p, truth)| {
            p.iter().zip(truth).map(|(&p, &y)| (p.max(1.0 - p), (p >= 0.5) == y))
        });
        CalibratedScores {
            log_loss: Some(multi_label_log_loss(proper())),
            brier: Some(multi_label_brier(proper())),
            ece: expected_calibration_error(certainties, BINS),
        }
    };
    let exact = pairs().filter(|(truth, predicted)| truth == predicted).count() as u64;
    let (low, high) = wilson(exact, records.len() as u64);
    let raw = scores(&|r| r.raw.clone());
    let precisions: Vec<Option<f64>> = (0..labels.len())
        .into_par_iter()
        .map(|label| {
            let scores: Vec<f64> = records.iter().map(|record| record.raw[label]).collect();
            let positive: Vec<bool> = truth.iter().map(|truth| truth[label]).collect();
            positive.contains(&true).then(|| average_precision(&scores, &positive))
        })
        .collect();
    let measured: Vec<f64> = precisions.iter().copied().flatten().collect();
    let mean = || measured.iter().sum::<f64>() / measured.len() as f64;
    ClassificationReport {
        records: records.len() as u64,
        accuracy: counts.subset_accuracy(),
        accuracy_interval: [low, high],
        macro_f1: counts.macro_f1(),
        micro_f1: counts.micro_f1(),
        mean_average_precision: (!measured.is_empty()).then(mean),
        log_loss: raw.log_loss,
        brier: raw.brier,
        ece: raw.ece,
        calibrated: calibrated(records).then(|| scores(&calibrated_or_raw)),
        per_class: per_class(labels, &precisions, |label| counts.label(label)),
        confusion_matrix: None,
    }
}

fn calibrated(records: &[Evaluated<'_>]) -> bool {
    records.iter().all(|r| r.calibrated.is_some())
}

fn calibrated_or_raw(record: &Evaluated<'_>) -> Vec<f64> {
    record.calibrated.clone().unwrap_or_else(|| record.raw.clone())
}

fn per_class(
    labels: &LabelSet,
    average_precisions: &[Option<f64>],
    scores: impl Fn(usize) -> ClassScores,
) -> Vec<ClassReport> {
    let report = |(class, label): (usize, &String)| {
        let ClassScores { precision, recall, f1, support } = scores(class);
        let found = (recall * support as f64).round() as u64;
        let (low, high) = wilson(found, support);
        ClassReport {
            label: label.clone(),
            precision,
            recall,
            recall_interval: (support > 0).then_some([low, high]),
            f1,
            average_precision: average_precisions[class],
            support,
        }
    };
    labels.names().iter().enumerate().map(report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> LabelSet {
        LabelSet::new(names.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn one_label_a_record() {
        let record = |truth, p: f64| Evaluated {
            truth,
            raw: vec![1.0 - p, p],
            calibrated: Some(vec![0.5, 0.5]),
        };
        let records = [record(&[1], 0.9), record(&[0], 0.2), record(&[0], 0.6), record(&[1], 0.8)];
        let report = report(Head::Binary, &labels(&["a", "b"]), &records).unwrap();
        assert_eq!((report.accuracy, report.micro_f1), (0.75, 0.75));
        assert_eq!(report.confusion_matrix.unwrap().rows, [[1, 1], [0, 2]]);
        let calibrated = report.calibrated.unwrap();
        assert!((calibrated.log_loss.unwrap() - 2f64.ln()).abs() < 1e-12);
        assert!(report.log_loss.unwrap() < calibrated.log_loss.unwrap());
        assert_eq!((report.per_class[0].support, report.per_class[0].recall), (2, 0.5));
        // statsmodels.stats.proportion.proportion_confint(1, 2, method="wilson")
        let [low, high] = report.per_class[0].recall_interval.unwrap();
        assert!((low - 0.094_531).abs() < 1e-6 && (high - 0.905_469).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn a_label_the_model_never_saw_counts_as_wrong() {
        let wrong = Evaluated { truth: &[], raw: vec![0.9, 0.1], calibrated: None };
        let right = Evaluated { truth: &[0], raw: vec![0.9, 0.1], calibrated: None };
        let report = report(Head::Binary, &labels(&["a", "b"]), &[wrong, right]).unwrap();
        assert_eq!((report.accuracy, report.log_loss), (0.5, None));
    }

    #[test]
    fn any_number_of_labels() {
        let record =
            |truth, raw: [f64; 2]| Evaluated { truth, raw: raw.to_vec(), calibrated: None };
        let records =
            [record(&[0], [0.9, 0.1]), record(&[0, 1], [0.9, 0.4]), record(&[], [0.2, 0.2])];
        let report = report(Head::MultiLabel, &labels(&["a", "b"]), &records).unwrap();
        assert!((report.accuracy - 2.0 / 3.0).abs() < 1e-12);
        assert!((report.micro_f1 - 0.8).abs() < 1e-12);
        assert_eq!(report.confusion_matrix, None);
    }

    /// By hand. Label a: ranks 0.9 (yes), 0.8 (no), 0.5 twice (one yes), so that at the tie 2 of 4
    /// are found: ½ · 1 + ½ · 2/4. Label b: the one record that has it is second: ½. Nothing has c.
    #[test]
    fn each_label_has_its_average_precision() {
        let record =
            |truth, raw: [f64; 3]| Evaluated { truth, raw: raw.to_vec(), calibrated: None };
        let records = [
            record(&[0], [0.5, 0.1, 0.2]),
            record(&[], [0.8, 0.9, 0.1]),
            record(&[0, 1], [0.9, 0.7, 0.1]),
            record(&[], [0.5, 0.3, 0.3]),
        ];
        let labels = labels(&["a", "b", "c"]);
        let measured = report(Head::MultiLabel, &labels, &records).unwrap();
        let of_labels: Vec<_> = measured.per_class.iter().map(|c| c.average_precision).collect();
        assert_eq!(of_labels, [Some(0.75), Some(0.5), None]);
        assert_eq!(measured.mean_average_precision, Some(0.625));
        let json = serde_json::to_value(&measured).unwrap();
        assert!(json["per_class"][2].get("average_precision").is_none(), "{json}");
        let none = report(Head::MultiLabel, &labels, &records[1..2]).unwrap();
        assert_eq!(none.mean_average_precision, None);
        let one = Evaluated { truth: &[0], raw: vec![0.9, 0.1], calibrated: None };
        let one = report(Head::Binary, &LabelSet::new(vec!["a".into(), "b".into()]), &[one]);
        assert_eq!(one.unwrap().mean_average_precision, None);
    }

    #[test]
    fn no_records_no_report() {
        assert_eq!(report(Head::Binary, &labels(&["a", "b"]), &[]), None);
    }
}
