//! Which records train, steer, calibrate and test; what tells outside from inside; where it is
//! trained.

use super::SMALL_DATASET;
use super::columns::column;
use crate::data::profile::Profile;
use crate::data::split::Split;
use crate::eval::Link;
use crate::eval::calibrator::CalibratorKind;
use crate::eval::detector::{DetectorKind, RecordKind};
use crate::learn::device::DeviceName;
use crate::model::spec::{SplitRequest, SplitSpec, TrainRequest, Warning};
use crate::problem::FieldError;
use crate::task::{Input, TaskSpec};

/// Fills in a split, or says what is wrong with it.
pub(super) fn split(
    request: Option<&SplitRequest>,
    profile: &Profile,
    errors: &mut Vec<FieldError>,
    warnings: &mut Vec<Warning>,
) -> SplitSpec {
    let seed = request.and_then(|r| r.seed).unwrap_or(1);
    let all = SplitSpec::Shares { train: 1.0, validation: 0.0, calibration: 0.0, test: 0.0, seed };
    let Some(request) =
        request.filter(|r| **r != SplitRequest { seed: r.seed, ..Default::default() })
    else {
        if profile.rows < SMALL_DATASET {
            let message = format!(
                "{} records are too few to set any aside (fewer than {SMALL_DATASET}), so all of \
                 them train: nothing is validated, calibrated or tested",
                profile.rows
            );
            warnings.push(Warning::new("small_dataset", message));
            return all;
        }
        return SplitSpec::Shares {
            train: 0.7,
            validation: 0.1,
            calibration: 0.1,
            test: 0.1,
            seed,
        };
    };
    if let Some(name) = &request.column {
        return by_column(name, request, profile, seed, errors).unwrap_or(all);
    }
    let shares = [request.train, request.validation, request.calibration, request.test];
    let [train, validation, calibration, test] = shares.map(|share| share.unwrap_or(0.0));
    let sum = train + validation + calibration + test;
    if (sum - 1.0).abs() > 1e-6 {
        let hint = "let train, validation, calibration and test sum to 1; what is left out is 0";
        let message = format!("the shares sum to {}", (sum * 1e6).round() / 1e6);
        errors.push(FieldError::new("split", message).hint(hint));
    } else if train <= 0.0 {
        let hint = "give train a share; 0.7 is usual";
        errors.push(FieldError::new("split.train", "nothing would train").hint(hint));
    } else {
        for (split, share) in Split::ALL.iter().zip([train, validation, calibration, test]) {
            if share > 0.0 && profile.rows as f64 * share < 0.5 {
                let (rows, name) = (profile.rows, split.name());
                let message = format!("a share of {share} of {rows} records gives {name} none");
                let hint = format!(
                    "add records (at least {} for this share), or set split.{name} to 0",
                    (1.0 / share).ceil()
                );
                errors.push(FieldError::new(format!("split.{name}"), message).hint(hint));
            }
        }
    }
    SplitSpec::Shares { train, validation, calibration, test, seed }
}

fn by_column(
    name: &str,
    request: &SplitRequest,
    profile: &Profile,
    seed: u64,
    errors: &mut Vec<FieldError>,
) -> Option<SplitSpec> {
    for (field, share) in [("train", request.train), ("test", request.test)] {
        if share.is_some() {
            let hint = "leave it out: the column decides";
            let message = "cannot be a share where a column names the splits";
            errors.push(FieldError::new(format!("split.{field}"), message).hint(hint));
        }
    }
    for (field, share) in [("validation", request.validation), ("calibration", request.calibration)]
    {
        if share == Some(1.0) {
            let hint = "a share below 1 leaves records for the split that it is taken from";
            let message = "would take every record";
            errors.push(FieldError::new(format!("split.{field}"), message).hint(hint));
        }
    }
    let column = column("split.column", name, profile, errors)?;
    let mut fail = |row: Option<u64>, message: String, hint: &str| {
        let error = FieldError::new("split.column", message).hint(hint);
        errors.push(error.at(row, Some(name)));
    };
    let names = "name train, validation, calibration or test in every row";
    if let Some(row) = column.first_missing_row {
        fail(Some(row), format!("row {row} names no split"), names);
    }
    let Some(values) = &column.values else {
        fail(None, format!("the column {name:?} has {} distinct values", column.distinct), names);
        return None;
    };
    let found: Vec<Option<Split>> = values.iter().map(|v| Split::parse(&v.value)).collect();
    let mut others = values.iter().zip(&found).filter(|(_, split)| split.is_none());
    if let Some((first, _)) = others.next() {
        let more = match others.count() {
            0 => String::new(),
            count => format!(", nor are {count} other values"),
        };
        fail(None, format!("{:?} is no split{more}", first.value), names);
    }
    if !found.contains(&Some(Split::Train)) {
        fail(None, "no record is named train".to_owned(), "name at least some records train");
    }
    Some(SplitSpec::Column {
        column: name.to_owned(),
        validation: request.validation.unwrap_or(0.1),
        calibration: request.calibration.unwrap_or(0.5),
        seed,
    })
}

