//! Records to features: one encoder for each kind of input, fitted to the training split.

use rayon::prelude::*;

use super::FitError;
use super::spec::{TrainSpec, Warning};
use crate::data::Cell;
use crate::data::profile::ColumnKind;
use crate::eval::detector::RecordKind;
use crate::image::{self, ImageError, ImageSize};
use crate::learn::network::{InputShape, TextForm, View};
use crate::learn::rows::{
    DenseRows, Features, Group, GroupedRow, NO_ROW, Row, SparseRow, SparseRows,
};
use crate::random::fnv1a;
use crate::tabular::{
    self, EncodedRow, FeatureKind, InputKind, OutsideReason, TabularEncoder, Unreadable, Value,
};
use crate::task::Input;
use crate::text::vectorizer::{UNKNOWN, WordCharacters};
use crate::text::{self, Vectorizer};

/// A column that records go in by.
#[derive(Debug, Clone, PartialEq)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// A cell for each record.
    pub cells: Vec<Cell>,
}

/// A record as it is handed in.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A text.
    Text(String),
    /// A cell for each of the encoder's columns.
    Row(Vec<Cell>),
    /// An image file as base64.
    Image(String),
}

/// Turns records into features.
pub enum Encoder {
    /// Texts.
    Text(Vectorizer),
    /// Rows of a table.
    Table(TabularEncoder),
    /// Images, brought to one size.
    Image(ImageSize),
}

/// A record as features, and how much of it the encoder knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoded {
    /// Of a text.
    Text(text::Encoded),
    /// Of a row.
    Row(EncodedRow),
    /// Of an image: its pixels.
    Image(Vec<f32>),
}

/// Why a record cannot be encoded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Cells of a row are not what their columns hold.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Cells(Vec<Unreadable>),
    /// The image cannot be read.
    #[error("the image cannot be read: {0}")]
    Image(ImageError),
}

impl Encoded {
    /// The words of a text; none of other records.
    pub fn words(&self) -> &[u32] {
        match self {
            Self::Text(text) => &text.words,
            Self::Row(_) | Self::Image(_) => &[],
        }
    }

    /// Values of a row such as its column never held in training and its features do not show:
    /// missing where none was missing, or an unknown category. None of other records.
    pub fn unseen_values(&self) -> usize {
        let Self::Row(row) = self else { return 0 };
        let hidden =
            |reason| matches!(reason, OutsideReason::Missing | OutsideReason::UnknownCategory);
        row.coverage.outside.iter().filter(|value| hidden(value.reason)).count()
    }

    /// Whether distances are measured between what the network makes of records, and not between
    /// the records' own features.
    pub fn is_represented(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Image(_))
    }

    /// The text that this is, if it is one.
    pub fn text(&self) -> Option<&text::Encoded> {
        match self {
            Self::Text(text) => Some(text),
            Self::Row(_) | Self::Image(_) => None,
        }
    }
}

impl Encoder {
    /// What detectors take the records for.
    pub fn record_kind(&self) -> RecordKind {
        match self {
            Self::Text(_) => RecordKind::Text,
            Self::Table(_) => RecordKind::Row,
            Self::Image(_) => RecordKind::Image,
        }
    }

