//! Images in a zip archive, with a CSV table that names each and says what is known of it.
//!
//! Nothing is unpacked to disk: the names in the archive are keys, never paths.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};

use ::zip::ZipArchive;
use ::zip::result::ZipError;

use super::{csv, image};
use crate::data::{Cell, DataError, Limits, Sink};

/// Files that an archive may hold; their directory is held in memory.
const MAX_FILES: u64 = 500_000;
/// Bytes of the table; it is held in memory.
const MAX_TABLE_BYTES: u64 = 256 << 20;
/// The column of the images in the dataset.
const IMAGE: &str = "image";
/// Columns that are taken to name the files, the first that there is.
const FILE_COLUMNS: [&str; 8] =
    [IMAGE, "file", "filename", "file_name", "image_file", "image_path", "path", "filepath"];

type Archive<'a> = ZipArchive<BufReader<&'a File>>;

pub fn read(file: &File, limits: &Limits, sink: &mut dyn Sink) -> Result<(), DataError> {
    check_count(file)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(bad)?;
    if archive.has_duplicate_names() {
        return Err(broken("two files in it have the same name"));
    }
    let mut files = HashMap::new();
    let mut tables = Vec::new();
    for place in 0..archive.len() {
        let Some(name) = archive.name_for_index(place) else { continue };
        let name = name.map_err(bad)?.replace('\\', "/");
        let last = name.rsplit('/').next().unwrap_or("");
        // Folders, and what systems leave in archives.
        if last.is_empty() || last.starts_with('.') || name.starts_with("__MACOSX/") {
            continue;
        }
        if escapes(&name) {
            return Err(broken(&format!("the name {name:?} in it leads out of the archive")));
        }
        let lower = last.to_ascii_lowercase();
        if lower.ends_with(".csv") || lower.ends_with(".tsv") {
            tables.push((name.clone(), place));
        }
        if files.insert(name.clone(), place).is_some() {
            return Err(broken(&format!("two files in it are named {name:?}")));
        }
    }
    let [(table, place)] = tables.as_slice() else {
        return Err(DataError::ZipTable { found: tables.len() });
    };
    let mut expanded = 0;
    let table_limit = limits.expanded_bytes.min(MAX_TABLE_BYTES);
    let Some(bytes) = extract(&mut archive, *place, table_limit, &mut expanded)? else {
        return Err(DataError::Expands { bytes: table_limit + 1, limit: table_limit });
    };
    let folder = table.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let shared = RefCell::new(Cursor::new(bytes));
    let mut images = Images {
        archive,
        names: Names::new(files, folder),
        limits,
        sink,
        expanded,
        plan: Plan::default(),
    };
    csv::read(Shared(&shared), limits, &mut images)
}

/// Looks at the end of the archive for how many files it says to hold, before its directory is read.
fn check_count(mut file: &File) -> Result<(), DataError> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(65_536 + 22 + 20 + 56);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(length - start).read_to_end(&mut tail)?;
    file.rewind()?;
    let find = |signature: &[u8]| tail.windows(4).rposition(|bytes| bytes == signature);
    let number = |at: usize, length: usize| {
        let bytes = tail.get(at..at + length).unwrap_or(&[]);
        bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let end = find(b"PK\x05\x06").ok_or_else(|| broken("it has no directory; was it cut off?"))?;
    // A zip64 archive says the true number in a record of its own.
    let large = find(b"PK\x06\x06").map_or(0, |record| number(record + 32, 8));
    let count = number(end + 10, 2).max(large);
    if count > MAX_FILES {
        return Err(broken(&format!("it holds {count} files; at most {MAX_FILES} are read")));
    }
    Ok(())
}

