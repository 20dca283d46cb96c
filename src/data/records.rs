//! How records are stored: one JSON array of cells per line, in the order of the columns, after a
//! first line with the column names. Plain, portable, and readable from any line on.
//!
//! The dataset's identity is the SHA-256 of exactly these bytes.

use std::io::{BufRead, Seek, SeekFrom, Write};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::profile::{Profile, Profiler};
use super::{Cell, DataError, Sink};

/// A line's offset is noted every this many records, so that paging need not read from the start.
pub const INDEX_STRIDE: u64 = 1_000;

/// Writes records, hashes them and draws their profile, all in one pass.
pub struct RecordWriter<W> {
    out: W,
    hash: Sha256,
    offset: u64,
    rows: u64,
    index: Vec<u64>,
    profiler: Profiler,
    line: Vec<u8>,
    name: Option<String>,
}

/// What is known of a table once it is written.
#[derive(Debug)]
pub struct Written {
    /// SHA-256 of the stored bytes, as 64 hexadecimal digits.
    pub sha256: String,
    /// Stored bytes.
    pub bytes: u64,
    /// Offset of record 0, [`INDEX_STRIDE`], 2 × [`INDEX_STRIDE`], …
    pub index: Vec<u64>,
    /// What the columns are like.
    pub profile: Profile,
    /// The name that the file gave its table.
    pub name: Option<String>,
}

impl<W: Write> RecordWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            hash: Sha256::new(),
            offset: 0,
            rows: 0,
            index: Vec::new(),
            profiler: Profiler::default(),
            line: Vec::new(),
            name: None,
        }
    }

    /// Flushes and returns what was learnt on the way.
    pub fn finish(mut self) -> Result<Written, DataError> {
        self.out.flush()?;
        Ok(Written {
            sha256: self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: self.offset,
            index: self.index,
            profile: self.profiler.finish(),
            name: self.name,
        })
    }

    fn write_line(&mut self) -> Result<(), DataError> {
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.out.write_all(&self.line)?;
        self.offset += self.line.len() as u64;
        self.line.clear();
        Ok(())
    }

    fn push_json(&mut self, value: &impl serde::Serialize) -> Result<(), DataError> {
        serde_json::to_writer(&mut self.line, value).map_err(|e| DataError::Io(e.into()))
    }
}

impl<W: Write> Sink for RecordWriter<W> {
    fn name(&mut self, name: &str) {
        self.name = Some(name.to_owned());
    }

    fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
        self.profiler.columns(names);
        self.push_json(&names)?;
        self.write_line()
    }

    fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
        if self.rows.is_multiple_of(INDEX_STRIDE) {
            self.index.push(self.offset);
        }
        self.rows += 1;
        self.line.push(b'[');
        for (position, cell) in cells.iter().enumerate() {
            if position > 0 {
                self.line.push(b',');
            }
            match cell {
                Cell::Null => self.push_json(&())?,
                Cell::Bool(value) => self.push_json(value)?,
                Cell::Integer(value) => self.push_json(value)?,
                Cell::Number(value) => self.push_json(value)?,
                Cell::Text(value) => self.push_json(value)?,
                Cell::List(values) => self.push_json(values)?,
            }
        }
        self.line.push(b']');
        self.profiler.record(cells, &self.line);
        self.write_line()
    }
}

/// Reads the records from `first` on, at most `limit`, with every column, as `(row, cells)`; rows
/// count from 0. `index` is the one that was written with the records.
pub fn read_page<R: BufRead + Seek>(
    mut input: R,
    index: &[u64],
    first: u64,
    limit: usize,
) -> Result<Vec<Vec<Cell>>, DataError> {
    let Some(&offset) = usize::try_from(first / INDEX_STRIDE).ok().and_then(|i| index.get(i))
    else {
        return Ok(Vec::new());
    };
    input.seek(SeekFrom::Start(offset))?;
    let skip = first % INDEX_STRIDE;
    let mut rows = Vec::with_capacity(limit.min(10_000));
    let mut line = String::new();
    let mut row = first - skip;
    while rows.len() < limit {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            break;
        }
        if row >= first {
            rows.push(parse(&line, row + 1)?);
        }
        row += 1;
    }
    Ok(rows)
}

