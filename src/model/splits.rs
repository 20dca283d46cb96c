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
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub calibration: Vec<usize>,
    pub test: Vec<usize>,
    /// Records left out because their text stands in a part nearer to reporting too.
    pub excluded: usize,
    /// Records left out because they lack what the task needs.
    pub lacking: usize,
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
            (split::assign(strata, groups, shares, *seed), vec![false; groups.len()])
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
