//! What an evaluation writes of each record: one flat line, with the same columns for every record.

use rayon::prelude::*;
use serde_json::{Map, Value};

use super::part::Part;
use super::plan::Plan;
use crate::data::writer::{CellKind, TableColumn};
use crate::model::criteria::Criteria;
use crate::model::encoder::Encoder;
use crate::model::measured::Measured;
use crate::model::score::{Coverage, OutOfDistribution, ScoreItem};
use crate::model::{Model, Weighed};
use crate::task::{Head, Output};

/// The columns of an evaluation's results.
pub fn columns(plan: &Plan, model: &Model) -> Vec<TableColumn> {
    use CellKind::{Boolean, Integer, List, Number, Text};
    let mut columns = Vec::new();
    let mut push = |name: &str, kind: CellKind| {
        columns.push(TableColumn { name: name.to_owned(), kind });
    };
    push("row", Integer);
    if plan.has_slices() {
        push("slice", Text);
    }
    match &model.reader.output {
        Output::Labels { head, .. } => {
            let multi_label = *head == Head::MultiLabel;
            if plan.labels {
                push("truth", if multi_label { List } else { Text });
                push("correct", Boolean);
            }
            if multi_label {
                push("labels", List)
            } else {
                push("label", Text)
            }
            push("confidence", Number);
            push("raw_confidence", Number);
            push("prediction_set", List);
        }
        Output::Values { names, .. } => {
            for name in names {
                let of = if names.len() > 1 { format!(".{name}") } else { String::new() };
                if plan.labels {
                    push(&format!("truth{of}"), Number);
                }
                for part in ["value", "lower", "upper"] {
                    push(&format!("{part}{of}"), Number);
                }
            }
        }
    }
    match &model.reader.encoder {
        Encoder::Text(_) => {
            push("coverage_tokens", Number);
            push("coverage_ngrams", Number);
        }
        Encoder::Table(_) => push("coverage_columns", Number),
        Encoder::Image(_) => {}
    }
    for name in ["coverage_representation", "ood_score", "ood_p_value"] {
        push(name, Number);
    }
    push("flagged", Boolean);
    push("accepted", Boolean);
    push("reason", Text);
    columns
}

/// The lines of a part, one JSON object for each record, as `columns` names them.
pub fn lines(
    (plan, columns): (&Plan, &[TableColumn]),
    model: &Model,
    part: &Part,
    (measured, weighed): (&[Measured], Vec<Weighed>),
    criteria: &Criteria,
) -> Result<Vec<u8>, serde_json::Error> {
    let line = |(record, (measured, weighed)): (usize, (&Measured, Weighed))| {
        let item = model.answer(weighed, criteria, None);
        let values = values(plan, model, part, (record, measured), item);
        let names = columns.iter().map(|column| column.name.clone());
        let object: Map<String, Value> = names.zip(values).collect();
        serde_json::to_vec(&object)
    };
    let both = measured.par_iter().zip(weighed);
    let lines: Result<Vec<Vec<u8>>, _> = both.enumerate().map(line).collect();
    let mut bytes = Vec::new();
    for line in lines? {
        bytes.extend(line);
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The values of a record, in the order of the columns.
fn values(
    plan: &Plan,
    model: &Model,
    part: &Part,
    (record, measured): (usize, &Measured),
    item: ScoreItem,
) -> Vec<Value> {
    let mut values = vec![Value::from(measured.row)];
    if let Some(slices) = &part.slices {
        values.push(slices[record].as_str().into());
    }
    let (coverage, ood, accepted, reason) = match item {
        ScoreItem::Score(score) => {
            if plan.labels {
                values.push(truth(model, part, record));
                let right = measured.answer.as_ref().and_then(|answer| answer.is_right());
                values.push(right.into());
            }
            values.push(match score.labels {
                Some(labels) => labels.into(),
                None => score.label.into(),
            });
            values.push(number(score.confidence));
            values.push(number(Some(score.raw_confidence)));
            values.push(score.prediction_set.into());
            (score.coverage, score.ood, score.accepted, score.reason)
        }
        ScoreItem::Value(score) => {
            let mut push = |target: usize, value: f64, interval: Option<[f64; 2]>| {
                if let Some(outcomes) = &part.outcomes {
                    values.push(outcomes.values_of(record).get(target).copied().into());
                }
                let [lower, upper] = [0, 1].map(|end| interval.map(|ends| ends[end]));
                values.extend([value.into(), lower.into(), upper.into()]);
            };
            if score.values.is_empty() {
                push(0, score.value, score.interval);
            }
            for (target, of) in score.values.iter().enumerate() {
                push(target, of.value, of.interval);
            }
            (score.coverage, score.ood, score.accepted, score.reason)
        }
        // A record that cannot be read has no place among those that were weighed.
        ScoreItem::Failed { .. } => return values,
    };
    let Coverage { tokens, ngrams, columns, representation, .. } = coverage;
    match &model.reader.encoder {
        Encoder::Text(_) => values.extend([number(tokens), number(ngrams)]),
        Encoder::Table(_) => values.push(number(columns)),
        Encoder::Image(_) => {}
    }
    let OutOfDistribution { score, p_value, .. } = ood;
    values.extend([number(Some(representation)), number(score), number(p_value)]);
    values.extend([measured.flagged.into(), accepted.into(), reason.into()]);
    values
}

/// The true label of a record as it stands in the dataset; of several, those that the model knows.
fn truth(model: &Model, part: &Part, record: usize) -> Value {
    let head = model.reader.output.head();
    match (&part.outcomes, head) {
        (Some(outcomes), Some(Head::MultiLabel)) => {
            let names = model.reader.output.label_names();
            let labels = outcomes.labels_of(record).iter();
            labels.map(|&label| names[label as usize].clone()).collect::<Vec<_>>().into()
        }
        _ => part.truths.first().and_then(|cells| cells[record].to_text()).into(),
    }
}

/// A number with the digits that the answer of scoring shows.
fn number(value: Option<f32>) -> Value {
    value.and_then(|value| value.to_string().parse::<f64>().ok()).into()
}
