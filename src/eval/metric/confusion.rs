//! The confusion matrix and what follows from it.

/// How often each true class was given each predicted class.
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
    /// Predictions, by class, for records that are of none of the classes.
    strays: Vec<u64>,
}

/// Precision, recall and F1 of one class, each in \[0, 1\], higher is better. A ratio without any
/// record to count is 0, as in scikit-learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Of the records given this class, the share that is of it.
    pub precision: f64,
    /// Of the records of this class, the share that was given it.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Records of this class.
    pub support: u64,
}

impl Confusion {
    /// From true and predicted classes.
    pub fn new(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        for (truth, predicted) in pairs {
            counts[truth * classes + predicted] += 1;
        }
        Self { classes, counts, strays: vec![0; classes] }
    }

    /// Counts predicted classes of records that are of no known class: each is wrong.
    pub fn with_strays(mut self, predicted: impl IntoIterator<Item = usize>) -> Self {
        predicted.into_iter().for_each(|class| self.strays[class] += 1);
        self
    }

    /// Records of class `truth` that were given class `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// Counts, a row for each true class; without records that are of none.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        self.counts.chunks(self.classes.max(1)).map(<[u64]>::to_vec).collect()
    }

    /// Share of records of a known class with the right one, in \[0, 1\]. Equals micro F1 here.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|c| self.count(c, c)).sum();
        ratio(right, self.counts.iter().sum())
    }

    /// Scores of one class.
    pub fn class(&self, class: usize) -> ClassScores {
        let right = self.count(class, class);
        let support = (0..self.classes).map(|p| self.count(class, p)).sum();
        let known: u64 = (0..self.classes).map(|t| self.count(t, class)).sum();
        let given = known + self.strays[class];
        ClassScores {
            precision: ratio(right, given),
            recall: ratio(right, support),
            f1: ratio(2 * right, given + support),
            support,
        }
    }

    /// Unweighted mean F1 over the classes that occur, as truth or as prediction.
    pub fn macro_f1(&self) -> f64 {
        let occurs = |class: &usize| {
            self.strays[*class] > 0
                || (0..self.classes).any(|o| self.count(*class, o) + self.count(o, *class) > 0)
        };
        let present: Vec<usize> = (0..self.classes).filter(occurs).collect();
        present.iter().map(|&class| self.class(class).f1).sum::<f64>() / present.len().max(1) as f64
    }
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // sklearn.metrics.f1_score([0,0,1,1,2,2], [0,1,1,1,0,2], average=None) = [.5, .8, 2/3]
        let pairs = [(0, 0), (0, 1), (1, 1), (1, 1), (2, 0), (2, 2)];
        let confusion = Confusion::new(3, pairs);
        assert!((confusion.accuracy() - 4.0 / 6.0).abs() < 1e-12);
        let expected = [0.5, 0.8, 2.0 / 3.0];
        for (class, f1) in expected.iter().enumerate() {
            assert!((confusion.class(class).f1 - f1).abs() < 1e-12);
        }
        assert!((confusion.macro_f1() - expected.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        assert_eq!(confusion.rows()[2], [1, 0, 1]);
    }

    #[test]
    fn classes_that_never_occur_do_not_count() {
        let confusion = Confusion::new(4, [(0, 0), (1, 1)]);
        assert_eq!(confusion.macro_f1(), 1.0);
        assert_eq!(confusion.class(3).support, 0);
    }
}