    /// Learns from the records at `training` alone. What users should know of columns is added to
    /// the warnings.
    pub fn fit(
        spec: &TrainSpec,
        records: &Records,
        training: &[usize],
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, FitError> {
        match records {
            Records::Texts(texts) => {
                let texts: Vec<&str> = training.iter().map(|&i| texts[i].as_str()).collect();
                Ok(Self::Text(Vectorizer::fit(&spec.vectorizer, &texts)))
            }
            Records::Rows(columns) => {
                let columns = columns.iter().map(|column| tabular::Column {
                    name: &column.name,
                    kind: input_kind(column.kind),
                    values: training.iter().map(|&i| value(&column.cells[i])).collect(),
                });
                let columns: Vec<tabular::Column<'_>> = columns.collect();
                let (encoder, findings) =
                    TabularEncoder::fit(&spec.tabular, &columns).map_err(|e| {
                        FitError::unreadable(training[e.row], RecordError::Cells(vec![e.error]))
                    })?;
                warnings.extend(findings.into_iter().map(|found| {
                    let message = format!("the column {:?}: {}", found.column, found.message);
                    Warning::new("column", message)
                }));
                if encoder.width() == 0 {
                    return Err(FitError::NoFeature);
                }
                Ok(Self::Table(encoder))
            }
            Records::Images(images) => {
                let header = |&i: &usize| {
                    let bytes = image::from_text(&images[i])?;
                    image::inspect(&bytes)
                };
                let headers: Result<Vec<_>, _> = training
                    .par_iter()
                    .map(|i| header(i).map_err(|e| FitError::unreadable(*i, RecordError::Image(e))))
                    .collect();
                Ok(Self::Image(spec.image.resolve(headers?)))
            }
        }
    }

    /// What a record is to a network that takes texts in a form.
    pub fn shape(&self, form: TextForm) -> InputShape {
        match self {
            Self::Text(vectorizer) => {
                let vocabulary = vectorizer.vocabulary();
                let vocabulary = match form {
                    TextForm::Bag(_) => vocabulary.len(),
                    TextForm::Words { .. } => vocabulary.words(),
                };
                InputShape::Bag { vocabulary }
            }
            Self::Table(encoder) => InputShape::Vector { width: encoder.width() },
            Self::Image(size) => InputShape::Image {
                channels: size.channels as usize,
                height: size.height as usize,
                width: size.width as usize,
            },
        }
    }

    /// Which features of a row are numbers, not flags.
    fn numbers(&self) -> Vec<usize> {
        let Self::Table(encoder) = self else { return Vec::new() };
        let kinds = encoder.features().into_iter().enumerate();
        let numbers = kinds.filter(|(_, (_, kind))| *kind == FeatureKind::Number);
        numbers.map(|(position, _)| position).collect()
    }

    /// What a network makes of a record that this encoded, and the network's outputs. Validation during
    /// training and scoring afterwards both come through here.
    pub fn evaluate(&self, network: View<'_>, record: &Encoded) -> (Vec<f32>, Vec<f32>) {
        match (self, record) {
            (Self::Text(vectorizer), Encoded::Text(text)) => match network.text_form() {
                TextForm::Bag(_) => {
                    let groups: Vec<Group<'_>> = vectorizer.groups(text).map(group).collect();
                    network.evaluate(Row::Grouped(GroupedRow {
                        ids: &text.ids,
                        weights: &text.weights,
                        scale: text.scale,
                        groups: &groups,
                        groups_scale: text.characters_scale,
                        size: text.ngrams,
                    }))
                }
                TextForm::Words { .. } => {
                    let row = SparseRow { ids: &text.words, weights: &[], size: text.ngrams };
                    network.evaluate(Row::Sparse(row))
                }
            },
            (_, Encoded::Text(_)) => {
                let nothing = vec![0.0; self.shape(network.text_form()).width()];
                network.evaluate(Row::Dense(&nothing))
            }
            (_, Encoded::Row(row)) => network.evaluate(Row::Dense(&row.features)),
            (_, Encoded::Image(pixels)) => network.evaluate(Row::Dense(pixels)),
        }
    }

    /// Encodes a record. One of another kind than the encoder's is an empty one to it.
    pub fn encode(&self, record: &Record) -> Result<Encoded, RecordError> {
        match (self, record) {
            (Self::Text(vectorizer), Record::Text(text)) => {
                Ok(Encoded::Text(vectorizer.encode(text)))
            }
            (Self::Text(vectorizer), _) => Ok(Encoded::Text(vectorizer.encode(""))),
            (Self::Table(encoder), Record::Row(cells)) => {
                let row: Vec<Value<'_>> = cells.iter().map(value).collect();
                encoder.encode(&row).map(Encoded::Row).map_err(RecordError::Cells)
            }
            (Self::Table(encoder), _) => {
                let missing = vec![Value::Missing; encoder.columns().len()];
                encoder.encode(&missing).map(Encoded::Row).map_err(RecordError::Cells)
            }
            (Self::Image(size), Record::Image(text)) => {
                let pixels = image::from_text(text).and_then(|bytes| image::decode(&bytes, size));
                pixels.map(Encoded::Image).map_err(RecordError::Image)
            }
            (Self::Image(size), _) => Ok(Encoded::Image(vec![0.0; size.values()])),
        }
    }

    /// Encodes the records at `positions`.
    pub fn encode_all(
        &self,
        records: &Records,
        positions: &[usize],
    ) -> Result<Vec<Encoded>, FitError> {
        let encode = |&i: &usize| match (self, records) {
            (Self::Text(vectorizer), Records::Texts(texts)) => {
                Ok(Encoded::Text(vectorizer.encode(&texts[i])))
            }
            _ => self.encode(&records.get(i)).map_err(|error| FitError::unreadable(i, error)),
        };
        positions.par_iter().map(encode).collect()
    }
}

/// The records of a training.
pub enum Records {
    /// Texts.
    Texts(Vec<String>),
    /// Rows of a table, column by column.
    Rows(Vec<InputColumn>),
    /// Image files as base64.
    Images(Vec<String>),
}

impl Records {
    /// From the columns that a task names.
    pub fn new(input: Input<'_>, mut columns: Vec<InputColumn>) -> Self {
        match (input, columns.pop()) {
            (Input::Text(_), Some(InputColumn { cells, .. })) => {
                Self::Texts(cells.into_iter().map(text_of).collect())
            }
            (Input::Image(_), Some(InputColumn { cells, .. })) => {
                Self::Images(cells.into_iter().map(text_of).collect())
            }
            (_, last) => {
                columns.extend(last);
                Self::Rows(columns)
            }
        }
    }

