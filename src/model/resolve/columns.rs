//! The columns that a request names: whether they are there and hold what is needed.

use crate::data::profile::{Column, ColumnKind, Profile};
use crate::model::spec::Warning;
use crate::problem::{FieldError, nearest};
use crate::task::{
    Input, LabelColumn, MAX_LABELS, TabularClassification, TabularRegression, TargetColumns,
    TaskSpec, Wanted,
};

/// What is collected on the way.
pub(super) struct Findings {
    pub errors: Vec<FieldError>,
    pub warnings: Vec<Warning>,
}

/// Checks the columns of a task; returns it with its features named.
pub(super) fn check_task(
    task: &TaskSpec,
    split: Option<&str>,
    profile: &Profile,
    findings: &mut Findings,
) -> TaskSpec {
    let (field, wanted) = task.wanted_columns();
    let mut task = task.clone();
    if let Some((own, name)) = match task.input() {
        Input::Text(text) => Some(("task.text", text)),
        Input::Image(image) => Some(("task.image", image)),
        Input::Table(_) => None,
    } {
        if wanted.contains(&name) {
            let error = FieldError::new(own, format!("is {field} too"));
            let hint = "name the column to learn from here and the one to learn there";
            findings.errors.push(error.hint(hint));
            return task;
        }
        check_text(own, &task, name, profile, findings);
    }
    match task.wanted() {
        Wanted::Labels(labels) => {
            if let Some(column) = column(field, &labels.label, profile, &mut findings.errors) {
                check_label(&task, labels, column, profile, findings);
            }
        }
        Wanted::Values(targets) => check_targets(&task, targets, profile, findings),
    }
    if let Some(weight) = task.weight()
        && let Some(column) = column("task.weight", weight, profile, &mut findings.errors)
    {
        check_number("task.weight", &task, column, profile, findings);
    }
    if let Input::Table(features) = task.input() {
        let named = features.map(<[String]>::to_vec);
        let features = features_of(&task, named.as_deref(), split, profile, findings);
        match &mut task {
            TaskSpec::TabularClassification(TabularClassification { features: named, .. })
            | TaskSpec::TabularRegression(TabularRegression { features: named, .. }) => {
                *named = Some(features);
            }
            _ => {}
        }
    }
    task
}

/// A column of texts, or of images as base64, without too many gaps.
fn check_text(
    field: &str,
    task: &TaskSpec,
    text: &str,
    profile: &Profile,
    findings: &mut Findings,
) {
    let Some(column) = column(field, text, profile, &mut findings.errors) else { return };
    use ColumnKind::{Boolean, Datetime, Empty, Integer, List, Number};
    if matches!(column.kind, Boolean | Datetime | Empty | Integer | List | Number) {
        let message = format!("the column {text:?} holds {}, not text", holds(column.kind));
        let error = FieldError::new(field, message).hint(textual_columns(profile));
        findings.errors.push(error.at(None, Some(text)));
    } else if column.kind == ColumnKind::Image && matches!(task.input(), Input::Text(_)) {
        let message = format!("the column {text:?} holds images, not text");
        let hint =
            "take image_classification or image_regression, and name the column in task.image";
        findings.errors.push(FieldError::new(field, message).hint(hint).at(None, Some(text)));
    } else {
        check_missing(field, task, column, profile, findings);
    }
}

/// The columns that records go in by: the named ones, or all that are not otherwise used.
fn features_of(
    task: &TaskSpec,
    named: Option<&[String]>,
    split: Option<&str>,
    profile: &Profile,
    findings: &mut Findings,
) -> Vec<String> {
    let (field, wanted) = task.wanted_columns();
    let Some(named) = named else {
        let used = |name: &str| {
            wanted.contains(&name) || task.weight() == Some(name) || split == Some(name)
        };
        let is_table = |c: &Column| !matches!(c.kind, ColumnKind::List | ColumnKind::Image);
        let usable = |c: &&Column| !used(&c.name) && is_table(c);
        let names: Vec<String> =
            profile.columns.iter().filter(usable).map(|c| c.name.clone()).collect();
        if names.is_empty() {
            let hint = "upload a dataset with columns to learn from";
            let message = "there is no column besides those that are otherwise used";
            findings.errors.push(FieldError::new("task.features", message).hint(hint));
        }
        return names;
    };
    if named.is_empty() {
        let hint = "name columns to learn from, or leave features out to take all";
        findings.errors.push(FieldError::new("task.features", "names no column").hint(hint));
    }
    for (position, name) in named.iter().enumerate() {
        let at = format!("task.features[{position}]");
        let mut fail = |message: String, hint: &str| {
            let error = FieldError::new(&at, message).hint(hint).at(None, Some(name));
            findings.errors.push(error);
        };
        if wanted.contains(&name.as_str()) {
            fail(
                format!("{name:?} is {field}"),
                "a model that sees the answer learns nothing else",
            );
        } else if task.weight() == Some(name) || split == Some(name) {
            fail(format!("{name:?} is the weight or the split column"), "leave it out here");
        } else if named[..position].contains(name) {
            fail(format!("{name:?} comes twice"), "name each column once");
        } else if let Some(column) = column(&at, name, profile, &mut findings.errors)
            && column.kind == ColumnKind::List
        {
            let hint = "split the lists into columns of their own";
            let message = format!("the column {name:?} holds lists");
            let error = FieldError::new(&at, message).hint(hint).at(None, Some(name));
            findings.errors.push(error);
        }
    }
    named.to_vec()
}

