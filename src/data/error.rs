//! What can be wrong with a file of records, with the place.

use crate::problem::{Code, FieldError, Problem};

/// Why a file could not be read as a table. Rows count from 1 and leave the header out.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("the file is empty")]
    Empty,
    #[error("the file holds no record")]
    NoRecords,
    #[error("the first line does not name the columns: {reason}")]
    NoHeader { reason: String },
    #[error("a column cannot be named so: {reason}")]
    BadName { reason: String },
    #[error("no record has a column")]
    NoColumn,
    #[error("the object has no `records`")]
    NoRecordList,
    #[error("two columns are named {name:?}")]
    DuplicateColumn { name: String },
    #[error("the file has {found} columns; at most {limit} are read")]
    TooManyColumns { found: usize, limit: usize },
    #[error("row {row} (line {line}) has {found} cells where the header has {expected}")]
    Ragged { row: u64, line: u64, expected: usize, found: usize },
    #[error("row {row}, column {column:?} is not valid UTF-8 (byte {byte} of the cell)")]
    NotUtf8 { row: u64, column: String, byte: usize },
    #[error("row {row} is not valid UTF-8 (byte {byte} of the line)")]
    LineNotUtf8 { row: u64, byte: usize },
    #[error("the file is UTF-16, not UTF-8")]
    Utf16,
    #[error("row {row}, column {column:?} holds a NUL character")]
    Nul { row: u64, column: String },
    #[error("row {row}, column {column:?} holds {found} bytes; a cell may hold {limit}")]
    CellTooLong { row: u64, column: String, found: usize, limit: usize },
    #[error("row {row} is longer than {limit} bytes")]
    RecordTooLong { row: u64, limit: usize },
    #[error("a quotation mark opened in row {row} is never closed")]
    UnclosedQuote { row: u64 },
    #[error("row {row} is not valid JSON: {message}")]
    Json { row: u64, message: String },
    #[error("row {row} is {found}, not an object of column names and values")]
    NotAnObject { row: u64, found: &'static str },
    #[error(
        "row {row}, column {column:?} holds {found}; a cell is a text, number, boolean, null or a list of these"
    )]
    Nested { row: u64, column: String, found: &'static str },
    #[error("row {row}, column {column:?} holds an infinite number")]
    NotFinite { row: u64, column: String },
    #[error("the file is not readable Parquet: {message}")]
    Parquet { message: String },
    #[error("the zip archive cannot be read: {message}")]
    Zip { message: String },
    #[error(
        "the zip archive holds {found} CSV tables; it needs exactly one, which names the images"
    )]
    ZipTable { found: usize },
    #[error("no column of the table in the zip archive names the images in it")]
    NoFileColumn,
    #[error("row {row}, column {column:?} names {file:?}, which is not in the zip archive")]
    NoSuchFile { row: u64, column: String, file: String },
    #[error("row {row}, column {column:?} names {file:?}, as row {first} does")]
    FileTwice { row: u64, column: String, file: String, first: u64 },
    #[error("row {row}, column {column:?} names {file:?}, which is neither PNG nor JPEG")]
    NotAnImage { row: u64, column: String, file: String },
    #[error(
        "row {row}, column {column:?} holds an image of {found} bytes or more; one may have {limit}"
    )]
    ImageTooLong { row: u64, column: String, found: u64, limit: usize },
    #[error("the file expands to {bytes} bytes; at most {limit} are read")]
    Expands { bytes: u64, limit: u64 },
    #[error("a stored record file is damaged at row {row}")]
    Damaged { row: u64 },
    #[error("reading or writing failed: {0}")]
    Io(#[from] std::io::Error),
}

