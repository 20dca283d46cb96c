//! Which records of a dataset a model has seen, found by dividing them again as its spec says.

use super::FitError;
use super::card::PartSizes;
use super::fit::{TrainingTable, divide};
use super::spec::TrainSpec;
use super::splits::Parts;

/// How many of some records, by position, were in each part of a training. `table` holds the columns
/// that the spec names, all of their records. `trained_on` is the model's. What was in no part counts
/// as `excluded`.
pub fn membership(
    spec: &TrainSpec,
    table: TrainingTable,
    trained_on: &[u64],
    asked: &[usize],
) -> Result<PartSizes, FitError> {
    let mut wanted = vec![false; table.wanted.first().map_or(0, Vec::len)];
    for &record in asked {
        if let Some(wanted) = wanted.get_mut(record) {
            *wanted = true;
        }
    }
    let divided = divide(spec, table, trained_on, &mut Vec::new())?;
    let of = |part: &Vec<usize>| part.iter().filter(|record| wanted[**record]).count();
    let Parts { train, validation, calibration, test, .. } = &divided.parts;
    let [train, validation, calibration, test] = [train, validation, calibration, test].map(of);
    let used = train + validation + calibration + test;
    let excluded = asked.len().saturating_sub(used);
    Ok(PartSizes { train, validation, calibration, test, excluded, lacking: 0 })
}
