//! Real tables, where they lie beside the repository.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;

use whereof::data::reader::{self, Format};
use whereof::data::{Cell, Limits};
use whereof::random;

use super::Failure;
use super::data::Rows;

/// So many white wines, none twice, and whether they are rated 6 or better.
pub fn wine(count: usize, seed: u64) -> Result<Option<Rows>, Failure> {
    let label = |cell: &Cell| {
        let good = cell.to_number().is_some_and(|quality| quality >= 6.0);
        Cell::Text(if good { "good" } else { "poor" }.to_owned())
    };
    table("wine_white.csv", count, seed, label)
}

/// So many people, and whether they earn more than a limit.
pub fn adult(count: usize, seed: u64) -> Result<Option<Rows>, Failure> {
    table("adult_train.csv", count, seed, Cell::clone)
}

fn table(
    name: &str,
    count: usize,
    seed: u64,
    label: impl Fn(&Cell) -> Cell,
) -> Result<Option<Rows>, Failure> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/tabular"));
    let Ok(file) = File::open(path.join(name)) else { return Ok(None) };
    let mut rows = Rows::new();
    reader::read(Format::Csv, &file, &Limits::default(), &mut rows)?;
    let mut seen = HashSet::new();
    rows.records.retain(|record| seen.insert(format!("{:?}", &record[..record.len() - 1])));
    random::shuffle(&mut rows.records, &mut random::stream(seed, "planted.sample"));
    rows.records.truncate(count);
    // A column holds numbers where its first values do; the reader gives texts.
    let columns = rows.names.len();
    let numeric: Vec<bool> = (0..columns)
        .map(|at| rows.records.iter().all(|r| r[at] == Cell::Null || r[at].to_number().is_some()))
        .collect();
    for record in &mut rows.records {
        for (cell, numeric) in record.iter_mut().zip(&numeric) {
            if let (true, Some(number)) = (*numeric, cell.to_number()) {
                *cell = Cell::Number(number);
            }
        }
        let last = columns - 1;
        record[last] = label(&record[last]);
    }
    Ok(Some(rows))
}
