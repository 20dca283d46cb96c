//! What is to be learnt of each record, and what a network's outputs stand for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ClassificationReport, Head, LabelError, LabelSet, RegressionReport, TaskSpec, Truths, Wanted,
};
use crate::data::Cell;
use crate::learn::rows::Targets;
use crate::learn::stopping::StoppingMetric;
use crate::tabular::TargetScaler;

/// A number that cannot be learnt. Rows count from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("row {row}, column {column:?}: {value:?} is not a number {}", .above.map_or("from -1e100 to 1e100", |_| "above 0, up to 1e30"))]
pub struct ValueError {
    /// The record.
    pub row: u64,
    /// The column.
    pub column: String,
    /// What it holds.
    pub value: String,
    /// What it must be above, if anything.
    pub above: Option<f64>,
}

/// What is to be learnt, record by record.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcomes {
    /// Labels.
    Labels(Truths),
    /// Numbers: one for each target.
    Values(Vec<Vec<f64>>),
}

/// What a network's outputs stand for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Labels.
    Labels {
        /// In the order of probabilities.
        labels: LabelSet,
        /// What each output is.
        head: Head,
    },
    /// Numbers.
    Values {
        /// Column of each.
        names: Vec<String>,
        /// Outputs to their own units.
        scaler: TargetScaler,
    },
}

/// Why what is to be learnt cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OutcomeError {
    /// The labels.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// A number.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl TaskSpec {
    /// Learns what there is to learn from the columns that [`TaskSpec::wanted_columns`] names.
    /// Records that `lacking` marks have none. The scale of numbers is left to
    /// [`Output::fit_scale`], since only training records may tell it.
    pub fn learn_outcomes(
        &self,
        columns: &[Vec<Cell>],
        lacking: &[bool],
    ) -> Result<(Output, Outcomes), OutcomeError> {
        match self.wanted() {
            Wanted::Labels(task) => {
                let (labels, truths) = task.learn_labels(&columns[0], lacking)?;
                let head = Head::for_labels(labels.len(), task.multi_label);
                Ok((Output::Labels { labels, head }, Outcomes::Labels(truths)))
            }
            Wanted::Values(task) => {
                let names = task.target.all().to_vec();
                let values = values(&names, columns, lacking)?;
                let scaler = TargetScaler::fit(names.len(), &[]);
                Ok((Output::Values { names, scaler }, Outcomes::Values(values)))
            }
        }
    }

    /// Reads columns whose meaning is known. Labels that are not known are left out.
    pub fn apply_outcomes(
        &self,
        output: &Output,
        columns: &[Vec<Cell>],
        lacking: &[bool],
    ) -> Result<Outcomes, OutcomeError> {
        match (self.wanted(), output) {
            (Wanted::Labels(task), Output::Labels { labels, .. }) => {
                Ok(Outcomes::Labels(task.apply_labels(labels, &columns[0], lacking)?))
            }
            (Wanted::Values(task), _) => {
                Ok(Outcomes::Values(values(task.target.all(), columns, lacking)?))
            }
            (Wanted::Labels(_), Output::Values { .. }) => Err(LabelError::None.into()),
        }
    }

    /// Which records lack what they need: a text or image, a label where they need one, a target.
    /// `input` is the text or image column; rows of a table may lack any cell.
    pub fn lacking(&self, input: Option<&[Cell]>, wanted: &[Vec<Cell>]) -> Vec<bool> {
        let records = wanted.first().map_or(0, Vec::len);
        let unlabelled = self.may_be_unlabelled();
        let lacks = |i: usize| {
            input.is_some_and(|cells| cells[i] == Cell::Null)
                || (!unlabelled && wanted.iter().any(|cells| cells[i] == Cell::Null))
        };
        (0..records).map(lacks).collect()
    }
}

/// Largest target, without its sign.
const LARGEST_TARGET: f64 = 1e100;

fn values(
    names: &[String],
    columns: &[Vec<Cell>],
    lacking: &[bool],
) -> Result<Vec<Vec<f64>>, ValueError> {
    let read = |(row, lacks): (usize, &bool)| {
        if *lacks {
            return Ok(Vec::new());
        }
        let of = |(name, cells): (&String, &Vec<Cell>)| {
            // Its square has to be a number too.
            let usable = cells[row].to_number().filter(|number| number.abs() <= LARGEST_TARGET);
            usable.ok_or_else(|| ValueError {
                row: row as u64 + 1,
                column: name.clone(),
                value: cells[row].to_text().unwrap_or_default(),
                above: None,
            })
        };
        names.iter().zip(columns).map(of).collect()
    };
    lacking.iter().enumerate().map(read).collect()
}

impl Outcomes {
    /// What to stratify a split by; all alike for numbers.
    pub fn strata(&self, output: &Output) -> Vec<u32> {
        match (self, output) {
            (Self::Labels(truths), Output::Labels { labels, .. }) => truths.strata(labels.len()),
            (Self::Labels(truths), Output::Values { .. }) => vec![0; truths.len()],
            (Self::Values(values), _) => vec![0; values.len()],
        }
    }

