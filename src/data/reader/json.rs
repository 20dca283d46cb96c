//! A JSON array of records, or an object whose `records` is one, read element by element.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::check_columns;
use super::jsonl::{self, Columns};
use super::limit::{LimitedReader, RecordBudget};
use crate::data::{DataError, Limits, Sink};
use crate::json::{self, Strict};

pub fn read(file: &File, limits: &Limits, sink: &mut dyn Sink) -> Result<(), DataError> {
    // The columns are the union of all keys, so the file is read twice and never held.
    let mut columns = Columns::default();
    let name = each(file, limits, &mut |row, value| columns.note(row, &value, limits))?;
    if let Some(name) = name {
        sink.name(&name);
    }
    let names = columns.into_names();
    check_columns(&names, limits)?;
    sink.columns(&names)?;
    let mut cells = Vec::with_capacity(names.len());
    each(file, limits, &mut |row, value| {
        jsonl::cells(value, row, &names, limits, &mut cells)?;
        sink.record(&cells)
    })?;
    Ok(())
}

type Each<'a> = &'a mut dyn FnMut(u64, Value) -> Result<(), DataError>;

/// Visits every record; returns the `name` of the document, if it has one.
fn each(mut file: &File, limits: &Limits, visit: Each<'_>) -> Result<Option<String>, DataError> {
    file.rewind()?;
    let budget = RecordBudget::new(limits.record_bytes);
    let mut reader = BufReader::new(LimitedReader::new(file, budget.clone()));
    let start = reader.fill_buf()?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(DataError::Utf16);
    }
    let mark = if start.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    reader.consume(mark);
    let mut state = State {
        row: 0,
        budget: &budget,
        visit,
        failed: None,
        object: false,
        found: false,
        name: None,
    };
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let outcome = Document(&mut state).deserialize(&mut deserializer);
    let outcome = outcome.and_then(|()| deserializer.end());
    let State { row, failed, found, name, .. } = state;
    if let Some(error) = failed {
        return Err(error);
    }
    if let Err(error) = outcome {
        return Err(if budget.is_spent() {
            DataError::RecordTooLong { row: row + 1, limit: limits.record_bytes }
        } else if error.is_io() {
            DataError::Io(error.into())
        } else {
            DataError::Json { row: row + 1, message: json::describe(&error) }
        });
    }
    match (found, row) {
        (false, _) => Err(DataError::NoRecordList),
        (true, 0) => Err(DataError::NoRecords),
        _ => Ok(name),
    }
}

struct State<'a, 'b> {
    row: u64,
    budget: &'a RecordBudget,
    visit: Each<'b>,
    failed: Option<DataError>,
    /// Whether the document is an object, and whether its records were found.
    object: bool,
    found: bool,
    name: Option<String>,
}

struct Document<'a, 'b, 'c>(&'a mut State<'b, 'c>);

impl<'de> DeserializeSeed<'de> for Document<'_, '_, '_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of records, or an object whose `records` is one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if std::mem::replace(&mut self.0.found, true) {
            return Err(A::Error::custom("`records` stands there twice"));
        }
        loop {
            self.0.budget.reset();
            let Some(value) = seq.next_element_seed(&Strict::default())? else { return Ok(()) };
            self.0.row += 1;
            if let Err(error) = (self.0.visit)(self.0.row, value) {
                self.0.failed = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if std::mem::replace(&mut self.0.object, true) {
            return Err(A::Error::custom("`records` is an object, not an array"));
        }
        while let Some(key) = map.next_key::<String>()? {
            self.0.budget.reset();
            match key.as_str() {
                "records" => map.next_value_seed(Document(self.0))?,
                "name" if self.0.name.is_some() => {
                    return Err(A::Error::custom("`name` stands there twice"));
                }
                "name" => self.0.name = map.next_value::<Option<String>>()?,
                other => {
                    let message = format!("{other:?} is not known; `name` and `records` are");
                    return Err(A::Error::custom(message));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
