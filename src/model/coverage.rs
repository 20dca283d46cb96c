//! How much of records lies within the training data: of one, of several, and in bins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Reading;
use super::encoder::Encoded;
use crate::arrays::{Arrays, ArraysError};

/// Upper ends of the bins by coverage but the last, which holds records that are covered wholly.
pub const BIN_ENDS: [f64; 5] = [0.25, 0.5, 0.75, 0.9, 1.0];
/// Below this, rounding alone keeps a share from 1.
const ROUNDING: f64 = 1e-6;

/// Coverage of one record. Each share is in \[0, 1\]; higher is better covered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordCoverage {
    /// Of a text's words.
    pub tokens: Option<f64>,
    /// Of a text's n-grams, weighted as the network pools them.
    pub ngrams: Option<f64>,
    /// Of a row's columns.
    pub columns: Option<f64>,
    /// Of the representation.
    pub representation: f64,
    /// Whether a text holds a word that the model does not know, or a row a value outside what
    /// training saw.
    pub has_outside: bool,
}

impl RecordCoverage {
    /// Of a record that was read.
    pub fn of(reading: &Reading) -> Self {
        let of_representation = Self {
            tokens: None,
            ngrams: None,
            columns: None,
            representation: reading.representation,
            has_outside: false,
        };
        match &reading.encoded {
            Encoded::Text(text) => Self {
                tokens: Some(text.token_coverage.into()),
                ngrams: Some(text.ngram_coverage.into()),
                has_outside: text.unknown_count > 0,
                ..of_representation
            },
            Encoded::Row(row) => Self {
                columns: Some(row.coverage.columns),
                has_outside: !row.coverage.outside.is_empty(),
                ..of_representation
            },
            Encoded::Image(_) => of_representation,
        }
    }

    /// The share that records are put into bins by: n-grams of a text, columns of a row, the
    /// representation of an image.
    pub fn share(&self) -> f64 {
        self.ngrams.or(self.columns).unwrap_or(self.representation)
    }

    /// Which bin it falls into, from 0; the last holds shares of 1.
    pub fn bin(&self) -> usize {
        let share = if self.share() > 1.0 - ROUNDING { 1.0 } else { self.share() };
        BIN_ENDS.iter().filter(|end| share >= **end).count()
    }
}

/// The ends of a bin: the lower one in it, the upper one not, but in the last, which is 1 alone.
pub(super) fn bin_ends(bin: usize) -> [f64; 2] {
    let lower = if bin == 0 { 0.0 } else { BIN_ENDS[(bin - 1).min(BIN_ENDS.len() - 1)] };
    [lower, BIN_ENDS.get(bin).copied().unwrap_or(1.0)]
}

/// Arrays that hold the coverage of records.
pub(super) fn save(records: &[RecordCoverage]) -> Arrays {
    let mut arrays = Arrays::default();
    type Share = fn(&RecordCoverage) -> Option<f64>;
    let shares: [(&str, Share); 4] = [
        ("tokens", |record| record.tokens),
        ("ngrams", |record| record.ngrams),
        ("columns", |record| record.columns),
        ("representation", |record| Some(record.representation)),
    ];
    for (name, of) in shares {
        let values: Option<Vec<f64>> = records.iter().map(of).collect();
        if let Some(values) = values {
            arrays.put(name, values);
        }
    }
    arrays.put("outside", records.iter().map(|record| u32::from(record.has_outside)).collect());
    arrays
}

/// What [`save`] stored of that many records.
pub(super) fn load(arrays: &Arrays, records: usize) -> Result<Vec<RecordCoverage>, ArraysError> {
    let shares = |name: &str| -> Result<Option<&[f64]>, ArraysError> {
        arrays.has(name).then(|| arrays.get_exact::<f64>(name, records)).transpose()
    };
    let (tokens, ngrams, columns) = (shares("tokens")?, shares("ngrams")?, shares("columns")?);
    let representation = arrays.get_exact::<f64>("representation", records)?;
    let outside = arrays.get_exact::<u32>("outside", records)?;
    let record = |i: usize| RecordCoverage {
        tokens: tokens.map(|values| values[i]),
        ngrams: ngrams.map(|values| values[i]),
        columns: columns.map(|values| values[i]),
        representation: representation[i],
        has_outside: outside[i] != 0,
    };
    Ok((0..records).map(record).collect())
}

