//! Records as a request holds them: JSON texts, images as base64, or JSON objects with a value for
//! each column.

use rayon::prelude::*;
use serde_json::Value;

use crate::data::Cell;
use crate::learn::network::TextForm;
use crate::model::Model;
use crate::model::encoder::{Encoded, Encoder, Record, RecordError};
use crate::model::explain::{Cost, MAX_REQUEST_PARTS, MAX_REQUEST_TOKENS};
use crate::problem::{Code, FieldError, Problem, known_names};
use crate::tabular::Unreadable;
use crate::text::tokenizer;

/// Bytes of a text at most.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Records that are taken at once where their request is read.
const MOST_AT_ONCE: usize = 100;

/// What a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Texts, in the field `texts`.
    Texts,
    /// Images as base64, in the field `images`.
    Images,
    /// Objects, in the field `records`.
    Records,
}

/// The records of a request.
pub struct Batch {
    /// What they are.
    pub kind: BatchKind,
    /// One for each record.
    pub values: Vec<Value>,
}

impl BatchKind {
    /// Whether a model can take it; else the problem with the whole request.
    pub fn check(self, model: &Model) -> Result<(), Problem> {
        let hint = match &model.reader.encoder {
            Encoder::Text(_) => "send texts".to_owned(),
            Encoder::Image(_) => "send images: PNG or JPEG as base64".to_owned(),
            Encoder::Table(encoder) => {
                let columns: Vec<&str> = encoder.used_columns().collect();
                format!("send records: objects with {}", columns.join(", "))
            }
        };
        let (field, what) = match self {
            Self::Texts => ("texts", "texts"),
            Self::Images => ("images", "images"),
            Self::Records => return Ok(()),
        };
        match (self, &model.reader.encoder) {
            (Self::Texts, Encoder::Text(_)) | (Self::Images, Encoder::Image(_)) => Ok(()),
            _ => Err(refusal(field, format!("this model does not take {what}"), &hint)),
        }
    }

    /// A record as features, or the problem with it.
    pub(super) fn read(
        self,
        model: &Model,
        index: usize,
        value: &Value,
    ) -> Result<Encoded, Problem> {
        if let (Self::Texts, Encoder::Text(vectorizer)) = (self, &model.reader.encoder) {
            let text = text(&|| format!("texts[{index}]"), value)?;
            return Ok(Encoded::Text(vectorizer.encode(text)));
        }
        let record = match self {
            Self::Texts => Record::Text(text(&|| format!("texts[{index}]"), value)?.to_owned()),
            Self::Images => Record::Image(encoded_image(&format!("images[{index}]"), value)?),
            Self::Records => object(model, &format!("records[{index}]"), value)?,
        };
        let unreadable = |error: RecordError| match error {
            RecordError::Cells(cells) => {
                let field = |error: &Unreadable| {
                    let at = format!("records[{index}].{}", error.column);
                    let hint = "send what the column held in training, or null where it is missing";
                    FieldError::new(at, error.to_string()).hint(hint).at(None, Some(&error.column))
                };
                Problem::fields(Code::InvalidRequest, cells.iter().map(field).collect())
            }
            RecordError::Image(image) => {
                let of = if self == Self::Images { "images" } else { "records" };
                let hint = "send PNG or JPEG as base64";
                refusal(&format!("{of}[{index}]"), image.to_string(), hint)
            }
        };
        model.reader.encoder.encode(&record).map_err(unreadable)
    }
}

impl Batch {
    /// Whether it takes little time: texts, pooled, of so many bytes together at most; one of them is
    /// short too.
    pub(super) fn is_short(&self, model: &Model, most: usize) -> bool {
        let mut room = most;
        let fits = |value| {
            let left =
                self.kind.text_of(model, value).and_then(|text| room.checked_sub(text.len()));
            room = left.unwrap_or(room);
            left.is_some()
        };
        matches!(model.reader.network.spec().text_form(), TextForm::Bag(_))
            && self.values.len() <= MOST_AT_ONCE
            && self.values.iter().all(fits)
    }

    /// Refuses contributions that would cost too much; `field` is what asks for them.
    pub(super) fn check_cost(&self, model: &Model, field: &str) -> Result<(), Problem> {
        let cost = |value: &Value| model.cost_of_contributions(self.kind.text_of(model, value));
        let Cost { parts, tokens } =
            self.values.par_iter().map(cost).reduce(Cost::default, Cost::plus);
        let message = if parts > MAX_REQUEST_PARTS {
            format!(
                "ask for the contributions of {parts} tokens or columns; a request may ask for \
                 {MAX_REQUEST_PARTS}"
            )
        } else if tokens > MAX_REQUEST_TOKENS {
            format!(
                "take reading {tokens} tokens, each text once more for each of its tokens; a \
                 request may take {MAX_REQUEST_TOKENS}"
            )
        } else {
            return Ok(());
        };
        let hint = "send fewer or shorter records at once, or leave contributions out";
        let error = FieldError::new(field, message).hint(hint);
        Err(Problem::fields(Code::TooMuch, vec![error]))
    }
}

