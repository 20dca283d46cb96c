//! Whether there are enough calibration records for what the model is to say of its answers.

use serde_json::{Value, json};

use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::calibrator;
use crate::eval::conformal::records_needed;
use crate::model::card::Unavailable;
use crate::model::spec::SplitSpec;

/// Too few calibration records for confidence, refusals or prediction sets.
pub struct TooLittleCalibrationData;

/// Share of the records that calibrate, where there were too few.
const SHARE: f64 = 0.1;
/// Statistics that rest on calibration records.
const RESTS: [&str; 5] = ["confidence", "ood.p_value", "accepted", "prediction_set", "interval"];

/// More calibration records: a larger share of the split, or a request for them.
pub fn more(known: &Known<'_>) -> Remedy {
    let all: usize = {
        let parts = &known.bench.parts;
        parts.train.len() + parts.validation.len() + parts.calibration.len() + parts.test.len()
    };
    let need = needed();
    match &known.bench.spec().split {
        SplitSpec::Shares { train, calibration, .. } => {
            let wanted = (need as f64 * 1.25 / all.max(1) as f64).max(SHARE).max(2.0 * calibration);
            let left = train + calibration - wanted;
            if left < 0.3 {
                let advice = format!(
                    "add records: {all} are too few to set aside the {need} that calibration needs"
                );
                return Remedy::data(advice, Vec::new());
            }
            let round = |share: f64| (share * 1e6).round() / 1e6;
            let (wanted, left) = (round(wanted), round(left));
            let advice = format!(
                "set aside more records for calibration: split.calibration {wanted}, split.train {left}"
            );
            let change = [("split.calibration", json!(wanted)), ("split.train", json!(left))];
            Remedy::change(advice, change.map(|(path, share): (_, Value)| (path, share)))
        }
        SplitSpec::Column { column, .. } => {
            let advice =
                format!("name at least {need} records calibration in the column {column:?}");
            Remedy::data(advice, Vec::new())
        }
    }
}

/// Calibration records with which nothing is left out.
fn needed() -> usize {
    let refusals = records_needed(0.05).unwrap_or(0);
    calibrator::MIN_RECORDS.max(refusals)
}

impl Diagnosis for TooLittleCalibrationData {
    fn kind(&self) -> &'static str {
        "too_little_calibration_data"
    }

    fn area(&self) -> Area {
        Area::Confidence
    }

    fn about(&self) -> &'static str {
        "whether there are enough calibration records"
    }

    fn wants(&self, _: &Known<'_>) -> Vec<Wanted> {
        Vec::new()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let card = &known.bench.model.card;
        let records = card.records.calibration;
        // What no number of records gives is no lack of them.
        let rests = |lack: &&Unavailable| RESTS.contains(&&*lack.statistic) && lack.need.is_some();
        let lacks: Vec<&Unavailable> = card.unavailable.iter().filter(rests).collect();
        let need = lacks.iter().filter_map(|lack| lack.need).max();
        let measured =
            Measurement::new("calibration records", records as f64).threshold(needed() as f64);
        let Some(need) = need else {
            let statement = format!(
                "There are enough calibration records ({records}) for confidence, refusals and intervals."
            );
            let status = FindingStatus::NotFound;
            return Some(
                Finding::new(self.kind(), self.area(), status, statement)
                    .measured(measured)
                    .smallest_effect(1.0),
            );
        };
        let names: Vec<&str> = lacks.iter().map(|lack| lack.statistic.as_str()).collect();
        let statement = format!(
            "The model cannot tell how far to trust it: {records} calibration records are too few for \
             {}, which take {need}.",
            names.join(", ")
        );
        // It makes no error, and lets every error pass for an answer.
        let severity = if records == 0 { 0.3 } else { 0.15 };
        let status = FindingStatus::Found;
        Some(
            Finding::new(self.kind(), self.area(), status, statement)
                .measured(measured)
                .severity(severity)
                .remedy(more(known)),
        )
    }
}
