//! Figures of a dataset, from the profile of its columns.

use super::{PlotlyFigure, share_bars};
use crate::data::profile::{Column, ColumnKind};

/// The figures that every dataset has.
pub const NAMES: [&str; 2] = ["balance", "missing"];

/// Values that get a bar of their own.
const MOST: usize = 30;

/// Whether the values of a column were counted, so that its balance can be drawn.
pub fn is_counted(column: &Column) -> bool {
    column.values.as_ref().is_some_and(|values| !values.is_empty())
}

/// The column whose balance is drawn where none is named: of those that hold categories the one with the
/// fewest, which is most often the label, but for one that says which records train and which test.
pub fn default_column(columns: &[Column]) -> Option<&Column> {
    let held = |kinds: &[ColumnKind]| {
        let fits = |column: &&Column| {
            is_counted(column) && kinds.contains(&column.kind) && !is_split(column)
        };
        columns.iter().filter(fits).min_by_key(|column| column.distinct)
    };
    held(&[ColumnKind::Category, ColumnKind::Boolean]).or_else(|| held(&[ColumnKind::Integer]))
}

fn is_split(column: &Column) -> bool {
    let values = column.values.as_deref().unwrap_or_default();
    ["train", "test"].iter().all(|part| values.iter().any(|value| value.value == *part))
}

/// How many of the rows hold each value of a column, the most frequent first.
pub fn balance(column: &Column, rows: u64) -> PlotlyFigure {
    let share = |count: u64| count as f64 / rows.max(1) as f64;
    let mut values = column.values.clone().unwrap_or_default();
    values.sort_by_key(|value| std::cmp::Reverse(value.count));
    let rest: u64 = values.iter().skip(MOST).map(|value| value.count).sum();
    let others = values.len().saturating_sub(MOST);
    let listed = values.into_iter().take(MOST).map(|value| (value.value, value.count));
    let mut bars: Vec<_> = listed.map(|(value, count)| (value, share(count), None)).collect();
    if others > 0 {
        bars.push((format!("{others} other values"), share(rest), None));
    }
    if column.missing > 0 {
        bars.push(("(missing)".to_owned(), share(column.missing), None));
    }
    let mut plot = share_bars(&format!("Values of {}", column.name), "share of the rows", bars);
    plot.layout.yaxis.title.text.clone_from(&column.name);
    plot
}

/// The share of the rows that lack each column's value, in the order of the columns.
pub fn missing(columns: &[Column], rows: u64) -> PlotlyFigure {
    let share = |column: &Column| column.missing as f64 / rows.max(1) as f64;
    let bars = columns.iter().map(|column| (column.name.clone(), share(column), None));
    let mut plot = share_bars("Rows without a value", "share of the rows", bars.collect());
    plot.layout.yaxis.title.text = "column".to_owned();
    plot
}
