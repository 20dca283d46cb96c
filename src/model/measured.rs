//! What an evaluation keeps of each record: the numbers that its report is made of, and nothing of
//! the record itself. A part of a dataset at a time, so that a dataset of any size can be evaluated.

mod stored;

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;

use super::coverage::RecordCoverage;
use super::criteria::{Criteria, Judgement};
use super::encoder::Encoded;
use super::uncovered::terms_of;
use super::{Model, Weighed};
use crate::eval::terms::TermCounts;
use crate::problem::Problem;
use crate::task::{Evaluated, Head, LabelScores, Outcomes};

/// Slices that are told apart at most; later ones are counted, but not reported.
pub const MAX_SLICES: usize = 10_000;

/// The numbers of one record: some 200 bytes, and 8 for each detector; where a record may have
/// several labels, 16 more for each label.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Its row in the dataset, from 1.
    pub row: u64,
    /// How much of it lies within the training data.
    pub coverage: RecordCoverage,
    /// The score of each detector.
    pub axes: Vec<f64>,
    /// Combined p-value; `None` without calibration records.
    pub p_value: Option<f64>,
    /// Whether it is flagged as outside; `None` where that cannot be told.
    pub flagged: Option<bool>,
    /// Whether its answer is accepted.
    pub accepted: bool,
    /// The network's own confidence; `None` where numbers are predicted.
    pub raw_confidence: Option<f64>,
    /// Calibrated confidence, where there is a calibrator.
    pub confidence: Option<f64>,
    /// The answer beside the truth; `None` where that was not read.
    pub answer: Option<Answer>,
    /// Position of its slice among the slices; `None` where it has none.
    pub slice: Option<u32>,
}

/// What was answered, beside what is true.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One label.
    Label(LabelScores),
    /// Any number of labels.
    Labels {
        /// The true ones, by position, ascending.
        truth: Vec<u32>,
        /// The network's own probability of each.
        raw: Vec<f64>,
        /// The calibrated one, if there is a calibrator.
        calibrated: Option<Vec<f64>>,
    },
    /// Numbers, one for each target, in their units.
    Values {
        /// The true ones.
        truth: Vec<f64>,
        /// The predicted ones.
        values: Vec<f64>,
    },
}

impl Answer {
    /// Whether the label is right, or all labels are; `None` where numbers are predicted.
    pub fn is_right(&self) -> Option<bool> {
        match self {
            Self::Label(scores) => Some(scores.is_right()),
            Self::Labels { truth, raw, .. } => Some(Head::MultiLabel.labels(raw) == *truth),
            Self::Values { .. } => None,
        }
    }
}

/// What was measured of records, in the order of their dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurements {
    /// The records.
    pub records: Vec<Measured>,
    /// Values of the slice column, in the order in which they came.
    pub slices: Vec<String>,
    /// Words that the model does not know; of rows, columns whose values lie outside.
    pub terms: TermCounts,
}

/// Gives records that were measured again, to be shown or compared.
pub trait Recall {
    /// The records at these positions among those that were measured.
    fn recall(&self, positions: &[usize]) -> Result<Vec<Recalled<'_>>, Problem>;
}

/// A record, given again.
pub struct Recalled<'a> {
    /// As features.
    pub encoded: Cow<'a, Encoded>,
    /// Its text, where it is one.
    pub text: Option<Cow<'a, str>>,
}

impl Model {
    /// Measures records that were weighed: their rows, from 1, and where they were read, their
    /// truths. What is not covered is counted where they were not.
    pub fn measure(
        &self,
        weighed: &[Weighed],
        rows: &[u64],
        truths: Option<&Outcomes>,
        criteria: &Criteria,
    ) -> Measurements {
        let of = |(record, (weighed, &row)): (usize, (&Weighed, &u64))| {
            self.measure_one(weighed, (row, record), truths, criteria)
        };
        let records = weighed.par_iter().zip(rows).enumerate().map(of).collect();
        let mut terms = TermCounts::default();
        if truths.is_none() {
            let of = |weighed: &Weighed| terms_of(self, &weighed.reading.encoded);
            let of_records: Vec<Vec<String>> = weighed.par_iter().map(of).collect();
            of_records.iter().for_each(|words| terms.add(words));
        }
        Measurements { records, slices: Vec::new(), terms }
    }

    /// Measures a record: the one of a row, from 1, and at a position among `truths`.
    fn measure_one(
        &self,
        weighed: &Weighed,
        (row, record): (u64, usize),
        truths: Option<&Outcomes>,
        criteria: &Criteria,
    ) -> Measured {
        let Weighed { reading, combined } = weighed;
        let judgement = criteria.judge(self, weighed, None);
        let Judgement { raw, calibrated, flagged, verdict, .. } = judgement;
        let head = self.reader.output.head();
        let sure = |p: &[f64]| Some(head?.certainty(p, &raw));
        let (raw_confidence, confidence) = (sure(&raw), calibrated.as_deref().and_then(sure));
        let answer = truths.map(|truths| match head {
            None => Answer::Values {
                truth: truths.values_of(record).to_vec(),
                values: self.reader.values(&reading.logits),
            },
            Some(Head::MultiLabel) => {
                Answer::Labels { truth: truths.labels_of(record).to_vec(), raw, calibrated }
            }
            Some(Head::Binary | Head::MultiClass) => {
                let truth = truths.labels_of(record);
                Answer::Label(LabelScores::of(&Evaluated { truth, raw, calibrated }))
            }
        });
        Measured {
            row,
            coverage: RecordCoverage::of(reading),
            axes: reading.axes.clone(),
            p_value: combined.as_ref().map(|c| c.p_value),
            flagged,
            accepted: verdict.is_ok(),
            raw_confidence,
            confidence,
            answer,
            slice: None,
        }
    }
}

impl Measurements {
    /// Adds what was measured of the records that come next.
    pub fn absorb(&mut self, next: Measurements) {
        let known = self.slices.iter().enumerate().map(|(i, slice)| (slice.as_str(), i));
        let known: HashMap<&str, usize> = known.collect();
        let mut new = Vec::new();
        let mut place = Vec::with_capacity(next.slices.len());
        for slice in next.slices {
            match known.get(slice.as_str()) {
                Some(i) => place.push(Some(*i as u32)),
                None if self.slices.len() + new.len() < MAX_SLICES => {
                    place.push(Some((self.slices.len() + new.len()) as u32));
                    new.push(slice);
                }
                None => place.push(None),
            }
        }
        self.slices.extend(new);
        self.records.extend(next.records.into_iter().map(|mut record| {
            record.slice = record.slice.and_then(|slice| place[slice as usize]);
            record
        }));
        self.terms.absorb(next.terms);
    }

    /// Puts records into slices by the value of each.
    pub fn slice_by(&mut self, values: Vec<String>) {
        let mut places: HashMap<String, u32> = HashMap::new();
        for (record, value) in self.records.iter_mut().zip(values) {
            let next = places.len() as u32;
            let place = *places.entry(value.clone()).or_insert(next);
            if place == next {
                self.slices.push(value);
            }
            record.slice = Some(place);
        }
    }
}