impl DataError {
    fn place(&self) -> (Option<u64>, Option<&str>) {
        match self {
            Self::Ragged { row, .. }
            | Self::RecordTooLong { row, .. }
            | Self::UnclosedQuote { row }
            | Self::Json { row, .. }
            | Self::LineNotUtf8 { row, .. }
            | Self::Damaged { row }
            | Self::NotAnObject { row, .. } => (Some(*row), None),
            Self::NotUtf8 { row, column, .. }
            | Self::Nul { row, column }
            | Self::CellTooLong { row, column, .. }
            | Self::NoSuchFile { row, column, .. }
            | Self::FileTwice { row, column, .. }
            | Self::NotAnImage { row, column, .. }
            | Self::ImageTooLong { row, column, .. }
            | Self::Nested { row, column, .. }
            | Self::NotFinite { row, column } => (Some(*row), Some(column)),
            Self::DuplicateColumn { name } => (None, Some(name)),
            _ => (None, None),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::NoRecords => {
                "send at least one record, in CSV after a line that names the columns"
            }
            Self::NoHeader { .. } => "put one line with the names of the columns first",
            Self::BadName { .. } => "give every column a name of 1 to 500 bytes",
            Self::NoColumn => "give the records at least one key and value",
            Self::NoRecordList => {
                "send an array of records, or an object that holds it as `records`"
            }
            Self::DuplicateColumn { .. } => "give every column a name of its own",
            Self::TooManyColumns { .. } => "drop columns that no task needs",
            Self::Ragged { .. } => {
                "give every row a cell for every column; quote cells that hold the separator or a line break, and close every quotation mark"
            }
            Self::NotUtf8 { .. } | Self::LineNotUtf8 { .. } | Self::Utf16 => {
                "save the file as UTF-8 and send it again"
            }
            Self::Nul { .. } => "remove the NUL characters; text does not hold them",
            Self::CellTooLong { .. } => "cut the text into several records",
            Self::RecordTooLong { .. } => {
                "check for a missing line break or an unclosed quotation mark, or split the record"
            }
            Self::UnclosedQuote { .. } => {
                "close the quotation mark; write a quotation mark inside a quoted cell twice"
            }
            Self::Json { .. } | Self::NotAnObject { .. } => {
                "write each record as one JSON object: one per line (JSON Lines) or in one array (JSON)"
            }
            Self::Nested { .. } => "flatten the record: one column for each value",
            Self::NotFinite { .. } => "replace infinite numbers by finite ones or by null",
            Self::Parquet { .. } => {
                "write the file again, uncompressed or with Snappy, gzip, LZ4 or Zstandard"
            }
            Self::Zip { .. } => {
                "write the archive again, without a password, stored or with deflate, and send it whole"
            }
            Self::ZipTable { .. } => {
                "put one CSV into the archive: a line for each image with its file name and its labels"
            }
            Self::NoFileColumn => {
                "give the table a column `file` with each image's path in the archive"
            }
            Self::NoSuchFile { .. } => {
                "write the path as it is in the archive, from its root or from the table's folder"
            }
            Self::FileTwice { .. } => "give each image one row; put several labels into one cell",
            Self::NotAnImage { .. } => "save the image as PNG or JPEG",
            Self::ImageTooLong { .. } => {
                "make the image smaller; networks see a few hundred pixels"
            }
            Self::Expands { .. } => "split the file into several datasets",
            Self::Damaged { .. } | Self::Io(_) => "see the server's log",
        }
    }
}

impl From<DataError> for Problem {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Io(io) if is_storage_full(&io) => {
                Problem::new(Code::StorageFull, "no space is left to store the dataset")
                    .hint("free disk space, then send the dataset again; nothing of it was kept")
            }
            DataError::Io(io) => {
                tracing::error!(error = %io, "reading or writing records failed");
                Problem::new(Code::Internal, "reading or writing the records failed")
            }
            DataError::Damaged { .. } => Problem::new(Code::ArtifactMissing, error.to_string()),
            other => {
                let (row, column) = other.place();
                let field = column.map_or_else(|| "file".to_owned(), |c| format!("file.{c}"));
                let field = FieldError::new(field, other.to_string()).hint(other.hint());
                let field = field.at(row, column);
                Problem {
                    detail: other.to_string(),
                    ..Problem::fields(Code::InvalidDataset, vec![field])
                }
            }
        }
    }
}

/// Whether an IO error says that the disk, a quota or a file size limit is full.
pub fn is_storage_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}