/// Mean coverage of several records. Each share is in \[0, 1\].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeanCoverage {
    /// Share of a text's words that the model knows; higher is better covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<f64>,
    /// Share of a text's n-gram weight, as the network pools it, that the model knows; higher is
    /// better covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngrams: Option<f64>,
    /// Share of a row's columns whose value lies within what training saw; higher is better covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<f64>,
    /// Cosine to the nearest typical training vector, clamped to \[0, 1\]; higher is better covered.
    pub representation: f64,
    /// Share of the texts that hold a word the model does not know, in \[0, 1\]; lower is better
    /// covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_with_unknown: Option<f64>,
    /// Share of the rows that hold a value outside what training saw, in \[0, 1\]; lower is better
    /// covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_with_outside: Option<f64>,
}

impl MeanCoverage {
    /// Of records; `None` without any.
    pub fn of(records: &[RecordCoverage]) -> Option<Self> {
        if records.is_empty() {
            return None;
        }
        let n = records.len() as f64;
        let mean = |of: fn(&RecordCoverage) -> Option<f64>| {
            let shares: Option<Vec<f64>> = records.iter().map(of).collect();
            shares.map(|shares| shares.iter().sum::<f64>() / n)
        };
        let outside = records.iter().filter(|record| record.has_outside).count() as f64 / n;
        let (tokens, columns) = (mean(|c| c.tokens), mean(|c| c.columns));
        Some(Self {
            tokens,
            ngrams: mean(|c| c.ngrams),
            columns,
            representation: mean(|c| Some(c.representation))?,
            texts_with_unknown: tokens.map(|_| outside),
            rows_with_outside: columns.map(|_| outside),
        })
    }

    /// The mean of what records are put into bins by.
    pub fn share(&self) -> f64 {
        self.ngrams.or(self.columns).unwrap_or(self.representation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ngrams: f64, has_outside: bool) -> RecordCoverage {
        let (tokens, ngrams) = (Some(ngrams / 2.0), Some(ngrams));
        RecordCoverage { tokens, ngrams, columns: None, representation: 0.5, has_outside }
    }

    #[test]
    fn every_share_falls_into_the_bin_that_names_it() {
        for (share, bin) in
            [(0.0, 0), (0.2499, 0), (0.25, 1), (0.74, 2), (0.75, 3), (0.9, 4), (0.999, 4), (1.0, 5)]
        {
            assert_eq!(text(share, false).bin(), bin, "{share}");
            let [lower, upper] = bin_ends(bin);
            assert!(lower <= share && (share < upper || bin == 5), "{share}: {lower} to {upper}");
        }
        assert_eq!(text(1.0 - 1e-8, false).bin(), 5);
        assert_eq!((bin_ends(0), bin_ends(5)), ([0.0, 0.25], [1.0, 1.0]));
    }

    #[test]
    fn arrays_and_back() {
        let texts = vec![text(0.5, true), text(1.0, false)];
        let row = RecordCoverage { tokens: None, ngrams: None, columns: Some(0.7), ..texts[0] };
        let image = RecordCoverage { columns: None, ..row };
        for records in [texts, vec![row], vec![image]] {
            let saved = save(&records);
            assert_eq!(load(&saved, records.len()).unwrap(), records);
            assert!(load(&saved, records.len() + 1).is_err());
        }
    }

    #[test]
    fn means_are_of_what_all_records_have() {
        let mean = MeanCoverage::of(&[text(0.5, true), text(1.0, false)]).unwrap();
        assert_eq!((mean.ngrams, mean.tokens, mean.columns), (Some(0.75), Some(0.375), None));
        assert_eq!((mean.texts_with_unknown, mean.rows_with_outside), (Some(0.5), None));
        assert_eq!((mean.share(), MeanCoverage::of(&[])), (0.75, None));
    }
}