    /// Labels of a record; none where numbers are learnt.
    pub fn labels_of(&self, record: usize) -> &[u32] {
        match self {
            Self::Labels(truths) => truths.of(record),
            Self::Values(_) => &[],
        }
    }

    /// The log loss of who always gives the frequencies that the labels have among `records`: their
    /// entropy; where a record may have several, the mean of each one's. `None` where numbers are
    /// learnt, and where nothing is left to chance.
    pub fn entropy(&self, output: &Output, records: &[usize]) -> Option<f64> {
        let Output::Labels { labels, head } = output else { return None };
        let mut counts = vec![0usize; labels.len()];
        for &record in records {
            self.labels_of(record).iter().for_each(|&label| counts[label as usize] += 1);
        }
        let of = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let shares = counts.iter().map(|count| *count as f64 / records.len().max(1) as f64);
        let entropy = match head {
            Head::Binary | Head::MultiClass => shares.map(of).sum(),
            Head::MultiLabel => {
                shares.map(|p| of(p) + of(1.0 - p)).sum::<f64>() / labels.len().max(1) as f64
            }
        };
        Some(entropy).filter(|entropy: &f64| *entropy > 0.0)
    }

    /// Numbers of a record; none where labels are learnt.
    pub fn values_of(&self, record: usize) -> &[f64] {
        match self {
            Self::Labels(_) => &[],
            Self::Values(values) => &values[record],
        }
    }
}

impl Output {
    /// Outputs that a network needs for it.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Labels { head: Head::Binary, .. } => 1,
            Self::Labels { labels, .. } => labels.len(),
            Self::Values { names, .. } => names.len(),
        }
    }

    /// The labels' names; none where numbers are predicted.
    pub fn label_names(&self) -> &[String] {
        match self {
            Self::Labels { labels, .. } => labels.names(),
            Self::Values { .. } => &[],
        }
    }

    /// The names of what is predicted: labels, or target columns.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Labels { labels, .. } => labels.names(),
            Self::Values { names, .. } => names,
        }
    }

    /// The head over labels, if it is one.
    pub fn head(&self) -> Option<Head> {
        match self {
            Self::Labels { head, .. } => Some(*head),
            Self::Values { .. } => None,
        }
    }

    /// Fits the scale of numbers to the training records.
    pub fn fit_scale(&mut self, outcomes: &Outcomes, training: &[usize]) {
        if let (Self::Values { names, scaler }, Outcomes::Values(values)) = (self, outcomes) {
            let of_training: Vec<f64> = training.iter().flat_map(|&i| values[i].clone()).collect();
            *scaler = TargetScaler::fit(names.len(), &of_training);
        }
    }

    /// What a network learns from, for the records at `positions`.
    pub fn targets(&self, outcomes: &Outcomes, positions: &[usize]) -> Targets {
        match (self, outcomes) {
            (Self::Labels { labels, head }, Outcomes::Labels(truths)) => {
                head.targets(truths, labels.len(), positions)
            }
            (output, outcomes) => {
                let values = positions.iter().flat_map(|&i| outcomes.values_of(i));
                let values: Vec<f64> = values.copied().collect();
                let values = match output {
                    Self::Values { scaler, .. } => scaler.scale(&values),
                    Self::Labels { .. } => Vec::new(),
                };
                Targets::Values { values, outputs: self.outputs() }
            }
        }
    }
}

/// Metrics of a split or a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum MetricsReport {
    /// Where labels are predicted.
    Classification(ClassificationReport),
    /// Where numbers are predicted.
    Regression(RegressionReport),
}

impl MetricsReport {
    /// Metrics of labels.
    pub fn classification(&self) -> Option<&ClassificationReport> {
        match self {
            Self::Classification(report) => Some(report),
            Self::Regression(_) => None,
        }
    }

    /// Metrics of numbers.
    pub fn regression(&self) -> Option<&RegressionReport> {
        match self {
            Self::Classification(_) => None,
            Self::Regression(report) => Some(report),
        }
    }

    /// A metric; `None` where it is not one of this task, or cannot be computed.
    pub fn value(&self, metric: StoppingMetric) -> Option<f64> {
        match (self, metric) {
            (Self::Classification(report), metric) => match metric {
                StoppingMetric::LogLoss => report.log_loss,
                StoppingMetric::Accuracy => Some(report.accuracy),
                StoppingMetric::MacroF1 => Some(report.macro_f1),
                StoppingMetric::MicroF1 => Some(report.micro_f1),
                StoppingMetric::MeanAveragePrecision => report.mean_average_precision,
                StoppingMetric::Brier => report.brier,
                StoppingMetric::Ece => Some(report.ece),
                StoppingMetric::Mse | StoppingMetric::Mae | StoppingMetric::R2 => None,
            },
            (Self::Regression(report), metric) => match metric {
                StoppingMetric::Mse => Some(report.mse),
                StoppingMetric::Mae => Some(report.mae),
                StoppingMetric::R2 => report.r2,
                _ => None,
            },
        }
    }

    /// What the user looks at first: accuracy, or the share of the variance that is explained.
    /// Higher is better.
    pub fn quality(&self) -> Option<f64> {
        match self {
            Self::Classification(report) => Some(report.accuracy),
            Self::Regression(report) => report.r2,
        }
    }
}
