//! What the columns of a table are like: kind, missing and distinct values, balance, lengths.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Cell;
use super::image_header::{self, ImageSizes};
use crate::random::fnv1a;

/// Values that are counted one by one; a column with more distinct values lists none.
pub const COUNTED_VALUES: usize = 1_000;
/// A longer value is not counted one by one: it is no category.
const COUNTED_VALUE_BYTES: usize = 256;
/// Distinct values are counted exactly up to this number.
const COUNTED_DISTINCT: usize = 2_000_000;

/// What a column seems to hold, from its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// No value at all.
    Empty,
    /// `true` or `false`.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Finite numbers.
    Number,
    /// Dates, or dates with times (`2026-11-23`, RFC 3339).
    Datetime,
    /// At most 1,000 distinct texts that repeat: at least twice as many records as distinct values.
    Category,
    /// Images: PNG or JPEG files as base64.
    Image,
    /// Other text.
    Text,
    /// Lists of texts.
    List,
}

/// A value and how many records hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueCount {
    /// The value, as text.
    pub value: String,
    /// Records that hold it.
    pub count: u64,
}

/// Lengths in characters (Unicode code points) over the records that hold a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lengths {
    /// Shortest.
    pub min: u64,
    /// Mean.
    pub mean: f64,
    /// Longest.
    pub max: u64,
}

/// A column of numbers at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberRange {
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// What it seems to hold.
    pub kind: ColumnKind,
    /// Records without a value.
    pub missing: u64,
    /// The first record without a value, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_missing_row: Option<u64>,
    /// Distinct values.
    pub distinct: u64,
    /// Whether `distinct` is exact; beyond 2,000,000 it is a lower bound.
    pub distinct_exact: bool,
    /// Records whose value an earlier record already held.
    pub duplicates: u64,
    /// Lengths in characters, where the column holds text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters: Option<Lengths>,
    /// Smallest, mean and largest value, where the column holds numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<NumberRange>,
    /// Files and their sizes, where the column holds images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageSizes>,
    /// How often each value occurs, most frequent first; absent beyond 1,000 distinct values, or
    /// where one is longer than 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<ValueCount>>,
}

/// A whole table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// Records.
    pub rows: u64,
    /// Records that repeat an earlier one in every column.
    pub duplicate_rows: u64,
    /// The columns, in the order of the file.
    pub columns: Vec<Column>,
}

impl Profile {
    /// The position and profile of a column.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }
}

/// Draws a [`Profile`] from records as they pass.
#[derive(Default)]
pub struct Profiler {
    names: Vec<String>,
    columns: Vec<Tally>,
    rows: u64,
    seen: HashSet<u64>,
    duplicate_rows: u64,
}

impl Profiler {
    /// The columns, before the first record.
    pub fn columns(&mut self, names: &[String]) {
        self.names = names.to_vec();
        self.columns = names.iter().map(|_| Tally::default()).collect();
    }

    /// One record, and its stored bytes to tell duplicates by.
    pub fn record(&mut self, cells: &[Cell], stored: &[u8]) {
        self.rows += 1;
        if self.seen.len() < COUNTED_DISTINCT && !self.seen.insert(fnv1a(stored)) {
            self.duplicate_rows += 1;
        }
        for (tally, cell) in self.columns.iter_mut().zip(cells) {
            tally.add(cell, self.rows);
        }
    }

    /// The finished profile.
    pub fn finish(self) -> Profile {
        let columns = self.names.into_iter().zip(self.columns);
        Profile {
            rows: self.rows,
            duplicate_rows: self.duplicate_rows,
            columns: columns.map(|(name, tally)| tally.finish(name)).collect(),
        }
    }
}

#[derive(Default)]
struct Tally {
    present: u64,
    missing: u64,
    first_missing_row: Option<u64>,
    not_boolean: bool,
    not_integer: bool,
    not_number: bool,
    not_datetime: bool,
    lists: u64,
    images: ImageSizes,
    not_image: bool,
    characters: (u64, u64, u64),
    /// Smallest, mean and largest number.
    numbers: (f64, f64, f64),
    distinct: HashSet<u64>,
    repeats: u64,
    values: HashMap<String, u64>,
    too_many_values: bool,
}

