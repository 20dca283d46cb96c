//! What an evaluation keeps of each record: the numbers that its report is made of, and nothing of
//! the record itself. A part of a dataset at a time, so that a dataset of any size can be evaluated.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::coverage::{self, RecordCoverage};
use super::criteria::{Criteria, Judgement};
use super::encoder::Encoded;
use super::uncovered::terms_of;
use super::{Model, Weighed};
use crate::arrays::{Arrays, ArraysError, Number};
use crate::eval::terms::{TermCounts, UncoveredTerm};
use crate::problem::Problem;
use crate::task::{Evaluated, Head, LabelScores, Outcomes, Output, ProbabilityScores};

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

/// What the text beside the arrays says.
#[derive(Serialize, Deserialize)]
struct Beside {
    slices: Vec<String>,
    terms: (usize, Vec<UncoveredTerm>),
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

    /// As arrays, which [`Measurements::load`] takes. The same measurements give the same bytes.
    pub fn save(&self) -> Result<Arrays, ArraysError> {
        let mut arrays = Arrays::default();
        let records = &self.records;
        arrays.put("rows", records.iter().map(|r| r.row).collect());
        let coverage: Vec<RecordCoverage> = records.iter().map(|r| r.coverage).collect();
        arrays.absorb("coverage.", coverage::save(&coverage));
        arrays.put("axes", records.iter().flat_map(|r| r.axes.iter().copied()).collect());
        put_all(&mut arrays, "p_value", records, |r| r.p_value);
        put_all(&mut arrays, "flagged", records, |r| r.flagged.map(u32::from));
        arrays.put("accepted", records.iter().map(|r| u32::from(r.accepted)).collect());
        put_all(&mut arrays, "raw_confidence", records, |r| r.raw_confidence);
        put_all(&mut arrays, "confidence", records, |r| r.confidence);
        put_all(&mut arrays, "slice", records, |r| r.slice);
        save_answers(&mut arrays, records);
        let beside = Beside { slices: self.slices.clone(), terms: self.terms.save() };
        arrays.metadata =
            serde_json::to_string(&beside).map_err(|e| ArraysError::Format(e.to_string()))?;
        Ok(arrays)
    }

    /// What [`Measurements::save`] gave, of records that a model measured, with their truth or
    /// without.
    pub fn load(arrays: &Arrays, model: &Model, labelled: bool) -> Result<Self, ArraysError> {
        let beside: Beside = serde_json::from_str(&arrays.metadata)
            .map_err(|e| ArraysError::Format(e.to_string()))?;
        let rows = arrays.get::<u64>("rows")?;
        let n = rows.len();
        let width = model.reader.detectors.len();
        let axes = arrays.get_exact::<f64>("axes", n * width)?;
        let coverage = coverage::load(&arrays.under("coverage."), n)?;
        let p_value = get_all::<f64>(arrays, "p_value", n)?;
        let flagged = get_all::<u32>(arrays, "flagged", n)?;
        let accepted = arrays.get_exact::<u32>("accepted", n)?;
        let raw_confidence = get_all::<f64>(arrays, "raw_confidence", n)?;
        let confidence = get_all::<f64>(arrays, "confidence", n)?;
        let slice = get_all::<u32>(arrays, "slice", n)?;
        if slice.is_some_and(|s| s.iter().any(|s| *s as usize >= beside.slices.len())) {
            return Err(ArraysError::Missing("slices".to_owned()));
        }
        let answers = match labelled {
            true => load_answers(arrays, &model.reader.output, n)?.map(Some).collect(),
            false => vec![None; n],
        };
        let record = |(i, answer): (usize, Option<Answer>)| Measured {
            row: rows[i],
            coverage: coverage[i],
            axes: axes[i * width..(i + 1) * width].to_vec(),
            p_value: p_value.map(|p| p[i]),
            flagged: flagged.map(|f| f[i] != 0),
            accepted: accepted[i] != 0,
            raw_confidence: raw_confidence.map(|c| c[i]),
            confidence: confidence.map(|c| c[i]),
            answer,
            slice: slice.map(|s| s[i]),
        };
        Ok(Self {
            records: answers.into_iter().enumerate().map(record).collect(),
            slices: beside.slices,
            terms: TermCounts::load(beside.terms),
        })
    }
}

/// Stores a number of each record, where every record has it.
fn put_all<T: Number>(
    arrays: &mut Arrays,
    name: &str,
    records: &[Measured],
    of: fn(&Measured) -> Option<T>,
) {
    let values: Option<Vec<T>> = records.iter().map(of).collect();
    if let Some(values) = values {
        arrays.put(name, values);
    }
}

fn get_all<'a, T: Number>(
    arrays: &'a Arrays,
    name: &str,
    records: usize,
) -> Result<Option<&'a [T]>, ArraysError> {
    arrays.has(name).then(|| arrays.get_exact::<T>(name, records)).transpose()
}

/// Stands for a label that the model does not know.
const UNKNOWN: u32 = u32::MAX;

