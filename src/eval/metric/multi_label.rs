//! Metrics for records with any number of labels.

use super::confusion::{ClassScores, ratio};

/// Counts of right and wrong decisions, label by label.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiLabelCounts {
    /// For each label: found, wrongly given, missed.
    labels: Vec<(u64, u64, u64)>,
    records: u64,
    exact: u64,
}

impl MultiLabelCounts {
    /// From the true and the predicted labels of each record.
    pub fn new<'a>(
        labels: usize,
        records: impl IntoIterator<Item = (&'a [bool], &'a [bool])>,
    ) -> Self {
        let mut counts = Self { labels: vec![(0, 0, 0); labels], records: 0, exact: 0 };
        for (truth, predicted) in records {
            counts.records += 1;
            counts.exact += u64::from(truth == predicted);
            for ((found, wrong, missed), (&t, &p)) in
                counts.labels.iter_mut().zip(truth.iter().zip(predicted))
            {
                *found += u64::from(t && p);
                *wrong += u64::from(!t && p);
                *missed += u64::from(t && !p);
            }
        }
        counts
    }

    /// Share of records whose labels are all right, in \[0, 1\].
    pub fn subset_accuracy(&self) -> f64 {
        ratio(self.exact, self.records)
    }

    /// Scores of one label.
    pub fn label(&self, label: usize) -> ClassScores {
        let (found, wrong, missed) = self.labels[label];
        ClassScores {
            precision: ratio(found, found + wrong),
            recall: ratio(found, found + missed),
            f1: ratio(2 * found, 2 * found + wrong + missed),
            support: found + missed,
        }
    }

    /// F1 of all decisions together, in \[0, 1\].
    pub fn micro_f1(&self) -> f64 {
        let sum = |f: fn(&(u64, u64, u64)) -> u64| self.labels.iter().map(f).sum::<u64>();
        let found = sum(|l| l.0);
        ratio(2 * found, 2 * found + sum(|l| l.1) + sum(|l| l.2))
    }

    /// Unweighted mean F1 over the labels, in \[0, 1\].
    pub fn macro_f1(&self) -> f64 {
        let sum: f64 = (0..self.labels.len()).map(|label| self.label(label).f1).sum();
        sum / self.labels.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // By hand: 3 found, 0 wrongly given, 2 missed over all labels.
        let y = [[true, false, true], [false, true, false], [true, true, false]];
        let p = [[true, false, false], [false, true, false], [true, false, false]];
        let counts =
            MultiLabelCounts::new(3, y.iter().map(|r| &r[..]).zip(p.iter().map(|r| &r[..])));
        assert!((counts.subset_accuracy() - 1.0 / 3.0).abs() < 1e-12);
        assert!((counts.micro_f1() - 2.0 * 3.0 / (2.0 * 3.0 + 2.0)).abs() < 1e-12);
        assert!((counts.macro_f1() - (1.0 + 2.0 / 3.0 + 0.0) / 3.0).abs() < 1e-12);
        assert_eq!(counts.label(0).support, 2);
    }
}
