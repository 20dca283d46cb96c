//! What a column learns from its training values.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::column::{Content, Fitted, category, date_text, finite, is_missing, places};
use super::moments::Moments;
use super::{Column, FitError, InputKind, TabularSpec, Unreadable, Value};

/// From so many values on, a column of which no two are alike is an identifier.
const IDENTIFIER_VALUES: u64 = 20;

/// What was found about a column while fitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnFindingKind {
    /// Every training record holds the same value. The column gives no feature; coverage still
    /// tells when a record differs.
    Constant,
    /// No training record holds a value. The column is left out.
    Empty,
    /// Hardly any value occurs twice, so that nothing learnt about one helps another. The column is
    /// left out.
    Identifier,
    /// There are more frequent categories than get a feature of their own.
    Pooled,
}

/// Something about a column that a user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ColumnFinding {
    /// The column.
    pub column: String,
    /// What it is.
    pub kind: ColumnFindingKind,
    /// The same as a sentence, with the figures.
    pub message: String,
}

impl Fitted {
    /// Learns a column from its training values.
    pub fn fit(
        spec: &TabularSpec,
        column: &Column<'_>,
    ) -> Result<(Self, Option<ColumnFinding>), FitError> {
        let mut fitted = Self {
            name: column.name.to_owned(),
            kind: column.kind,
            present: 0,
            missing: 0,
            content: Content::Unused,
        };
        let finding = match column.kind {
            InputKind::Numeric => fitted.fit_numbers(&column.values)?,
            InputKind::Categorical => fitted.fit_categories(spec, &column.values),
            InputKind::Date => fitted.fit_dates(&column.values)?,
        };
        Ok((fitted, finding))
    }

    /// Reads every value that is there, and counts.
    fn readings<T>(
        &mut self,
        values: &[Value<'_>],
        read: impl Fn(&Self, &Value<'_>) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, FitError> {
        let mut readings = Vec::with_capacity(values.len());
        for (row, value) in values.iter().enumerate() {
            if is_missing(value) {
                self.missing += 1;
            } else {
                readings.push(read(self, value).map_err(|error| FitError { row, error })?);
            }
        }
        self.present = readings.len() as u64;
        Ok(readings)
    }

    fn fit_numbers(&mut self, values: &[Value<'_>]) -> Result<Option<ColumnFinding>, FitError> {
        let mut numbers = self.readings(values, Self::number)?;
        let Some(moments) = Moments::of(&mut numbers) else { return Ok(Some(self.empty())) };
        self.content = Content::Number { moments };
        let is_constant = moments.std == 0.0 && self.missing == 0;
        Ok(is_constant.then(|| self.constant(&moments.min.to_string())))
    }

    fn fit_dates(&mut self, values: &[Value<'_>]) -> Result<Option<ColumnFinding>, FitError> {
        let dates = self.readings(values, Self::date)?;
        let mut days: Vec<f64> = dates.iter().map(|date| date.days).collect();
        let Some(moments) = Moments::of(&mut days) else { return Ok(Some(self.empty())) };
        let mut cycles = [None; 3];
        for (cycle, means) in cycles.iter_mut().enumerate() {
            let first = dates[0].phases[cycle];
            if dates.iter().any(|date| date.phases[cycle] != first) {
                let mean = |part: usize| {
                    let mut parts: Vec<f64> =
                        dates.iter().map(|date| date.cycles()[cycle][part]).collect();
                    Moments::of(&mut parts).map_or(0.0, |moments| moments.mean)
                };
                *means = Some([mean(0), mean(1)]);
            }
        }
        self.content = Content::Date { moments, cycles };
        let is_constant = self.features().is_empty();
        Ok(is_constant.then(|| self.constant(&date_text(moments.min))))
    }

    fn fit_categories(
        &mut self,
        spec: &TabularSpec,
        values: &[Value<'_>],
    ) -> Option<ColumnFinding> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for value in values {
            match category(value) {
                None => self.missing += 1,
                Some(text) => {
                    self.present += 1;
                    *counts.entry(text).or_default() += 1;
                }
            }
        }
        if self.present == 0 {
            return Some(self.empty());
        }
        let distinct = counts.len() as u64;
        let numbers = counts.keys().any(|text| finite(text).is_some());
        let mut kept: Vec<(String, u64)> =
            counts.into_iter().filter(|(_, count)| *count >= spec.min_category_count).collect();
        kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if kept.is_empty() || (distinct == self.present && distinct >= IDENTIFIER_VALUES) {
            let message = format!(
                "the column has {distinct} different values in {} training records, none often \
                 enough to learn from ({} records); it is left out as an identifier",
                self.present, spec.min_category_count
            );
            return Some(self.finding(ColumnFindingKind::Identifier, message));
        }
        let frequent = kept.len();
        kept.truncate(spec.max_categories);
        let (names, counts): (Vec<String>, Vec<u64>) = kept.into_iter().unzip();
        let other = self.present - counts.iter().sum::<u64>();
        let places = places(&names);
        let (first, kept) = (names[0].clone(), names.len());
        self.content = Content::Categories { names, counts, other, numbers, places };
        if self.features().is_empty() {
            return Some(self.constant(&format!("{first:?}")));
        }
        (frequent > kept).then(|| {
            let message = format!(
                "{frequent} categories are frequent, and {kept} have a feature of their own; the \
                 others share one, in {:.1} % of the training records",
                100.0 * other as f64 / self.present as f64
            );
            self.finding(ColumnFindingKind::Pooled, message)
        })
    }

    fn finding(&self, kind: ColumnFindingKind, message: String) -> ColumnFinding {
        ColumnFinding { column: self.name.clone(), kind, message }
    }

    fn empty(&self) -> ColumnFinding {
        let message = "no training record has a value; the column is left out".to_owned();
        self.finding(ColumnFindingKind::Empty, message)
    }

    fn constant(&self, value: &str) -> ColumnFinding {
        let message = format!("every training record holds {value}; the column gives no feature");
        self.finding(ColumnFindingKind::Constant, message)
    }
}
