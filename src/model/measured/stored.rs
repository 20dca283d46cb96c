//! What was measured, as arrays.

use serde::{Deserialize, Serialize};

use super::{Answer, Measured, Measurements};
use crate::arrays::{Arrays, ArraysError, Number};
use crate::eval::terms::{TermCounts, UncoveredTerm};
use crate::model::coverage::{self, RecordCoverage};
use crate::task::{Head, LabelScores, Output, ProbabilityScores};

/// What the text beside the arrays says.
#[derive(Serialize, Deserialize)]
struct Beside {
    slices: Vec<String>,
    terms: (usize, Vec<UncoveredTerm>),
}

impl Measurements {
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

    /// What [`Measurements::save`] gave, of records that a model with this output and so many
    /// detectors measured, with their truth or without.
    pub fn load(
        arrays: &Arrays,
        output: &Output,
        detectors: usize,
        labelled: bool,
    ) -> Result<Self, ArraysError> {
        let beside: Beside = serde_json::from_str(&arrays.metadata)
            .map_err(|e| ArraysError::Format(e.to_string()))?;
        let rows = arrays.get::<u64>("rows")?;
        let n = rows.len();
        let width = detectors;
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
            true => load_answers(arrays, output, n)?.map(Some).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabular::TargetScaler;
    use crate::task::LabelSet;

    fn record(row: u64, answer: Option<Answer>) -> Measured {
        let x = row as f64;
        Measured {
            row,
            coverage: RecordCoverage {
                tokens: Some(0.5 / x),
                ngrams: Some(1.0 / x),
                columns: None,
                representation: 0.3 * x % 1.0,
                has_outside: row.is_multiple_of(2),
            },
            axes: vec![x, -x / 3.0],
            p_value: Some(1.0 / (1.0 + x)),
            flagged: Some(row.is_multiple_of(3)),
            accepted: row % 2 == 1,
            raw_confidence: Some(0.1 * x % 1.0),
            confidence: Some(0.7 / x),
            answer,
            slice: Some((row % 2) as u32),
        }
    }

    fn scores(row: u64, truth: Option<u32>) -> ProbabilityScores {
        let of_truth = |score: f64| truth.map(|_| score);
        ProbabilityScores {
            top: (row % 2) as u32,
            confidence: 0.9 / row as f64,
            log_loss: of_truth(1.0 / row as f64),
            brier: of_truth(0.2),
        }
    }

    fn labels(head: Head) -> Output {
        let labels = LabelSet::new(vec!["a".to_owned(), "b".to_owned()]);
        Output::Labels { labels, head }
    }

    /// Records of each kind of answer, and what predicts them.
    fn kinds() -> Vec<(Output, Vec<Option<Answer>>)> {
        let single = |row: u64, truth: Option<u32>| {
            let raw = scores(row, truth);
            Some(Answer::Label(LabelScores { truth, raw, calibrated: Some(raw) }))
        };
        let several = |truth: Vec<u32>| {
            let (raw, calibrated) = (vec![0.2, 0.8], Some(vec![0.3, 0.7]));
            Some(Answer::Labels { truth, raw, calibrated })
        };
        let value = |x: f64| Some(Answer::Values { truth: vec![x, 1.0], values: vec![0.1, x] });
        let names = vec!["y".to_owned(), "z".to_owned()];
        let scaler = TargetScaler::fit(2, &[]);
        vec![
            (labels(Head::Binary), vec![single(1, Some(1)), single(2, None), single(3, Some(0))]),
            (
                labels(Head::MultiLabel),
                vec![several(vec![]), several(vec![0, 1]), several(vec![1])],
            ),
            (Output::Values { names, scaler }, vec![value(0.1), value(1e100), value(-3.5)]),
            (labels(Head::Binary), vec![None, None, None]),
        ]
    }

    #[test]
    fn arrays_and_back_in_parts() {
        for (output, answers) in kinds() {
            let labelled = answers[0].is_some();
            let records: Vec<Measured> = (1..).zip(answers).map(|(i, a)| record(i, a)).collect();
            let mut terms = TermCounts::default();
            records.iter().for_each(|r| terms.add(&[format!("w{}", r.row), "all".to_owned()]));
            let slices = vec!["even".to_owned(), "odd".to_owned()];
            let all = Measurements { records, slices, terms };
            let saved = all.save().unwrap();
            let bytes = saved.to_bytes().unwrap();
            let saved = Arrays::from_bytes(&bytes).unwrap();
            let load = |arrays: &Arrays| Measurements::load(arrays, &output, 2, labelled);
            let loaded = load(&saved).unwrap();
            assert_eq!(loaded, all);
            assert_eq!(loaded.save().unwrap().to_bytes().unwrap(), bytes);
            assert!(Measurements::load(&saved, &output, 3, labelled).is_err());
            let mut twice = Measurements::default();
            twice.absorb(all.clone());
            assert_eq!(twice, all);
            twice.absorb(all.clone());
            assert_eq!((twice.records.len(), &twice.slices), (6, &all.slices));
            assert_eq!(twice.records[3..], all.records);
            // None but optional or unused arrays can be missed without notice.
            let optional =
                ["answer", "p_value", "flagged", "confidence", "slice", "tokens", "ngrams"];
            for (what, damaged) in saved.damaged() {
                let may = what.starts_with("no ") || what.contains("answer");
                let may = may && optional.iter().any(|name| what.contains(name));
                assert!(may || load(&damaged).is_err(), "{what}");
            }
        }
    }

    #[test]
    fn records_are_put_into_slices_in_order() {
        let records = (1..5).map(|row| Measured { slice: None, ..record(row, None) }).collect();
        let mut measured = Measurements { records, ..Measurements::default() };
        measured.slice_by(["x", "y", "x", ""].map(str::to_owned).to_vec());
        assert_eq!(measured.slices, ["x", "y", ""]);
        let slices: Vec<_> = measured.records.iter().map(|record| record.slice).collect();
        assert_eq!(slices, [Some(0), Some(1), Some(0), Some(2)]);
    }
}