/// Training records, roughly.
pub fn train_records(split: &SplitSpec, profile: &Profile) -> usize {
    let rows = profile.rows as f64;
    let records = match split {
        SplitSpec::Shares { train, .. } => rows * train,
        SplitSpec::Column { column, .. } => {
            let values = profile.column(column).and_then(|(_, c)| c.values.as_ref());
            let train = values
                .into_iter()
                .flatten()
                .filter(|v| Split::parse(&v.value) == Some(Split::Train));
            train.map(|v| v.count as f64).sum()
        }
    };
    (records.round() as usize).max(1)
}

/// Checks that the detectors and the calibrator can judge what the task predicts.
pub(super) fn confidence(request: &TrainRequest, task: &TaskSpec, errors: &mut Vec<FieldError>) {
    let records = match task.input() {
        Input::Text(_) => RecordKind::Text,
        Input::Image(_) => RecordKind::Image,
        Input::Table(_) => RecordKind::Row,
    };
    let labels = !task.is_regression();
    let fitting = DetectorKind::ALL.iter().filter(|kind| kind.applies(records, labels));
    let names = fitting.map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    if request.detectors.as_ref().is_some_and(Vec::is_empty) {
        let hint = format!("leave it out for the usual ones, or choose of {names}");
        errors.push(FieldError::new("detectors", "names none").hint(hint));
    }
    let detectors = request.detectors.iter().flatten();
    for (i, kind) in detectors.clone().enumerate() {
        let wrong = match kind.applies(records, labels) {
            false => format!("{} does not judge what a {} predicts", kind.name(), task.name()),
            true if detectors.clone().take(i).any(|other| other == kind) => {
                format!("{} is named twice", kind.name())
            }
            true => continue,
        };
        let hint = format!("choose of {names}");
        errors.push(FieldError::new(format!("detectors[{i}]"), wrong).hint(hint));
    }
    let Some(calibrator) = request.calibrator else { return };
    let link = if task.may_be_unlabelled() { Link::Sigmoid } else { Link::Softmax };
    if task.is_regression() || !calibrator.applies(link) {
        let (message, hint) = if task.is_regression() {
            let hint = "leave it out: a regression has intervals instead".to_owned();
            ("calibrates probabilities, and a regression predicts none", hint)
        } else {
            let names = CalibratorKind::ALL.iter().filter(|kind| kind.applies(link));
            let names = names.map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            let hint = format!("leave it out to have the best one chosen, or choose of {names}");
            ("does not fit whether a record has one label or several", hint)
        };
        errors.push(FieldError::new("calibrator", message).hint(hint));
    }
}

/// The device, if it is there.
pub fn device(name: Option<&str>, errors: &mut Vec<FieldError>) -> DeviceName {
    let Some(name) = name.filter(|name| *name != "auto") else { return DeviceName::Cpu };
    let available = DeviceName::available();
    if let Ok(device) = name.parse()
        && available.contains(&device)
    {
        return device;
    }
    let names: Vec<String> = available.iter().map(|device| format!("\"{device}\"")).collect();
    let hint = format!(
        "there are {}; use one of them, or \"auto\"; {}",
        names.join(", "),
        DeviceName::requirement()
    );
    errors.push(FieldError::new("device", format!("the device {name:?} is not there")).hint(hint));
    DeviceName::Cpu
}