impl Tally {
    fn add(&mut self, cell: &Cell, row: u64) {
        let Some(text) = cell.to_text() else {
            self.missing += 1;
            self.first_missing_row.get_or_insert(row);
            return;
        };
        self.present += 1;
        self.lists += u64::from(matches!(cell, Cell::List(_)));
        let parsed = text.parse::<f64>().ok().filter(|number| number.is_finite());
        self.not_boolean |= !matches!(text.as_str(), "true" | "false" | "True" | "False");
        self.not_integer |= self.not_number || text.parse::<i64>().is_err();
        self.not_number |= parsed.is_none();
        self.not_datetime |= !is_datetime(&text);
        // Once a text is none, the others are not looked at.
        if !self.not_image {
            match image_header::look(&text) {
                Some((file, size)) => self.images.add(file, size),
                None => self.not_image = true,
            }
        }
        let first = self.present == 1;
        if let Some(number) = parsed {
            let (min, mean, max) = self.numbers;
            // A running mean: the sum of finite numbers can be infinite.
            let n = self.present as f64;
            self.numbers = if first {
                (number, number, number)
            } else {
                (min.min(number), mean + (number / n - mean / n), max.max(number))
            };
        }
        let length = text.chars().count() as u64;
        let (min, sum, max) = self.characters;
        self.characters =
            (if first { length } else { min.min(length) }, sum + length, max.max(length));
        if self.distinct.len() < COUNTED_DISTINCT && !self.distinct.insert(fnv1a(text.as_bytes())) {
            self.repeats += 1;
        }
        if !self.too_many_values {
            let countable = text.len() <= COUNTED_VALUE_BYTES;
            *self.values.entry(text).or_default() += 1;
            if !countable || self.values.len() > COUNTED_VALUES {
                self.too_many_values = true;
                self.values = HashMap::new();
            }
        }
    }

    fn kind(&self) -> ColumnKind {
        if self.present == 0 {
            ColumnKind::Empty
        } else if self.lists > 0 {
            ColumnKind::List
        } else if !self.not_boolean {
            ColumnKind::Boolean
        } else if !self.not_integer {
            ColumnKind::Integer
        } else if !self.not_number {
            ColumnKind::Number
        } else if !self.not_datetime {
            ColumnKind::Datetime
        } else if !self.not_image {
            ColumnKind::Image
        } else if !self.too_many_values && self.values.len() as u64 * 2 <= self.present {
            ColumnKind::Category
        } else {
            ColumnKind::Text
        }
    }

    fn finish(self, name: String) -> Column {
        let kind = self.kind();
        let (shortest, sum, longest) = self.characters;
        let mean = sum as f64 / self.present.max(1) as f64;
        let lengths = Lengths { min: shortest, mean, max: longest };
        let (min, mean, max) = self.numbers;
        let numeric = matches!(kind, ColumnKind::Integer | ColumnKind::Number);
        let textual = matches!(kind, ColumnKind::Text | ColumnKind::Category | ColumnKind::Image);
        let mut values: Vec<ValueCount> =
            self.values.into_iter().map(|(value, count)| ValueCount { value, count }).collect();
        values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        Column {
            name,
            kind,
            missing: self.missing,
            first_missing_row: self.first_missing_row,
            distinct: self.distinct.len() as u64,
            distinct_exact: self.distinct.len() < COUNTED_DISTINCT,
            duplicates: self.repeats,
            characters: textual.then_some(lengths),
            range: numeric.then_some(NumberRange { min, mean, max }),
            images: (kind == ColumnKind::Image).then_some(self.images),
            values: (!self.too_many_values && kind != ColumnKind::Empty).then_some(values),
        }
    }
}

