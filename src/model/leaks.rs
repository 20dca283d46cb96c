//! Columns of a table that tell the target by themselves: warned of, since what is known only after
//! the target makes a model look good that is of no use.

use rayon::prelude::*;

use super::encoder::{InputColumn, Records, input_kind, value};
use super::spec::Warning;
use crate::random::keyed;
use crate::tabular::{LEAKAGE_THRESHOLD, Target, Value, leakage};
use crate::task::{Head, Outcomes, Output};

/// Training records that are looked at.
const RECORDS: usize = 20_000;
/// Fewer than this are not enough to look at where there are more.
const FEWEST: usize = 1_000;
/// Cells that are looked at, over all columns and targets: some seconds' work.
const CELLS: usize = 10_000_000;

/// A column that alone tells a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// The column.
    pub column: String,
    /// What it tells, where there are several targets or labels.
    pub target: Option<String>,
    /// Share of what remains open without any column that this one settles, from
    /// [`LEAKAGE_THRESHOLD`] to 1.
    pub share: f64,
    /// Whether the target is a number.
    number: bool,
}

/// There are too many columns and targets to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    columns: usize,
    targets: usize,
}

/// Warns of each column that alone tells a target, judged by the records at `training`.
pub(super) fn warnings(
    records: &Records,
    training: &[usize],
    output: &Output,
    outcomes: &Outcomes,
) -> Vec<Warning> {
    match leaks(records, training, output, outcomes) {
        Ok(leaks) => leaks.iter().map(warning).collect(),
        Err(TooMany { columns, targets }) => {
            let message = format!(
                "{columns} columns and {targets} targets are too many to see whether one alone \
                 tells another; look yourself whether a column is known only after the target"
            );
            vec![Warning::new("leakage_not_checked", message)]
        }
    }
}

/// The columns that alone tell a target, judged by the records at `training`.
pub fn leaks(
    records: &Records,
    training: &[usize],
    output: &Output,
    outcomes: &Outcomes,
) -> Result<Vec<Leak>, TooMany> {
    let Records::Rows(columns) = records else { return Ok(Vec::new()) };
    let targets = match output {
        Output::Labels { head: Head::MultiLabel, labels } => labels.len(),
        Output::Labels { .. } => 1,
        Output::Values { names, .. } => names.len(),
    };
    let wanted = (CELLS / columns.len().saturating_mul(targets).max(1)).min(RECORDS);
    if wanted < FEWEST && wanted < training.len() {
        return Err(TooMany { columns: columns.len(), targets });
    }
    let sample = sample(training, wanted);
    let check = |column: &InputColumn| {
        let values: Vec<Value<'_>> = sample.iter().map(|&i| value(&column.cells[i])).collect();
        let kind = input_kind(column.kind);
        let of = |target: Target<'_>, name: Option<&String>| {
            let share = leakage(kind, &values, target)?.share;
            let (column, target_name) = (column.name.clone(), name.cloned());
            let number = matches!(target, Target::Numbers(_));
            (share >= LEAKAGE_THRESHOLD).then_some(Leak {
                column,
                target: target_name,
                share,
                number,
            })
        };
        match (output, outcomes) {
            (Output::Labels { head: Head::MultiLabel, labels }, _) => {
                let leaks = labels.names().iter().enumerate().filter_map(|(label, name)| {
                    let holds = |&i: &usize| outcomes.labels_of(i).contains(&(label as u32));
                    let classes: Vec<u32> = sample.iter().map(|i| u32::from(holds(i))).collect();
                    of(Target::Classes(&classes), Some(name))
                });
                leaks.collect()
            }
            (Output::Labels { .. }, _) => {
                let classes: Vec<u32> =
                    sample.iter().filter_map(|&i| outcomes.labels_of(i).first().copied()).collect();
                Vec::from_iter(of(Target::Classes(&classes), None))
            }
            (Output::Values { names, .. }, _) => {
                let leaks = names.iter().enumerate().filter_map(|(target, name)| {
                    let numbers: Vec<f64> =
                        sample.iter().map(|&i| outcomes.values_of(i)[target]).collect();
                    of(Target::Numbers(&numbers), (names.len() > 1).then_some(name))
                });
                leaks.collect::<Vec<Leak>>()
            }
        }
    };
    Ok(columns.par_iter().flat_map_iter(check).collect())
}

/// At most `wanted` of the records, drawn without regard to their order in the file; the same every
/// time.
fn sample(training: &[usize], wanted: usize) -> Vec<usize> {
    let mut drawn = training.to_vec();
    if drawn.len() > wanted {
        drawn.sort_by_cached_key(|&record| keyed(record as u64 ^ 0x6c65_616b));
        drawn.truncate(wanted);
        drawn.sort_unstable();
    }
    drawn
}

fn warning(leak: &Leak) -> Warning {
    let Leak { column, target, share, number } = leak;
    let percent = (1_000.0 * share).floor() / 10.0;
    let from = 100.0 * LEAKAGE_THRESHOLD;
    let target = target.as_ref().map_or_else(|| "the target".to_owned(), |t| format!("{t:?}"));
    let what =
        if *number { "of the variance" } else { "of the records outside the most frequent class" };
    let message = format!(
        "the column {column:?} alone tells {target}: it settles {percent} % {what}, and a warning is \
         given from {from} % on. It may be a copy, or known only afterwards; if records to be scored \
         will not have it, leave it out of task.features and train again"
    );
    Warning::new("target_leakage", message)
}

#[cfg(test)]
#[path = "leaks_tests.rs"]
mod tests;