/// Reads single records with every column, in the order of `rows`: from 0, ascending, none twice.
/// `index` is the one that was written with the records.
pub fn read_rows<R: BufRead + Seek>(
    mut input: R,
    index: &[u64],
    rows: &[u64],
) -> Result<Vec<Vec<Cell>>, DataError> {
    let mut found = Vec::with_capacity(rows.len());
    let mut line = String::new();
    // The record that is read next, once there is a place in the file.
    let mut next = None;
    for &row in rows {
        let damaged = || DataError::Damaged { row: row + 1 };
        let start = row - row % INDEX_STRIDE;
        let mut at = match next {
            Some(next) if next >= start => next,
            _ => {
                let offset = usize::try_from(row / INDEX_STRIDE).ok().and_then(|i| index.get(i));
                input.seek(SeekFrom::Start(*offset.ok_or_else(damaged)?))?;
                start
            }
        };
        while at < row {
            input.skip_until(b'\n')?;
            at += 1;
        }
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Err(damaged());
        }
        found.push(parse(&line, row + 1)?);
        next = Some(row + 1);
    }
    Ok(found)
}

/// Reads whole columns, in the order of `wanted` (positions in the header).
pub fn read_columns<R: BufRead>(
    mut input: R,
    wanted: &[usize],
) -> Result<Vec<Vec<Cell>>, DataError> {
    let mut columns: Vec<Vec<Cell>> = wanted.iter().map(|_| Vec::new()).collect();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let mut row = 0;
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(columns);
        }
        row += 1;
        let mut cells = parse(&line, row)?;
        for (column, &position) in columns.iter_mut().zip(wanted) {
            let cell = cells.get_mut(position).ok_or(DataError::Damaged { row })?;
            // Several wanted columns may be the same one, so the cell is cloned, not taken.
            column.push(cell.clone());
        }
    }
}

fn parse(line: &str, row: u64) -> Result<Vec<Cell>, DataError> {
    let damaged = || DataError::Damaged { row };
    let values: Vec<Value> = serde_json::from_str(line).map_err(|_| damaged())?;
    values
        .into_iter()
        .map(|value| match value {
            Value::Null => Ok(Cell::Null),
            Value::Bool(value) => Ok(Cell::Bool(value)),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Ok(Cell::Integer(integer)),
                (None, Some(float)) => Ok(Cell::Number(float)),
                (None, None) => Err(damaged()),
            },
            Value::String(text) => Ok(Cell::Text(text)),
            Value::Array(values) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text),
                    _ => Err(damaged()),
                })
                .collect::<Result<_, _>>()
                .map(Cell::List),
            Value::Object(_) => Err(damaged()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn single_records_are_those_of_the_pages() {
        let mut bytes = Vec::new();
        let mut writer = RecordWriter::new(&mut bytes);
        writer.columns(&["n".to_owned(), "text".to_owned()]).unwrap();
        for n in 0..3_500 {
            writer.record(&[Cell::Integer(n), Cell::Text("x".repeat(n as usize % 7))]).unwrap();
        }
        let index = writer.finish().unwrap().index;
        for rows in [vec![], vec![0], vec![3_499], vec![0, 1, 5, 998, 999, 1_000, 2_999, 3_001]] {
            let found = read_rows(Cursor::new(&bytes), &index, &rows).unwrap();
            let page =
                |row: &u64| read_page(Cursor::new(&bytes), &index, *row, 1).unwrap().swap_remove(0);
            assert_eq!(found, rows.iter().map(page).collect::<Vec<_>>());
        }
        for beyond in [3_500, 9_000] {
            assert!(read_rows(Cursor::new(&bytes), &index, &[2, beyond]).is_err());
        }
    }
}