fn check_targets(
    task: &TaskSpec,
    targets: &TargetColumns,
    profile: &Profile,
    findings: &mut Findings,
) {
    let names = targets.target.all();
    if names.is_empty() {
        let hint = "name the column with the number to predict";
        findings.errors.push(FieldError::new("task.target", "names no column").hint(hint));
    }
    for (position, name) in names.iter().enumerate() {
        if names[..position].contains(name) {
            let message = format!("{name:?} comes twice");
            let error = FieldError::new("task.target", message).hint("name each column once");
            findings.errors.push(error.at(None, Some(name)));
        } else if let Some(column) = column("task.target", name, profile, &mut findings.errors) {
            if column.distinct == 1
                && matches!(column.kind, ColumnKind::Integer | ColumnKind::Number)
            {
                let message = format!("every record has the same value in column {name:?}");
                let hint = "add records with other values: there is nothing to predict";
                let error = FieldError::new("task.target", message).hint(hint);
                findings.errors.push(error.at(None, Some(name)));
                continue;
            }
            check_number("task.target", task, column, profile, findings);
        }
    }
}

/// A column of numbers without too many gaps.
fn check_number(
    field: &str,
    task: &TaskSpec,
    column: &Column,
    profile: &Profile,
    findings: &mut Findings,
) {
    if matches!(column.kind, ColumnKind::Integer | ColumnKind::Number) {
        return check_missing(field, task, column, profile, findings);
    }
    let name = &column.name;
    let numeric = |c: &&Column| matches!(c.kind, ColumnKind::Integer | ColumnKind::Number);
    let numbers: Vec<&str> =
        profile.columns.iter().filter(numeric).map(|c| c.name.as_str()).collect();
    let hint = match numbers.as_slice() {
        [] => "no column of this dataset holds numbers".to_owned(),
        numbers => format!("columns with numbers: {}", numbers.join(", ")),
    };
    let message = format!("the column {name:?} holds {}, not numbers", holds(column.kind));
    let error = FieldError::new(field, message).hint(hint);
    findings.errors.push(error.at(None, Some(name)));
}

/// Records without a value are left out while they are few, and refused otherwise.
fn check_missing(
    field: &str,
    task: &TaskSpec,
    column: &Column,
    profile: &Profile,
    findings: &mut Findings,
) {
    let Some(row) = column.first_missing_row else { return };
    let (name, missing) = (&column.name, column.missing);
    let lack = if missing == 1 {
        format!("row {row}, column {name:?} holds nothing")
    } else {
        format!("{missing} rows hold nothing in column {name:?}, row {row} first")
    };
    if missing <= task.may_miss(profile.rows) {
        let of = format!("{lack}: of {} records, {missing} left out", profile.rows);
        findings.warnings.push(Warning::new("records_left_out", of));
        return;
    }
    let hint = "complete these records, leave them out and upload the dataset again, or raise \
                task.max_missing to have them left out";
    findings.errors.push(FieldError::new(field, lack).hint(hint).at(Some(row), Some(name)));
}

fn check_label(
    task: &TaskSpec,
    labels: &LabelColumn,
    column: &Column,
    profile: &Profile,
    findings: &mut Findings,
) {
    let label = &column.name;
    if labels.multi_label {
        return;
    }
    if column.kind != ColumnKind::List {
        check_missing("task.label", task, column, profile, findings);
    }
    let mut fail = |message: String, hint: &str| {
        let error = FieldError::new("task.label", message).hint(hint);
        findings.errors.push(error.at(None, Some(label)));
    };
    if column.kind == ColumnKind::List {
        return fail(format!("the column {label:?} holds lists"), "set task.multi_label to true");
    }
    if column.distinct == 1 {
        let only = column.values.iter().flatten().next().map_or("", |v| v.value.as_str());
        let message = format!("every record has the label {only:?}");
        return fail(message, "add records with another label: there is nothing to tell apart");
    }
    match &column.values {
        Some(values) if values.len() <= MAX_LABELS => {
            let single: Vec<&str> =
                values.iter().filter(|v| v.count == 1).map(|v| v.value.as_str()).collect();
            if let Some(first) = single.first() {
                let message = format!(
                    "{} of {} labels have one example, {first:?} among them",
                    single.len(),
                    values.len()
                );
                fail(message, "add examples of these labels, or leave them out");
            }
        }
        _ => {
            let message = format!("the column {label:?} has {} distinct values", column.distinct);
            let hint = format!("a label column has at most {MAX_LABELS} labels, each short");
            fail(message, &hint);
        }
    }
}

pub(super) fn column<'a>(
    field: &str,
    name: &str,
    profile: &'a Profile,
    errors: &mut Vec<FieldError>,
) -> Option<&'a Column> {
    if let Some((_, column)) = profile.column(name) {
        return Some(column);
    }
    let names: Vec<&str> = profile.columns.iter().map(|c| c.name.as_str()).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}? the columns are {}", names.join(", ")),
        None => format!(
            "the columns are {}; if these look like data, the file lacks a header line",
            names.join(", ")
        ),
    };
    let message = format!("the dataset has no column {name:?}");
    errors.push(FieldError::new(field, message).hint(hint).at(None, Some(name)));
    None
}

fn holds(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Empty => "nothing",
        ColumnKind::Boolean => "true and false",
        ColumnKind::Integer | ColumnKind::Number => "numbers",
        ColumnKind::Datetime => "dates",
        ColumnKind::List => "lists",
        ColumnKind::Image => "images",
        ColumnKind::Category | ColumnKind::Text => "text",
    }
}

fn textual_columns(profile: &Profile) -> String {
    let textual = |c: &&Column| matches!(c.kind, ColumnKind::Text | ColumnKind::Category);
    let names: Vec<&str> =
        profile.columns.iter().filter(textual).map(|c| c.name.as_str()).collect();
    if names.is_empty() {
        "no column of this dataset holds text".to_owned()
    } else {
        format!("columns with text: {}", names.join(", "))
    }
}