impl BatchKind {
    /// The text of a record, where the model takes texts and it is one.
    pub(super) fn text_of<'a>(self, model: &Model, value: &'a Value) -> Option<&'a str> {
        let Encoder::Text(_) = model.reader.encoder else { return None };
        match self {
            Self::Records => value.get(model.spec.task.input_columns().first().copied()?)?.as_str(),
            Self::Texts | Self::Images => value.as_str(),
        }
    }
}

/// A text that can be scored, or the problem with it.
fn text<'a>(field: &dyn Fn() -> String, value: &'a Value) -> Result<&'a str, Problem> {
    let refuse = |message: String, hint: &str| Err(refusal(&field(), message, hint));
    let Some(text) = value.as_str() else {
        return refuse("is not a text".to_owned(), "send a JSON string");
    };
    if tokenizer::tokens(text, false).next().is_none() {
        // White space and invisible characters alone are no text either.
        refuse("is empty".to_owned(), "send a text with at least one word")
    } else if text.len() > MAX_TEXT_BYTES {
        let message = format!("has {} bytes; a text may have {MAX_TEXT_BYTES}", text.len());
        refuse(message, "cut the text into several")
    } else if text.as_bytes().contains(&0) {
        let position = text.chars().position(|c| c == '\0').unwrap_or_default();
        refuse(format!("holds a NUL character at position {position}"), "remove it")
    } else {
        Ok(text)
    }
}

/// An image as base64, or the problem with it.
fn encoded_image(field: &str, value: &Value) -> Result<String, Problem> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(refusal(field, "is not a text".to_owned(), "send PNG or JPEG as base64")),
    }
}

/// The record that an object is. Columns that the model does not take are refused, but for those that
/// it learnt to predict; columns that are absent are missing.
fn object(model: &Model, field: &str, value: &Value) -> Result<Record, Problem> {
    let Some(object) = value.as_object() else {
        let hint = "send a JSON object with a value for each column";
        return Err(refusal(field, "is not an object".to_owned(), hint));
    };
    let task = &model.spec.task;
    let inputs = task.input_columns();
    let (_, wanted) = task.wanted_columns();
    let mut errors = Vec::new();
    let others = wanted.iter().copied().chain(task.weight());
    let known: Vec<&str> = inputs.iter().copied().chain(others).collect();
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        let hint = known_names(name, "the model takes", &inputs);
        let message = format!("the model has no column {name:?}");
        let error = FieldError::new(format!("{field}.{name}"), message);
        errors.push(error.hint(hint).at(None, Some(name)));
    }
    if !errors.is_empty() {
        return Err(Problem::fields(Code::InvalidRequest, errors));
    }
    if let Encoder::Text(_) = model.reader.encoder {
        let name = inputs.first().copied().unwrap_or_default();
        let value = object.get(name).unwrap_or(&Value::Null);
        let text = text(&|| format!("{field}.{name}"), value);
        return text.map(|text| Record::Text(text.to_owned()));
    }
    if let Encoder::Image(_) = model.reader.encoder {
        let name = inputs.first().copied().unwrap_or_default();
        let value = object.get(name).unwrap_or(&Value::Null);
        return encoded_image(&format!("{field}.{name}"), value).map(Record::Image);
    }
    let mut cells = Vec::with_capacity(inputs.len());
    for name in inputs {
        match object.get(name).map_or(Some(Cell::Null), cell) {
            Some(cell) => cells.push(cell),
            None => {
                let message = "is neither a number, a text, true, false nor null".to_owned();
                let at = format!("{field}.{name}");
                return Err(refusal(&at, message, "send a single value"));
            }
        }
    }
    Ok(Record::Row(cells))
}

/// A JSON value as a cell; `None` for arrays and objects.
fn cell(value: &Value) -> Option<Cell> {
    Some(match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Cell::Integer(value),
            None => Cell::Number(number.as_f64()?),
        },
        Value::String(text) if text.trim().is_empty() => Cell::Null,
        Value::String(text) => Cell::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

fn refusal(field: &str, message: String, hint: &str) -> Problem {
    Problem::fields(Code::InvalidRequest, vec![FieldError::new(field, message).hint(hint)])
}
