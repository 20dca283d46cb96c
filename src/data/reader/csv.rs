//! CSV as people send it: RFC 4180 quoting, a byte order mark, CRLF or LF, columns in any order,
//! and semicolons or tabs where a locale or a tool prefers them.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};

use super::limit::{LimitedReader, RecordBudget};
use super::{check_columns, text_cell};
use crate::data::{Cell, DataError, Limits, Sink};

const BUFFER: usize = 1 << 16;

pub fn read(file: &File, limits: &Limits, sink: &mut dyn Sink) -> Result<(), DataError> {
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
    let quotes = std::cell::Cell::new(0usize);
    let source = QuoteCounter { inner: Cursor::new(head).chain(inner), quotes: &quotes };
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
    let names = header(&record)?;
    check_columns(&names, limits)?;
    sink.columns(&names)?;

    let mut row = 0;
    let mut cells = Vec::with_capacity(names.len());
    let mut broken_line = false;
    while advance(&mut reader, &mut record, row + 1)? {
        row += 1;
        let line = record.position().map_or(0, ::csv::Position::line);
        if record.as_slice().len() > limits.record_bytes {
            return Err(too_long(row));
        }
        broken_line = record.as_slice().contains(&b'\n');
        if record.len() != names.len() {
            if broken_line && quotes.get() % 2 == 1 {
                return Err(DataError::UnclosedQuote { row });
            }
            let (expected, found) = (names.len(), record.len());
            return Err(DataError::Ragged { row, line, expected, found });
        }
        cells.clear();
        for (bytes, column) in record.iter().zip(&names) {
            cells.push(cell(bytes, row, column, limits)?);
        }
        sink.record(&cells)?;
    }
    // A quotation mark that never closes swallows the rest of the file into the last record.
    if broken_line && quotes.get() % 2 == 1 {
        return Err(DataError::UnclosedQuote { row });
    }
    if row == 0 { Err(DataError::NoRecords) } else { Ok(()) }
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
        let reason = if name.contains('\0') {
            Some(format!("the name of column {} holds a NUL character", index + 1))
        } else if name.trim().parse::<f64>().is_ok() {
            Some(format!("{name:?} is a number"))
        } else if name.len() > 500 {
            Some(format!("the name of column {} has {} bytes", index + 1, name.len()))
        } else {
            None
        };
        if let Some(reason) = reason {
            return Err(DataError::NoHeader { reason });
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

struct QuoteCounter<'a, R> {
    inner: R,
    quotes: &'a std::cell::Cell<usize>,
}

impl<R: Read> Read for QuoteCounter<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let found = buffer[..count].iter().filter(|&&byte| byte == b'"').count();
        self.quotes.set(self.quotes.get() + found);
        Ok(count)
    }
}
