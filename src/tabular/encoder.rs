//! The fitted whole: rows in, dense features and coverage out.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::column::{Fitted, Reading};
use super::{
    Column, ColumnFinding, ColumnRange, EncoderError, FitError, RowCoverage, TabularSpec,
    Unreadable, Value,
};

/// What a feature is, for whoever shows features or varies them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// A number or days, standardised unless the spec says otherwise.
    Number,
    /// The sine or cosine of a place in a cycle of the calendar.
    Cycle,
    /// 1 where the column holds this category.
    Category,
    /// 1 where the column holds a category without a feature of its own.
    Unknown,
    /// 1 where the column has no value.
    Missing,
}

/// A row as the network sees it, and how much of it training saw.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedRow {
    /// [`TabularEncoder::width`] finite numbers.
    pub features: Vec<f32>,
    /// How much of the row lies within the training data.
    pub coverage: RowCoverage,
}

/// A fitted encoder. It is stored as its JSON, which gives back the same bits; what contradicts
/// itself is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct TabularEncoder {
    pub(super) spec: TabularSpec,
    pub(super) columns: Vec<Fitted>,
    /// Where the features of each column start, and the width at the end.
    #[serde(skip)]
    starts: Vec<usize>,
}

#[derive(Deserialize)]
struct Stored {
    spec: TabularSpec,
    columns: Vec<Fitted>,
}

impl TryFrom<Stored> for TabularEncoder {
    type Error = EncoderError;

    fn try_from(Stored { spec, mut columns }: Stored) -> Result<Self, EncoderError> {
        if !(spec.numeric_clip.is_finite() && spec.numeric_clip > 0.0) {
            return Err(EncoderError::Clip);
        }
        columns.iter_mut().try_for_each(Fitted::restore)?;
        Ok(Self::new(spec, columns))
    }
}

impl TabularEncoder {
    /// Learns from the values of the training records, and from no others. The order of the records
    /// does not matter, nor how many threads the rayon pool has.
    ///
    /// A width of 0 is possible: no column then tells one record from another.
    pub fn fit(
        spec: &TabularSpec,
        columns: &[Column<'_>],
    ) -> Result<(Self, Vec<ColumnFinding>), FitError> {
        let fitted: Vec<_> = columns.par_iter().map(|column| Fitted::fit(spec, column)).collect();
        let (mut columns, mut findings) = (Vec::new(), Vec::new());
        for result in fitted {
            let (column, finding) = result?;
            columns.push(column);
            findings.extend(finding);
        }
        Ok((Self::new(spec.clone(), columns), findings))
    }

    pub(super) fn new(spec: TabularSpec, columns: Vec<Fitted>) -> Self {
        let mut starts = vec![0];
        for column in &columns {
            starts.push(starts[starts.len() - 1] + column.features().len());
        }
        Self { spec, columns, starts }
    }

    /// How it was made.
    pub fn spec(&self) -> &TabularSpec {
        &self.spec
    }

    /// Names of the columns, in the order in which rows hold them.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Names of the columns whose values are looked at; the others may be anything or missing.
    pub fn used_columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|c| c.is_used()).map(|c| c.name.as_str())
    }

    /// What training saw in each of those columns, in order.
    pub fn ranges(&self) -> Vec<ColumnRange> {
        self.columns.iter().filter_map(Fitted::range).collect()
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.starts[self.columns.len()]
    }

    /// The features by name, in order: `age`, `age is missing`, `workclass = Private`, …
    pub fn feature_names(&self) -> Vec<String> {
        self.features().into_iter().map(|(name, _)| name).collect()
    }

    /// The features by name and kind, in order.
    pub fn features(&self) -> Vec<(String, FeatureKind)> {
        self.columns.iter().flat_map(Fitted::features).collect()
    }

    /// A value of a feature as it stands in the column: of a number or a date in days in its own unit;
    /// clipped if it was. Other features stay as they are.
    ///
    /// # Panics
    /// If there is no such feature.
    pub fn in_its_unit(&self, feature: usize, value: f32) -> f64 {
        let column = self.starts.partition_point(|&start| start <= feature) - 1;
        self.columns[column].in_its_unit(&self.spec, feature - self.starts[column], value)
    }

    /// The features of a row, and how much of it training saw. Every value that its column cannot
    /// hold is an error.
    ///
    /// # Panics
    /// If the row has not exactly one value for each of [`TabularEncoder::columns`].
    pub fn encode(&self, row: &[Value<'_>]) -> Result<EncodedRow, Vec<Unreadable>> {
        let mut features = vec![0.0; self.width()];
        let readings = self.read(row)?;
        self.write(&readings, &mut features);
        let outside: Vec<_> = self
            .columns
            .iter()
            .zip(row.iter().zip(&readings))
            .filter_map(|(column, (value, reading))| column.outside(value, reading))
            .collect();
        let columns = self.share_inside(outside.len());
        Ok(EncodedRow { features, coverage: RowCoverage { columns, outside } })
    }

    /// The features of a row alone, into `out`, which has [`TabularEncoder::width`] places: what
    /// training needs.
    ///
    /// # Panics
    /// If the row has not exactly one value for each of [`TabularEncoder::columns`].
    pub fn encode_into(&self, row: &[Value<'_>], out: &mut [f32]) -> Result<(), Vec<Unreadable>> {
        let readings = self.read(row)?;
        out.fill(0.0);
        self.write(&readings, out);
        Ok(())
    }

    /// A row that says nothing in one column: each of its features is the training records' mean,
    /// and no value lies outside.
    ///
    /// # Panics
    /// If the row is not one that this encoder gave, or has no such column.
    pub fn without(&self, row: &EncodedRow, column: usize) -> EncodedRow {
        let EncodedRow { mut features, mut coverage } = row.clone();
        let (fitted, range) = (&self.columns[column], self.starts[column]..self.starts[column + 1]);
        fitted.write_mean(&self.spec, &mut features[range]);
        coverage.outside.retain(|value| value.column != fitted.name);
        coverage.columns = self.share_inside(coverage.outside.len());
        EncodedRow { features, coverage }
    }

    /// Positions of the columns whose values are looked at, in order.
    pub fn used_positions(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(|(_, c)| c.is_used()).map(|(position, _)| position)
    }

    /// Share of the columns whose value lies within what training saw.
    fn share_inside(&self, outside: usize) -> f64 {
        let used = self.used_positions().count();
        (used - outside) as f64 / used.max(1) as f64
    }

    fn read(&self, row: &[Value<'_>]) -> Result<Vec<Reading>, Vec<Unreadable>> {
        assert_eq!(row.len(), self.columns.len(), "a value for each column");
        let mut readings = Vec::with_capacity(row.len());
        let mut errors = Vec::new();
        for (column, value) in self.columns.iter().zip(row) {
            match column.read(value) {
                Ok(reading) => readings.push(reading),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(readings) } else { Err(errors) }
    }

    fn write(&self, readings: &[Reading], out: &mut [f32]) {
        for ((column, reading), ends) in
            self.columns.iter().zip(readings).zip(self.starts.windows(2))
        {
            column.write(&self.spec, reading, &mut out[ends[0]..ends[1]]);
        }
    }
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