fn save_answers(arrays: &mut Arrays, records: &[Measured]) {
    let (mut truths, mut counts) = (Vec::<u32>::new(), Vec::<u32>::new());
    let (mut raws, mut calibrateds) = (Vec::<f64>::new(), Vec::<f64>::new());
    let (mut tops, mut calibrated_tops) = (Vec::<u32>::new(), Vec::<u32>::new());
    let (mut numbers, mut values_of) = (Vec::<f64>::new(), Vec::<f64>::new());
    let put = |p: &ProbabilityScores, tops: &mut Vec<u32>, scores: &mut Vec<f64>| {
        tops.push(p.top);
        let [loss, brier] = [p.log_loss, p.brier].map(|score| score.unwrap_or(0.0));
        scores.extend([p.confidence, loss, brier]);
    };
    for answer in records.iter().filter_map(|record| record.answer.as_ref()) {
        match answer {
            Answer::Label(scores) => {
                truths.push(scores.truth.unwrap_or(UNKNOWN));
                put(&scores.raw, &mut tops, &mut raws);
                if let Some(p) = &scores.calibrated {
                    put(p, &mut calibrated_tops, &mut calibrateds);
                }
            }
            Answer::Labels { truth, raw, calibrated } => {
                counts.push(truth.len() as u32);
                truths.extend(truth);
                raws.extend(raw);
                calibrateds.extend(calibrated.iter().flatten());
            }
            Answer::Values { truth, values } => {
                numbers.extend(truth);
                values_of.extend(values);
            }
        }
    }
    arrays.put("answer.truth", truths);
    arrays.put("answer.truth_counts", counts);
    arrays.put("answer.raw_top", tops);
    arrays.put("answer.raw", raws);
    arrays.put("answer.calibrated_top", calibrated_tops);
    arrays.put("answer.calibrated", calibrateds);
    arrays.put("answer.numbers", numbers);
    arrays.put("answer.values", values_of);
}

/// The answers that [`save_answers`] stored of that many records.
fn load_answers<'a>(
    arrays: &'a Arrays,
    output: &Output,
    n: usize,
) -> Result<Box<dyn Iterator<Item = Answer> + 'a>, ArraysError> {
    let calibrated = arrays.get::<f64>("answer.calibrated")?;
    let calibrated = (!calibrated.is_empty()).then_some(calibrated);
    let exact = |name: &str, length: usize| arrays.get_exact::<f64>(name, length);
    Ok(match output {
        Output::Values { names, .. } => {
            let targets = names.len();
            let truth = exact("answer.numbers", n * targets)?;
            let values = exact("answer.values", n * targets)?;
            Box::new((0..n).map(move |i| {
                let of = i * targets..(i + 1) * targets;
                Answer::Values { truth: truth[of.clone()].to_vec(), values: values[of].to_vec() }
            }))
        }
        Output::Labels { labels, head: Head::MultiLabel } => {
            let width = labels.len();
            let raw = exact("answer.raw", n * width)?;
            let calibrated =
                calibrated.map(|_| exact("answer.calibrated", n * width)).transpose()?;
            let counts = arrays.get_exact::<u32>("answer.truth_counts", n)?;
            let all = counts.iter().map(|count| *count as usize).sum();
            let truths = arrays.get_exact::<u32>("answer.truth", all)?;
            known(truths.iter(), width)?;
            let mut truths = truths.iter().copied();
            Box::new(counts.iter().enumerate().map(move |(i, count)| {
                let of = i * width..(i + 1) * width;
                Answer::Labels {
                    truth: truths.by_ref().take(*count as usize).collect(),
                    raw: raw[of.clone()].to_vec(),
                    calibrated: calibrated.map(|p| p[of].to_vec()),
                }
            }))
        }
        Output::Labels { labels, .. } => {
            let truths = arrays.get_exact::<u32>("answer.truth", n)?;
            let tops = arrays.get_exact::<u32>("answer.raw_top", n)?;
            let raw = exact("answer.raw", 3 * n)?;
            let calibrated = match calibrated {
                Some(_) => Some((
                    arrays.get_exact::<u32>("answer.calibrated_top", n)?,
                    exact("answer.calibrated", 3 * n)?,
                )),
                None => None,
            };
            let told = truths.iter().filter(|truth| **truth != UNKNOWN);
            let calibrated_tops = calibrated.iter().flat_map(|(tops, _)| tops.iter());
            known(told.chain(tops).chain(calibrated_tops), labels.len())?;
            Box::new((0..n).map(move |i| {
                let truth = (truths[i] != UNKNOWN).then_some(truths[i]);
                let scores = |top: u32, p: &[f64]| ProbabilityScores {
                    top,
                    confidence: p[3 * i],
                    log_loss: truth.map(|_| p[3 * i + 1]),
                    brier: truth.map(|_| p[3 * i + 2]),
                };
                Answer::Label(LabelScores {
                    truth,
                    raw: scores(tops[i], raw),
                    calibrated: calibrated.map(|(tops, p)| scores(tops[i], p)),
                })
            }))
        }
    })
}

/// Whether labels are among the model's.
fn known<'a>(mut labels: impl Iterator<Item = &'a u32>, count: usize) -> Result<(), ArraysError> {
    match labels.find(|label| **label as usize >= count) {
        None => Ok(()),
        Some(label) => Err(ArraysError::Shape {
            name: "answer.truth".to_owned(),
            expected: format!("labels below {count}"),
            found: label.to_string(),
        }),
    }
}