    /// The record at `index`.
    pub fn get(&self, index: usize) -> Record {
        match self {
            Self::Texts(texts) => Record::Text(texts[index].clone()),
            Self::Images(images) => Record::Image(images[index].clone()),
            Self::Rows(columns) => {
                Record::Row(columns.iter().map(|column| column.cells[index].clone()).collect())
            }
        }
    }

    /// A number for each record, the same for equal ones.
    pub fn groups(&self) -> Vec<u64> {
        match self {
            Self::Texts(texts) | Self::Images(texts) => {
                texts.iter().map(|text| fnv1a(text.as_bytes())).collect()
            }
            Self::Rows(columns) => {
                let records = columns.first().map_or(0, |column| column.cells.len());
                let group = |i: usize| {
                    let mut bytes = Vec::new();
                    for column in columns {
                        bytes.extend(column.cells[i].to_text().unwrap_or_default().into_bytes());
                        bytes.push(0xff);
                    }
                    fnv1a(&bytes)
                };
                (0..records).map(group).collect()
            }
        }
    }

    /// What a group of equal records is called.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Texts(_) => "text",
            Self::Rows(_) => "row",
            Self::Images(_) => "image",
        }
    }
}

/// A word's character n-grams as a network takes them.
fn group(characters: WordCharacters<'_>) -> Group<'_> {
    let WordCharacters { word, ids, weights } = characters;
    Group { key: if word == UNKNOWN { NO_ROW } else { word }, ids, weights }
}

/// Texts that are made rows of at a time.
const AT_A_TIME: usize = 8_192;

/// Records in one piece, as a network learns from them.
pub fn features(
    encoder: &Encoder,
    shape: InputShape,
    form: TextForm,
    encoded: &[Encoded],
) -> Features {
    if let Encoder::Text(vectorizer) = encoder {
        let mut rows = SparseRows::default();
        for encoded in encoded.chunks(AT_A_TIME) {
            let texts = encoded.par_iter().filter_map(Encoded::text);
            let read: Vec<TextRow> =
                texts.map(|text| TextRow::of(vectorizer, text, form)).collect();
            read.iter().for_each(|row| row.push_to(&mut rows));
        }
        return Features::Sparse(rows);
    }
    let mut dense = DenseRows::new(shape.width()).with_numbers(encoder.numbers());
    for record in encoded {
        match record {
            Encoded::Row(row) => dense.push(&row.features),
            Encoded::Image(pixels) => dense.push(pixels),
            Encoded::Text(_) => {}
        }
    }
    Features::Dense(dense)
}

/// A text as a network learns from it.
pub(super) struct TextRow {
    ids: Vec<u32>,
    weights: Vec<f32>,
    size: u32,
}

impl TextRow {
    /// Of a text that the vectorizer encoded. Words in their order weigh 1 each.
    pub fn of(vectorizer: &Vectorizer, text: &text::Encoded, form: TextForm) -> Self {
        let (ids, weights) = match form {
            TextForm::Bag(_) => vectorizer.flatten(text),
            TextForm::Words { .. } => (text.words.clone(), vec![1.0; text.words.len()]),
        };
        Self { ids, weights, size: text.ngrams }
    }

    /// Adds it to others.
    pub fn push_to(&self, rows: &mut SparseRows) {
        rows.push(&self.ids, &self.weights, self.size);
    }
}

/// A cell as text; nothing where it is missing.
pub fn text_of(cell: Cell) -> String {
    match cell {
        Cell::Text(text) => text,
        other => other.to_text().unwrap_or_default(),
    }
}

/// A cell as the encoder of tables takes it.
pub(super) fn value(cell: &Cell) -> Value<'_> {
    match cell {
        Cell::Null | Cell::List(_) => Value::Missing,
        Cell::Bool(true) => Value::Text("true"),
        Cell::Bool(false) => Value::Text("false"),
        Cell::Integer(value) => Value::Number(*value as f64),
        Cell::Number(value) => Value::Number(*value),
        Cell::Text(text) => Value::Text(text),
    }
}

/// What a column of a table is read as.
pub fn input_kind(kind: ColumnKind) -> InputKind {
    match kind {
        ColumnKind::Integer | ColumnKind::Number => InputKind::Numeric,
        ColumnKind::Datetime => InputKind::Date,
        ColumnKind::Boolean
        | ColumnKind::Category
        | ColumnKind::Image
        | ColumnKind::Text
        | ColumnKind::List
        | ColumnKind::Empty => InputKind::Categorical,
    }
}
