//! What is counted of scored records.

use serde::{Deserialize, Serialize};

use crate::model::prediction::Prediction;
use crate::model::score::{Coverage, ScoreItem};

/// Bins of p-values: tenths of (0, 1\].
pub const P_VALUE_BINS: usize = 10;

/// Counts and sums over any number of scored records; those of two sets add up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Records, failed ones included.
    pub records: u64,
    /// Records that could not be scored.
    pub failed: u64,
    /// Accepted, of the scored ones.
    pub accepted: Mean,
    /// Flagged as outside, of those where it could be told.
    pub flagged: Mean,
    /// Calibrated confidence.
    pub confidence: Mean,
    /// Coverage of words.
    pub tokens: Mean,
    /// Coverage of n-grams.
    pub ngrams: Mean,
    /// Coverage of columns.
    pub columns: Mean,
    /// Coverage of the representation.
    pub representation: Mean,
    /// Texts with a word that the model does not know.
    pub unknown_words: Mean,
    /// Rows with a value outside what training saw.
    pub outside_values: Mean,
    /// Combined p-values in (0, 0.1\], (0.1, 0.2\] and so on.
    pub p_values: [u64; P_VALUE_BINS],
}

/// A sum and what it is taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    sum: f64,
    of: u64,
}

impl Mean {
    /// The mean; `None` of nothing.
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.sum / self.of as f64)
    }

    fn put(&mut self, value: Option<f64>) {
        // One value that is no number would take the mean of all others with it.
        let value = value.filter(|value| value.is_finite());
        self.add(Self { sum: value.unwrap_or(0.0), of: u64::from(value.is_some()) });
    }

    fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.of += other.of;
    }
}

impl Counts {
    /// Counts a record: its answer, its combined p-value, and whether it was flagged as outside.
    pub fn put(&mut self, item: &ScoreItem, p_value: Option<f64>, flagged: Option<bool>) {
        let of_flag = |flag: bool| f64::from(u8::from(flag));
        self.records += 1;
        let (accepted, confidence, coverage) = match item {
            ScoreItem::Failed { .. } => {
                self.failed += 1;
                return;
            }
            ScoreItem::Score(score) => (score.accepted, score.confidence, &score.coverage),
            ScoreItem::Value(value) => (value.accepted, None, &value.coverage),
        };
        self.accepted.put(Some(of_flag(accepted)));
        self.flagged.put(flagged.map(of_flag));
        self.confidence.put(confidence.map(f64::from));
        self.put_coverage(coverage);
        if let Some(bin) = p_value.and_then(bin) {
            self.p_values[bin] += 1;
        }
    }

    /// Counts a record of which only the prediction was asked for: neither its acceptance nor its
    /// coverage is known.
    pub fn put_prediction(&mut self, prediction: &Prediction) {
        self.records += 1;
        match prediction {
            Prediction::Label(label) => self.confidence.put(label.confidence.map(f64::from)),
            Prediction::Value(_) => {}
            Prediction::Failed { .. } => self.failed += 1,
        }
    }

    fn put_coverage(&mut self, coverage: &Coverage) {
        let Coverage { tokens, ngrams, columns, representation, .. } = coverage;
        self.tokens.put(tokens.map(f64::from));
        self.ngrams.put(ngrams.map(f64::from));
        self.columns.put(columns.map(f64::from));
        self.representation.put(Some(f64::from(*representation)));
        let any = |any: bool| f64::from(u8::from(any));
        self.unknown_words.put(coverage.unknown_count.map(|count| any(count > 0)));
        self.outside_values.put(coverage.outside.as_ref().map(|outside| any(!outside.is_empty())));
    }

    /// Adds the counts of other records.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.failed += other.failed;
        self.accepted.add(other.accepted);
        self.flagged.add(other.flagged);
        self.confidence.add(other.confidence);
        self.tokens.add(other.tokens);
        self.ngrams.add(other.ngrams);
        self.columns.add(other.columns);
        self.representation.add(other.representation);
        self.unknown_words.add(other.unknown_words);
        self.outside_values.add(other.outside_values);
        self.p_values.iter_mut().zip(other.p_values).for_each(|(bin, more)| *bin += more);
    }
}

/// The bin of a p-value. Its bounds are formed as p-values are, k/(n + 1), so that the comparison is
/// exact; `None` above 1 and for what is no number.
fn bin(p_value: f64) -> Option<usize> {
    (0..P_VALUE_BINS).find(|bin| p_value <= (bin + 1) as f64 / P_VALUE_BINS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::score::{OutOfDistribution, ValueScore};
    use crate::problem::{Code, Problem};
    use crate::tabular::{OutsideReason, OutsideValue};

    fn row(accepted: bool, columns: f32, outside: usize) -> ScoreItem {
        let value = OutsideValue {
            column: "x".to_owned(),
            value: Some("15".to_owned()),
            reason: OutsideReason::Above,
            message: "is above 10".to_owned(),
        };
        ScoreItem::Value(Box::new(ValueScore {
            value: 1.0,
            interval: None,
            values: Vec::new(),
            coverage: Coverage {
                tokens: None,
                ngrams: None,
                columns: Some(columns),
                representation: 0.5,
                unknown: None,
                unknown_count: None,
                outside: Some(vec![value; outside]),
            },
            ood: OutOfDistribution {
                score: None,
                p_value: None,
                q_value: None,
                axes: Default::default(),
            },
            accepted,
            reason: String::new(),
            explanation: None,
        }))
    }

    #[test]
    fn bins_hold_their_upper_bound() {
        for records in [9, 19, 80, 99, 999] {
            for rank in 1..=records + 1 {
                let expected = (rank * P_VALUE_BINS).div_ceil(records + 1) - 1;
                let found = bin(rank as f64 / (records + 1) as f64);
                assert_eq!(found, Some(expected), "{rank} of {records}");
            }
        }
        assert_eq!((bin(1.1), bin(f64::NAN)), (None, None));
    }

    #[test]
    fn counts_of_parts_add_up_to_those_of_the_whole() {
        let failed = ScoreItem::Failed { error: Box::new(Problem::new(Code::Internal, "no")) };
        let records = [
            (row(true, 1.0, 0), Some(0.1), Some(false)),
            (row(false, 0.5, 1), Some(0.05), Some(true)),
            (failed, None, None),
            (row(true, 0.0, 2), None, None),
        ];
        let count = |part: &[(ScoreItem, Option<f64>, Option<bool>)]| {
            let mut counts = Counts::default();
            part.iter().for_each(|(item, p, flagged)| counts.put(item, *p, *flagged));
            counts
        };
        let whole = count(&records);
        assert_eq!((whole.records, whole.failed, whole.p_values[0]), (4, 1, 2));
        assert_eq!(whole.accepted.value(), Some(2.0 / 3.0));
        assert_eq!(whole.flagged.value(), Some(0.5));
        assert_eq!(whole.columns.value(), Some(0.5));
        assert_eq!(whole.outside_values.value(), Some(2.0 / 3.0));
        assert_eq!((whole.tokens.value(), whole.confidence.value()), (None, None));
        let mut parts = count(&records[..1]);
        parts.add(&count(&records[1..]));
        assert_eq!(parts, whole);
    }
}
