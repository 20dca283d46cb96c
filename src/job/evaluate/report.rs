//! The report of an evaluation, from what was measured.

use super::part::Tally;
use super::plan::Plan;
use super::{EvaluateResponse, invalid};
use crate::model::card::PartSizes;
use crate::model::criteria::Criteria;
use crate::model::evaluate::Asked;
use crate::model::fit::TrainingTable;
use crate::model::measured::{MAX_SLICES, Measurements, Recall};
use crate::model::membership::membership;
use crate::model::spec::Warning;
use crate::model::{FitError, Model};
use crate::problem::Problem;

/// Everything that the report is made of.
pub struct Material<'a> {
    /// Id of the model.
    pub model_id: &'a str,
    /// Id of the dataset.
    pub dataset: &'a str,
    /// What was asked.
    pub plan: &'a Plan,
    /// The model.
    pub model: &'a Model,
    /// What records had to pass.
    pub criteria: &'a Criteria,
    /// What was measured.
    pub measured: &'a Measurements,
    /// What was counted.
    pub tally: Tally,
    /// What the training read, where it was of the same dataset.
    pub own: Option<TrainingTable>,
}

/// The report. `recall` gives records again.
pub fn report(material: Material<'_>, recall: &dyn Recall) -> Result<EvaluateResponse, Problem> {
    let Material { plan, model, measured, tally, .. } = material;
    let records = measured.records.len() as u64;
    plan.check_count(records, tally.left_out, None)?;
    let unknown = unknown_labels(model, &tally, records)?;
    let seen = match material.own {
        Some(table) => Some(seen(model, table, measured)?),
        None => None,
    };
    let known = match &seen {
        Some(seen) => seen_warning(seen),
        None => trained_warning(tally.trained, records),
    };
    let warnings = plan.absent.iter().cloned().chain(known).chain(unknown);
    let mut warnings: Vec<Warning> = warnings.collect();
    if plan.has_slices() && measured.records.iter().any(|record| record.slice.is_none()) {
        let message = format!(
            "the slice column holds more than {MAX_SLICES} values: records of the later ones count, \
             but their slices are not reported"
        );
        warnings.push(Warning::new("slices_left_out", message));
    }
    let asked =
        Asked { criteria: material.criteria, drift_alpha: plan.drift_alpha, labelled: plan.labels };
    let evaluation = model.evaluation(measured, &asked, recall)?;
    let evaluation = evaluation.ok_or_else(|| invalid("dataset", "holds no record", "add some"))?;
    Ok(EvaluateResponse {
        model: material.model_id.to_owned(),
        dataset: material.dataset.to_owned(),
        left_out: tally.left_out,
        seen,
        warnings,
        labels: plan.labels,
        evaluation,
    })
}

fn seen(
    model: &Model,
    table: TrainingTable,
    measured: &Measurements,
) -> Result<PartSizes, FitError> {
    let rows: Vec<usize> = measured.records.iter().map(|r| r.row as usize - 1).collect();
    membership(&model.spec, table, &model.trained_on, &rows)
}

fn seen_warning(seen: &PartSizes) -> Option<Warning> {
    let PartSizes { train, validation, calibration, test, excluded, .. } = *seen;
    if train + validation + calibration == 0 {
        return None;
    }
    let message = format!(
        "the model was made from this dataset: of these records {train} trained it, {validation} \
         chose its epoch, {calibration} calibrated it, {test} were tested on and {excluded} were \
         left out. It does better on records that it has seen than on others; narrow to the test \
         records with `only`, or see `metrics.test` of its card"
    );
    Some(Warning::new("seen_records", message))
}

/// Warns of records of another dataset that trained the model, or the one that it started from.
fn trained_warning(trained: u64, records: u64) -> Option<Warning> {
    let message = format!(
        "{trained} of these {records} records trained the model, or the one that it started from: it \
         does better on them than on others"
    );
    (trained > 0).then(|| Warning::new("seen_records", message))
}

/// Warns of records whose label the model does not know. Where it knows none, it is a wrong column,
/// most likely, and refused.
fn unknown_labels(model: &Model, tally: &Tally, records: u64) -> Result<Option<Warning>, Problem> {
    let Some(found) = &tally.unknown_label else { return Ok(None) };
    let count = tally.unknown;
    if count < records {
        let message = format!(
            "{count} records have a label that the model does not know, such as {found:?}: each \
             counts as an error, is in no row of the confusion matrix, and leaves no log loss and no \
             Brier score"
        );
        return Ok(Some(Warning::new("unknown_labels", message)));
    }
    let names = model.reader.output.label_names();
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if names.len() > 5 { ", …" } else { "" };
    let message =
        format!("holds no label that the model knows in any record; the first is {found:?}");
    let hint = format!("the model knows {shown}{more}: choose another column");
    Err(invalid("label", &message, &hint))
}