/// The bytes of a file in the archive; `None` if there are more than `limit`, whatever it declares.
fn extract(
    archive: &mut Archive<'_>,
    place: usize,
    limit: u64,
    expanded: &mut u64,
) -> Result<Option<Vec<u8>>, DataError> {
    let entry = archive.by_index(place).map_err(bad)?;
    let name = entry.name().map_err(bad)?.into_owned();
    if entry.size() > limit {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let unpacked = entry.take(limit + 1).read_to_end(&mut bytes);
    unpacked.map_err(|error| broken(&format!("the file {name:?} is damaged: {error}")))?;
    *expanded += bytes.len() as u64;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Finds the file that a cell means.
struct Names {
    places: HashMap<String, usize>,
    /// The only place of a name without its folders; `None` where several files have it.
    bases: HashMap<String, Option<usize>>,
    /// The table's folder.
    folder: String,
}

impl Names {
    fn new(places: HashMap<String, usize>, folder: String) -> Self {
        let mut bases = HashMap::new();
        for (name, place) in &places {
            let base = name.rsplit('/').next().unwrap_or(name).to_owned();
            bases.entry(base).and_modify(|only| *only = None).or_insert(Some(*place));
        }
        Self { places, bases, folder }
    }

    /// By the path from the table's folder, then from the archive's root, then by a name that only
    /// one file has.
    fn find(&self, text: &str) -> Option<usize> {
        let name = text.trim().replace('\\', "/");
        let name = name.strip_prefix("./").unwrap_or(&name);
        if escapes(name) {
            return None;
        }
        let beside = format!("{}/{name}", self.folder);
        let exact =
            self.places.get(beside.trim_start_matches('/')).or_else(|| self.places.get(name));
        let base = || self.bases.get(name).copied().flatten();
        exact.copied().or_else(base)
    }
}

fn escapes(name: &str) -> bool {
    name.starts_with('/') || name.split('/').any(|part| part == "..")
}

/// Puts the images in the place of the names, on the way to another sink.
struct Images<'a> {
    archive: Archive<'a>,
    names: Names,
    limits: &'a Limits,
    sink: &'a mut dyn Sink,
    expanded: u64,
    plan: Plan,
}

/// What is known of the table so far.
#[derive(Default)]
struct Plan {
    columns: Vec<String>,
    /// The column that names the files.
    files: Option<usize>,
    /// The row that used each file.
    used: HashMap<usize, u64>,
    row: u64,
}

impl Images<'_> {
    /// Decides on the column that names the files, and passes the columns on.
    fn begin(&mut self, cells: &[Cell]) -> Result<usize, DataError> {
        let columns = &self.plan.columns;
        let named = FILE_COLUMNS.iter().find_map(|wanted| {
            columns.iter().position(|column| column.eq_ignore_ascii_case(wanted))
        });
        let is_file =
            |cell: &Cell| matches!(cell, Cell::Text(text) if self.names.find(text).is_some());
        let Some(files) = named.or_else(|| cells.iter().position(is_file)) else {
            return Err(DataError::NoFileColumn);
        };
        let mut names = columns.clone();
        if !names[files].eq_ignore_ascii_case(IMAGE) {
            names.push(IMAGE.to_owned());
        }
        super::check_columns(&names, self.limits)?;
        self.sink.columns(&names)?;
        self.plan.files = Some(files);
        Ok(files)
    }

    fn image(&mut self, text: &str, row: u64, column: &str) -> Result<Cell, DataError> {
        let column_name = || column.to_owned();
        let file = || text.trim().chars().take(200).collect::<String>();
        let Some(place) = self.names.find(text) else {
            return Err(DataError::NoSuchFile { row, column: column_name(), file: file() });
        };
        if let Some(first) = self.plan.used.insert(place, row) {
            return Err(DataError::FileTwice { row, column: column_name(), file: file(), first });
        }
        let limit = self.limits.image_bytes;
        let bytes = extract(&mut self.archive, place, limit as u64, &mut self.expanded)?;
        if self.expanded > self.limits.expanded_bytes {
            let (bytes, limit) = (self.expanded, self.limits.expanded_bytes);
            return Err(DataError::Expands { bytes, limit });
        }
        let Some(bytes) = bytes else {
            let found = limit as u64 + 1;
            return Err(DataError::ImageTooLong { row, column: column_name(), found, limit });
        };
        if !image::is_image(&bytes) {
            return Err(DataError::NotAnImage { row, column: column_name(), file: file() });
        }
        image::cell(&bytes, row, column, self.limits)
    }
}

impl Sink for Images<'_> {
    fn columns(&mut self, names: &[String]) -> Result<(), DataError> {
        self.plan.columns = names.to_vec();
        Ok(())
    }

    fn record(&mut self, cells: &[Cell]) -> Result<(), DataError> {
        self.plan.row += 1;
        let files = match self.plan.files {
            Some(files) => files,
            None => self.begin(cells)?,
        };
        let column = self.plan.columns[files].clone();
        let image = match cells[files].to_text() {
            None => Cell::Null,
            Some(text) => self.image(&text, self.plan.row, &column)?,
        };
        let mut cells = cells.to_vec();
        if column.eq_ignore_ascii_case(IMAGE) {
            cells[files] = image;
        } else {
            cells.push(image);
        }
        self.sink.record(&cells)
    }
}

/// A table in memory that several readers share, as they share a file.
#[derive(Clone, Copy)]
struct Shared<'a>(&'a RefCell<Cursor<Vec<u8>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl Seek for Shared<'_> {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.0.borrow_mut().seek(position)
    }
}

fn bad(error: ZipError) -> DataError {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            DataError::Io(error)
        }
        other => broken(&other.to_string()),
    }
}

fn broken(message: &str) -> DataError {
    DataError::Zip { message: message.to_owned() }
}

#[cfg(test)]
#[path = "zip_tests.rs"]
mod tests;
