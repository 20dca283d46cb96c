//! From a resolved split to the records of each part.

use super::FitError;
use super::encoder::Encoded;
use super::spec::{SplitSpec, Warning};
use crate::data::Cell;
use crate::data::split::{self, Split};
use crate::task::Outcomes;

/// The records of each part, by position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    /// Those that train.
    pub train: Vec<usize>,
    /// Those that steer training.
    pub validation: Vec<usize>,
    /// Those that fit calibrator, detectors and conformal thresholds.
    pub calibration: Vec<usize>,
    /// Those that report.
    pub test: Vec<usize>,
    /// Records left out because their text stands in a part nearer to reporting too.
    pub excluded: usize,
    /// Records left out because they lack what the task needs.
    pub lacking: usize,
}

impl Parts {
    /// Moves those that an earlier model was trained on to the training records; says how many.
    pub fn train_again(&mut self, seen: impl Fn(usize) -> bool) -> Option<Warning> {
        let mut moved = [0; 3];
        let others = [&mut self.validation, &mut self.calibration, &mut self.test];
        for (part, moved) in others.into_iter().zip(&mut moved) {
            let (again, rest): (Vec<usize>, Vec<usize>) = part.iter().partition(|&&i| seen(i));
            *moved = again.len();
            *part = rest;
            self.train.extend(again);
        }
        self.train.sort_unstable();
        let [validation, calibration, test] = moved;
        if validation + calibration + test == 0 {
            return None;
        }
        let message = format!(
            "the model that this one starts from was trained on {validation} records of the \
             validation part, {calibration} of the calibration part and {test} of the test part: \
             they train again instead, since nothing honest can be measured on them"
        );
        Some(Warning::new("seen_by_source", message))
    }
}

/// What of each record decides where it goes.
pub struct Placing<'a> {
    /// Its group: equal records, which stay together.
    pub groups: &'a [u64],
    /// What equal records have in common: a text, a row.
    pub noun: &'a str,
    /// Its stratum, of which each part gets its share.
    pub strata: &'a [u32],
    /// Whether it lacks something, and goes nowhere.
    pub lacking: &'a [bool],
}

/// The records, as the fit after training needs them.
pub(super) struct Data<'a> {
    pub outcomes: &'a Outcomes,
    pub parts: &'a Parts,
    /// Features of each part's records.
    pub train: Vec<Encoded>,
    pub validation: Vec<Encoded>,
    pub calibration: Vec<Encoded>,
    pub test: Vec<Encoded>,
}

/// Splits records. `cells` is the split column where the spec names one.
pub fn parts(
    spec: &SplitSpec,
    records: &Placing<'_>,
    cells: Option<&[Cell]>,
    warnings: &mut Vec<Warning>,
) -> Result<Parts, FitError> {
    let Placing { groups, noun, strata, lacking } = *records;
    let (splits, left_out) = match spec {
        SplitSpec::Shares { train, validation, calibration, test, seed } => {
            let shares = [*train, *validation, *calibration, *test];
            let splits = split::assign(strata, groups, shares, *seed);
            warnings.extend(uneven(&splits, shares, noun));
            (splits, vec![false; groups.len()])
        }
        SplitSpec::Column { validation, calibration, seed, .. } => {
            let mut splits = named(cells.unwrap_or_default())?;
            let left_out = split::straddling(&splits, groups);
            let by = (strata, groups);
            let lacks = |splits: &[Split], split| !splits.contains(&split);
            let no_validation = lacks(&splits, Split::Validation);
            if no_validation && *validation > 0.0 {
                split::set_aside(
                    &mut splits,
                    (Split::Train, Split::Validation),
                    *validation,
                    by,
                    *seed,
                );
            }
            if lacks(&splits, Split::Calibration) && *calibration > 0.0 {
                let from_to = (Split::Validation, Split::Calibration);
                split::set_aside(&mut splits, from_to, *calibration, by, *seed);
                let message = format!(
                    "the split column names no calibration record, so {:.0} % of the validation \
                     records calibrate{}",
                    calibration * 100.0,
                    if no_validation {
                        ", which were themselves taken from the training records"
                    } else {
                        ""
                    }
                );
                warnings.push(Warning::new("calibration_set_aside", message));
            }
            (splits, left_out)
        }
    };
    let mut parts = Parts::default();
    for (record, (split, out)) in splits.iter().zip(&left_out).enumerate() {
        match split {
            _ if lacking[record] => parts.lacking += 1,
            _ if *out => parts.excluded += 1,
            Split::Train => parts.train.push(record),
            Split::Validation => parts.validation.push(record),
            Split::Calibration => parts.calibration.push(record),
            Split::Test => parts.test.push(record),
        }
    }
    if parts.excluded > 0 {
        let message = format!(
            "{} records were left out because the same {noun} stands in another split too; it was \
             kept where it reports",
            parts.excluded
        );
        warnings.push(Warning::new("duplicates_across_splits", message));
    }
    if parts.train.is_empty() {
        return Err(FitError::Split {
            message: "no record is left to train".to_owned(),
            hint: "give train a larger share, or remove duplicates across splits".to_owned(),
            row: None,
        });
    }
    Ok(parts)
}

/// Says so where equal records, which stay together, leave a part far from the share it was to have.
fn uneven(splits: &[Split], shares: [f64; 4], noun: &str) -> Option<Warning> {
    let all = [Split::Train, Split::Validation, Split::Calibration, Split::Test];
    let of = |split| splits.iter().filter(|s| **s == split).count() as f64;
    let found = all.map(|split| of(split) / splits.len().max(1) as f64);
    // One record of rounding, and a fiftieth.
    let allowed = 0.02 + 1.0 / splits.len().max(1) as f64;
    if found.iter().zip(shares).all(|(found, share)| (found - share).abs() <= allowed) {
        return None;
    }
    let parts = ["train", "validation", "calibration", "test"].iter().zip(found).zip(shares);
    let parts: Vec<String> = parts
        .map(|((part, found), share)| {
            format!("{part} {:.0} % for {:.0} %", found * 100.0, share * 100.0)
        })
        .collect();
    let message = format!(
        "records with the same {noun} stay in one part, so that the parts are not the shares asked \
         for: {}",
        parts.join(", ")
    );
    Some(Warning::new("uneven_split", message))
}

fn named(cells: &[Cell]) -> Result<Vec<Split>, FitError> {
    let parse = |(cell, row): (&Cell, u64)| {
        let value = cell.to_text().unwrap_or_default();
        Split::parse(&value).ok_or_else(|| FitError::Split {
            message: format!("row {row}: {value:?} is no split"),
            hint: "name train, validation, calibration or test in every row".to_owned(),
            row: Some(row),
        })
    };
    cells.iter().zip(1..).map(parse).collect()
}