fn is_datetime(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
        || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
        || chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[&str]) -> Column {
        let mut profiler = Profiler::default();
        profiler.columns(&["c".to_owned()]);
        for value in values {
            let cell = if value.is_empty() { Cell::Null } else { Cell::Text((*value).to_owned()) };
            profiler.record(&[cell], value.as_bytes());
        }
        profiler.finish().columns.remove(0)
    }

    #[test]
    fn kinds_follow_the_values() {
        assert_eq!(column(&["1", "2", ""]).kind, ColumnKind::Integer);
        assert_eq!(column(&["1", "2.5"]).kind, ColumnKind::Number);
        assert_eq!(column(&["true", "false"]).kind, ColumnKind::Boolean);
        assert_eq!(column(&["2026-11-23", "2026-01-01"]).kind, ColumnKind::Datetime);
        assert_eq!(column(&["a", "b", "a", "b"]).kind, ColumnKind::Category);
        assert_eq!(column(&["one text", "another"]).kind, ColumnKind::Text);
        let image = column(&["iVBORw0KGgo=", "", "iVBORw0KGgo=", "iVBORw0KGgo="]);
        let sizes = ImageSizes { png: 3, damaged: 3, ..ImageSizes::default() };
        assert_eq!((image.kind, image.images), (ColumnKind::Image, Some(sizes)));
        let mixed = column(&["iVBORw0KGgo=", "a text"]);
        assert_eq!((mixed.kind, mixed.images), (ColumnKind::Text, None));
        assert_eq!(column(&["", ""]).kind, ColumnKind::Empty);
        assert_eq!(column(&["1e999", "1"]).kind, ColumnKind::Text);
    }

    #[test]
    fn counts_are_exact() {
        let column = column(&["b", "a", "b", "", "b"]);
        assert_eq!((column.missing, column.distinct, column.duplicates), (1, 2, 2));
        let values = column.values.unwrap();
        assert_eq!((values[0].value.as_str(), values[0].count), ("b", 3));
    }

    #[test]
    fn numbers_have_a_range_and_texts_have_lengths() {
        let numbers = column(&["3", "", "-1", "10"]);
        let range = numbers.range.unwrap();
        assert_eq!((range.min, range.mean, range.max), (-1.0, 4.0, 10.0));
        assert_eq!((numbers.characters, numbers.first_missing_row), (None, Some(2)));
        let texts = column(&["äöü", "a b c", "x"]);
        let lengths = texts.characters.unwrap();
        assert_eq!((lengths.min, lengths.mean, lengths.max), (1, 3.0, 5));
        assert_eq!(texts.range, None);
    }

    /// JSON has no infinity, and a profile that cannot be read back loses its dataset.
    #[test]
    fn the_range_of_huge_numbers_is_finite() {
        for values in [["1e308", "1.7e308", "1.7e308"], ["-1.7e308", "1.7e308", "-1.7e308"]] {
            let column = column(&values);
            let range = column.range.unwrap();
            assert!(range.min <= range.mean && range.mean <= range.max, "{range:?}");
            let stored = serde_json::to_string(&column).unwrap();
            assert_eq!(serde_json::from_str::<Column>(&stored).unwrap(), column);
        }
    }

    #[test]
    fn values_are_listed_up_to_a_number_and_a_length() {
        let names: Vec<String> = (0..=COUNTED_VALUES).map(|i| format!("v{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(column(&names[1..]).values.unwrap().len(), COUNTED_VALUES);
        let all = column(&names);
        assert_eq!((all.values, all.distinct), (None, COUNTED_VALUES as u64 + 1));
        let long = "x".repeat(COUNTED_VALUE_BYTES + 1);
        let column = column(&["a", &long, "a"]);
        assert_eq!((column.values, column.distinct, column.duplicates), (None, 2, 1));
    }

    #[test]
    fn lists_booleans_and_mixtures() {
        let kind = |cells: &[Cell]| {
            let mut profiler = Profiler::default();
            profiler.columns(&["c".to_owned()]);
            cells.iter().for_each(|cell| profiler.record(std::slice::from_ref(cell), b""));
            profiler.finish().columns.remove(0).kind
        };
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(kind(&[Cell::List(vec!["a".to_owned()]), Cell::Null]), ColumnKind::List);
        assert_eq!(kind(&[Cell::Bool(true), Cell::Bool(false)]), ColumnKind::Boolean);
        assert_eq!(kind(&[Cell::Integer(1), Cell::Number(1.5)]), ColumnKind::Number);
        assert_eq!(kind(&[Cell::Integer(1), text("x")]), ColumnKind::Text);
        assert_eq!(kind(&[text("NaN"), text("inf")]), ColumnKind::Text);
        assert_eq!(
            kind(&[text("2026-11-23T10:00:00Z"), text("2026-11-23 10:00:00")]),
            ColumnKind::Datetime
        );
    }

    #[test]
    fn repeated_records_are_counted_over_all_columns() {
        let mut profiler = Profiler::default();
        profiler.columns(&["a".to_owned(), "b".to_owned()]);
        for (a, b) in [("x", "1"), ("x", "2"), ("x", "1")] {
            let cells = [a, b].map(|v| Cell::Text(v.to_owned()));
            profiler.record(&cells, format!("{a},{b}").as_bytes());
        }
        let profile = profiler.finish();
        assert_eq!((profile.rows, profile.duplicate_rows), (3, 1));
        assert_eq!(profile.column("b").map(|(i, c)| (i, c.distinct)), Some((1, 2)));
        assert!(profile.column("c").is_none());
    }
}
