//! CSV as people send it: RFC 4180 quoting, a byte order mark, CRLF or LF, columns in any order,
//! and semicolons or tabs where a locale or a tool prefers them.

use std::io::{BufRead, BufReader, Cursor, Read, Seek};

use super::limit::{LimitedReader, RecordBudget};
use super::{check_columns, text_cell};
use crate::data::{Cell, DataError, Limits, Sink};

const BUFFER: usize = 1 << 16;

/// Reads `file`, of which every copy shares the place, as with `&File`.
pub fn read(
    file: impl Read + Seek + Copy,
    limits: &Limits,
    sink: &mut dyn Sink,
) -> Result<(), DataError> {
    let mut buffered = BufReader::with_capacity(BUFFER, file);
    let start = buffered.fill_buf()?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(DataError::Utf16);
    }
    let mark = if start.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    let delimiter = delimiter(&start[mark..]);
    buffered.consume(mark);
    let head = buffered.buffer().to_vec();
    let inner = buffered.into_inner();

    let budget = RecordBudget::new(limits.record_bytes);
    let quotes = Quotes::default();
    let source = Tracker { inner: Cursor::new(head).chain(inner), delimiter, quotes: &quotes };
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(BUFFER)
        .from_reader(LimitedReader::new(source, budget.clone()));

    let mut record = ::csv::ByteRecord::new();
    let too_long = |row| DataError::RecordTooLong { row, limit: limits.record_bytes };
    let advance = |reader: &mut ::csv::Reader<_>, record: &mut ::csv::ByteRecord, row| {
        budget.reset();
        reader.read_byte_record(record).map_err(|error| match error.into_kind() {
            ::csv::ErrorKind::Io(_) if budget.is_spent() => too_long(row),
            ::csv::ErrorKind::Io(io) => DataError::Io(io),
            other => DataError::Io(std::io::Error::other(format!("{other:?}"))),
        })
    };

    if !advance(&mut reader, &mut record, 0)? {
        return Err(DataError::Empty);
    }
    if quotes.are_open_at_the_end() {
        let reason = "a quotation mark in it is never closed".to_owned();
        return Err(DataError::NoHeader { reason });
    }
    // Before any name is copied: a line can hold millions of separators.
    if record.len() > limits.columns {
        let (found, limit) = (record.len(), limits.columns);
        return Err(DataError::TooManyColumns { found, limit });
    }
    let names = header(&record)?;
    check_columns(&names, limits)?;
    sink.columns(&names)?;

    let mut row = 0;
    let mut cells = Vec::with_capacity(names.len());
    while advance(&mut reader, &mut record, row + 1)? {
        row += 1;
        if record.as_slice().len() > limits.record_bytes {
            return Err(too_long(row));
        }
        // A quotation mark that never closes swallows the rest of the file into the last record.
        if quotes.are_open_at_the_end() {
            return Err(DataError::UnclosedQuote { row });
        }
        if record.len() != names.len() {
            let (expected, found) = (names.len(), record.len());
            let start = record.position().map_or(0, ::csv::Position::byte);
            let line = line_of(file, mark as u64 + start)?;
            return Err(DataError::Ragged { row, line, expected, found });
        }
        cells.clear();
        for (bytes, column) in record.iter().zip(&names) {
            cells.push(cell(bytes, row, column, limits)?);
        }
        sink.record(&cells)?;
    }
    if row == 0 { Err(DataError::NoRecords) } else { Ok(()) }
}

/// The line, from 1, of the record after the byte at `offset`, where the one before it ended. The
/// `csv` crate's own count leaves out the second half of a CRLF, and blank lines.
fn line_of(mut file: impl Read + Seek, offset: u64) -> std::io::Result<u64> {
    file.rewind()?;
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let (mut line, mut position) = (1, 0);
    loop {
        let bytes = reader.fill_buf()?;
        let before = bytes.len().min((offset - position) as usize);
        let blank = bytes[before..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = before + blank;
        line += bytes[..passed].iter().filter(|&&byte| byte == b'\n').count() as u64;
        if passed == 0 || passed < bytes.len() {
            return Ok(line);
        }
        position = offset.min(position + passed as u64);
        reader.consume(passed);
    }
}

fn cell(bytes: &[u8], row: u64, column: &str, limits: &Limits) -> Result<Cell, DataError> {
    let text = std::str::from_utf8(bytes).map_err(|error| DataError::NotUtf8 {
        row,
        column: column.to_owned(),
        byte: error.valid_up_to() + 1,
    })?;
    if text.trim().is_empty() { Ok(Cell::Null) } else { text_cell(text, row, column, limits) }
}

fn header(record: &::csv::ByteRecord) -> Result<Vec<String>, DataError> {
    let mut names = Vec::with_capacity(record.len());
    for (index, bytes) in record.iter().enumerate() {
        let Ok(name) = std::str::from_utf8(bytes) else {
            let column = format!("(header {})", index + 1);
            return Err(DataError::NotUtf8 { row: 0, column, byte: 1 });
        };
        if name.trim().parse::<f64>().is_ok() {
            return Err(DataError::NoHeader { reason: format!("{name:?} is a number") });
        }
        names.push(name.trim().to_owned());
    }
    Ok(names)
}

/// The separator of the first line: a comma unless it has none and another is there.
fn delimiter(start: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0usize), (b';', 0), (b'\t', 0)];
    for &byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if !quoted => {
                for (separator, count) in &mut counts {
                    *count += usize::from(byte == *separator);
                }
            }
            _ => {}
        }
    }
    match counts {
        [(_, 1..), ..] => b',',
        [_, (_, semicolons), (_, tabs)] if semicolons.max(tabs) > 0 => {
            if semicolons >= tabs {
                b';'
            } else {
                b'\t'
            }
        }
        _ => b',',
    }
}

/// Where in a cell the bytes read so far end.
#[derive(Clone, Copy, Default, PartialEq)]
enum Place {
    #[default]
    Start,
    Unquoted,
    Quoted,
    /// After a quotation mark that either closes the cell or is the first of two.
    Closing,
}

#[derive(Default)]
struct Quotes {
    place: std::cell::Cell<Place>,
    ended: std::cell::Cell<bool>,
}

impl Quotes {
    fn are_open_at_the_end(&self) -> bool {
        self.ended.get() && self.place.get() == Place::Quoted
    }
}

/// Follows the quotation marks, by the rules of the `csv` crate, which takes an open one as closed.
struct Tracker<'a, R> {
    inner: R,
    delimiter: u8,
    quotes: &'a Quotes,
}

impl<R: Read> Read for Tracker<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let bytes = &buffer[..count];
        self.quotes.ended.set(count == 0 && !buffer.is_empty());
        let step = |place: Place, &byte: &u8| match (place, byte) {
            (Place::Quoted, b'"') => Place::Closing,
            (Place::Quoted, _) | (Place::Start | Place::Closing, b'"') => Place::Quoted,
            (_, byte) if byte == self.delimiter || matches!(byte, b'\n' | b'\r') => Place::Start,
            _ => Place::Unquoted,
        };
        // Without a quotation mark the last byte decides.
        let from = if bytes.contains(&b'"') { 0 } else { count.saturating_sub(1) };
        self.quotes.place.set(bytes[from..].iter().fold(self.quotes.place.get(), step));
        Ok(count)
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
